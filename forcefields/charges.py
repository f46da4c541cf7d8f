"""Charges of lattice ions from the pack's rule."""

import numpy as np
from scipy.spatial import cKDTree

from forcefields.packs import Pack
from structures.model import Model


def ion_charges(model: Model, pack: Pack) -> dict[int, float]:
    """Charge in e of every ion of the group core, by atom index.

    q = charge_scale * (z + t * n) with z the formal charge and n the signed number of metal-halide bonds: -1 a bond for a
    metal, +1 a bond for a halide, 0 for an A-site cation. Bonds are counted at the built geometry.
    """
    core = model.groups["core"]
    increments = dict.fromkeys((int(i) for i in core), 0.0)
    metals = [int(i) for i in core if model.elements[i] in pack.metals]
    halides = [int(i) for i in core if model.elements[i] in pack.halides]
    for i, j in _bonds(model, metals, halides, pack.charges.bond_nm):
        increments[i] -= pack.charges.t
        increments[j] += pack.charges.t
    scale = pack.charges.charge_scale
    return {i: scale * (pack.formal[model.elements[i]] + change) for i, change in increments.items()}


def _bonds(model: Model, metals: list[int], halides: list[int], reach_nm: float) -> list[tuple[int, int]]:
    """Metal-halide pairs nearer than reach_nm; a pair bonded through two images counts twice."""
    wrapped = np.mod(model.positions, model.box)
    tree = cKDTree(wrapped[halides], boxsize=model.box)
    near = tree.query_ball_point(wrapped[metals], reach_nm)
    return [(metal, halides[k]) for metal, found in zip(metals, near, strict=True) for k in found]
