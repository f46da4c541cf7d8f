"""The catalogue of what can be built: one row each, every physical number with its source.

A new perovskite, ligand or solvent is one new row here (and its parameters in
`forcefields/data/molecules`).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Perovskite:
    """A cubic AMX3 lattice.

    The lattice constant is not here: it belongs to the force-field pack, which must be at its own
    minimum.
    """

    a_site: str
    """The A cation: an element, or a molecule of LIGANDS."""
    metal: str
    """The element M."""
    halide: str
    """The element X."""


@dataclass(frozen=True)
class Mode:
    """How a ligand binds."""

    sites: tuple[str, ...]
    """The role of the site of each head: "A", "X" or "M"."""
    heads: tuple[str, ...]
    """A SMARTS pattern for each head; its first atom is the head."""
    height_nm: float
    """The height of the head over the point of its site that is tried first."""
    needs: str
    """What a ligand must have, for messages."""


@dataclass(frozen=True)
class Ligand:
    """A ligand of the catalogue or of a user."""

    smiles: str
    """Its SMILES, with formal charges and stereochemistry."""
    mode: str
    """How it binds, a key of MODES."""
    charge: int
    """Formal charge in e."""
    full_name: str
    """Its chemical name."""
    heads: tuple[str, ...] = ()
    """SMARTS patterns that replace those of the mode; () for none."""
    molblock: str = ""
    """Of a ligand from a file: its MDL mol block, hydrogens included, atoms in the file's order."""
    names: tuple[str, ...] = ()
    """Of a ligand from a file: its atom names."""


@dataclass(frozen=True)
class Solvent:
    """A solvent."""

    smiles: str
    """Its SMILES."""
    density_kg_m3: float
    """Its density at 298.15 K."""
    source: str
    """Where the density is from."""
    permittivity: float
    """Its static relative permittivity."""
    permittivity_source: str
    """Where the permittivity is from."""


# Formal charges in e, what the ledger counts.
ION_CHARGES = {
    "Cs": 1,
    "Pb": 2,
    "Cl": -1,
    "Br": -1,
    "I": -1,
}

PEROVSKITES = {
    "CsPbBr3": Perovskite("Cs", "Pb", "Br"),
    "MAPbBr3": Perovskite("MA", "Pb", "Br"),
}

# Heads. Ammonium (1 to 4 carbons), amidinium and guanidinium (head: the carbon between the
# nitrogens); carboxylate, phosphonate or phosphate, sulfonate (head: C, P, S); amine without a
# neighbouring carbonyl, aromatic ring or charge.
AMMONIUM = "[$([NX4+]),$([CX3](=[NX3+])[NX3])]"
ACID = "[$([CX3](=O)[O-]),$([PX4](=O)[O-]),$([SX4](=O)(=O)[O-])]"
AMINE = "[NX3;+0;!$(N-[C,N,S,P]=[O,N,S]);!$(N-[c,n]);!$(N-[CX3]=[NX3+])]"

MODES = {
    "cation": Mode(("A",), (AMMONIUM,), 0.0, "an ammonium, amidinium or guanidinium group"),
    "anion": Mode(("X",), (ACID,), 0.0, "a carboxylate, phosphonate, phosphate or sulfonate group"),
    "donor": Mode(("M",), (AMINE,), -0.04, "a neutral amine nitrogen"),
    "zwitterion": Mode(
        ("A", "X"), (AMMONIUM, ACID), 0.0, "an ammonium-type and an acid-type group"
    ),
}

