"""Ligands that are not rows: read from a file with atom order and names kept, and checked before
anything is built.
"""

import re
from dataclasses import replace
from pathlib import Path

from rdkit import Chem, rdBase

from halobind.structures.molecules.catalogue import ION_CHARGES, MODES, Ligand
from halobind.structures.molecules.limits import check_size
from halobind.structures.molecules.molecule import head_atoms, numbered
from halobind.structures.molecules.radii import CONTACT_RADII

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+_-]{0,39}")
ATOM_NAME = re.compile(r"[A-Za-z][A-Za-z0-9'*]{0,5}")
READERS = (".mol2", ".sdf", ".mol")
MAX_HEAVY_ATOMS = 500
SIGNS = {"cation": "> 0", "anion": "< 0", "donor": "= 0", "zwitterion": "= 0"}


def ligand_from_file(path: Path, mode: str, charge: int, heads: tuple[str, ...] = ()) -> Ligand:
    """A Ligand from a mol2 (SYBYL atom types), sdf or mol file of one molecule with all its
    hydrogens.

    Atom order and the atom names of a mol2 file are kept; sdf has no names, so atoms are numbered
    by element. Raises ValueError naming the file and what to do, and FileNotFoundError.
    """
    if path.suffix.lower() not in READERS:
        raise ValueError(f"{path}: a ligand file is one of {', '.join(READERS)}")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    mol, names = _read_mol2(path) if path.suffix.lower() == ".mol2" else _read_sdf(path)
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
                f"{path}: atom name {name!r} is not a letter with at most five letters or digits"
                " after it: rename the atom"
            )
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            f"{path}: atom name {twice!r} is there twice: give every atom its own name"
        )
    smiles = Chem.MolToSmiles(Chem.RemoveHs(mol))
    return Ligand(smiles, mode, charge, path.stem, heads, Chem.MolToMolBlock(mol), names)


def check_atoms(what: str, mol: Chem.Mol) -> None:
    """Raise ValueError, naming `what`, for a molecule of more heavy atoms than any ligand has."""
    n_atoms = mol.GetNumHeavyAtoms()
    check_size(
        f"{what} has {n_atoms} heavy atoms", n_atoms, MAX_HEAVY_ATOMS, "HALOBIND_MAX_HEAVY_ATOMS"
    )


def _read_mol2(path: Path) -> tuple[Chem.Mol, tuple[str, ...]]:
    text = path.read_text(encoding="utf-8", errors="replace")
    if text.count("@<TRIPOS>MOLECULE") != 1:
        raise ValueError(
            f"{path}: {text.count('@<TRIPOS>MOLECULE')} molecules in the file: write one"
        )
    with _silent():
        mol = Chem.MolFromMol2Block(text, removeHs=False)
    if mol is None:
        raise ValueError(
            f"{path}: RDKit cannot read this mol2 file; it needs SYBYL atom types (C.3, N.4, O.co2,"
            " ...), not force-field types: convert it, for example with antechamber -at sybyl, or"
            " give an sdf file"
        )
    return mol, tuple(atom.GetProp("_TriposAtomName") for atom in mol.GetAtoms())


def _read_sdf(path: Path) -> tuple[Chem.Mol, tuple[str, ...]]:
    with _silent():
        found = list(Chem.SDMolSupplier(str(path), removeHs=False))
    if len(found) != 1 or found[0] is None:
        what = (
            f"{len(found)} molecules in the file: write one"
            if len(found) != 1
            else "RDKit cannot read this molecule; check its valences"
        )
        raise ValueError(f"{path}: {what}")
    return found[0], numbered([atom.GetSymbol() for atom in found[0].GetAtoms()])


class _silent:
    """RDKit says what is wrong on stderr; our own message is enough."""

    def __enter__(self) -> None:
        rdBase.DisableLog("rdApp.*")

    def __exit__(self, *_: object) -> None:
        rdBase.EnableLog("rdApp.*")


def check_ligand(name: str, row: Ligand) -> None:
    """Raise ValueError naming the ligand, the value and what to do when it cannot be what its row
    says.
    """
    if not NAME.fullmatch(name) or name in ION_CHARGES:
        raise ValueError(
            f"{name!r} is not a name for a ligand: use letters, digits, + and -, and not the name"
            " of an ion"
        )
    if row.mode not in MODES:
        raise ValueError(f"{name}: mode = {row.mode!r} is not one of {', '.join(MODES)}")
    mol = _parsed(name, row)
    if len(Chem.GetMolFrags(mol)) > 1:
        raise ValueError(
            f"{name}: {row.smiles!r} is {len(Chem.GetMolFrags(mol))} molecules: leave counter-ions"
            " out of the SMILES"
        )
    unknown = sorted({atom.GetSymbol() for atom in mol.GetAtoms()} - set(CONTACT_RADII))
    if unknown:
        raise ValueError(
            f"{name}: {row.smiles!r} has {', '.join(unknown)}, for which there is no contact"
            " radius: it cannot be placed"
        )
    if any(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms()):
        raise ValueError(f"{name}: {row.smiles!r} is a radical: check its hydrogens and charges")
    charge = Chem.GetFormalCharge(mol)
    if charge != row.charge:
        raise ValueError(
            f"{name}: charge = {row.charge} but {row.smiles!r} carries {charge:+d}: write the"
            f" charge into the structure, like [NH3+] or [O-], or set charge = {charge}"
        )
    if not {"cation": charge > 0, "anion": charge < 0}.get(row.mode, charge == 0):
        raise ValueError(
            f'{name}: mode = "{row.mode}" needs a charge {SIGNS[row.mode]}, but {row.smiles!r}'
            f" carries {charge:+d}"
        )
    head_atoms(name, row, mol)


def guessed_ligand(name: str, text: str) -> Ligand:
    """The Ligand of a SMILES or of a file (mol2, sdf, mol), its charge and binding mode read off
    its structure, and checked.

    Raises ValueError naming what is wrong, as `check_ligand` and `ligand_from_file` do, and
    FileNotFoundError.
    """
    row = Ligand(text, "donor", 0, name)
    if Path(text).suffix.lower() in READERS:
        row = ligand_from_file(Path(text), "donor", 0)
    mol = _parsed(name, row)
    charge = Chem.GetFormalCharge(mol)
    patterns = [Chem.MolFromSmarts(pattern) for pattern in MODES["zwitterion"].heads]
    both = all(mol.HasSubstructMatch(pattern) for pattern in patterns)
    mode = "cation" if charge > 0 else "anion" if charge < 0 else "zwitterion" if both else "donor"
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
    with _silent():
        rough = Chem.MolFromSmiles(row.smiles, sanitize=False)
        if rough is None or not row.smiles:
            raise ValueError(
                f"{name}: RDKit cannot read the SMILES {row.smiles!r}: check its brackets and ring"
                " closures"
            )
        check_atoms(f"{name}: {row.smiles[:20]!r}...", rough)
        problems = Chem.DetectChemistryProblems(rough)
    if problems:
        raise ValueError(
            f"{name}: the SMILES {row.smiles!r} is not a molecule: {problems[0].Message()}"
        )
    return Chem.AddHs(Chem.MolFromSmiles(row.smiles))
