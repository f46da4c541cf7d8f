"""Sentences and rows: every flaw is flagged with its numbers, rounding follows the error, and no
row is lost on the way to the files.
"""

import csv
import io
import json
import math
from dataclasses import astuple, replace

import numpy as np
import pytest

from halobind.pipeline.free_energy.binding import QUANTITIES, Binding, compute_binding
from halobind.pipeline.free_energy.constants import GAS_CONSTANT
from halobind.pipeline.free_energy.flags import Flag, FlagKind
from halobind.pipeline.free_energy.quantity import Quantity
from halobind.pipeline.free_energy.settings import EstimateSettings
from halobind.pipeline.free_energy.umbrella_pmf import estimate_pmf
from halobind.pipeline.results.enthalpy import find_enthalpies
from halobind.pipeline.results.ligand_exchange import find_coverages, find_exchanges, langmuir
from halobind.pipeline.results.table_rows import (
    BACK,
    LABELS,
    OUT,
    TableRow,
    combine,
    ligand_rows,
)
from halobind.pipeline.results.table_text import binding_csv, binding_json, binding_markdown
from halobind.pipeline.results.text_tables import rounded
from tests.pipeline.free_energy.landscapes import draw, gauss, well, windows

SETTINGS = EstimateSettings()


def flagged(s):
    return compute_binding(estimate_pmf(s, SETTINGS, 1), s, SETTINGS)


def text_of(b, kind):
    """The sentence of the one flag of a kind."""
    (flag,) = (flag for flag in b.flags if flag.kind == kind)
    return flag.text


OVERLAP = Flag(FlagKind.LOW_OVERLAP, "3 of 14 windows overlap below 0.03 with a neighbour")
EDGE = Flag(FlagKind.WELL_AT_EDGE, "well")
GAPS = Flag(FlagKind.GAPS, "sampled range has gaps")
PLATEAU = Flag(FlagKind.NO_PLATEAU, "no plateau")
BLOCKS = Flag(FlagKind.SHORT_TIME_BLOCKS, "error is a lower bound: why", error_is_bound=True)


def few(count):
    return Flag(FlagKind.FEW_INDEPENDENT_SAMPLES, f"only {count} samples")


def under(count):
    text = f"the ligand was under the crystal in {count} of 10 windows"
    return Flag(FlagKind.UNDER_CRYSTAL, text)


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


def simple(value=-34.24, error=1.26, flags=(), **changes):
    numbers = {name: Quantity(value + i, error) for i, name in enumerate(QUANTITIES)}
    rest = {
        "dG0_difference_kJ_mol": 0.3,
        "well_depth_difference_kJ_mol": -0.6,
        "has_barrier": False,
        "temperature_K": 300.0,
        "sampling_ns": 2.8,
        "n_windows": 14,
        "min_overlap": 0.12,
    }
    return Binding(**{**numbers, **rest, "flags": tuple(flags), **changes})


def row(ligand="DA", replica="0", **content):
    versions = {"openmm": "8.6.1", "halobind": "0.1.0", "pymbar": "4.0.3", "numpy": "2.4"}
    return TableRow(
        ligand,
        "CsPbBr3",
        "AX 4x4x2",
        "acetone",
        "bond-increment",
        replica,
        f"run-{ligand}-{replica}",
        versions=versions,
        **content,
    )


ROUNDED = [
    (-34.24, 1.26, "-34.2 ± 1.3"),
    (-34.24, 4.4, "-34 ± 4"),
    (-123.4, 23.0, "-120 ± 20"),
    (-123.4, 14.0, "-123 ± 14"),
    (0.0999, 0.0012, "0.0999 ± 0.0012"),
    (12.345, 0.5, "12.3 ± 0.5"),
    (12.345, 0.096, "12.35 ± 0.10"),
    (12.345, 9.6, "12 ± 10"),
    (-0.04, 0.3, "0.0 ± 0.3"),
    (-3.0, 4000.0, "0 ± 4000"),
    (5.0, 1.0, "5.0 ± 1.0"),
    (5.0, 2.0, "5 ± 2"),
    (-34.24, math.nan, "-34.2 ± ?"),
    (-34.24, math.inf, "-34.2 ± ?"),
    (1234.5, math.nan, "1234 ± ?"),
    (0.0, 0.0, "0 ± 0"),
    (-34.24, 0.0, "-34.2 ± 0"),
    (math.nan, 1.0, "-"),
    (-math.inf, 1.0, "-"),
]


