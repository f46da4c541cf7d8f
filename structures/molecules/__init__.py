"""Catalogue of perovskites, ligands and solvents; molecules, their atoms, bonds and conformers."""
