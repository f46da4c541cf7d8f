"""Ligands that are not in the catalogue: read from a SMILES or a file, and checked.

Of a file the order and the names of the atoms are kept.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

from rdkit import Chem, rdBase

from halobind.structures.molecules.catalogue import ION_CHARGES, MODES, Ligand
from halobind.structures.molecules.coordinates import (
    as_drawing,
    has_distinct_places,
    is_flat_drawing,
    without_places,
)
from halobind.structures.molecules.head_choices import head_notes
from halobind.structures.molecules.limits import check_size, shown
from halobind.structures.molecules.mol2 import read_mol2
from halobind.structures.molecules.molecule import embed, head_atoms, numbered
from halobind.structures.molecules.radii import CONTACT_RADII
from halobind.structures.molecules.stereo import has_stereochemistry, isomer_smiles, open_isomers

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+_-]{0,39}")
ATOM_NAME = re.compile(r"[A-Za-z][A-Za-z0-9'*]{0,5}")
READERS = (".mol2", ".sdf", ".mol")
# Files of structures that do not say the order of bonds, or are read by other programs only.
WITHOUT_BOND_ORDERS = (".pdb", ".ent", ".pdbqt", ".xyz", ".gro", ".cif", ".mmcif", ".g96", ".crd")
OTHER_FORMATS = (".cdx", ".cdxml", ".cml", ".smi", ".smiles", ".mae", ".pqr", ".gjf", ".com")
MAX_HEAVY_ATOMS = 500
MAX_ISOMERS_LISTED = 8
SIGNS = {"cation": "> 0", "anion": "< 0", "donor": "= 0", "zwitterion": "= 0"}


def ligand_from_file(path: Path, mode: str, charge: int, heads: tuple[str, ...] = ()) -> Ligand:
    """A Ligand from a mol2, sdf or mol file of one molecule with all its hydrogens.

    Atom order and the atom names of a mol2 file are kept; sdf has no names, so atoms are numbered
    by element. Coordinates that are no conformer's are not used.

    Args:
        path: The file.
        mode: How it binds, a key of MODES.
        charge: Its charge in e.
        heads: SMARTS patterns that replace those of the mode.

    Raises:
        ValueError: Naming the file and what to do.
        FileNotFoundError: When there is no file.
    """
    check_format(str(path))
    if path.suffix.lower() not in READERS:
        raise ValueError(f"{path}: a ligand file is one of {', '.join(READERS)}")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    if path.suffix.lower() == ".mol2":
        mol, names = read_mol2(path)
        if not has_distinct_places(mol):
            mol = without_places(mol)
        elif is_flat_drawing(mol):
            mol = as_drawing(mol)
    else:
        mol = _read_sdf(path)
        names = numbered([atom.GetSymbol() for atom in mol.GetAtoms()])
    check_atoms(str(path), mol)
    if len(Chem.GetMolFrags(mol)) > 1:
        raise ValueError(
            f"{path}: {len(Chem.GetMolFrags(mol))} molecules in one: leave counter-ions out of the"
            " file"
        )
    bare = Chem.AddHs(mol).GetNumAtoms() - mol.GetNumAtoms()
    if bare:
        raise ValueError(
            f"{path}: {bare} hydrogens are missing: add all of them (and look at the formal"
            " charges)"
        )
    for name in names:
        if not ATOM_NAME.fullmatch(name):
            raise ValueError(
                f"{path}: atom name {shown(name)} is not a letter with at most five letters or"
                " digits"
                " after it: rename the atom"
            )
    smiles = Chem.MolToSmiles(Chem.RemoveHs(mol))
    return Ligand(smiles, mode, charge, path.stem, heads, Chem.MolToMolBlock(mol), names)


def check_format(text: str) -> None:
    """Refuse files that a ligand cannot be read from, and line notations other than SMILES.

    Raises:
        ValueError: Saying what to give instead.
    """
    suffix = Path(text).suffix.lower()
    if suffix in WITHOUT_BOND_ORDERS:
        raise ValueError(
            f"{text}: a {suffix[1:]} file does not say the bond orders and charges of a ligand;"
            f" a ligand file is one of {', '.join(READERS)}: convert it, and look at its bonds,"
            " charges and hydrogens, or give the SMILES"
        )
    if suffix in OTHER_FORMATS:
        raise ValueError(f"{text}: a ligand file is one of {', '.join(READERS)}: convert it")
    if text.startswith("InChI="):
        raise ValueError(f"{text}: an InChI does not say every charge: give the SMILES")


def check_atoms(label: str, mol: Chem.Mol) -> None:
    """Raise ValueError, naming `label`, for a molecule of more heavy atoms than any ligand has."""
    n_atoms = mol.GetNumHeavyAtoms()
    check_size(
        f"{label} has {n_atoms} heavy atoms", n_atoms, MAX_HEAVY_ATOMS, "HALOBIND_MAX_HEAVY_ATOMS"
    )


def _read_sdf(path: Path) -> Chem.Mol:
    """The one molecule of an sdf or mol file, its stereochemistry from usable coordinates only."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    mol = _molecule_of(path, text)
    if not mol.GetNumConformers() or not mol.GetConformer().Is3D():
        return mol
    if not has_distinct_places(mol):
        return without_places(mol)
    if is_flat_drawing(mol):
        lines = text.splitlines(keepends=True)
        lines[1] = f"{lines[1][:20]:<20}2D{lines[1][22:]}"
        return _molecule_of(path, "".join(lines))
    return mol


