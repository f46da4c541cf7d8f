"""Umbrella samples drawn exactly from known landscapes: the curve, the binding numbers, their
errors and their flags.
"""

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pymbar
import pytest
from pydantic import ValidationError
from pymbar import MBAR
from scipy.signal import lfilter

from halobind.pipeline.free_energy import mbar as mbar_module
from halobind.pipeline.free_energy import umbrella_pmf as pmf_module
from halobind.pipeline.free_energy.autocorrelation import inefficiency
from halobind.pipeline.free_energy.binding import QUANTITIES, compute_binding
from halobind.pipeline.free_energy.constants import STANDARD_PER_NM3
from halobind.pipeline.free_energy.curve_reader import CurveAnalysis, cylinder_area, find_landmarks
from halobind.pipeline.free_energy.equilibration import discard_equilibration
from halobind.pipeline.free_energy.mbar import check_weights, solve_binned
from halobind.pipeline.free_energy.samples import EstimateError, Samples, Window
from halobind.pipeline.free_energy.settings import EstimateSettings
from halobind.pipeline.free_energy.time_blocks import make_blocks
from halobind.pipeline.free_energy.umbrella_pmf import estimate_pmf
from tests.pipeline.free_energy.landscapes import (
    GRID,
    KT,
    RADIUS,
    WALL,
    draw,
    energy,
    gauss,
    langevin,
    samples_of,
    windows,
)

SETTINGS = EstimateSettings()


LANDSCAPES = {
    "flat": lambda z: 0.0 * z,
    "well": lambda z: gauss(z, -40.0, 0.1, 0.08),
    "well and barrier": lambda z: gauss(z, -40.0, 0.1, 0.08) + gauss(z, 15.0, 0.5, 0.08),
    "shallow": lambda z: gauss(z, -15.0, 0.1, 0.1),
}
flat, well, well_and_barrier, shallow = LANDSCAPES.values()


def bulk(landscape, p):
    z = np.linspace(
        p.z_nm[p.plateau[0]] - p.bin_nm / 2, p.z_nm[p.plateau[1] - 1] + p.bin_nm / 2, 20001
    )
    return -KT * math.log(np.mean(np.exp(-landscape(z) / KT)))


def exact_dG0(landscape, p, stop):
    """By numerical integration of the known landscape from the lowest bin to `stop`."""
    z = np.linspace(p.z_nm[0] - p.bin_nm / 2, stop, 40001)
    K = cylinder_area(RADIUS, WALL, KT) * np.trapezoid(
        np.exp(-(landscape(z) - bulk(landscape, p)) / KT), z
    )
    return -KT * math.log(K * STANDARD_PER_NM3)


def near(quantity, exact, sigmas=2.5):
    return abs(quantity.value - exact) <= sigmas * quantity.error


def test_inefficiency_of_white_noise_and_of_an_ar1_series():
    random = np.random.default_rng(1)
    assert inefficiency(random.standard_normal(20000)) == pytest.approx(1.0, abs=0.1)
    for rho in (0.5, 0.9):
        series = lfilter([1.0], [1.0, -rho], random.standard_normal(100000))
        assert inefficiency(series) == pytest.approx((1 + rho) / (1 - rho), rel=0.12)
    assert inefficiency(np.full(17, 0.3)) == 17.0


def test_bias_is_half_k_dz_squared_over_kT():
    s = Samples(
        (Window(0.1, 1000.0), Window(0.3, 2000.0)),
        (np.array([0.1, 0.2]), np.array([0.4])),
        0.2,
        300.0,
        RADIUS,
        WALL,
    )
    assert s.bias(np.array([0.2]))[:, 0] == pytest.approx([5.0 / KT, 10.0 / KT])
    assert list(s.counts) == [2, 1]
    assert s.sampling_ns == pytest.approx(0.0006)


def test_halves_thinning_and_discarding_keep_the_order_of_time():
    s = Samples((Window(0.0, 1.0),), (np.arange(11.0),), 0.5, 300.0, RADIUS, WALL)
    assert [list(h.z[0]) for h in s.halves()] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9, 10]]
    assert list(s.thinned(4).z[0]) == [0, 3, 6, 9] and s.thinned(4).interval_ps == 1.5
    assert s.thinned(11) is s
    assert list(s.first(0.3).z[0]) == [0, 1, 2] and list(s.last(0.7).z[0]) == [
        3,
        4,
        5,
        6,
        7,
        8,
        9,
        10,
    ]
    assert (
        list(s.first(0.01).z[0]) == [0]
        and list(s.last(0.01).z[0]) == [10]
        and list(s.last(1.0).z[0]) == list(s.z[0])
    )
    assert list(s.from_start(np.array([9])).z[0]) == [9, 10]


