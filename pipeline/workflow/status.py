"""One line a run: what is published of every stage, what failed, what is left."""

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
Queued = tuple[str, Task]  # the stage ("prepare", "sample") and the state of a job


def stage_counts(run: Run, campaign: Campaign) -> dict[str, tuple[int, int]]:
    """(published, asked for) products of each stage."""
    counts: dict[str, list[int]] = {}
    products = all_products(run, campaign)
    there = run.published(product.name for product in products)
    for product in products:
        counts.setdefault(product.stage, [0, 0])[0] += product.name in there
        counts[product.stage][1] += 1
    return {stage: (done, total) for stage, (done, total) in counts.items()}


def rounds_due(runs: list[Run], campaign: Campaign) -> bool:
    """Whether, once everything asked for is sampled, there is something to decide."""
    return any(round_due(replicas_of(run, runs), campaign) is not None for run in runs if run.leads)


def round_lines(run: Run) -> list[str]:
    """What the rounds of a run and its replicas asked for and found, one line each, where the run
    holds them.
    """
    rounds = enumerate(rounds_of(run) if run.leads else ())
    return [
        f"{run.id} {round_name(number)}: {text}"
        for number, one in rounds
        for text in (*one.notes, *(problem.text for problem in one.problems))
    ]


def status_rows(
    runs: list[Run], campaign: Campaign, jobs: dict[str, list[Queued]]
) -> list[dict[str, str]]:
    """A row a run: id, one column a stage, state, time left at the measured speed of one process
    and of all that are at work or queued.

    `jobs` holds for each run what a batch scheduler has of it.
    """
    rows = []
    for run in runs:
        products = all_products(run, campaign)
        counts, failures = stage_counts(run, campaign), open_failures(run, campaign)
        working = [
            chain
            for chain in dict.fromkeys([PREPARE, *(product.chain for product in products)])
            if is_claimed(run.lock(chain))
        ]
        left = sum(total - done for done, total in counts.values())
        due = not left and run.leads and (round_due(replicas_of(run, runs), campaign) is not None)
        state = "waiting"
        if not left and not due:
            state = "done"
        elif working:
            state = f"running ({len(working)})"
        elif failures:
            state = f"failed ({len(failures)})"
        elif jobs[run.id]:
            state = (
                f"{_state(jobs[run.id])} ({len(jobs[run.id])} job{'s' * (len(jobs[run.id]) > 1)})"
            )
        stages = {
            stage: _cell(stage, counts[stage], working, failures, jobs[run.id]) for stage in counts
        }
        plan = plan_run(run, campaign)
        guess = "" if plan.measured else " (guess)"
        alone = plan.left_days * SECONDS_PER_DAY
        together = _serial_ps(run, products) / 1000 / plan.speed_ns_day * SECONDS_PER_DAY
        streams = max(len(working), len(jobs[run.id]))
        times = (
            (duration(alone) + guess, duration(max(together, alone / streams)) if streams else "-")
            if left
            else ("-", "-")
        )
        rows.append(
            {
                "run": run.id,
                **stages,
                "state": state,
                "left, one process": times[0],
                "wall time": times[1],
            }
        )
    return rows


def _state(jobs: list[Queued]) -> str:
    return "running" if any(task.state == "running" for _, task in jobs) else "queued"


def _cell(
    stage: str,
    count: tuple[int, int],
    working: list[str],
    failures: list[OpenFailure],
    jobs: list[Queued],
) -> str:
    """ "3/26 running": what is published, and what is happening to the rest."""
    done, total = count
    kind = "prepare" if stage in PREPARED else "sample"
    mine = [(name, task) for name, task in jobs if name == kind]
    word = ""
    if done < total:
        if any(failure.stage == stage for failure in failures):
            word = " failed"
        elif any((chain == PREPARE) == (kind == "prepare") for chain in working):
            word = " running"
        elif mine:
            word = f" {_state(mine)}"
    return f"{done}/{total}{word}"


def _serial_ps(run: Run, products: list[Product]) -> float:
    """Picoseconds that must follow each other: what is left of the preparation and of the longest
    window.
    """
    there = run.published(product.name for product in products)
    left: dict[str, float] = {}
    for product in products:
        if product.name not in there:
            left[product.chain] = left.get(product.chain, 0.0) + product.cost_ps
    return left.pop(PREPARE, 0.0) + max(left.values(), default=0.0)
