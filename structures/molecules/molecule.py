"""Molecules of catalogue rows and of a user's ligands: atoms, bonds and conformers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers
from rdkit.Chem.rdMolTransforms import SetDihedralDeg

from halobind.structures.molecules.catalogue import LIGANDS, MODES, SOLVENTS, Ligand, Solvent
from halobind.structures.molecules.conformers import (
    chain_dihedrals,
    spanning_conformers,
    upright_conformers,
)
from halobind.structures.molecules.limits import shown

MAX_EMBEDDING_SEEDS = 10


@dataclass(frozen=True, eq=False)
class Molecule:
    """One molecule as the builder places it.

    Atoms are in SMILES order, heavy atoms first, then the hydrogens of each heavy atom in turn; a
    ligand from a file keeps the order and names of the file. The force-field templates use the same
    names.
    """

    name: str
    """The name of the row, which is the name of the residue in a model."""
    smiles: str
    """The SMILES of the row."""
    names: tuple[str, ...]
    """Unique atom names: element and running number (C1, C2, ..., H25), or those of the file."""
    elements: tuple[str, ...]
    """Element symbols, one an atom."""
    masses: np.ndarray
    """Masses (n_atoms,) in Da."""
    bonds: np.ndarray
    """Bonded atom indices (n_bonds, 2)."""
    rigid: np.ndarray
    """Mask (n_bonds,) of the bonds that nothing may turn about."""
    conformers: np.ndarray
    """Positions (n_conformers, n_atoms, 3) in nm; of a ligand the anchor is at the origin and the
    tails point along +z."""
    heads: tuple[int, ...]
    """The atoms that bind, one for each head of the mode; (0,) for a solvent."""
    charge: int
    """Formal charge in e."""
    charged: bool
    """Whether it belongs to the charged species: ions and zwitterions."""
    molblock: str
    """The MDL mol block of a ligand from a file; "" for a row that has a SMILES only."""

    @property
    def positions(self) -> np.ndarray:
        """The first conformer, (n_atoms, 3) in nm."""
        first: np.ndarray = self.conformers[0]
        return first

    @property
    def anchor(self) -> int:
        """Index of the first head."""
        return self.heads[0]

    @property
    def has_ring(self) -> bool:
        """Whether something could be threaded through it."""
        return len(self.bonds) >= self.n_atoms

    @property
    def n_atoms(self) -> int:
        return len(self.names)


def catalogue_molecule(name: str) -> Molecule:
    """The Molecule of a LIGANDS or SOLVENTS row.

    Raises:
        KeyError: When no row has that name.
    """
    return make_molecule(name, LIGANDS[name] if name in LIGANDS else SOLVENTS[name])


@cache
def make_molecule(name: str, row: Ligand | Solvent) -> Molecule:
    """The Molecule of a row; the same row gives the same molecule.

    Args:
        name: The name that the molecule gets.
        row: What it is; a ligand's first conformer stands upright on its first head.

    Raises:
        ValueError: As `check_ligand` does, and when RDKit finds no conformer.
    """
    mol = _prepared(name, row)
    elements = tuple(atom.GetSymbol() for atom in mol.GetAtoms())
    names = numbered(elements)
    heads: tuple[int, ...] = (0,)
    if isinstance(row, Ligand):
        names = row.names or names
        heads = head_atoms(name, row, mol)
        conformers = upright_conformers(mol, heads[0], row.mode)
    else:
        conformers = mol.GetConformer().GetPositions()[None] / 10.0
    bonds = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()]
    return Molecule(
        name=name,
        smiles=row.smiles,
        names=names,
        elements=elements,
        masses=np.array([atom.GetMass() for atom in mol.GetAtoms()]),
        bonds=np.array(bonds, dtype=int).reshape(-1, 2),
        rigid=np.array([_is_rigid(bond) for bond in mol.GetBonds()], dtype=bool),
        conformers=conformers,
        heads=heads,
        charge=Chem.GetFormalCharge(mol),
        charged=isinstance(row, Ligand) and row.mode != "donor",
        molblock=row.molblock if isinstance(row, Ligand) else "",
    )


def _is_rigid(bond: Chem.Bond) -> bool:
    """Whether nothing may turn about a bond."""
    return bond.IsInRing() or bond.GetBondType() != Chem.BondType.SINGLE or bond.GetIsConjugated()


@cache
def bridging_conformers(name: str, row: Ligand, separation_nm: float) -> np.ndarray:
    """Conformers of a two-headed ligand whose heads lie `separation_nm` apart.

    See `spanning_conformers`.

    Args:
        name: The name of the ligand, for messages.
        row: A ligand of a mode with two heads.
        separation_nm: The distance of the two sites.

    Returns:
        Positions (k, n_atoms, 3) in nm; k is 0 when the ligand does not span the distance.
    """
    mol = _prepared(name, row)
    first, second = head_atoms(name, row, mol)[:2]
    return spanning_conformers(mol, (first, second), separation_nm)


def rdkit_molecule(item: Molecule) -> Chem.Mol:
    """The RDKit molecule of `item`: its atoms in their order, bond orders and positions."""
    mol = (
        Chem.MolFromMolBlock(item.molblock, removeHs=False)
        if item.molblock
        else Chem.AddHs(Chem.MolFromSmiles(item.smiles))
    )
    mol.RemoveAllConformers()
    conformer = Chem.Conformer(item.n_atoms)
    for i, xyz in enumerate(10 * item.positions):
        conformer.SetAtomPosition(i, xyz.tolist())
    mol.AddConformer(conformer)
    return mol


def numbered(elements: Sequence[str]) -> tuple[str, ...]:
    """Element and running number for each atom: C1, C2, H1, ..."""
    counts: dict[str, int] = {}
    names = []
    for element in elements:
        counts[element] = counts.get(element, 0) + 1
        names.append(f"{element}{counts[element]}")
    return tuple(names)


def head_atoms(name: str, row: Ligand, mol: Chem.Mol) -> tuple[int, ...]:
    """The atom that binds, for each head of the row's mode.

    Args:
        name: The name of the ligand, for messages.
        row: The ligand; its `heads` replace the patterns of its mode.
        mol: Its molecule with hydrogens.

    Returns:
        Atom indices, one a head.

    Raises:
        ValueError: When a pattern cannot be read, or no atom matches it.
    """
    heads = []
    for pattern in row.heads or MODES[row.mode].heads:
        query = Chem.MolFromSmarts(pattern)
        if query is None:
            raise ValueError(
                f"{name}: RDKit cannot read the head pattern {shown(pattern)}: write a SMARTS whose"
                " first atom is the head"
            )
        matches = mol.GetSubstructMatches(query)
        if not matches:
            raise ValueError(
                f'{name}: mode = "{row.mode}" needs {MODES[row.mode].needs}, but no atom of'
                f" {shown(row.smiles)} matches {shown(pattern)}: choose another mode, or give the"
                " head as a"
                " SMARTS in heads"
            )
        heads.append(matches[0][0])
    return tuple(heads)


def _prepared(name: str, row: Ligand | Solvent) -> Chem.Mol:
    """The RDKit molecule of a row with hydrogens and a conformer, its chains stretched.

    Raises:
        ValueError: When RDKit cannot read the SMILES, or finds no conformer.
    """
    molblock = row.molblock if isinstance(row, Ligand) else ""
    if molblock:
        mol = Chem.MolFromMolBlock(molblock, removeHs=False)
        if not mol.GetConformer().Is3D():
            embed(name, row.smiles, mol)
    else:
        parsed = Chem.MolFromSmiles(row.smiles)
        if parsed is None:
            raise ValueError(
                f"{name}: RDKit cannot read the SMILES {shown(row.smiles)}; check its valences,"
                " charges"
                " and ring closures"
            )
        mol = Chem.AddHs(parsed)
        embed(name, row.smiles, mol)
    for dihedral in chain_dihedrals(mol):
        SetDihedralDeg(mol.GetConformer(), *dihedral, 180.0)
    if rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
        rdForceFieldHelpers.MMFFOptimizeMolecule(mol, maxIters=2000)
    else:
        rdForceFieldHelpers.UFFOptimizeMolecule(mol, maxIters=2000)
    return mol


def embed(name: str, smiles: str, mol: Chem.Mol) -> None:
    """Give `mol` a conformer, always the same one.

    Where distance geometry finds none from its usual start, as for four long chains on one atom, it
    begins with random coordinates, then with other seeds.

    Raises:
        ValueError: When RDKit finds none.
    """
    if rdDistGeom.EmbedMolecule(mol, randomSeed=1) == 0:
        return
    for seed in range(1, MAX_EMBEDDING_SEEDS + 1):
        if rdDistGeom.EmbedMolecule(mol, randomSeed=seed, useRandomCoords=True) == 0:
            return
    raise ValueError(f"{name}: RDKit found no conformer for {shown(smiles)}")
