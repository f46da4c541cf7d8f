"""Charges of lattice ions from the pack's rule."""

import numpy as np
from scipy.spatial import cKDTree

from forcefields.packs import Pack
from structures.model import Model
from structures.periodic import wrapped


def ions_of(model: Model) -> np.ndarray:
    """Indices of the ions: residues of one atom, in the crystal or dissolved."""
    return np.array([residue.start for residue in model.residues if residue.stop - residue.start == 1], dtype=int)


def ion_charges(model: Model, pack: Pack) -> dict[int, float]:
    """Charge in e of every ion, by atom index.

    q = charge_scale * (z + t * n) with z the formal charge and n the signed number of metal-halide bonds: -1 a bond for a
    metal, +1 a bond for a halide, 0 for an A-site cation. Bonds are counted at the built geometry.
    """
    ions = [int(i) for i in ions_of(model)]
    increments = dict.fromkeys(ions, 0.0)
    metals = [i for i in ions if model.elements[i] in pack.metals]
    halides = [i for i in ions if model.elements[i] in pack.halides]
    for i, j in _bonds(model, metals, halides, pack.charges.bond_nm):
        increments[i] -= pack.charges.t
        increments[j] += pack.charges.t
    scale = pack.charges.charge_scale
    return {i: scale * (pack.formal[model.elements[i]] + change) for i, change in increments.items()}


def _bonds(model: Model, metals: list[int], halides: list[int], reach_nm: float) -> list[tuple[int, int]]:
    """Metal-halide pairs nearer than reach_nm; a pair bonded through two images counts twice."""
    if not metals or not halides:
        return []
    inside_box = wrapped(model.positions, model.box)
    tree = cKDTree(inside_box[halides], boxsize=model.box)
    near = tree.query_ball_point(inside_box[metals], reach_nm)
    return [(metal, halides[k]) for metal, found in zip(metals, near, strict=True) for k in found]


def model_charge(model: Model, pack: Pack, formal: dict[str, int]) -> float:
    """The charge (e) the force field gives the whole model: ions by the rule, molecules their `formal` charge times charge_scale."""
    molecules = sum(formal.get(residue.name, 0) for residue in model.residues if residue.stop - residue.start > 1)
    return sum(ion_charges(model, pack).values()) + pack.charges.charge_scale * molecules
