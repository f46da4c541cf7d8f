"""Map a function over many tasks: one by one, in processes of this machine, through a batch scheduler, or on a dask cluster that exists.

Only as many tasks as keep the workers busy are submitted at a time, and every result is given out when it comes, so memory does not grow
with the number of tasks. A task whose worker dies is done again by another one.
"""

import contextlib
import ipaddress
import itertools
import logging
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from jobs.clusters import BatchError, Cluster, clusters_path, load_clusters

SUBMIT = {"slurm": "sbatch", "pbs": "qsub", "lsf": "bsub"}  # the command without which there is no such scheduler here
INSTALL = 'pip install -c constraints.txt ".[hpc]"'
LOOPBACK = "127.0.0.1"
PATIENCE_S = 20  # to reach a scheduler
DEATHS = 5  # workers that may die with one task before it is given up
SPARE = 2  # tasks submitted beyond two a worker
POLL_S = 0.003
CHECK_S = 5  # without a result: is there a worker at all?
NOTICE_S = 120  # without a result and without a worker: it is said, and again ever after
QUEUES = {"slurm": "squeue --me", "pbs": "qstat -u $USER", "lsf": "bjobs"}  # what shows the jobs of the user
JOIN_S = 600  # a worker may take to reach the scheduler: one that gives up is not replaced, its job counts as running
LEAVE_S = 120  # before the wall time ends a worker hands its tasks over and stops
ADVICE = "processes of this machine do the same: --where local"

T, R = TypeVar("T"), TypeVar("R")


class MappingError(RuntimeError):
    """The place to compute cannot be used: the message says which, why and what to do."""


@dataclass(frozen=True)
class Lost:
    """In place of a result: every worker that had the task died."""

    why: str


@dataclass(frozen=True)
class Place:
    """Where tasks are done. `kind` is serial, local, slurm, pbs, lsf or address (then `address` is tcp://host:port or tls://host:port).

    `workers` is the number of processes (0: one a core; for a batch cluster one job's). `tls` are the files of CA, certificate and
    key. `insecure` allows an address without TLS on another machine. Temporary keys of batch jobs go to `shared`, a folder that their
    nodes see; only the user can read them.
    """

    kind: str
    workers: int = 0
    address: str = ""
    cluster: Cluster | None = None
    tls: tuple[Path, Path, Path] | None = None
    insecure: bool = False
    shared: Path = Path()


@dataclass(frozen=True)
class Reach:
    """What a person says beside the place: name of the cluster, TLS files, whether a bare address elsewhere is all right."""

    cluster: str | None = None
    tls: tuple[Path, Path, Path] | None = None
    insecure: bool = False


def place_of(where: str, workers: int, reach: Reach, shared: Path) -> Place:
    """The Place that `where` names, checked as far as that goes without starting anything. Raises MappingError."""
    if where == "serial":
        return Place("serial", 1)
    _check_dask()
    if where == "local":
        return Place("local", workers or len(os.sched_getaffinity(0)))
    if where in SUBMIT:
        if shutil.which(SUBMIT[where]) is None:
            raise MappingError(f"there is no {SUBMIT[where]} on this machine: give the command where jobs are submitted; {ADVICE}")
        cluster = find_cluster(where, reach.cluster)
        return Place(where, workers or cluster.cpus, cluster=cluster, shared=shared)
    if where.startswith(("tcp://", "tls://")):
        return Place("address", workers, where, None, _tls_files(where, reach), reach.insecure)
    raise MappingError(f"--where {where}: choose serial, local, {', '.join(SUBMIT)}, or the address of a dask scheduler, tcp://host:port")


