"""`halobind validate PACK --calibrate`: trial packs side by side against the same targets."""

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
class _TrialResult:
    """What the checks of a trial gave."""

    label: str
    """Of the trial."""
    rows: tuple[CheckRow, ...]
    """Rows of all checks."""


@dataclass(frozen=True)
class _Bench:
    """Where and how the checks of a trial are run."""

    folder: Path
    """Where results are published."""
    platform: MDPlatform
    """What computes."""
    stop: StopSignal
    """Asks to stop."""


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
    platform = choose("auto", cores())
    results = []
    for trial in trials.trial:
        bench = _Bench(out / trial.label, platform, stop)
        results.append(_try(pack, trial, trials, bench))
        text = table_text(results)
        write_atomic(out / "calibration.md", text)
    print(text)
    rows = [row for result in results for row in result.rows]
    return 1 if any(row.verdict.startswith("error") for row in rows) else 0


def _try(pack: Pack, trial: Trial, trials: Trials, bench: _Bench) -> _TrialResult:
    """Run the checks of the crystal, and with what they measured those of its surface."""
    first = trial_pack(pack, trial, trials)
    rows = _run(trial.label, first, bulk_part(first), bench)
    measured = {
        row.system: round(row.value, 4)
        for row in rows
        if row.quantity == "a(300 K)" and math.isfinite(row.value)
    }
    second = trial_pack(pack, trial, trials, measured)
    rows += _run(trial.label, second, surface_part(second), bench)
    return _TrialResult(trial.label, tuple(rows))


def _run(label: str, pack: Pack, todo: Sequence[Check], bench: _Bench) -> list[CheckRow]:
    """Run some checks, unless they are published, and say how long each took."""
    rows: list[CheckRow] = []
    for check in todo:
        print(f"{label} {check.name}: {check.system}", end="", file=sys.stderr, flush=True)
        start = time.monotonic()
        result, fresh = result_of(bench.folder, pack, check, bench.platform)
        print(
            f" ({duration(time.monotonic() - start) if fresh else 'done before'})",
            file=sys.stderr,
            flush=True,
        )
        bench.stop.check()
        rows += result.rows
    return rows


def miss(row: CheckRow) -> float:
    """(value - target) / tolerance; NaN without a target or a value."""
    return (row.value - row.target) / row.tolerance if row.tolerance else math.nan


def table_text(results: Sequence[_TrialResult]) -> str:
    """A table of the trials: a line for each quantity with a target, a column for each trial.

    A cell holds the value and its miss in tolerances; the last line is the sum of squared misses
    over the quantities that all trials have.
    """
    lines = [
        "# Calibration",
        "",
        "| quantity | target |" + "".join(f" {result.label} |" for result in results),
    ]
    lines.append("|---|---|" + "---|" * len(results))
    rows_of = [{_name(row): row for row in reversed(result.rows)} for result in results]
    names = dict.fromkeys(_name(row) for result in results for row in result.rows)
    sums = [0.0] * len(results)
    counted = 0
    for name in names:
        rows = [by_name.get(name) for by_name in rows_of]
        some = next(row for row in rows if row is not None)
        if not math.isfinite(miss(some)) and not some.verdict.startswith("error"):
            continue
        target = (
            ""
            if math.isnan(some.target)
            else f"{some.target:g} ± {some.tolerance:g} {some.unit}".rstrip()
        )
        lines.append(
            f"| {some.quantity}, {some.system} | {target} |"
            + "".join(f" {_cell(row)} |" for row in rows)
        )
        misses = [miss(row) if row is not None else math.nan for row in rows]
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


def _name(row: CheckRow) -> tuple[str, str, str]:
    """What a row is about: check, system and quantity."""
    return row.check, row.system, row.quantity


def _cell(row: CheckRow | None) -> str:
    """A value and its miss, or why there is none."""
    if row is None or not math.isfinite(row.value):
        return "" if row is None else row.verdict
    return f"{rounded(row.value, row.error)} ({miss(row):+.1f})"
