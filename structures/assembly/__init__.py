"""From a specification to a Model: poses, relaxation, solvent, groups of atoms."""
