"""What a check returns: rows with a value, its error, a target with a source, and a verdict that
never flatters.
"""

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import resources

import numpy as np
import openmm as mm
from scipy.stats import t as student

from halobind.forcefields.packs.pack import Pack

BLOCKS = 5
LEVEL = 0.95  # of the error bar that decides a verdict
PASS, FAIL, OPEN, UNCLAIMED, UNJUDGED = "pass", "fail", "not converged", "not claimed", "no target"
REFERENCE = resources.files("halobind.forcefields") / "data" / "reference"
Engine = Callable[[mm.System, mm.Integrator], mm.Context]


@dataclass(frozen=True)
class Target:
    """A number to meet: `value` with what may be missing to it (`tolerance`), both in `unit`, and
    where they come from.
    """

    value: float
    tolerance: float
    unit: str
    source: str


@dataclass(frozen=True)
class Row:
    """One line of the table. `error` is the standard error (NaN: unknown), `verdict` one of the
    five words or "error: why".
    """

    check: str
    system: str
    quantity: str
    value: float
    error: float
    unit: str
    target: float
    tolerance: float
    source: str
    verdict: str
    note: str = ""


@dataclass(frozen=True)
class Result:
    """The rows of one check and its `curves`: name -> (x, y) lists, for the plot."""

    rows: tuple[Row, ...]
    curves: dict[str, tuple[list[float], list[float]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """Something to run: the `name` that --only takes, the system, the settings and molecule files
    that its outcome depends on.
    """

    name: str
    system: str
    settings: dict
    molecules: tuple[str, ...]
    run: Callable[[Pack, Engine], Result]


def verdict(value: float, error: float, target: float, tolerance: float) -> str:
    """Whether `value` meets `target` within `tolerance`: PASS or FAIL when the whole error bar says
    so, else OPEN.

    `error` is half the length of the bar; an unknown one (NaN) or an infinite value is OPEN.
    Without a target (NaN): UNJUDGED.
    """
    if math.isnan(target):
        return UNJUDGED
    if not (math.isfinite(value) and math.isfinite(error)) or error < 0:
        return OPEN
    away = abs(value - target)
    if away + error <= tolerance * (1 + 1e-9):
        return PASS
    return FAIL if away - error > tolerance else OPEN


def bar(error: float, blocks: int = BLOCKS) -> float:
    """Half the length of the 95 % bar of a standard error from so many blocks (Student's t)."""
    return float(student.ppf(0.5 + LEVEL / 2, blocks - 1)) * error


def judged(
    place: tuple[str, str, str],
    measured: tuple[float, float],
    target: Target,
    note: str = "",
    sampled: bool = True,
) -> Row:
    """The Row of (check, system, quantity) with measured = (value, standard error). `sampled` tells
    a mean over BLOCKS blocks, whose bar is Student's, from an error that is a bound already.
    """
    value, error = measured
    word = verdict(value, bar(error) if sampled else error, target.value, target.tolerance)
    return Row(
        *place, value, error, target.unit, target.value, target.tolerance, target.source, word, note
    )


def told(
    place: tuple[str, str, str],
    word: str,
    note: str,
    numbers: tuple[float, float, Target] | None = None,
) -> Row:
    """A Row whose verdict is given: what a pack does not claim, or an error; with (value, error,
    target) where there are some.
    """
    value, error, target = numbers or (math.nan, math.nan, Target(math.nan, math.nan, "", ""))
    return Row(
        *place, value, error, target.unit, target.value, target.tolerance, target.source, word, note
    )


def block_mean(series: Sequence[float] | np.ndarray, blocks: int = BLOCKS) -> tuple[float, float]:
    """Mean of a time series and its standard error from `blocks` blocks; NaN error for fewer than
    two samples a block.
    """
    values = np.asarray(series, dtype=float)
    if len(values) < 2 * blocks:
        return (float(values.mean()) if len(values) else math.nan), math.nan
    means = [part.mean() for part in np.array_split(values, blocks)]
    return float(values.mean()), float(np.std(means, ddof=1) / math.sqrt(blocks))


def reference_table(name: str) -> list[dict[str, str]]:
    """The rows of forcefields/reference/<name>.csv, comments left out. Raises FileNotFoundError
    when there is none.
    """
    lines = (REFERENCE / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if line and not line.startswith("#")))


def target_of(quantity: str, system: str) -> Target:
    """The Target of reference/targets.csv for a quantity of a system ("*": of every system), else
    one of NaN (no target).
    """
    for row in reference_table("targets"):
        if row["quantity"] == quantity and row["system"] in (system, "*"):
            return Target(float(row["target"]), float(row["tolerance"]), row["unit"], row["source"])
    return Target(math.nan, math.nan, "", "")
