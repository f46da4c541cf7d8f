"""Positions and differences in an orthorhombic periodic box."""

import numpy as np


def wrap(positions: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Move positions into [0, box).

    The remainder of -1e-17 is the box itself in floating point, which a periodic tree refuses; it
    becomes 0.

    Args:
        positions: (..., 3).
        box: Edges (3,) in the same unit.

    Returns:
        Positions (..., 3).
    """
    inside = np.mod(positions, box)
    return np.where(inside >= box, 0.0, inside)


def minimum_image(delta: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Differences (..., 3) between nearest images, in a box of edges (3,)."""
    image: np.ndarray = delta - image_shift(delta, box)
    return image


def image_shift(delta: np.ndarray, box: np.ndarray) -> np.ndarray:
    """What to add to the second of two places to have its image that is nearest to the first.

    Args:
        delta: First minus second place, (..., 3).
        box: Edges (3,) in the same unit.

    Returns:
        Multiples (..., 3) of the edges.
    """
    shift: np.ndarray = box * np.round(delta / box)
    return shift
