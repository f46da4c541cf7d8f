"""Sampling needed to bring the error of dG0 to 2 kJ/mol: where it helps most against the same for every window.

    python tests/benchmarks/adaptive.py [seeds]

Windows of a known landscape (a 60 kJ/mol well, a plateau) hold correlated exact samples; those across the slope are slow, as ligands
are while they leave their pocket: correlation times of 2 to 60 records. Both ways start from two segments a window and use the
decisions of `pipeline.planning`; they stop when the error that they would report is at the target. Printed are the segments of each
way, their ratio, and the true error of dG0 where they stopped.
"""

import math
import sys
from dataclasses import replace

import numpy as np
from scipy.signal import lfilter
from scipy.special import ndtr

from pipeline.allocation import allocate, contributions
from pipeline.binding import binding
from pipeline.planning import GROWTH
from pipeline.pmf import estimate_pmf
from pipeline.samples import GAS_CONSTANT, EstimateSettings, Samples, Window

TARGET_KJ_MOL = 2.0
SEGMENT = 100  # records
KT = GAS_CONSTANT * 300.0
GRID = np.linspace(-0.5, 2.0, 12501)
SETTINGS = EstimateSettings(n_bootstrap=50, discard_fraction=0.0)
WINDOWS = [Window(round(float(c), 3), 2500.0) for c in np.arange(0.0, 1.201, 0.06)]
EMPTY = Samples((WINDOWS[0],), (np.zeros(1),), 0.2, 300.0, 0.55, 5000.0)


def landscape(z: np.ndarray) -> np.ndarray:
    return -60.0 * np.exp(-((z - 0.05) ** 2) / (2 * 0.15**2))


def correlation_records(center: float) -> float:
    return 2.0 + 58.0 * math.exp(-(((center - 0.3) / 0.08) ** 2))


class Source:
    """An endless correlated series of exact samples of one window."""

    def __init__(self, window: Window, seed: int) -> None:
        energy = landscape(GRID) + 0.5 * window.k * (GRID - window.center_nm) ** 2
        below = np.cumsum(np.exp(-(energy - energy.min()) / KT))
        self._below, self._random = below / below[-1], np.random.default_rng(seed)
        self._rho = math.exp(-1 / correlation_records(window.center_nm))
        self._state = [self._rho * self._random.standard_normal()]
        self.z = np.zeros(0)

    def extend(self, segments: int) -> None:
        noise = self._random.standard_normal(segments * SEGMENT) * math.sqrt(1 - self._rho**2)
        x, self._state = lfilter([1.0], [1.0, -self._rho], noise, zi=self._state)
        self.z = np.concatenate([self.z, np.interp(ndtr(x), self._below, GRID)])


def sample(seed: int, adaptive: bool) -> tuple[int, float]:
    """Segments until the error is at the target, and dG0 there."""
    sources = [Source(window, 1000 * seed + k) for k, window in enumerate(WINDOWS)]
    segments, extra = np.zeros(len(WINDOWS), dtype=int), np.full(len(WINDOWS), 2)
    while True:
        for source, more in zip(sources, extra, strict=True):
            if more:
                source.extend(int(more))
        segments += extra
        samples = replace(EMPTY, windows=tuple(WINDOWS), z=tuple(source.z for source in sources))
        pmf = estimate_pmf(samples, SETTINGS, seed)
        found = binding(pmf, samples, SETTINGS).dG0_kJ_mol
        v = contributions(samples, pmf, found.error)
        if max(found.error, math.sqrt(sum(v.values()))) <= TARGET_KJ_MOL:
            return int(segments.sum()), found.value
        most = max(1, int(GROWTH * segments.sum()))
        if adaptive:
            scale = TARGET_KJ_MOL**2 / max(found.error**2, sum(v.values()))
            extra = allocate([v[w] for w in WINDOWS], segments.tolist(), scale * sum(v.values()), most)
        else:
            extra = np.full(len(WINDOWS), max(1, most // (4 * len(WINDOWS))))


def main(seeds: int) -> None:
    exact = _exact()
    table = {True: [], False: []}
    for seed in range(seeds):
        for adaptive in (True, False):
            table[adaptive].append(sample(seed, adaptive))
        (a, x), (u, y) = table[True][-1], table[False][-1]
        print(
            f"seed {seed}: adaptive {a:5d} segments, uniform {u:5d}, ratio {u / a:.2f}; errors {x - exact:+.2f}, {y - exact:+.2f}",
            flush=True,
        )
    totals = {way: np.array([n for n, _ in rows]) for way, rows in table.items()}
    errors = {way: math.sqrt(np.mean([(value - exact) ** 2 for _, value in rows])) for way, rows in table.items()}
    sizes = f"adaptive {totals[True].mean():.0f} segments, uniform {totals[False].mean():.0f}"
    ratio = f"ratio {totals[False].sum() / totals[True].sum():.2f}"
    true = f"true errors {errors[True]:.2f} and {errors[False]:.2f} kJ/mol"
    print(f"to {TARGET_KJ_MOL:g} kJ/mol over {seeds} seeds: {sizes}, {ratio}; {true}")


def _exact() -> float:
    """dG0 of the landscape itself over the range of the windows, with their plateau."""
    long = replace(EMPTY, windows=tuple(WINDOWS), z=tuple(_many(window) for window in WINDOWS))
    return binding(estimate_pmf(long, SETTINGS, 1), long, SETTINGS).dG0_kJ_mol.value


def _many(window: Window) -> np.ndarray:
    """Samples of a window so many and even that their error is far below what is compared (quantiles of its distribution)."""
    energy = landscape(GRID) + 0.5 * window.k * (GRID - window.center_nm) ** 2
    below = np.cumsum(np.exp(-(energy - energy.min()) / KT))
    return np.random.default_rng(0).permutation(np.interp((np.arange(4000) + 0.5) / 4000, below / below[-1], GRID))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