def test_bad_series_are_refused_by_name():
    for z, words in (
        ([], "window 0.250 has no samples"),
        ([0.1, math.nan], "1 heights that are not finite"),
    ):
        with pytest.raises(EstimateError, match=words):
            Samples((Window(0.25, 1.0),), (np.array(z),), 0.2, 300.0, RADIUS, WALL)


def test_too_few_samples_and_too_short_a_path_are_errors():
    with pytest.raises(EstimateError, match=r"window 0.000 has 3 samples and needs at least 4"):
        estimate_pmf(draw(flat, windows(1.0), 3, 0), SETTINGS)
    with pytest.raises(EstimateError, match=r"too short for plateau_nm = 0.2: pull further out"):
        estimate_pmf(draw(flat, windows(0.05), 50, 0), SETTINGS)


def test_settings_are_bounded():
    wrong = (
        {"bin_nm": 0.0},
        {"n_bootstrap": 5},
        {"bins": 3},
        {"plateau_nm": 0.05},
        {"min_overlap": math.nan},
        {"n_bootstrap": 50.5},
    )
    for setting in wrong:
        with pytest.raises(ValidationError):
            EstimateSettings(**setting)


def test_blocks_hold_two_inefficiencies_where_the_data_allow_and_say_so_where_not():
    long, short = draw(flat, windows(0.5), 2000, 0, 0.8), draw(flat, windows(0.5), 30, 0, 0.8)
    b = make_blocks(long)
    assert np.all(b.number >= 5) and np.all(b.length >= 2 * b.g * 0.999) and not b.short.any()
    assert np.all(b.number * b.length == 2000) and 1.0 < b.factor < 1.2
    b = make_blocks(short)
    assert b.number.min() == 5 and b.short.any() and np.all(b.short == (b.g > 3.004))


@pytest.mark.parametrize(
    ("name", "top"), [("flat", 0.0), ("well", 0.0), ("well and barrier", 15.0)]
)
def test_curve_depth_barriers_and_dG0_agree_with_numerical_integration(name, top):
    landscape = LANDSCAPES[name]
    s = draw(landscape, windows(1.2), 600, 5, 0.3)
    p = estimate_pmf(s, SETTINGS, 1)
    exact, inner = landscape(p.z_nm) - bulk(landscape, p), slice(*p.core)
    off = np.abs(p.W - exact)[inner] / p.W_error[inner]
    assert np.median(off) < 2 and np.max(off) < 5 and np.max(np.abs(p.W - exact)[inner]) < 3
    b = compute_binding(p, s, SETTINGS)
    assert (
        b.has_barrier == (top > 0)
        and b.n_windows == 25
        and b.sampling_ns == pytest.approx(25 * 600 * 0.2e-3)
    )
    stop = 0.51 if b.has_barrier else p.z_nm[p.plateau[0]] - p.bin_nm / 2
    assert near(b.dG0_kJ_mol, exact_dG0(landscape, p, stop)) and b.dG0_kJ_mol.error < 1.2
    assert near(b.adsorption_barrier_kJ_mol, top)
    if landscape is not flat:
        assert near(b.well_depth_kJ_mol, -40.0) and near(b.desorption_barrier_kJ_mol, 40.0 + top)
        assert b.z_min_nm.value == pytest.approx(0.1, abs=0.004)
        assert b.flags == () and b.converged


def test_neighbour_overlap_of_equal_harmonic_windows_matches_the_integral():
    s = draw(flat, (Window(0.0, 1000.0), Window(0.08, 1000.0)), 20000, 3)
    p = estimate_pmf(s, EstimateSettings(plateau_nm=0.1), 1)
    sigma = math.sqrt(KT / 1000.0)
    a, b = (np.exp(-((GRID - c) ** 2) / (2 * sigma**2)) for c in (0.0, 0.08))
    expected = np.trapezoid(a * b / (a + b), GRID) / np.trapezoid(a, GRID)
    assert p.neighbour_overlap == pytest.approx([expected, expected], rel=0.03)
    assert p.overlap.sum(axis=1) == pytest.approx(1.0)


