"""`halobind table`: the tables of what is sampled."""

from pathlib import Path

from halobind.pipeline.commands.console import table_with_files, tell_older_runs
from halobind.pipeline.results.energy_unit import EnergyUnit
from halobind.pipeline.results.publish import make_table, publish_table, table_with_provenance
from halobind.pipeline.workflow.checks import check_writable, open_campaign


def make_tables(folder: Path, unit: EnergyUnit, *, as_json: bool) -> int:
    """Estimate what is sampled, write the tables, print the short one.

    Args:
        folder: the campaign directory.
        unit: of the energies.
        as_json: print full numbers, reasons and provenance as JSON in place of the short table.
    """
    opened = open_campaign(folder)
    tell_older_runs(folder)
    check_writable(folder)
    table = make_table(opened)
    files = publish_table(table, opened, unit)
    if as_json:
        print(table_with_provenance(table, opened))
    else:
        print(table_with_files(table, files, unit))
    return 0 if table.sound else 1
