"""What rounds decide, from samples of known landscapes: windows between others, stiffer ones over
barriers, longer paths, allocation.
"""

import itertools
import json
import math

import numpy as np
import pytest

from halobind.pipeline.free_energy.binding import compute_binding
from halobind.pipeline.free_energy.constants import GAS_CONSTANT
from halobind.pipeline.free_energy.flags import Flag, FlagKind
from halobind.pipeline.free_energy.quantity import Quantity
from halobind.pipeline.free_energy.samples import Samples, Window
from halobind.pipeline.free_energy.settings import EstimateSettings
from halobind.pipeline.free_energy.umbrella_pmf import estimate_pmf
from halobind.pipeline.sampling.pull_steps import centers_between
from halobind.pipeline.sampling.rounds import Round, SamplingTarget, WindowRequest
from halobind.pipeline.sampling.start_states import (
    EndState,
    StartError,
    UsualState,
    choose_start,
    why_damaged,
    why_outside,
)
from halobind.pipeline.workflow.allocation import allocate, contributions, lever
from halobind.pipeline.workflow.refinement import (
    PathReach,
    WindowsToAdd,
    longer_path,
    pair_overlaps,
    target_in_force,
    windows_to_add,
)

KT = GAS_CONSTANT * 300.0
GRID = np.linspace(-0.5, 2.0, 25001)
SETTINGS = EstimateSettings(n_bootstrap=40)


def well(z):
    return -40.0 * np.exp(-((z - 0.1) ** 2) / (2 * 0.08**2))


def barrier(z):
    return well(z) + 60.0 * np.exp(-((z - 0.52) ** 2) / (2 * 0.05**2))


def basin(energy, start):
    """Where a window that starts at grid point `start` stays: between the tops, 8 kT over its
    minimum, on either side.
    """
    low = start
    while energy[low] > min(energy[low - 1], energy[low + 1]):
        low += 1 if energy[low + 1] < energy[low] else -1
    high = np.flatnonzero(energy > energy[low] + 8 * KT)
    return max(high[high < low], default=0), min(high[high > low], default=len(energy) - 1)


def draw(landscape, windows, n, seed):
    """n exact samples of each window within its basin, by the inverse of its distribution."""
    random, series = np.random.default_rng(seed), []
    for w in windows:
        energy = landscape(GRID) + 0.5 * w.k * (GRID - w.center_nm) ** 2
        left, right = basin(energy, int(np.searchsorted(GRID, w.center_nm)))
        energy[:left] = energy[right:] = np.inf
        below = np.cumsum(np.exp(-(energy - energy.min()) / KT))
        series.append(np.interp(random.uniform(size=n), below / below[-1], GRID))
    return Samples(tuple(windows), tuple(series), 0.2, 300.0, 0.55, 5000.0)


def row(spacing, last=1.0, k=2000.0):
    return [Window(round(float(c), 3), k) for c in np.arange(0.0, last + 1e-6, spacing)]


def test_overlap_of_two_halves_of_a_window_is_whole():
    windows = [Window(0.0, 2000.0), Window(0.1, 2000.0)]
    double = draw(lambda z: 0 * z, windows * 2, 500, 1)
    single = Samples(tuple(windows), double.z[:2], 0.2, 300.0, 0.55, 5000.0)
    (pair,) = pair_overlaps(
        double, estimate_pmf(double, EstimateSettings(plateau_nm=0.08), 1).overlap
    )
    (alone,) = pair_overlaps(
        single, estimate_pmf(single, EstimateSettings(plateau_nm=0.08), 1).overlap
    )
    assert [pair.lower, pair.upper] == windows
    assert pair.overlap == pytest.approx(alone.overlap, abs=0.03)
    assert 0.05 < alone.overlap < 0.3


def test_a_window_is_added_where_two_do_not_overlap_and_nowhere_else():
    windows = [w for w in row(0.05) if w.center_nm not in (0.6, 0.65)]
    samples = draw(well, windows, 400, 2)
    added = windows_to_add(samples, estimate_pmf(samples, SETTINGS, 1).overlap, 0.03)
    ((window, reason),) = added.windows
    assert window == Window(0.625, 2000.0) and not added.problems
    assert reason.text.startswith("a window between 0.550 and 0.700 nm (overlap 0.0")
    mended = draw(well, [*windows, Window(0.625, 2000.0)], 400, 3)
    overlap = estimate_pmf(mended, SETTINGS, 1).overlap
    assert windows_to_add(mended, overlap, 0.03) == WindowsToAdd((), ())


def test_a_stiffer_window_is_added_where_one_slips_over_a_barrier_until_all_overlap():
    """W'' = -24,000 kJ/mol/nm2 at the top of the barrier: nothing rests there until a window is
    stiff enough.
    """
    windows = row(0.05, 0.9)
    first = None
    for number in range(12):
        samples = draw(barrier, windows, 400, number)
        asked = windows_to_add(samples, estimate_pmf(samples, SETTINGS, 1).overlap, 0.03)
        added = asked.windows
        first = first or added
        assert not asked.problems
        if not added:
            break
        windows = sorted(
            {*windows, *(window for window, _ in added)}, key=lambda w: (w.center_nm, w.k)
        )
    assert not added and first and all(0.4 < w.center_nm < 0.65 for w, _ in first)
    assert any(w.k == 8000.0 and why.text.startswith("a stiffer window") for w, why in first)
    assert number <= 5 and len(windows) < 40


