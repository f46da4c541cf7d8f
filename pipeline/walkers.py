"""Potential of mean force from well-tempered metadynamics: the mean of the bias over the converged part of every walker.

    W(z) = -gamma/(gamma - 1) < V(z, t) >_t - U_wall(z) - W_bulk

Once the path is filled, V grows everywhere alike and only its shape counts, which fluctuates about its limit; so it is averaged over
time (Micheletti, Laio and Parrinello, Phys. Rev. Lett. 2004, 92, 170601) from then on, and over walkers, whose spread is an error
that no assumption on correlation times enters. Reweighting the samples by exp((V - c(t))/kT) (Tiwary and Parrinello, J. Phys.
Chem. B 2015, 119, 736) lags behind for much longer: for a well of 60 kJ/mol and four walkers of 10 ns it missed the depth
by 5 kJ/mol where the mean bias missed it by 0.4 (both from the last 70 %).

| symbol | here | meaning |
|---|---|---|
| V, gamma | Walks.bias, bias_factor | mean bias of each segment, kJ/mol; bias factor |
| U_wall | Walks.wall | harmonic walls beyond the ends of the path |
| W_bulk | (zero of W) | -kT ln of the mean of exp(-W/kT) over the plateau bins, as in pmf.py |
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.stats import t as student

from pipeline.binding import Binding, curve_binding
from pipeline.grid import over_plateau
from pipeline.metadynamics import Hills
from pipeline.pmf import Pmf
from pipeline.samples import GAS_CONSTANT, MAX_BLOCKS, MIN_BLOCKS, Conditions, EstimateError, EstimateSettings, inefficiency, spread_error

FINE = 20  # points of the spline through the bias in one bin of the curve
EDGE_KT = 1.0  # bins below the path are kept up to where the wall costs so many kT
NEAR = 0.25  # a walker crosses between this first part of the path and the plateau
MIN_CROSSINGS = 4  # of a walker after its first, for a row to be converged
ONE_SIGMA = 0.8413447460685429  # of a normal distribution lies below one standard deviation


@dataclass(frozen=True, eq=False)
class Walks:
    """What the walkers of one run did: heights z (nm, one array a walker, `interval_ps` apart), `counts` of them in each segment,
    (segments,) a walker, and the mean bias (kJ/mol) over each on hills.grid, (segments, n) a walker.

    The cylinder costs 0.5 wall_k max(0, r - radius_nm)^2.
    """

    hills: Hills
    z: tuple[np.ndarray, ...]
    counts: tuple[np.ndarray, ...]
    bias: tuple[np.ndarray, ...]
    interval_ps: float
    temperature_K: float
    radius_nm: float
    wall_k: float

    @property
    def kT(self) -> float:
        return GAS_CONSTANT * self.temperature_K

    @property
    def conditions(self) -> Conditions:
        sampled = sum(len(z) for z in self.z) * self.interval_ps / 1000
        return Conditions(self.temperature_K, self.radius_nm, self.wall_k, sampled)

    def wall(self, z: np.ndarray) -> np.ndarray:
        """Energy (kJ/mol) of the walls at the ends of the path."""
        bottom, top = self.hills.path_nm
        return 0.5 * self.hills.wall_k * (np.maximum(0, z - top) ** 2 + np.maximum(0, bottom - z) ** 2)


@dataclass(frozen=True, eq=False)
class Filled:
    """What a walker did after it first left for the plateau: mean bias (blocks, n) of each time block, samples in each, crossings."""

    bias: np.ndarray
    sizes: np.ndarray
    crossings: int

    def mean(self, times: np.ndarray | float = 1.0) -> np.ndarray:
        """The mean bias (n,) when block b is taken times[b] times."""
        weights = self.sizes * times
        return weights @ self.bias / weights.sum()

    def half(self, last: bool) -> np.ndarray:
        """The mean bias of the first or the last half of the blocks (of one block: of all)."""
        middle = len(self.sizes) // 2
        return self.mean((np.arange(len(self.sizes)) >= middle) == last if middle else 1.0)


def walk_binding(walks: Walks, settings: EstimateSettings, seed: int = 0) -> tuple[Pmf, Binding]:
    """The curve and the binding numbers of one run from its walkers; `seed` decides the resamples. Raises EstimateError."""
    filled = filled_walkers(walks, settings)
    pmf = walk_pmf(walks, filled, settings, seed)
    found = curve_binding(pmf, walks.conditions)
    return pmf, replace(found, flags=(*walk_flags(filled, len(walks.z)), *found.flags))


def filled_walkers(walks: Walks, settings: EstimateSettings) -> list[Filled]:
    """The part of each walker that counts: after `settings.discard_fraction` of it, and after it first left the near end of the path for
    the plateau. One that came from there has fallen into an empty well, whose bias is nowhere near its limit until it comes out.

    Raises EstimateError when no walker has left and gone on for a segment, or only one and for one segment (there is no error).
    """
    bottom, top = walks.hills.path_nm
    near, far = bottom + NEAR * (top - bottom), top - settings.plateau_nm
    found = []
    for z, counts, bias in zip(walks.z, walks.counts, walks.bias, strict=True):
        arrivals, begins = _arrivals(z, near, far), np.cumsum(counts) - counts
        left = arrivals[z[arrivals] > far]
        if not len(left) or begins[-1] <= left[0]:
            continue
        first = int(np.searchsorted(begins, max(settings.discard_fraction * len(z), left[0] + 1)))
        first = min(first, len(begins) - 1)
        begin, kept = begins[first], np.arange(first, len(begins))
        number = int((len(z) - begin) / (2 * inefficiency(z[begin:])))
        groups = np.array_split(kept, np.clip(number, min(MIN_BLOCKS, len(kept)), min(MAX_BLOCKS, len(kept))))
        means = np.array([np.average(bias[group], axis=0, weights=counts[group]) for group in groups])
        sizes = np.array([float(counts[group].sum()) for group in groups])
        found.append(Filled(means, sizes, int(np.sum(arrivals >= begin))))
    if not found:
        raise EstimateError(
            f"none of {len(walks.z)} walkers has left from below {near:.2f} nm for the plateau above {far:.2f} nm and gone on: "
            f"sample longer, or raise height_kJ_mol or bias_factor"
        )
    if len(found) == 1 and len(found[0].sizes) == 1:
        raise EstimateError(f"only one of {len(walks.z)} walkers has left for the plateau, and gone on for one segment: sample longer")
    return found


def _arrivals(z: np.ndarray, near: float, far: float) -> np.ndarray:
    """Samples at which a walker arrives below `near` having last been above `far`, or the other way round."""
    side = np.where(z < near, -1, np.where(z > far, 1, 0))
    there = np.flatnonzero(side)
    return there[1:][np.diff(side[there]) != 0]


def walk_pmf(walks: Walks, filled: list[Filled], settings: EstimateSettings, seed: int = 0) -> Pmf:
    """The curve, with resamples whose spread is its standard error.

    They are of time blocks within each walker, and where there are several of whole walkers, whichever spread more. Drawing n of n
    loses 1/n of the variance, and the scatter of few walkers is uncertain (Student's t for 68 %): the resamples make up for both.
    Raises EstimateError when the sampled part of the path is too short for a plateau.
    """
    bins = _Bins(walks, settings)
    means, random = np.array([walker.mean() for walker in filled]), np.random.default_rng(seed)
    mean, n = means.mean(axis=0), len(filled)
    draws = np.array(
        [
            np.mean([w.mean(random.multinomial(len(w.sizes), np.full(len(w.sizes), 1 / len(w.sizes)))) for w in filled], axis=0)
            for _ in range(settings.n_bootstrap)
        ]
    )
    number = min(len(w.sizes) for w in filled)
    sets = [mean + math.sqrt(number / max(1, number - 1)) * (draws - mean)]
    if n > 1:
        draws = np.array([means[random.integers(0, n, n)].mean(axis=0) for _ in range(settings.n_bootstrap)])
        sets.append(mean + math.sqrt(n / (n - 1)) * student.ppf(ONE_SIGMA, n - 1) * (draws - mean))
    resamples = max((np.array([bins.curve(bias) for bias in biases]) for biases in sets), key=bins.spread)
    halves = np.array([bins.curve(np.mean([w.half(last) for w in filled], axis=0)) for last in (False, True)])
    W, inside = bins.curve(mean), (0, len(bins.z_nm))
    error = np.where(np.isnan(W), np.nan, spread_error(resamples))
    return Pmf(bins.z_nm, settings.bin_nm, W, error, resamples, halves, AsDrawn(), bins.plateau, inside, inside)


class AsDrawn:
    """Resamples whose spread is the standard error as it stands."""

    def error(self, values: np.ndarray) -> np.ndarray:
        return spread_error(values)


class _Bins:
    """Bins [k * width, (k + 1) * width), as in pmf.py, between the lowest and the highest sample on the path."""

    def __init__(self, walks: Walks, settings: EstimateSettings) -> None:
        z, width, (bottom, top) = np.concatenate(walks.z), settings.bin_nm, walks.hills.path_nm
        bottom -= math.sqrt(2 * EDGE_KT * walks.kT / walks.hills.wall_k)
        number = np.floor(z / width).astype(int)
        inside = number[(number * width > bottom - 1e-6) & ((number + 1) * width < top + 1e-6)]
        first, count = (inside.min(), np.ptp(inside) + 1) if len(inside) else (0, 0)
        self.plateau = (count - round(settings.plateau_nm / width), count)
        if self.plateau[0] < 2:
            raise EstimateError(
                f"the walkers, {z.min():.3f} to {z.max():.3f} nm, cover too little of the path for plateau_nm = {settings.plateau_nm:g}: "
                f"sample longer, or lower it"
            )
        self._known = np.bincount(inside - first, minlength=count) > 0
        self._fine = (first + (np.arange(count * FINE) + 0.5) / FINE).reshape(count, FINE) * width
        self._wall, self._hills, self._kT = walks.wall(self._fine), walks.hills, walks.kT
        self.z_nm = (first + np.arange(count) + 0.5) * width

    def curve(self, bias: np.ndarray) -> np.ndarray:
        """W (n,) over the plateau from a mean bias on the grid of the hills; NaN where no sample is."""
        gamma = self._hills.bias_factor
        F = -gamma / (gamma - 1) * CubicSpline(self._hills.grid, bias, bc_type="natural")(self._fine) - self._wall
        density = np.where(self._known, np.exp(-(F - F.min()) / self._kT).mean(axis=1), 0.0)
        return over_plateau(density, self.plateau, self._kT)

    def spread(self, curves: np.ndarray) -> float:
        """Root mean square over the bins of the spread of curves, each about its own mean."""
        known = curves[:, self._known]
        return float(np.sqrt((known - known.mean(axis=1, keepdims=True)).var(axis=0).mean()))


def walk_flags(filled: list[Filled], walkers: int) -> list[str]:
    """What is wrong with the walkers, one sentence each."""
    flags, used = [], len(filled)
    if used < walkers:
        flags.append(f"{walkers - used} of {walkers} walkers have not left for the plateau and are left out")
    few = sum(walker.crossings < MIN_CROSSINGS for walker in filled)
    if few:
        flags.append(f"{few} of {used} walkers crossed the path fewer than {MIN_CROSSINGS} times after they first left the well")
    if used == 1:
        flags.append("error is a lower bound: it comes from time blocks of one walker")
    return flags
