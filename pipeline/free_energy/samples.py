"""What umbrella windows measured: the input of every free-energy number."""

from dataclasses import dataclass, replace

import numpy as np

from halobind.pipeline.free_energy.autocorrelation import inefficiency
from halobind.pipeline.free_energy.constants import GAS_CONSTANT


class EstimateError(ValueError):
    """Samples from which no free energy can be had.

    The message says why, with numbers, and becomes the Error row of the table; `cause` names the
    reason without numbers, so that equal reasons can be counted.

    Examples:
        >>> try:
        ...     estimate = halobind.estimate_samples(samples.first(0.001))
        ... except halobind.EstimateError as error:
        ...     print(error.cause)
        too few samples
    """

    def __init__(self, message: str, cause: str = "") -> None:
        super().__init__(message)
        self.cause = cause


@dataclass(frozen=True)
class Window:
    """One umbrella: bias 0.5 k (z - center_nm)^2 on the height z of the anchor over its site.

    Examples:
        >>> halobind.Window(center_nm=0.3, k=2000.0)
        Window(center_nm=0.3, k=2000.0)
    """

    center_nm: float
    """Height of its centre over the plane of the site."""
    k: float
    """Stiffness, kJ/mol/nm2."""


@dataclass(frozen=True)
class Conditions:
    """What a curve needs besides itself to become a binding constant."""

    temperature_K: float
    """Of the thermostat."""
    radius_nm: float
    """Of the flat bottom of the lateral cylinder."""
    wall_k: float
    """Stiffness of the wall of the cylinder, kJ/mol/nm2."""
    sampling_ns: float
    """Simulated time behind the curve."""

    @property
    def kT(self) -> float:
        """kJ/mol."""
        return GAS_CONSTANT * self.temperature_K


@dataclass(frozen=True)
class Samples:
    """What the windows of one run measured, inside a lateral cylinder.

    The cylinder costs 0.5 wall_k max(0, r - radius_nm)^2.

    Raises:
        EstimateError: A series is missing, empty, not 1-D or not finite.

    Examples:
        >>> import numpy as np
        >>> window = halobind.Window(center_nm=0.3, k=2000.0)
        >>> heights = np.array([0.31, 0.29, 0.33, 0.30])
        >>> samples = halobind.Samples((window,), (heights,), 1.0, 300.0, 0.55, 5000.0)
        >>> samples.sampling_ns
        0.004
    """

    windows: tuple[Window, ...]
    """The window (K,) of each series: twice the same where each face of a slab has a series."""
    z: tuple[np.ndarray, ...]
    """Heights (n,) of each series in time order, nm."""
    interval_ps: float
    """Time between two heights."""
    temperature_K: float
    """Of the thermostat."""
    radius_nm: float
    """Of the flat bottom of the cylinder."""
    wall_k: float
    """Stiffness of the wall of the cylinder, kJ/mol/nm2."""
    groups: tuple[int, ...] = ()
    """Number (K,) of the group of each series: windows of one group exchanged their walkers and are
    not independent. Empty when none did.
    """

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
        """kJ/mol."""
        return GAS_CONSTANT * self.temperature_K

    @property
    def conditions(self) -> Conditions:
        """What a curve needs besides itself."""
        return Conditions(self.temperature_K, self.radius_nm, self.wall_k, self.sampling_ns)

    @property
    def counts(self) -> np.ndarray:
        """Samples in each window, (K,)."""
        return np.array([len(z) for z in self.z])

    @property
    def distinct(self) -> tuple[Window, ...]:
        """The windows, each once and by height."""
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
        """Reduced free energies (K,) of the windows by integration; 0 for window 0.

        The mean force k (c - <z>)/kT is integrated over the centres c.
        """
        center = np.array([w.center_nm for w in self.windows])
        k = np.array([w.k for w in self.windows])
        force = k * (center - np.array([z.mean() for z in self.z])) / self.kT
        order = np.argsort(center, kind="stable")
        f = np.zeros(len(center))
        f[order[1:]] = np.cumsum(
            0.5 * (force[order][1:] + force[order][:-1]) * np.diff(center[order])
        )
        relative: np.ndarray = f - f[0]
        return relative

    def inefficiencies(self) -> np.ndarray:
        """Statistical inefficiency (K,) of each window: 1 + 2 (correlation time / interval)."""
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
        """Every s-th sample of every window, s the smallest that leaves about `most` in all."""
        stride = -(-int(self.counts.sum()) // most)
        if stride == 1:
            return self
        return replace(
            self, z=tuple(z[::stride] for z in self.z), interval_ps=self.interval_ps * stride
        )
