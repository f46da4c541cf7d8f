"""A tiny real campaign through a real SLURM: arrays, dependencies, requeue, wall time,
cancellation; and dask workers.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.pipeline import tiny
from tests.pipeline.tiny import SEGMENT_PS, edited, halobind_here, series

pytestmark = pytest.mark.slurm

ROOT = Path(__file__).parents[3]
CAMPAIGN = edited(
    ('ligand = "DA"', 'ligand = "MA"'),
    ("gap_nm = 2.5", "gap_nm = 2.0"),
    ("to_nm = 0.3", "to_nm = 0.2"),
    ("[estimate]", '[resources]\nplatform = "CPU"\n[estimate]'),
)
CLUSTERS = """
[node]
scheduler = "slurm"
queue = "main"
memory_GiB = 1
walltime = "0:10:00"
requeue = true
[narrow]
scheduler = "slurm"
memory_GiB = 1
walltime = "0:10:00"
array_limit = 1000
[deaf]
scheduler = "slurm"
memory_GiB = 1
walltime = "0:10:00"
directives = ["--signal=B:CONT@1"]
[greedy]
scheduler = "slurm"
memory_GiB = 4000
walltime = "0:10:00"
"""
PATIENCE_S = 600


@pytest.fixture(scope="module", autouse=True)
def clusters(slurm: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A clusters file, and the halobind of this checkout in every job."""
    config = tmp_path_factory.mktemp("config")
    (config / "halobind").mkdir()
    (config / "halobind" / "clusters.toml").write_text(CLUSTERS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(config))
        patch.setenv("PYTHONPATH", str(ROOT / "src"), prepend=os.pathsep)
        yield


def new(folder: Path, text: str = CAMPAIGN) -> Path:
    return tiny.new(folder, text)


def with_words(before: str, after: str) -> str:
    """CAMPAIGN with other words, which must be there."""
    assert before in CAMPAIGN, before
    return CAMPAIGN.replace(before, after)


