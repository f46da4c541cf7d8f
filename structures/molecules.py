"""Molecules from SMILES: atoms in a fixed order with unique names, bonds, and a conformer ready to be placed."""

import itertools
from dataclasses import dataclass
from functools import cache

import numpy as np
from rdkit import Chem
from rdkit.Chem import AllChem
from rdkit.Chem.rdMolTransforms import SetDihedralDeg

from structures.rows import LIGANDS, SOLVENTS

CHAIN = Chem.MolFromSmarts("[C,N;!R]~[CX4,NX4;!R]-;!@[CX4,NX4;!R]~[C,N;!R]")


@dataclass(frozen=True, eq=False)
class Molecule:
    """One molecule as the builder places it.

    Atoms are in SMILES order, heavy atoms first, then the hydrogens of each heavy atom in turn. `names` are element + running
    number (C1, C2, ..., H25): the force-field templates in `forcefields/molecules` use the same names.
    `bonds` is (n_bonds, 2) int, `masses` (n_atoms,) in Da, `charge` the formal charge in e. `anchor` is the index of the
    head atom (0 for a solvent). `positions` is (n_atoms, 3) in nm; for a ligand the anchor is at the origin and the tails
    point along +z.
    """

    name: str
    smiles: str
    names: tuple[str, ...]
    elements: tuple[str, ...]
    masses: np.ndarray
    bonds: np.ndarray
    positions: np.ndarray
    anchor: int
    charge: int

    @property
    def n_atoms(self) -> int:
        return len(self.names)


def from_smiles(name: str, smiles: str, anchor: str | None = None, seed: int = 1) -> Molecule:
    """Build a Molecule from SMILES with RDKit (ETKDG, chains stretched, MMFF), hydrogens added.

    `anchor` is a SMARTS pattern whose first match is the head atom. The same arguments give the same molecule.
    Raises ValueError for a SMILES RDKit cannot read, an anchor that is not there, or a conformer that cannot be made.
    """
    parsed = Chem.MolFromSmiles(smiles)
    if parsed is None:
        raise ValueError(f"{name}: RDKit cannot read the SMILES {smiles!r}; check its valences, charges and ring closures")
    mol = Chem.AddHs(parsed)
    if AllChem.EmbedMolecule(mol, randomSeed=seed) != 0:
        raise ValueError(f"{name}: RDKit found no conformer for {smiles!r}")
    for dihedral in _chain_dihedrals(mol):
        SetDihedralDeg(mol.GetConformer(), *dihedral, 180.0)
    AllChem.MMFFOptimizeMolecule(mol, maxIters=2000)
    head = 0
    positions = mol.GetConformer().GetPositions()
    if anchor is not None:
        matches = mol.GetSubstructMatches(Chem.MolFromSmarts(anchor))
        if not matches:
            raise ValueError(f"{name}: no atom of {smiles!r} matches the anchor pattern {anchor!r}")
        head = matches[0][0]
        positions = _upright(mol, head)
    elements = tuple(atom.GetSymbol() for atom in mol.GetAtoms())
    seen: dict[str, int] = {}
    for element in elements:
        seen[element] = 0
    names = []
    for element in elements:
        seen[element] += 1
        names.append(f"{element}{seen[element]}")
    return Molecule(
        name=name,
        smiles=smiles,
        names=tuple(names),
        elements=elements,
        masses=np.array([atom.GetMass() for atom in mol.GetAtoms()]),
        bonds=np.array([(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in mol.GetBonds()], dtype=int).reshape(-1, 2),
        positions=positions / 10.0,
        anchor=head,
        charge=Chem.GetFormalCharge(mol),
    )


def rdkit_molecule(item: Molecule) -> Chem.Mol:
    """The RDKit molecule of `item`: the same atoms in the same order, bond orders, and its coordinates in angstrom."""
    mol = Chem.AddHs(Chem.MolFromSmiles(item.smiles))
    conformer = Chem.Conformer(item.n_atoms)
    for i, xyz in enumerate(10 * item.positions):
        conformer.SetAtomPosition(i, xyz.tolist())
    mol.AddConformer(conformer)
    return mol


def _chain_dihedrals(mol: Chem.Mol) -> list[tuple[int, int, int, int]]:
    """One dihedral (a, b, c, d) for each rotatable bond b-c of the open chains."""
    found = {}
    for a, b, c, d in mol.GetSubstructMatches(CHAIN):
        found.setdefault((min(b, c), max(b, c)), (a, b, c, d))
    return list(found.values())


def _upright(mol: Chem.Mol, head: int) -> np.ndarray:
    """Coordinates (n_atoms, 3) in angstrom, head at the origin, chains gathered along +z.

    The dihedrals within three bonds of the head are searched over -60, 60 and 180 degrees for the conformer whose
    shortest chain reaches highest without two atoms closer than 1.9 A (so that both chains of a two-chain ligand point
    away from the surface); the rest of each chain stays trans.
    """
    distance = Chem.GetDistanceMatrix(mol)
    near = [d for d in _chain_dihedrals(mol) if min(distance[head][d[1]], distance[head][d[2]]) <= 2]
    heavy = [a.GetIdx() for a in mol.GetAtoms() if a.GetAtomicNum() > 1 and a.GetIdx() != head]
    ends = [i for i in heavy if mol.GetAtomWithIdx(i).GetDegree() - mol.GetAtomWithIdx(i).GetTotalNumHs(True) == 1]
    ends = [i for i in ends if distance[head][i] > 1] or heavy or [head]
    apart = distance > 3
    best, best_score = None, -np.inf
    for angles in itertools.product((180.0, 60.0, -60.0), repeat=min(len(near), 6)):
        trial = Chem.Mol(mol)
        for dihedral, angle in zip(near, angles, strict=False):
            SetDihedralDeg(trial.GetConformer(), *dihedral, angle)
        xyz = trial.GetConformer().GetPositions()
        xyz = _align(xyz - xyz[head], ends)
        gaps = np.linalg.norm(xyz[:, None] - xyz[None], axis=-1)[apart]
        contact = gaps.min() if gaps.size else np.inf
        score = xyz[ends, 2].min() - (100.0 if contact < 1.9 else 0.0)
        if score > best_score + 1e-6:
            best, best_score = xyz, score
    return best


def _align(xyz: np.ndarray, ends: list[int]) -> np.ndarray:
    """Rotate xyz about the origin so that the mean of the chain ends lies along +z."""
    axis = xyz[ends].mean(axis=0)
    length = np.linalg.norm(axis)
    if length < 1e-6:
        return xyz
    u = axis / length
    v = np.cross(u, (0.0, 0.0, 1.0))
    sine, cosine = np.linalg.norm(v), u[2]
    if sine < 1e-9:
        return xyz * (1.0 if cosine > 0 else np.array([1.0, -1.0, -1.0]))
    k = v / sine
    cross = np.array([[0, -k[2], k[1]], [k[2], 0, -k[0]], [-k[1], k[0], 0]])
    rotation = np.eye(3) + sine * cross + (1 - cosine) * cross @ cross
    return xyz @ rotation.T


@cache
def molecule(name: str) -> Molecule:
    """The Molecule of a LIGANDS or SOLVENTS row. Raises KeyError when no row has that name."""
    if name in LIGANDS:
        row = LIGANDS[name]
        return from_smiles(name, row.smiles, row.anchor)
    return from_smiles(name, SOLVENTS[name].smiles)