def test_the_histogram_behind_the_resamples_gives_the_f_k_of_pymbar():
    s = draw(well_and_barrier, windows(1.2, 0.1, 1000.0), 300, 2)
    z = np.concatenate(s.z)
    f = MBAR(s.bias(z), s.counts, solver_protocol="robust", rseed=0).f_k
    assert np.ptp(f) > 10
    assert solve_binned(
        np.ones(len(z)), s.bias(z), s.counts.astype(float), np.zeros(len(f))
    ) == pytest.approx(f, abs=1e-5)
    p = estimate_pmf(s, SETTINGS, 1)
    assert p.f_k == pytest.approx(f, abs=1e-5) and p.f_k_error[0] == 0
    assert (
        np.all(np.abs(p.f_curves.mean(axis=0) - f) < p.f_k_error + 1e-9) and p.f_k_error[-1] > 0.1
    )


def test_weights_that_do_not_sum_to_one_are_an_error(monkeypatch):
    s = draw(well, windows(0.9, 0.1, 1000.0), 50, 0)
    good = MBAR(s.bias(np.concatenate(s.z)), s.counts, solver_protocol="robust", rseed=0).Log_W_nk
    check_weights(good, s.counts)
    with pytest.raises(EstimateError, match="weights sum to 1 within"):
        check_weights(good + np.log([1.0002] + [1.0] * 9), s.counts)

    class Unsolved(MBAR):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            self.Log_W_nk = self.Log_W_nk + 0.01

    monkeypatch.setattr(pymbar, "MBAR", Unsolved)
    with pytest.raises(
        EstimateError, match=r"MBAR did not converge: weights sum to 1 within 0.01 only"
    ):
        estimate_pmf(s, SETTINGS)


@pytest.mark.filterwarnings("error")
def test_same_seed_same_numbers_wherever_pymbar_stops_and_no_global_state(monkeypatch):
    s = draw(well, windows(0.9, 0.1, 1000.0), 60, 0)
    before = np.random.get_state()[1].copy()
    first, other = (
        compute_binding(estimate_pmf(s, SETTINGS, seed), s, SETTINGS) for seed in (3, 4)
    )
    monkeypatch.setattr(mbar_module, "PYMBAR_ITERATIONS", 1)
    again = compute_binding(estimate_pmf(s, SETTINGS, 3), s, SETTINGS)
    assert np.array_equal(np.random.get_state()[1], before)
    for a, b, c in ([getattr(x, name) for x in (first, again, other)] for name in QUANTITIES):
        assert (a.value, a.error, a.value) == pytest.approx((b.value, b.error, c.value), rel=1e-7)
    assert other.dG0_kJ_mol.error != first.dG0_kJ_mol.error


def test_thinning_bounds_the_work_and_keeps_the_answer():
    s, thin = (
        draw(shallow, windows(0.9, 0.1, 1000.0), 2000, 1, 0.9),
        EstimateSettings(max_samples=4000),
    )
    p, full = (
        estimate_pmf(s, thin),
        compute_binding(estimate_pmf(s, SETTINGS), s, SETTINGS).dG0_kJ_mol,
    )
    few = compute_binding(p, s, thin).dG0_kJ_mol
    assert len(p.others) == 2 and s.thinned(4000).counts.max() == 400
    assert abs(few.value - full.value) < full.error and 0.6 < few.error / full.error < 1.7


