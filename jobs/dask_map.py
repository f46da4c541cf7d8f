"""Map a function over many tasks: here, in local processes, in batch jobs, or on a dask cluster.

Only as many tasks as keep the workers busy are submitted at a time, and every result is given out
when it comes, so memory does not grow with the number of tasks. A task whose worker dies is done
again by another one.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from halobind.jobs.clusters import clusters_path
from halobind.jobs.dask_clusters import batch_cluster, local_cluster
from halobind.jobs.workplace import (
    ADVICE,
    BatchJobs,
    DaskScheduler,
    LocalProcesses,
    MappingError,
    Place,
    ThisProcess,
)

if TYPE_CHECKING:
    from dask_jobqueue.core import JobQueueCluster
    from distributed import Client, Future, SpecCluster, as_completed
    from distributed.security import Security

    DaskPlace = LocalProcesses | BatchJobs | DaskScheduler

PATIENCE_S = 20  # to reach a scheduler
DEATHS = 5  # workers that may die with one task before it is given up
SPARE = 2  # tasks submitted beyond two a worker
POLL_S = 0.01
CHECK_S = 5  # without a result: is there a worker at all?
NOTICE_S = 120  # without a result and without a worker: it is said, and again ever after
QUEUES = {"slurm": "squeue --me", "pbs": "qstat -u $USER", "lsf": "bjobs"}
"""The command that shows the jobs of the user, by the kind of scheduler."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class LostTask:
    """In place of a result: every worker that had the task died."""

    why: str
    """What happened and what to do."""


def mapped(
    function: Callable[[T], R], tasks: Iterable[T], place: Place
) -> Iterator[tuple[T, R | LostTask]]:
    """Do many tasks, and yield each with its result as it is done.

    Args:
        function: Does a task; what it raises is raised.
        tasks: Taken only as fast as they are done.
        place: Where they are done.

    Yields:
        A task and its result; LostTask where the workers of the task kept dying.

    Raises:
        MappingError: The place cannot be reached any more.
    """
    if isinstance(place, ThisProcess):
        for task in tasks:
            yield task, function(task)
        return
    from distributed import as_completed  # noqa: PLC0415 (optional)

    refusals: list[str] = []
    with _client(place, refusals) as client:
        connection = _Connection(place, client, refusals)
        waiting: dict[Future[R], T] = {}
        remaining = iter(tasks)
        done = as_completed()

        def submit(task: T) -> None:
            future = client.submit(function, task, pure=False)
            waiting[future] = task
            done.add(future)

        n_workers = place.workers or len(client.nthreads()) or 4
        for task in itertools.islice(remaining, 2 * n_workers + SPARE):
            submit(task)
        # a worker's death is blamed on every task it had: these are tried again, one at a time
        doubtful = []
        while waiting:
            future = connection.next_done(done)
            result = connection.result(future)
            task = waiting.pop(future)
            future.release()
            for another in itertools.islice(remaining, 1):
                submit(another)
            if isinstance(result, LostTask):
                doubtful.append(task)
            else:
                yield task, result
        for task in doubtful:
            submit(task)
            future = connection.next_done(done)
            yield waiting.pop(future), connection.result(future)


@dataclass(frozen=True, eq=False)
class _Connection:
    """A client of the scheduler of a place, and what the place says."""

    place: DaskPlace
    """Where tasks are done."""
    client: Client
    """Of its scheduler."""
    refusals: list[str]
    """What a batch scheduler said to jobs that it did not take."""

    def next_done(self, done: as_completed) -> Future[Any]:
        """The next future that is done; a long wait without any worker is said from time to time.

        Raises:
            MappingError: The batch scheduler refused every job.
        """
        checked = said = time.monotonic()
        while not done.has_ready():
            time.sleep(POLL_S)
            now = time.monotonic()
            if now - checked < CHECK_S:
                continue
            checked = now
            self._check_refusals()
            if now - said >= NOTICE_S and not self.client.scheduler_info().get("workers"):
                said = now
                print(f"halobind: waiting: {_no_worker(self.place)}", file=sys.stderr, flush=True)
        future: Future[Any] = next(done)
        return future

    def _check_refusals(self) -> None:
        """Raise MappingError when a batch scheduler has refused every job."""
        if not self.refusals:
            return
        jobs = cast("JobQueueCluster", self.client.cluster)
        if any(job.job_id for job in jobs.workers.values()):
            return
        advice = f"mend the table of the cluster in {clusters_path()}"
        raise MappingError(
            f"{self.place.kind} did not take the job: {self.refusals[-1]}; {advice}; {ADVICE}"
        )

    def result(self, future: Future[R]) -> R | LostTask:
        """The result of a future that is done. Raises MappingError when the scheduler is gone."""
        from concurrent.futures import CancelledError  # noqa: PLC0415

        from distributed import KilledWorker  # noqa: PLC0415 (optional)
        from distributed.comm.core import CommClosedError  # noqa: PLC0415

        try:
            return future.result()
        except KilledWorker:
            return LostTask(
                "the workers that had it died (out of memory or wall time): give them more, or make"
                " --chunk smaller"
            )
        except (CancelledError, CommClosedError, TimeoutError) as error:
            place = self.place
            where = place.address if isinstance(place, DaskScheduler) else place.kind
            raise MappingError(
                f"the dask scheduler ({where}) is gone ({type(error).__name__})"
            ) from error


def _no_worker(place: DaskPlace) -> str:
    """Why there may be no worker, and what to do."""
    if isinstance(place, LocalProcesses):
        why = "no process of this machine has started yet"
    elif isinstance(place, BatchJobs):
        why = (
            f"no {place.kind} job has started a worker yet: {QUEUES[place.kind]} shows whether they"
            f" queue, {place.shared} has their logs"
        )
    else:
        why = (
            f"the scheduler at {place.address} has no worker: start some with: dask worker"
            f" {place.address}"
        )
    elsewhere = "" if isinstance(place, LocalProcesses) else f"; {ADVICE}"
    return f"{why}; to stop press Ctrl-C, what is measured is kept{elsewhere}"


def settings() -> contextlib.AbstractContextManager[Any]:
    """dask as it is used here: it measures itself seldom, because the tasks need the processors."""
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
def _client(place: DaskPlace, refusals: list[str]) -> Iterator[Client]:
    """A client of the scheduler of a place, which is started here unless it exists.

    Args:
        place: Where tasks are done.
        refusals: Gets what a batch scheduler says to jobs that it does not take.

    Raises:
        MappingError: No scheduler answers.
    """
    from distributed import Client  # noqa: PLC0415 (optional)

    with contextlib.ExitStack() as stack:
        stack.enter_context(settings())
        if isinstance(place, DaskScheduler):
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
        cluster: SpecCluster
        if isinstance(place, LocalProcesses):
            cluster = stack.enter_context(local_cluster(place.workers))
        else:
            cluster = stack.enter_context(batch_cluster(place, refusals))
        # results by way of the scheduler travel twice
        yield stack.enter_context(
            Client(cluster, security=cluster.security, direct_to_workers=True)
        )


def _security(place: DaskScheduler) -> Security:
    """The keys for a scheduler at an address; none where it has no TLS."""
    from distributed.security import Security  # noqa: PLC0415 (optional)

    if place.tls is None:
        return Security()
    return Security(
        tls_ca_file=str(place.tls.ca),
        tls_client_cert=str(place.tls.certificate),
        tls_client_key=str(place.tls.key),
        require_encryption=True,
    )
