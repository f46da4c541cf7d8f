"""What is in the box: perovskites, ligands, solvents and the builder that puts them together.

Nothing here knows a force field. The result of this package is a `structures.model.Model`.
"""
