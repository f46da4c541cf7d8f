"""Sampling needed to bring the error of dG0 down: where it helps most against the same for every
window.

    python tests/benchmarks/adaptive.py [--seeds 10]
    python tests/benchmarks/adaptive.py --replay CAMPAIGN [--ligand DA] [--pieces 12]

First on windows of a known landscape (a 60 kJ/mol well, a plateau), which hold correlated exact
samples; those across the slope are slow, as ligands are while they leave their pocket: correlation
times of 2 to 60 records. Then, with --replay, on what a campaign has sampled: each window is cut
into equal pieces that are given out one by one, from another piece on in every replay, and the
target is the error that all windows have with half of theirs. Both ways start from two segments (or
pieces) a window, use the decisions of `halobind.pipeline.workflow.planning` and stop when the error
that they would report is at the target. Printed are the segments of each way, their ratio, and for
the landscape the true error of dG0 where they stopped.
"""

import argparse
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.signal import lfilter
from scipy.special import ndtr

from halobind.pipeline.campaign.load import load_campaign
from halobind.pipeline.campaign.run_directory import runs_of
from halobind.pipeline.free_energy.binding import compute_binding
from halobind.pipeline.free_energy.constants import GAS_CONSTANT
from halobind.pipeline.free_energy.equilibration import discard_equilibration
from halobind.pipeline.free_energy.samples import Samples, Window
from halobind.pipeline.free_energy.settings import EstimateSettings
from halobind.pipeline.free_energy.umbrella_pmf import estimate_pmf
from halobind.pipeline.results.collect import collect_windows
from halobind.pipeline.workflow.allocation import allocate, contributions
from halobind.pipeline.workflow.planning import MAX_GROWTH

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


