"""Runs of a campaign that an older version of halobind made: named, never continued or touched."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from halobind.pipeline.campaign.run_directory import FORMAT, runs_folder

MAX_NAMES = 10
"""Number of runs that a message names; of the others it gives the number."""


@dataclass(frozen=True)
class OlderRun:
    """A run directory of an older format."""

    name: str
    """The id of the run, as that version made it."""
    format: int
    """The format of what it holds."""


def find_older_runs(campaign: Path) -> list[OlderRun]:
    """The runs of a campaign directory whose run.json is of an older format, by name."""
    older = []
    for path in sorted(runs_folder(campaign).glob("*/run.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["format"] < FORMAT:
                older.append(OlderRun(path.parent.name, record["format"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # not a run directory; a run of the campaign is checked when it is opened
    return older


def older_runs_note(campaign: Path, older: Iterable[OlderRun]) -> str:
    """What to tell a person about the older runs of a campaign directory; empty for none."""
    runs = list(older)
    if not runs:
        return ""
    formats = ", ".join(sorted({str(run.format) for run in runs}))
    names = [run.name for run in runs[:MAX_NAMES]]
    if len(runs) > MAX_NAMES:
        names.append(f"and {len(runs) - MAX_NAMES} more")
    lines = [
        f"{len(runs)} run{'s' * (len(runs) != 1)} in {runs_folder(campaign)} made by an older"
        f" version of halobind (run format {formats}, now {FORMAT}) will not be continued:",
        *(f"  {name}" for name in names),
        "They are left untouched: finish them with the version that made them, or run again to"
        " make them anew beside these.",
    ]
    return "\n".join(lines)
