"""`halobind validate`: every check of a pack, each published when it is done, and one table."""

import json
import math
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from halobind.forcefields.packs.pack import FORCEFIELDS, Pack, load_pack
from halobind.forcefields.validation.check_rows import Check, CheckRow, Result, RowName, make_row
from halobind.forcefields.validation.suite import NAMES, checks, key, unclaimed
from halobind.jobs.claims import claim
from halobind.jobs.publish import write_atomic
from halobind.jobs.stop import StopSignal
from halobind.pipeline.campaign.settings import CampaignError
from halobind.pipeline.campaign.text import duration
from halobind.pipeline.campaign.versions import versions
from halobind.pipeline.commands.validation_table import draw, rows_csv, rows_json, rows_markdown
from halobind.pipeline.sampling.platforms import MDPlatform, choose, cores
from halobind.pipeline.workflow.checks import check_can_create


@dataclass(frozen=True)
class ValidateOptions:
    """Options of `halobind validate`."""

    pack: str
    """Name of the pack."""
    quick: bool = False
    """Shorter runs of the checks."""
    out: Path | None = None
    """Where results go; None for validation-PACK."""
    only: tuple[str, ...] = ()
    """Names of checks; empty for all."""


def validate_pack(options: ValidateOptions) -> int:
    """Run what is not there yet, write table.md, .csv, .json and pocket.png, print the table.

    Args:
        options: Of the command.

    Returns:
        The exit code: 1 when a check ended in an error.

    Raises:
        CampaignError: The pack or a check is not known, or the folder cannot be written to.
    """
    pack = _pack(options)
    out = options.out or Path(f"validation-{pack.name}")
    check_can_create(out, "name another one with --out")
    stop = StopSignal().listen()
    todo = [
        check
        for check in checks(pack, options.quick)
        if not options.only or check.name in options.only
    ]
    choice = choose("auto", cores())
    results = []
    began = time.monotonic()
    for number, check in enumerate(todo, 1):
        print(
            f"{number}/{len(todo)} {check.name}: {check.system}",
            end="",
            file=sys.stderr,
            flush=True,
        )
        start = time.monotonic()
        result, fresh = result_of(out, pack, check, choice)
        print(
            f" ({duration(time.monotonic() - start) if fresh else 'done before'})",
            file=sys.stderr,
            flush=True,
        )
        stop.check()
        results.append(result)
    rows = [row for result in results for row in result.rows]
    rows += [
        row
        for row in unclaimed(pack, options.quick)
        if not options.only or row.check in options.only
    ]
    stem = "table-quick" if options.quick else "table"
    about = (
        f"{pack.name}, {'quick' if options.quick else 'full'}: {pack.title}; {choice.name},"
        f" {duration(time.monotonic() - began)} now"
    )
    text = rows_markdown(rows, about)
    write_atomic(out / f"{stem}.md", text)
    write_atomic(out / f"{stem}.csv", rows_csv(rows, options.quick))
    write_atomic(
        out / f"{stem}.json",
        rows_json(rows, {"pack": pack.name, "quick": options.quick, "versions": versions()}),
    )
    curves = {name: xy for result in results for name, xy in result.curves.items()}
    if curves:
        draw(curves, out / "pocket.png", pack.name, pack.charges.charge_scale)
    print(text)
    return 1 if any(row.verdict.startswith("error") for row in rows) else 0


def known_pack(name: str) -> Pack:
    """The pack of that name. Raises CampaignError naming those that there are."""
    if name not in FORCEFIELDS:
        raise CampaignError(
            f"there is no force field {name!r}; choose one of {', '.join(FORCEFIELDS)}"
        )
    return load_pack(name)


def _pack(options: ValidateOptions) -> Pack:
    pack = known_pack(options.pack)
    for name in options.only:
        if name not in NAMES:
            raise CampaignError(f"there is no check {name!r}; choose one of {', '.join(NAMES)}")
    return pack


def product(out: Path, pack: Pack, check: Check) -> Path:
    """Where the result of a check is published: its name and the hash of all that it depends on."""
    return out / "checks" / f"{check.name}-{key(pack, check)}.json"


def result_of(out: Path, pack: Pack, check: Check, choice: MDPlatform) -> tuple[Result, bool]:
    """The published result of a check, or a new one.

    An error becomes a row and is tried again next time.

    Args:
        out: The folder of the results.
        pack: The pack.
        check: The check.
        choice: What computes.

    Returns:
        The result, and whether anything was computed.
    """
    where = RowName(check.name, check.system, "all")
    path = None
    try:
        path = product(out, pack, check)
        if path.exists():
            return _read(path), False
        with claim(path.with_suffix(".lock")) as mine:
            if not mine:
                return Result((make_row(where, "pending: another process works on it", ""),)), False
            if path.exists():
                return _read(path), False
            result = check.run(pack, choice.context)
            write_atomic(path, _text(result, pack, check))
            return result, True
    except CampaignError:
        raise
    except Exception as error:  # whatever it is, the other checks go on
        why = " ".join(str(error).split()) or type(error).__name__
        return Result((make_row(where, f"error: {why}", type(error).__name__),)), True


def _text(result: Result, pack: Pack, check: Check) -> str:
    rows = [
        {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(row).items()}
        for row in result.rows
    ]
    record = {
        "pack": pack.name,
        "check": check.name,
        "system": check.system,
        "settings": check.settings,
        "versions": versions(),
    }
    return json.dumps(record | {"rows": rows, "curves": result.curves}, indent=1) + "\n"


def _row(content: Mapping[str, Any]) -> CheckRow:
    """A row of a published result, in which what is not finite is null."""
    values: dict[str, Any] = {
        name: math.nan if value is None else value for name, value in content.items()
    }
    return CheckRow(**values)


def _read(path: Path) -> Result:
    """A published result. Raises CampaignError naming the file when it is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = tuple(_row(values) for values in content["rows"])
        curves = {name: (x, y) for name, (x, y) in content["curves"].items()}
        return Result(rows, curves)
    except (ValueError, KeyError, TypeError, UnicodeError) as error:
        raise CampaignError(
            f"{path} cannot be read ({type(error).__name__}): remove it, and the same command makes"
            " it again"
        ) from None
