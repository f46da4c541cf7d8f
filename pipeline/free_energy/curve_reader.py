"""Numbers read off one curve, the same way off the estimate and off every resample.

Symbols are as in pipeline/free_energy/binding.py.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from halobind.pipeline.free_energy.constants import STANDARD_PER_NM3
from halobind.pipeline.free_energy.pmf import Pmf
from halobind.pipeline.free_energy.quantity import Quantity
from halobind.pipeline.free_energy.samples import Conditions, EstimateError

PLATEAU_ERRORS = 2.0
"""A rise over the plateau within so many standard errors of it is none."""
BARRIER_ERRORS = 3
"""A barrier is higher than so many standard errors of its height: the maximum of a flat noisy curve
passes 2 of them in 7 to 19 % of runs, 3 in about 1 %.
"""


def cylinder_area(radius_nm: float, wall_k: float, kT: float) -> float:
    """Area A_eff of a flat-bottom cylinder with its soft harmonic wall.

    Args:
        radius_nm: Of the flat bottom.
        wall_k: Stiffness of the wall, kJ/mol/nm2.
        kT: kJ/mol.

    Returns:
        nm2.
    """
    return math.pi * radius_nm**2 + 2 * math.pi * (
        radius_nm * math.sqrt(math.pi * kT / (2 * wall_k)) + kT / wall_k
    )


@dataclass(frozen=True)
class CurveAnalysis:
    """Reads numbers off one curve, the same way off the estimate and off every resample."""

    pmf: Pmf
    """The curve with its resamples."""
    kT: float
    """kJ/mol."""
    area: float
    """A_eff, which the unbound anchor explores at one height, nm2."""

    def density(self, W: np.ndarray) -> np.ndarray:
        """exp(-W/kT), 0 where no sample is; all NaN for a curve without a plateau."""
        if np.all(np.isnan(W)):
            return np.full(len(W), np.nan)
        return np.where(np.isnan(W), 0.0, np.exp(-np.nan_to_num(W) / self.kT))

    def extreme(self, W: np.ndarray, start: int, sign: int) -> int | None:
        """Find the lowest or the highest bin before the plateau.

        It is that of a running mean over three bins, against noise.

        Args:
            W: A curve (n,), kJ/mol.
            start: The first bin.
            sign: 1 for the minimum, -1 for the maximum.

        Returns:
            The bin; None when none from `start` on holds a sample.
        """
        stop = self.pmf.plateau[0]
        known = ~np.isnan(W[start:stop])
        if not known.any():
            return None
        total = np.convolve(self.density(W)[start:stop], np.ones(3))[1:-1]
        number = np.convolve(known.astype(float), np.ones(3))[1:-1]
        score = np.where(known, sign * total / np.maximum(number, 1), -np.inf)
        return start + int(np.argmax(score))

    def vertex(self, W: np.ndarray, start: int, sign: int) -> tuple[float, float]:
        """Where that extreme is, by a parabola.

        It has the same means as the curve over the bin of the extreme and the two next to it.

        Args:
            W: A curve (n,), kJ/mol.
            start: The first bin.
            sign: 1 for the minimum, -1 for the maximum.

        Returns:
            Position (nm) and height (kJ/mol); NaN where there is no sample.
        """
        i = self.extreme(W, start, sign)
        if i is None:
            return math.nan, math.nan
        before = W[i - 1] - W[i] if i > 0 else math.nan
        after = W[i + 1] - W[i] if i + 1 < len(W) else math.nan
        slope = (after - before) / 2
        bend = (after + before) / 2
        if not sign * bend > 0 or abs(slope) > 2 * abs(bend):
            return float(self.pmf.z_nm[i]), float(W[i])
        offset = -slope / (2 * bend)
        position = self.pmf.z_nm[i] + offset * self.pmf.bin_nm
        height = W[i] + slope * offset / 2 - bend / 12
        return float(position), float(height)

    def position(self, W: np.ndarray) -> float:
        """Height (nm) of the anchor at the bottom of the well."""
        return self.vertex(W, self.pmf.core[0], 1)[0]

    def depth(self, W: np.ndarray) -> float:
        """Height (kJ/mol) of the bottom of the well over the plateau: negative."""
        return self.vertex(W, self.pmf.core[0], 1)[1]

    def rise(self, W: np.ndarray, start: int) -> float:
        """Height (kJ/mol) over the plateau of the highest point from bin `start` on."""
        return self.vertex(W, start, -1)[1]

    def association(self, W: np.ndarray, stop: int) -> float:
        """K_a (nm3) of the bins below `stop`; NaN where it is not positive."""
        value = self.area * self.pmf.bin_nm * float(self.density(W)[:stop].sum())
        return value if value > 0 else math.nan

    def free_energy(self, W: np.ndarray, stop: int) -> float:
        """dG0 (kJ/mol) of the bins below `stop`; NaN where K_a is not positive."""
        return -self.kT * math.log(self.association(W, stop) * STANDARD_PER_NM3)

    def mean_height(self, W: np.ndarray, stop: int) -> float:
        """Mean height (nm) of the anchor over the bins below `stop`, weighed by exp(-W/kT)."""
        density = self.density(W)[:stop]
        if not density.sum() > 0:
            return math.nan
        return float(density @ self.pmf.z_nm[:stop] / density.sum())

    def plateau_change(self, W: np.ndarray) -> float:
        """Rise (kJ/mol) of the curve over the plateau; NaN when a half of it is empty.

        It is twice the step between the halves of the plateau.
        """
        start, stop = self.pmf.plateau
        middle = (start + stop) // 2
        density = self.density(W)
        near = float(density[start:middle].mean())
        far = float(density[middle:stop].mean())
        return 2 * self.kT * math.log(near / far) if near > 0 and far > 0 else math.nan

    def quantity(self, read: Callable[..., float], *arguments: int) -> Quantity:
        """Read a number off the curve, with its error from the resamples.

        Args:
            read: Takes a curve (n,) in kJ/mol and gives a number.
            arguments: What else `read` takes.

        Returns:
            The number with its error, in the unit of `read`.
        """
        spread = self.pmf.error(np.array([read(W, *arguments) for W in self.pmf.curves]))
        return Quantity(float(read(self.pmf.W, *arguments)), float(spread))

    @staticmethod
    def of(pmf: Pmf, conditions: Conditions) -> "CurveAnalysis":
        """The analysis of a curve that was measured under some conditions."""
        return CurveAnalysis(
            pmf,
            conditions.kT,
            cylinder_area(conditions.radius_nm, conditions.wall_k, conditions.kT),
        )


def is_flat(rise: Quantity, kT: float) -> bool:
    """Whether a curve is flat over its plateau: a rise within two standard errors or kT/4.

    Args:
        rise: Of the curve over the plateau, kJ/mol.
        kT: kJ/mol.
    """
    return abs(rise.value) <= max(PLATEAU_ERRORS * rise.error, kT / 4)


@dataclass(frozen=True)
class Landmarks:
    """Where the well of a curve is, and where its bound region ends."""

    low: int
    """The bin of the bottom of the well."""
    stop: int
    """The bin before which the bound region ends: behind the top of the barrier where there is one,
    else the first of the plateau.
    """
    has_barrier: bool
    """Whether a barrier stands out of the noise between well and plateau."""
    depth: Quantity
    """Height of the bottom of the well over the plateau, kJ/mol: negative."""
    rise: Quantity
    """Height over the plateau of the highest point behind the well, kJ/mol."""


def find_landmarks(analysis: CurveAnalysis) -> Landmarks:
    """Where the well and the barrier of a curve are.

    Raises:
        EstimateError: No sample lies before the plateau.
    """
    pmf = analysis.pmf
    low = analysis.extreme(pmf.W, pmf.core[0], 1)
    if low is None:
        raise EstimateError(
            f"there are no samples below {pmf.z_nm[pmf.plateau[0]]:.3f} nm, where the plateau"
            " begins: start windows deeper",
            cause="no samples before the plateau",
        )
    depth = analysis.quantity(analysis.depth)
    rise = analysis.quantity(analysis.rise, low + 1)
    top = analysis.extreme(pmf.W, low + 1, -1)
    if top is not None and rise.value > max(BARRIER_ERRORS * rise.error, analysis.kT / 2):
        return Landmarks(low, top + 1, True, depth, rise)
    return Landmarks(low, pmf.plateau[0], False, depth, rise)
