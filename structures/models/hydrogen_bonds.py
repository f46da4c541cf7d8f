"""Which halides a hydrogen of a head is bonded to, by one of two criteria."""

from dataclasses import dataclass

import numpy as np

from halobind.structures.molecules.periodic import minimum_image


@dataclass(frozen=True)
class HydrogenBondCriterion:
    """When a hydrogen and a halide are bonded."""

    max_nm: float
    """Distance from H to halide below which they can be bonded."""
    min_deg: float | None = None
    """Angle N-H...halide of at least which they are; None asks for no angle."""


DISTANCE = HydrogenBondCriterion(0.28)
"""By distance only, as the published numbers that force fields are held against."""
DISTANCE_AND_ANGLE = HydrogenBondCriterion(0.28, 120.0)
"""Baker and Hubbard, Prog. Biophys. Mol. Biol. 1984, 44, 97: angle; distance for H to Br."""


def bonds_of_hydrogen(
    hydrogen: np.ndarray,
    *,
    donor: np.ndarray,
    halides: np.ndarray,
    box: np.ndarray,
    criterion: HydrogenBondCriterion,
) -> tuple[np.ndarray, np.ndarray]:
    """The bonds of one hydrogen in n frames.

    Args:
        hydrogen: Its positions (n, 3) in nm.
        donor: Positions (n, 3) in nm of the atom that carries it.
        halides: Positions (n, m, 3) in nm.
        box: Box lengths in nm, (n, 1, 3) or (3,).
        criterion: When two are bonded.

    Returns:
        Whether it is bonded to each halide (n, m), and the angles (n, m) in degrees.
    """
    to_halide = minimum_image(halides - hydrogen[:, None], box)
    to_donor = minimum_image(donor[:, None] - hydrogen[:, None], box)
    length = np.sqrt((to_halide**2).sum(axis=2))
    cosine = (to_halide * to_donor).sum(axis=2) / (length * np.sqrt((to_donor**2).sum(axis=2)))
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    bonded = length < criterion.max_nm
    if criterion.min_deg is not None:
        bonded &= angle >= criterion.min_deg
    return bonded, angle
