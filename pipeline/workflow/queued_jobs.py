"""What batch schedulers hold of a campaign: jobs by run, and sentences about them."""

from pathlib import Path

from halobind.jobs.batch import BatchError, Task
from halobind.jobs.ledger import Entry, Ledger
from halobind.pipeline.campaign.run_directory import Run, job_prefix, ledger_file
from halobind.pipeline.campaign.settings import Campaign
from halobind.pipeline.workflow.parts import Part
from halobind.pipeline.workflow.status import QueuedTask
from halobind.pipeline.workflow.worker import next_steps


def ledger_of(campaign: Path) -> Ledger:
    """The record of the jobs submitted for a campaign where it is now."""
    return Ledger(ledger_file(campaign), job_prefix(campaign))


def jobs_of(runs: list[Run], campaign: Campaign) -> tuple[dict[str, list[QueuedTask]], list[str]]:
    """The queued and running jobs that have something to do.

    Args:
        runs: The runs of a campaign.
        campaign: Says how much sampling is asked for.

    Returns:
        The tasks of each run, by its id; and a sentence for each job: how many tasks, why they
        wait, or why the scheduler cannot be asked.
    """
    tasks: dict[str, list[QueuedTask]] = {run.id: [] for run in runs}
    try:
        queue = ledger_of(runs[0].campaign).queued()
    except BatchError as error:
        return tasks, [f"jobs: unknown here ({error})"]
    for entry, task in queue:
        if entry.stage in ("prepare", "sample"):
            part = Part(entry.part(task) - 1, entry.of, entry.stage == "prepare")
            for name in {run.id for run, _ in next_steps(runs, campaign, part)}:
                tasks[name].append(QueuedTask(entry.stage, task))
    return tasks, _sentences(queue)


def _sentences(queue: list[tuple[Entry, Task]]) -> list[str]:
    by_name: dict[str, list[Task]] = {}
    for entry, task in queue:
        by_name.setdefault(entry.name, []).append(task)
    lines = []
    for name, tasks in by_name.items():
        reasons = dict.fromkeys(
            task.reason
            for task in tasks
            if task.state == "queued" and task.reason not in ("", "None")
        )
        running = sum(task.state == "running" for task in tasks)
        waiting = f"{len(tasks) - running} queued" + (f" ({', '.join(reasons)})" if reasons else "")
        lines.append(f"job {name} ({tasks[0].id}): {running} running, {waiting}")
    return lines
