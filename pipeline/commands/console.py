"""What several verbs print, and the console that tables are printed on."""

import sys
from pathlib import Path

from rich.console import Console

from halobind.pipeline.campaign.older_runs import find_older_runs, older_runs_note


def wide_console() -> Console:
    """A console that never cuts a table when the output is not a terminal."""
    return Console() if sys.stdout.isatty() else Console(width=160)


def tell_older_runs(folder: Path) -> None:
    """Print which runs of a campaign directory an older version made, and what to do about them."""
    note = older_runs_note(folder, find_older_runs(folder))
    if note:
        print(f"halobind: {note}", file=sys.stderr)
