"""Commands that are killed, interrupted and repeated on one tiny real campaign: in the end it is
the campaign of one process that nobody disturbed.
"""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.pipeline.tiny import (
    HALOBIND,
    PATIENCE_S,
    copy_prepared,
    edited,
    halobind,
    halobind_here,
    logs,
    new,
    products,
    series,
    tables,
)

KILLS = int(
    os.environ.get("HALOBIND_TEST_KILLS", "5")
)  # raise it together with HALOBIND_TEST_PS, the length of a segment


def start(campaign: Path, *options: str) -> subprocess.Popen:
    """A command at work on a campaign."""
    command = [*HALOBIND, "run", str(campaign), "--platform", "CPU", *options]
    return subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True)


def wait_for(campaign: Path, pattern: str, commands: list[subprocess.Popen]) -> None:
    """Until a path of the campaign matches the pattern, while all the commands are at work."""
    deadline = time.monotonic() + PATIENCE_S
    while not list(campaign.glob(pattern)):
        assert time.monotonic() < deadline, f"no {pattern} in {PATIENCE_S} s"
        assert all(command.poll() is None for command in commands), f"the end, and no {pattern}"
        time.sleep(0.01)


def kill(command: subprocess.Popen) -> None:
    """kill -9 of a command and of the processes that it started."""
    parent = psutil.Process(command.pid)
    for process in (parent, *parent.children(recursive=True)):
        process.kill()
    command.communicate()


def test_killed_alone_and_in_company_and_resumed_by_two_it_is_the_same_campaign(
    reference: Path, tmp_path: Path
) -> None:
    """One command is killed in the equilibration, two that share the work in the windows, and two
    do the rest: the same bytes in the end, and nothing published is made twice.
    """
    campaign = new(tmp_path / "c")
    seen: dict[str, int] = {}
    for count, under_way in ((1, "runs/*/equilibrate/.01*"), (2, "runs/*/windows/*/.seg-*")):
        commands = [start(campaign, "--processes", "1") for _ in range(count)]
        wait_for(campaign, under_way, commands)
        for command in commands:
            kill(command)
        now = products(campaign)
        assert seen.items() <= now.items()
        assert 0 < len(seen) < len(now) < 18 or not seen
        seen = now
    for command in [start(campaign, "--processes", "1") for _ in range(2)]:
        _, errors = command.communicate(timeout=PATIENCE_S)
        assert command.returncode == 0, errors
    made = [line.split(": done")[0] for line in logs(campaign).splitlines() if ": done in" in line]
    assert len(made) == len(set(made)) == 18
    assert seen.items() <= products(campaign).items()
    assert series(campaign) == series(reference) and tables(campaign) == tables(reference)
    assert not list(campaign.glob("runs/*/**/.seg-*"))


@pytest.mark.hostile
def test_killed_at_random_moments_and_resumed_it_is_the_same_campaign(
    reference: Path, tmp_path: Path
) -> None:
    """kill -9 of the whole process group, again and again: the same bytes in the end, and nothing
    published is made twice.
    """
    campaign, moments = new(tmp_path / "c"), random.Random(4)
    seen: dict[str, int] = {}
    interrupted = 0
    for _ in range(KILLS):
        process = subprocess.Popen(
            [*HALOBIND, "run", str(campaign), "--platform", "CPU"],
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(moments.uniform(1.5, 4.0))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            interrupted += 1
        process.wait()
        now = products(campaign)
        assert seen.items() <= now.items()
        seen = now
    assert interrupted >= 2
    print(
        f"{interrupted} of {KILLS} kills interrupted the campaign; {len(seen)} products were"
        " published before the last start"
    )
    done = halobind("run", str(campaign), "--platform", "CPU", "--processes", "2")
    assert done.returncode == 0, done.stderr
    assert seen.items() <= products(campaign).items()
    assert series(campaign) == series(reference)
    assert tables(campaign) == tables(reference)
    assert not list(campaign.glob("runs/*/**/.seg-*"))


def test_interrupting_stops_cleanly(reference: Path, tmp_path: Path) -> None:
    text = edited(("segments = 2", "segments = 500"))
    campaign = copy_prepared(reference, tmp_path / "c", text)
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # tests that a shell runs in the background inherit that it is ignored
    process = start(campaign, "--processes", "2")
    wait_for(campaign, "runs/*/windows/*/seg-001", [process])
    os.killpg(process.pid, signal.SIGINT)  # what Ctrl-C in a terminal does
    try:
        _, errors = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "what was published is kept" in errors and "Traceback" not in errors
    assert not list(campaign.glob("runs/*/failures")) and "Traceback" not in logs(campaign)
    assert not list(campaign.glob("runs/*/**/.[a-z0-9]*-*"))  # no scratch left
    status = halobind_here("status", str(campaign)).stdout
    assert "waiting" in status and "/2000" in status
