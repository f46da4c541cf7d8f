"""What a check returns: rows with a value, its error, a target with a source, and a verdict."""

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import numpy as np
import openmm as mm
from scipy.stats import t as student

from halobind.forcefields.packs.pack import Pack

N_BLOCKS = 5
CONFIDENCE_LEVEL = 0.95  # of the error bar that decides a verdict
PASS = "pass"
FAIL = "fail"
OPEN = "not converged"
UNCLAIMED = "not claimed"
UNJUDGED = "no target"
REFERENCE = resources.files("halobind.forcefields") / "data" / "reference"
Engine = Callable[[mm.System, mm.Integrator], mm.Context]


@dataclass(frozen=True)
class RowName:
    """What a row is about."""

    check: str
    """Name of the check."""
    system: str
    """What it was run for."""
    quantity: str
    """What was measured; "all" where a row stands for a whole check."""


@dataclass(frozen=True)
class Measurement:
    """A number with its error, in the unit of its target."""

    value: float
    """The number; NaN where there is none."""
    error: float
    """Its standard error, or a bound of its error; NaN where it is unknown."""


@dataclass(frozen=True)
class Target:
    """A number to meet."""

    value: float
    """The number, in `unit`; NaN where there is none."""
    tolerance: float
    """How far off a value may be, in `unit`."""
    unit: str
    """The unit of both."""
    source: str
    """Where they come from."""


NO_MEASUREMENT = Measurement(math.nan, math.nan)
NO_TARGET = Target(math.nan, math.nan, "", "")


@dataclass(frozen=True)
class CheckRow:
    """One line of the table of checks; its fields are the columns of the published table."""

    check: str
    """Name of the check."""
    system: str
    """What it was run for."""
    quantity: str
    """What was measured."""
    value: float
    """The number, in `unit`; NaN where there is none."""
    error: float
    """Its standard error or bound, in `unit`; NaN where it is unknown."""
    unit: str
    """The unit of all numbers."""
    target: float
    """The number to meet, in `unit`; NaN where there is none."""
    tolerance: float
    """How far off a value may be, in `unit`."""
    source: str
    """Where target and tolerance come from."""
    verdict: str
    """One of the five words, or "error: why"."""
    note: str = ""
    """How it was measured."""


@dataclass(frozen=True)
class Result:
    """What a check found."""

    rows: tuple[CheckRow, ...]
    """Its rows."""
    curves: dict[str, tuple[list[float], list[float]]] = field(default_factory=dict)
    """Curves (x, y) for the plot, by name."""


@dataclass(frozen=True)
class Check:
    """Something to run."""

    name: str
    """The name that --only takes."""
    system: str
    """What it is run for."""
    settings: dict[str, Any]
    """The settings that its outcome depends on, as JSON can hold them."""
    molecules: tuple[str, ...]
    """The molecules on whose files its outcome depends."""
    run: Callable[[Pack, Engine], Result]
    """Runs it for a pack; the engine makes the contexts of its runs."""


def decide_verdict(value: float, half_bar: float, target: Target) -> str:
    """Whether a value meets a target.

    Args:
        value: The value, in the unit of the target.
        half_bar: Half the length of its error bar.
        target: The target.

    Returns:
        PASS or FAIL when the whole bar says so, else OPEN; OPEN for an unknown bar (NaN) or an
        infinite value, UNJUDGED without a target (NaN).
    """
    if math.isnan(target.value):
        return UNJUDGED
    if not (math.isfinite(value) and math.isfinite(half_bar)) or half_bar < 0:
        return OPEN
    distance = abs(value - target.value)
    if distance + half_bar <= target.tolerance * (1 + 1e-9):
        return PASS
    return FAIL if distance - half_bar > target.tolerance else OPEN


def half_bar_of(error: float, n_blocks: int = N_BLOCKS) -> float:
    """Half the length of the 95 % bar of a standard error from time blocks, by Student's t."""
    return float(student.ppf(0.5 + CONFIDENCE_LEVEL / 2, n_blocks - 1)) * error


def judge(
    name: RowName,
    measurement: Measurement,
    target: Target,
    note: str = "",
    *,
    sampled: bool = True,
) -> CheckRow:
    """A row with the verdict that its number deserves.

    Args:
        name: What the row is about.
        measurement: The number and its error.
        target: The number to meet.
        note: How it was measured.
        sampled: Whether it is a mean over N_BLOCKS blocks, whose bar is Student's; otherwise its
            error is a bound already.
    """
    half_bar = half_bar_of(measurement.error) if sampled else measurement.error
    verdict = decide_verdict(measurement.value, half_bar, target)
    return make_row(name, verdict, note, measurement, target)


def make_row(
    name: RowName,
    verdict: str,
    note: str,
    measurement: Measurement = NO_MEASUREMENT,
    target: Target = NO_TARGET,
) -> CheckRow:
    """A row with a verdict of its own: what a pack does not claim, or an error.

    Args:
        name: What the row is about.
        verdict: One of the five words, or "error: why".
        note: Why, or how it was measured.
        measurement: The number, where there is one.
        target: The number to meet, where there is one.
    """
    return CheckRow(
        check=name.check,
        system=name.system,
        quantity=name.quantity,
        value=measurement.value,
        error=measurement.error,
        unit=target.unit,
        target=target.value,
        tolerance=target.tolerance,
        source=target.source,
        verdict=verdict,
        note=note,
    )


def block_mean(series: Sequence[float] | np.ndarray, n_blocks: int = N_BLOCKS) -> Measurement:
    """Mean of a time series and its standard error from blocks of time.

    Args:
        series: Values in the order of time.
        n_blocks: Number of blocks.

    Returns:
        The mean, NaN for an empty series; the error is NaN for fewer than two values a block.
    """
    values = np.asarray(series, dtype=float)
    if len(values) < 2 * n_blocks:
        return Measurement(float(values.mean()) if len(values) else math.nan, math.nan)
    means = [block.mean() for block in np.array_split(values, n_blocks)]
    error = float(np.std(means, ddof=1) / math.sqrt(n_blocks))
    return Measurement(float(values.mean()), error)


def reference_table(name: str) -> list[dict[str, str]]:
    """The rows of forcefields/data/reference/NAME.csv, comments left out.

    Raises:
        FileNotFoundError: There is no such table.
    """
    lines = (REFERENCE / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if line and not line.startswith("#")))


def target_of(quantity: str, system: str) -> Target:
    """The target of targets.csv for a quantity of a system; NO_TARGET where there is none.

    A row of the table with the system "*" is for every system.
    """
    for row in reference_table("targets"):
        if row["quantity"] == quantity and row["system"] in (system, "*"):
            return Target(float(row["target"]), float(row["tolerance"]), row["unit"], row["source"])
    return NO_TARGET
