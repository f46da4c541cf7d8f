"""Energies of a table in kcal/mol are the kJ/mol over 4.184, under headers that say so."""

import csv
import io

import pytest

from halobind.pipeline.results.energy_unit import KCAL_PER_MOL, KJ_PER_MOL
from halobind.pipeline.results.table_text import binding_csv, binding_markdown, prediction_files
from tests.pipeline.results.rows import bound, mixed


def lines(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_record_in_kJ_stays() -> None:
    record = {"ligand": "DA", "dG0_kJ_mol": -34.24}
    assert KJ_PER_MOL.record(record) == record


def test_headers_and_cells_change_together_and_nothing_is_there_twice() -> None:
    in_kJ = binding_csv(mixed())
    in_kcal = binding_csv(mixed(), KCAL_PER_MOL)
    headers = in_kcal.split("\n")[0].split(",")
    assert len(set(headers)) == len(headers)
    assert not [header for header in headers if "kJ" in header]
    assert {header.replace("kJ", "kcal") for header in in_kJ.split("\n")[0].split(",")} == set(
        headers
    )
    for before, after in zip(lines(in_kJ), lines(in_kcal), strict=True):
        for header in ("dG0", "dG0_error", "well_depth", "desorption_barrier"):
            if before[f"{header}_kJ_mol"]:
                expected = float(before[f"{header}_kJ_mol"]) / 4.184
                assert float(after[f"{header}_kcal_mol"]) == pytest.approx(expected, rel=1e-14)
        assert before["z_min_nm"] == after["z_min_nm"] and before["status"] == after["status"]


def test_the_readable_table_and_the_predictions_follow() -> None:
    rows = [bound("DA", -30.0), bound("DDA", -20.0)]
    text = binding_markdown(rows, KCAL_PER_MOL)
    assert "kJ/mol" not in text and text.count("dG0 (kcal/mol)") == 1
    assert "-7.2 ± 0.2" in text and "-2.4 ± 0.3" in text
    (exchange,) = lines(prediction_files(rows, KCAL_PER_MOL)["exchange.csv"])
    assert float(exchange["ddG_kcal_mol"]) == pytest.approx(-10 / 4.184)
