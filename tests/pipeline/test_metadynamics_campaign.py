"""A tiny real campaign by metadynamics through the command line: whole, killed, damaged."""

import csv
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from tests.pipeline.tiny import HALOBIND, SEGMENT_PS, copy, edited, halobind_here, new

WINDOWS = "[windows]\nspacing_nm = 0.1\nk_kJ_mol_nm2 = 50000.0"
METADYNAMICS = """[metadynamics]
walkers = 2
bias_factor = 100.0
height_kJ_mol = 20.0
width_nm = 0.03
deposit_ps = 0.02"""
TEXT = edited(
    (WINDOWS, METADYNAMICS),
    ("segments = 2", 'method = "metadynamics"\nsegments = 3'),
    (f"segment_ps = {SEGMENT_PS}", "segment_ps = 0.4"),
)
WALKER = "metadynamics/walker-{}-b100-h20-w0.03-d0.02-k5000"


def found(campaign: Path, name: str) -> dict[str, bytes]:
    """The content of every such file of every published segment."""
    paths = campaign.glob(f"runs/*/metadynamics/*/seg-*/{name}")
    return {str(path.relative_to(campaign)): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The campaign, in a directory whose name is not ASCII, done by one process without a stop."""
    campaign = new(tmp_path_factory.mktemp("walkers-müller-ü"), TEXT)
    done = halobind_here("run", str(campaign), "--processes", "1", "--platform", "CPU")
    assert done.returncode == 0, done.stderr
    return campaign


def test_every_segment_of_every_walker_is_there(reference: Path) -> None:
    run = next((reference / "runs").iterdir())
    names = {str(path.relative_to(run)) for path in run.glob("metadynamics/*/*")}
    assert names == {f"{WALKER.format(w)}/seg-{s:03d}" for w in range(2) for s in range(3)}
    assert not (run / "windows").exists()
    for walker, start in ((0, 0.0), (1, 0.3)):
        folders = [run / WALKER.format(walker) / f"seg-{s:03d}" for s in range(3)]
        heights = [np.load(folder / "cv.npy")[:, 0] for folder in folders]
        assert [len(z) for z in heights] == [20] * 3 and heights[0][0] == pytest.approx(
            start, abs=0.1
        )
        bias = [np.load(folder / "bias.npy") for folder in folders]
        volumes = [b.sum() for b in bias]
        assert volumes == sorted(volumes) and volumes[0] > 0
        assert [np.load(folder / "push.npy").shape for folder in folders] == [(20,)] * 3
        assert all(
            (folder / "frames.dcd").exists() and (folder / "state.xml").exists()
            for folder in folders
        )


def test_the_table_names_the_method(reference: Path) -> None:
    rows = list(csv.DictReader((reference / "tables" / "binding.csv").open(encoding="utf-8")))
    assert rows[0]["surface"] == "slab AX 3x3x1 intact, metadynamics" and rows[0][
        "status"
    ].startswith("not converged: ")
    assert float(rows[0]["sampling_ns"]) == pytest.approx(2 * 3 * 0.4 / 1000)
    assert np.isfinite(float(rows[0]["dG0_kJ_mol"])) and float(rows[0]["dG0_error_kJ_mol"]) > 0
    readable = (reference / "tables" / "binding.md").read_text(encoding="utf-8")
    assert "metadynamics" in readable and "nan" not in readable


def test_killed_in_a_segment_and_resumed_it_is_the_same_campaign(
    reference: Path, tmp_path: Path
) -> None:
    campaign = copy(reference, tmp_path / "c")
    run = next((campaign / "runs").iterdir())
    shutil.rmtree(run / WALKER.format(1))
    for lost in (
        run / WALKER.format(0) / "seg-001",
        run / WALKER.format(0) / "seg-002",
        next(run.glob("estimate-*")),
    ):
        shutil.rmtree(lost)
    process = subprocess.Popen(
        [*HALOBIND, "run", str(campaign), "--platform", "CPU"],
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not list((run / WALKER.format(1)).glob(".seg-*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert (
        found(campaign, "bias.npy").items() < found(reference, "bias.npy").items()
    )  # something was lost, nothing is half there
    done = halobind_here("run", str(campaign), "--platform", "CPU", "--processes", "2")
    assert done.returncode == 0, done.stderr
    for name in ("bias.npy", "push.npy", "cv.npy"):
        assert found(campaign, name) == found(reference, name)
    assert (campaign / "tables" / "binding.csv").read_text() == (
        reference / "tables" / "binding.csv"
    ).read_text()


def test_a_lost_force_is_named(reference: Path, tmp_path: Path) -> None:
    campaign = copy(reference, tmp_path / "c")
    segment = next((campaign / "runs").iterdir()) / WALKER.format(0) / "seg-001"
    (segment / "push.npy").unlink()
    assert halobind_here("table", str(campaign)).returncode == 1
    row = json.loads((campaign / "tables" / "binding.json").read_text())["runs"][0]
    assert (
        row["status"].startswith("Error: ")
        and str(segment) in row["status"]
        and "is damaged" in row["status"]
    )
