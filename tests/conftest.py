"""Shared by all tests: one thread a process, so that results are the same on every machine; and a
SLURM of one node.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

NODE = Path(__file__).with_name("slurm_node.py")
# in the reasons of tests that the machine keeps from running, or a program or extra that
# continuous integration does without
MACHINE = ("CUDA", "mount read-only", "PySCF", "D3", "TIP3P", "Chromium", "pdflatex")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Where everything can be installed (HALOBIND_NO_SKIPS=1), a skipped test is one that was lost."""
    skipped = terminalreporter.stats.get("skipped", [])
    lost = [
        report for report in skipped if not any(word in str(report.longrepr) for word in MACHINE)
    ]
    if os.environ.get("HALOBIND_NO_SKIPS") == "1" and lost:
        terminalreporter.section("skipped, though it could run here")
        for report in lost:
            terminalreporter.line(f"{report.nodeid}: {report.longrepr[2]}")
        terminalreporter._session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def slurm() -> Iterator[Path]:
    """A SLURM of one node with four CPUs and the partition "main", in a temporary directory, while
    the tests run; SLURM_CONF names it.

    A requeued job starts again after 6 seconds (cred_expire), an array has indices up to 3
    (MaxArraySize).
    """
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [
        name
        for name in ("sbatch", "munged", "slurmctld", "slurmd")
        if shutil.which(name, path=path) is None
    ]
    if missing:
        pytest.skip(
            f"no SLURM to start here: {', '.join(missing)} not installed (apt-get install slurm-wlm"
            " munge)"
        )
    if os.geteuid() != 0:
        pytest.skip("a SLURM of one node is started as root only")
    with pytest.MonkeyPatch.context() as patch:
        for name in [
            name
            for name in os.environ
            if name.startswith(("SLURM", "SBATCH_", "SQUEUE_", "SCANCEL_", "SINFO_"))
        ]:
            patch.delenv(name)  # of a job that the tests may be run in
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(
            [sys.executable, str(NODE)], start_new_session=True, **streams
        ) as node:
            word, _, folder = node.stdout.readline().strip().partition(" ")
            if word != "up":
                pytest.fail(f"{word} {folder}")
            patch.setenv("SLURM_CONF", f"{folder}/slurm.conf")
            yield Path(folder)