def _molecule_of(path: Path, text: str) -> Chem.Mol:
    """The one molecule of the text of an sdf file. Raises ValueError naming the file."""
    supplier = Chem.SDMolSupplier()
    with rdBase.BlockLogs():
        supplier.SetData(text, removeHs=False)
        molecules = list(supplier)
    if len(molecules) != 1:
        raise ValueError(f"{path}: {len(molecules)} molecules in the file: write one")
    if molecules[0] is None:
        raise ValueError(
            f"{path}: RDKit cannot read this molecule{_reason(text)}; check its valences"
        )
    return molecules[0]


def _reason(text: str) -> str:
    """What RDKit has against the molecule of an sdf file, in brackets; "" when it does not say."""
    with rdBase.BlockLogs():
        rough = Chem.MolFromMolBlock(text, sanitize=False, removeHs=False)
        problems = Chem.DetectChemistryProblems(rough) if rough is not None else ()
    return f" ({problems[0].Message()})" if problems else ""


def check_ligand(name: str, row: Ligand) -> None:
    """Refuse a ligand that cannot be what its row says.

    Raises:
        ValueError: Naming the ligand, the value and what to do.
    """
    if not NAME.fullmatch(name) or name in ION_CHARGES:
        raise ValueError(
            f"{shown(name)} is not a name for a ligand: use letters, digits, + and -, and not the"
            " name"
            " of an ion"
        )
    if row.mode not in MODES:
        raise ValueError(f"{name}: mode = {shown(row.mode)} is not one of {', '.join(MODES)}")
    mol = _parsed(name, row)
    if len(Chem.GetMolFrags(mol)) > 1:
        raise ValueError(
            f"{name}: {shown(row.smiles)} is {len(Chem.GetMolFrags(mol))} molecules: leave"
            " counter-ions"
            " out of the SMILES"
        )
    unknown = sorted({atom.GetSymbol() for atom in mol.GetAtoms()} - set(CONTACT_RADII))
    if unknown:
        raise ValueError(
            f"{name}: {shown(row.smiles)} has {', '.join(unknown)}, for which there is no contact"
            " radius: it cannot be placed"
        )
    if any(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms()):
        raise ValueError(
            f"{name}: {shown(row.smiles)} is a radical: check its hydrogens and charges"
        )
    isotopes = sorted({f"{atom.GetIsotope()}{atom.GetSymbol()}" for atom in _isotopes(mol)})
    if isotopes:
        raise ValueError(
            f"{name}: {shown(row.smiles)} has the isotope {', '.join(isotopes)}, and masses of"
            " isotopes"
            " are not used: write the element, like H or C"
        )
    charge = Chem.GetFormalCharge(mol)
    if charge != row.charge:
        raise ValueError(
            f"{name}: charge = {row.charge} but {shown(row.smiles)} carries {charge:+d}: write the"
            f" charge into the structure, like [NH3+] or [O-], or set charge = {charge}"
        )
    if not {"cation": charge > 0, "anion": charge < 0}.get(row.mode, charge == 0):
        raise ValueError(
            f'{name}: mode = "{row.mode}" needs a charge {SIGNS[row.mode]}, but {shown(row.smiles)}'
            f" carries {charge:+d}"
        )
    head_atoms(name, row, mol)
    isomers = isomers_left_open(row)
    if isomers:
        listed = " or ".join(f"'{smiles}'" for smiles in isomers[:MAX_ISOMERS_LISTED])
        more = "" if len(isomers) <= MAX_ISOMERS_LISTED else f" (of {len(isomers)} found)"
        raise ValueError(
            f"{name}: {shown(row.smiles)} does not say which stereoisomer it is: give one as"
            " smiles:"
            f' {listed}{more}; or write stereo = "any" in [ligands.{name}] to take the first'
        )


