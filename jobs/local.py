"""Run copies of one command side by side on this machine."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from jobs.stop import FOLLOW_PARENT, StopSignal


def run_side_by_side(command: list[str], count: int, logs: Path, tick: Callable[[], None], stop: StopSignal) -> list[int]:
    """Start `count` processes of `command`, each with its log `logs/local-<k>.log`; return their exit codes.

    `tick` is called about twice a second while they run. When `stop` has caught a signal, every process gets SIGTERM and is
    waited for. The processes run with one thread each (OMP_NUM_THREADS and OPENBLAS_NUM_THREADS set to 1) and end when this process ends.
    """
    logs.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", FOLLOW_PARENT: "1"}
    with contextlib.ExitStack() as open_files:
        handles = [open_files.enter_context(open(logs / f"local-{k}.log", "a", encoding="utf-8")) for k in range(count)]
        processes: list[subprocess.Popen] = []
        try:
            for handle in handles:
                processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=handle, stderr=handle, env=environment))
            while stop.reason is None and any(process.poll() is None for process in processes):
                tick()
                time.sleep(0.5)
        finally:
            codes = _end(processes)
    return codes


def _end(processes: list[subprocess.Popen]) -> list[int]:
    """Ask the processes that still run to stop and wait for all; one that has not stopped after two minutes is killed."""
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    codes = []
    for process in processes:
        try:
            codes.append(process.wait(timeout=120))
        except subprocess.TimeoutExpired:
            process.kill()
            codes.append(process.wait())
    return codes
