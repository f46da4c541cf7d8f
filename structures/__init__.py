"""What is in the box: perovskites, ligands, solvents and the builder that puts them together.

Nothing here knows a force field. The packages import one way: molecules < crystals < models <
assembly. The result is a `models.model.Model`.
"""