def find_cluster(scheduler: str, name: str | None) -> Cluster:
    """The cluster of the user's file called `name`, or the only one with that scheduler. Raises MappingError naming those there are."""
    try:
        clusters = {key: row for key, row in load_clusters().items() if row.scheduler == scheduler}
    except BatchError as error:
        raise MappingError(str(error)) from None
    if name is None and len(clusters) > 1:
        raise MappingError(f"{clusters_path()} has several {scheduler} clusters: name one with --cluster ({', '.join(clusters)})")
    if name is None and clusters:
        return next(iter(clusters.values()))
    if name not in clusters:
        there = f"there are {', '.join(clusters)}" if clusters else f'add a table with scheduler = "{scheduler}"'
        raise MappingError(f"{clusters_path()} has no {scheduler} cluster{f' {name!r}' if name else ''}: {there}")
    return clusters[name]


def _check_dask() -> None:
    """Raise MappingError with the line that installs what is missing."""
    try:
        import dask_jobqueue  # noqa: F401, PLC0415 (optional)
        import distributed  # noqa: F401, PLC0415
    except ImportError as error:
        raise MappingError(f"{error.name} is not installed, and only --where serial works without it; install it with: {INSTALL}") from None


def _tls_files(address: str, reach: Reach) -> tuple[Path, Path, Path] | None:
    for path in reach.tls or ():
        if not path.is_file():
            raise MappingError(f"--tls: there is no file {path}; give the files of CA, certificate and key, in this order")
    host, _, port = address.partition("://")[2].rpartition(":")
    if not host or not port.isdecimal():
        raise MappingError(f"--where {address}: write the address as tcp://host:port or tls://host:port")
    if address.startswith("tls://"):
        if reach.tls is None:
            raise MappingError(f"--where {address} needs --tls CA CERTIFICATE KEY, the files that its scheduler was started with")
        return reach.tls
    if reach.tls is not None:
        raise MappingError(f"--where {address} is not encrypted: write tls:// for a scheduler that was started with these files")
    if not reach.insecure and not is_loopback(host):
        raise MappingError(
            f"--where {address}: whoever reaches this port can run code as you. Start the scheduler with --tls-ca-file, --tls-cert and "
            "--tls-key and give tls:// with --tls CA CERTIFICATE KEY, or add --insecure if nobody else is on that network"
        )
    return None


def is_loopback(host: str) -> bool:
    """Whether every address of a host is this machine's own loopback."""
    try:
        found = {item[4][0] for item in socket.getaddrinfo(host.strip("[]"), None)}
    except OSError:
        return False
    return bool(found) and all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in found)


def mapped(function: Callable[[T], R], tasks: Iterable[T], place: Place) -> Iterator[tuple[T, R | Lost]]:
    """(task, function(task)) of every task, as they are done; Lost where its workers kept dying. What `function` raises is raised.

    Raises MappingError when the place cannot be reached any more.
    """
    if place.kind == "serial":
        for task in tasks:
            yield task, function(task)
        return
    from distributed import as_completed  # noqa: PLC0415 (optional)

    refused: list[str] = []
    with _client(place, refused) as client:
        waiting, left, done = {}, iter(tasks), as_completed()

        def submit(task: T) -> None:
            future = client.submit(function, task, pure=False)
            waiting[future] = task
            done.add(future)

        for task in itertools.islice(left, 2 * (place.workers or len(client.nthreads()) or 4) + SPARE):
            submit(task)
        doubtful = []  # a worker's death is blamed on every task it had: these are tried again, one at a time
        while waiting:
            future = _next(done, client, (place, refused))
            result, task = _result(future, place), waiting.pop(future)
            future.release()
            for another in itertools.islice(left, 1):
                submit(another)
            if isinstance(result, Lost):
                doubtful.append(task)
            else:
                yield task, result
        for task in doubtful:
            submit(task)
            future = _next(done, client, (place, refused))
            yield waiting.pop(future), _result(future, place)