class Recorded:
    """The series of one window of a campaign in pieces, given out from the piece `first` on; there
    is an end to it.
    """

    def __init__(self, series: np.ndarray, pieces: int, first: int) -> None:
        self._left = np.array_split(np.roll(series, -first * (len(series) // pieces)), pieces)
        self.z = np.zeros(0)

    def extend(self, segments: int) -> None:
        self.z = np.concatenate([self.z, *self._left[:segments]])
        self._left = self._left[segments:]


def reported(samples: Samples, seed: int) -> tuple[float, float, dict[Window, float]]:
    """dG0, the error that would be reported, and what each window contributes to its square."""
    pmf = estimate_pmf(samples, SETTINGS, seed)
    found = compute_binding(pmf, samples, SETTINGS).dG0_kJ_mol
    v = contributions(samples, pmf, found.error)
    return found.value, max(found.error, math.sqrt(sum(v.values()))), v


def sample(
    whole: Samples,
    sources: list[Source | Recorded],
    way: tuple[bool, float, int],
    most: float = math.inf,
) -> tuple[int, float]:
    """Segments until the error is at the target, and dG0 there; way = (adaptive, target, seed), at
    most `most` segments a window.
    """
    adaptive, target, seed = way
    segments, extra = np.zeros(len(sources), dtype=int), np.full(len(sources), 2)
    while True:
        for source, more in zip(sources, extra, strict=True):
            if more:
                source.extend(int(more))
        segments += extra
        value, error, v = reported(replace(whole, z=tuple(source.z for source in sources)), seed)
        if error <= target or segments.min() >= most:
            return int(segments.sum()), value
        budget = max(1, int(MAX_GROWTH * segments.sum()))
        if adaptive:
            extra = allocate(
                [v[w] for w in whole.windows],
                segments.tolist(),
                (target / error) ** 2 * sum(v.values()),
                budget,
            )
        else:
            extra = np.full(len(sources), max(1, budget // (4 * len(sources))))
        extra = np.minimum(extra, most - segments).astype(int)
        if not extra.any():  # those that would help most have no more
            extra = np.where(segments < most, 1, 0)


def landscapes(seeds: int) -> None:
    exact = _exact()
    whole = replace(EMPTY, windows=tuple(WINDOWS), z=(np.zeros(1),) * len(WINDOWS))
    table = {True: [], False: []}
    for seed in range(seeds):
        for adaptive in (True, False):
            sources = [Source(window, 1000 * seed + k) for k, window in enumerate(WINDOWS)]
            table[adaptive].append(sample(whole, sources, (adaptive, TARGET_KJ_MOL, seed)))
        (a, x), (u, y) = table[True][-1], table[False][-1]
        print(
            f"seed {seed}: adaptive {a:5d} segments, uniform {u:5d}, ratio {u / a:.2f}; errors"
            f" {x - exact:+.2f}, {y - exact:+.2f}",
            flush=True,
        )
    errors = {
        way: math.sqrt(np.mean([(value - exact) ** 2 for _, value in rows]))
        for way, rows in table.items()
    }
    print(
        f"{_totals(TARGET_KJ_MOL, table)}; true errors {errors[True]:.2f} and {errors[False]:.2f}"
        " kJ/mol"
    )


def replays(folder: Path, ligand: str, pieces: int) -> None:
    campaign = load_campaign(folder / "campaign.toml")
    run = next(run for run in runs_of(folder, campaign) if run.spec.model.ligand == ligand)
    whole = discard_equilibration(collect_windows(run).samples, campaign.estimate).samples
    table, targets = {True: [], False: []}, []
    for first in range(pieces):
        half = [Recorded(z, pieces, first) for z in whole.z]
        for source in half:
            source.extend(pieces // 2)
        targets.append(reported(replace(whole, z=tuple(source.z for source in half)), first)[1])
        for adaptive in (True, False):
            sources = [Recorded(z, pieces, first) for z in whole.z]
            table[adaptive].append(sample(whole, sources, (adaptive, targets[-1], first), pieces))
        (a, x), (u, y) = table[True][-1], table[False][-1]
        print(
            f"from piece {first}: to {targets[-1]:.1f} kJ/mol adaptive {a} pieces ({x:.1f}),"
            f" uniform {u} ({y:.1f})",
            flush=True,
        )
    print(
        f"{run.id}, {len(whole.windows)} windows of {pieces} pieces:"
        f" {_totals(float(np.mean(targets)), table)}"
    )


def _totals(target: float, table: dict[bool, list[tuple[int, float]]]) -> str:
    totals = {way: np.array([n for n, _ in rows]) for way, rows in table.items()}
    sizes = f"adaptive {totals[True].mean():.0f} segments, uniform {totals[False].mean():.0f}"
    return (
        f"to {target:.1f} kJ/mol over {len(totals[True])} tries: {sizes}, ratio"
        f" {totals[False].sum() / totals[True].sum():.2f}"
    )


def _exact() -> float:
    """dG0 of the landscape itself over the range of the windows, with their plateau."""
    long = replace(EMPTY, windows=tuple(WINDOWS), z=tuple(_many(window) for window in WINDOWS))
    return compute_binding(estimate_pmf(long, SETTINGS, 1), long, SETTINGS).dG0_kJ_mol.value


def _many(window: Window) -> np.ndarray:
    """Samples of a window so many and even that their error is far below what is compared
    (quantiles of its distribution).
    """
    energy = landscape(GRID) + 0.5 * window.k * (GRID - window.center_nm) ** 2
    below = np.cumsum(np.exp(-(energy - energy.min()) / KT))
    return np.random.default_rng(0).permutation(
        np.interp((np.arange(4000) + 0.5) / 4000, below / below[-1], GRID)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--replay", type=Path, metavar="CAMPAIGN")
    parser.add_argument("--ligand", default="DA")
    parser.add_argument("--pieces", type=int, default=12)
    options = parser.parse_args()
    if options.replay is None:
        landscapes(options.seeds)
    else:
        replays(options.replay, options.ligand, options.pieces)


if __name__ == "__main__":
    main()
