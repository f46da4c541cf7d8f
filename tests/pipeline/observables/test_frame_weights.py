"""Weights of frames against pymbar and an exact landscape."""

import math

import numpy as np
import pytest
from pymbar import MBAR

from halobind.pipeline.commands.campaign_observables import left_out
from halobind.pipeline.free_energy.constants import GAS_CONSTANT
from halobind.pipeline.free_energy.equilibration import discard_equilibration
from halobind.pipeline.free_energy.samples import Samples, Window
from halobind.pipeline.free_energy.settings import EstimateSettings
from halobind.pipeline.observables.frame_weights import BLOCKS, frame_weights
from halobind.pipeline.observables.weighted_mean import Mean

KT = GAS_CONSTANT * 300.0
SETTINGS = EstimateSettings(discard_fraction=0.0)
GRID = np.linspace(-0.5, 1.6, 20001)


def landscape(z: np.ndarray) -> np.ndarray:
    """A well of 15 kJ/mol at 0.2, a barrier of 5 at 0.55, flat from 0.8."""
    return (
        -15 * np.exp(-((z - 0.2) ** 2) / (2 * 0.1**2))
        + 5 * np.exp(-((z - 0.55) ** 2) / (2 * 0.07**2))
        + 300 * np.minimum(z, 0) ** 2
    )


def drawn(seed: int, n: int = 2000) -> Samples:
    random, series, windows = (
        np.random.default_rng(seed),
        [],
        tuple(Window(float(c), 1000.0) for c in np.arange(0, 1.25, 0.1)),
    )
    for w in windows:
        energy = landscape(GRID) + 0.5 * w.k * (GRID - w.center_nm) ** 2
        p = np.exp(-(energy - energy.min()) / KT)
        series.append(np.interp(random.random(n), np.cumsum(p) / p.sum(), GRID))
    return Samples(windows, tuple(series), 0.2, 300.0, 0.55, 5000.0)


