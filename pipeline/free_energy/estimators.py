"""The estimators of the curve: each turns the same Samples into W on the same bins, by an algorithm
of its own.

MBAR weighs single samples. WHAM solves for the windows' free energies on a histogram, by minimising
(Zhu and Hummer, J. Comput. Chem. 2012, 33, 453)

    A(f) = sum_m c_m ln sum_k N_k exp(f_k - u_km) - sum_k N_k f_k

Umbrella integration (Kaestner and Thiel, J. Chem. Phys. 2005, 123, 144104) never looks at the
overlap of windows: every window is a Gaussian of the mean and variance of its heights, which gives
a mean force, and the forces are averaged and integrated,

    dW/dz = sum_k p_k(z) [kT (z - m_k)/s_k^2 - k_k (z - c_k)]
    p_k = N_k g_k(z) / sum_j N_j g_j(z)

| symbol | here | meaning |
|---|---|---|
| c_m, u_km | counts, bias | samples in step m of the histogram, reduced bias of window k there |
| N_k, f_k | Samples.counts, f | samples and reduced free energy of window k |
| c_k, k_k | Window.center_nm, k | centre and stiffness of window k |
| m_k, s_k | mean, deviation | mean and standard deviation of the heights in window k |
| g_k | p | normal density of the heights in window k |
"""

from collections.abc import Callable

import numpy as np
from scipy.integrate import cumulative_trapezoid
from scipy.optimize import minimize

from halobind.pipeline.free_energy.bins import Grid, over_plateau
from halobind.pipeline.free_energy.mbar import log_mixture, solve_mbar
from halobind.pipeline.free_energy.samples import EstimateError, Samples

STEPS_PER_BIN = 5
"""Of WHAM's histogram and of the integration: far below the width of a window."""
WHAM_TOLERANCE = 1e-3
WHAM_OPTIONS = {"maxiter": 5000, "maxfun": 20000, "ftol": 1e-14, "gtol": 1e-9, "maxcor": 30}


def mbar(samples: Samples, grid: Grid) -> np.ndarray:
    """W (n,) in kJ/mol by MBAR. Raises EstimateError when it does not converge or weights do not
    sum to one.
    """
    log_w = solve_mbar(samples, samples.integrated_f())[1]
    return mbar_curve(samples, grid, log_w)


def mbar_curve(samples: Samples, grid: Grid, log_w: np.ndarray) -> np.ndarray:
    """W (n,) in kJ/mol from the log of the unbiased weights (N,) of all samples."""
    return grid.curve(
        np.exp(log_w - log_w.max()),
        np.floor(np.concatenate(samples.z) / grid.bin_nm).astype(int) - grid.first,
    )


def wham(samples: Samples, grid: Grid) -> np.ndarray:
    """W (n,) in kJ/mol by the weighted histogram analysis. Raises EstimateError when a window's
    probabilities do not sum to one.
    """
    step = (
        np.floor(np.concatenate(samples.z) * (STEPS_PER_BIN / grid.bin_nm)).astype(int)
        - grid.first * STEPS_PER_BIN
    )
    counts = np.bincount(
        np.clip(step, 0, grid.n * STEPS_PER_BIN - 1), minlength=grid.n * STEPS_PER_BIN
    ).astype(float)
    used = np.flatnonzero(counts)
    bias, c, N = (
        samples.bias(grid.fine(STEPS_PER_BIN)[used]),
        counts[used],
        samples.counts.astype(float),
    )
    order = np.argsort([w.center_nm for w in samples.windows], kind="stable")

    def sums(steps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """f, ln of the mixture, and the probabilities of each window summed, for free energies of
        each window over the one before.
        """
        f = np.zeros(len(N))
        f[order[1:]] = np.cumsum(steps)
        mixture = log_mixture(bias, N, f)
        return f, mixture, np.exp(f[:, None] - bias - mixture) @ c

    def target(steps: np.ndarray) -> tuple[float, np.ndarray]:
        f, mixture, probability = sums(steps)
        slope = (N * (probability - 1))[order[1:]]
        return (float(c @ mixture) - float(N @ f)) / N.sum(), np.cumsum(slope[::-1])[::-1] / N.sum()

    steps = np.diff(samples.integrated_f()[order])
    if len(steps):
        steps = minimize(target, steps, jac=True, method="L-BFGS-B", options=WHAM_OPTIONS).x
    _, mixture, probability = sums(steps)
    worst = float(np.max(np.abs(probability - 1)))
    if not worst <= WHAM_TOLERANCE:
        raise EstimateError(
            f"WHAM did not converge: probabilities sum to 1 within {worst:.2g} only, not"
            f" {WHAM_TOLERANCE:g}: sample longer",
            cause="WHAM did not converge",
        )
    return grid.curve(c * np.exp(mixture.min() - mixture), used // STEPS_PER_BIN)


def umbrella_integration(samples: Samples, grid: Grid) -> np.ndarray:
    """W (n,) in kJ/mol by umbrella integration. Raises EstimateError for a window whose heights do
    not vary.
    """
    mean, deviation = (
        np.array([getattr(z, name)() for z in samples.z]) for name in ("mean", "std")
    )
    still = np.flatnonzero([np.ptp(z) == 0 for z in samples.z])
    if len(still):
        where = f"window {samples.windows[still[0]].center_nm:.3f}"
        raise EstimateError(
            f"umbrella integration: all heights of {where} are equal: sample it again",
            cause="heights do not vary",
        )
    center, k = (
        np.array([getattr(w, name) for w in samples.windows])[:, None]
        for name in ("center_nm", "k")
    )
    z, m, s = grid.fine(STEPS_PER_BIN), mean[:, None], deviation[:, None]
    log_p = np.log(samples.counts[:, None] / s) - 0.5 * ((z - m) / s) ** 2
    p = np.exp(log_p - log_p.max(axis=0))
    force = (p * (samples.kT * (z - m) / s**2 - k * (z - center))).sum(axis=0) / p.sum(axis=0)
    W = cumulative_trapezoid(force, z, initial=0.0) / samples.kT
    density = np.exp(W.min() - W).reshape(grid.n, STEPS_PER_BIN).mean(axis=1)
    return over_plateau(density, grid.plateau, samples.kT)


ESTIMATORS: dict[str, Callable[[Samples, Grid], np.ndarray]] = {
    "MBAR": mbar,
    "WHAM": wham,
    "umbrella integration": umbrella_integration,
}


def other_curves(samples: Samples, grid: Grid) -> dict[str, np.ndarray]:
    """The curve (n,) of every estimator but MBAR, by name. Raises EstimateError when one fails."""
    return {
        name: estimate(samples, grid) for name, estimate in ESTIMATORS.items() if name != "MBAR"
    }
