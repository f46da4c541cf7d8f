"""`halobind plan`: the size, cost and disk of every run, shown as a table."""

from pathlib import Path

from rich.markup import escape
from rich.table import Table

from halobind.pipeline.commands.console import tell_older_runs, wide_console
from halobind.pipeline.workflow.campaign_cost import RUN_COLUMN, plan_campaign
from halobind.pipeline.workflow.checks import open_campaign
from halobind.pipeline.workflow.cost import check_disk


def show_plan(folder: Path) -> int:
    """Print what would run; refuse what `run` would refuse."""
    opened = open_campaign(folder)
    tell_older_runs(folder)
    plan = plan_campaign(opened)
    table = Table(title=escape(plan.title), title_justify="left")
    for column in plan.rows[0]:
        table.add_column(
            column, justify="left" if column == RUN_COLUMN else "right", overflow="fold"
        )
    for row in plan.rows:
        table.add_row(*row.values())
    wide_console().print(table)
    print("\n".join(plan.notes))
    check_disk(plan.runs, folder)
    return 0
