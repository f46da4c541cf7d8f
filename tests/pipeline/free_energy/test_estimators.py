"""Three estimators on one grid, windows that stand there twice, equilibration, and what is an
error.
"""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from scipy.signal import lfilter

from halobind.pipeline.free_energy import estimators
from halobind.pipeline.free_energy.binding import compute_binding, convergence, curve_binding
from halobind.pipeline.free_energy.bins import make_grid
from halobind.pipeline.free_energy.equilibration import discard_equilibration, equilibration_start
from halobind.pipeline.free_energy.estimators import ESTIMATORS
from halobind.pipeline.free_energy.flags import FlagKind
from halobind.pipeline.free_energy.pmf import Pmf
from halobind.pipeline.free_energy.samples import Conditions, EstimateError, Samples, Window
from halobind.pipeline.free_energy.settings import EstimateSettings
from halobind.pipeline.free_energy.umbrella_pmf import FRACTIONS, UmbrellaPmf, estimate_pmf
from halobind.pipeline.results.collect import number_connected
from tests.pipeline.free_energy.landscapes import KT, RADIUS, WALL, energy, langevin, samples_of

SETTINGS = EstimateSettings(n_bootstrap=20)
UMBRELLAS = tuple(Window(float(c), 1500.0) for c in np.arange(0.0, 1.201, 0.08))


@pytest.fixture(scope="module")
def heights() -> np.ndarray:
    return langevin(UMBRELLAS, (700, 2), seed=3, every=10)


@pytest.fixture(scope="module")
def samples(heights: np.ndarray) -> Samples:
    return samples_of(UMBRELLAS, heights[:, 0], 1.0)


@pytest.fixture(scope="module")
def pmf(samples: Samples) -> UmbrellaPmf:
    return estimate_pmf(samples, SETTINGS, 1)


def test_every_estimator_finds_the_landscape_on_the_same_bins(
    samples: Samples, pmf: UmbrellaPmf
) -> None:
    grid = make_grid(samples, SETTINGS)
    inner = slice(*pmf.core)
    exact = energy(grid.z_nm) + KT * math.log(
        np.mean(np.exp(-energy(grid.z_nm[slice(*grid.plateau)]) / KT))
    )
    assert set(ESTIMATORS) == {"MBAR", "WHAM", "umbrella integration"}
    curves = {name: estimate(samples, grid) for name, estimate in ESTIMATORS.items()}
    assert curves["MBAR"] == pytest.approx(pmf.W, abs=1e-6, nan_ok=True)
    assert (
        np.nanmax(np.abs(curves["WHAM"] - pmf.W)[inner]) < 0.15
    )  # the same likelihood on a histogram
    for W in curves.values():
        assert (
            np.nanmax(np.abs(W - exact)[inner]) < 4.0
            and np.nanmedian(np.abs(W - exact)[inner]) < 1.5
        )
        assert -KT * math.log(np.mean(np.exp(-W[slice(*grid.plateau)] / KT))) == pytest.approx(
            0.0, abs=1e-9
        )


def test_umbrella_integration_of_gaussian_windows_is_exact() -> None:
    """A harmonic landscape 0.5 K z^2 makes every window a Gaussian of mean k c/(K + k) and variance
    kT/(K + k).
    """
    K, k = 30.0, 1000.0
    umbrellas = tuple(Window(float(c), k) for c in np.arange(0.0, 1.01, 0.1))
    normal = np.random.default_rng(0).standard_normal(4000)
    normal = (normal - normal.mean()) / normal.std()
    z = tuple(k * w.center_nm / (K + k) + normal * math.sqrt(KT / (K + k)) for w in umbrellas)
    s = Samples(umbrellas, z, 0.5, 300.0, RADIUS, WALL)
    grid = make_grid(s, SETTINGS)
    W = ESTIMATORS["umbrella integration"](s, grid)
    inner = slice(*grid.core)
    assert np.ptp((W - 0.5 * K * grid.z_nm**2)[inner]) < 0.01


