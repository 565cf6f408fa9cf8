"""What patterns build with: customers, a calendar, and the base class that turns factors into calls."""
