"""An openmm.System from a Model and a pack: binding coordinate, walls and restraints included."""
