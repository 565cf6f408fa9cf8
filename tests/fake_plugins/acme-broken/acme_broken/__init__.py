"""Everything that a plugin can do wrong, one thing each."""
