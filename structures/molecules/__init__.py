"""Rows of perovskites, ligands and solvents, and molecules as RDKit makes them: atoms, bonds,
conformers.
"""
