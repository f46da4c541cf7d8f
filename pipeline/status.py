"""One line a run: what is published of every stage, what failed, what is left."""

import json
from pathlib import Path

from jobs.claims import is_claimed
from pipeline.campaign import Campaign
from pipeline.plan import plan_run
from pipeline.progress import duration
from pipeline.run import Run
from pipeline.stages import PREPARE, all_products, rounds_of
from pipeline.steps import ROUNDS, replicas_of, round_due

STAGES = ("build", "system", "equilibrate", "pull", "windows")


def stage_counts(run: Run, campaign: Campaign) -> dict[str, tuple[int, int]]:
    """(published, asked for) products of each stage."""
    counts = {stage: [0, 0] for stage in STAGES}
    products = all_products(run, campaign)
    there = run.published(product.name for product in products)
    for product in products:
        stage = product.name.split("/")[0]
        counts[stage][0] += product.name in there
        counts[stage][1] += 1
    return {stage: (done, total) for stage, (done, total) in counts.items()}


def open_failures(run: Run, campaign: Campaign) -> dict[str, str]:
    """Products that failed and are still missing, with the reason of the last failure."""
    found = {}
    if not run.failures_folder.is_dir():
        return found
    names = [product.name for product in all_products(run, campaign)]
    for name in [*names, f"{ROUNDS}/{len(run.rounds()):03d}"]:
        failures = run.failures(name)
        if failures and not run.has(name):
            found[name] = _reason(failures[-1])
    return found


def rounds_due(runs: list[Run], campaign: Campaign) -> bool:
    """Whether, once everything asked for is sampled, there is something to decide."""
    return any(round_due(replicas_of(run, runs), campaign) for run in runs if run.leads)


def round_lines(run: Run) -> list[str]:
    """What the rounds of a run and its replicas asked for and found, one line each, where the run holds them."""
    rounds = enumerate(rounds_of(run) if run.leads else ())
    return [f"{run.id} {ROUNDS}/{number:03d}: {text}" for number, one in rounds for text in (*one.notes, *one.problems)]


def _reason(failure: Path) -> str:
    """What error.json of a failure says; the failure itself counts also where its record cannot be read."""
    try:
        return str(json.loads((failure / "error.json").read_text(encoding="utf-8"))["error"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"its record {failure} cannot be read"


def status_rows(runs: list[Run], campaign: Campaign) -> list[dict[str, str]]:
    """A row a run: id, one column a stage, state, time left at the measured speed of one process."""
    rows = []
    for run in runs:
        counts = stage_counts(run, campaign)
        failures = open_failures(run, campaign)
        chains = dict.fromkeys([PREPARE, *(product.chain for product in all_products(run, campaign))])
        working = sum(is_claimed(run.lock(chain)) for chain in chains)
        left = sum(total - done for done, total in counts.values())
        due = not left and run.leads and round_due(replicas_of(run, runs), campaign)
        done = not left and not due
        state = "done" if done else f"running ({working})" if working else f"failed ({len(failures)})" if failures else "waiting"
        plan = plan_run(run, campaign)
        remaining = duration(plan.left_ps / 1000 / plan.speed_ns_day * 86400) + ("" if plan.measured else " (guess)") if left else "-"
        stages = {stage: f"{done}/{total}" for stage, (done, total) in counts.items()}
        rows.append({"run": run.id, **stages, "state": state, "left, one process": remaining})
    return rows