def test_windows_as_close_as_they_get_are_a_problem():
    windows = [
        *row(0.05, 0.5),
        Window(0.503, 2000.0),
        *(Window(c, 2000.0) for c in (0.55, 0.6, 0.65, 0.7)),
    ]
    samples = draw(well, windows, 200, 1)
    overlap = estimate_pmf(samples, SETTINGS, 1).overlap.copy()
    i = windows.index(Window(0.503, 2000.0))
    overlap[i, i - 1] = overlap[i - 1, i] = 0.0
    added = windows_to_add(samples, overlap, 0.03)
    (problem,) = added.problems
    assert (
        not added.windows and "sample longer" in problem.text and "0.500 and 0.503" in problem.text
    )


def test_the_path_grows_while_the_curve_is_not_flat_and_ends_with_the_box():
    reach = PathReach(to_nm=1.2, limit_nm=1.46, step_nm=0.05, plateau_nm=0.2)
    assert longer_path(Quantity(1.0, 0.6), KT, reach) == (None, None)
    end, why = longer_path(Quantity(5.0, 0.6), KT, reach)
    assert end == 1.4 and "changes by 5.0 ± 0.6 kJ/mol over the last 0.20 nm" in why.text
    assert longer_path(Quantity(-5.0, 0.6), KT, PathReach(1.4, 1.46, 0.05, 0.2))[0] == 1.45
    end, why = longer_path(Quantity(5.0, 0.6), KT, PathReach(1.45, 1.46, 0.05, 0.2))
    assert (
        end is None
        and "the path ends at 1.45 nm, where the box ends (1.46 nm), without a plateau" in why.text
        and "raise gap_nm" in why.text
    )
    assert longer_path(Quantity(math.nan, math.nan), KT, reach) == (None, None)
    assert centers_between(1.2, 1.4, 0.05) == [1.25, 1.3, 1.35, 1.4] and centers_between(
        1.2, 1.25, 0.2
    ) == [1.25]


def test_a_round_survives_json():
    wish = WindowRequest("run", Window(0.35, 8000.0), 4, "because")
    problem = Flag(FlagKind.PATH_ENDS_WITH_BOX, "problem", subject="subject")
    one = Round(
        "target", "abc", (wish,), 1.4, 400.0, SamplingTarget(2.0, None), ("note",), (problem,)
    )
    assert Round.from_dict(json.loads(json.dumps(one.as_dict()))) == one
    assert Round.from_dict(Round("end", "abc").as_dict()) == Round("end", "abc")
    (earlier,) = Round.from_dict(one.as_dict() | {"problems": ["a sentence alone"]}).problems
    assert earlier.text == earlier.subject == "a sentence alone"


def test_the_tighter_order_is_in_force_and_only_what_came_after_it_is_spent():
    target, order = (
        Round("target", "a", added_ps=100.0),
        Round("extend", "b", target=SamplingTarget(2.0, 5.0)),
    )
    assert target_in_force([], None) == (None, 0.0)
    assert target_in_force([target, target], SamplingTarget(3.0, 1.0)) == (
        SamplingTarget(3.0, 1.0),
        200.0,
    )
    assert target_in_force([target, order, target], SamplingTarget(3.0, 1.0)) == (
        SamplingTarget(2.0, 5.0),
        100.0,
    )
    assert target_in_force([target, order, target], SamplingTarget(1.0, 1.0)) == (
        SamplingTarget(1.0, 1.0),
        200.0,
    )


def test_the_lever_is_one_between_well_and_plateau():
    pmf = estimate_pmf(draw(well, row(0.05), 400, 1), SETTINGS, 1)
    L = lever(pmf, KT)
    between = (pmf.z_nm > 0.35) & (pmf.z_nm < 0.75)
    assert L[between] == pytest.approx(1.0, abs=0.01)
    assert abs(L[0]) < 0.05 and abs(L[pmf.plateau[1] :]).max(initial=0.0) < 1e-9
    middle = (pmf.plateau[0] + pmf.plateau[1]) // 2
    assert L[middle] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(
    ("data_sets", "tolerance"), [(10, 0.6), pytest.param(40, 0.3, marks=pytest.mark.stats)]
)
def test_contributions_add_up_to_the_true_variance_of_dG0(data_sets, tolerance):
    """Over independent data sets, dG0 scatters by sqrt(sum v_i), without looking at the bootstrap
    (error 0).
    """
    windows, values, predicted = row(0.08, 0.96), [], []
    for seed in range(data_sets):
        samples = draw(well, windows, 120, seed)
        pmf = estimate_pmf(samples, EstimateSettings(n_bootstrap=20), 1)
        values.append(
            compute_binding(pmf, samples, EstimateSettings(n_bootstrap=20)).dG0_kJ_mol.value
        )
        predicted.append(sum(contributions(samples, pmf, 0.0).values()))
    assert np.std(values, ddof=1) == pytest.approx(math.sqrt(np.mean(predicted)), rel=tolerance)


