"""Tables and numbers as text: CSV with every digit, Markdown that lines up, "value ± error"."""

import csv
import io
import math
from collections.abc import Iterable, Sequence

import numpy as np

EMPTY = "-"
"""What stands in a readable table where there is no number."""
MIN_RELATIVE_ERROR = 1e-9
"""Errors below this fraction of the value are rounding, not statistics."""
MIN_COLUMN_WIDTH = 3
"""Characters that Markdown needs for the rule under a column's name."""


def csv_text(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A CSV table: one line a row, floats with every digit, nothing where a cell is None."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_csv_cell(cell) for cell in row] for row in rows)
    return out.getvalue()


def _csv_cell(cell: object) -> object:
    return repr(float(cell)) if isinstance(cell, float | np.floating) else cell


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns line up in plain text too; no newline at its end."""
    lines = [list(columns), *(list(row) for row in rows)]
    widths = [max(MIN_COLUMN_WIDTH, *(len(line[k]) for line in lines)) for k in range(len(columns))]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    texts = [_markdown_line(line, widths) for line in lines]
    return "\n".join([texts[0], rule, *texts[1:]])


def _markdown_line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    return "| " + " | ".join(padded) + " |"


def markdown_cell(text: str) -> str:
    """A text as one cell: on one line, bars escaped, EMPTY for nothing."""
    return " ".join(text.replace("|", "\\|").split()) or EMPTY


def rounded(value: float, error: float, scale: float = 1.0) -> str:
    """The text "value ± error", cut at the first digit of the error, or its second after a 1.

    Without a usable error (NaN, infinite) the value has three digits and the error is "?"; without
    a value the text is EMPTY.

    Args:
        value: the number.
        error: its standard error, in the same unit.
        scale: both are multiplied by it.
    """
    value = value * scale
    error = abs(error * scale)
    if not math.isfinite(value):
        return EMPTY
    if error > MIN_RELATIVE_ERROR * abs(value) and math.isfinite(error):
        exponent = math.floor(math.log10(error))
        decimals = -exponent + (1 if f"{error:e}"[0] == "1" else 0)
        return f"{_fixed(value, decimals)} ± {_fixed(error, decimals)}"
    decimals = 2 - math.floor(math.log10(abs(value))) if value else 0
    return f"{_fixed(value, max(0, decimals))} ± {'0' if math.isfinite(error) else '?'}"


def _fixed(value: float, decimals: int) -> str:
    """With so many decimals (negative: tens, hundreds), and never "-0"."""
    value = round(value, decimals)
    return f"{value if value else 0.0:.{max(0, decimals)}f}"