LIGANDS = {
    # cations, on an A site
    "DA": Ligand("CCCCCCCCCCCC[NH3+]", "cation", 1, "dodecylammonium"),
    "DDA": Ligand("CCCCCCCCCCCC[NH2+]CCCCCCCCCCCC", "cation", 1, "didodecylammonium"),
    "DMDDA": Ligand("CCCCCCCCCCCC[N+](C)(C)CCCCCCCCCCCC", "cation", 1, "dimethyldidodecylammonium"),
    "MA": Ligand("C[NH3+]", "cation", 1, "methylammonium"),
    "dimethylammonium": Ligand("C[NH2+]C", "cation", 1, "dimethylammonium"),
    "tetramethylammonium": Ligand("C[N+](C)(C)C", "cation", 1, "tetramethylammonium"),
    "FA": Ligand("NC=[NH2+]", "cation", 1, "formamidinium"),
    "butylammonium": Ligand("CCCC[NH3+]", "cation", 1, "butylammonium"),
    "octylammonium": Ligand("CCCCCCCC[NH3+]", "cation", 1, "octylammonium"),
    "oleylammonium": Ligand(
        "CCCCCCCC/C=C\\CCCCCCCC[NH3+]", "cation", 1, "(Z)-octadec-9-enylammonium"
    ),
    "benzylammonium": Ligand("[NH3+]Cc1ccccc1", "cation", 1, "benzylammonium"),
    "DPPA": Ligand("[NH3+]CCC(c1ccccc1)c1ccccc1", "cation", 1, "3,3-diphenylpropylammonium"),
    "APTES-ammonium": Ligand(
        "CCO[Si](OCC)(OCC)CCC[NH3+]", "cation", 1, "3-(triethoxysilyl)propylammonium"
    ),
    "phenylalaninium": Ligand("[NH3+][C@@H](Cc1ccccc1)C(=O)O", "cation", 1, "L-phenylalaninium"),
    # acids as anions, on an X site
    "oleate": Ligand("CCCCCCCC/C=C\\CCCCCCCC(=O)[O-]", "anion", -1, "(Z)-octadec-9-enoate"),
    "octanoate": Ligand("CCCCCCCC(=O)[O-]", "anion", -1, "octanoate"),
    "valerate": Ligand("CCCCC(=O)[O-]", "anion", -1, "pentanoate"),
    "benzoate": Ligand("[O-]C(=O)c1ccccc1", "anion", -1, "benzoate"),
    "cinnamate": Ligand("[O-]C(=O)/C=C/c1ccccc1", "anion", -1, "trans-cinnamate"),
    "4-CF3-cinnamate": Ligand(
        "[O-]C(=O)/C=C/c1ccc(C(F)(F)F)cc1", "anion", -1, "trans-4-(trifluoromethyl)cinnamate"
    ),
    "F5-cinnamate": Ligand(
        "[O-]C(=O)/C=C/c1c(F)c(F)c(F)c(F)c1F", "anion", -1, "trans-2,3,4,5,6-pentafluorocinnamate"
    ),
    "4-OMe-cinnamate": Ligand(
        "[O-]C(=O)/C=C/c1ccc(OC)cc1", "anion", -1, "trans-4-methoxycinnamate"
    ),
    "mesitylacetate": Ligand(
        "[O-]C(=O)Cc1c(C)cc(C)cc1C", "anion", -1, "2,4,6-trimethylphenylacetate"
    ),
    "phenylacetate": Ligand("[O-]C(=O)Cc1ccccc1", "anion", -1, "phenylacetate"),
    # phosphonates: the hydrogen phosphonates are monoanions, the others dianions, which take a
    # second X with them
    "hydrogen-methylphosphonate": Ligand(
        "CP(=O)(O)[O-]", "anion", -1, "hydrogen methylphosphonate"
    ),
    "methylphosphonate": Ligand("CP(=O)([O-])[O-]", "anion", -2, "methylphosphonate dianion"),
    "hydrogen-hexylphosphonate": Ligand(
        "CCCCCCP(=O)(O)[O-]", "anion", -1, "hydrogen hexylphosphonate"
    ),
    "hexylphosphonate": Ligand("CCCCCCP(=O)([O-])[O-]", "anion", -2, "hexylphosphonate dianion"),
    "hydrogen-tetradecylphosphonate": Ligand(
        "CCCCCCCCCCCCCCP(=O)(O)[O-]", "anion", -1, "hydrogen tetradecylphosphonate"
    ),
    "tetradecylphosphonate": Ligand(
        "CCCCCCCCCCCCCCP(=O)([O-])[O-]", "anion", -2, "tetradecylphosphonate dianion"
    ),
    "hydrogen-octadecylphosphonate": Ligand(
        "CCCCCCCCCCCCCCCCCCP(=O)(O)[O-]", "anion", -1, "hydrogen octadecylphosphonate"
    ),
    "octadecylphosphonate": Ligand(
        "CCCCCCCCCCCCCCCCCCP(=O)([O-])[O-]", "anion", -2, "octadecylphosphonate dianion"
    ),
    # neutral amines, on Pb
    "butylamine": Ligand("CCCCN", "donor", 0, "butylamine"),
    "octylamine": Ligand("CCCCCCCCN", "donor", 0, "octylamine"),
    "oleylamine": Ligand("CCCCCCCC/C=C\\CCCCCCCCN", "donor", 0, "(Z)-octadec-9-enylamine"),
    "benzylamine": Ligand("NCc1ccccc1", "donor", 0, "benzylamine"),
    # zwitterions, on an A and an X site; lysine and arginine as the neutral tautomers with the side
    # chain protonated
    "6-aminohexanoic-acid": Ligand("[NH3+]CCCCCC(=O)[O-]", "zwitterion", 0, "6-aminohexanoic acid"),
    "8-aminooctanoic-acid": Ligand(
        "[NH3+]CCCCCCCC(=O)[O-]", "zwitterion", 0, "8-aminooctanoic acid"
    ),
    "12-aminododecanoic-acid": Ligand(
        "[NH3+]CCCCCCCCCCCC(=O)[O-]", "zwitterion", 0, "12-aminododecanoic acid"
    ),
    "phenylalanine": Ligand("[NH3+][C@@H](Cc1ccccc1)C(=O)[O-]", "zwitterion", 0, "L-phenylalanine"),
    "leucine": Ligand("[NH3+][C@@H](CC(C)C)C(=O)[O-]", "zwitterion", 0, "L-leucine"),
    "lysine": Ligand("N[C@@H](CCCC[NH3+])C(=O)[O-]", "zwitterion", 0, "L-lysine"),
    "arginine": Ligand("N[C@@H](CCCNC(N)=[NH2+])C(=O)[O-]", "zwitterion", 0, "L-arginine"),
    "cysteine": Ligand("[NH3+][C@@H](CS)C(=O)[O-]", "zwitterion", 0, "L-cysteine"),
    "sulfobetaine": Ligand(
        "CCCCCCCCCCCCCCCCCC[N+](C)(C)CCCS(=O)(=O)[O-]",
        "zwitterion",
        0,
        "3-(dimethyloctadecylammonio)propanesulfonate",
    ),
    "phosphocholine": Ligand(
        "CCCCCCCCCCCCCCCCOP(=O)([O-])OCC[N+](C)(C)C", "zwitterion", 0, "hexadecylphosphocholine"
    ),
}

