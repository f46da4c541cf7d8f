"""Diffusion and residence times against formulas and against first passages that are simulated
directly.
"""

import math
from dataclasses import replace

import numpy as np
import pytest

from halobind.pipeline.free_energy.kinetics import Diffusion, diffusion, residence
from halobind.pipeline.free_energy.pmf import Pmf
from halobind.pipeline.free_energy.samples import Window
from halobind.pipeline.free_energy.settings import EstimateSettings
from halobind.pipeline.free_energy.time_blocks import make_blocks
from halobind.pipeline.free_energy.umbrella_pmf import estimate_pmf
from tests.pipeline.free_energy.landscapes import D_NM2_PS, KT, force, langevin, samples_of

SHALLOW = (
    (-9.0, 0.1, 0.09),
    (4.0, 0.4, 0.08),
)  # a well and a barrier that are left within nanoseconds
UMBRELLAS = tuple(Window(float(c), 1000.0) for c in np.arange(0.0, 0.901, 0.1))


def test_D_of_harmonic_windows_is_the_one_they_were_made_with() -> None:
    windows = tuple(Window(0.1 * i, k) for i, k in enumerate((500.0, 1000.0, 2000.0, 4000.0)))
    found = diffusion(
        samples_of(windows, langevin(windows, (20000, 1), 0, gaussians=(), every=2)[:, 0], 0.2)
    )
    assert np.all(
        np.abs(found.D_nm2_ns / (1000 * D_NM2_PS) - 1) < np.maximum(0.06, 3 * found.relative_error)
    )
    assert (
        found.tau_ps == pytest.approx([KT / (w.k * D_NM2_PS) for w in windows], rel=0.15)
        and found.resolved.all()
    )
    assert np.all((found.relative_error > 0.01) & (found.relative_error < 0.2))
    coarse = diffusion(
        samples_of(windows, langevin(windows, (200, 1), 0, gaussians=(), every=400)[:, 0], 40.0)
    )
    assert not coarse.resolved.any() and np.all(
        coarse.D_nm2_ns < 0.5 * 1000 * D_NM2_PS
    )  # lower bounds


def flat_pmf(length: float, bins: int) -> Pmf:
    width = length / bins
    W, n = np.zeros(bins + 10), bins + 10
    blocks = make_blocks(samples_of(UMBRELLAS[:1], np.zeros((10, 1)), 0.2))
    curves = np.zeros((5, n))
    return Pmf(
        z_nm=(np.arange(n) + 0.5) * width,
        bin_nm=width,
        W=W,
        W_error=0 * W,
        curves=curves,
        halves=curves[:2],
        blocks=blocks,
        plateau=(bins, n),
        middle=(0, n),
        core=(0, n),
    )


def test_free_diffusion_takes_L_squared_over_2_D() -> None:
    known = Diffusion(
        np.array([0.0, 2.0]), np.array([3.0, 3.0]), np.zeros(2), np.ones(2), np.array([True, False])
    )
    p = flat_pmf(1.0, 100)
    found = residence(p, known, KT)
    assert (
        found.log10_s.value == pytest.approx(math.log10(1.0**2 / (2 * 3.0) * 1e-9), abs=0.01)
        and found.log10_s.error == 0
    )
    assert (
        found.is_bound
    )  # a quarter of the way lies nearer to the window that does not resolve its correlation time
    sloped = Diffusion(
        np.array([0.0, 1.0]),
        np.array([1.0, math.e]),
        np.zeros(2),
        np.ones(2),
        np.array([True, True]),
    )
    z = np.linspace(0, 1, 100001)
    assert residence(p, sloped, KT).log10_s.value == pytest.approx(
        math.log10(np.trapezoid(z * np.exp(-z), z) * 1e-9), abs=0.01
    )
    assert not residence(p, sloped, KT).is_bound


def first_passages(start: float, wall: float, end: float, count: int) -> float:
    """Mean time (ps) for `count` walkers from `start` to `end`, reflected at `wall`; corrected for
    crossings between two steps.
    """
    random, step = np.random.default_rng(7), 0.2
    size = math.sqrt(2 * D_NM2_PS * step)
    z, done, elapsed = np.full(count, start), 0.0, 0.0
    while len(z):
        z = z + D_NM2_PS * step / KT * force(z, SHALLOW) + size * random.standard_normal(len(z))
        z = np.where(z < wall, 2 * wall - z, z)
        elapsed += step
        left = (
            z < end - 0.5826 * size
        )  # Broadie, Glasserman and Kou 1997: an edge watched at intervals is farther away
        done += elapsed * np.sum(~left)
        z = z[left]
    return done / count


def test_residence_time_agrees_with_direct_first_passages() -> None:
    s = samples_of(UMBRELLAS, langevin(UMBRELLAS, (4000, 1), 11, gaussians=SHALLOW)[:, 0], 0.5)
    p = estimate_pmf(s, EstimateSettings(n_bootstrap=20), 1)
    found = residence(p, diffusion(s), KT)
    edge = p.z_nm[p.plateau[0]] - p.bin_nm / 2
    direct = math.log10(first_passages(0.1, p.z_nm[0], edge, 400) * 1e-12)
    assert abs(found.log10_s.value - direct) < 3 * math.hypot(
        found.log10_s.error, 1 / math.sqrt(400) / math.log(10)
    )
    assert 0.02 < found.log10_s.error < 0.3 and not found.is_bound


def test_windows_that_exchanged_have_no_diffusion_coefficient_and_no_residence_time() -> None:
    """Their heights are of one walker after another: the correlation time is that of the swaps."""
    windows = UMBRELLAS[:3]
    samples = replace(
        samples_of(windows, langevin(windows, (200, 1), 0, every=2)[:, 0], 0.2), groups=(0, 0, 1)
    )
    found = diffusion(samples)
    assert np.isnan(found.D_nm2_ns).all() and math.isnan(
        residence(flat_pmf(1.0, 100), found, KT).log10_s.value
    )
