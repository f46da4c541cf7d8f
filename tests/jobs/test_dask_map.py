"""Tasks mapped over processes: lost workers, sockets and keys, addresses, batch scripts."""

import contextlib
import os
import shutil
import signal
import stat
import sys
import threading
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from distributed import Client, LocalCluster
from distributed.security import Security

from halobind.jobs import dask_map as mapping
from halobind.jobs.batch import Cluster
from halobind.jobs.clusters import SCHEDULERS
from halobind.jobs.dask_clusters import MALLOC, batch_options, local_cluster
from halobind.jobs.dask_map import LostTask, mapped
from halobind.jobs.workplace import (
    BatchJobs,
    ConnectionOptions,
    DaskScheduler,
    LocalProcesses,
    MappingError,
    PlaceOptions,
    ThisProcess,
    TLSFiles,
    choose_place,
    find_cluster,
    is_loopback,
)

CLUSTERS = """
[fast]
scheduler = "slurm"
queue = "cpu"
account = "abc"
environment = ["module load python"]
walltime = "02:00:00"
cpus = 2
memory_GiB = 4
[old]
scheduler = "pbs"
queue = "short"
walltime = "01:00:00"
"""


def listening() -> set[str]:
    """Addresses on which this process and its children wait for connections."""
    me, found = psutil.Process(), set()
    for process in (me, *me.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):  # killed meanwhile
            found |= {
                c.laddr.ip
                for c in process.net_connections("inet")
                if c.status == psutil.CONN_LISTEN
            }
    return found


def submits_with_true(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """A scheduler that seems to be here."""
    monkeypatch.setitem(
        SCHEDULERS,
        kind,
        replace(SCHEDULERS[kind], programs=replace(SCHEDULERS[kind].programs, submit="true")),
    )


def test_serial_needs_nothing() -> None:
    assert list(mapped(lambda n: n * n, range(4), ThisProcess())) == [
        (0, 0),
        (1, 1),
        (2, 4),
        (3, 9),
    ]


def test_workers_keep_their_memory_between_tasks() -> None:
    """The settings of glibc's allocator reach the workers, in place of dask's (a page back to the
    system after every 64 KiB).
    """
    with local_cluster(1) as cluster, Client(cluster, security=cluster.security) as client:
        found = client.submit(
            lambda: {name: os.environ.get(name) for name in (*MALLOC, "OMP_NUM_THREADS")}
        ).result()
    assert found == {**MALLOC, "OMP_NUM_THREADS": "1"}


def test_a_task_whose_worker_is_killed_is_done_again_and_only_a_deadly_one_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """kill -9 of the only worker by task 5, then by task 5 alone; the others that it had are done
    by the next. Sockets are on loopback.
    """
    monkeypatch.setattr(mapping, "DEATHS", 0)  # every death is the last: tried once more, alone

    def square(n: int) -> int:
        if n == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return n * n

    before, addresses, found = listening(), set(), {}
    for task, result in mapped(square, range(8), LocalProcesses(1)):
        addresses |= listening() - before
        found[task] = result
    assert isinstance(found.pop(5), LostTask)
    assert found == {n: n * n for n in range(8) if n != 5}
    assert addresses == {"127.0.0.1"}


def test_no_more_tasks_are_taken_than_keep_the_workers_busy() -> None:
    taken, ahead = 0, 0

    def tasks():
        nonlocal taken
        for n in range(60):
            taken += 1
            yield n

    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        for done, _ in enumerate(
            mapped(abs, tasks(), DaskScheduler(cluster.scheduler_address, 1)), start=1
        ):
            ahead = max(ahead, taken - done)
    assert taken == 60 and ahead <= 2 + mapping.SPARE


def test_a_scheduler_with_keys_wants_them(tmp_path: Path) -> None:
    keys = Security.temporary()
    files = []
    for name in ("tls_ca_file", "tls_client_cert", "tls_client_key"):
        (tmp_path / name).write_text(getattr(keys, name))
        files.append(tmp_path / name)
    with LocalCluster(
        n_workers=1, processes=False, protocol="tls://", security=keys, dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address
        place = choose_place(
            PlaceOptions(address, connection=ConnectionOptions(tls=TLSFiles(*files))), tmp_path
        )
        assert sorted(mapped(lambda n: n + 1, range(3), place)) == [(0, 1), (1, 2), (2, 3)]
        with pytest.raises(MappingError, match="needs --tls CA CERTIFICATE KEY"):
            choose_place(PlaceOptions(address), tmp_path)
        monkey = DaskScheduler(address.replace("tls", "tcp"))
        with pytest.raises(MappingError, match="no dask scheduler answers"):
            list(mapped(abs, range(3), monkey))


def test_addresses_are_checked_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(
        MappingError, match="whoever reaches this port can run code as you.*--insecure"
    ):
        choose_place(PlaceOptions("tcp://192.0.2.1:8786"), tmp_path)
    elsewhere = choose_place(
        PlaceOptions("tcp://192.0.2.1:8786", connection=ConnectionOptions(insecure=True)), tmp_path
    )
    assert elsewhere == DaskScheduler("tcp://192.0.2.1:8786")
    here = choose_place(PlaceOptions("tcp://127.0.0.1:8786"), tmp_path)
    assert here == DaskScheduler("tcp://127.0.0.1:8786")
    with pytest.raises(MappingError, match="there is no file"):
        choose_place(
            PlaceOptions(
                "tls://192.0.2.1:8786",
                connection=ConnectionOptions(tls=TLSFiles(*3 * [tmp_path / "a"])),
            ),
            tmp_path,
        )
    with pytest.raises(MappingError, match="tcp://host:port"):
        choose_place(PlaceOptions("tcp://somewhere"), tmp_path)
    with pytest.raises(MappingError, match="choose serial, local, slurm"):
        choose_place(PlaceOptions("everywhere"), tmp_path)
    assert (
        is_loopback("localhost")
        and is_loopback("[::1]")
        and not is_loopback("0.0.0.0")
        and not is_loopback("192.0.2.7")
    )


def test_an_address_without_scheduler_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapping, "PATIENCE_S", 1)
    with pytest.raises(
        MappingError, match=r"no dask scheduler answers at tcp://127.0.0.1:9 .*--where local"
    ):
        list(mapped(abs, range(3), DaskScheduler("tcp://127.0.0.1:9")))


def test_without_dask_the_line_that_installs_it_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MappingError, match=r'pip install -c constraints.txt "\.\[hpc\]"'):
        choose_place(PlaceOptions("local"), tmp_path)
    assert choose_place(PlaceOptions("serial"), tmp_path) == ThisProcess()


