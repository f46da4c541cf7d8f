"""Products appear whole or not at all, whatever happens while they are made."""

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from halobind.jobs.claims import claim, is_claimed
from halobind.jobs.publish import clear_scratch, publishing, scratches, write_atomic

HOLDER = """
import sys, time
from pathlib import Path
from halobind.jobs.claims import claim
with claim(Path(sys.argv[1])) as mine:
    print(mine, flush=True)
    time.sleep(60)
"""
HALF = """
import sys, time
from pathlib import Path
from halobind.jobs.publish import publishing
with publishing(Path(sys.argv[1])) as out:
    (out / "half").write_text("x")
    print("started", flush=True)
    time.sleep(60)
"""


def start(code: str, argument: Path) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(argument)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().strip() in ("True", "started")
    return process


def test_success_publishes_everything_at_once(tmp_path: Path) -> None:
    target = tmp_path / "a" / "product"
    with publishing(target) as out:
        (out / "file").write_text("content")
        assert not target.exists() and scratches(target) == [out]
    assert (target / "file").read_text() == "content"
    assert list(target.parent.iterdir()) == [target]


def test_failure_publishes_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "product"
    with pytest.raises(ZeroDivisionError), publishing(target) as out:
        (out / "file").write_text("half")
        1 / 0  # noqa: B018
    assert list(tmp_path.iterdir()) == []


def test_second_publisher_finds_it_done(tmp_path: Path) -> None:
    target = tmp_path / "product"
    with publishing(target) as late:
        (late / "file").write_text("late")
        with publishing(target) as early:
            (early / "file").write_text("early")
    assert (target / "file").read_text() == "early"
    assert list(tmp_path.iterdir()) == [target]


def test_mode_follows_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        with publishing(tmp_path / "product") as out:
            (out / "file").write_text("x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "product").stat().st_mode) == 0o755


def test_kill_leaves_scratch_that_the_next_one_clears(tmp_path: Path) -> None:
    target = tmp_path / "product"
    process = start(HALF, target)
    process.kill()
    process.wait()
    assert not target.exists() and len(scratches(target)) == 1
    clear_scratch(target)
    assert list(tmp_path.iterdir()) == []


def test_a_claim_is_exclusive_and_dies_with_its_holder(tmp_path: Path) -> None:
    lock = tmp_path / "locks" / "chain.lock"
    process = start(HOLDER, lock)
    with claim(lock) as mine:
        assert mine is False
    assert is_claimed(lock)
    process.kill()
    process.wait()
    time.sleep(0.05)
    with claim(lock) as mine:
        assert mine is True
    assert not is_claimed(lock)


def test_write_atomic_replaces_and_cleans_up(tmp_path: Path) -> None:
    path = tmp_path / "table.md"
    write_atomic(path, "old")
    write_atomic(path, "neu: ±, ü")
    assert path.read_text(encoding="utf-8") == "neu: ±, ü"
    assert list(tmp_path.iterdir()) == [path]
