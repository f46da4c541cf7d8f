"""kill -9 at any moment of any verb: nothing published is lost, the same command goes on, no scratch stays."""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.pipeline.tiny import HALOBIND, copy, halobind, products, series, tables

pytestmark = pytest.mark.hostile

N_KILLS = int(os.environ.get("HALOBIND_TEST_KILLS", "4"))
VERBS = {
    "run": ["--processes", "1"],
    "table": [],
    "observe": [],
    "export": ["--out", "trajectories"],
    "build": ["--picture", "--format", "cif"],
    "extend": ["--segments", "1"],
}


def scratch_of(folder: Path) -> list[Path]:
    """What killed writers left."""
    return [path for path in folder.rglob(".*-*") if path.name != ".locks"]


@pytest.mark.parametrize("verb", VERBS)
def test_killed_at_random_moments_and_given_again(
    verb: str, reference: Path, tmp_path: Path
) -> None:
    campaign = copy(reference, tmp_path / "c")
    shutil.rmtree(campaign / "tables")
    for estimate in campaign.glob("runs/*/estimate-*"):
        shutil.rmtree(estimate)
    shutil.rmtree(next(campaign.glob("runs/*/windows/z+0.100-k50000/seg-001")))
    moments = random.Random(verb)
    kept = products(campaign)
    for _ in range(N_KILLS):
        process = subprocess.Popen(
            [*HALOBIND, verb, "c", *VERBS[verb]],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=tmp_path,
        )
        time.sleep(moments.uniform(1.0, 5.0))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        published = products(campaign)
        assert kept.items() <= published.items()
        kept = published
    again = halobind(verb, "c", *VERBS[verb], cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert kept.items() <= products(campaign).items()
    done = halobind("run", "c", "--processes", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not scratch_of(tmp_path)
    made = series(campaign)
    assert {name: made[name] for name in series(reference)} == series(reference)
    if verb != "extend":
        assert tables(campaign) == tables(reference)


WRITE_HALF = """
import os, sys, time
os.fsync = lambda handle: (print("started", flush=True), time.sleep(600))
from halobind.pipeline.commands.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("verb", ["table", "observe", "export", "build"])
def test_killed_while_a_file_is_written(verb: str, reference: Path, tmp_path: Path) -> None:
    """The moment that leaves most: what is written is not yet renamed."""
    campaign = copy(reference, tmp_path / "c")
    shutil.rmtree(campaign / "tables")
    command = [HALOBIND[0], "-c", WRITE_HALF, verb, "c", *VERBS[verb]]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    while process.stdout.readline().strip() not in ("started", ""):
        pass
    process.kill()
    process.wait()
    assert scratch_of(tmp_path)
    again = halobind(verb, "c", *VERBS[verb], cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert not scratch_of(tmp_path)