def frames(samples: Samples, every: int) -> tuple[np.ndarray, np.ndarray, dict[Window, np.ndarray]]:
    """Every so-manieth sample as a frame: heights, blocks, counts of each window."""
    z = [series[every - 1 :: every] for series in samples.z]
    blocks = [np.arange(len(part)) * BLOCKS // len(part) for part in z]
    counts = {
        w: np.bincount(b, minlength=BLOCKS) for w, b in zip(samples.windows, blocks, strict=True)
    }
    return np.concatenate(z), np.concatenate(blocks), counts


def test_when_every_sample_is_a_frame_they_are_pymbars_weights() -> None:
    samples = drawn(1)
    z, blocks, counts = frames(samples, 1)
    found = frame_weights(samples, counts, SETTINGS, has_barrier=False).of(z, blocks)[:, 0]
    mbar = MBAR(samples.bias(z), samples.counts, solver_protocol="robust", rseed=0)
    mixture = (samples.counts[:, None] * np.exp(mbar.f_k[:, None] - samples.bias(z))).sum(axis=0)
    assert found / found.sum() == pytest.approx((1 / mixture) / (1 / mixture).sum(), rel=2e-3)


def test_averages_over_the_bound_basin_are_exact_within_their_errors() -> None:
    inside = (GRID > -0.5) & (GRID < 0.55)
    boltzmann = np.exp(-landscape(GRID[inside]) / KT)
    exact = float((boltzmann * GRID[inside]).sum() / boltzmann.sum())
    off = []
    for seed in range(40):
        samples = drawn(seed, 600)
        z, blocks, counts = frames(samples, 6)
        weights = frame_weights(samples, counts, SETTINGS, has_barrier=True)
        assert weights.end_nm == pytest.approx(0.55, abs=0.07)
        each = weights.of(z, blocks)
        each[z >= weights.end_nm] = 0
        mean = Mean((2,))
        mean.add(each, np.column_stack([z, np.full(len(z), np.nan)]))
        estimate = mean.read()
        assert np.isnan(estimate.value[1]) and np.isnan(estimate.error[1])
        off.append((estimate.value[0] - exact, estimate.error[0]))
    difference, error = np.array(off).T
    assert abs(difference.mean()) < 3 * difference.std() / math.sqrt(len(off))
    assert 0.5 < np.mean(np.abs(difference) < error) < 0.85  # two thirds of one-sigma bars
    assert error.mean() == pytest.approx(difference.std(), rel=0.35)


def test_without_a_barrier_the_basin_ends_where_the_plateau_begins() -> None:
    samples = drawn(2)
    weights = frame_weights(samples, frames(samples, 5)[2], SETTINGS, has_barrier=False)
    assert weights.end_nm == pytest.approx(1.2 - SETTINGS.plateau_nm)


def test_a_window_without_frames_has_no_part_in_the_mixture() -> None:
    samples = drawn(3)
    z, blocks, counts = frames(samples, 5)
    del counts[samples.windows[2]]
    kept = np.repeat(np.arange(len(samples.windows)), 400) != 2
    weights = frame_weights(samples, counts, SETTINGS, has_barrier=True)
    each = weights.of(z[kept], blocks[kept])[:, 0] * (z[kept] < weights.end_nm)
    inside = GRID < 0.55
    boltzmann = np.exp(-landscape(GRID[inside]) / KT)
    assert (each * z[kept]).sum() / each.sum() == pytest.approx(
        (boltzmann * GRID[inside]).sum() / boltzmann.sum(), abs=0.01
    )


def test_two_faces_are_one_state_with_the_frames_of_both() -> None:
    """Each window is there twice: f_k, weights and error bars are those of the two series put
    together.
    """
    one, two = drawn(4), drawn(5)
    both = Samples(
        tuple(w for w in one.windows for _ in range(2)),
        tuple(z for pair in zip(one.z, two.z, strict=True) for z in pair),
        0.2,
        300.0,
        0.55,
        5000.0,
    )
    joined = Samples(
        one.windows,
        tuple(np.concatenate(pair) for pair in zip(one.z, two.z, strict=True)),
        0.2,
        300.0,
        0.55,
        5000.0,
    )
    counts = {w: np.full(BLOCKS, 80.0) for w in one.windows}
    found = frame_weights(both, counts, SETTINGS, has_barrier=True)
    expected = frame_weights(joined, counts, SETTINGS, has_barrier=True)
    assert found.windows == one.windows and found.f.shape == (BLOCKS + 1, len(one.windows))
    assert found.f[0] == pytest.approx(expected.f[0], abs=1e-6)
    z = np.linspace(-0.1, 1.2, 50)
    assert found.of(z, np.full(50, -1))[:, 0] == pytest.approx(
        expected.of(z, np.full(50, -1))[:, 0], rel=1e-5
    )


def test_what_a_window_takes_to_equilibrate_is_left_out_of_it_on_each_face() -> None:
    """One face of one window begins far away: the frames of that face begin later, and the weights
    do not know of it.
    """
    one, two = drawn(6), drawn(7)
    slow = list(two.z)
    slow[3] = np.concatenate([np.linspace(0.9, 0.3, 400), two.z[3][400:]])
    samples = Samples(
        tuple(w for w in one.windows for _ in range(2)),
        tuple(z for pair in zip(one.z, slow, strict=True) for z in pair),
        0.2,
        300.0,
        0.55,
        5000.0,
    )
    ready = discard_equilibration(samples, EstimateSettings(discard_fraction=0.1))
    begins = left_out(ready)
    assert (
        begins[one.windows[3]][0] == pytest.approx(40.0) and 60 < begins[one.windows[3]][1] < 130
    )  # of 400 ps
    counts = {w: np.full(BLOCKS, 80.0) for w in one.windows}
    found = frame_weights(ready.samples, counts, SETTINGS, has_barrier=True)
    f = np.array(
        [
            -math.log(
                np.trapezoid(
                    np.exp(-(landscape(GRID) + 0.5 * w.k * (GRID - w.center_nm) ** 2) / KT), GRID
                )
            )
            for w in one.windows
        ]
    )
    assert found.f[0] == pytest.approx(f - f[0], abs=0.25)
    raw = frame_weights(samples, counts, SETTINGS, has_barrier=True)
    assert np.abs(raw.f[0] - (f - f[0])).max() > 0.3  # what it would be with the beginning