@pytest.mark.parametrize(("value", "error", "text"), ROUNDED)
def test_value_and_error_are_cut_at_the_error(value, error, text):
    assert rounded(value, error) == text


def test_rounding_never_moves_a_number_by_more_than_half_the_last_digit_of_its_error():
    random = np.random.default_rng(0)
    for value, error in zip(
        random.normal(0, 100, 500), 10 ** random.uniform(-4, 3, 500), strict=True
    ):
        shown, bar = (float(x) for x in rounded(value, error).split(" ± "))
        step = 10.0 ** (math.floor(math.log10(error)) - (f"{error:e}"[0] == "1"))
        assert abs(shown - value) <= 0.5001 * step and abs(bar - error) <= 0.5001 * step


def test_rounding_noise_is_no_error():
    assert rounded(-0.01, 2e-18) == "-0.0100 ± 0"


def test_kcal_comes_from_the_unrounded_number():
    assert rounded(-34.24, 1.26, 1 / 4.184) == "-8.2 ± 0.3"
    content = json.loads(binding_json([row(binding=simple())]))["runs"][0]
    assert (
        content["dG0_kcal_mol"] == -34.24 / 4.184 and content["dG0_error_kcal_mol"] == 1.26 / 4.184
    )


def test_status_says_what_is_wrong():
    poor = simple(flags=[OVERLAP, EDGE])
    assert row(binding=simple()).status == "converged"
    assert (
        row(binding=poor).status
        == "not converged: 3 of 14 windows overlap below 0.03 with a neighbour; well"
    )
    assert row(error="Error: a\n  b").status == "Error: a b"
    assert row(pending="12 of 28 segments").status == "pending: 12 of 28 segments"
    assert row(pending="12 of 28 segments", binding=poor).status.startswith(
        "pending: 12 of 28 segments; not converged: 3 of 14"
    )
    assert row().status.startswith("Error: ")


def test_replicas_are_combined_with_the_larger_error():
    agree = combine([simple(-30.0, 2.0), simple(-31.0, 2.0), simple(-32.0, 1.0)]).dG0_kJ_mol
    assert agree.value == pytest.approx(-31.0) and agree.sem == pytest.approx(
        1.3213 / math.sqrt(3), rel=1e-4
    )  # Student, 2 degrees of freedom
    assert agree.error == agree.propagated == pytest.approx(1.0)
    apart = combine(
        [
            simple(-20.0, 1.0, [few(4)]),
            simple(-40.0, 1.0, [few(7)]),
            simple(-30.0, 1.0, [PLATEAU]),
        ]
    )
    assert (
        apart.dG0_kJ_mol.error
        == apart.dG0_kJ_mol.sem
        == pytest.approx(13.213 / math.sqrt(3), rel=1e-4)
    )
    assert [flag.text for flag in apart.flags[:2]] == [
        "2 of 3 replicas: only 4 samples",
        "1 of 3 replicas: no plateau",
    ]
    assert (
        apart.flags[2].text
        == "replicas scatter by ± 7.6 kJ/mol in dG0 where their own errors give ± 0.6"
    )
    assert (apart.replicas, apart.n_windows, apart.sampling_ns) == (3, 42, pytest.approx(8.4))
    assert apart.K_a_nm3.value == pytest.approx(
        math.exp(30 / (8.31446261815324e-3 * 300)) / 0.602214076
    )
    assert math.isnan(combine([simple(), simple(error=math.nan)]).dG0_kJ_mol.error)
    assert combine([simple()]) == simple()


