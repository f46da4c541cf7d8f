"""What several verbs print, and the console that tables are printed on."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from halobind.pipeline.campaign.older_runs import find_older_runs, older_runs_note
from halobind.pipeline.results.energy_unit import KJ_PER_MOL, EnergyUnit
from halobind.pipeline.results.table import Table
from halobind.pipeline.results.table_text import binding_markdown


def wide_console() -> Console:
    """A console that never cuts a table when the output is not a terminal."""
    return Console() if sys.stdout.isatty() else Console(width=160)


def tell_older_runs(folder: Path) -> None:
    """Print which runs of a campaign directory an older version made, and what to do about them."""
    note = older_runs_note(folder, find_older_runs(folder))
    if note:
        print(f"halobind: {note}", file=sys.stderr)


def table_with_files(table: Table, files: Sequence[Path], unit: EnergyUnit = KJ_PER_MOL) -> str:
    """What a person is told of a table that was written: its text, and the paths of the files."""
    paths = "\n".join(str(path) for path in files)
    return f"{binding_markdown(table.rows, unit)}\n{paths}"
