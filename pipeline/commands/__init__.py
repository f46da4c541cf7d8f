"""`halobind X` is commands/X.py; cli.py lists them and imports the one that is asked for."""
