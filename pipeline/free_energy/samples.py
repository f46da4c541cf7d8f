"""What umbrella windows measured, and the settings of the estimate: the input of every free-energy
number.
"""

import math
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

GAS_CONSTANT = 8.31446261815324e-3  # kJ/mol/K, exact by the SI of 2019
MIN_BLOCKS, MAX_BLOCKS = 5, 20  # time blocks of a window
MIN_LAG = (
    3  # lags of the autocorrelation that are always summed, as in Chodera et al., JCTC 2007, 3, 26
)

Finite = Annotated[float, Field(allow_inf_nan=False)]


class EstimateError(ValueError):
    """Samples from which no free energy can be had.

    The message says why, with numbers, and becomes the Error row of the table; `cause` names the
    reason without numbers, so that equal reasons can be counted.
    """

    def __init__(self, message: str, cause: str = "") -> None:
        super().__init__(message)
        self.cause = cause


class EstimateSettings(BaseModel):
    """The [estimate] section of a campaign: how numbers are made from samples. It never changes
    what is simulated.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    discard_fraction: Finite = Field(
        0.2,
        ge=0,
        le=0.9,
        description="first part of every window that is left out as equilibration",
    )
    bin_nm: Finite = Field(0.02, ge=0.001, le=0.2, description="width of the bins of the curve, nm")
    plateau_nm: Finite = Field(
        0.2,
        ge=0.02,
        le=5,
        description="length of the far end of the path that stands for the bulk, nm",
    )
    n_bootstrap: int = Field(100, ge=20, le=10000, description="block resamples behind every error")
    min_overlap: Finite = Field(
        0.03,
        ge=0,
        le=0.5,
        description="overlap between neighbour windows below which a row is not converged",
    )
    min_effective_samples: Finite = Field(
        30, ge=1, le=1e6, description="independent samples a window needs for a row to be converged"
    )
    max_samples: int = Field(
        100_000,
        ge=1000,
        le=10_000_000,
        description="above this total, every window is thinned evenly (memory, time)",
    )

    @model_validator(mode="after")
    def _plateau_has_bins(self) -> "EstimateSettings":
        if self.plateau_nm < 3.999 * self.bin_nm:
            raise ValueError(
                f"plateau_nm = {self.plateau_nm} must hold at least four bins of bin_nm ="
                f" {self.bin_nm}"
            )
        return self


@dataclass(frozen=True)
class Quantity:
    """A number with its standard error. Over replicas the error is the larger of `sem` (their
    scatter) and `propagated` (their errors).
    """

    value: float
    error: float
    sem: float = math.nan
    propagated: float = math.nan


@dataclass(frozen=True)
class Window:
    """One umbrella: bias 0.5 k (z - center_nm)^2 with k in kJ/mol/nm2, on the height z of the
    anchor over its site plane.
    """

    center_nm: float
    k: float


@dataclass(frozen=True)
class Conditions:
    """What a curve needs besides itself to become a binding constant: K, the cylinder (nm,
    kJ/mol/nm2), and the sampling behind it (ns).
    """

    temperature_K: float
    radius_nm: float
    wall_k: float
    sampling_ns: float

    @property
    def kT(self) -> float:
        return GAS_CONSTANT * self.temperature_K


@dataclass(frozen=True)
class Samples:
    """Heights `z` (nm, one 1-D array a window, in time order, `interval_ps` apart) of one run
    inside its lateral cylinder.

    A window may stand there more than once, with a series each time (one a face of the slab).
    `groups` (K,) are numbers: windows of one group exchanged their walkers and are not independent.
    Empty: none did.

    The cylinder costs 0.5 wall_k max(0, r - radius_nm)^2. Raises EstimateError when an array is
    empty, not 1-D or not finite.
    """

    windows: tuple[Window, ...]
    z: tuple[np.ndarray, ...]
    interval_ps: float
    temperature_K: float
    radius_nm: float
    wall_k: float
    groups: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.windows) != len(self.z) or not self.windows:
            raise EstimateError(
                f"{len(self.windows)} windows but {len(self.z)} series of heights: give each window"
                " its series",
                cause="series missing",
            )
        for window, z in zip(self.windows, self.z, strict=True):
            if np.ndim(z) != 1 or len(z) == 0:
                raise EstimateError(
                    f"window {window.center_nm:.3f} has no samples: sample it, or leave fewer out",
                    cause="too few samples",
                )
            if not np.all(np.isfinite(z)):
                bad = int(np.sum(~np.isfinite(z)))
                raise EstimateError(
                    f"window {window.center_nm:.3f} holds {bad} heights that are not finite: sample"
                    " it again",
                    cause="heights not finite",
                )

    @property
    def kT(self) -> float:
        return GAS_CONSTANT * self.temperature_K

    @property
    def conditions(self) -> Conditions:
        return Conditions(self.temperature_K, self.radius_nm, self.wall_k, self.sampling_ns)

    @property
    def counts(self) -> np.ndarray:
        """Samples in each window, (K,)."""
        return np.array([len(z) for z in self.z])

    @property
    def distinct(self) -> tuple[Window, ...]:
        """The windows, each once and by height: two faces of a slab give two series of one window."""
        return tuple(sorted(set(self.windows), key=lambda w: (w.center_nm, w.k)))

    def windows_where(self, wrong: np.ndarray) -> int:
        """In how many distinct windows a series is `wrong`, (K,)."""
        return len({window for window, true in zip(self.windows, wrong, strict=True) if true})

    @property
    def sampling_ns(self) -> float:
        """Simulated time, in which two faces are sampled at once."""
        longest: dict[Window, int] = {}
        for window, z in zip(self.windows, self.z, strict=True):
            longest[window] = max(longest.get(window, 0), len(z))
        return sum(longest.values()) * self.interval_ps / 1000

    def bias(self, z: np.ndarray) -> np.ndarray:
        """Reduced bias energies u[k, n] (in kT) of heights z[n] in every window k."""
        center = np.array([w.center_nm for w in self.windows])[:, None]
        k = np.array([w.k for w in self.windows])[:, None]
        return 0.5 * k * (z[None, :] - center) ** 2 / self.kT

    def integrated_f(self) -> np.ndarray:
        """Reduced free energies of the windows by integrating the mean force k (c - <z>)/kT over
        the centres c; 0 for window 0, (K,).
        """
        center, k = (
            np.array([getattr(w, name) for w in self.windows]) for name in ("center_nm", "k")
        )
        force = k * (center - np.array([z.mean() for z in self.z])) / self.kT
        order, f = np.argsort(center, kind="stable"), np.zeros(len(center))
        f[order[1:]] = np.cumsum(
            0.5 * (force[order][1:] + force[order][:-1]) * np.diff(center[order])
        )
        return f - f[0]

    def inefficiencies(self) -> np.ndarray:
        """Statistical inefficiency g = 1 + 2 (correlation time / interval) of each window, (K,),
        never below 1.
        """
        return np.array([inefficiency(z) for z in self.z])

    def effective_counts(self) -> np.ndarray:
        """Independent samples in each window: counts / g, (K,)."""
        return self.counts / self.inefficiencies()

    def halves(self) -> tuple["Samples", "Samples"]:
        """The first and the second half in time of every window."""
        return self.first(0.5), self.last(0.5)

    def first(self, fraction: float) -> "Samples":
        """The first `fraction` of every window in time, at least one sample of each."""
        return replace(self, z=tuple(z[: max(1, int(fraction * len(z) + 1e-9))] for z in self.z))

    def last(self, fraction: float) -> "Samples":
        """The last `fraction` of every window in time; first(f) and last(1 - f) share no sample."""
        return replace(
            self, z=tuple(z[min(int((1 - fraction) * len(z) + 1e-9), len(z) - 1) :] for z in self.z)
        )

    def discarding(self, fraction: float) -> "Samples":
        """Without the first `fraction` of every window."""
        return self.from_start((fraction * self.counts).astype(int))

    def from_start(self, start: np.ndarray) -> "Samples":
        """Without the first start[k] samples of series k."""
        return replace(self, z=tuple(z[first:] for z, first in zip(self.z, start, strict=True)))

    def thinned(self, most: int) -> "Samples":
        """Every s-th sample of every window, with the smallest s that leaves at most about `most`
        samples in all.
        """
        stride = -(-int(self.counts.sum()) // most)
        return (
            self
            if stride == 1
            else replace(
                self, z=tuple(z[::stride] for z in self.z), interval_ps=self.interval_ps * stride
            )
        )


def inefficiency(series: np.ndarray) -> float:
    """Statistical inefficiency of one series: 1 + 2 sum_t (1 - t/N) C(t), summed to the first C(t)
    <= 0 after three lags.

    C(t) is the normalised autocorrelation (Chodera et al., JCTC 2007, 3, 26), here by FFT. A
    constant series of N gives N.
    """
    n = len(series)
    delta = series - np.mean(series)
    variance = float(np.mean(delta**2))
    if n < 2 or variance == 0.0:
        return float(n)
    spectrum = np.fft.rfft(delta, 2 * n)
    lag = np.arange(1, n)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, 2 * n)[1:n] / ((n - lag) * variance)
    negative = np.flatnonzero((correlation <= 0) & (lag > MIN_LAG))
    stop = negative[0] if len(negative) else n - 1
    return float(min(n, max(1.0, 1 + 2 * np.sum(((1 - lag / n) * correlation)[:stop]))))


@dataclass(frozen=True)
class Blocks:
    """Time blocks of each window: inefficiency g (samples), block length (samples), number of
    blocks, and `weight`, (K,) each.

    The weight of a window is what its mean force adds to the variance of a curve, k^2 var(z) g / N.
    `together` are the series (indices) that are resampled alike: walkers that exchanged carry their
    slow motions through all windows of their group.
    """

    g: np.ndarray
    length: np.ndarray
    number: np.ndarray
    weight: np.ndarray
    together: tuple[np.ndarray, ...]

    def draw(self, random: np.random.Generator) -> np.ndarray:
        """How often each block is taken in one resample, window after window."""
        times: list[np.ndarray] = [np.zeros(0)] * len(self.number)
        for own in self.together:
            number = self.number[own[0]]
            drawn = random.multinomial(number, np.full(number, 1 / number)).astype(float)
            for series in own:
                times[series] = drawn
        return np.concatenate(times)

    @property
    def short(self) -> np.ndarray:
        """Which windows have blocks shorter than 2 g, so that their errors are lower bounds."""
        return self.length < 2 * self.g * 0.999

    @property
    def factor(self) -> float:
        """What a spread over block resamples is multiplied by, because blocks are few and their
        neighbours correlated.

        Resampling B blocks loses 1/B of the variance; blocks of length L of an AR(1) series lose (g
        - 1/g)/(2 L) of it (held at one half, where L < g and the flag says that the error is a
        lower bound). Windows count by their weight: the slow and soft ones lose most, and have most
        of the error.
        """
        kept = (1 - 1 / self.number) * (
            1 - np.minimum(0.5, (self.g - 1 / self.g) / (2 * self.length))
        )
        return float(np.sqrt(np.average(1 / kept, weights=self.weight)))

    def error(self, values: np.ndarray) -> np.ndarray:
        """Standard error of numbers from each resample, (B, ...): `factor` times their spread; NaN
        where under half are finite.
        """
        return spread_error(values, self.factor)


def spread_error(values: np.ndarray, factor: float = 1.0) -> np.ndarray:
    """`factor` times the standard deviation of numbers (B, ...) over their B resamples; NaN where
    under half are finite.
    """
    known = np.isfinite(values)
    number = known.sum(axis=0)
    mean = np.where(known, values, 0.0).sum(axis=0) / np.maximum(number, 1)
    square = np.where(known, values - mean, 0.0) ** 2
    spread = np.sqrt(square.sum(axis=0) / np.maximum(number - 1, 1))
    return np.where(number >= max(2, len(values) / 2), spread * factor, np.nan)


def make_blocks(samples: Samples) -> Blocks:
    """Blocks of at least 2 g samples, 5 to 20 a window; where the data are too few for 5 such
    blocks they are shorter.

    Windows that exchanged have the same blocks of time, so as many as the slowest of them allows.
    """
    g, counts = samples.inefficiencies(), samples.counts
    number = np.clip(
        np.floor(counts / (2 * g)).astype(int), np.minimum(MIN_BLOCKS, counts), MAX_BLOCKS
    )
    groups = np.array(samples.groups or range(len(counts)))
    together = tuple(np.flatnonzero(groups == group) for group in dict.fromkeys(groups.tolist()))
    for own in together:
        number[own] = number[own].min()
    variance = np.array(
        [(w.k * z.std()) ** 2 for w, z in zip(samples.windows, samples.z, strict=True)]
    )
    weight = variance * g / counts
    return Blocks(
        g, counts / number, number, weight if weight.sum() > 0 else np.ones(len(g)), together
    )