def test_importing_the_estimate_is_silent():
    done = subprocess.run(
        [sys.executable, "-c", "import halobind.pipeline.free_energy.umbrella_pmf"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "" and done.stderr == ""


def test_cylinder_area_matches_numerical_integration():
    for radius, k in ((0.55, 5000.0), (0.2, 200.0), (1.5, 50000.0)):
        r = np.linspace(0, radius + 3, 1_000_001)
        exact = np.trapezoid(
            2 * np.pi * r * np.exp(-0.5 * k * np.maximum(0, r - radius) ** 2 / KT), r
        )
        assert cylinder_area(radius, k, KT) == pytest.approx(exact, rel=1e-8)
    assert cylinder_area(0.55, 5000.0, KT) == pytest.approx(1.05, abs=0.005)


@pytest.mark.parametrize("centre", [0.1, 0.105, 0.11, 0.117])
def test_depth_and_position_of_a_parabola_do_not_depend_on_the_bins(centre):
    s = draw(well, windows(0.9, 0.1, 1000.0), 50, 0)
    p = estimate_pmf(s, SETTINGS)
    b = compute_binding(
        replace(p, W=np.minimum(0.0, -40 + 3000 * ((p.z_nm - centre) ** 2 + p.bin_nm**2 / 12))),
        s,
        SETTINGS,
    )
    assert (b.z_min_nm.value, b.well_depth_kJ_mol.value) == pytest.approx((centre, -40.0), abs=1e-9)


def test_binding_constant_of_a_flat_landscape_is_the_volume():
    s = draw(flat, windows(1.2), 4000, 0)
    p = estimate_pmf(s, SETTINGS, 1)
    b = compute_binding(p, s, SETTINGS)
    volume = cylinder_area(RADIUS, WALL, KT) * p.plateau[0] * p.bin_nm
    assert near(b.K_a_nm3, volume, 2) and b.K_a_nm3.error < 0.12 * volume
    assert b.dG0_kJ_mol.value == pytest.approx(-KT * math.log(b.K_a_nm3.value * 0.602214076))
    assert (
        not b.has_barrier
        and b.adsorption_barrier_kJ_mol.value == 0
        and abs(b.well_depth_kJ_mol.value) < 1.5
    )


@pytest.mark.parametrize("runs", [20, pytest.param(200, marks=pytest.mark.stats)])
def test_one_sigma_bars_hold_the_truth(runs, monkeypatch):
    """Runs of overdamped Langevin dynamics in 16 windows over two wells and a barrier, 300 ps each,
    equilibration left out.

    Bars hold the truth where errors are as large as the scatter of the runs, and the runs are right
    on average.
    """
    wider = math.sqrt(200 / runs)  # than the tolerances of 200 runs
    monkeypatch.setattr(pmf_module, "FRACTIONS", (0.5,))  # what the errors do not need
    monkeypatch.setattr(pmf_module, "other_curves", lambda samples, grid: {})
    settings, off, errors = EstimateSettings(n_bootstrap=40), [], []
    umbrellas = windows(1.2, 0.08, 1500.0)
    heights = langevin(umbrellas, (300, runs), seed=102, every=10)
    z = np.linspace(-0.2, 1.3, 150001)
    low, top, behind = (
        energy(z).min(),
        energy(z)[z > 0.5].max(),
        z[z > 0.5][np.argmax(energy(z)[z > 0.5])],
    )
    for seed in range(runs):
        s = discard_equilibration(samples_of(umbrellas, heights[:, seed], 1.0), settings).samples
        p = estimate_pmf(s, settings, seed)
        assert not p.blocks.short.any()
        reader, zero = CurveAnalysis.of(p, s.conditions), bulk(energy, p)
        marks = find_landmarks(reader)
        over_well = reader.quantity(
            lambda W, r=reader, start=marks.low + 1: r.rise(W, start) - r.depth(W)
        )
        found = (
            reader.quantity(reader.free_energy, marks.stop),
            marks.depth,
            over_well,
            marks.rise,
        )
        exact = (exact_dG0(energy, p, behind), low - zero, top - low, top - zero)
        off.append([quantity.value - value for quantity, value in zip(found, exact, strict=True)])
        errors.append([quantity.error for quantity in found])
    off, errors = np.array(off), np.array(errors)
    coverage, scatter, stated = (
        np.mean(np.abs(off) <= errors, axis=0),
        off.std(axis=0, ddof=1),
        np.sqrt(np.mean(errors**2, axis=0)),
    )
    print("one-sigma coverage of dG0, depth, desorption and adsorption barrier:", coverage)
    print("mean deviation, scatter and error, kJ/mol:", off.mean(axis=0), scatter, stated)
    assert np.all(np.abs(coverage - 0.7) <= 0.1 * wider), coverage
    assert np.all(np.abs(stated / scatter - 1) < 0.15 * wider), (
        stated / scatter
    )  # 200 runs know a scatter within 5 %
    assert np.all(np.abs(off.mean(axis=0)) < 0.25 * wider * scatter), (
        off.mean(axis=0) / scatter
    )  # and a mean within 0.07 of it


def test_correlated_data_give_larger_errors():
    found = [
        [draw(shallow, windows(0.9, 0.1, 1000.0), 800, seed, rho) for seed in range(4)]
        for rho in (0.0, 0.9)
    ]
    iid, slow = (
        np.mean(
            [compute_binding(estimate_pmf(s, SETTINGS), s, SETTINGS).dG0_kJ_mol.error for s in row]
        )
        for row in found
    )
    assert 3.0 < slow / iid < 6.5  # sqrt(19) = 4.4