def test_a_ligand_whose_replicas_depend_on_where_they_start_says_so():
    def of(*ends, error=1.0, flags=()):
        rows = [
            row("DA", str(k), binding=simple(dG0, error, flags), path=BACK if k % 2 else OUT)
            for k, dG0 in enumerate(ends)
        ]
        (whole,) = ligand_rows(rows)
        return [flag.text for flag in whole.notes if flag.kind == FlagKind.HYSTERESIS]

    assert (
        of(-30.0) == of(-30.0, -60.0) == []
    )  # two replicas: direction and chance look the same, and the scatter is told
    assert of(-30.0, -32.7, -30.0, -32.7, error=1.5) == []  # two errors of 1.06 and 1.06 are 3.0
    assert of(-30.0, -32.0, -30.0, -32.0, error=0.1) == []  # less than kT
    assert (
        of(-30.0, -36.0, -34.0, -40.0) == []
    )  # scatter within: sqrt(8), 2 degrees of freedom, 4.30 sqrt(8) = 12.2
    assert of(-30.0, -41.9, -34.0, -45.9) == [] and len(of(-30.0, -42.5, -34.0, -46.5)) == 1
    assert (
        of(-30.0, -40.0, -31.0) == [] and len(of(-30.0, -42.0, -31.0)) == 1
    )  # sqrt(0.5), 1: 12.7 sqrt(0.75) = 11.0
    (note,) = of(-30.0, -38.0, -30.2, -38.4)
    assert note.endswith(
        "dG0 is -30.1 ± 0.7 kJ/mol from the way out, -38.2 ± 0.7 from the way back into the pocket"
    )
    assert "-30.1 ± ≥0.7 kJ/mol" in of(-30.0, -38.0, -30.2, -38.4, flags=[BLOCKS])[0]
    rows = list(
        csv.DictReader(
            io.StringIO(
                binding_csv(
                    [row(binding=simple(), path=OUT), row(replica="1", binding=simple(), path=BACK)]
                )
            )
        )
    )
    assert [found["path"] for found in rows] == ["out", "out and back", ""]


def mixed():
    return [
        row("DMDDA", "10", error="OpenMMException: Particle coordinate is NaN"),
        row("DMDDA", "9", binding=simple(-20.0)),
        row(
            "4-CF₃-cinnamate|β",
            binding=simple(math.nan, math.nan, [GAPS], min_overlap=math.nan),
        ),
        row("DDA", pending="12 of 28 segments"),
        row("DA", "0", binding=simple()),
        row("DA", "1", binding=simple(-36.0)),
    ]


def test_csv_round_trip_keeps_every_row_and_every_digit():
    text = binding_csv(mixed())
    rows = list(csv.DictReader(io.StringIO(text)))
    order = [(r["kind"], r["replica"]) for r in rows if r["ligand"] == "DMDDA"]
    assert order == [("run", "9"), ("run", "10"), ("ligand", "mean of 1")]
    assert len(rows) == 6 + 4 and "\r" not in text
    first = next(r for r in rows if r["run_id"] == "run-DA-0")
    assert (
        float(first["dG0_kJ_mol"]) == -34.24
        and float(first["dG0_kcal_mol"]) == -34.24 / 4.184
        and first["pymbar"] == "4.0.3"
    )
    failed = next(r for r in rows if r["run_id"] == "run-DMDDA-10")
    assert (
        failed["dG0_kJ_mol"] == ""
        and failed["status"] == "Error: OpenMMException: Particle coordinate is NaN"
    )
    strange = next(r for r in rows if r["run_id"].startswith("run-4"))
    assert (
        strange["ligand"] == "4-CF₃-cinnamate|β"
        and strange["dG0_kJ_mol"] == strange["min_overlap"] == ""
    )


def test_json_round_trip_has_null_for_nan_and_lists_the_problems():
    content = json.loads(binding_json(mixed()), parse_constant=pytest.fail)
    assert len(content["runs"]) == 6 and len(content["ligands"]) == 4
    strange, da, dda, dmdda = content["ligands"]
    assert (
        "4-CF₃-cinnamate|β" in binding_json(mixed())
        and strange["dG0_kJ_mol"] is None
        and strange["problems"] == ["sampled range has gaps"]
    )
    assert da["dG0_kJ_mol"] == pytest.approx(-35.12) and da["replica"] == "mean of 2"
    assert da["dG0_error_kJ_mol"] == max(
        da["dG0_replica_sem_kJ_mol"], da["dG0_propagated_error_kJ_mol"]
    )
    assert dda["status"] == "pending: 12 of 28 segments"
    assert (
        dmdda["status"]
        == "not converged: 1 of 2 replicas failed (OpenMMException: Particle coordinate is NaN)"
    )


