"""A tiny real campaign through the command line: whole, in parts, extended, with replicas and with
exchange.
"""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.pipeline.tiny import (
    CAMPAIGN,
    SEGMENT_PS,
    copy,
    copy_prepared,
    edited,
    halobind_here,
    new,
    products,
    series,
    tables,
)


def test_every_product_is_there(reference: Path) -> None:
    run = next((reference / "runs").iterdir())
    names = {name.removeprefix(f"runs/{run.name}/") for name in products(reference)}
    expected = {
        "build",
        "system",
        "equilibrate/00-warm",
        "equilibrate/01-npt",
        "equilibrate/02-npt",
        "equilibrate/03-nvt",
    }
    expected |= {f"pull/{k:03d}-z+0.{k}00" for k in range(4)}
    expected |= {f"windows/z+0.{k}00-k50000/seg-{s:03d}" for k in range(4) for s in range(2)}
    assert names - {n for n in names if n.startswith("estimate-")} == expected
    assert not list(run.rglob(".*.*-*")) and not (run / "failures").exists()
    record = json.loads((run / "run.json").read_text())
    assert (
        record["id"] == run.name
        and record["versions"]["openmm"]
        and len(record["forcefield_files"]) == 3
    )


def test_the_coordinate_follows_its_windows(reference: Path) -> None:
    for k in range(4):
        parts = [
            np.load(path)
            for path in sorted(reference.glob(f"runs/*/windows/z+0.{k}00-k50000/seg-*/cv.npy"))
        ]
        assert [part.shape for part in parts] == [(10, 2), (10, 2)]
        assert np.concatenate(parts)[:, 0].mean() == pytest.approx(0.1 * k, abs=0.03)


def test_segments_say_what_they_are(reference: Path) -> None:
    for path in reference.glob("runs/*/windows/*/seg-*/segment.json"):
        record = json.loads(path.read_text())
        assert record["slab"]["displaced"] == 0
        assert record["platform"] == "CPU" and 150 < record["temperature_K"] < 450
        assert set(record["energy_kJ_mol"]) == {
            "bonded",
            "nonbonded",
            "ion pairs",
            "slab restraint",
            "bias",
        }


def test_the_table_is_honest(reference: Path) -> None:
    rows = list(csv.DictReader((reference / "tables" / "binding.csv").open(encoding="utf-8")))
    assert [row["kind"] for row in rows] == ["run", "ligand"]
    assert rows[0]["status"].startswith("not converged: ") and rows[0]["ligand"] == "DA"
    assert float(rows[0]["sampling_ns"]) == pytest.approx(4 * 2 * float(SEGMENT_PS) / 1000)
    assert np.isfinite(float(rows[0]["dG0_kJ_mol"])) and float(rows[0]["dG0_error_kJ_mol"]) > 0
    readable = (reference / "tables" / "binding.md").read_text(encoding="utf-8")
    assert "not converged" in readable and " ± " in readable


def test_the_second_replica_starts_on_the_way_back_into_the_pocket(
    reference: Path, tmp_path: Path
) -> None:
    campaign = copy(reference, tmp_path / "c")
    new(campaign, edited(("segments = 2", "segments = 1\nreplicas = 2")))
    done = halobind_here("run", str(campaign), "--processes", "1", "--platform", "CPU")
    assert done.returncode == 0, done.stderr
    out, back = sorted((campaign / "runs").iterdir())
    assert not list(out.glob("pull/back*")) and len(list(back.glob("pull/*"))) == 7
    assert np.load(back / "pull/back-000-z+0.000/cv.npy")[-1, 0] == pytest.approx(0.0, abs=0.05)
    for run, prefix in ((out, ""), (back, "back-")):
        starts = [
            json.loads((run / f"windows/z+0.{k}00-k50000/seg-000/segment.json").read_text())[
                "start"
            ]["from"]
            for k in range(4)
        ]
        assert starts == [f"pull/{prefix if k < 3 else ''}{k:03d}-z+0.{k}00" for k in range(4)]
    rows = list(csv.DictReader((campaign / "tables" / "binding.csv").open(encoding="utf-8")))
    assert [(row["replica"], row["path"]) for row in rows] == [
        ("0", "out"),
        ("1", "out and back"),
        ("mean of 2", ""),
    ]
    assert "hysteresis is not tested" not in rows[2]["status"]


def test_second_run_has_nothing_to_do(reference: Path, tmp_path: Path) -> None:
    campaign = copy(reference, tmp_path / "c")
    before = products(campaign)
    done = halobind_here("run", str(campaign))
    assert (
        done.returncode == 0
        and products(campaign) == before
        and tables(campaign) == tables(reference)
    )


