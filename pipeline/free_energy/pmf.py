"""A curve along the binding coordinate with what its errors need, wherever it comes from."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np


class Resampling(Protocol):
    """How resamples were drawn, and so what their spread says."""

    def error(self, values: np.ndarray) -> np.ndarray:
        """Standard error of numbers (B, ...) from B resamples; NaN where under half are finite."""
        ...


@dataclass(frozen=True, eq=False, repr=False)
class Curve:
    """A free energy along the coordinate over its plateau, with its error, on n bins.

    In a notebook it shows itself as a plot.

    Examples:
        >>> curve = halobind.curve_of(campaign)
        >>> lowest = curve.W.argmin()
        >>> well = curve.z_nm[lowest], curve.W[lowest], curve.W_error[lowest]
    """

    z_nm: np.ndarray
    """Centres of the bins (nm), (n,)."""
    W: np.ndarray
    """The curve (kJ/mol), (n,); zero on the plateau, NaN where a bin holds no sample."""
    W_error: np.ndarray
    """Its standard error (kJ/mol), (n,)."""

    def __repr__(self) -> str:
        known = np.flatnonzero(np.isfinite(self.W))
        name = type(self).__name__
        if not len(known):
            return f"{name}: {len(self.z_nm)} bins, no samples"
        low = known[np.argmin(self.W[known])]
        return (
            f"{name}: {len(self.z_nm)} bins from {self.z_nm[0]:.3f} to {self.z_nm[-1]:.3f} nm,"
            f" lowest {self.W[low]:.1f} ± {self.W_error[low]:.1f} kJ/mol at {self.z_nm[low]:.3f} nm"
        )

    def _repr_html_(self) -> str:
        """The curve as a picture, for notebooks."""
        from halobind.pipeline.free_energy.curve_figure import (  # noqa: PLC0415 (matplotlib behind it: only where a curve is looked at)
            curve_figure,
            figure_html,
        )

        return figure_html(curve_figure(self), repr(self))


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Pmf(Curve):
    """A curve with what its errors and numbers need, on n bins of equal width.

    Examples:
        >>> pmf = halobind.estimate_samples(samples).pmf
        >>> first, stop = pmf.plateau
        >>> bool(abs(pmf.W[first:stop].mean()) < 1.0)
        True
        >>> sorted(pmf.others)
        ['WHAM', 'umbrella integration']
    """

    bin_nm: float
    """Width of a bin (nm)."""
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