def _next(done: Iterator[object], client: object, batch: tuple[Place, list[str]]) -> object:
    """The next future that is done; while none is and no worker is there, that is said from time to time.

    Raises MappingError when the batch scheduler `refused` every job.
    """
    place, refused = batch
    checked = said = time.monotonic()
    while not done.has_ready():
        time.sleep(POLL_S)
        now = time.monotonic()
        if now - checked < CHECK_S:
            continue
        checked = now
        if refused and not any(job.job_id for job in client.cluster.workers.values()):
            advice = f"mend the table of the cluster in {clusters_path()}"
            raise MappingError(f"{place.kind} did not take the job: {refused[-1]}; {advice}; {ADVICE}")
        if now - said >= NOTICE_S and not client.scheduler_info().get("workers"):
            said = now
            print(f"halobind: waiting: {_no_worker(place)}", file=sys.stderr, flush=True)
    return next(done)


def _no_worker(place: Place) -> str:
    """Why there may be no worker, and what to do."""
    if place.kind in QUEUES:
        why = f"no {place.kind} job has started a worker yet: {QUEUES[place.kind]} shows whether they queue, {place.shared} has their logs"
    elif place.kind == "address":
        why = f"the scheduler at {place.address} has no worker: start some with: dask worker {place.address}"
    else:
        why = "no process of this machine has started yet"
    return f"{why}; to stop press Ctrl-C, what is measured is kept" + ("" if place.kind == "local" else f"; {ADVICE}")


def _result(future: object, place: Place) -> object:
    from concurrent.futures import CancelledError  # noqa: PLC0415

    from distributed import KilledWorker  # noqa: PLC0415 (optional)
    from distributed.comm import CommClosedError  # noqa: PLC0415

    try:
        return future.result()
    except KilledWorker:
        return Lost("the workers that had it died (out of memory or wall time): give them more, or make --chunk smaller")
    except (CancelledError, CommClosedError, TimeoutError) as error:
        raise MappingError(f"the dask scheduler ({place.address or place.kind}) is gone ({type(error).__name__})") from error


@contextlib.contextmanager
def _client(place: Place, refused: list[str]) -> Iterator[object]:
    """A client of the place's scheduler, which is started here unless it exists; `refused` gets what a batch scheduler says to jobs that it
    does not take. Raises MappingError."""
    import dask  # noqa: PLC0415 (optional)
    from distributed import Client  # noqa: PLC0415

    settings = {
        "distributed.scheduler.allowed-failures": DEATHS,
        "distributed.worker.daemon": True,
        "distributed.comm.timeouts.connect": f"{3 * PATIENCE_S}s",  # a crowded machine is slow to start workers
        "distributed.admin.log-length": 0,
        "logging.distributed": "critical",  # in the workers too: what is lost is reported by us
    }
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set(settings))
        if place.kind == "address":
            try:
                client = stack.enter_context(Client(place.address, security=_security(place), timeout=PATIENCE_S))
            except OSError as error:
                raise MappingError(f"no dask scheduler answers at {place.address} ({type(error).__name__}); {ADVICE}") from None
            yield client
            return
        cluster = stack.enter_context(_local(place) if place.kind == "local" else _batch(place, refused))
        yield stack.enter_context(Client(cluster, security=cluster.security))


def _security(place: Place) -> object:
    from distributed.security import Security  # noqa: PLC0415 (optional)

    if place.tls is None:
        return Security()
    ca, certificate, key = (str(path) for path in place.tls)
    return Security(tls_ca_file=ca, tls_client_cert=certificate, tls_client_key=key, require_encryption=True)


@contextlib.contextmanager
def _local(place: Place) -> Iterator[object]:
    """Processes of one thread, on loopback and with keys of their own: other users of the machine cannot reach them either.

    A process that dies is started again by its nanny; where that fails too, `adapt` replaces both.
    """
    from distributed import LocalCluster  # noqa: PLC0415 (optional)
    from distributed.security import Security  # noqa: PLC0415

    with LocalCluster(
        n_workers=place.workers,
        threads_per_worker=1,
        host=LOOPBACK,
        protocol="tls://",
        security=Security.temporary(),
        dashboard_address=f"{LOOPBACK}:0",
        worker_dashboard_address=f"{LOOPBACK}:0",
        silence_logs=logging.CRITICAL,
    ) as cluster:
        cluster.adapt(minimum=place.workers, maximum=place.workers)
        yield cluster


