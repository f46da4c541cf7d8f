"""`halobind validate PACK --calibrate`: trial packs side by side against the same targets, and
which of them misses least.
"""

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from halobind.forcefields.packs.pack import Pack
from halobind.forcefields.validation.check_rows import Check, CheckRow
from halobind.forcefields.validation.trials import (
    Trial,
    Trials,
    bulk_part,
    load_trials,
    surface_part,
    trial_pack,
)
from halobind.jobs.publish import write_atomic
from halobind.jobs.stop import StopSignal
from halobind.pipeline.campaign.settings import CampaignError
from halobind.pipeline.campaign.text import duration
from halobind.pipeline.commands.pack_validation import known_pack, result_of
from halobind.pipeline.results.text_tables import rounded
from halobind.pipeline.sampling.platforms import MDPlatform, choose, cores
from halobind.pipeline.workflow.checks import check_can_create


@dataclass(frozen=True)
class _Tried:
    label: str
    rows: tuple[CheckRow, ...]


def calibrate_pack(name: str, out: Path | None = None) -> int:
    """Run every check of every trial that is not there yet, write and print calibration.md.

    Args:
        name: Of the pack.
        out: The folder of the results; None for one beside, named by the pack.

    Returns:
        The exit code: 1 when a check ended in an error.

    Raises:
        CampaignError: The pack is not known or has nothing to calibrate, or the folder cannot be
            written to.
    """
    pack = known_pack(name)
    out = out or Path(f"calibration-{pack.name}")
    trials = load_trials()
    try:
        for trial in trials.trial:
            trial_pack(pack, trial, trials)
    except ValueError as error:
        raise CampaignError(str(error)) from None
    check_can_create(out, "name another one with --out")
    stop = StopSignal().listen()
    choice = choose("auto", cores())
    tried = []
    for trial in trials.trial:
        tried.append(_try(pack, trial, trials, (out / trial.label, choice, stop)))
        text = table_text(tried)
        write_atomic(out / "calibration.md", text)
    print(text)
    return 1 if any(row.verdict.startswith("error") for item in tried for row in item.rows) else 0


def _try(
    pack: Pack, trial: Trial, trials: Trials, where: tuple[Path, MDPlatform, StopSignal]
) -> _Tried:
    first = trial_pack(pack, trial, trials)
    rows = _run(trial.label, first, bulk_part(first), where)
    measured = {
        row.system: round(row.value, 4)
        for row in rows
        if row.quantity == "a(300 K)" and math.isfinite(row.value)
    }
    second = trial_pack(pack, trial, trials, measured)
    return _Tried(trial.label, tuple(rows + _run(trial.label, second, surface_part(second), where)))


def _run(
    label: str, pack: Pack, todo: Sequence[Check], where: tuple[Path, MDPlatform, StopSignal]
) -> list[CheckRow]:
    out, choice, stop = where
    rows: list[CheckRow] = []
    for check in todo:
        print(f"{label} {check.name}: {check.system}", end="", file=sys.stderr, flush=True)
        start = time.monotonic()
        found, fresh = result_of(out, pack, check, choice)
        print(
            f" ({duration(time.monotonic() - start) if fresh else 'done before'})",
            file=sys.stderr,
            flush=True,
        )
        stop.check()
        rows += found.rows
    return rows


def miss(row: CheckRow) -> float:
    """(value - target) / tolerance; NaN without a target or a value."""
    return (row.value - row.target) / row.tolerance if row.tolerance else math.nan


def table_text(tried: Sequence[_Tried]) -> str:
    """One line a quantity with a target, one column a trial: value (miss in tolerances); last the
    sum of squares of what all have.
    """
    lines = [
        "# Calibration",
        "",
        "| quantity | target |" + "".join(f" {item.label} |" for item in tried),
    ]
    lines.append("|---|---|" + "---|" * len(tried))
    names = dict.fromkeys(
        (row.check, row.system, row.quantity) for item in tried for row in item.rows
    )
    sums, counted = [0.0] * len(tried), 0
    for name in names:
        found = [
            next((row for row in item.rows if (row.check, row.system, row.quantity) == name), None)
            for item in tried
        ]
        some = next(row for row in found if row is not None)
        if not math.isfinite(miss(some)) and not some.verdict.startswith("error"):
            continue
        target = (
            ""
            if math.isnan(some.target)
            else f"{some.target:g} ± {some.tolerance:g} {some.unit}".rstrip()
        )
        lines.append(
            f"| {name[2]}, {name[1]} | {target} |" + "".join(f" {_cell(row)} |" for row in found)
        )
        misses = [miss(row) if row is not None else math.nan for row in found]
        if all(math.isfinite(value) for value in misses):
            counted += 1
            sums = [total + value**2 for total, value in zip(sums, misses, strict=True)]
    lines.append(
        f"| sum of squared misses over {counted} quantities | |"
        + "".join(f" {total:.1f} |" for total in sums)
    )
    lines += [
        "",
        (
            "In brackets: (value - target) / tolerance. Targets and tolerances:"
            " forcefields/data/reference/; trials: forcefields/data/calibration.toml."
        ),
    ]
    return "\n".join(lines) + "\n"


def _cell(row: CheckRow | None) -> str:
    if row is None or not math.isfinite(row.value):
        return "" if row is None else row.verdict
    return f"{rounded(row.value, row.error)} ({miss(row):+.1f})"