def submit(campaign: Path, *more: str) -> str:
    done = halobind_here("submit", str(campaign), "--cluster", "node", "--parts", "2", *more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def wait(condition, what: str, campaign: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            queue = subprocess.run(["squeue"], capture_output=True, text=True).stdout
            pytest.fail(f"{what} did not happen in {PATIENCE_S} s\n{queue}\n{logs(campaign)}")
        time.sleep(0.3)


def record(campaign: Path) -> dict[str, dict]:
    """The last event of every recorded job."""
    lines = (campaign / "jobs" / "submitted.jsonl").read_text().splitlines()
    return {entry["name"]: entry for entry in map(json.loads, lines)}


def ids(campaign: Path, stage: str) -> list[str]:
    return [
        entry["id"]
        for entry in record(campaign).values()
        if entry["stage"] == stage and entry["id"]
    ]


def queued(campaign: Path) -> dict[str, str]:
    """State of every job and array task of a campaign in the queue, by id."""
    return squeue("--array", f"--name={','.join(record(campaign))}")


def squeue(*options: str) -> dict[str, str]:
    command = ["squeue", "--noheader", "--format=%i %t", *options]
    return dict(
        line.split()
        for line in subprocess.run(
            command, capture_output=True, text=True, check=True
        ).stdout.splitlines()
    )


def logs(campaign: Path) -> str:
    return "".join(
        f"== {path.name}\n{path.read_text()}" for path in sorted((campaign / "jobs").glob("*.log"))
    )


def table(campaign: Path) -> str:
    return (campaign / "tables" / "binding.csv").read_text()


def finish(campaign: Path) -> None:
    wait(lambda: not queued(campaign), "the end of all jobs", campaign)


def made(campaign: Path) -> list[str]:
    """Every product in the logs of the processes, once for each time that it was made."""
    lines = "".join(
        path.read_text() for path in (campaign / "jobs").glob("local-*.log")
    ).splitlines()
    return [line.split(": done in")[0] for line in lines if ": done in" in line]


@pytest.fixture(scope="module")
def out_of_time(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign whose sampling has a minute for segments that take hours, and no warning; its last
    job is held.

    It is submitted before the others, as it takes longest.
    """
    campaign = new(
        tmp_path_factory.mktemp("wall") / "c",
        with_words(f"segment_ps = {SEGMENT_PS}", "segment_ps = 40000.0"),
    )
    done = halobind_here("submit", str(campaign), "--cluster", "deaf", "--parts", "2")
    assert done.returncode == 0, done.stderr
    (sampling,), (last,) = ids(campaign, "sample"), ids(campaign, "table")
    subprocess.run(["scontrol", "hold", last], check=True)
    subprocess.run(["scontrol", "update", f"jobid={sampling}", "timelimit=1"], check=True)
    return campaign


@pytest.fixture(scope="module")
def reference(out_of_time: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign from its first job to its table; a sampling task is requeued as it runs."""
    campaign = new(tmp_path_factory.mktemp("reference") / "c")
    text = submit(campaign)
    assert text.count("submitted halobind-") == 3 and "2 of 2 parts" in text
    (preparation,), (sampling,), (last,) = (
        ids(campaign, stage) for stage in ("prepare", "sample", "table")
    )
    assert [queued(campaign).get(job) for job in (f"{sampling}_1", f"{sampling}_2", last)] == [
        "PD"
    ] * 3
    subprocess.run(["scontrol", "hold", last], check=True)
    assert "nothing to add: " in submit(campaign)
    status = halobind_here("status", str(campaign)).stdout
    assert f"-001-table ({last}): 0 running, 1 queued (JobHeldAdmin)" in status, status
    subprocess.run(["scontrol", "release", last], check=True)
    wait(lambda: queued(campaign).get(f"{sampling}_1") == "R", "the first sampling task", campaign)
    assert preparation not in queued(campaign)
    assert len(list(campaign.glob("runs/*/pull/*"))) == 3
    subprocess.run(["scontrol", "requeue", f"{sampling}_1"], check=True)
    finish(campaign)
    return campaign


def test_a_campaign_is_done_by_array_and_dependencies(reference: Path) -> None:
    assert len(list(reference.glob("runs/*/windows/*/seg-*"))) == 6
    assert table(reference).count("not converged") == 2
    products = made(reference)
    assert len(products) == len(set(products)) == 15
    log = next((reference / "jobs").glob("halobind-*-001-table.log")).read_text()
    assert "nothing is left to compute" in log
    assert len(ids(reference, "table")) == 1  # one round was enough


def test_a_requeued_task_started_again(reference: Path) -> None:
    log = next((reference / "jobs").glob("*-sample-1.log")).read_text()
    assert "DUE TO JOB REQUEUE" in log
    assert "1 run on CPU, 1 process" in log.split("DUE TO JOB REQUEUE")[1]


def test_nothing_is_submitted_for_a_finished_campaign(reference: Path) -> None:
    before = record(reference).keys()
    assert "nothing is left to compute" in submit(reference)
    assert record(reference).keys() == before
    assert {entry["event"] for entry in record(reference).values()} == {"ended"}


def test_cancelled_half_way_and_submitted_again_it_is_the_same_campaign(
    reference: Path, tmp_path: Path
) -> None:
    campaign = new(tmp_path / "c")
    submit(campaign)
    wait(lambda: list(campaign.glob("runs/*/pull/000-*")), "a first pulled state", campaign)
    subprocess.run(
        ["scancel", *ids(campaign, "prepare"), *ids(campaign, "sample"), *ids(campaign, "table")],
        check=True,
    )
    finish(campaign)
    assert not list(campaign.glob("runs/*/windows/*/seg-*"))
    submit(campaign)
    finish(campaign)
    assert series(campaign) == series(reference) and table(campaign) == table(reference)
    products = made(campaign)
    assert len(products) == len(set(products)) == 15


def test_rejections_are_shown_and_recorded_and_can_be_taken_back(tmp_path: Path) -> None:
    campaign = new(tmp_path / "c", with_words("spacing_nm = 0.1", "spacing_nm = 0.04"))
    done = halobind_here("submit", str(campaign), "--cluster", "narrow", "--parts", "6")
    assert done.returncode == 1
    assert (
        "sbatch rejected halobind-" in done.stderr
        and "Invalid job array specification" in done.stderr
    )
    assert "Lower array_limit" in done.stderr and "halobind cancel takes them back" in done.stderr
    assert [entry["event"] for entry in record(campaign).values()] == ["submitted", "rejected"]
    cancelled = halobind_here("cancel", str(campaign))
    assert cancelled.returncode == 0 and cancelled.stdout.count("cancelled halobind-") == 1
    finish(campaign)
    assert "nothing is queued" in halobind_here("cancel", str(campaign)).stdout
    greedy = halobind_here("submit", str(campaign), "--cluster", "greedy")
    assert greedy.returncode == 1 and "Memory specification can not be satisfied" in greedy.stderr


def test_observables_measured_through_slurm_are_those_measured_here(
    reference: Path, tmp_path: Path
) -> None:
    pytest.importorskip("dask_jobqueue", reason="the extra hpc is not installed")
    tables = []
    for place in ("slurm", "serial"):
        campaign = tmp_path / place
        shutil.copytree(reference, campaign)
        options = [
            "--where",
            place,
            "--cluster",
            "node",
            "--chunk",
            "2",
            "--observable",
            "height",
            "coordination",
        ]
        command = [sys.executable, "-m", "halobind", "observe", str(campaign), *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
        assert done.returncode == 0 and "Exception" not in done.stderr, done.stderr + logs(campaign)
        tables.append(
            {
                path.parent.name: path.read_bytes()
                for path in campaign.glob("runs/*/observe-*/table.csv")
            }
        )
    assert tables[0] == tables[1] and len(tables[0]) == 1
    assert (
        next(iter(tables[0].values())).count(b"\n") == 1 + 12
    )  # two frames in each of six segments
    workers = "".join(
        path.read_text() for path in (tmp_path / "slurm" / "jobs").glob("dask-worker-*.err")
    )
    assert "Registered to:" in workers and "tls://" in workers and "tcp://" not in workers
    assert not list((tmp_path / "slurm" / "jobs").glob(".keys*"))
    wait(lambda: not squeue("--name=dask-worker"), "the end of the workers", tmp_path / "slurm")


def test_out_of_wall_time_a_job_stops_and_the_next_round_goes_on(
    out_of_time: Path, reference: Path
) -> None:
    campaign = out_of_time
    (last,) = ids(campaign, "table")
    wait(lambda: set(queued(campaign)) == {last}, "the end of the first sampling", campaign)
    assert not list(campaign.glob("runs/*/windows/*/seg-*"))
    (campaign / "campaign.toml").write_text(CAMPAIGN)
    subprocess.run(["scontrol", "release", last], check=True)
    wait(lambda: last not in queued(campaign), "the second round", campaign)
    finish(campaign)
    first = "".join(
        path.read_text() for path in (campaign / "jobs").glob("halobind-*-001-sample-*.log")
    )
    assert first.count("DUE TO TIME LIMIT") == 2
    assert "Traceback" not in logs(campaign)
    assert not list(campaign.glob("runs/*/**/.seg-*")) and not list(
        campaign.glob("runs/*/failures")
    )
    assert {entry["round"] for entry in record(campaign).values()} == {1, 2}
    assert series(campaign) == series(reference) and table(campaign) == table(reference)
