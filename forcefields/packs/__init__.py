"""Force-field packs: one TOML file each, its pair potentials, its charge rule, and what it claims
to be valid for.
"""
