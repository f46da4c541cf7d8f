"""Clusters of dask workers that are started here: processes of this machine, or batch jobs."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from halobind.jobs.batch import Cluster, clock
from halobind.jobs.publish import scratch_folder
from halobind.jobs.slurm import replaces_memory
from halobind.jobs.workplace import BatchJobs

if TYPE_CHECKING:
    from dask_jobqueue.core import Job, JobQueueCluster
    from distributed import SpecCluster
    from distributed.security import Security

LOOPBACK = "127.0.0.1"
JOIN_S = 600
"""How long a worker may take to reach the scheduler: one that gives up is not replaced, because its
job counts as running.
"""
LEAVE_S = 120
"""So long before the wall time ends a worker hands its tasks over and stops."""
MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**26)}
"""What glibc's allocator comes to by itself (mallopt(3)). dask gives pages back after every 64 KiB,
and tasks that make and drop arrays of some MB then take half as long again. Tasks are of bounded
size, so little is held.
"""


@contextlib.contextmanager
def local_cluster(n: int) -> Iterator["SpecCluster"]:
    """Run `n` processes of one thread, on loopback and with keys that are made for them.

    Other users of the machine cannot reach them either. A process that dies is started again by its
    nanny; where that fails too, `adapt` replaces both.
    """
    import dask  # noqa: PLC0415 (optional)
    from distributed import LocalCluster  # noqa: PLC0415
    from distributed.security import Security  # noqa: PLC0415

    settings = {
        f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in MALLOC.items()
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=n,
            threads_per_worker=1,
            host=LOOPBACK,
            protocol="tls://",
            security=Security.temporary(),
            dashboard_address=f"{LOOPBACK}:0",
            worker_dashboard_address=f"{LOOPBACK}:0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        cluster.adapt(minimum=n, maximum=n)
        yield cluster


def batch_options(place: BatchJobs, keys: Path) -> dict[str, object]:
    """The arguments of dask-jobqueue's cluster.

    They give one process a CPU, TLS, and workers that leave before the wall time ends.

    Args:
        place: The batch scheduler and how a job is asked for.
        keys: A folder that the nodes see; it takes what the workers need for TLS, in files that
            only the user can read.
    """
    row = place.cluster.without_gpus
    lifetime = max(60, row.seconds - LEAVE_S)
    exports = [
        f"export {name}={value}" for name, value in {"OMP_NUM_THREADS": "1", **MALLOC}.items()
    ]
    names = {
        "slurm": ("queue", "account"),
        "pbs": ("queue", "account"),
        "lsf": ("queue", "project"),
    }[place.kind]
    options: dict[str, object] = dict(zip(names, (row.queue, row.account), strict=True))
    if place.kind == "lsf":
        options |= {"ncpus": row.cpus, "mem": int(row.memory_GiB * 2**30)}
    if place.kind == "pbs":
        options |= {
            "resource_spec": f"select=1:ncpus={row.cpus}:mem={int(1024 * row.memory_GiB)}mb"
        }
    return options | {
        "walltime": (
            f"{row.seconds // 3600:02d}:{row.seconds // 60 % 60:02d}"
            if place.kind == "lsf"
            else clock(row.seconds)
        ),
        "job_extra_directives": list(row.directives),
        "job_directives_skip": left_out(place.kind, row),
        "cores": row.cpus,
        "processes": row.cpus,
        "memory": f"{row.memory_GiB:g} GiB",
        "job_script_prologue": [*exports, *row.environment],
        "death_timeout": JOIN_S,
        "worker_extra_args": [
            *("--lifetime", f"{lifetime}s", "--lifetime-stagger", f"{min(60, lifetime // 10)}s"),
            # a port for monitors is opened all the same
            *("--no-dashboard", "--dashboard-address", f"{LOOPBACK}:0"),
        ],
        "python": sys.executable,
        "log_directory": str(place.shared),
        "security": _temporary_security(keys),
        "protocol": "tls://",
        "scheduler_options": {"dashboard_address": f"{LOOPBACK}:0"},
    }


# how dask-jobqueue writes the options that halobind's own scripts write otherwise
DASK_OPTIONS = {
    "slurm": {
        "--partition": "-p ",
        "--account": "-A ",
        "--ntasks": "-n ",
        "--time": "-t ",
        "--job-name": "-J ",
        "--output": "-o ",
    },
    "pbs": {},
    "lsf": {'-R "rusage': "-M "},
}
SENTINELS = {"slurm": "#SBATCH", "pbs": "#PBS", "lsf": "#BSUB"}


def left_out(kind: str, cluster: Cluster) -> list[str]:
    """The beginnings of the header lines that dask-jobqueue is not to write.

    Args:
        kind: slurm, pbs or lsf.
        cluster: With the options that are left out.
    """
    options = [DASK_OPTIONS[kind].get(item, item) for item in cluster.leave_out]
    if kind == "slurm" and replaces_memory(cluster.directives):
        options.append("--mem")
    return [f"{SENTINELS[kind]} {option}" for option in options]


def _temporary_security(folder: Path) -> "Security":
    """Keys made for one cluster, in files of a folder.

    Those that dask-jobqueue writes itself outlive their folder and complain when they go.
    """
    from distributed.security import Security  # noqa: PLC0415 (optional)

    made = Security.temporary().get_tls_config_for_role("worker")
    files = {}
    for name in ("ca_file", "cert", "key"):
        files[name] = str(folder / f"{name}.pem")
        with open(
            files[name],
            "w",
            encoding="ascii",
            opener=lambda path, flags: os.open(path, flags, 0o600),
        ) as file:
            file.write(made[name])
    roles = {
        f"tls_{role}_{name}": files[name]
        for role in ("client", "scheduler", "worker")
        for name in ("cert", "key")
    }
    return Security(require_encryption=True, tls_ca_file=files["ca_file"], **roles)


@contextlib.contextmanager
def batch_cluster(place: BatchJobs, refusals: list[str]) -> Iterator["JobQueueCluster"]:
    """Run a dask cluster whose workers are batch jobs, which are cancelled at the end.

    The headers of these jobs are dask-jobqueue's, those of `halobind submit` are of slurm.py,
    pbs.py and lsf.py: a worker's command line, its keys and the number of its processes are dask's
    matter, and dask-jobqueue takes no finished script; arrays, logs and signals are of no use to
    workers.

    Args:
        place: The batch scheduler and how a job is asked for.
        refusals: Gets what the scheduler says to jobs that it does not take.
    """
    from dask_jobqueue.lsf import LSFCluster, LSFJob  # noqa: PLC0415 (optional)
    from dask_jobqueue.pbs import PBSCluster, PBSJob  # noqa: PLC0415
    from dask_jobqueue.slurm import SLURMCluster, SLURMJob  # noqa: PLC0415

    from halobind.jobs.dask_jobs import SteadyJobs, job_class  # noqa: PLC0415 (needs dask)

    def keep(record: logging.LogRecord) -> bool:
        """A job that is not taken is only logged, as an exception in the loop of tornado."""
        said = str(record.exc_info[1]) if record.exc_info else ""
        if "non-zero exit code" in said:
            refusals.append(" ".join(said.partition("stderr:")[2].split()) or "it says nothing")
        return "non-zero exit code" not in said

    clusters: dict[str, type[JobQueueCluster]]
    clusters = {"slurm": SLURMCluster, "pbs": PBSCluster, "lsf": LSFCluster}
    jobs: dict[str, type[Job]] = {"slurm": SLURMJob, "pbs": PBSJob, "lsf": LSFJob}
    place.shared.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        keys = stack.enter_context(scratch_folder(place.shared / "keys"))
        logging.getLogger("tornado.application").addFilter(keep)
        stack.callback(logging.getLogger("tornado.application").removeFilter, keep)
        options = batch_options(place, keys)
        options["job_cls"] = job_class(
            jobs[place.kind], place.kind, place.cluster.without_gpus.directives
        )
        cluster = stack.enter_context(clusters[place.kind](**options))  # type: ignore[arg-type]
        # whole jobs: a number of workers that is no multiple of a job's would never be reached
        n_workers = -(-place.workers // place.cluster.cpus) * place.cluster.cpus
        cluster.adapt(Adaptive=SteadyJobs, minimum=n_workers, maximum=n_workers)
        stack.callback(_fail_refused, cluster)
        yield cluster


def _fail_refused(cluster: "JobQueueCluster") -> None:
    """Jobs that were not taken are not waited for when the cluster closes."""
    from distributed.core import Status  # noqa: PLC0415 (optional)

    for job in cluster.workers.values():
        if not job.job_id:
            job.status = Status.failed
