"""Potential of mean force along the coordinate from umbrella windows: MBAR, with errors from blocks of time.

The unbiased weight of sample n and the curve of a bin b are (Shirts and Chodera, J. Chem. Phys. 2008, 129, 124105)

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

import itertools
import logging
import warnings
from dataclasses import dataclass

import numpy as np

from pipeline.samples import Blocks, EstimateError, EstimateSettings, Samples, make_blocks, spread_error

logging.getLogger("pymbar").setLevel(logging.ERROR)  # it advertises JAX; what it says on convergence, check_weights says by raising
from pymbar import MBAR  # noqa: E402
from pymbar.utils import DataError, ParameterError  # noqa: E402

MIN_SAMPLES = 4  # in a window: below it there are no two halves to compare
WEIGHT_TOLERANCE = 1e-4
FINE = 20  # steps of the histogram behind the resamples in one bin of the curve
ITERATIONS = 50  # of pymbar, from a start that is all but converged
NEWTON_STEPS, NEWTON_TOLERANCE = 500, 1e-9


@dataclass(frozen=True)
class Pmf:
    """The curve W (n,) in kJ/mol over the plateau at bin centres z_nm (n,); NaN where a bin holds no sample.

    `curves` (B, n) and `f_curves` (B, K) are the same from block resamples, `halves` (2, n) from the halves in time;
    f_k is in kT. `overlap` is MBAR's (K, K): row i says where the samples of window i are found; `neighbour_overlap` (K,) is the
    smaller overlap of a window with those next to it, sqrt(O_ij O_ji). `plateau`, `middle` and `core` are bins [start, stop): the
    plateau, what lies between the lowest and highest median of a window, and between the lowest 2 % and highest 98 % quantile.
    The fields from f_k on are None for a curve that is not from umbrella windows.
    """

    z_nm: np.ndarray
    bin_nm: float
    W: np.ndarray
    W_error: np.ndarray
    curves: np.ndarray
    halves: np.ndarray
    plateau: tuple[int, int]
    middle: tuple[int, int]
    core: tuple[int, int]
    f_k: np.ndarray | None = None
    f_k_error: np.ndarray | None = None
    f_curves: np.ndarray | None = None
    overlap: np.ndarray | None = None
    neighbour_overlap: np.ndarray | None = None
    blocks: Blocks | None = None

    def error(self, values: np.ndarray) -> np.ndarray:
        """Standard error of numbers read off each resample, values (B, ...); NaN where under half are finite."""
        return spread_error(values, 1.0 if self.blocks is None else self.blocks.factor)


@dataclass(frozen=True)
class Curves:
    """A free-energy curve by any method at equally spaced `z_nm` (n,), from low to high: W (n,), `resamples` (B, n), `halves` (2, n).

    kJ/mol, each with any zero, NaN where nothing is known. The spread of the resamples is the standard error, `halves` come from the
    first and the second half of the data.
    """

    z_nm: np.ndarray
    W: np.ndarray
    resamples: np.ndarray
    halves: np.ndarray


def pmf_of_curves(curves: Curves, kT: float, settings: EstimateSettings) -> Pmf:
    """The Pmf of a curve that comes with resamples of itself and has no windows.

    The plateau is the last `settings.plateau_nm` of the known part of W; all curves are set to zero on it. Raises EstimateError.
    """
    z, known = curves.z_nm, np.flatnonzero(np.isfinite(curves.W))
    width = float(np.diff(z).mean()) if len(z) > 1 else settings.bin_nm
    steps = round(settings.plateau_nm / width)
    if not len(known) or known[-1] + 1 - steps < known[0] + 2:
        where = f"{z[known[0]]:.3f} to {z[known[-1]]:.3f} nm" if len(known) else "nothing"
        raise EstimateError(f"the curve covers {where}, too short for plateau_nm = {settings.plateau_nm:g}: go further out, or lower it")
    inside = (int(known[0]), int(known[-1]) + 1)
    plateau = (inside[1] - steps, inside[1])

    def zeroed(W: np.ndarray) -> np.ndarray:
        density = np.where(np.isfinite(W), np.exp(-(W - np.nanmin(W)) / kT), 0.0)
        bulk = density[slice(*plateau)].mean()
        return (
            np.where(density > 0, -kT * np.log(np.where(density > 0, density, 1.0) / bulk), np.nan) if bulk > 0 else np.full(len(W), np.nan)
        )

    W, resamples, halves = zeroed(curves.W), np.array([zeroed(x) for x in curves.resamples]), np.array([zeroed(x) for x in curves.halves])
    return Pmf(z, width, W, np.where(np.isnan(W), np.nan, spread_error(resamples, 1.0)), resamples, halves, plateau, inside, inside)


def estimate_pmf(samples: Samples, settings: EstimateSettings, seed: int = 0) -> Pmf:
    """The potential of mean force of one run with everything its errors need; `seed` decides the resamples.

    Above `settings.max_samples` all windows are thinned evenly first, which loses nothing while the stride stays below g.
    Resamples are solved on a histogram of FINE steps a bin (steps far below the width of a window, so only errors and
    halves, not the curve, see it): that costs the same for any number of samples. Raises EstimateError.
    """
    samples = samples.thinned(settings.max_samples)
    for window, count in zip(samples.windows, samples.counts, strict=True):
        if count < MIN_SAMPLES:
            raise EstimateError(f"window {window.center_nm:.3f} has {count} samples and needs at least {MIN_SAMPLES}: sample longer")
    grid = _grid(samples, settings)
    blocks = make_blocks(samples)
    histogram = _histogram(samples, grid, blocks)
    f_k, log_w, overlap = _solve_mbar(samples, histogram.solve(samples.integrated_f())[0])
    W = grid.curve(np.exp(log_w - log_w.max()), np.floor(np.concatenate(samples.z) / grid.bin_nm).astype(int) - grid.first)
    f_curves, curves = _resample(histogram, blocks, (settings.n_bootstrap, seed), f_k)
    halves = np.array([_histogram(half, grid, None).solve(f_k)[1] for half in samples.halves()])
    return Pmf(
        z_nm=(grid.first + np.arange(grid.n) + 0.5) * grid.bin_nm,
        bin_nm=grid.bin_nm,
        W=W,
        W_error=np.where(np.isnan(W), np.nan, blocks.error(curves)),
        curves=curves,
        halves=halves,
        f_k=f_k,
        f_k_error=blocks.error(f_curves),
        f_curves=f_curves,
        overlap=overlap,
        neighbour_overlap=_neighbour_overlap(samples, overlap),
        blocks=blocks,
        plateau=grid.plateau,
        middle=grid.middle,
        core=grid.core,
    )


@dataclass(frozen=True)
class _Grid:
    """Bins [first + i, first + i + 1) * bin_nm, i < n, that cover every sample."""

    first: int
    n: int
    bin_nm: float
    kT: float
    plateau: tuple[int, int]
    middle: tuple[int, int]
    core: tuple[int, int]

    def curve(self, weights: np.ndarray, bins: np.ndarray) -> np.ndarray:
        """W (n,) over the plateau from unbiased weights; all NaN when the plateau is empty. Empty bins count as zero density there."""
        density = np.bincount(bins, weights, minlength=self.n)
        bulk = density[slice(*self.plateau)].mean()
        known = (density > 0) & (bulk > 0)
        return np.where(known, -self.kT * np.log(np.where(known, density, 1.0) / (bulk if bulk > 0 else 1.0)), np.nan)


def _grid(samples: Samples, settings: EstimateSettings) -> _Grid:
    """The bins, with the plateau at the end of the windows' centres, or of the samples where no sample gets so far."""
    z, width = np.concatenate(samples.z), settings.bin_nm
    first = int(np.floor(z.min() / width))
    n = int(np.floor(z.max() / width)) + 1 - first
    end = min(max(w.center_nm for w in samples.windows), float(z.max()))
    stop = min(n, int(np.ceil(end / width - 1e-6)) - first)
    start = stop - round(settings.plateau_nm / width)
    if start < 2:
        sampled = f"the sampled range, {z.min():.3f} to {end:.3f} nm"
        raise EstimateError(f"{sampled}, is too short for plateau_nm = {settings.plateau_nm:g}: pull further out, or lower it")
    low, mid, high = (np.array([np.quantile(series, q) for series in samples.z]) for q in (0.02, 0.5, 0.98))
    spans = np.floor(np.array([[mid.min(), mid.max()], [low.min(), high.max()]]) / width).astype(int) - first
    middle, core = ((int(a), int(b) + 1) for a, b in spans)
    return _Grid(first, n, width, samples.kT, (start, stop), middle, core)


