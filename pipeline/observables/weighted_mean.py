"""Weighted means with a jackknife error over the blocks of time of the windows."""

from dataclasses import dataclass

import numpy as np

from halobind.pipeline.observables.frame_weights import BLOCKS


@dataclass(frozen=True, eq=False)
class Estimate:
    """Means with their errors."""

    value: np.ndarray
    """The means, of any shape; NaN where there is nothing."""
    error: np.ndarray
    """Their standard errors, of the same shape; NaN where there is only one block."""


class Mean:
    """Weighted means of rows of any shape, with all data and without each block.

    Feed it rows, then read it.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        """Begin with no rows, of values of that shape."""
        self.total = np.zeros((BLOCKS + 1, *shape))
        self.weight = np.zeros((BLOCKS + 1, *shape))

    def add(self, weights: np.ndarray, values: np.ndarray) -> None:
        """Take some rows.

        Args:
            weights: Of each row (n, B + 1), with all data and without each block.
            values: Of each row (n, ...); NaN counts for nothing.
        """
        known = np.isfinite(values)
        self.total += np.tensordot(weights.T, np.where(known, values, 0.0), axes=1)
        self.weight += np.tensordot(weights.T, known.astype(float), axes=1)

    def read(self) -> Estimate:
        """The means, with their jackknife errors."""
        with np.errstate(invalid="ignore", divide="ignore"):
            means = self.total / np.where(self.weight > 0, self.weight, np.nan)
        spread = ((means[1:] - means[1:].mean(axis=0)) ** 2).sum(axis=0)
        return Estimate(means[0], np.sqrt((BLOCKS - 1) / BLOCKS * spread))
