"""`halobind table`: the tables of what is sampled."""

from pathlib import Path

from halobind.pipeline.commands.console import table_with_files, tell_older_runs
from halobind.pipeline.results.publish import make_table, publish_table
from halobind.pipeline.workflow.checks import check_writable, open_campaign


def make_tables(folder: Path) -> int:
    """Estimate what is sampled, write the tables, print the short one."""
    opened = open_campaign(folder)
    tell_older_runs(folder)
    check_writable(folder)
    table = make_table(opened)
    print(table_with_files(table, publish_table(table, opened)))
    return 0 if table.sound else 1
