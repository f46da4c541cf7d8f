"""Potential of mean force from metadynamics: where walkers were, and how hard the bias pushed.

    W(z) = -kT ln P(z) + int^z < -dV(z', t)/dz' - dU_wall/dz' >_z' dz' - W_bulk

P is the density of all recorded heights and < >_z the mean over those at z (mean force integration,
Marinova and Salvalaglio, J. Chem. Phys. 2019, 151, 164115). So each stretch of the path is
estimated from the motion within it, as in umbrella integration, whatever the bias was at that time:
it need not have filled the path. The mean of the bias does, and comes out half as sure: four
Brownian walkers of 0.6 ns in a Morse well of 90 kJ/mol scatter by 2.7 kJ/mol in depth this way, by
5.5 that way.

| symbol | here | meaning |
|---|---|---|
| -dV/dz | WalkerSamples.push | force of the bias on the anchor at each record, kJ/mol/nm |
| U_wall | WalkerSamples.wall_force | harmonic walls beyond the ends of the path |
| W_bulk | (zero of W) | -kT ln of the mean of exp(-W/kT) over the plateau bins, as in pmf.py |
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from halobind.pipeline.free_energy.autocorrelation import inefficiency
from halobind.pipeline.free_energy.binding import Binding, curve_binding
from halobind.pipeline.free_energy.bins import over_plateau
from halobind.pipeline.free_energy.constants import GAS_CONSTANT
from halobind.pipeline.free_energy.flags import Flag, FlagKind
from halobind.pipeline.free_energy.hills import Hills
from halobind.pipeline.free_energy.pmf import Pmf
from halobind.pipeline.free_energy.quantity import student_factor
from halobind.pipeline.free_energy.samples import Conditions, EstimateError
from halobind.pipeline.free_energy.settings import EstimateSettings
from halobind.pipeline.free_energy.time_blocks import MAX_BLOCKS, MIN_BLOCKS, spread_error

STEPS_PER_BIN = 5
"""Steps of the integral in one bin of the curve."""
EDGE_KT = 1.0
"""Bins below the path are kept up to where the wall costs so many kT."""
NEAR_FRACTION = 0.25
"""A walker crosses between this first part of the path and the plateau."""
MIN_CROSSINGS = 4
"""Of each walker, for a row to be converged."""


@dataclass(frozen=True, eq=False)
class WalkerSamples:
    """What the walkers of one run measured, inside a lateral cylinder.

    The cylinder costs 0.5 wall_k max(0, r - radius_nm)^2.
    """

    hills: Hills
    """How their bias grew, and the path."""
    z: tuple[np.ndarray, ...]
    """Heights (n,) of each walker in time order, nm."""
    push: tuple[np.ndarray, ...]
    """Force (n,) of the bias at each of them, kJ/mol/nm."""
    interval_ps: float
    """Time between two heights."""
    temperature_K: float
    """Of the thermostat."""
    radius_nm: float
    """Of the flat bottom of the cylinder."""
    wall_k: float
    """Stiffness of the wall of the cylinder, kJ/mol/nm2."""

    @property
    def kT(self) -> float:
        """kJ/mol."""
        return GAS_CONSTANT * self.temperature_K

    @property
    def conditions(self) -> Conditions:
        """What a curve needs besides itself."""
        sampled = sum(len(z) for z in self.z) * self.interval_ps / 1000
        return Conditions(self.temperature_K, self.radius_nm, self.wall_k, sampled)

    def wall_force(self, z: np.ndarray) -> np.ndarray:
        """Force (kJ/mol/nm) of the walls at the ends of the path."""
        bottom, top = self.hills.path_nm
        return self.hills.wall_k * (np.maximum(0, bottom - z) - np.maximum(0, z - top))

    def kept(self, settings: EstimateSettings) -> tuple[slice, ...]:
        """What counts of each walker: all after the first `settings.discard_fraction`."""
        return tuple(slice(int(settings.discard_fraction * len(z)), None) for z in self.z)


def walk_binding(
    walks: WalkerSamples, settings: EstimateSettings, seed: int = 0
) -> tuple[Pmf, Binding]:
    """The curve and the binding numbers of one run from its walkers.

    Args:
        walks: What the walkers measured.
        settings: Of the estimate.
        seed: Decides the resamples.

    Raises:
        EstimateError: No curve can be had.
    """
    crossed = crossings(walks, settings)
    pmf = walk_pmf(walks, settings, seed)
    numbers = curve_binding(pmf, walks.conditions)
    return pmf, replace(numbers, flags=(*walk_flags(crossed), *numbers.flags))


def crossings(walks: WalkerSamples, settings: EstimateSettings) -> list[int]:
    """How often each walker crossed between the near end of the path and the plateau.

    Args:
        walks: What the walkers measured.
        settings: With the length of the plateau.

    Returns:
        A number for each walker.

    Raises:
        EstimateError: No walker was at one of the two.
    """
    bottom, top = walks.hills.path_nm
    near = bottom + NEAR_FRACTION * (top - bottom)
    far = top - settings.plateau_nm
    counts: list[int] = []
    z = [series[kept] for series, kept in zip(walks.z, walks.kept(settings), strict=True)]
    low = min(series.min(initial=math.inf) for series in z)
    high = max(series.max(initial=-math.inf) for series in z)
    if not (low < near and high > far):
        raise EstimateError(
            f"none of {len(z)} walkers has been {'above' if low < near else 'below'}"
            f" {far if low < near else near:.2f} nm: sample longer, or raise height_kJ_mol or"
            " bias_factor",
            cause="path not covered",
        )
    for series in z:
        side = np.where(series < near, -1, np.where(series > far, 1, 0))
        counts.append(int(np.count_nonzero(np.diff(side[side != 0]))))
    return counts


def walk_pmf(walks: WalkerSamples, settings: EstimateSettings, seed: int = 0) -> Pmf:
    """The curve, with resamples whose spread is its standard error.

    Time blocks within each walker are resampled, and whole walkers where there are several; the
    resamples that spread more are kept. They are drawn by the Bayesian bootstrap (Rubin, Ann. Stat.
    1981, 9, 130), which leaves no bin without samples. That of n parts loses 2/(n + 1) of the
    variance, and the scatter of few walkers is uncertain (Student's t for 68 %): the resamples make
    up for both.

    Args:
        walks: What the walkers measured.
        settings: Of the estimate.
        seed: Decides the resamples.

    Raises:
        EstimateError: The sampled part of the path is too short for a plateau, or a walker has too
            few records.
    """
    bins = _Bins(walks, settings)
    tallies = [
        bins.tally(z[kept], push[kept])
        for z, push, kept in zip(walks.z, walks.push, walks.kept(settings), strict=True)
    ]
    whole = [tally.sum(axis=0) for tally in tallies]
    n = len(tallies)
    random = np.random.default_rng(seed)
    W = bins.curve(np.asarray(sum(whole)))
    draws = []
    for _ in range(settings.n_bootstrap):
        blocks = [_weighted(tally, random) for tally in tallies]
        draws.append(bins.curve(np.asarray(sum(blocks))))
    fewest = min(len(tally) for tally in tallies)
    sets = [W + math.sqrt((fewest + 1) / (fewest - 1)) * (np.array(draws) - W)]
    if n > 1:
        walkers = np.array(whole)
        draws = [bins.curve(_weighted(walkers, random)) for _ in range(settings.n_bootstrap)]
        factor = math.sqrt((n + 1) / (n - 1)) * student_factor(n - 1)
        sets.append(W + factor * (np.array(draws) - W))
    resamples = max(sets, key=_spread)
    first = [tally[: len(tally) // 2].sum(axis=0) for tally in tallies]
    second = [tally[len(tally) // 2 :].sum(axis=0) for tally in tallies]
    halves = np.array([bins.curve(np.asarray(sum(half))) for half in (first, second)])
    error = np.where(np.isnan(W), np.nan, spread_error(resamples))
    inside = (0, len(bins.z_nm))
    return Pmf(
        z_nm=bins.z_nm,
        bin_nm=settings.bin_nm,
        W=W,
        W_error=error,
        curves=resamples,
        halves=halves,
        blocks=PlainSpread(),
        plateau=bins.plateau,
        middle=inside,
        core=inside,
    )


class PlainSpread:
    """Resamples whose spread is the standard error as it stands."""

    def error(self, values: np.ndarray) -> np.ndarray:
        """Standard error of numbers (B, ...) from B resamples; NaN where under half are finite."""
        return spread_error(values)


def _weighted(parts: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The sum of parts (n, ...) with weights drawn evenly from all positive ones that sum to n."""
    return np.tensordot(len(parts) * random.dirichlet(np.ones(len(parts))), parts, axes=1)


def _spread(curves: np.ndarray) -> float:
    """Root mean square over the bins of the spread of curves, each about its own mean."""
    known = curves[:, np.isfinite(curves).all(axis=0)]
    if not known.size:
        return 0.0
    return float(np.sqrt((known - known.mean(axis=1, keepdims=True)).var(axis=0).mean()))


class _Bins:
    """Bins between the lowest and the highest sample on the path, each in STEPS_PER_BIN steps.

    They are [k * width, (k + 1) * width), as those of bins.py.
    """

    def __init__(self, walks: WalkerSamples, settings: EstimateSettings) -> None:
        """Lay the bins over the path. Raises EstimateError when they do not reach for a plateau."""
        z = np.concatenate(walks.z)
        width = settings.bin_nm
        bottom, top = walks.hills.path_nm
        bottom -= math.sqrt(2 * EDGE_KT * walks.kT / walks.hills.wall_k)
        number = np.floor(z / width).astype(int)
        inside = number[(number * width > bottom - 1e-6) & ((number + 1) * width < top + 1e-6)]
        first = inside.min() if len(inside) else 0
        count = np.ptp(inside) + 1 if len(inside) else 0
        self.plateau = (count - round(settings.plateau_nm / width), count)
        if self.plateau[0] < 2:
            raise EstimateError(
                f"the walkers, {z.min():.3f} to {z.max():.3f} nm, cover too little of the path for"
                f" plateau_nm = {settings.plateau_nm:g}: sample longer, or lower it",
                cause="sampled range too short",
            )
        self._walks = walks
        self._step = width / STEPS_PER_BIN
        self._first = first * STEPS_PER_BIN
        self.z_nm = (first + np.arange(count) + 0.5) * width

    def tally(self, z: np.ndarray, push: np.ndarray) -> np.ndarray:
        """Count the records of a walker and add up their forces, in each step and time block.

        Args:
            z: Heights (n,), nm.
            push: Force (n,) of the bias at each, kJ/mol/nm.

        Returns:
            Numbers (blocks, 2, steps): records, and the sum of the forces on them.

        Raises:
            EstimateError: There are too few records.
        """
        if len(z) < 2 * MIN_BLOCKS:
            raise EstimateError(
                f"a walker has {len(z)} records only: sample longer", cause="too few samples"
            )
        size = STEPS_PER_BIN * len(self.z_nm)
        force = push + self._walks.wall_force(z)
        step = np.floor(z / self._step).astype(int) - self._first
        number = int(np.clip(len(z) / (2 * inefficiency(z)), MIN_BLOCKS, MAX_BLOCKS))
        blocks = np.zeros((number, 2, size))
        for block, part in zip(blocks, np.array_split(np.arange(len(z)), number), strict=True):
            part = part[(step[part] >= 0) & (step[part] < size)]
            block[0] = np.bincount(step[part], minlength=size)
            block[1] = np.bincount(step[part], force[part], minlength=size)
        return blocks

    def curve(self, tally: np.ndarray) -> np.ndarray:
        """W (n,) over the plateau from counts and forces (2, steps); NaN where no sample is."""
        counts, forces = tally
        known = counts > 0
        kT = self._walks.kT
        if not known.any():
            return np.full(len(self.z_nm), np.nan)
        steps = np.arange(len(counts))
        mean = np.interp(steps, steps[known], forces[known] / counts[known])
        work = self._step * (np.cumsum(mean) - mean / 2)  # to the middle of each step
        height = np.where(known, np.log(np.where(known, counts, 1.0)) - work / kT, -np.inf)
        density = np.exp(height - height.max()).reshape(-1, STEPS_PER_BIN).mean(axis=1)
        return over_plateau(density, self.plateau, kT)


def walk_flags(crossed: list[int]) -> list[Flag]:
    """What is wrong with the walkers, given how often each crossed the path."""
    flags: list[Flag] = []
    few = sum(count < MIN_CROSSINGS for count in crossed)
    if few:
        flags.append(
            Flag(
                FlagKind.FEW_CROSSINGS,
                f"{few} of {len(crossed)} walkers crossed the path fewer than {MIN_CROSSINGS}"
                " times",
            )
        )
    if len(crossed) == 1:
        flags.append(
            Flag(
                FlagKind.ONE_WALKER,
                "error is a lower bound: it comes from time blocks of one walker",
                error_is_bound=True,
            )
        )
    return flags
