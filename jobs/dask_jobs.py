"""How dask keeps the jobs of batch workers: they stay queued until they start, and are replaced.

dask and dask-jobqueue are optional: this module is imported only where they are used.
"""

from dask_jobqueue.core import Job, JobQueueCluster
from distributed.deploy.adaptive import Adaptive
from distributed.diagnostics.plugin import SchedulerPlugin
from distributed.scheduler import Scheduler as DaskScheduler

from halobind.jobs.batch import Scheduler
from halobind.jobs.clusters import SCHEDULERS

# intervals of a second without any of its workers before a job that had some counts as ended:
# a worker that lost its connection has the time to come back
CHECKS_WITHOUT_WORKERS = 20


class SteadyJobs(Adaptive):
    """Keeps a fixed number of jobs: none that waits is cancelled, and one that ended is replaced.

    dask's own scaling cancels jobs that have not started when the number of tasks or of workers
    changes, so a job in a long queue is cancelled and submitted again for ever. It also does not
    notice that a job of several workers has ended.
    """

    cluster: JobQueueCluster

    def __init__(self, cluster: JobQueueCluster, *, minimum: int, maximum: int) -> None:
        super().__init__(cluster, minimum=minimum, maximum=maximum)
        self._arrivals = Arrivals()
        self._absences: dict[str, int] = {}
        assert cluster.scheduler is not None  # it runs by now
        cluster.scheduler.add_plugin(self._arrivals)

    async def target(self) -> int:
        """The number of workers to have, which never changes; ended jobs are taken out first."""
        await self._forget_ended_jobs()
        return int(self.maximum)

    async def _forget_ended_jobs(self) -> None:
        """Take out the jobs that had workers and lost them all: the cluster then submits others."""
        present = {str(name) for name in self.cluster.observed}
        for name, job in list(self.cluster.workers.items()):
            suffixes = self.cluster.worker_spec.get(name, {}).get("group", [""])
            workers = {f"{name}{suffix}" for suffix in suffixes}
            if workers & present or not workers & self._arrivals.names:
                self._absences[name] = 0
                continue
            self._absences[name] = self._absences.get(name, 0) + 1
            if self._absences[name] >= CHECKS_WITHOUT_WORKERS:
                self._arrivals.names -= workers
                del self._absences[name]
                del self.cluster.workers[name]
                await job.close()


class Arrivals(SchedulerPlugin):
    """Remembers the name of each worker that has come, however soon it left again."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def add_worker(self, scheduler: DaskScheduler, worker: str) -> None:
        """Called by dask's scheduler when the worker of that address has come."""
        self.names.add(str(scheduler.workers[worker].name))


def job_class(base: type[Job], kind: str, directives: tuple[str, ...]) -> type[Job]:
    """dask-jobqueue's class of jobs, which finds ids and cancels where halobind's own jobs are.

    Args:
        base: The class of jobs of dask-jobqueue.
        kind: slurm, pbs or lsf.
        directives: Further options of the job script, which may name a cluster among several.
    """
    scheduler: Scheduler = SCHEDULERS[kind]
    site = ",".join(scheduler.sites(directives))

    class BatchJob(base):  # type: ignore[valid-type, misc]  # a class chosen at run time
        cancel_command = " ".join(scheduler.cancel([], site))

        def _job_id_from_submit_output(self, out: str) -> str:
            return scheduler.job_id(out).id

    return BatchJob
