"""Weights of frames: they turn frames of biased windows into averages over the bound basin.

    w_n = 1 / sum_k M_k exp(f_k - u_k(z_n))        <A> = sum_n w_n A_n / sum_n w_n

over frames with z_n below `end_nm`.

| symbol | here | meaning |
|---|---|---|
| f_k | Weights.f | reduced free energies of the windows, by MBAR from all equilibrated heights |
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
"""Blocks of time of the jackknife."""
STEP_NM = 0.001
"""Heights are counted in steps of this when f_k is solved for."""


@dataclass(frozen=True, eq=False)
class Weights:
    """What gives a frame its weight."""

    windows: tuple[Window, ...]
    """The K windows that have frames."""
    f: np.ndarray
    """Reduced free energies (B + 1, K), with all data and without each of B blocks."""
    counts: np.ndarray
    """Frames (K, B) in each block of each window."""
    kT: float
    """kJ/mol."""
    end_nm: float
    """Where the bound basin ends."""

    def of(self, z: np.ndarray, block: np.ndarray) -> np.ndarray:
        """Weights of frames, not normalised.

        Args:
            z: Their heights (n,), nm.
            block: The block (n,) of each.

        Returns:
            Weights (n, B + 1): with all data, and without each block, in which the frames of that
            block weigh nothing.
        """
        total = self.counts.sum(axis=1)
        weights = [inverse_mixture(z, self.windows, self.f[0], total, self.kT)]
        for b in range(self.counts.shape[1]):
            without = inverse_mixture(
                z, self.windows, self.f[b + 1], total - self.counts[:, b], self.kT
            )
            weights.append(np.where(block == b, 0.0, without))
        return np.column_stack(weights)


def inverse_mixture(
    z: np.ndarray, windows: tuple[Window, ...], f: np.ndarray, M: np.ndarray, kT: float
) -> np.ndarray:
    """1 / sum_k M_k exp(f_k - u_k(z)); zero where no window has a frame.

    Args:
        z: Heights (n,), nm.
        windows: The K windows.
        f: Their reduced free energies (K,).
        M: Frames (K,) of each.
        kT: kJ/mol.

    Returns:
        A number (n,) for each height.
    """
    center = np.array([window.center_nm for window in windows])[M > 0]
    k = np.array([window.k for window in windows])[M > 0]
    if not len(center):
        return np.zeros(len(z))
    terms = np.log(M[M > 0]) + f[M > 0] - 0.5 * k * (z[:, None] - center) ** 2 / kT
    top = terms.max(axis=1, initial=-np.inf)
    inverse: np.ndarray = np.exp(-top) / np.exp(terms - top[:, None]).sum(axis=1)
    return inverse


def frame_weights(
    samples: Samples,
    counts: dict[Window, np.ndarray],
    settings: EstimateSettings,
    has_barrier: bool,
) -> Weights:
    """The Weights of the frames of a run.

    A window that is there twice, once for each face, is one state with all their frames. The bound
    basin ends at the top of the barrier, where the estimate has one, else where the plateau begins.

    Args:
        samples: The equilibrated part of the windows (pipeline/free_energy/equilibration.py).
        counts: Frames (B,) of that part in each block of each window.
        settings: With the width of bins and the length of the plateau.
        has_barrier: Whether the estimate has a barrier.

    Raises:
        EstimateError: The windows have no free energies.
    """
    f = [_solve(samples)]
    for block in range(BLOCKS):
        f.append(_solve(replace(samples, z=tuple(_without(z, block) for z in samples.z))))
    # two series of one window have the same f
    rows = {window: i for i, window in enumerate(samples.windows)}
    windows = tuple(window for window in rows if window in counts)
    chosen = np.array(f)[:, [rows[window] for window in windows]]
    table = np.array([counts[window] for window in windows], dtype=float)
    return Weights(
        windows, chosen, table, samples.kT, bound_end(samples, f[0], settings, has_barrier)
    )


def _without(z: np.ndarray, block: int) -> np.ndarray:
    """A series (n,) without a block of its time; the whole series where nothing else is."""
    pieces = [piece for b, piece in enumerate(np.array_split(z, BLOCKS)) if b != block]
    rest = np.concatenate(pieces)
    return rest if len(rest) else z


def bound_end(
    samples: Samples, f: np.ndarray, settings: EstimateSettings, has_barrier: bool
) -> float:
    """Height (nm) at which the bound basin ends.

    It is the bin with the lowest density between well and plateau, or the plateau's begin.

    Args:
        samples: The equilibrated part of the windows.
        f: Reduced free energies (K,) of its series.
        settings: With the width of bins and the length of the plateau.
        has_barrier: Whether the estimate has a barrier.
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
    if not len(after):
        return plateau
    lowest = well + int(np.argmin(np.where(after > 0, after, np.inf)))
    return float(edges[lowest] + settings.bin_nm / 2)


def _solve(samples: Samples) -> np.ndarray:
    """Reduced free energies (K,) of the series, from their heights counted in steps."""
    steps, count = np.unique(
        np.floor(np.concatenate(samples.z) / STEP_NM).astype(int), return_counts=True
    )
    counts = samples.counts.astype(float)
    return solve_binned(
        count.astype(float), samples.bias((steps + 0.5) * STEP_NM), counts, samples.integrated_f()
    )
