"""Weights of frames: what turns frames of biased windows into an average over the unbiased bound
basin, with its error.

    w_n = 1 / sum_k M_k exp(f_k - u_k(z_n))        <A> = sum_n w_n A_n / sum_n w_n, over frames with z_n below `end_nm`

| symbol | here | meaning |
|---|---|---|
| f_k | Weights.f | reduced free energies of the windows by MBAR from every recorded height, equilibrated |
| M_k | Weights.counts | frames of window k that are used |
| u_k | Samples.bias | reduced bias of window k |

(Shirts and Chodera, J. Chem. Phys. 2008, 129, 124105, with the frames as the samples and f_k known
better than from them.) The error is a jackknife: the time of every window is cut into blocks, and
f_k, weights and averages are made anew without each block in turn.
"""

from dataclasses import dataclass, replace

import numpy as np

from halobind.pipeline.free_energy.mbar import solve_binned
from halobind.pipeline.free_energy.samples import Samples, Window
from halobind.pipeline.free_energy.settings import EstimateSettings

BLOCKS = 10
STEP_NM = 0.001  # heights are counted in steps of this when f_k is solved for


@dataclass(frozen=True, eq=False)
class Weights:
    """What gives a frame its weight: `f` (B + 1, K) with all data and without each of B blocks,
    `counts` (K, B) of frames in each block of each of the `windows`, kT in kJ/mol, and where the
    bound basin ends.
    """

    windows: tuple[Window, ...]
    f: np.ndarray
    counts: np.ndarray
    kT: float
    end_nm: float

    def of(self, z: np.ndarray, block: np.ndarray) -> np.ndarray:
        """Weights (n, B + 1), not normalised, of frames at heights z (n,) in blocks (n,): with all
        data, and without each block, in which the frames of that block weigh nothing.
        """
        total = self.counts.sum(axis=1)
        found = [inverse_mixture(z, self.windows, self.f[0], total, self.kT)]
        for b in range(self.counts.shape[1]):
            without = inverse_mixture(
                z, self.windows, self.f[b + 1], total - self.counts[:, b], self.kT
            )
            found.append(np.where(block == b, 0.0, without))
        return np.column_stack(found)


def inverse_mixture(
    z: np.ndarray, windows: tuple[Window, ...], f: np.ndarray, M: np.ndarray, kT: float
) -> np.ndarray:
    """1 / sum_k M_k exp(f_k - u_k(z)), (n,), for heights z (n,); zero where no window has a frame."""
    center, k = (
        np.array([getattr(w, name) for w in windows])[M > 0] for name in ("center_nm", "k")
    )
    if not len(center):
        return np.zeros(len(z))
    terms = np.log(M[M > 0]) + f[M > 0] - 0.5 * k * (z[:, None] - center) ** 2 / kT
    top = terms.max(axis=1, initial=-np.inf)
    return np.exp(-top) / np.exp(terms - top[:, None]).sum(axis=1)


def frame_weights(
    samples: Samples,
    counts: dict[Window, np.ndarray],
    settings: EstimateSettings,
    has_barrier: bool,
) -> Weights:
    """The Weights from the samples of the windows and the frames used in each block of each window,
    counts (B,).

    `samples` hold the equilibrated part only (pipeline/free_energy/equilibration.py), `counts`
    frames of that part. A window that is there twice, once for each face, is one state with all
    their frames. The bound basin ends at the top of the barrier, where the estimate has one, else
    where the plateau begins. Raises EstimateError.
    """
    f = [_solve(samples)]
    for block in range(BLOCKS):
        pieces = [np.array_split(z, BLOCKS) for z in samples.z]
        parts = [
            np.concatenate([part for b, part in enumerate(piece) if b != block]) for piece in pieces
        ]
        f.append(
            _solve(
                replace(
                    samples,
                    z=tuple(
                        part if len(part) else z for part, z in zip(parts, samples.z, strict=True)
                    ),
                )
            )
        )
    rows = {
        window: i for i, window in enumerate(samples.windows)
    }  # two series of one window have the same f
    windows = tuple(window for window in rows if window in counts)
    chosen = np.array(f)[:, [rows[window] for window in windows]]
    table = np.array([counts[window] for window in windows], dtype=float)
    return Weights(
        windows, chosen, table, samples.kT, bound_end(samples, f[0], settings, has_barrier)
    )


def bound_end(
    samples: Samples, f: np.ndarray, settings: EstimateSettings, has_barrier: bool
) -> float:
    """Height (nm) at which the bound basin ends: the bin with the lowest density between well and
    plateau, or the plateau's begin.
    """
    plateau = max(window.center_nm for window in samples.windows) - settings.plateau_nm
    if not has_barrier:
        return plateau
    z = np.concatenate(samples.z)
    weight = inverse_mixture(z, samples.windows, f, samples.counts.astype(float), samples.kT)
    edges = np.arange(z.min(), plateau + settings.bin_nm, settings.bin_nm)
    density = np.histogram(z, edges, weights=weight)[0]
    well = int(np.argmax(density))
    after = density[well:-1]
    return (
        float(
            edges[well + int(np.argmin(np.where(after > 0, after, np.inf)))] + settings.bin_nm / 2
        )
        if len(after)
        else plateau
    )


def _solve(samples: Samples) -> np.ndarray:
    steps, count = np.unique(
        np.floor(np.concatenate(samples.z) / STEP_NM).astype(int), return_counts=True
    )
    counts = samples.counts.astype(float)
    return solve_binned(
        count.astype(float), samples.bias((steps + 0.5) * STEP_NM), counts, samples.integrated_f()
    )
