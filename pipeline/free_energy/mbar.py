"""MBAR: free energies of the windows, unbiased weights of the samples, overlap of the windows.

    w_n = 1 / sum_k N_k exp(f_k - u_kn)        f_k = -ln sum_n w_n exp(-u_kn)

(Shirts and Chodera, J. Chem. Phys. 2008, 129, 124105); symbols as in
pipeline/free_energy/umbrella_pmf.py.

Two solvers work here. pymbar solves for all single samples and gives the overlap matrix; where it
stops depends on rounding. The own Newton solver takes its last step from there, to the same result
on every machine, and alone solves what pymbar cannot: counts on a histogram, as each of hundreds of
resamples gives them, at a cost that does not depend on the number of samples.
"""

import itertools
import logging
import warnings

import numpy as np

from halobind.pipeline.free_energy.samples import EstimateError, Samples

# it advertises JAX; what it says on convergence, check_weights says by raising
logging.getLogger("pymbar").setLevel(logging.ERROR)

WEIGHT_TOLERANCE = 1e-4
"""By how much sums of weights may differ from 1."""
PYMBAR_ITERATIONS = 50
"""Of pymbar, from a start that is all but converged."""
NEWTON_STEPS = 500
"""Of the own solver, at most."""
NEWTON_TOLERANCE = 1e-9
"""By how much sums of weights differ from 1 where the own solver stops."""


def solve_mbar(samples: Samples, f: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Solve the MBAR equations for all single samples, by pymbar and a last step of our own.

    pymbar's "robust" protocol is used with fewer iterations: its tolerance is often below rounding,
    and each iteration is a pass over all samples. Where it stops depends on rounding (1e-6 kT); the
    last step, to weights right within 1e-9, does not.

    Args:
        samples: What the windows measured.
        f: First guess (K,) of the reduced free energies of the windows.

    Returns:
        Reduced free energies f_k (K,), log of the unbiased weights (N,) and overlap matrix (K, K).

    Raises:
        EstimateError: It does not converge.
    """
    # 0.85 s of import, that only an estimate should cost
    from pymbar import MBAR  # noqa: PLC0415
    from pymbar.utils import DataError, ParameterError  # noqa: PLC0415

    u_kn = samples.bias(np.concatenate(samples.z))
    robust = tuple(
        {"method": method, "options": {"maxiter": PYMBAR_ITERATIONS}}
        for method in ("adaptive", "L-BFGS-B")
    )
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Unknown solver options: verbose")  # pymbar's slip
            # rseed: without it the constructor reseeds numpy's global generator
            mbar = MBAR(
                u_kn,
                samples.counts,
                maximum_iterations=PYMBAR_ITERATIONS,
                solver_protocol=robust,
                initial_f_k=f,
                rseed=0,
            )
    except (ParameterError, DataError, np.linalg.LinAlgError) as error:
        raise EstimateError(
            f"MBAR did not converge ({str(error).strip()}): sample longer, or set the windows"
            " closer",
            cause="MBAR did not converge",
        ) from error
    check_weights(mbar.Log_W_nk, samples.counts)
    N = samples.counts.astype(float)
    f = solve_binned(np.ones(u_kn.shape[1]), u_kn, N, mbar.f_k)
    return f, -log_mixture(u_kn, N, f), mbar.compute_overlap()["matrix"]


def check_weights(log_W_nk: np.ndarray, counts: np.ndarray) -> None:
    """Make sure that weights solve the MBAR equations, sum_n W_nk = 1 and sum_k N_k W_nk = 1.

    Args:
        log_W_nk: Log of the weights (N, K).
        counts: Samples (K,) in each window.

    Raises:
        EstimateError: They do not.
    """
    W = np.exp(log_W_nk)
    worst = max(float(np.max(np.abs(W.sum(axis=0) - 1))), float(np.max(np.abs(W @ counts - 1))))
    if not worst <= WEIGHT_TOLERANCE:
        raise EstimateError(
            f"MBAR did not converge: weights sum to 1 within {worst:.2g} only, not"
            f" {WEIGHT_TOLERANCE:g}: sample longer",
            cause="MBAR weights do not sum to 1",
        )


def neighbour_overlap(samples: Samples, overlap: np.ndarray) -> np.ndarray:
    """The smaller overlap sqrt(O_IJ O_JI) of each window with those next to it.

    Series of one and the same window (two faces) count as one window, and get the same number.

    Args:
        samples: What the windows measured.
        overlap: MBAR's overlap matrix (K, K).

    Returns:
        A number (K,) for each series.
    """
    distinct = samples.distinct
    of = np.array([distinct.index(window) for window in samples.windows])
    first = np.array([list(of).index(i) for i in range(len(distinct))])
    merged = np.array([overlap[first][:, of == i].sum(axis=1) for i in range(len(distinct))]).T
    lowest = np.full(len(distinct), np.inf)
    for i, j in itertools.pairwise(range(len(distinct))):
        lowest[[i, j]] = np.minimum(lowest[[i, j]], np.sqrt(merged[i, j] * merged[j, i]))
    of_each_series: np.ndarray = lowest[of]
    return of_each_series


def log_mixture(bias: np.ndarray, N: np.ndarray, f: np.ndarray) -> np.ndarray:
    """Log of the mixture of the windows, ln sum_k N_k exp(f_k - u_km).

    scipy.special.logsumexp differs in the last bit, and published curves would change with it.

    Args:
        bias: Reduced bias u_km (K, M) of each window at M heights.
        N: Samples (K,) in each window.
        f: Reduced free energies (K,) of the windows.

    Returns:
        A number (M,) for each height.
    """
    terms = (np.log(N) + f)[:, None] - bias
    top: np.ndarray = terms.max(axis=0)
    mixture: np.ndarray = top + np.log(np.exp(terms - top).sum(axis=0))
    return mixture


def solve_binned(c: np.ndarray, bias: np.ndarray, N: np.ndarray, f: np.ndarray) -> np.ndarray:
    """Solve the MBAR equations for samples that are counted at some heights.

    Damped Newton on the convex function sum_m c_m ln sum_k N_k exp(f_k - u_km) - sum_k N_k f_k.

    Args:
        c: Samples (M,) at each height.
        bias: Reduced bias u_km (K, M) of each window at each height.
        N: Samples (K,) in each window.
        f: First guess (K,) of the reduced free energies of the windows.

    Returns:
        Reduced free energies (K,) with f[0] = 0.

    Raises:
        EstimateError: It does not converge.
    """
    f = f - f[0]
    log_d = log_mixture(bias, N, f)
    for _ in range(NEWTON_STEPS):
        NW = np.exp((np.log(N) + f)[:, None] - bias - log_d)
        expected = NW @ c
        if np.max(np.abs(expected / N - 1)) < NEWTON_TOLERANCE:
            return f
        hessian = np.diag(expected) - (NW * c) @ NW.T
        step = np.zeros(len(f))
        step[1:] = np.linalg.lstsq(hessian[1:, 1:], (expected - N)[1:], rcond=None)[0]
        slope = float(step @ (expected - N))
        scale = 1.0
        while scale > 1e-6:
            new = log_mixture(bias, N, f - scale * step)
            if c @ (new - log_d) + scale * (N @ step) <= -1e-4 * scale * slope + 1e-12 * N.sum():
                break
            scale /= 2
        f = f - scale * step
        log_d = new
    if np.max(np.abs(expected / N - 1)) < WEIGHT_TOLERANCE:
        return f
    raise EstimateError(
        f"MBAR did not converge within {NEWTON_STEPS} steps: sample longer, or set the windows"
        " closer",
        cause="binned MBAR did not converge",
    )