def batch_options(place: Place, keys: Path) -> dict[str, object]:
    """The arguments of dask-jobqueue's cluster: one process a CPU, TLS, workers that leave before the wall time ends.

    What the workers need for TLS is in `keys`, a folder that their nodes see, in files that only the user can read.
    """
    row = place.cluster
    lifetime = max(60, row.seconds - LEAVE_S)
    names = {"slurm": ("queue", "account"), "pbs": ("queue", "account"), "lsf": ("queue", "project")}[place.kind]
    options = dict(zip(names, (row.queue, row.account), strict=True))
    if place.kind == "lsf":
        options |= {"ncpus": row.cpus, "mem": int(row.memory_GiB * 2**30)}
    if place.kind == "pbs":
        options |= {"resource_spec": f"select=1:ncpus={row.cpus}:mem={int(1024 * row.memory_GiB)}mb"}
    return options | {
        "walltime": row.walltime if place.kind != "lsf" else f"{row.seconds // 3600:02d}:{row.seconds // 60 % 60:02d}",
        "cores": row.cpus,
        "processes": row.cpus,
        "memory": f"{row.memory_GiB:g} GiB",
        "job_script_prologue": ["export OMP_NUM_THREADS=1", *row.environment],
        "death_timeout": JOIN_S,
        "worker_extra_args": [
            *("--lifetime", f"{lifetime}s", "--lifetime-stagger", f"{min(60, lifetime // 10)}s"),
            *("--no-dashboard", "--dashboard-address", f"{LOOPBACK}:0"),  # a port for monitors is opened all the same
        ],
        "python": sys.executable,
        "log_directory": str(place.shared),
        "security": _temporary_security(keys),
        "protocol": "tls://",
        "scheduler_options": {"dashboard_address": f"{LOOPBACK}:0"},
    }


def _temporary_security(folder: Path) -> object:
    """Keys made for one cluster, in files: those that dask-jobqueue writes itself outlive their folder and complain when they go."""
    from distributed.security import Security  # noqa: PLC0415 (optional)

    made, files = Security.temporary().get_tls_config_for_role("worker"), {}
    for name in ("ca_file", "cert", "key"):
        files[name] = str(folder / f"{name}.pem")
        with open(files[name], "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(made[name])
    roles = {f"tls_{role}_{name}": files[name] for role in ("client", "scheduler", "worker") for name in ("cert", "key")}
    return Security(require_encryption=True, tls_ca_file=files["ca_file"], **roles)


@contextlib.contextmanager
def _batch(place: Place, refused: list[str]) -> Iterator[object]:
    import dask_jobqueue  # noqa: PLC0415 (optional)

    def keep(record: logging.LogRecord) -> bool:
        """A job that is not taken is only logged, as an exception in the loop of tornado."""
        said = str(record.exc_info[1]) if record.exc_info else ""
        if "non-zero exit code" in said:
            refused.append(" ".join(said.partition("stderr:")[2].split()) or "it says nothing")
        return "non-zero exit code" not in said

    kind = {"slurm": dask_jobqueue.SLURMCluster, "pbs": dask_jobqueue.PBSCluster, "lsf": dask_jobqueue.LSFCluster}[place.kind]
    place.shared.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        keys = stack.enter_context(tempfile.TemporaryDirectory(prefix=".keys-", dir=place.shared))
        logging.getLogger("tornado.application").addFilter(keep)
        stack.callback(logging.getLogger("tornado.application").removeFilter, keep)
        cluster = stack.enter_context(kind(**batch_options(place, Path(keys))))
        cluster.adapt(minimum=0, maximum=place.workers, wait_count=10)
        stack.callback(_fail_refused, cluster)
        yield cluster


def _fail_refused(cluster: object) -> None:
    """Jobs that were not taken are not waited for when the cluster closes."""
    from distributed.core import Status  # noqa: PLC0415 (optional)

    for job in cluster.workers.values():
        if not job.job_id:
            job.status = Status.failed
