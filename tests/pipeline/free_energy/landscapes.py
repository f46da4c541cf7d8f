"""Known landscapes, and umbrella windows sampled from them by overdamped Langevin dynamics."""

import numpy as np

from halobind.pipeline.free_energy.constants import GAS_CONSTANT
from halobind.pipeline.free_energy.samples import Samples, Window

KELVIN, RADIUS, WALL = 300.0, 0.55, 5000.0
KT = GAS_CONSTANT * KELVIN
D_NM2_PS = 1e-3
WELLS = (
    (-16.0, 0.1, 0.1),
    (-6.0, 0.42, 0.1),
    (8.0, 0.68, 0.1),
)  # height, centre, width: bound, adsorbed, barrier


def energy(z, gaussians=WELLS):
    return sum(h * np.exp(-((z - c) ** 2) / (2 * w * w)) for h, c, w in gaussians)


def force(z, gaussians=WELLS):
    return sum(h * (z - c) / w**2 * np.exp(-((z - c) ** 2) / (2 * w * w)) for h, c, w in gaussians)


def langevin(umbrellas, shape, seed, gaussians=WELLS, step_ps=0.1, every=5):
    """Heights (samples, seeds, windows) every `every` steps, shape = (samples, seeds): Leimkuhler
    and Matthews' scheme, whose averages are right to second order in the step. Starts in the
    centres and leaves out ten relaxation times.
    """
    samples, seeds = shape
    random = np.random.default_rng(seed)
    center, k = (np.array([getattr(w, name) for w in umbrellas]) for name in ("center_nm", "k"))
    z, noise = np.tile(center, (seeds, 1)), random.standard_normal((seeds, len(center)))
    size, out = np.sqrt(2 * D_NM2_PS * step_ps), np.empty((samples, seeds, len(center)))
    before = int(10 * KT / (k.min() * D_NM2_PS) / step_ps) if k.min() > 0 else 0
    for n in range(-before, samples * every):
        new = random.standard_normal(z.shape)
        z = (
            z
            + D_NM2_PS * step_ps / KT * (force(z, gaussians) - k * (z - center))
            + size * (noise + new) / 2
        )
        noise = new
        if n >= 0 and (n + 1) % every == 0:
            out[n // every] = z
    return out


def samples_of(umbrellas: tuple[Window, ...], z: np.ndarray, interval_ps: float) -> Samples:
    """From heights (samples, windows)."""
    return Samples(
        tuple(umbrellas), tuple(np.ascontiguousarray(z.T)), interval_ps, KELVIN, RADIUS, WALL
    )
