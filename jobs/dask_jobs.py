"""What dask does with the jobs of batch workers: they stay queued until they start, and each that
ends is replaced.

dask and dask-jobqueue are optional: this module is imported only where they are used.
"""

from dask_jobqueue.core import JobQueueCluster
from distributed.deploy.adaptive import Adaptive

from halobind.jobs.batch import Scheduler
from halobind.jobs.clusters import SCHEDULERS

# intervals of a second without any of its workers before a job that had some counts as ended:
# a worker that lost its connection has the time to come back
CHECKS_WITHOUT_WORKERS = 20


class SteadyJobs(Adaptive):  # type: ignore[misc]  # distributed's base class is Any without stubs
    """Keeps a fixed number of jobs: none that waits is cancelled, and one that ended is replaced.

    dask's own scaling cancels jobs that have not started when the number of tasks or of workers
    changes, so a job in a long queue is cancelled and submitted again for ever. It also does not
    notice that a job of several workers has ended.
    """

    cluster: JobQueueCluster

    async def target(self) -> int:
        """The number of workers to have, which never changes; ended jobs are taken out first."""
        await self._forget_ended_jobs()
        return int(self.maximum)

    async def _forget_ended_jobs(self) -> None:
        """Take out the jobs that had workers and lost them all: the cluster then submits others."""
        absences: dict[str, int] = self.__dict__.setdefault("_absences", {})
        arrived = {str(name) for name in self.cluster.observed}
        for name, job in list(self.cluster.workers.items()):
            group = self.cluster.worker_spec.get(name, {}).get("group", [""])
            if any(f"{name}{suffix}" in arrived for suffix in group):
                absences[name] = 0
            elif name in absences:  # it had workers
                absences[name] += 1
            if absences.get(name, 0) >= CHECKS_WITHOUT_WORKERS:
                del absences[name]
                del self.cluster.workers[name]
                await job.close()


def job_class(base: type[JobQueueCluster], kind: str, directives: tuple[str, ...]) -> type:
    """dask-jobqueue's class of jobs, which finds ids and cancels where halobind's own jobs are.

    Args:
        base: the cluster class of dask-jobqueue.
        kind: slurm, pbs or lsf.
        directives: further options of the job script, which may name a cluster among several.
    """
    scheduler: Scheduler = SCHEDULERS[kind]
    site = ",".join(scheduler.sites(directives))

    class BatchJob(base.job_cls):  # type: ignore[misc]
        cancel_command = " ".join(scheduler.cancel([], site))

        def _job_id_from_submit_output(self, out: str) -> str:
            return scheduler.job_id(out).id

    return BatchJob
