"""Where more sampling pays: what each window adds to the error of dG0, and which gets segments.

dG0 = -kT ln(int_bound exp(-W/kT) dz) + W_bulk + const, and W is the integral of the mean force,
which window i measures as F_i = k_i (c_i - m_i) at its mean height m_i (umbrella integration,
Kästner and Thiel, J. Chem. Phys. 2005, 123, 144104). To first order an error dF(z) of the force
changes dG0 by -int dF(z) L(z) dz, so with F linear between the means and hat functions h_i

    var(dG0) = sum_i v_i        v_i = (int h_i(z) L(z) dz)^2 k_i^2 var(m_i)
    L(z) = P_bulk(height > z) - P_bound(height > z)

| symbol | here | meaning |
|---|---|---|
| P_bulk, P_bound | lever | distribution of heights over the plateau, and below it, from W |
| var(m_i) | variance | s_i^2 g_i / N_i: variance, statistical inefficiency, number of samples |
| v_i | contributions | contribution of a window, (kJ/mol)^2 |

The contributions are scaled up so that their sum is at least the variance of the block bootstrap.

A window sampled n' instead of n times as long contributes v n / n'. The sum is convex in every n',
so that giving one segment after the other to the window that gains most is optimal (for equal costs
it is Neyman's allocation, n' proportional to sqrt(v n)).
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from halobind.pipeline.free_energy.pmf import Pmf
from halobind.pipeline.free_energy.samples import Samples, Window


def lever(pmf: Pmf, kT: float) -> np.ndarray:
    """L (n,) at the bin centres of the curve.

    It is 0 below the well, 1 between well and plateau, and falls to 0 over the plateau.

    Args:
        pmf: The curve.
        kT: kJ/mol.
    """
    known = ~np.isnan(pmf.W)
    density = np.where(known, np.exp(-np.nan_to_num(pmf.W - np.nanmin(pmf.W)) / kT), 0.0)
    start, stop = pmf.plateau
    bound = density.copy()
    bound[start:] = 0.0
    bulk = density.copy()
    bulk[:start] = 0.0
    bulk[stop:] = 0.0
    between: np.ndarray = _part_above(bulk) - _part_above(bound)
    return between


def _part_above(density: np.ndarray) -> np.ndarray:
    """The part (n,) of a density that lies above the middle of each bin; 0 for no density."""
    total = density.sum()
    if not total > 0:
        return np.zeros(len(density))
    above: np.ndarray = 1 - (np.cumsum(density) - density / 2) / total
    return above


@dataclass(frozen=True)
class _WindowMean:
    """The mean height in a window, over all its series."""

    mean_nm: float
    """The mean."""
    window: Window
    """The window."""
    variance: float
    """Of the mean, nm2."""


def contributions(samples: Samples, pmf: Pmf, error_kJ_mol: float) -> dict[Window, float]:
    """What every window contributes to the variance of dG0.

    Args:
        samples: What the windows measured.
        pmf: Their curve.
        error_kJ_mol: Of dG0, by the block bootstrap; NaN where it is not known.

    Returns:
        v_i of each window, (kJ/mol)^2; their sum is at least error_kJ_mol^2.
    """
    variance = np.array([z.var() for z in samples.z]) * samples.inefficiencies() / samples.counts
    series_of: dict[Window, list[int]] = {}
    for i, window in enumerate(samples.windows):
        series_of.setdefault(window, []).append(i)
    counts = samples.counts
    means = []
    for window, series in series_of.items():
        share = counts[series] / counts[series].sum()
        mean = sum(share[j] * samples.z[i].mean() for j, i in enumerate(series))
        means.append(_WindowMean(mean, window, float(np.sum(share**2 * variance[series]))))
    means.sort(key=lambda m: (m.mean_nm, m.window.center_nm, m.window.k))
    heights = np.array([mean.mean_nm for mean in means])
    L = lever(pmf, samples.kT)
    v = {}
    for mean, hat in zip(means, np.eye(len(means)), strict=True):
        arm = pmf.bin_nm * float(np.sum(L * np.interp(pmf.z_nm, heights, hat)))
        v[mean.window] = arm**2 * mean.window.k**2 * mean.variance
    total = sum(v.values())
    scale = max(1.0, error_kJ_mol**2 / total) if np.isfinite(error_kJ_mol) and total > 0 else 1.0
    return {window: scale * value for window, value in v.items()}


def allocate(
    v: Sequence[float], segments: Sequence[int], target_variance: float, max_segments: int
) -> np.ndarray:
    """Which windows get more segments: one at a time goes to the window that gains most.

    It ends when sum v n / n' is at most `target_variance`, or `max_segments` are given.

    Args:
        v: Contributions (n,) of the windows, (kJ/mol)^2.
        segments: The segments (n,) that they come from.
        target_variance: (kJ/mol)^2.
        max_segments: The most segments to give.

    Returns:
        Segments to add to each window, (n,).
    """
    contribution = np.asarray(v, dtype=float)
    now = np.asarray(segments, dtype=int)
    extra = np.zeros(len(contribution), dtype=int)
    total = float(np.sum(contribution))

    def gain(k: int) -> float:
        """By how much the variance falls when window k gets one more."""
        have = now[k] + extra[k]
        return float(contribution[k] * now[k] / (have * (have + 1)))

    queue = [(-gain(k), k) for k in range(len(contribution)) if contribution[k] > 0]
    heapq.heapify(queue)
    for _ in range(max_segments):
        if total <= target_variance or not queue:
            break
        best, k = heapq.heappop(queue)
        extra[k] += 1
        total += best
        heapq.heappush(queue, (-gain(k), k))
    return extra
