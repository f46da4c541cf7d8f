"""An openmm.System from a Model and a pack, with the binding coordinate, its walls and restraints."""