def test_a_window_with_two_series_is_one_window(samples: Samples, heights: np.ndarray) -> None:
    other = samples_of(UMBRELLAS, heights[:, 1], 1.0)
    faces = replace(
        samples,
        windows=tuple(w for w in UMBRELLAS for _ in range(2)),
        z=tuple(z for pair in zip(samples.z, other.z, strict=True) for z in pair),
    )
    joined = replace(
        samples, z=tuple(np.concatenate(pair) for pair in zip(samples.z, other.z, strict=True))
    )
    p, q = (estimate_pmf(s, SETTINGS, 1) for s in (faces, joined))
    assert pytest.approx(q.W, abs=1e-5, nan_ok=True) == p.W
    assert p.f_k[::2] == pytest.approx(p.f_k[1::2], abs=1e-9) and p.f_k[::2] == pytest.approx(
        q.f_k, abs=1e-6
    )
    assert p.neighbour_overlap[::2] == pytest.approx(q.neighbour_overlap, rel=1e-4)
    assert np.array_equal(p.neighbour_overlap[::2], p.neighbour_overlap[1::2])
    for name in p.others:
        assert p.others[name][slice(*p.core)] == pytest.approx(
            q.others[name][slice(*p.core)], abs=0.3
        )
    b, c = compute_binding(p, faces, SETTINGS), compute_binding(q, joined, SETTINGS)
    assert b.n_windows == len(UMBRELLAS) and 2 * b.sampling_ns == pytest.approx(
        c.sampling_ns
    )  # two faces are sampled at once
    assert b.dG0_kJ_mol.value == pytest.approx(c.dG0_kJ_mol.value, abs=1e-4)
    assert 0.5 < b.dG0_kJ_mol.error / c.dG0_kJ_mol.error < 2


def test_an_estimator_that_disagrees_is_a_flag_with_its_numbers(
    samples: Samples, pmf: UmbrellaPmf
) -> None:
    b = compute_binding(pmf, samples, SETTINGS)
    largest = max(
        (W[slice(*pmf.core)].min() - pmf.W[slice(*pmf.core)].min() for W in pmf.others.values()),
        key=abs,
    )
    assert b.well_depth_difference_kJ_mol == pytest.approx(largest, abs=0.3) and not any(
        flag.kind == FlagKind.ESTIMATORS_DIFFER for flag in b.flags
    )
    off = replace(pmf, others={"WHAM": np.where(pmf.z_nm < 0.3, pmf.W - 12.0, pmf.W)})
    wrong = compute_binding(off, samples, SETTINGS)
    assert wrong.well_depth_difference_kJ_mol == pytest.approx(
        -12.0
    ) and wrong.dG0_difference_kJ_mol == pytest.approx(-12.0, abs=0.5)
    texts = {
        flag.subject: flag.text for flag in wrong.flags if flag.kind == FlagKind.ESTIMATORS_DIFFER
    }
    assert texts and texts.keys() <= {"WHAM, dG0", "WHAM, well depth"}
    assert all("by -1" in text for text in texts.values())


