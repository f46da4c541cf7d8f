"""`halobind status`: one row a run, what failed, what rounds asked for, what schedulers hold."""

from pathlib import Path

from rich.table import Table

from halobind.pipeline.campaign.run_directory import DamagedError, Run
from halobind.pipeline.campaign.settings import Campaign
from halobind.pipeline.commands.console import tell_older_runs, wide_console
from halobind.pipeline.results.swap_statistics import swap_lines
from halobind.pipeline.sampling.failures import open_failures
from halobind.pipeline.workflow.checks import open_campaign
from halobind.pipeline.workflow.cost import HOURS_PER_DAY, plan_run
from halobind.pipeline.workflow.queued_jobs import jobs_of
from halobind.pipeline.workflow.status import round_lines, status_rows


def show_status(folder: Path) -> int:
    """Print one row a run."""
    opened = open_campaign(folder)
    campaign = opened.settings
    runs = opened.runs
    tell_older_runs(folder)
    jobs, sentences = jobs_of(runs, campaign)
    rows = status_rows(runs, campaign, jobs)
    table = Table()
    for column in rows[0]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row.values())
    wide_console().print(table)
    for run in runs:
        for failure in open_failures(run, campaign):
            print(f"{run.id} {failure.product} failed: {failure.reason}")
        print(
            "".join(
                f"{line}\n"
                for line in [*round_lines(run), *(f"{run.id} {text}" for text in _exchange(run))]
            ),
            end="",
        )
    print(
        "\n".join(
            [
                *sentences,
                (
                    f"left: {_hours(runs, campaign):.3g} hours of one process (GPU hours, where"
                    " each has a GPU)"
                ),
            ]
        )
    )
    return 0


def _exchange(run: Run) -> list[str]:
    """How its windows exchange, or which segment cannot be read."""
    try:
        return swap_lines(run)
    except DamagedError as error:
        return [str(error)]


def _hours(runs: list[Run], campaign: Campaign) -> float:
    plans = [plan_run(run, campaign) for run in runs]
    return sum(plan.left_days for plan in plans) * HOURS_PER_DAY