def _isotopes(mol: Chem.Mol) -> Iterable[Chem.Atom]:
    """The atoms of a molecule that are labelled as isotopes."""
    return (atom for atom in mol.GetAtoms() if atom.GetIsotope())


@cache
def isomers_left_open(row: Ligand) -> tuple[str, ...]:
    """The SMILES of the stereoisomers among which a ligand does not choose; () when it does."""
    return tuple(isomer_smiles(isomer) for isomer in open_isomers(_parsed("", row)))


def any_isomer(name: str, row: Ligand) -> Ligand:
    """The ligand as the first of the stereoisomers that it leaves open, or as it is.

    Raises:
        ValueError: As `check_ligand` does for a SMILES that is not a molecule.
    """
    isomers = open_isomers(_parsed(name, row))
    if not isomers:
        return row
    smiles = isomer_smiles(isomers[0])
    if not row.molblock:
        return replace(row, smiles=smiles)
    isomer = Chem.Mol(isomers[0])
    isomer.RemoveAllConformers()
    embed(name, smiles, isomer)
    return replace(row, smiles=smiles, molblock=Chem.MolToMolBlock(isomer))


def ligand_notes(name: str, row: Ligand) -> list[str]:
    """What a user must know of a ligand: which stereoisomer it is, and by which head it binds."""
    mol = _parsed(name, row)
    names = row.names or numbered([atom.GetSymbol() for atom in mol.GetAtoms()])
    isomer = [f"{name} is the stereoisomer {row.smiles}"] if has_stereochemistry(mol) else []
    return isomer + head_notes(name, row, mol, names)


def guessed_ligand(name: str, text: str) -> Ligand:
    """The Ligand of a SMILES or of a file, its charge and mode read off its structure, and checked.

    Raises:
        ValueError: Naming what is wrong, as `check_ligand` and `ligand_from_file` do.
        FileNotFoundError: When there is no such file.
    """
    check_format(text)
    row = Ligand(text, "donor", 0, name)
    if Path(text).suffix.lower() in READERS:
        row = ligand_from_file(Path(text), "donor", 0)
    mol = _parsed(name, row)
    charge = Chem.GetFormalCharge(mol)
    patterns = [Chem.MolFromSmarts(pattern) for pattern in MODES["zwitterion"].heads]
    both = all(mol.HasSubstructMatch(pattern) for pattern in patterns)
    neutral = "zwitterion" if both else "donor"
    mode = "cation" if charge > 0 else "anion" if charge < 0 else neutral
    row = replace(row, charge=charge, mode=mode)
    try:
        check_ligand(name, row)
    except ValueError as error:
        where = (
            f", in a section [ligands.{name}] of a campaign"
            if str(error).endswith("in heads")
            else ""
        )
        raise ValueError(f"{error}{where}") from None
    return row


def _parsed(name: str, row: Ligand) -> Chem.Mol:
    """The molecule with hydrogens, or a ValueError with RDKit's reason."""
    if row.molblock:
        return Chem.MolFromMolBlock(row.molblock, removeHs=False)
    with rdBase.BlockLogs():
        rough = Chem.MolFromSmiles(row.smiles, sanitize=False)
        if rough is None or not row.smiles:
            raise ValueError(
                f"{name}: RDKit cannot read the SMILES {shown(row.smiles)}: check its brackets and"
                " ring"
                " closures"
            )
        check_atoms(f"{name}: {row.smiles[:20]!r}...", rough)
        problems = Chem.DetectChemistryProblems(rough)
    if problems:
        raise ValueError(
            f"{name}: the SMILES {shown(row.smiles)} is not a molecule: {problems[0].Message()}"
        )
    return Chem.AddHs(Chem.MolFromSmiles(row.smiles))
