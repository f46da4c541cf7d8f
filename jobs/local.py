"""Run copies of one command side by side on this machine."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from halobind.jobs.stop import FOLLOW_PARENT

PATIENCE_S = 120


def run_side_by_side(
    command: list[str], seats: list[dict[str, str]], logs: Path, tick: Callable[[], None]
) -> dict[Path, int]:
    """Run several processes of one command until all have ended.

    The processes have one thread each (OMP_NUM_THREADS and OPENBLAS_NUM_THREADS are 1), each has a
    session, so that a terminal's Ctrl-C reaches only this process, and they end when this process
    ends. When `tick` or a signal raises, every process gets SIGTERM and is waited for.

    Args:
        command: Its words.
        seats: For each process the variables that its environment has besides ours.
        logs: The folder of the logs, one for each process.
        tick: Called about twice a second while they run.

    Returns:
        The exit code by log.
    """
    logs.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        FOLLOW_PARENT: "1",
    }
    paths = [
        logs / f"local-{socket.gethostname()}-{os.getpid()}-{k}.log" for k in range(len(seats))
    ]
    processes: list[subprocess.Popen[bytes]] = []
    with contextlib.ExitStack() as files:
        try:
            for path, seat in zip(paths, seats, strict=True):
                log = files.enter_context(open(path, "a", encoding="utf-8"))
                processes.append(
                    subprocess.Popen(
                        command,
                        env=environment | seat,
                        start_new_session=True,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                    )
                )
            while any(process.poll() is None for process in processes):
                tick()
                time.sleep(0.5)
        finally:
            codes = _end(processes)
    return dict(zip(paths, codes, strict=True))


def _end(processes: list[subprocess.Popen[bytes]]) -> list[int]:
    """Ask the processes that still run to stop, and wait for all.

    One that has not stopped after two minutes is killed.
    """
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)  # one that was suspended has to wake up to stop
    codes = []
    for process in processes:
        try:
            codes.append(process.wait(timeout=PATIENCE_S))
        except subprocess.TimeoutExpired:
            process.kill()
            codes.append(process.wait())
    return codes
