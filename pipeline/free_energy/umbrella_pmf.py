"""Potential of mean force along the coordinate from umbrella windows: MBAR, with errors from blocks
of time.

The unbiased weight of sample n and the curve of a bin b are (Shirts and Chodera, J. Chem. Phys.
2008, 129, 124105)

    w_n = 1 / sum_k N_k exp(f_k - u_kn)        W_b = -kT ln(sum_{n in b} w_n) - W_bulk

| symbol | here | meaning |
|---|---|---|
| u_kn | Samples.bias | reduced bias of sample n in window k |
| f_k | Pmf.f_k | reduced free energy of window k, f_0 = 0 |
| N_k | Samples.counts | samples in window k |
| W_b | Pmf.W | free energy of bin b over the plateau, kJ/mol |
| W_bulk | (zero of W) | -kT ln of the mean of exp(-W/kT) over the plateau bins |
| g, L, B | Blocks | statistical inefficiency, block length, blocks of a window |
"""

from dataclasses import dataclass

import numpy as np

from halobind.pipeline.free_energy.bins import Grid, make_grid
from halobind.pipeline.free_energy.estimators import mbar_curve, other_curves
from halobind.pipeline.free_energy.mbar import (
    log_mixture,
    neighbour_overlap,
    solve_binned,
    solve_mbar,
)
from halobind.pipeline.free_energy.pmf import Pmf
from halobind.pipeline.free_energy.samples import EstimateError, Samples
from halobind.pipeline.free_energy.settings import EstimateSettings
from halobind.pipeline.free_energy.time_blocks import Blocks, make_blocks

MIN_SAMPLES_PER_WINDOW = 4
"""Below it there are no two halves to compare."""
STEPS_PER_BIN = 20
"""Steps of the histogram behind the resamples in one bin of the curve."""
FRACTIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Parts of the data, from either end, that convergence is shown at."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class UmbrellaPmf(Pmf):
    """A curve from K umbrella windows, with what only windows have."""

    blocks: Blocks
    """Time blocks of the windows: what the spread of the resamples means."""
    f_k: np.ndarray
    """Reduced free energies of the windows (kT), (K,); f_0 = 0."""
    f_k_error: np.ndarray
    """Their standard errors (kT), (K,)."""
    f_curves: np.ndarray
    """Reduced free energies from each of B resamples (kT), (B, K)."""
    overlap: np.ndarray
    """MBAR's overlap matrix, (K, K): row i says where the samples of window i are found."""
    neighbour_overlap: np.ndarray
    """The smaller overlap sqrt(O_ij O_ji) of a window with those next to it, (K,)."""
    forward: np.ndarray
    """The curve from the first FRACTIONS of the data in time (kJ/mol), (F, n)."""
    backward: np.ndarray
    """The curve from the last FRACTIONS of the data in time (kJ/mol), (F, n)."""