def test_a_ligand_whose_replicas_all_failed_is_an_error_row():
    (only,) = ligand_rows([row("DA", "0", error="no"), row("DA", "1", error="no")])
    assert only.status == "Error: 2 of 2 replicas failed (no)" and only.labels == tuple(
        getattr(only, name) for name in LABELS
    )


def test_markdown_lines_up_and_notes_every_row_that_is_not_converged():
    text = binding_markdown(mixed())
    tables = [block.split("\n") for block in text.split("\n\n") if block.startswith("|")]
    assert [len(table) for table in tables] == [
        4 + 2,
        6 + 2,
        4 + 2,
        6 + 2,
        2 + 2,
        1 + 2,
    ]  # DA and DMDDA have numbers: coverage, exchange
    assert all(len({len(line) for line in table}) == 1 and len(table[0]) < 170 for table in tables)
    assert "CsPbBr3, AX 4x4x2, acetone, bond-increment" in text and "4-CF₃-cinnamate\\|β" in text
    line = next(line for line in tables[1] if line.startswith("| DA ") and "| 0 " in line)
    assert (
        "| -34.2 ± 1.3 " in line
        and "| -8.2 ± 0.3 " in line
        and line.rstrip("| ").endswith("| converged")
    )
    assert (
        "- DMDDA, replica 10: Error: OpenMMException: Particle coordinate is NaN\n" in text
        and "- DA," not in text
    )
    assert "- DMDDA, replica mean of 1: not converged: 1 of 2 replicas failed" in text


def test_every_reason_has_a_line_of_its_own():
    text = binding_markdown([row(binding=simple(flags=[OVERLAP, PLATEAU]))])
    assert "not converged (2 reasons below)" in text
    assert f"replica 0: not converged\n  - {OVERLAP.text}\n  - no plateau\n" in text


def test_text_does_not_depend_on_the_order_of_the_rows():
    for write in (binding_csv, binding_json, binding_markdown):
        assert write(mixed()) == write(mixed()[::-1])
        assert write([]).strip()


def bound(ligand, dG0, error=1.0, kelvin=300.0, mode="cation", **labels):
    b = simple(0.0, error, temperature_K=kelvin)
    return replace(
        row(ligand, binding=replace(b, dG0_kJ_mol=Quantity(dG0, error))),
        temperature_K=f"{kelvin:g}",
        mode=mode,
        **labels,
    )


def test_coverage_is_langmuir_with_the_errors_of_dG0():
    (found,) = find_coverages([bound("DA", -30.0)])
    kT = GAS_CONSTANT * 300.0
    assert (
        found.log10_half.value
        == pytest.approx(-30.0 / kT / math.log(10))
        == pytest.approx(-5.224, abs=0.001)
    )
    assert found.log10_half.error == pytest.approx(1.0 / kT / math.log(10))
    point = next(point for point in found.points if point.concentration_mol_L == 1e-6)
    c, theta, low, high = astuple(point)
    K = math.exp(30.0 / kT)
    assert theta == pytest.approx(K * c / (1 + K * c)) and low < theta < high
    assert high == pytest.approx(1 / (1 + math.exp(-31.0 / kT) / c))
    assert langmuir(1e-12, 5000.0, kT) < 1e-300 and langmuir(1e-12, -5000.0, kT) == 1.0


def test_exchange_only_between_what_competes_for_one_site():
    runs = [
        bound("DA", -30.0, 3.0),
        bound("DDA", -34.0, 4.0),
        bound("oleate", -50.0, mode="anion"),
        bound("MA", -9.0, solvent="toluene"),
    ]
    (found,) = find_exchanges(runs)
    assert (found.stronger.ligand, found.weaker.ligand, found.ddG_kJ_mol) == (
        "DDA",
        "DA",
        Quantity(-4.0, 5.0),
    )
    assert 10**found.log10_K.value == pytest.approx(math.exp(4.0 / (GAS_CONSTANT * 300.0)))
    text = binding_markdown(runs)
    assert "| DDA    | DA         |" in text and "| -4 ± 5       |" in text


