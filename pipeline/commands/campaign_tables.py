"""`halobind table`: the tables of what is sampled."""

from pathlib import Path

from halobind.pipeline.commands.console import tell_older_runs
from halobind.pipeline.results.publish import publish_tables
from halobind.pipeline.workflow.checks import check_writable, open_campaign


def make_tables(folder: Path) -> int:
    """Estimate what is sampled, write the tables, print the short one."""
    opened = open_campaign(folder)
    tell_older_runs(folder)
    check_writable(folder)
    tables = publish_tables(opened)
    print(tables.text)
    return 0 if tables.sound else 1
