"""`halobind status` looks and leaves everything as it is."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from halobind.pipeline.commands.cli import main
from halobind.pipeline.workflow.checks import open_campaign

READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'


def can_mount() -> bool:
    """Whether this process may mount a directory of its own."""
    unshare = shutil.which("unshare")
    return (
        unshare is not None
        and os.geteuid() == 0
        and subprocess.run([unshare, "-m", "true"], capture_output=True).returncode == 0
    )


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A campaign with the lock files that a run leaves behind."""
    folder = tmp_path / "demo"
    assert main(["new", str(folder), "--from", "demo"]) == 0
    for run in open_campaign(folder).runs:
        for product in ("prepare", "windows/z+0.000-k3000"):
            run.lock(product).parent.mkdir(parents=True, exist_ok=True)
            run.lock(product).touch()
    return folder


def test_nothing_is_written(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in begun.rglob("*")}
    assert main(["status", str(begun)]) == 0
    assert "waiting" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in begun.rglob("*")} == before


@pytest.mark.skipif(not can_mount(), reason="needs root and unshare, to mount read-only")
def test_a_read_only_mount(begun: Path) -> None:
    status = [sys.executable, "-m", "halobind", "status", str(begun)]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", READ_ONLY, "sh", str(begun), *status],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "waiting" in done.stdout
