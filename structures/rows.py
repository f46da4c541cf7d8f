"""The registries of things one can build: one row each, every physical number with its source.

A new perovskite, ligand or solvent is one new row here (and its parameters in `forcefields/molecules`).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Perovskite:
    """A cubic AMX3 lattice: element symbols and the formal charges that the ledger counts.

    The lattice constant is not here: it belongs to the force-field pack, which must be at its own minimum.
    """

    a_site: str
    metal: str
    halide: str
    formal_charge: dict[str, int]


@dataclass(frozen=True)
class Ligand:
    """A ligand: its SMILES, the SMARTS of its anchor (head) atom, how it binds and its formal charge in e."""

    smiles: str
    anchor: str
    mode: str
    charge: int
    full_name: str


@dataclass(frozen=True)
class Solvent:
    """A solvent: its SMILES and its density at 298.15 K in kg/m3, with the source of the number."""

    smiles: str
    density_kg_m3: float
    source: str


PEROVSKITES = {
    "CsPbBr3": Perovskite("Cs", "Pb", "Br", {"Cs": 1, "Pb": 2, "Br": -1}),
}

AMMONIUM = "[NX4+]"

LIGANDS = {
    "DA": Ligand("CCCCCCCCCCCC[NH3+]", AMMONIUM, "cation", 1, "dodecylammonium"),
    "DDA": Ligand("CCCCCCCCCCCC[NH2+]CCCCCCCCCCCC", AMMONIUM, "cation", 1, "didodecylammonium"),
    "DMDDA": Ligand("CCCCCCCCCCCC[N+](C)(C)CCCCCCCCCCCC", AMMONIUM, "cation", 1, "dimethyldidodecylammonium"),
}

SOLVENTS = {
    "acetone": Solvent("CC(C)=O", 784.5, "CRC Handbook of Chemistry and Physics, 97th ed., 25 C"),
    "toluene": Solvent("Cc1ccccc1", 862.3, "CRC Handbook of Chemistry and Physics, 97th ed., 25 C"),
}