def test_clusters_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "halobind" / "clusters.toml"
    path.parent.mkdir()
    with pytest.raises(MappingError, match="there is no .*clusters.toml"):
        find_cluster("slurm", None)
    path.write_text(CLUSTERS)
    assert (
        find_cluster("slurm", None).account == "abc"
        and find_cluster("slurm", "fast").seconds == 7200
    )
    with pytest.raises(MappingError, match="no slurm cluster 'slow': there are fast"):
        find_cluster("slurm", "slow")
    with pytest.raises(MappingError, match='no lsf cluster: add a table with scheduler = "lsf"'):
        find_cluster("lsf", None)
    path.write_text(CLUSTERS + '[new]\nscheduler = "slurm"\nwalltime = "2-00:00:00"\n')
    assert find_cluster("slurm", "new").seconds == 172800
    with pytest.raises(
        MappingError, match=r"several slurm clusters: name one with --cluster \(fast, new\)"
    ):
        find_cluster("slurm", None)
    path.write_text(CLUSTERS.replace("cpus = 2", "cpu = 2"))
    with pytest.raises(MappingError, match=r"\[fast\] cpu = 2"):
        find_cluster("slurm", None)


@pytest.mark.parametrize(("kind", "lines"), [
    ("slurm", ["#SBATCH -p cpu", "#SBATCH -A abc", "#SBATCH --cpus-per-task=2", "#SBATCH --mem=4G", "#SBATCH -t 26:00:00"]),
    ("pbs", ["#PBS -q cpu", "#PBS -A abc", "#PBS -l select=1:ncpus=2:mem=4096mb", "#PBS -l walltime=26:00:00"]),
    ("lsf", ["#BSUB -q cpu", '#BSUB -P "abc"', "#BSUB -n 2", "#BSUB -W 26:00"]),
])  # fmt: skip
def test_scripts_of_batch_workers(
    kind: str, lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dask_jobqueue  # noqa: PLC0415 (only here)

    submits_with_true(monkeypatch, kind)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "halobind").mkdir()
    text = (
        CLUSTERS.partition("[old]")[0]
        .replace("slurm", kind)
        .replace('queue = "cpu"', 'queue = "gpu"\ncpu_queue = "cpu"\ngpus = 1')
    )
    text = (
        text.replace("02:00:00", "1-02:00:00")
        + 'directives = ["-x gpu"]\ncpu_directives = ["-y long"]\n'
    )
    (tmp_path / "halobind" / "clusters.toml").write_text(text)
    place = choose_place(PlaceOptions(kind), tmp_path)
    assert place.workers == 2
    with getattr(dask_jobqueue, f"{kind.upper()}Cluster")(
        **batch_options(place, tmp_path)
    ) as cluster:
        script = cluster.job_script()
        assert cluster.scheduler_address.startswith("tls://")
        for port in {
            c.laddr
            for c in psutil.Process().net_connections("inet")
            if c.status == psutil.CONN_LISTEN
        }:
            assert (
                port.ip == "127.0.0.1" or f":{port.port}" in cluster.scheduler_address
            )  # the dashboard stays here
        keys = list(tmp_path.glob("*.pem"))
        assert len(keys) == 3 and all(stat.S_IMODE(key.stat().st_mode) == 0o600 for key in keys)
    assert " -y long" in script and "gpu" not in script
    for line in (
        *lines,
        "module load python",
        "export OMP_NUM_THREADS=1",
        *(f"export {k}={v}" for k, v in MALLOC.items()),
    ):
        assert line in script, script
    own = ("--no-dashboard", "--dashboard-address 127.0.0.1:0")
    for option in (
        "--nworkers 2",
        "--nthreads 1",
        "--lifetime 93480s",
        *own,
        "--tls-key",
        "--protocol tls://",
    ):
        assert option in script, script


