"""finops reports as live, offline web pages."""