# The lone ions that can be the sampled ligand, each on a crystal that it belongs to. An A cation
# that is a molecule is a row of LIGANDS.
ION_LIGANDS = {
    "Cs": Ligand("[Cs+]", "cation", 1, "caesium"),
    "Cl": Ligand("[Cl-]", "anion", -1, "chloride"),
    "Br": Ligand("[Br-]", "anion", -1, "bromide"),
    "I": Ligand("[I-]", "anion", -1, "iodide"),
}


def catalogue_ligand(name: str) -> Ligand:
    """The row of a molecule of LIGANDS, or of a lone ion.

    Raises:
        KeyError: When neither has that name.
    """
    return ION_LIGANDS[name] if name in ION_LIGANDS else LIGANDS[name]


def exchangeable_ions(perovskite: str) -> tuple[str, str]:
    """The A cation and the halide of a perovskite: ligands take their places on its surface.

    Args:
        perovskite: A key of PEROVSKITES.
    """
    row = PEROVSKITES[perovskite]
    return row.a_site, row.halide


def check_ion_ligand(name: str, perovskite: str) -> None:
    """Refuse a lone ion as the ligand of a crystal whose sites it does not leave.

    Args:
        name: A key of ION_CHARGES.
        perovskite: A key of PEROVSKITES.

    Raises:
        ValueError: Naming the ion, and what can be the ligand.
    """
    ions = exchangeable_ions(perovskite)
    if name not in ions:
        raise ValueError(
            f"{name} does not sit on an A or X site of {perovskite} ({' and '.join(ions)} do):"
            " name one"
            " of these, or a ligand"
        )


_CRC = "CRC Handbook of Chemistry and Physics, 97th ed."
_RIDDICK = "Riddick, Bunger and Sakano, Organic Solvents, 4th ed., Wiley 1986, 25 C"
_CRC_20 = f"{_CRC}, Permittivity (Dielectric Constant) of Liquids, 20 C"

SOLVENTS = {
    "acetone": Solvent("CC(C)=O", 784.5, f"{_CRC}, 25 C", 21.01, _CRC_20),
    "toluene": Solvent(
        "Cc1ccccc1",
        862.3,
        f"{_CRC}, 25 C",
        2.379,
        f"{_CRC}, Permittivity (Dielectric Constant) of Liquids, 23 C",
    ),
    "hexane": Solvent("CCCCCC", 654.8, _RIDDICK, 1.8865, _CRC_20),
    "octane": Solvent("CCCCCCCC", 698.5, _RIDDICK, 1.948, _CRC_20),
    "1-octadecene": Solvent(
        "CCCCCCCCCCCCCCCCC=C",
        789.0,
        f"{_CRC}, 20 C",
        2.087,
        f"refractive index 1.4448 squared ({_CRC}, 20 C)",
    ),
    "DMF": Solvent("CN(C)C=O", 943.9, _RIDDICK, 38.25, _CRC_20),
    "DMSO": Solvent("CS(C)=O", 1095.4, _RIDDICK, 47.24, _CRC_20),
    "2-propanol": Solvent("CC(C)O", 781.3, _RIDDICK, 20.18, _CRC_20),
    "chloroform": Solvent("ClC(Cl)Cl", 1479.7, _RIDDICK, 4.8069, _CRC_20),
    "water": Solvent("O", 997.0, f"{_CRC}, 25 C", 80.1, _CRC_20),
}
