"""No row and no digit is lost on the way to the files, and every reason is told."""

import csv
import io
import json
import math
from dataclasses import astuple, replace

import pytest

from halobind.pipeline.results.ligand_exchange import find_coverages
from halobind.pipeline.results.table_rows import OUT
from halobind.pipeline.results.table_text import binding_csv, binding_json, binding_markdown
from halobind.pipeline.results.text_tables import rounded
from tests.pipeline.results.rows import BLOCKS, OVERLAP, PLATEAU, bound, mixed, row, simple


def test_kcal_comes_from_the_unrounded_number():
    assert rounded(-34.24, 1.26, 1 / 4.184) == "-8.2 ± 0.3"
    content = json.loads(binding_json([row(binding=simple())]))["runs"][0]
    assert (
        content["dG0_kcal_mol"] == -34.24 / 4.184 and content["dG0_error_kcal_mol"] == 1.26 / 4.184
    )


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
