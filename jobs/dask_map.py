"""Map a function over many tasks: one by one, in processes of this machine, through a batch
scheduler, or on a dask cluster that exists.

Only as many tasks as keep the workers busy are submitted at a time, and every result is given out
when it comes, so memory does not grow with the number of tasks. A task whose worker dies is done
again by another one.
"""

import contextlib
import itertools
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from halobind.jobs.clusters import clusters_path
from halobind.jobs.dask_clusters import batch_cluster, local_cluster
from halobind.jobs.workplace import ADVICE, MappingError, Place

PATIENCE_S = 20  # to reach a scheduler
DEATHS = 5  # workers that may die with one task before it is given up
SPARE = 2  # tasks submitted beyond two a worker
POLL_S = 0.01
CHECK_S = 5  # without a result: is there a worker at all?
NOTICE_S = 120  # without a result and without a worker: it is said, and again ever after
QUEUES = {
    "slurm": "squeue --me",
    "pbs": "qstat -u $USER",
    "lsf": "bjobs",
}  # what shows the jobs of the user

T, R = TypeVar("T"), TypeVar("R")


@dataclass(frozen=True)
class LostTask:
    """In place of a result: every worker that had the task died."""

    why: str


def mapped(
    function: Callable[[T], R], tasks: Iterable[T], place: Place
) -> Iterator[tuple[T, R | LostTask]]:
    """(task, function(task)) of every task, as they are done; LostTask where its workers kept dying.
    What `function` raises is raised.

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

        for task in itertools.islice(
            left, 2 * (place.workers or len(client.nthreads()) or 4) + SPARE
        ):
            submit(task)
        # a worker's death is blamed on every task it had: these are tried again, one at a time
        doubtful = []
        while waiting:
            future = _next(done, client, (place, refused))
            result, task = _result(future, place), waiting.pop(future)
            future.release()
            for another in itertools.islice(left, 1):
                submit(another)
            if isinstance(result, LostTask):
                doubtful.append(task)
            else:
                yield task, result
        for task in doubtful:
            submit(task)
            future = _next(done, client, (place, refused))
            yield waiting.pop(future), _result(future, place)


def _next(done: Iterator[object], client: object, batch: tuple[Place, list[str]]) -> object:
    """The next future that is done; while none is and no worker is there, that is said from time to
    time.

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
            raise MappingError(
                f"{place.kind} did not take the job: {refused[-1]}; {advice}; {ADVICE}"
            )
        if now - said >= NOTICE_S and not client.scheduler_info().get("workers"):
            said = now
            print(f"halobind: waiting: {_no_worker(place)}", file=sys.stderr, flush=True)
    return next(done)


def _no_worker(place: Place) -> str:
    """Why there may be no worker, and what to do."""
    if place.kind in QUEUES:
        why = (
            f"no {place.kind} job has started a worker yet: {QUEUES[place.kind]} shows whether they"
            f" queue, {place.shared} has their logs"
        )
    elif place.kind == "address":
        why = (
            f"the scheduler at {place.address} has no worker: start some with: dask worker"
            f" {place.address}"
        )
    else:
        why = "no process of this machine has started yet"
    return f"{why}; to stop press Ctrl-C, what is measured is kept" + (
        "" if place.kind == "local" else f"; {ADVICE}"
    )


def _result(future: object, place: Place) -> object:
    from concurrent.futures import CancelledError  # noqa: PLC0415

    from distributed import KilledWorker  # noqa: PLC0415 (optional)
    from distributed.comm import CommClosedError  # noqa: PLC0415

    try:
        return future.result()
    except KilledWorker:
        return LostTask(
            "the workers that had it died (out of memory or wall time): give them more, or make"
            " --chunk smaller"
        )
    except (CancelledError, CommClosedError, TimeoutError) as error:
        raise MappingError(
            f"the dask scheduler ({place.address or place.kind}) is gone ({type(error).__name__})"
        ) from error


def settings() -> contextlib.AbstractContextManager:
    """dask as it is used here: what it measures of itself at leisure, as the command needs the
    processors for the tasks.
    """
    import dask  # noqa: PLC0415 (optional)

    return dask.config.set(
        {
            "distributed.scheduler.allowed-failures": DEATHS,
            "distributed.worker.daemon": True,
            # a crowded machine is slow to start workers
            "distributed.comm.timeouts.connect": f"{3 * PATIENCE_S}s",
            "distributed.admin.log-length": 0,
            "distributed.admin.tick.interval": "500ms",
            "distributed.admin.system-monitor.interval": "5s",
            "distributed.worker.memory.monitor-interval": "1s",
            "distributed.worker.profile.enabled": False,
            "logging.distributed": "critical",  # in the workers too: what is lost is reported by us
        }
    )


@contextlib.contextmanager
def _client(place: Place, refused: list[str]) -> Iterator[object]:
    """A client of the place's scheduler, which is started here unless it exists; `refused` gets
    what a batch scheduler says to jobs that it does not take. Raises MappingError.
    """
    from distributed import Client  # noqa: PLC0415 (optional)

    with contextlib.ExitStack() as stack:
        stack.enter_context(settings())
        if place.kind == "address":
            try:
                client = stack.enter_context(
                    Client(place.address, security=_security(place), timeout=PATIENCE_S)
                )
            except OSError as error:
                raise MappingError(
                    f"no dask scheduler answers at {place.address} ({type(error).__name__});"
                    f" {ADVICE}"
                ) from None
            yield client
            return
        cluster = stack.enter_context(
            local_cluster(place.workers) if place.kind == "local" else batch_cluster(place, refused)
        )
        yield stack.enter_context(
            Client(cluster, security=cluster.security, direct_to_workers=True)
        )  # results by way of it travel twice


def _security(place: Place) -> object:
    from distributed.security import Security  # noqa: PLC0415 (optional)

    if place.tls is None:
        return Security()
    ca, certificate, key = (str(path) for path in place.tls)
    return Security(
        tls_ca_file=ca, tls_client_cert=certificate, tls_client_key=key, require_encryption=True
    )
