"""Processes side by side: they run, they log, they stop when asked and do not outlive the one that
started them.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from halobind.jobs.local import run_side_by_side
from halobind.jobs.stop import Stopped

MARK = f"waiting-for-a-signal-of-test-{os.getpid()}"  # other test runs look for their own
WAITING = (
    f"# {MARK}"
    + """
import time
from halobind.jobs.stop import StopSignal
stop = StopSignal().listen()
print("up", flush=True)
while True:
    stop.check()
    time.sleep(0.05)
"""
)
PARENT = """
import sys
from pathlib import Path
from halobind.jobs.local import run_side_by_side
from halobind.jobs.stop import StopSignal
StopSignal().listen()
run_side_by_side([sys.executable, "-c", sys.argv[2]], [{}] * 2, Path(sys.argv[1]), lambda: None)
"""
PATIENCE_S = 120.0


def wait_for(condition) -> bool:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_codes_and_logs(tmp_path: Path) -> None:
    code = "import os, sys; print(os.environ['OMP_NUM_THREADS']); sys.exit(3)"
    codes = run_side_by_side([sys.executable, "-c", code], [{}] * 2, tmp_path, lambda: None)
    assert list(codes.values()) == [3, 3] and len(codes) == 2
    assert sorted(tmp_path.iterdir()) == sorted(codes)
    assert [path.read_text() for path in codes] == ["1\n", "1\n"]


def test_when_the_tick_stops_every_process_is_stopped(tmp_path: Path) -> None:
    def tick() -> None:
        logs = list(tmp_path.iterdir())
        if len(logs) == 2 and all("up" in path.read_text() for path in logs):
            raise Stopped("SIGTERM")

    with pytest.raises(Stopped):
        run_side_by_side([sys.executable, "-c", WAITING], [{}] * 2, tmp_path, tick)
    assert not subprocess.run(["pgrep", "-f", MARK], capture_output=True, text=True).stdout


def test_a_process_started_to_ignore_a_signal_keeps_ignoring_it() -> None:
    """nohup: SIGHUP ignored from the start stays ignored, SIGTERM is still heard."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PATIENCE_S) != 0


def test_processes_do_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path), WAITING])
    assert wait_for(
        lambda: (
            len(list(tmp_path.iterdir())) == 2
            and all("up" in p.read_text() for p in tmp_path.iterdir())
        )
    )
    children = [
        int(pid)
        for pid in Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
    ]
    assert len(children) == 2
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))
