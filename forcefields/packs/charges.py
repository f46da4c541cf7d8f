"""Charges from the pack's rule: of the lattice ions, of molecules, of whole models."""

from collections.abc import Mapping

import numpy as np
from scipy.spatial import cKDTree

from halobind.forcefields.packs.pack import Fixed, Pack
from halobind.structures.models.model import Model
from halobind.structures.molecules.periodic import wrap


def ions_of(model: Model) -> np.ndarray:
    """Indices of the ions: residues of one atom, in the crystal or dissolved."""
    return np.array(
        [residue.start for residue in model.residues if residue.stop - residue.start == 1],
        dtype=int,
    )


def ion_charges(model: Model, pack: Pack) -> dict[int, float]:
    """Charge in e of every ion, by atom index.

    Rule "fixed": that of its element. Rule "bond-increment": q = charge_scale * (z + t * n), with z
    the formal charge and n the signed number of metal-halide bonds: -1 a bond for a metal, +1 a
    bond for a halide, 0 for an A-site cation. Bonds are counted at the built geometry. A halide
    that leaves with a ligand (group partner) has none, so one Hamiltonian serves its whole way.
    """
    ions = [int(i) for i in ions_of(model)]
    if isinstance(pack.charges, Fixed):
        return {i: pack.charges.ions[model.elements[i]] for i in ions}
    increments = dict.fromkeys(ions, 0.0)
    metals = [i for i in ions if model.elements[i] in pack.metals]
    leaving = set(model.groups["partner"].tolist())
    halides = [i for i in ions if model.elements[i] in pack.halides and i not in leaving]
    for i, j in _bonds(model, metals, halides, pack.charges.bond_nm):
        increments[i] -= pack.charges.t
        increments[j] += pack.charges.t
    scale = pack.charges.charge_scale
    return {
        i: scale * (pack.formal[model.elements[i]] + change) for i, change in increments.items()
    }


def _bonds(
    model: Model, metals: list[int], halides: list[int], reach_nm: float
) -> list[tuple[int, int]]:
    """The bonds of a model at its geometry.

    Args:
        model: The atoms.
        metals: Their indices.
        halides: Their indices.
        reach_nm: Distance in nm below which a metal and a halide are bonded.

    Returns:
        (metal, halide) of each bond; a pair bonded through two images counts twice.
    """
    if not metals or not halides:
        return []
    inside_box = wrap(model.positions, model.box)
    tree = cKDTree(inside_box[halides], boxsize=model.box)
    near = tree.query_ball_point(inside_box[metals], reach_nm)
    return [(metal, halides[k]) for metal, bonded in zip(metals, near, strict=True) for k in bonded]


def listed_molecule_charges(model: Model, pack: Pack) -> dict[int, float]:
    """Charge in e of every atom of the molecules that the pack lists, by atom index."""
    listed = pack.charges.molecules if isinstance(pack.charges, Fixed) else {}
    charges = {}
    for name, charge_of_atom in listed.items():
        for residue in model.residues:
            if residue.name == name:
                for i in range(residue.start, residue.stop):
                    charges[i] = charge_of_atom[model.names[i]]
    return charges


def molecule_charge(pack: Pack, name: str, formal: int) -> float:
    """The charge in e of a molecule under the pack.

    Args:
        pack: The force field.
        name: The molecule.
        formal: Its formal charge in e.
    """
    listed = pack.charges.molecules.get(name) if isinstance(pack.charges, Fixed) else None
    return sum(listed.values()) if listed else pack.charges.charge_scale * formal


def model_charge(model: Model, pack: Pack, formal: Mapping[str, int]) -> float:
    """The charge in e of a whole model under the pack.

    Args:
        model: The atoms.
        pack: The force field.
        formal: Formal charges in e of molecules by name; a molecule without one is neutral.
    """
    molecules = [residue.name for residue in model.residues if residue.stop - residue.start > 1]
    return sum(ion_charges(model, pack).values()) + sum(
        molecule_charge(pack, name, formal.get(name, 0)) for name in molecules
    )
