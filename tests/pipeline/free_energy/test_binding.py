"""Binding numbers of known landscapes: every flaw is flagged with its numbers."""

import math
from dataclasses import replace

import numpy as np
import pytest

from halobind.pipeline.free_energy.binding import Binding, compute_binding
from halobind.pipeline.free_energy.flags import FlagKind
from halobind.pipeline.free_energy.settings import EstimateSettings
from halobind.pipeline.free_energy.umbrella_pmf import estimate_pmf
from tests.pipeline.free_energy.landscapes import draw, gauss, well, windows

SETTINGS = EstimateSettings()


def flagged(s):
    return compute_binding(estimate_pmf(s, SETTINGS, 1), s, SETTINGS)


def text_of(b, kind):
    """The sentence of the one flag of a kind."""
    (flag,) = (flag for flag in b.flags if flag.kind == kind)
    return flag.text


def test_a_gap_and_missing_overlap_are_flagged():
    s = draw(well, (*windows(0.4), *windows(1.2, first=0.7)), 200)
    b = flagged(s)
    assert text_of(b, FlagKind.LOW_OVERLAP).startswith("2 of 20 windows overlap below 0.03")
    assert not b.converged and "widest gap is 0.5" in text_of(b, FlagKind.GAPS)
    (flag,) = (flag for flag in b.flags if flag.kind == FlagKind.UNCONNECTED_WINDOWS)
    assert flag.error_is_bound
    assert b.min_overlap < 1e-6
    p = estimate_pmf(s, SETTINGS)
    hole = (p.z_nm > 0.52) & (p.z_nm < 0.58)
    assert hole.sum() == 3 and np.all(np.isnan(p.W[hole])) and np.all(np.isnan(p.W_error[hole]))


def test_a_missing_plateau_is_flagged_with_its_sign_and_size():
    rising, falling = (
        flagged(draw(lambda z, sign=sign: well(z) + sign * 60 * z, windows(1.2), 300))
        for sign in (1, -1)
    )
    text = text_of(rising, FlagKind.NO_PLATEAU)
    assert float(text.split(" by ")[1].split(" ±")[0]) == pytest.approx(12, abs=1.5)
    assert "still rises by" in text and text.endswith(
        "over the last 0.20 nm, so dG0 is only an upper bound"
    )
    text = text_of(falling, FlagKind.NO_PLATEAU)
    assert "still falls by" in text and text.endswith("a lower bound")


def test_few_independent_samples_and_short_blocks_are_flagged():
    s = draw(well, windows(0.9, 0.1, 1000.0), 300)
    slow = replace(s, z=(*s.z[:3], np.repeat(s.z[3][:5], 60) + 1e-6 * np.arange(300), *s.z[4:]))
    b = flagged(slow)
    assert text_of(b, FlagKind.FEW_INDEPENDENT_SAMPLES).endswith("samples in window 0.300")
    (flag,) = (flag for flag in b.flags if flag.kind == FlagKind.SHORT_TIME_BLOCKS)
    assert flag.error_is_bound and flag.text.endswith(" in 1 of 10 windows")


def test_halves_that_disagree_are_flagged():
    s, other = (
        draw(lambda z, depth=depth: gauss(z, depth, 0.1, 0.1), windows(0.9, 0.1, 1000.0), 400)
        for depth in (-15.0, -40.0)
    )
    drift = replace(
        s, z=tuple(np.concatenate([a[:200], b[200:]]) for a, b in zip(s.z, other.z, strict=True))
    )
    assert not any(flag.kind == FlagKind.HALVES_DIFFER for flag in flagged(s).flags)
    p = estimate_pmf(drift, SETTINGS)
    assert np.nanmin(p.halves[0]) == pytest.approx(-15, abs=3) and np.nanmin(
        p.halves[1]
    ) == pytest.approx(-40, abs=4)
    wrong = [flag for flag in flagged(drift).flags if flag.kind == FlagKind.HALVES_DIFFER]
    assert any(flag.subject == "dG0" and "in dG0 (error" in flag.text for flag in wrong)


def test_a_well_at_the_edge_is_flagged():
    inside, edge = (
        flagged(draw(lambda z: gauss(z, -40, 0.1, 0.15), windows(1.2, first=a), 300))
        for a in (0.0, 0.3)
    )
    assert not any(flag.kind == FlagKind.WELL_AT_EDGE for flag in inside.flags)
    assert "(0.1" in text_of(edge, FlagKind.WELL_AT_EDGE)


def test_two_by_ten_samples_are_estimated_and_not_called_converged():
    s = draw(well, windows(1.3, 0.1, 1000.0), 20)
    b = flagged(s)
    assert (
        b.dG0_kJ_mol.error > 1
        and abs(b.well_depth_kJ_mol.value + 40.0) < 3.5 * b.well_depth_kJ_mol.error
    )
    assert text_of(b, FlagKind.GAPS).startswith("sampled range has gaps: 5 of 60 bins are empty")


def test_windows_in_any_order_give_the_same_numbers():
    s = draw(well, windows(0.9, 0.1, 1000.0), 100)
    turned = replace(s, windows=s.windows[::-1], z=s.z[::-1])
    a, b = (compute_binding(estimate_pmf(x, SETTINGS), x, SETTINGS) for x in (s, turned))
    assert a.dG0_kJ_mol.value == pytest.approx(
        b.dG0_kJ_mol.value, abs=1e-6
    ) and a.min_overlap == pytest.approx(b.min_overlap)


def test_binding_survives_json():
    s = draw(well, windows(0.9, 0.1, 1000.0), 20)
    b = compute_binding(estimate_pmf(s, SETTINGS), s, SETTINGS)
    assert b.as_dict()["dG0_kJ_mol"]["sem"] is None and b.flags
    back = Binding.from_dict(b.as_dict())
    assert (
        back.as_dict() == b.as_dict()
        and back.dG0_kJ_mol.error == b.dG0_kJ_mol.error
        and math.isnan(back.dG0_kJ_mol.sem)
    )
