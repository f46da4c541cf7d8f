"""Where more sampling pays: what each window contributes to the error of dG0, and how segments are
best given out.

dG0 = -kT ln(int_bound exp(-W/kT) dz) + W_bulk + const, and W is the integral of the mean force,
which window i measures as F_i = k_i (c_i - m_i) at its mean height m_i (umbrella integration,
Kästner and Thiel, J. Chem. Phys. 2005, 123, 144104). To first order an error dF(z) of the force
changes dG0 by -int dF(z) L(z) dz, so with F linear between the means and hat functions h_i

    var(dG0) = sum_i v_i        v_i = (int h_i(z) L(z) dz)^2 k_i^2 var(m_i)        L(z) = P_bulk(height > z) - P_bound(height > z)

| symbol | here | meaning |
|---|---|---|
| P_bulk, P_bound | lever | distribution of heights over the plateau, and below it, both from the curve W |
| var(m_i) | squared_errors | s_i^2 g_i / N_i: variance, statistical inefficiency and number of samples of the window |
| v_i | contributions | contribution of a window, (kJ/mol)^2; scaled up so that their sum is at least the block bootstrap's variance |

A window sampled n' instead of n times as long contributes v n / n'. The sum is convex in every n',
so that giving one segment after the other to the window that gains most is optimal (for equal costs
it is Neyman's allocation, n' proportional to sqrt(v n)).
"""

import heapq
from collections.abc import Sequence

import numpy as np

from halobind.pipeline.free_energy.pmf import Pmf
from halobind.pipeline.free_energy.samples import Samples, Window


def lever(pmf: Pmf, kT: float) -> np.ndarray:
    """L (n,) at the bin centres of the curve: 0 below the well, 1 between well and plateau, falling
    to 0 over the plateau.
    """
    known = ~np.isnan(pmf.W)
    density = np.where(known, np.exp(-np.nan_to_num(pmf.W - np.nanmin(pmf.W)) / kT), 0.0)
    start, stop = pmf.plateau
    bound, bulk = density.copy(), density.copy()
    bound[start:] = 0.0
    bulk[:start] = bulk[stop:] = 0.0
    above = [
        1 - (np.cumsum(part) - part / 2) / part.sum() if part.sum() > 0 else np.zeros(len(part))
        for part in (bulk, bound)
    ]
    return above[0] - above[1]


def contributions(samples: Samples, pmf: Pmf, error_kJ_mol: float) -> dict[Window, float]:
    """v_i of every window in (kJ/mol)^2, their sum at least error_kJ_mol^2 (the bootstrap's) where
    that is known.
    """
    variance = np.array([z.var() for z in samples.z]) * samples.inefficiencies() / samples.counts
    rows = {
        window: [i for i, w in enumerate(samples.windows) if w == window]
        for window in samples.windows
    }
    counts, found = samples.counts, []
    for window, own in rows.items():
        share = counts[own] / counts[own].sum()
        found.append(
            (
                sum(share[j] * samples.z[i].mean() for j, i in enumerate(own)),
                window,
                float(np.sum(share**2 * variance[own])),
            )
        )
    found.sort(key=lambda item: (item[0], item[1].center_nm, item[1].k))
    means = np.array([item[0] for item in found])
    L, widths = lever(pmf, samples.kT), pmf.bin_nm
    arms = [
        widths * float(np.sum(L * np.interp(pmf.z_nm, means, unit))) for unit in np.eye(len(means))
    ]
    v = {
        window: arm**2 * window.k**2 * var
        for arm, (_, window, var) in zip(arms, found, strict=True)
    }
    total = sum(v.values())
    scale = max(1.0, error_kJ_mol**2 / total) if np.isfinite(error_kJ_mol) and total > 0 else 1.0
    return {window: scale * value for window, value in v.items()}


def allocate(
    v: Sequence[float], segments: Sequence[int], target_variance: float, most: int
) -> np.ndarray:
    """Segments to add to each window, (n,): one at a time to the window that gains most, until sum
    v n / n' is at most `target_variance` or `most` segments are given; `segments` (n,) are those
    that the contributions v (n,) come from.
    """
    v, now = np.asarray(v, dtype=float), np.asarray(segments, dtype=int)
    extra, total = np.zeros(len(v), dtype=int), float(np.sum(v))

    def gain(k: int) -> float:
        have = now[k] + extra[k]
        return v[k] * now[k] / (have * (have + 1))

    queue = [(-gain(k), k) for k in range(len(v)) if v[k] > 0]
    heapq.heapify(queue)
    for _ in range(most):
        if total <= target_variance or not queue:
            break
        best, k = heapq.heappop(queue)
        extra[k] += 1
        total += best
        heapq.heappush(queue, (-gain(k), k))
    return extra
