"""Numbers read off one curve, the same way off the estimate and off every resample; symbols as in
pipeline/free_energy/binding.py.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from halobind.pipeline.free_energy.constants import STANDARD_PER_NM3
from halobind.pipeline.free_energy.pmf import Pmf
from halobind.pipeline.free_energy.quantity import Quantity
from halobind.pipeline.free_energy.samples import Conditions, EstimateError

PLATEAU_ERRORS = 2.0  # of the rise over the plateau, below which it is none
# height of a barrier in its errors: the maximum of a flat noisy curve passes 2 in 7 to 19 % of
# runs, 3 in about 1 %
BARRIER_ERRORS = 3


def cylinder_area(radius_nm: float, wall_k: float, kT: float) -> float:
    """Area (nm2) of a flat-bottom cylinder with its soft harmonic wall, A_eff above."""
    return math.pi * radius_nm**2 + 2 * math.pi * (
        radius_nm * math.sqrt(math.pi * kT / (2 * wall_k)) + kT / wall_k
    )


@dataclass(frozen=True)
class CurveAnalysis:
    """Reads numbers off one curve, the same way off the estimate and off every resample."""

    pmf: Pmf
    kT: float
    area: float

    def density(self, W: np.ndarray) -> np.ndarray:
        """exp(-W/kT), 0 where no sample is; all NaN for a curve without a plateau."""
        if np.all(np.isnan(W)):
            return np.full(len(W), np.nan)
        return np.where(np.isnan(W), 0.0, np.exp(-np.nan_to_num(W) / self.kT))

    def extreme(self, W: np.ndarray, start: int, sign: int) -> int | None:
        """The bin of the minimum (sign 1) or maximum (-1) from `start` to the plateau, on a running
        mean of three bins against noise.
        """
        stop = self.pmf.plateau[0]
        known = ~np.isnan(W[start:stop])
        if not known.any():
            return None
        total, number = (
            np.convolve(x, np.ones(3))[1:-1]
            for x in (self.density(W)[start:stop], known.astype(float))
        )
        score = np.where(known, sign * total / np.maximum(number, 1), -np.inf)
        return start + int(np.argmax(score))

    def vertex(self, W: np.ndarray, start: int, sign: int) -> tuple[float, float]:
        """Position (nm) and height (kJ/mol) of that extreme, by the parabola with the same means
        over its bin and the two next to it.
        """
        i = self.extreme(W, start, sign)
        if i is None:
            return math.nan, math.nan
        left, right = (W[j] - W[i] if 0 <= j < len(W) else math.nan for j in (i - 1, i + 1))
        slope, bend = (right - left) / 2, (right + left) / 2
        if not sign * bend > 0 or abs(slope) > 2 * abs(bend):
            return float(self.pmf.z_nm[i]), float(W[i])
        offset = -slope / (2 * bend)
        return float(self.pmf.z_nm[i] + offset * self.pmf.bin_nm), float(
            W[i] + slope * offset / 2 - bend / 12
        )

    def position(self, W: np.ndarray) -> float:
        return self.vertex(W, self.pmf.core[0], 1)[0]

    def depth(self, W: np.ndarray) -> float:
        """Height of the well over the plateau: negative."""
        return self.vertex(W, self.pmf.core[0], 1)[1]

    def rise(self, W: np.ndarray, start: int) -> float:
        """Height over the plateau of the highest point from bin `start` to the plateau."""
        return self.vertex(W, start, -1)[1]

    def association(self, W: np.ndarray, stop: int) -> float:
        """K_a (nm3) of the bins below `stop`; NaN where it is not positive."""
        value = self.area * self.pmf.bin_nm * float(self.density(W)[:stop].sum())
        return value if value > 0 else math.nan

    def free_energy(self, W: np.ndarray, stop: int) -> float:
        return -self.kT * math.log(self.association(W, stop) * STANDARD_PER_NM3)

    def mean_height(self, W: np.ndarray, stop: int) -> float:
        """Mean height (nm) of the anchor over the bins below `stop`, weighed by exp(-W/kT)."""
        density = self.density(W)[:stop]
        return (
            float(density @ self.pmf.z_nm[:stop] / density.sum()) if density.sum() > 0 else math.nan
        )

    def plateau_change(self, W: np.ndarray) -> float:
        """Rise (kJ/mol) of the curve over the plateau, twice the step between its halves; NaN when
        a half is empty.
        """
        start, stop = self.pmf.plateau
        middle = (start + stop) // 2
        near, far = (
            float(self.density(W)[part].mean())
            for part in (slice(start, middle), slice(middle, stop))
        )
        return 2 * self.kT * math.log(near / far) if near > 0 and far > 0 else math.nan

    def quantity(self, read: Callable[..., float], *arguments: int) -> Quantity:
        """What `read` gives for the curve, with the error from the resamples."""
        spread = self.pmf.error(np.array([read(W, *arguments) for W in self.pmf.curves]))
        return Quantity(float(read(self.pmf.W, *arguments)), float(spread))

    @staticmethod
    def of(pmf: Pmf, conditions: Conditions) -> "CurveAnalysis":
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
    """Bins of the curve: `low` holds the bottom of the well, and the bound region ends before
    `stop`.

    That is at the top of the barrier where there is one, else where the plateau begins; `depth` of
    the well and `rise` (the highest point behind it, over the plateau) decided.
    """

    low: int
    stop: int
    has_barrier: bool
    depth: Quantity
    rise: Quantity


def find_landmarks(analysis: CurveAnalysis) -> Landmarks:
    """Where the well and the barrier are. Raises EstimateError when no sample lies before the
    plateau.
    """
    pmf = analysis.pmf
    low = analysis.extreme(pmf.W, pmf.core[0], 1)
    if low is None:
        raise EstimateError(
            f"there are no samples below {pmf.z_nm[pmf.plateau[0]]:.3f} nm, where the plateau"
            " begins: start windows deeper",
            cause="no samples before the plateau",
        )
    depth, rise = analysis.quantity(analysis.depth), analysis.quantity(analysis.rise, low + 1)
    top = analysis.extreme(pmf.W, low + 1, -1)
    if top is not None and rise.value > max(BARRIER_ERRORS * rise.error, analysis.kT / 2):
        return Landmarks(low, top + 1, True, depth, rise)
    return Landmarks(low, pmf.plateau[0], False, depth, rise)
