"""One line a run: what is published of every stage, what failed, what is left."""

from dataclasses import dataclass

from halobind.jobs.batch import Task
from halobind.jobs.claims import is_claimed
from halobind.pipeline.campaign.run_directory import Run
from halobind.pipeline.campaign.settings import Campaign
from halobind.pipeline.campaign.text import duration
from halobind.pipeline.sampling.failures import OpenFailure, open_failures
from halobind.pipeline.sampling.product import PREPARE, Product
from halobind.pipeline.sampling.products import all_products
from halobind.pipeline.sampling.rounds import rounds_of
from halobind.pipeline.workflow.cost import SECONDS_PER_DAY, plan_run
from halobind.pipeline.workflow.planning import round_name
from halobind.pipeline.workflow.rounds_due import replicas_of, round_due

PREPARED = ("build", "system", "equilibrate", "pull", "path")  # stages of the chain PREPARE


@dataclass(frozen=True)
class QueuedTask:
    """A task that a batch scheduler holds and that has something to do for a run."""

    stage: str
    """"prepare" or "sample"."""
    task: Task
    """The task."""


@dataclass
class StageCount:
    """How many products of a stage there are."""

    published: int = 0
    """How many are published."""
    total: int = 0
    """How many are asked for."""


def stage_counts(run: Run, campaign: Campaign) -> dict[str, StageCount]:
    """How many products of each stage are published.

    Args:
        run: The run.
        campaign: Says how much sampling is asked for.
    """
    counts: dict[str, StageCount] = {}
    products = all_products(run, campaign)
    published = run.published(product.name for product in products)
    for product in products:
        count = counts.setdefault(product.stage, StageCount())
        count.published += product.name in published
        count.total += 1
    return counts


def rounds_due(runs: list[Run], campaign: Campaign) -> bool:
    """Whether, once everything asked for is sampled, there is something to decide."""
    return any(round_due(replicas_of(run, runs), campaign) is not None for run in runs if run.leads)


def round_lines(run: Run) -> list[str]:
    """What the rounds of a run and its replicas asked for and why, where the run holds them."""
    lines = []
    for number, round_ in enumerate(rounds_of(run) if run.leads else ()):
        texts = [*round_.notes, *(problem.text for problem in round_.problems)]
        lines += [f"{run.id} {round_name(number)}: {text}" for text in texts]
    return lines


def status_rows(
    runs: list[Run], campaign: Campaign, jobs: dict[str, list[QueuedTask]]
) -> list[dict[str, str]]:
    """A row for each run: id, one column a stage, state, remaining time.

    The time is that of one process at the measured speed, and that of all that are at work or
    queued.

    Args:
        runs: The runs.
        campaign: Says how much sampling is asked for.
        jobs: For each run id what a batch scheduler holds of the run.
    """
    rows = []
    for run in runs:
        products = all_products(run, campaign)
        counts = stage_counts(run, campaign)
        failures = open_failures(run, campaign)
        queued = jobs[run.id]
        working = [
            chain
            for chain in dict.fromkeys([PREPARE, *(product.chain for product in products)])
            if is_claimed(run.lock(chain))
        ]
        n_missing = sum(count.total - count.published for count in counts.values())
        due = False
        if not n_missing and run.leads:
            due = round_due(replicas_of(run, runs), campaign) is not None
        state = "waiting"
        if not n_missing and not due:
            state = "done"
        elif working:
            state = f"running ({len(working)})"
        elif failures:
            state = f"failed ({len(failures)})"
        elif queued:
            state = f"{_state(queued)} ({len(queued)} job{'s' * (len(queued) > 1)})"
        stages = {
            stage: _cell(stage, count, working, failures, queued) for stage, count in counts.items()
        }
        plan = plan_run(run, campaign)
        guess = "" if plan.measured else " (guess)"
        alone = plan.left_days * SECONDS_PER_DAY
        together = _serial_ps(run, products) / 1000 / plan.speed_ns_day * SECONDS_PER_DAY
        streams = max(len(working), len(queued))
        one_process = duration(alone) + guess if n_missing else "-"
        all_streams = "-"
        if n_missing and streams:
            all_streams = duration(max(together, alone / streams))
        rows.append(
            {
                "run": run.id,
                **stages,
                "state": state,
                "left, one process": one_process,
                "wall time": all_streams,
            }
        )
    return rows


def _state(jobs: list[QueuedTask]) -> str:
    """Whether some of these jobs run, or all wait."""
    return "running" if any(job.task.state == "running" for job in jobs) else "queued"


def _cell(
    stage: str,
    count: StageCount,
    working: list[str],
    failures: list[OpenFailure],
    jobs: list[QueuedTask],
) -> str:
    """ "3/26 running": what is published, and what is happening to the rest."""
    kind = "prepare" if stage in PREPARED else "sample"
    jobs_of_kind = [job for job in jobs if job.stage == kind]
    word = ""
    if count.published < count.total:
        if any(failure.stage == stage for failure in failures):
            word = " failed"
        elif any((chain == PREPARE) == (kind == "prepare") for chain in working):
            word = " running"
        elif jobs_of_kind:
            word = f" {_state(jobs_of_kind)}"
    return f"{count.published}/{count.total}{word}"


def _serial_ps(run: Run, products: list[Product]) -> float:
    """What must follow each other (ps): the rest of the preparation and of the longest window."""
    published = run.published(product.name for product in products)
    missing_ps: dict[str, float] = {}  # by chain
    for product in products:
        if product.name not in published:
            missing_ps[product.chain] = missing_ps.get(product.chain, 0.0) + product.cost_ps
    return missing_ps.pop(PREPARE, 0.0) + max(missing_ps.values(), default=0.0)
