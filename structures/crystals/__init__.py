"""A crystal cut from its lattice, its sites, and which ligand goes to which of them."""
