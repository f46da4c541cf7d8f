"""What a person asks for, checked, and the name and place of a run on disk."""
