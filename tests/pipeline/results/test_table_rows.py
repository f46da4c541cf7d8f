"""Rows of runs and of ligands over their replicas: status, means, and what is wrong with them."""

import csv
import io
import math

import pytest

from halobind.pipeline.free_energy.flags import FlagKind
from halobind.pipeline.results.table_rows import BACK, LABELS, OUT, combine, ligand_rows
from halobind.pipeline.results.table_text import binding_csv
from tests.pipeline.results.rows import BLOCKS, EDGE, OVERLAP, PLATEAU, few, row, simple, under


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


def test_a_ligand_whose_replicas_all_failed_is_an_error_row():
    (only,) = ligand_rows([row("DA", "0", error="no"), row("DA", "1", error="no")])
    assert only.status == "Error: 2 of 2 replicas failed (no)" and only.labels == tuple(
        getattr(only, name) for name in LABELS
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