def _solve_mbar(samples: Samples, f: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """f_k (K,), log of the unbiased weights (N,) and the overlap matrix (K, K), by pymbar from a first guess f; weights checked.

    Its "robust" protocol, with fewer iterations: its tolerance is often below rounding, and each iteration is a pass over all
    samples. Where it stops then depends on rounding (1e-6 kT): the last step, to weights right within 1e-9, does not.
    """
    u_kn = samples.bias(np.concatenate(samples.z))
    robust = tuple({"method": method, "options": {"maxiter": ITERATIONS}} for method in ("adaptive", "L-BFGS-B"))
    try:
        with warnings.catch_warnings():  # rseed: without it the constructor reseeds numpy's global generator
            warnings.filterwarnings("ignore", "Unknown solver options: verbose")  # pymbar's own slip
            mbar = MBAR(u_kn, samples.counts, maximum_iterations=ITERATIONS, solver_protocol=robust, initial_f_k=f, rseed=0)
    except (ParameterError, DataError, np.linalg.LinAlgError) as error:
        raise EstimateError(f"MBAR did not converge ({str(error).strip()}): sample longer, or set the windows closer") from error
    check_weights(mbar.Log_W_nk, samples.counts)
    N = samples.counts.astype(float)
    f = solve_binned(np.ones(u_kn.shape[1]), u_kn, N, mbar.f_k)
    return f, -_log_mixture(u_kn, N, f), mbar.compute_overlap()["matrix"]


def check_weights(log_W_nk: np.ndarray, counts: np.ndarray) -> None:
    """Make sure that log weights (N, K) solve the MBAR equations: sum_n W_nk = 1, sum_k N_k W_nk = 1. Raises EstimateError."""
    W = np.exp(log_W_nk)
    worst = max(float(np.max(np.abs(W.sum(axis=0) - 1))), float(np.max(np.abs(W @ counts - 1))))
    if not worst <= WEIGHT_TOLERANCE:
        raise EstimateError(f"MBAR did not converge: weights sum to 1 within {worst:.2g} only, not {WEIGHT_TOLERANCE:g}: sample longer")


def _neighbour_overlap(samples: Samples, overlap: np.ndarray) -> np.ndarray:
    order = np.argsort([w.center_nm for w in samples.windows], kind="stable")
    lowest = np.full(len(order), np.inf)
    for i, j in itertools.pairwise(order):
        lowest[[i, j]] = np.minimum(lowest[[i, j]], np.sqrt(overlap[i, j] * overlap[j, i]))
    return lowest


@dataclass(frozen=True)
class _Histogram:
    """Counts (blocks, M) of samples in fine steps, of blocks that belong to `window` (blocks,), and the bias (K, M) there."""

    grid: _Grid
    counts: np.ndarray
    window: np.ndarray
    bias: np.ndarray
    bins: np.ndarray

    def solve(self, f: np.ndarray, times: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """f_k and the curve, when block b is taken times[b] times (once by default), starting from `f`."""
        times = np.ones(len(self.window)) if times is None else times
        c = times @ self.counts
        N = np.bincount(self.window, times * self.counts.sum(axis=1), minlength=len(f))
        f = solve_binned(c, self.bias, N, f)
        log_w = -_log_mixture(self.bias, N, f)
        return f, self.grid.curve(c * np.exp(log_w - log_w.max()), self.bins)


def _histogram(samples: Samples, grid: _Grid, blocks: Blocks | None) -> _Histogram:
    step = grid.bin_nm / FINE
    number = np.ones(len(samples.z), dtype=int) if blocks is None else blocks.number
    window = np.repeat(np.arange(len(number)), number)
    pieces = [piece for z, count in zip(samples.z, number, strict=True) for piece in np.array_split(z, count)]
    steps = [np.floor(piece / step).astype(int) - grid.first * FINE for piece in pieces]
    counts = np.array([np.bincount(np.clip(s, 0, grid.n * FINE - 1), minlength=grid.n * FINE) for s in steps], dtype=float)
    used = np.flatnonzero(counts.sum(axis=0))
    return _Histogram(grid, counts[:, used], window, samples.bias((grid.first * FINE + used + 0.5) * step), used // FINE)


def _resample(histogram: _Histogram, blocks: Blocks, draws: tuple[int, int], f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """f_k (B, K) and curves (B, n) from B = draws[0] resamples of the blocks of every window, from seed draws[1]."""
    random, found = np.random.default_rng(draws[1]), []
    for _ in range(draws[0]):
        times = np.concatenate([random.multinomial(b, np.full(b, 1 / b)) for b in blocks.number]).astype(float)
        found.append(histogram.solve(f, times))
    return np.array([f for f, _ in found]), np.array([curve for _, curve in found])


def _log_mixture(bias: np.ndarray, N: np.ndarray, f: np.ndarray) -> np.ndarray:
    """ln sum_k N_k exp(f_k - u_km), (M,)."""
    terms = (np.log(N) + f)[:, None] - bias
    top = terms.max(axis=0)
    return top + np.log(np.exp(terms - top).sum(axis=0))


def solve_binned(c: np.ndarray, bias: np.ndarray, N: np.ndarray, f: np.ndarray) -> np.ndarray:
    """The MBAR equations for c[m] samples at each of M heights with reduced bias (K, M) and N (K,) samples a window; f[0] = 0.

    Damped Newton on the convex function sum_m c_m ln sum_k N_k exp(f_k - u_km) - sum_k N_k f_k. Raises EstimateError.
    """
    f = f - f[0]
    log_d = _log_mixture(bias, N, f)
    for _ in range(NEWTON_STEPS):
        NW = np.exp((np.log(N) + f)[:, None] - bias - log_d)
        expected = NW @ c
        if np.max(np.abs(expected / N - 1)) < NEWTON_TOLERANCE:
            return f
        hessian = np.diag(expected) - (NW * c) @ NW.T
        step = np.zeros(len(f))
        step[1:] = np.linalg.lstsq(hessian[1:, 1:], (expected - N)[1:], rcond=None)[0]
        slope, scale = float(step @ (expected - N)), 1.0
        while scale > 1e-6:
            new = _log_mixture(bias, N, f - scale * step)
            if c @ (new - log_d) + scale * (N @ step) <= -1e-4 * scale * slope + 1e-12 * N.sum():
                break
            scale /= 2
        f, log_d = f - scale * step, new
    if np.max(np.abs(expected / N - 1)) < WEIGHT_TOLERANCE:
        return f
    raise EstimateError(f"MBAR did not converge within {NEWTON_STEPS} steps: sample longer, or set the windows closer")
