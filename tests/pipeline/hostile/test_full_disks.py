"""A disk without room, or without inodes, under every verb: one line that says so, and nothing is lost."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.tiny import copy, halobind, products, series

pytestmark = pytest.mark.hostile

DISK_BYTES = 64 * 2**20
LAST_SEGMENT = "runs/*/windows/z+0.100-k50000/seg-001"
VERBS = {
    "run": ["--processes", "1"],
    "table": [],
    "observe": [],
    "export": ["--out", "trajectories"],
    "build": ["--picture"],
    "extend": ["--segments", "1"],
}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """An empty file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    options = f"size={DISK_BYTES},nr_inodes=2000"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("this container may not mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_blocks(disk: Path) -> None:
    """Leave no byte."""
    with pytest.raises(OSError), (disk / "fill").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def fill_inodes(disk: Path) -> None:
    """Leave room, but for no file."""
    (disk / "fill").mkdir()
    with pytest.raises(OSError):
        for number in range(10_000):
            (disk / "fill" / str(number)).touch()


@pytest.mark.parametrize("fill", [fill_blocks, fill_inodes])
@pytest.mark.parametrize("verb", VERBS)
def test_a_full_disk(verb: str, fill, disk: Path, reference: Path) -> None:
    campaign = copy(reference, disk / "c")
    shutil.rmtree(next(campaign.glob(LAST_SEGMENT)))
    shutil.rmtree(campaign / "tables")
    for estimate in campaign.glob("runs/*/estimate-*"):
        shutil.rmtree(estimate)
    fill(disk)
    before = products(campaign)
    done = halobind(verb, "c", *VERBS[verb], cwd=disk)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr and done.stderr.count("\n") <= 12, done.stderr
    words = ("No space left", "free some space", "is the disk full")
    assert any(word in done.stderr for word in words), done.stderr
    assert products(campaign) == before
    for look in ("plan", "status"):
        assert "Traceback" not in halobind(look, "c", cwd=disk).stderr
    shutil.rmtree(disk / "fill") if (disk / "fill").is_dir() else (disk / "fill").unlink()
    again = halobind(verb, "c", *VERBS[verb], cwd=disk)
    assert again.returncode == 0, again.stderr
    assert before.items() <= products(campaign).items()
    assert not [path for path in disk.rglob(".*-*") if path.name != ".locks"]
    if verb == "run":
        assert series(campaign) == series(reference)


@pytest.mark.parametrize("fill", [fill_blocks, fill_inodes])
def test_no_room_for_a_new_campaign(fill, disk: Path) -> None:
    fill(disk)
    done = halobind("new", "c", cwd=disk)
    assert done.returncode == 1
    assert "No space left" in done.stderr and "Traceback" not in done.stderr, done.stderr
