"""From segments on disk to the tables and the picture, with heights drawn from known landscapes."""

import json
import math
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from halobind.jobs.publish import scratches
from halobind.pipeline.campaign.run_directory import CampaignRuns, Run
from halobind.pipeline.free_energy import estimators
from halobind.pipeline.free_energy.constants import GAS_CONSTANT
from halobind.pipeline.free_energy.samples import EstimateError
from halobind.pipeline.results.publish import make_table, publish_table
from tests.pipeline.results.synthetic import DEPTHS, campaign, table


def test_every_run_is_a_row_and_every_file_is_there(published: tuple[Path, list[Run], str]) -> None:
    folder, runs, text = published
    names = {
        "binding.csv",
        "binding.json",
        "binding.md",
        "binding.tex",
        "coverage.csv",
        "exchange.csv",
        "enthalpy.csv",
        "pmf.png",
    }
    assert {path.name for path in (folder / "tables").iterdir()} == names and all(
        name in text for name in names
    )
    assert (folder / "tables" / "pmf.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    rows = [row for row in table(folder / "tables" / "binding.csv") if row["kind"] == "run"]
    assert len(rows) == len(runs) == 4
    for row in rows:
        depth = DEPTHS[row["ligand"]] - 0.05 * (float(row["temperature_K"]) - 300)
        assert float(row["well_depth_kJ_mol"]) == pytest.approx(-depth, abs=2.5)
        assert float(row["penetration_nm"]) == pytest.approx(
            -0.1, abs=0.01
        )  # 0.1 nm above the plane
        assert (
            abs(float(row["dG0_difference_kJ_mol"])) < 1.5 and row["residence_is_bound"] == "True"
        )  # independent heights: g = 1


def test_the_folder_of_an_estimate_says_what_it_came_from(
    published: tuple[Path, list[Run], str],
) -> None:
    run = published[1][0]
    (folder,) = run.folder.glob("estimate-*")
    assert {path.name for path in folder.iterdir()} == {
        "pmf.csv",
        "windows.csv",
        "overlap.csv",
        "convergence.csv",
        "binding.json",
    }
    windows, curve, parts = (
        table(folder / f"{name}.csv") for name in ("windows", "pmf", "convergence")
    )
    assert (
        len(windows) == 26
        and {row["series"] for row in windows} == {"1"}
        and {row["recorded"] for row in windows} == {"300"}
    )
    assert all(
        int(row["samples"]) == 300 - max(60, int(row["equilibrated_from"])) for row in windows
    )
    assert set(curve[0]) == {
        "z_nm",
        "W_kJ_mol",
        "W_error_kJ_mol",
        "W_WHAM_kJ_mol",
        "W_umbrella_integration_kJ_mol",
    }
    assert [float(row["fraction"]) for row in parts] == pytest.approx(np.arange(1, 11) / 10)


def test_exchange_constants_are_between_ligands_at_one_temperature(
    published: tuple[Path, list[Run], str],
) -> None:
    tables = published[0] / "tables"
    ligands = {
        (row["ligand"], float(row["temperature_K"])): row
        for row in table(tables / "binding.csv")
        if row["kind"] == "ligand"
    }
    found = table(tables / "exchange.csv")
    assert [(row["ligand"], row["instead_of"], row["temperature_K"]) for row in found] == [
        ("DA", "DDA", "280"),
        ("DA", "DDA", "320"),
    ]
    for row in found:
        kelvin = float(row["temperature_K"])
        a, b = ligands["DA", kelvin], ligands["DDA", kelvin]
        ddG = float(a["dG0_kJ_mol"]) - float(b["dG0_kJ_mol"])
        assert float(row["ddG_kJ_mol"]) == pytest.approx(ddG)
        assert float(row["log10_K_exchange"]) == pytest.approx(
            -ddG / (GAS_CONSTANT * kelvin * math.log(10))
        )
        error = math.hypot(float(a["dG0_error_kJ_mol"]), float(b["dG0_error_kJ_mol"]))
        assert float(row["log10_K_exchange_error"]) == pytest.approx(
            error / (GAS_CONSTANT * kelvin * math.log(10))
        )


def test_enthalpy_is_that_of_the_landscape(published: tuple[Path, list[Run], str]) -> None:
    """The depth falls with temperature, so that dH is near the depth at 0 K, deeper than any dG0."""
    for row in table(published[0] / "tables" / "enthalpy.csv"):
        assert row["temperatures_K"] == "280 320"
        exact = -DEPTHS[row["ligand"]] - 15.0
        assert (
            abs(float(row["dH_kJ_mol"]) - exact) < 3 * float(row["dH_error_kJ_mol"])
            and 2 < float(row["dH_error_kJ_mol"]) < 40
        )


def test_a_solver_that_fails_is_an_error_row_and_stale_predictions_go(
    published: tuple[Path, list[Run], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(published[0], tmp_path / "copy")
    settings = campaign(estimate={"n_bootstrap": 21})

    def fail(*_: object) -> None:
        raise EstimateError("WHAM did not converge: probabilities sum to 1 within 0.3 only")

    monkeypatch.setitem(estimators.ESTIMATORS, "WHAM", fail)
    runs = [Run(tmp_path / "copy" / "runs" / run.id, run.spec) for run in published[1][:1]]
    opened = CampaignRuns(tmp_path / "copy", settings, runs)
    made = make_table(opened)
    publish_table(made, opened)
    error = "Error: WHAM did not converge: probabilities sum to 1 within 0.3 only"
    assert not made.sound and str(made).count(error) == 1
    rows = table(tmp_path / "copy" / "tables" / "binding.csv")
    assert [row["dG0_kJ_mol"] for row in rows] == ["", ""] and all(
        row["status"].startswith("Error: ") for row in rows
    )
    assert not (tmp_path / "copy" / "tables" / "exchange.csv").exists()


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (
            [[0.5], [0.6]],
            (
                "solvent fills the pocket in 25 of 26 windows and never enters it in 1: where it"
                " changes places with the head"
            ),
        ),
        ([[0.5], [0.2]], ""),
        ([[0.1], [0.2]], ""),
        ([[], []], ""),
    ],
)
def test_solvent_that_never_changes_places_with_the_head_is_in_the_notes(
    second: list[list[float]], expected: str, published: tuple[Path, list[Run], str], tmp_path: Path
) -> None:
    source = published[1][0]
    shutil.copytree(source.folder, tmp_path / "runs" / source.id)
    run = Run(tmp_path / "runs" / source.id, source.spec)
    for segment, distance in zip(run.segments(run.window_chains()[1]), second, strict=True):
        record = json.loads((segment / "segment.json").read_text())
        (segment / "segment.json").write_text(json.dumps(record | {"solvent_nm": distance}))
    text = str(make_table(CampaignRuns(tmp_path, campaign(), [run])))
    assert expected in text and ("fills the pocket" in text) == bool(expected)


@pytest.mark.parametrize(
    ("between", "told"), [([0.1, 0.2], True), ([0.2, 0.4], False), ([0.4, 0.5], True)]
)
def test_an_ion_pair_that_forms_in_no_window_is_in_the_notes(
    between: list[float], told: bool, published: tuple[Path, list[Run], str], tmp_path: Path
) -> None:
    source = published[1][0]
    shutil.copytree(source.folder, tmp_path / "runs" / source.id)
    run = Run(tmp_path / "runs" / source.id, source.spec)
    for number, chain in enumerate(run.window_chains()):
        for segment, shift in zip(
            run.segments(chain),
            between if number == 9 else [0.1, 0.1] if number < 9 else [0.4, 0.4],
            strict=True,
        ):
            record = json.loads((segment / "segment.json").read_text())
            record["slab"]["partner_shift_nm"] = [shift]
            (segment / "segment.json").write_text(json.dumps(record))
    text = str(make_table(CampaignRuns(tmp_path, campaign(), [run])))
    away = 16 + (between[0] > 0.3)
    expected = (
        f"the ion that leaves with the head is out of its place in {away} of 26 windows and stays"
        f" there in {26 - away}: "
    )
    assert (expected in text) == told and ("the ion that leaves" in text) == told


@pytest.mark.parametrize(
    ("intact_nm", "expected"),
    [
        (0.0, "a metal stayed short of halides that it was built with in 1 of 26"),
        (0.15, "leaned on the wall that keeps it there in 2 of 26"),
    ],
)
def test_what_lasts_is_in_the_notes(
    intact_nm: float, expected: str, published: tuple[Path, list[Run], str], tmp_path: Path
) -> None:
    """One metal short of halides, or one ion beyond its wall, in two segments; once, or another one
    the next time, is thermal motion.
    """
    source = published[1][0]
    shutil.copytree(source.folder, tmp_path / "runs" / source.id)
    coordinate = source.spec.coordinate.model_copy(update={"intact_nm": intact_nm})
    run = Run(
        tmp_path / "runs" / source.id, source.spec.model_copy(update={"coordinate": coordinate})
    )
    metals = ([[5], [5, 6]], [[5], []], [[5], [6]])
    shifts = ([[0.16, 0.1], [0.2, 0.1]], [[0.1, 0.16], [0.1, 0.16]], [[0.1, 0.3], [0.3, 0.1]])
    for chain, short, site in zip(run.window_chains(), metals, shifts, strict=False):
        for segment, metal, shift in zip(run.segments(chain), short, site, strict=True):
            record = json.loads((segment / "segment.json").read_text())
            record["slab"] |= {"short_metals": metal, "site_shift_nm": shift}
            (segment / "segment.json").write_text(json.dumps(record))
    text = str(make_table(CampaignRuns(tmp_path, campaign(), [run])))
    assert (
        expected in text
        and ("short of halides" in text) == (intact_nm == 0)
        and ("leaned" in text) == (intact_nm > 0)
    )


KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
from halobind.jobs.publish import publishing, write_atomic
def publish(target):
    with publishing(target):
        pass
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
target = Path(sys.argv[1])
"""


def test_scratch_of_a_killed_writer_is_removed(
    published: tuple[Path, list[Run], str], tmp_path: Path
) -> None:
    source = published[1][0]
    shutil.copytree(source.folder, tmp_path / "runs" / source.id)
    run = Run(tmp_path / "runs" / source.id, source.spec)
    (estimate,) = run.folder.glob("estimate-*")
    shutil.rmtree(estimate)
    binding = tmp_path / "tables" / "binding.csv"
    binding.parent.mkdir()
    for target, publish in (
        (binding, "write_atomic(target, 'half')"),
        (estimate, "publish(target)"),
    ):
        killed = subprocess.run([sys.executable, "-c", KILLED_WRITER + publish, str(target)])
        assert killed.returncode == -signal.SIGKILL
    (half_table,) = scratches(binding)
    (half_estimate,) = scratches(estimate)
    opened = CampaignRuns(tmp_path, campaign(), [run])
    publish_table(make_table(opened), opened)
    assert not half_table.exists() and not half_estimate.exists() and estimate.is_dir()
