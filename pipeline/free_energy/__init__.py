"""Heights of windows or walkers in; a curve, dG0, errors and flags out. Pure functions, no files."""
