"""Molecules from rows: atoms in a fixed order with unique names, bonds, and conformers ready to be
placed.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from rdkit import Chem
from rdkit.Chem import AllChem
from rdkit.Chem.rdMolTransforms import SetDihedralDeg

from halobind.structures.molecules.catalogue import LIGANDS, MODES, SOLVENTS, Ligand, Solvent
from halobind.structures.molecules.conformers import (
    chain_dihedrals,
    spanning_conformers,
    upright_conformers,
)


@dataclass(frozen=True, eq=False)
class Molecule:
    """One molecule as the builder places it.

    Atoms are in SMILES order, heavy atoms first, then the hydrogens of each heavy atom in turn,
    named element + running number (C1, C2, ..., H25); a ligand from a file keeps the order and
    names of the file. The force-field templates use the same names. `bonds` is (n_bonds, 2) int,
    `rigid` (n_bonds,) tells which nothing may turn about, `masses` (n_atoms,) are in Da, `charge`
    is the formal charge in e; `charged` whether it belongs to the charged species (ions,
    zwitterions). `heads` are the atoms that bind, one for each head of its mode, the first one the
    `anchor` (0 for a solvent). `positions` is (n_atoms, 3) in nm and `conformers` (k, n_atoms, 3),
    the first of them `positions`: for a ligand the anchor is at the origin and the tails point
    along +z.
    """

    name: str
    smiles: str
    names: tuple[str, ...]
    elements: tuple[str, ...]
    masses: np.ndarray
    bonds: np.ndarray
    rigid: np.ndarray
    conformers: np.ndarray
    heads: tuple[int, ...]
    charge: int
    charged: bool
    molblock: str

    @property
    def positions(self) -> np.ndarray:
        return self.conformers[0]

    @property
    def anchor(self) -> int:
        return self.heads[0]

    @property
    def has_ring(self) -> bool:
        """Whether something could be threaded through it."""
        return len(self.bonds) >= self.n_atoms

    @property
    def n_atoms(self) -> int:
        return len(self.names)


def catalogue_molecule(name: str) -> Molecule:
    """The Molecule of a LIGANDS or SOLVENTS row. Raises KeyError when no row has that name."""
    return make_molecule(name, LIGANDS[name] if name in LIGANDS else SOLVENTS[name])


@cache
def make_molecule(name: str, row: Ligand | Solvent) -> Molecule:
    """The Molecule of a row: the same row gives the same molecule. Raises ValueError as
    `check_ligand` does, and when RDKit finds no conformer.
    """
    mol = _prepared(name, row)
    heads = (0,)
    if isinstance(row, Ligand):
        heads = head_atoms(name, row, mol)
        conformers = upright_conformers(mol, heads[0], row.mode)
    else:
        conformers = mol.GetConformer().GetPositions()[None] / 10.0
    return Molecule(
        name=name,
        smiles=row.smiles,
        names=getattr(row, "names", ()) or numbered([atom.GetSymbol() for atom in mol.GetAtoms()]),
        elements=tuple(atom.GetSymbol() for atom in mol.GetAtoms()),
        masses=np.array([atom.GetMass() for atom in mol.GetAtoms()]),
        bonds=np.array(
            [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()], dtype=int
        ).reshape(-1, 2),
        rigid=np.array(
            [
                b.IsInRing() or b.GetBondType() != Chem.BondType.SINGLE or b.GetIsConjugated()
                for b in mol.GetBonds()
            ],
            dtype=bool,
        ),
        conformers=conformers,
        heads=heads,
        charge=Chem.GetFormalCharge(mol),
        charged=isinstance(row, Ligand) and row.mode != "donor",
        molblock=getattr(row, "molblock", ""),
    )


@cache
def bridging(name: str, row: Ligand, separation_nm: float) -> np.ndarray:
    """Conformers (k, n_atoms, 3) in nm of a two-headed ligand whose heads lie `separation_nm`
    apart, or as near to that as it can reach within 0.2 nm: first head at the origin, second on +x,
    the rest towards +z. (0, n_atoms, 3) when it cannot.
    """
    mol = _prepared(name, row)
    return spanning_conformers(mol, head_atoms(name, row, mol)[:2], separation_nm)


def rdkit_molecule(item: Molecule) -> Chem.Mol:
    """The RDKit molecule of `item`: the same atoms in the same order, bond orders, and its
    coordinates in angstrom.
    """
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


def numbered(elements: list[str]) -> tuple[str, ...]:
    """Element + running number for each atom."""
    seen: dict[str, int] = {}
    names = []
    for element in elements:
        seen[element] = seen.get(element, 0) + 1
        names.append(f"{element}{seen[element]}")
    return tuple(names)


def head_atoms(name: str, row: Ligand, mol: Chem.Mol) -> tuple[int, ...]:
    """The head atom of each head of the row's mode. Raises ValueError when one is not there."""
    found = []
    for pattern in row.heads or MODES[row.mode].heads:
        query = Chem.MolFromSmarts(pattern)
        if query is None:
            raise ValueError(
                f"{name}: RDKit cannot read the head pattern {pattern!r}: write a SMARTS whose"
                " first atom is the head"
            )
        matches = mol.GetSubstructMatches(query)
        if not matches:
            raise ValueError(
                f'{name}: mode = "{row.mode}" needs {MODES[row.mode].needs}, but no atom of'
                f" {row.smiles!r} matches {pattern!r}: choose another mode, or give the head as a"
                " SMARTS in heads"
            )
        found.append(matches[0][0])
    return tuple(found)


def _prepared(name: str, row: Ligand | Solvent) -> Chem.Mol:
    """The RDKit molecule with hydrogens and a conformer, chains stretched. Raises ValueError."""
    molblock = getattr(row, "molblock", "")
    if molblock:
        mol = Chem.MolFromMolBlock(molblock, removeHs=False)
        if not mol.GetConformer().Is3D():
            _embed(name, row.smiles, mol)
    else:
        parsed = Chem.MolFromSmiles(row.smiles)
        if parsed is None:
            raise ValueError(
                f"{name}: RDKit cannot read the SMILES {row.smiles!r}; check its valences, charges"
                " and ring closures"
            )
        mol = Chem.AddHs(parsed)
        _embed(name, row.smiles, mol)
    for dihedral in chain_dihedrals(mol):
        SetDihedralDeg(mol.GetConformer(), *dihedral, 180.0)
    if AllChem.MMFFHasAllMoleculeParams(mol):
        AllChem.MMFFOptimizeMolecule(mol, maxIters=2000)
    else:
        AllChem.UFFOptimizeMolecule(mol, maxIters=2000)
    return mol


def _embed(name: str, smiles: str, mol: Chem.Mol) -> None:
    if AllChem.EmbedMolecule(mol, randomSeed=1) != 0:
        raise ValueError(f"{name}: RDKit found no conformer for {smiles!r}")
