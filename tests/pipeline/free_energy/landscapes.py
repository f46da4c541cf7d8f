"""Known landscapes, and umbrella windows sampled from them: exactly, or by overdamped Langevin
dynamics.
"""

import math

import numpy as np
from scipy.signal import lfilter
from scipy.special import ndtr

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


GRID = np.linspace(-0.5, 2.0, 25001)
"""Heights (nm) on which exact draws are made."""


def gauss(z, height, centre, width):
    return height * np.exp(-((z - centre) ** 2) / (2 * width**2))


def well(z):
    return gauss(z, -40.0, 0.1, 0.08)


def windows(last, spacing=0.05, k=2000.0, first=0.0):
    return tuple(Window(float(c), k) for c in np.arange(first, last + spacing / 2, spacing))


def draw(landscape, umbrellas, n, seed=0, rho=0.0):
    """n exact samples a window by the inverse of its distribution; neighbours in time are
    correlated by rho before the inverse.
    """
    random, series = np.random.default_rng(seed), []
    for w in umbrellas:
        energy = landscape(GRID) + 0.5 * w.k * (GRID - w.center_nm) ** 2
        p = np.exp(-(energy - energy.min()) / KT)
        below = np.concatenate([[0.0], np.cumsum(0.5 * (p[1:] + p[:-1]))])
        x = lfilter(
            [1.0],
            [1.0, -rho],
            random.standard_normal(n) * math.sqrt(1 - rho**2),
            zi=[rho * random.standard_normal()],
        )[0]
        series.append(np.interp(ndtr(x), below / below[-1], GRID))
    return Samples(tuple(umbrellas), tuple(series), 0.2, 300.0, RADIUS, WALL)
