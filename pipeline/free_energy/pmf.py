"""A curve along the binding coordinate with what its errors need, wherever it comes from."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np


class Resampling(Protocol):
    """How resamples were drawn, and so what their spread says."""

    def error(self, values: np.ndarray) -> np.ndarray:
        """Standard error of numbers (B, ...) from B resamples; NaN where under half are finite."""
        ...


@dataclass(frozen=True, kw_only=True)
class Pmf:
    """A potential of mean force over its plateau, on n bins of equal width."""

    z_nm: np.ndarray
    """Centres of the bins (nm), (n,)."""
    bin_nm: float
    """Width of a bin (nm)."""
    W: np.ndarray
    """The curve (kJ/mol), (n,); zero on the plateau, NaN where a bin holds no sample."""
    W_error: np.ndarray
    """Its standard error (kJ/mol), (n,)."""
    curves: np.ndarray
    """The curve from each of B resamples (kJ/mol), (B, n)."""
    halves: np.ndarray
    """The curve from each half of the data in time (kJ/mol), (2, n)."""
    blocks: Resampling
    """What the spread of the resamples means."""
    plateau: tuple[int, int]
    """Bins [start, stop) of the plateau."""
    middle: tuple[int, int]
    """Bins [start, stop) between the lowest and the highest median of a window."""
    core: tuple[int, int]
    """Bins [start, stop) between the lowest 2 % and the highest 98 % quantile of a window."""
    others: dict[str, np.ndarray] = field(default_factory=dict)
    """The curve (n,) by every other estimator, by its name; empty where there is no other."""

    def error(self, values: np.ndarray) -> np.ndarray:
        """Standard error of numbers read off each resample, (B, ...); NaN where under half are
        finite.
        """
        return self.blocks.error(values)