def test_enthalpy_by_two_and_by_three_temperatures():
    def line(T):
        return -60.0 + 0.1 * T  # dH = -60 kJ/mol, dS = -0.1 kJ/mol/K

    (two,) = find_enthalpies(
        [bound("DA", line(T), 1.0, T) for T in (280.0, 320.0)] + [bound("DDA", -20.0)]
    )
    assert (
        (two.dH_kJ_mol.value, two.TdS_kJ_mol.value) == pytest.approx((-60.0, -30.0))
        and math.isnan(two.misfit)
        and two.mean_K == 300
    )
    assert two.dH_kJ_mol.error == pytest.approx(
        math.hypot(320, 280) / 40
    )  # of (T2 G1 - T1 G2)/(T2 - T1)
    assert two.TdS_kJ_mol.error == pytest.approx(
        300 * math.sqrt(2) / 40
    )  # of 300 (G1 - G2)/(T2 - T1)
    (three,) = find_enthalpies(
        [
            bound("DA", line(T) + shift, 1.0, T)
            for T, shift in ((280.0, 0), (300.0, 6.0), (320.0, 0))
        ]
    )
    assert (
        three.misfit == pytest.approx(6.0 * math.sqrt(2 / 3), rel=0.01)
        and three.dH_kJ_mol.error < two.dH_kJ_mol.error
    )
    (unknown,) = find_enthalpies([bound("DA", line(T), math.nan, T) for T in (280.0, 320.0)])
    assert unknown.dH_kJ_mol.value == pytest.approx(-60.0) and math.isnan(unknown.dH_kJ_mol.error)


def test_both_errors_are_shown_and_a_bound_on_the_time_says_so():
    runs = [
        row("DA", "0", binding=simple(-30.0, 2.0), path=OUT),
        row("DA", "1", binding=simple(-34.0, 2.0, residence_is_bound=True)),
    ]
    lines = binding_markdown(runs).split("\n")
    assert any("| mean of 2 | -32 ± 4 " in line and "| 1.4, 4 " in line for line in lines)
    assert any("| 0       | out  | -30 ± 2 " in line and "| 2, - " in line for line in lines)
    assert any("| ≤ " in line for line in lines) and any("| +0.3, -0.6 " in line for line in lines)
    content = json.loads(binding_json(runs))
    assert content["runs"][0]["residence_time_s"] == pytest.approx(
        10 ** content["runs"][0]["residence_log10_s"]
    )
    assert content["runs"][0]["k_off_per_s"] * content["runs"][0][
        "residence_time_s"
    ] == pytest.approx(1.0)
    assert (
        content["coverage"]
        and not content["exchange"]
        and content["ligands"][0]["dG0_difference_kJ_mol"] == 0.3
    )


def test_what_is_wrong_with_replicas_is_wrong_with_their_mean():
    notes = [(under(3),), (under(1),), ()]
    rows = [row("DA", str(k), binding=simple(), notes=own) for k, own in enumerate(notes)]
    (mean,) = ligand_rows(rows)
    assert (
        mean.status
        == "not converged: 2 of 3 replicas: the ligand was under the crystal in 3 of 10 windows"
    )
    (mean,) = ligand_rows([*rows, row("DA", "3", error="no")])
    assert mean.status.startswith(
        "not converged: 1 of 4 replicas failed (no); 2 of 4 replicas: the ligand was under"
    )


def test_predictions_from_poor_numbers_say_so():
    poor = [
        replace(
            bound("DA", -30.0 - k, 1.0, 280.0 + 40 * k),
            notes=(BLOCKS,) * (1 - k),
        )
        for k in (0, 1)
    ]
    content, text = json.loads(binding_json(poor)), binding_markdown(poor)
    assert content["enthalpy"][0]["status"] == "not converged: 280 K"
    assert "± ≥" in text[text.index("## Enthalpy") :] and "not converged: 280 K" in text
    assert (
        "| not converged (1 reason below) |"
        in text[text.index("## Coverage") : text.index("## Enthalpy")]
    )
    (unknown,) = find_coverages([bound("DA", -80.0, math.nan)])
    point = next(point for point in unknown.points if point.concentration_mol_L == 1e-6)
    _, theta, low, high = astuple(point)
    assert theta == pytest.approx(1.0, abs=1e-6) and math.isnan(low) and math.isnan(high)
    assert "1 (?)" in binding_markdown([bound("DA", -80.0, math.nan)])