def test_a_noisy_window_between_well_and_plateau_contributes_most_and_one_beyond_least():
    windows = row(0.05)
    samples = draw(well, windows, 300, 1)
    slow = windows.index(Window(0.3, 2000.0))
    z = list(samples.z)
    z[slow] = np.repeat(z[slow][:30], 10)  # ten times fewer independent samples
    samples = Samples(samples.windows, tuple(z), 0.2, 300.0, 0.55, 5000.0)
    v = contributions(samples, estimate_pmf(samples, SETTINGS, 1), 0.0)
    assert max(v, key=v.get) == windows[slow] and v[windows[slow]] > 3 * v[Window(0.4, 2000.0)]
    assert v[Window(1.0, 2000.0)] < 0.2 * v[Window(0.4, 2000.0)]
    scaled = contributions(samples, estimate_pmf(samples, SETTINGS, 1), 10.0)
    assert sum(scaled.values()) == pytest.approx(100.0) and scaled[windows[3]] / v[
        windows[3]
    ] == pytest.approx(100 / sum(v.values()))


def test_allocation_is_the_best_there_is():
    """Against every other way to give the same number of segments; and Neyman's n' ~ sqrt(v n) when
    many are given.
    """
    v, now = [4.0, 1.0, 0.2], [2, 2, 4]
    extra = allocate(v, now, 0.0, 7)
    variance = [
        sum(a * n / (n + e) for a, n, e in zip(v, now, more, strict=True))
        for more in itertools.product(range(8), repeat=3)
        if sum(more) == 7
    ]
    assert extra.sum() == 7 and sum(
        a * n / (n + e) for a, n, e in zip(v, now, extra, strict=True)
    ) == pytest.approx(min(variance))
    many = allocate(v, now, 0.0, 100_000) + now
    ideal = np.sqrt(np.array(v) * now)
    assert many / many.sum() == pytest.approx(ideal / ideal.sum(), rel=1e-3)


def test_allocation_stops_at_the_target_or_gives_all_there_is():
    v, now = [4.0, 1.0], [2, 2]
    extra = allocate(v, now, 2.5, 1000)
    reached = sum(a * n / (n + e) for a, n, e in zip(v, now, extra, strict=True))
    assert (
        reached <= 2.5 < reached + 8.0 / ((now[0] + extra[0]) * (now[0] + extra[0] - 1))
        and extra.sum() < 1000
    )
    assert allocate(v, now, 0.0, 3).sum() == 3
    assert allocate(v, now, 5.0, 1000).sum() == 0 and allocate([0.0, 0.0], now, -1.0, 5).sum() == 0


NORM = UsualState([-50_000.0, -50_100.0, -49_950.0, -50_050.0], 1400, 300.0)
WINDOW = Window(0.35, 3000.0)


def ended(height, z=None, energy=-50_000.0, kelvin=305.0, displaced=0):
    return EndState(
        f"pull/{height}", height, np.array([height if z is None else z]), energy, kelvin, displaced
    )


def test_a_fit_state_is_taken_as_it_is():
    pulled = [ended(0.3), ended(0.35, 0.4), ended(0.4)]
    assert choose_start(pulled, WINDOW, NORM) == (pulled[1], "")


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (ended(0.35, energy=-45_000.0), "its energy is +5025 kJ/mol"),
        (ended(0.35, energy=math.nan), "not a finite number"),
        (ended(0.35, kelvin=2000.0), "its temperature is 2000 K"),
        (ended(0.35, displaced=2), "2 ions of its slab away from the pocket have left"),
    ],
)
def test_a_damaged_state_is_replaced_by_the_nearest_good_one_which_has_to_settle(bad, why):
    pulled = [ended(0.25), ended(0.31), bad, ended(0.45)]
    good, reason = choose_start(pulled, WINDOW, NORM)
    assert good is pulled[1] and reason.startswith("pull/0.35: ") and why in reason
    with pytest.raises(StartError, match="no pulled state is fit to start from"):
        choose_start([bad], WINDOW, NORM)


def test_a_state_outside_its_window_has_to_settle():
    pulled = [ended(0.3), ended(0.35, 0.55), ended(0.4)]
    good, why = choose_start(pulled, WINDOW, NORM)
    assert (
        good is pulled[1] and "its anchor is at 0.550 nm, 7 widths from the centre 0.350 nm" in why
    )
    assert not why_outside(np.array([0.55]), WINDOW, 300.0, settled=True) and why_outside(
        np.array([0.35, 0.75]), WINDOW, 300.0, settled=True
    )
    assert why_damaged(ended(0.35, 0.9), NORM) == ""  # for another window it may be fit
