"""Published segments to published estimates to tables."""