def test_prepared_first_cut_by_the_wall_time_and_done_in_parts_it_is_the_same_campaign(
    reference: Path, tmp_path: Path
) -> None:
    campaign = new(tmp_path / "c")
    run = ("run", str(campaign), "--processes", "1")
    prepared = halobind_here(*run, "--prepare")
    assert prepared.returncode == 0 and "10 of 18 products are published" in prepared.stderr, (
        prepared.stderr
    )
    assert not list(campaign.glob("runs/*/windows")) and not (campaign / "tables").exists()
    cut = halobind_here(*run, "--walltime", "0:00:00")
    assert cut.returncode == 0 and "10 of 18 products are published" in cut.stderr, cut.stderr
    assert not list(campaign.glob("runs/*/windows/*/*"))
    shutil.rmtree(next(campaign.glob("runs/*/pull/003-*")))  # a part prepares what is missing too
    first = halobind_here(*run, "--part", "1/2")
    assert first.returncode == 0, first.stderr
    mine = {name.split("/")[3] for name in products(campaign) if "/windows/" in name}
    assert mine == {"z+0.000-k50000", "z+0.200-k50000"}
    assert "pending: 4 of 8 segments" in first.stdout
    before = products(campaign)
    second = halobind_here(*run, "--part", "2/2")
    assert second.returncode == 0, second.stderr
    assert before.items() <= products(campaign).items()
    assert series(campaign) == series(reference) and tables(campaign) == tables(reference)


def test_more_segments_continue_the_same_run(reference: Path, tmp_path: Path) -> None:
    campaign = copy(reference, tmp_path / "c")
    before = products(campaign)
    (campaign / "campaign.toml").write_text(CAMPAIGN.replace("segments = 2", "segments = 3"))
    done = halobind_here("run", str(campaign), "--processes", "1")
    assert done.returncode == 0, done.stderr
    new_ones = {
        name.rsplit("/", 1)[1]
        for name in products(campaign).keys() - before.keys()
        if "windows" in name
    }
    assert new_ones == {"seg-002"} and before.items() <= products(campaign).items()


def test_exchanging_windows_and_rounds_survive_what_can_happen(
    reference: Path, tmp_path: Path
) -> None:
    """Two windows a process that swap, and one round; lost segments come back bit for bit, made
    together with their neighbour.
    """
    text = edited(
        ("max_rounds = 0", "max_rounds = 1\nexchange_group = 2"),
        ("spacing_nm = 0.1\nk_kJ_mol_nm2 = 50000.0", "spacing_nm = 0.1\nk_kJ_mol_nm2 = 1000.0"),
        (f"segment_ps = {SEGMENT_PS}", "segment_ps = 1.04"),
        ("record_ps = 0.02", "record_ps = 0.04"),
        ("frame_ps = 0.1", "frame_ps = 0.52"),
    )
    campaign = copy_prepared(reference, tmp_path / "c", text)
    done = halobind_here("run", str(campaign), "--processes", "1", "--platform", "CPU")
    assert done.returncode == 0, done.stderr
    windows = next(campaign.glob("runs/*/windows"))
    record = json.loads((windows / "z+0.000-k1000" / "seg-001" / "segment.json").read_text())
    assert (
        record["exchange"]["members"] == [f"windows/z+0.{k}00-k1000/seg-001" for k in (0, 1)]
        and record["exchange"]["attempts"] == 1
    )
    first = json.loads((windows / "z+0.100-k1000" / "seg-000" / "segment.json").read_text())
    assert first["start"]["from"] == "pull/001-z+0.100" and first["exchange"]["walkers"] == [
        "windows/z+0.000-k1000",
        "windows/z+0.100-k1000",
    ]
    assert (
        len(np.load(windows / "z+0.000-k1000" / "seg-001" / "walkers.npy"))
        == len(np.load(windows / "z+0.000-k1000/seg-001/cv.npy"))
        == 26
    )
    kinds = [
        json.loads(path.read_text())["kind"]
        for path in sorted(windows.parent.glob("rounds/*/round.json"))
    ]
    assert kinds in (["end"], ["windows", "end"])
    status = halobind_here("status", str(campaign)).stdout
    assert (
        "exchange z+0.000-k1000 to z+0.100-k1000: " in status and "of the swaps accepted" in status
    )
    before = series(campaign)
    shutil.rmtree(windows / "z+0.100-k1000" / "seg-001")
    again = halobind_here("run", str(campaign), "--processes", "1", "--platform", "CPU")
    assert again.returncode == 0, again.stderr
    assert series(campaign) == before
