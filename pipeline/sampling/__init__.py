"""Every product of a run up to its last segment: what it is, in which order, how it is made."""
