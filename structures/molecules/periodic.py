"""Positions and differences in an orthorhombic periodic box."""

import numpy as np


def wrap(positions: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Positions (..., 3) moved into [0, box): -1e-17 modulo the box is the box itself, which a
    periodic tree refuses.
    """
    found = np.mod(positions, box)
    return np.where(found >= box, 0.0, found)


def minimum_image(delta: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Differences (..., 3) between nearest images."""
    return delta - image_shift(delta, box)


def image_shift(delta: np.ndarray, box: np.ndarray) -> np.ndarray:
    """What must be added to the second of two places, which differ by `delta` (..., 3), to have its
    image nearest to the first.
    """
    return box * np.round(delta / box)
