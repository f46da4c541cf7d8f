"""Who does what next on this machine: decide, work, report progress and status."""
