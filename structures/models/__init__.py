"""A finished Model: read, written, exported, drawn, and checked for damage."""
