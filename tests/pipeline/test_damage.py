"""What can go wrong with a campaign: failures, a full disk, edited and damaged files, odd
surroundings. Nothing is lost, all is named.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from halobind.pipeline.commands.cli import main
from tests.pipeline.tiny import (
    PATIENCE_S,
    SEGMENT_PS,
    copy,
    edited,
    halobind,
    halobind_here,
    new,
    products,
    put,
    series,
    tables,
)
from tests.rings import one_of_each_kind


def test_a_failure_is_a_row_and_can_be_retried(reference: Path, tmp_path: Path) -> None:
    campaign = copy(reference, tmp_path / "c")
    window = next(campaign.glob("runs/*/windows/z+0.100-k50000"))
    start = window / "seg-000" / "state.xml"
    shutil.rmtree(window / "seg-001")
    good = start.read_text()
    start.write_text(good.replace('x="', 'x="9e99', 3))
    failed = halobind_here("run", str(campaign), "--processes", "1")
    assert failed.returncode == 1
    assert "windows/z+0.100-k50000/seg-001" in failed.stderr and "--retry" in failed.stderr
    row = json.loads((campaign / "tables" / "binding.json").read_text())["runs"][0]
    assert row["status"].startswith("Error: windows/z+0.100-k50000/seg-001: ")
    record = json.loads(next(campaign.glob("runs/*/failures/*/error.json")).read_text())
    assert record["traceback"] and record["host"] and record["versions"]["openmm"]
    assert "failed (1)" in halobind_here("status", str(campaign)).stdout
    again = halobind_here(
        "run", str(campaign), "--processes", "1"
    )  # not tried again without being asked to
    assert again.returncode == 1 and len(list(campaign.glob("runs/*/failures/*"))) == 1
    start.write_text(good)
    fixed = halobind_here("run", str(campaign), "--retry", "--processes", "1")
    assert fixed.returncode == 0, fixed.stderr
    assert series(campaign) == series(reference) and tables(campaign) == tables(reference)


def test_an_edited_system_is_refused(reference: Path, tmp_path: Path) -> None:
    campaign = copy(reference, tmp_path / "c")
    system = next(campaign.glob("runs/*/system/system.xml"))
    system.write_text(system.read_text().replace('q=".', 'q="1.', 1))
    shutil.rmtree(next(campaign.glob("runs/*/windows/z+0.100-k50000/seg-001")))
    done = halobind_here("run", str(campaign), "--processes", "1")
    assert done.returncode == 1
    assert "system.xml was edited" in done.stderr and "Traceback" not in done.stderr


def test_a_full_disk_loses_nothing(reference: Path, tmp_path: Path) -> None:
    """Writes beyond a file-size limit fail as they do on a full disk."""
    campaign = copy(reference, tmp_path / "c")
    shutil.rmtree(next(campaign.glob("runs/*/windows/z+0.100-k50000/seg-001")))
    before = products(campaign)

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    done = halobind("run", str(campaign), "--processes", "1", preexec_fn=small_files)
    assert done.returncode == 1
    assert (
        "File too large" in done.stderr
        and "what was published is kept" in done.stderr
        and "Traceback" not in done.stderr
    )
    assert products(campaign) == before and not list(campaign.glob("runs/*/failures/*"))
    assert halobind_here("run", str(campaign), "--processes", "1").returncode == 0
    assert series(campaign) == series(reference)


def test_a_platform_that_is_not_there_is_refused(reference: Path, tmp_path: Path) -> None:
    campaign = new(tmp_path / "c")
    done = halobind_here("run", str(campaign), "--platform", "HIP")
    assert done.returncode == 1
    assert (
        "platform HIP cannot be used here" in done.stderr
        and "Working here: " in done.stderr
        and "CPU" in done.stderr
    )
    assert not (campaign / "runs").exists()


@pytest.mark.parametrize(
    "locale", one_of_each_kind(["de_DE.UTF-8", "tr_TR.UTF-8", "C"], default=["C"])
)
def test_an_odd_locale_changes_nothing(reference: Path, tmp_path: Path, locale: str) -> None:
    campaign = copy(reference, tmp_path / "c")
    shutil.rmtree(campaign / "tables")
    shutil.rmtree(next(campaign.glob("runs/*/estimate-*")))
    done = halobind(
        "table",
        str(campaign),
        env=os.environ | {"LC_ALL": locale, "LANG": locale, "PYTHONUTF8": "0"},
    )
    assert done.returncode == 0, done.stderr
    assert tables(campaign) == tables(reference)


@pytest.mark.parametrize(
    "damage", one_of_each_kind(["cv.npy", "segment.json", "empty"], default=["cv.npy"])
)
def test_a_damaged_segment_is_named_in_the_table_and_can_be_made_again(
    reference: Path, tmp_path: Path, damage: str
) -> None:
    campaign = copy(reference, tmp_path / "c")
    segment = next(campaign.glob("runs/*/windows/z+0.100-k50000/seg-001"))
    for path in segment.iterdir():
        if damage == "empty":
            path.unlink()
        elif path.name == damage:
            path.write_bytes(path.read_bytes()[:20])
    done = halobind_here("table", str(campaign))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    row = json.loads((campaign / "tables" / "binding.json").read_text())["runs"][0]
    assert (
        row["status"].startswith("Error: ")
        and str(segment) in row["status"]
        and "is damaged" in row["status"]
    )
    for verb in ("plan", "status"):
        assert halobind_here(verb, str(campaign)).returncode == 0
    shutil.rmtree(segment)
    assert halobind_here("run", str(campaign), "--processes", "1").returncode == 0
    assert series(campaign) == series(reference) and tables(campaign) == tables(reference)


def test_a_damaged_state_is_a_failure_of_what_starts_there(reference: Path, tmp_path: Path) -> None:
    campaign = copy(reference, tmp_path / "c")
    window = next(campaign.glob("runs/*/windows/z+0.100-k50000"))
    (window / "seg-000" / "state.xml").unlink()
    shutil.rmtree(window / "seg-001")
    shutil.rmtree(window.with_name("z+0.300-k50000") / "seg-001")
    done = halobind_here("run", str(campaign), "--processes", "1")
    assert done.returncode == 1 and f"{window / 'seg-000'} is damaged" in done.stderr
    assert (
        window.with_name("z+0.300-k50000") / "seg-001"
    ).is_dir()  # the rest of the campaign went on
    shutil.rmtree(window / "seg-000")
    assert halobind_here("run", str(campaign), "--retry", "--processes", "1").returncode == 0
    assert series(campaign) == series(reference)


def test_other_recording_intervals_can_be_mixed(reference: Path, tmp_path: Path) -> None:
    campaign = copy(reference, tmp_path / "c")
    more = edited(
        ("segments = 2", "segments = 3"),
        ("record_ps = 0.02", "record_ps = 0.04"),
        ("frame_ps = 0.1", "frame_ps = 0.2"),
    )
    (campaign / "campaign.toml").write_text(more)
    done = halobind_here("run", str(campaign), "--processes", "1")
    assert done.returncode == 0, done.stderr
    row = json.loads((campaign / "tables" / "binding.json").read_text())["runs"][0]
    assert row["sampling_ns"] == pytest.approx(4 * 3 * float(SEGMENT_PS) / 1000)


def test_modules_of_the_current_directory_are_not_imported(reference: Path, tmp_path: Path) -> None:
    campaign = copy(reference, tmp_path / "c")
    shutil.rmtree(next(campaign.glob("runs/*/windows/z+0.100-k50000/seg-001")))
    (tmp_path / "json.py").write_text("raise RuntimeError('shadowed')")
    script = (
        "import sys; from halobind.pipeline.commands.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, "run", "c", "--processes", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    assert series(campaign) == series(reference)


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("run.json", "directory"),
        ("run.json", "pipe"),
        ("system/system.xml", "pipe"),
        ("system/audit.json", "directory"),
    ],
)
def test_what_is_no_file_is_named_before_anything_is_made(
    reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, kind: str
) -> None:
    campaign = copy(reference, tmp_path / "c")
    path = next((campaign / "runs").iterdir()) / file
    put(path, kind)
    assert main(["plan", str(campaign)]) == 1
    errors = capsys.readouterr().err
    assert path.name in errors and "is not a file" in errors and "Errno" not in errors