def test_a_solver_that_fails_says_so(samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(estimators.WHAM_OPTIONS, "maxiter", 0)
    with pytest.raises(
        EstimateError,
        match=r"WHAM did not converge: probabilities sum to 1 within .* only, not 0.001",
    ):
        estimate_pmf(samples, SETTINGS)
    monkeypatch.undo()
    stuck = replace(samples, z=(*samples.z[:4], np.full(700, 0.32), *samples.z[5:]))
    with pytest.raises(
        EstimateError, match=r"umbrella integration: all heights of window 0.320 are equal"
    ):
        ESTIMATORS["umbrella integration"](stuck, make_grid(stuck, SETTINGS))


def test_a_curve_without_windows_gives_the_same_numbers(samples: Samples, pmf: UmbrellaPmf) -> None:
    with_windows = compute_binding(pmf, samples, SETTINGS)
    names = [field.name for field in fields(Pmf) if field.name != "others"]
    alone = Pmf(**{name: getattr(pmf, name) for name in names})
    b = curve_binding(alone, Conditions(300.0, RADIUS, WALL, 7.5))
    for name in (
        "dG0_kJ_mol",
        "well_depth_kJ_mol",
        "desorption_barrier_kJ_mol",
        "penetration_nm",
        "K_a_nm3",
    ):
        assert repr(getattr(b, name)) == repr(getattr(with_windows, name))  # nan is nan
    assert (
        b.n_windows == 0
        and b.sampling_ns == 7.5
        and math.isnan(b.min_overlap)
        and math.isnan(b.residence_log10_s.value)
    )
    assert (
        math.isnan(b.dG0_difference_kJ_mol)
        and type(b).from_dict(b.as_dict()).as_dict() == b.as_dict()
    )


def test_convergence_ends_at_the_estimate_and_its_halves_are_the_halves(
    samples: Samples, pmf: UmbrellaPmf
) -> None:
    rows, b = convergence(pmf, samples.conditions), compute_binding(pmf, samples, SETTINGS)
    assert tuple(row[0] for row in rows) == FRACTIONS
    fraction, first, error, last, _, first_depth, _, last_depth, _ = rows[-1]
    assert (
        fraction == 1.0
        and first == last == pytest.approx(b.dG0_kJ_mol.value, abs=0.05)
        and error == b.dG0_kJ_mol.error
    )
    assert first_depth == last_depth == pytest.approx(b.well_depth_kJ_mol.value, abs=0.05)
    assert rows[4][2] == pytest.approx(error * math.sqrt(2))
    assert np.array_equal(pmf.halves, [pmf.forward[4], pmf.backward[4]], equal_nan=True)
    half = estimate_pmf(samples.first(0.5), SETTINGS)
    assert rows[4][1] == pytest.approx(
        compute_binding(half, samples, SETTINGS).dG0_kJ_mol.value, abs=0.6
    )


def ar1(rho: float, n: int, random: np.random.Generator) -> np.ndarray:
    return lfilter([1.0], [1.0, -rho], random.standard_normal(n + 200))[200:] * math.sqrt(
        1 - rho**2
    )


def test_equilibration_is_found_where_it_is_and_not_where_it_is_not() -> None:
    random = np.random.default_rng(0)
    still = [equilibration_start(ar1(0.8, 2000, random)) for _ in range(40)]
    assert np.mean(np.array(still) > 200) < 0.05
    fall = 6 * np.exp(-np.arange(2000) / 200)
    found = [equilibration_start(ar1(0.8, 2000, random) + fall) for _ in range(10)]
    assert 300 < np.median(found) < 900  # three to five relaxation times of 200
    assert equilibration_start(np.full(50, 0.3)) == 0 and equilibration_start(np.array([0.1])) == 0
    long = equilibration_start(
        np.concatenate([np.full(30000, 3.0), np.zeros(70000)]) + ar1(0.8, 100000, random)
    )
    assert 30000 <= long < 35000


def test_what_is_left_out_is_the_larger_part_and_late_windows_are_flagged() -> None:
    random = np.random.default_rng(1)
    late = np.where(np.arange(1000) < 600, 0.3, 0.0) + 0.05 * random.standard_normal(1000)
    z = (0.05 * random.standard_normal(1000), late)
    s = Samples((Window(0.0, 1000.0), Window(0.1, 1000.0)), z, 0.5, 300.0, RADIUS, WALL)
    ready = discard_equilibration(s, EstimateSettings(discard_fraction=0.2))
    assert (
        list(ready.start) == [200, 600]
        and list(ready.detected) == [0, 600]
        and list(ready.counts) == [1000, 1000]
    )
    assert list(ready.samples.counts) == [800, 400] and np.array_equal(
        ready.samples.z[1], late[600:]
    )
    assert [flag.text for flag in ready.flags()] == [
        "1 of 2 windows equilibrate in their second half only (worst: window 0.100, after 60 %):"
        " sample longer"
    ]


def test_windows_that_exchanged_are_resampled_together(samples: Samples) -> None:
    """A slow motion that walkers carry through all windows of a group moves all means alike: their
    errors add up, and not in quadrature.
    """
    slow = 0.02 * np.repeat(
        np.random.default_rng(3).choice([-1.0, 1.0], 10), len(samples.z[0]) // 10
    )
    moved = replace(samples, z=tuple(z[: len(slow)] + slow for z in samples.z))
    alone, together = (
        estimate_pmf(replace(moved, groups=groups), SETTINGS, 1).f_k_error[-1]
        for groups in ((), (0,) * len(moved.windows))
    )
    assert together > 2 * alone
    apart = estimate_pmf(
        replace(moved, groups=tuple(range(len(moved.windows)))), SETTINGS, 1
    ).f_k_error[-1]
    assert apart == pytest.approx(alone, rel=1e-6)


def test_who_exchanged_with_whom_is_followed_through_others() -> None:
    links = {"a": {"a"}, "b": {"b", "c"}, "c": {"c", "d"}, "d": {"d"}, "e": {"e", "f"}, "f": {"f"}}
    found = number_connected(links)
    assert (
        found["b"] == found["c"] == found["d"]
        and found["e"] == found["f"]
        and len(set(found.values())) == 3
    )
