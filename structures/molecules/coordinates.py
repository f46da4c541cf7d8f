"""Whether the coordinates of a ligand file are those of a conformer."""

import numpy as np
from rdkit import Chem

MIN_DISTANCE_A = 0.4  # between two atoms; nearer ones were never placed
MAX_BOND_A = 3.5
MIN_THICKNESS_A = 0.1  # of a molecule with an atom that has four neighbours


def has_distinct_places(mol: Chem.Mol) -> bool:
    """Whether every atom of a molecule has a place of its own, with bonds of a possible length."""
    xyz = mol.GetConformer().GetPositions()
    if not np.isfinite(xyz).all():
        return False
    distance = np.linalg.norm(xyz[:, None] - xyz[None], axis=-1)
    if len(xyz) > 1 and distance[np.triu_indices(len(xyz), 1)].min() < MIN_DISTANCE_A:
        return False
    bonds = [distance[bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()] for bond in mol.GetBonds()]
    return max(bonds, default=0.0) < MAX_BOND_A


def is_flat_drawing(mol: Chem.Mol) -> bool:
    """Whether all atoms are in one plane though the molecule cannot be flat."""
    if not any(atom.GetDegree() == 4 for atom in mol.GetAtoms()):
        return False
    xyz = mol.GetConformer().GetPositions()
    _, spread, _ = np.linalg.svd(xyz - xyz.mean(axis=0), full_matrices=False)
    return bool(spread[-1] < MIN_THICKNESS_A)


def without_places(mol: Chem.Mol) -> Chem.Mol:
    """The molecule with its coordinates, and the stereochemistry read from them, taken away."""
    bare = Chem.Mol(mol)
    Chem.RemoveStereochemistry(bare)
    conformer = bare.GetConformer()
    for k in range(bare.GetNumAtoms()):
        conformer.SetAtomPosition(k, (0.0, 0.0, 0.0))
    conformer.Set3D(False)
    return bare


def as_drawing(mol: Chem.Mol) -> Chem.Mol:
    """The molecule with its coordinates marked as those of a drawing, read anew."""
    flat = Chem.Mol(mol)
    Chem.RemoveStereochemistry(flat)
    flat.GetConformer().Set3D(False)
    return Chem.MolFromMolBlock(Chem.MolToMolBlock(flat), removeHs=False)
