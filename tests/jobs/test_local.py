"""Processes side by side: they run, they log, they stop when asked and do not outlive the one that started them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from jobs.local import run_side_by_side
from jobs.stop import StopSignal

WAITING = """
import time
from jobs.stop import StopSignal
stop = StopSignal().listen()
print("up", flush=True)
while True:
    stop.check()
    time.sleep(0.05)
"""
PARENT = """
import sys
from pathlib import Path
from jobs.local import run_side_by_side
from jobs.stop import StopSignal
run_side_by_side([sys.executable, "-c", sys.argv[2]], 2, Path(sys.argv[1]), lambda: None, StopSignal().listen())
"""


def wait_for(condition, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_codes_and_logs(tmp_path: Path) -> None:
    code = "import os, sys; print(os.environ['OMP_NUM_THREADS']); sys.exit(3)"
    codes = run_side_by_side([sys.executable, "-c", code], 2, tmp_path, lambda: None, StopSignal())
    assert codes == [3, 3]
    assert [path.read_text() for path in sorted(tmp_path.iterdir())] == ["1\n", "1\n"]


def test_a_stop_signal_ends_every_process(tmp_path: Path) -> None:
    stop = StopSignal()

    def tick() -> None:
        if all("up" in path.read_text() for path in tmp_path.iterdir()):
            stop.reason = "SIGTERM"

    codes = run_side_by_side([sys.executable, "-c", WAITING], 2, tmp_path, tick, stop)
    assert all(code != 0 for code in codes) and len(codes) == 2


def test_processes_do_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path), WAITING])
    assert wait_for(lambda: len(list(tmp_path.iterdir())) == 2 and all("up" in p.read_text() for p in tmp_path.iterdir()))
    children = [int(pid) for pid in Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()]
    assert len(children) == 2
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))