def estimate_pmf(samples: Samples, settings: EstimateSettings, seed: int = 0) -> UmbrellaPmf:
    """The potential of mean force of one run, with everything that its errors need.

    Above `settings.max_samples` all windows are thinned evenly first, which loses nothing while the
    stride stays below g. Resamples are solved on a histogram of STEPS_PER_BIN steps a bin, which
    costs the same for any number of samples. The steps are far below the width of a window, and
    only errors and parts of the data, not the curve, see them.

    Args:
        samples: What the windows measured.
        settings: Of the estimate.
        seed: Decides the resamples.

    Raises:
        EstimateError: There is no curve.
    """
    samples = samples.thinned(settings.max_samples)
    for window, count in zip(samples.windows, samples.counts, strict=True):
        if count < MIN_SAMPLES_PER_WINDOW:
            raise EstimateError(
                f"window {window.center_nm:.3f} has {count} samples and needs at least"
                f" {MIN_SAMPLES_PER_WINDOW}: sample longer",
                cause="too few samples",
            )
    grid = make_grid(samples, settings)
    blocks = make_blocks(samples)
    histogram = _histogram(samples, grid, blocks)
    f_k, log_w, overlap = solve_mbar(samples, histogram.solve(samples.integrated_f())[0])
    W = mbar_curve(samples, grid, log_w)
    f_curves, curves = _resample(histogram, blocks, f_k, draws=settings.n_bootstrap, seed=seed)
    forward, backward = (
        np.array([_part(take(f), grid, f_k) for f in FRACTIONS])
        for take in (samples.first, samples.last)
    )
    return UmbrellaPmf(
        z_nm=grid.z_nm,
        bin_nm=grid.bin_nm,
        W=W,
        W_error=np.where(np.isnan(W), np.nan, blocks.error(curves)),
        curves=curves,
        halves=np.array([parts[FRACTIONS.index(0.5)] for parts in (forward, backward)]),
        blocks=blocks,
        plateau=grid.plateau,
        middle=grid.middle,
        core=grid.core,
        f_k=f_k,
        f_k_error=blocks.error(f_curves),
        f_curves=f_curves,
        overlap=overlap,
        neighbour_overlap=neighbour_overlap(samples, overlap),
        forward=forward,
        backward=backward,
        others=other_curves(samples, grid),
    )


@dataclass(frozen=True)
class _Histogram:
    """Counts (blocks, M) of samples in fine steps, of blocks that belong to `window` (blocks,), and
    the bias (K, M) there.
    """

    grid: Grid
    counts: np.ndarray
    window: np.ndarray
    bias: np.ndarray
    bins: np.ndarray

    def solve(
        self, f: np.ndarray, times: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """f_k and the curve, when block b is taken times[b] times (once by default), starting from
        `f`.
        """
        times = np.ones(len(self.window)) if times is None else times
        c = times @ self.counts
        N = np.bincount(self.window, times * self.counts.sum(axis=1), minlength=len(f))
        f = solve_binned(c, self.bias, N, f)
        log_w = -log_mixture(self.bias, N, f)
        return f, self.grid.curve(c * np.exp(log_w - log_w.max()), self.bins)


def _histogram(samples: Samples, grid: Grid, blocks: Blocks | None) -> _Histogram:
    step = grid.bin_nm / STEPS_PER_BIN
    number = np.ones(len(samples.z), dtype=int) if blocks is None else blocks.number
    window = np.repeat(np.arange(len(number)), number)
    pieces = [
        piece
        for z, count in zip(samples.z, number, strict=True)
        for piece in np.array_split(z, count)
    ]
    steps = [np.floor(piece / step).astype(int) - grid.first * STEPS_PER_BIN for piece in pieces]
    counts = np.array(
        [
            np.bincount(np.clip(s, 0, grid.n * STEPS_PER_BIN - 1), minlength=grid.n * STEPS_PER_BIN)
            for s in steps
        ],
        dtype=float,
    )
    used = np.flatnonzero(counts.sum(axis=0))
    return _Histogram(
        grid,
        counts[:, used],
        window,
        samples.bias((grid.first * STEPS_PER_BIN + used + 0.5) * step),
        used // STEPS_PER_BIN,
    )


def _resample(
    histogram: _Histogram, blocks: Blocks, f: np.ndarray, *, draws: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """f_k (B, K) and curves (B, n) from B = `draws` resamples of the blocks of every window."""
    random = np.random.default_rng(seed)
    solutions = [histogram.solve(f, blocks.draw(random)) for _ in range(draws)]
    return np.array([f for f, _ in solutions]), np.array([curve for _, curve in solutions])


def _part(samples: Samples, grid: Grid, f: np.ndarray) -> np.ndarray:
    """The curve (n,) of a part of the data; all NaN where it is too little to solve."""
    try:
        return _histogram(samples, grid, None).solve(f)[1]
    except EstimateError:
        return np.full(grid.n, np.nan)