def test_a_path_that_dask_jobqueue_would_cut_in_two_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submits_with_true(monkeypatch, "slurm")
    with pytest.raises(
        MappingError,
        match=(
            "my campaign has a space in it, which dask-jobqueue does not quote: move the campaign"
        ),
    ):
        choose_place(PlaceOptions("slurm"), tmp_path / "my campaign")


def test_a_cluster_that_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        MappingError,
        match="there is no sbatch on this machine: give the command where jobs are submitted",
    ):
        choose_place(PlaceOptions("slurm"), tmp_path)


def test_a_batch_scheduler_that_takes_no_job_is_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    (tmp_path / "sbatch").write_text(
        '#!/bin/bash\necho "sbatch: error: invalid account" >&2\nexit 1\n'
    )
    (tmp_path / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(mapping, "CHECK_S", 0.5)
    place = BatchJobs(
        "slurm",
        1,
        cluster=Cluster(scheduler="slurm", memory_GiB=1, walltime="01:00:00"),
        shared=tmp_path / "shared",
    )
    with pytest.raises(
        MappingError,
        match=(
            "slurm did not take the job: sbatch: error: invalid account; .*clusters.toml.*--where"
            " local"
        ),
    ):
        list(mapped(abs, range(5), place))
    assert not list((tmp_path / "shared").iterdir()) and "Traceback" not in capfd.readouterr().err


def test_a_place_without_workers_is_waited_for_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(mapping, "CHECK_S", 0.25)
    monkeypatch.setattr(mapping, "NOTICE_S", 0.5)
    with LocalCluster(
        n_workers=0, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address
        threading.Timer(2.0, cluster.scale, [1]).start()
        assert sorted(mapped(abs, range(3), DaskScheduler(address))) == [
            (0, 0),
            (1, 1),
            (2, 2),
        ]
    err = capfd.readouterr().err
    assert (
        f"the scheduler at {address} has no worker: start some with: dask worker {address}" in err
        and "what is measured is kept" in err
    )


def test_batch_jobs_do_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """sbatch and scancel stood in for by scripts that start and kill the job here: the workers come
    over TLS.

    Like sbatch, the stand-in reads the script before it returns: dask-jobqueue removes it then.
    """
    commands = tmp_path / "bin"
    commands.mkdir()
    taken = 'script=$(cat "$1")\nsetsid bash -c "$script" >/dev/null 2>&1 &'
    (commands / "sbatch").write_text(f'#!/bin/bash\n{taken}\necho "Submitted batch job $!"\n')
    (commands / "scancel").write_text('#!/bin/bash\nkill -- -"$1"\n')
    for name in ("sbatch", "scancel"):
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    assert shutil.which("sbatch") == str(commands / "sbatch")
    place = BatchJobs(
        "slurm",
        1,
        cluster=Cluster(scheduler="slurm", memory_GiB=1, walltime="01:00:00"),
        shared=tmp_path / "shared",
    )
    assert sorted(mapped(lambda n: n * n, range(5), place)) == [(n, n * n) for n in range(5)]
    assert [path.suffix for path in (tmp_path / "shared").iterdir()] in (
        [],
        [".out"],
        [".err"],
        [".err", ".out"],
    )  # the keys are gone


QUEUE = """#!/bin/bash
n=$(( $(cat {folder}/count 2>/dev/null || echo 100) + 1 )); echo $n > {folder}/count
script=$(cat "$1"); touch {folder}/live-$n
echo "sbatch $n" >> {folder}/calls
setsid bash -c "sleep {wait}; [ -e {folder}/live-$n ] || exit; {start}" > {folder}/log-$n 2>&1 &
{answer}
"""
SCANCEL = """#!/bin/bash
echo "scancel $*" >> {folder}/calls
rm -f {folder}/live-${{@: -1}}
[ ! -e {folder}/pid-${{@: -1}} ] || kill -- -$(cat {folder}/pid-${{@: -1}})
"""


def slow_queue(
    folder: Path, monkeypatch: pytest.MonkeyPatch, wait_s: int, answer: str = "echo $n"
) -> None:
    """Stand-ins for sbatch and scancel: each job starts here after it has waited."""
    folder.mkdir()
    start = f"echo \\$\\$ > {folder}/pid-$n; $script"
    text = QUEUE.format(folder=folder, wait=wait_s, start=start, answer=answer)
    (folder / "sbatch").write_text(text)
    (folder / "scancel").write_text(SCANCEL.format(folder=folder))
    for name in ("sbatch", "scancel"):
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def in_the_queue(tmp_path: Path, **more: object) -> BatchJobs:
    settings = {"scheduler": "slurm", "memory_GiB": 1, "walltime": "01:00:00", "cpus": 2, **more}
    return BatchJobs("slurm", 2, cluster=Cluster(**settings), shared=tmp_path / "shared")


def test_a_job_that_waits_is_neither_cancelled_nor_submitted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job waits longer than dask's own scaling has patience, for fewer tasks than it has CPUs."""
    slow_queue(tmp_path / "bin", monkeypatch, wait_s=14)
    done = list(mapped(lambda n: n * n, range(1), in_the_queue(tmp_path)))
    assert done == [(0, 0)]
    assert (tmp_path / "bin" / "calls").read_text().splitlines()[:2] == [
        "sbatch 101",
        "scancel 101",
    ]


def test_a_job_of_several_workers_that_ends_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    slow_queue(folder, monkeypatch, wait_s=0)
    monkeypatch.setattr("halobind.jobs.dask_jobs.CHECKS_WITHOUT_WORKERS", 2)
    monkeypatch.setattr(mapping, "PATIENCE_S", 2)  # to ask the dead for their results

    def end_first_job(n: int) -> int:
        if n == 3 and not (folder / "ended").exists():
            (folder / "ended").touch()
            os.killpg(int((folder / "pid-101").read_text()), signal.SIGKILL)
        return n

    done = dict(mapped(end_first_job, range(6), in_the_queue(tmp_path)))
    assert done == {n: n for n in range(6)}
    calls = (folder / "calls").read_text().splitlines()
    assert [call for call in calls if "sbatch" in call] == ["sbatch 101", "sbatch 102"]


def test_jobs_of_one_of_several_clusters_are_cancelled_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = "echo 'Your project 7 is at 93%'; echo Submitted batch job $n on cluster genius"
    slow_queue(tmp_path / "bin", monkeypatch, 0, answer)
    place = in_the_queue(tmp_path, directives=["--clusters=genius"])
    assert sorted(mapped(abs, range(2), place)) == [(0, 0), (1, 1)]
    assert "scancel --clusters=genius 101" in (tmp_path / "bin" / "calls").read_text()


def test_own_directives_of_batch_workers_can_be_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dask_jobqueue  # noqa: PLC0415 (only here)

    for more, kept, gone in (
        ({"leave_out": ["--mem"]}, "#SBATCH -n 1", "--mem="),
        ({"leave_out": ["--ntasks"]}, "#SBATCH --mem=", "#SBATCH -n 1"),
        ({"directives": ["--mem-per-cpu=3G"]}, "#SBATCH --mem-per-cpu=3G", "--mem="),
    ):
        options = batch_options(in_the_queue(tmp_path, **more), tmp_path)
        with dask_jobqueue.SLURMCluster(**options) as cluster:
            header = cluster.job_header
        assert kept in header and gone not in header
