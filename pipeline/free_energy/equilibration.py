"""How much of the beginning of each window is not yet equilibrium."""

from dataclasses import dataclass

import numpy as np

from halobind.pipeline.free_energy.autocorrelation import inefficiency
from halobind.pipeline.free_energy.flags import Flag, FlagKind
from halobind.pipeline.free_energy.samples import Samples
from halobind.pipeline.free_energy.settings import EstimateSettings

START_CANDIDATES = 40
"""Candidates for the first equilibrated sample, evenly spaced over the series."""
MIN_SAMPLES_AFTER_START = 20
"""The inefficiency g of fewer samples means little."""
MIN_STANDARD_ERRORS = 3
"""Between the means before and after a start, for it to count."""
MAX_SAMPLES_SEARCHED = 5000
"""Longer series are thinned evenly."""
LATE_FRACTION = 0.5
"""A window that equilibrates later than this fraction of its samples is flagged."""


def equilibration_start(series: np.ndarray) -> int:
    """The first sample from which the series has the most independent samples, max over t of (N -
    t)/g(t); 0 where nothing relaxes.

    Chodera, J. Chem. Theory Comput. 2016, 12, 1799, with t at multiples of N/40 that leave at least
    20 samples, and g of at most 5,000 samples (every s-th). A t counts only when the mean before it
    differs from the mean after it by three standard errors: without that, a stationary series of 12
    independent samples loses over half of itself in 23 % of cases.
    """
    stride = -(-len(series) // MAX_SAMPLES_SEARCHED)
    thin = series[::stride]
    best = len(thin) / inefficiency(thin)
    start = 0
    for t in np.unique(len(thin) * np.arange(1, START_CANDIDATES) // START_CANDIDATES):
        before = thin[:t]
        after = thin[t:]
        if t == 0 or len(after) < MIN_SAMPLES_AFTER_START:
            continue
        g = inefficiency(after)
        error = np.sqrt(after.var() * g * (1 / len(after) + 1 / max(t, g)))
        if (
            len(after) / g > best
            and abs(before.mean() - after.mean()) > MIN_STANDARD_ERRORS * error
        ):
            best = len(after) / g
            start = int(t)
    return start * stride


@dataclass(frozen=True)
class EquilibratedSamples:
    """Samples without the beginning of each window: `detected` and `start` are (K,), the first
    equilibrated and first used sample.
    """

    samples: Samples
    detected: np.ndarray
    start: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Samples of each window before anything was left out, (K,)."""
        recorded: np.ndarray = self.start + self.samples.counts
        return recorded

    def flags(self) -> list[Flag]:
        """A flag where windows equilibrate in their second half only."""
        part = self.detected / self.counts
        late = self.samples.windows_where(part > LATE_FRACTION)
        worst = int(np.argmax(part))
        if not late:
            return []
        where = (
            f"window {self.samples.windows[worst].center_nm:.3f}, after {100 * part[worst]:.0f} %"
        )
        text = (
            f"{late} of {len(self.samples.distinct)} windows equilibrate in their second half only"
            f" (worst: {where}): sample longer"
        )
        return [Flag(FlagKind.LATE_EQUILIBRATION, text)]


def discard_equilibration(samples: Samples, settings: EstimateSettings) -> EquilibratedSamples:
    """Leave out the beginning of each window: what equilibration takes, and at least
    `settings.discard_fraction` of it.
    """
    detected = np.array([equilibration_start(z) for z in samples.z])
    start = np.maximum(detected, (settings.discard_fraction * samples.counts).astype(int))
    return EquilibratedSamples(samples.from_start(start), detected, start)
