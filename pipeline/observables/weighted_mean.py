"""Weighted means with a jackknife error over the blocks of time of the windows."""

import numpy as np

from halobind.pipeline.observables.frame_weights import BLOCKS


class Mean:
    """Weighted means of rows of any shape, with all data and without each block: feed it rows, then
    read it.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.total = np.zeros((BLOCKS + 1, *shape))
        self.weight = np.zeros((BLOCKS + 1, *shape))

    def add(self, weights: np.ndarray, values: np.ndarray) -> None:
        """Weights (n, B + 1) and values (n, ...); a value that is NaN counts for nothing."""
        known = np.isfinite(values)
        self.total += np.tensordot(weights.T, np.where(known, values, 0.0), axes=1)
        self.weight += np.tensordot(weights.T, known.astype(float), axes=1)

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and jackknife error; NaN where there is nothing, or only one block."""
        with np.errstate(invalid="ignore", divide="ignore"):
            means = self.total / np.where(self.weight > 0, self.weight, np.nan)
        spread = ((means[1:] - means[1:].mean(axis=0)) ** 2).sum(axis=0)
        return means[0], np.sqrt((BLOCKS - 1) / BLOCKS * spread)
