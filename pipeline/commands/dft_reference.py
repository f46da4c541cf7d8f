"""Points of the pocket by density functional theory, one by one into a table that several processes
may fill.
"""

import csv
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from halobind.forcefields.validation.dft_heads import head_names
from halobind.forcefields.validation.dft_points import (
    COLUMNS,
    Method,
    PocketEnergy,
    Point,
    check_modules,
    point_of,
    row_of,
    standard_points,
    table_text,
)
from halobind.jobs.claims import claim
from halobind.jobs.publish import write_atomic
from halobind.jobs.stop import StopSignal
from halobind.pipeline.campaign.settings import CampaignError
from halobind.pipeline.campaign.text import duration
from halobind.pipeline.workflow.checks import check_can_create

LOCK_WAIT_S = 0.05
"""Between two tries to get the lock of the table, which its holders keep for milliseconds."""

Compute = Callable[[str, float], PocketEnergy]
"""Head and height in nm in, energy out."""


@dataclass(frozen=True)
class ReferenceOptions:
    """Options of `halobind reference`."""

    out: Path
    """The table, made when it is not there."""
    head: str | None = None
    """Of the points; None: all heads of the shipped table."""
    heights_nm: tuple[float, ...] | None = None
    """Of the points; None: those of the shipped table."""
    functional: str = "pbe0"
    """As PySCF and D3(BJ) both name it."""
    basis: str = "gth-dzvp-molopt-sr"
    """As PySCF names it."""


def compute_points(options: ReferenceOptions) -> int:
    """Compute the points that the table does not hold; 1 when one of them ended in an error.

    Raises CampaignError for an unknown head, heights without a head, a table that cannot be read or
    written, and without PySCF and D3.
    """
    points = chosen_points(options)
    try:
        check_modules()
    except ModuleNotFoundError as error:
        raise CampaignError(str(error)) from None
    from halobind.forcefields.validation.dft_pocket import PocketCalculator  # noqa: PLC0415 (PySCF, an optional extra)

    check_can_create(options.out.parent, "name another one with --out")
    calculator = PocketCalculator(Method(options.functional, options.basis))
    return fill_table(options.out, points, calculator.energy)


def chosen_points(options: ReferenceOptions) -> list[Point]:
    """The points that the options name, in the order in which they are computed.

    Raises CampaignError for an unknown head and for heights without a head.
    """
    method = Method(options.functional, options.basis)
    if options.head is not None and options.head not in head_names():
        raise CampaignError(
            f"there is no head {options.head!r}; choose one of {', '.join(head_names())}"
        )
    if options.heights_nm is not None and options.head is None:
        raise CampaignError("--height is of one head: name it with --head")
    if options.head is not None and options.heights_nm is not None:
        return [Point(options.head, height, method) for height in options.heights_nm]
    return [
        Point(point.head, point.height_nm, method)
        for point in standard_points()
        if options.head in (None, point.head)
    ]


def fill_table(table: Path, points: list[Point], compute: Compute) -> int:
    """Compute every point that the table does not hold and no other process works on; each is
    written when it is there. Returns 1 when one of them ended in an error.
    """
    stop = StopSignal().listen()
    n_errors = 0
    for number, point in enumerate(points, 1):
        with claim(lock_of(table, point)) as is_ours:
            label = f"{number}/{len(points)} {point.head} at {point.height_nm:g} nm"
            if not is_ours:
                _tell(f"{label}: another process works on it")
                continue
            if point in {point_of(row) for row in read_rows(table)}:
                _tell(f"{label}: done before")
                continue
            start = time.monotonic()
            try:
                energy = compute(point.head, point.height_nm)
            except RuntimeError as error:
                n_errors += 1
                _tell(f"{label}: error: {error}")
                continue
            seconds = time.monotonic() - start
            add_row(table, row_of(point, energy, seconds))
            _tell(f"{label}: {energy.energy_kJ_mol:.1f} kJ/mol ({duration(seconds)})")
            stop.check()
    return 1 if n_errors else 0


def add_row(table: Path, row: dict[str, str]) -> None:
    """Add a row to the table in one step; processes that add at once wait for each other."""
    while True:
        with claim(_lock_folder(table) / "table.lock") as is_ours:
            if is_ours:
                write_atomic(table, _comments(table) + table_text([*read_rows(table), row]))
                return
        time.sleep(LOCK_WAIT_S)


def read_rows(table: Path) -> list[dict[str, str]]:
    """The rows of a table; none when it is not there.

    Raises CampaignError naming a file that is no such table.
    """
    if not table.exists():
        return []
    try:
        with table.open(encoding="utf-8", newline="") as file:
            lines = [line for line in file if not line.startswith("#")]
        rows = list(csv.DictReader(lines))
        for row in rows:
            if tuple(row) != COLUMNS:
                raise ValueError("other columns")
            point_of(row)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise CampaignError(
            f"{table} is no table of this command ({error}): name another one with --out"
        ) from None
    return rows


def lock_of(table: Path, point: Point) -> Path:
    """The lock of a point of a table."""
    method = point.method
    name = f"{point.head}_{point.height_nm:g}_{method.functional}_{method.basis}.lock"
    return _lock_folder(table) / name


def _lock_folder(table: Path) -> Path:
    return table.with_name(f".{table.name}.locks")


def _comments(table: Path) -> str:
    """The lines of a table that are for readers."""
    if not table.exists():
        return ""
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if line.startswith("#"))


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
