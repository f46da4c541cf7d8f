"""What umbrella windows measured: the input of every free-energy number."""

from dataclasses import dataclass, replace

import numpy as np

from halobind.pipeline.free_energy.autocorrelation import inefficiency
from halobind.pipeline.free_energy.constants import GAS_CONSTANT


class EstimateError(ValueError):
    """Samples from which no free energy can be had.

    The message says why, with numbers, and becomes the Error row of the table; `cause` names the
    reason without numbers, so that equal reasons can be counted.
    """

    def __init__(self, message: str, cause: str = "") -> None:
        super().__init__(message)
        self.cause = cause


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
        u: np.ndarray = 0.5 * k * (z[None, :] - center) ** 2 / self.kT
        return u

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
        relative: np.ndarray = f - f[0]
        return relative

    def inefficiencies(self) -> np.ndarray:
        """Statistical inefficiency g = 1 + 2 (correlation time / interval) of each window, (K,),
        never below 1.
        """
        return np.array([inefficiency(z) for z in self.z])

    def effective_counts(self) -> np.ndarray:
        """Independent samples in each window: counts / g, (K,)."""
        independent: np.ndarray = self.counts / self.inefficiencies()
        return independent

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
