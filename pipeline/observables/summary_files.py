"""The files of averages and profiles of a run."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from halobind.pipeline.observables.profiles import Bins
from halobind.pipeline.observables.registry import OBSERVABLES
from halobind.pipeline.observables.summary import Summary
from halobind.pipeline.observables.weighted_mean import Estimate
from halobind.pipeline.results.text_tables import rounded

AVERAGES = "averages.md"


def write_averages(out: Path, summary: Summary) -> str:
    """Write averages.csv and averages.md, means over the bound basin with their errors.

    Args:
        out: The folder of the files.
        summary: The means.

    Returns:
        The text of averages.md.
    """
    rows: list[tuple[str, float, float]] = []
    if summary.bound is not None:
        values = [float(value) for value in summary.bound.value]
        errors = [float(error) for error in summary.bound.error]
        rows = list(zip(summary.columns, values, errors, strict=True))
    with open(out / "averages.csv", "w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("quantity", "average", "error", "frames", "effective_frames"))
        for name, value, error in rows:
            numbers = [repr(number) if math.isfinite(number) else "" for number in (value, error)]
            writer.writerow((name, *numbers, summary.frames, f"{summary.effective:.1f}"))
    width = max((len(name) for name in summary.columns), default=8)
    lines = [f"| {'quantity'.ljust(width)} | bound basin |", f"|{'-' * (width + 2)}|-------------|"]
    lines += [f"| {name.ljust(width)} | {rounded(value, error)} |" for name, value, error in rows]
    text = "\n".join(lines) + "\n" if rows else ""
    (out / AVERAGES).write_text(text, encoding="utf-8")
    return text


def write_profiles(out: Path, summary: Summary, bins: dict[str, Bins]) -> None:
    """Write profiles.csv and profiles.parquet, a row for each bin of each column.

    There are plain means in every window, and weighted ones with an error over the bound basin,
    whose `window_nm` is empty.

    Args:
        out: The folder of the files.
        summary: The means.
        bins: Of each observable that has bins.
    """
    import pyarrow as pa  # noqa: PLC0415 (optional)
    import pyarrow.csv  # noqa: PLC0415
    import pyarrow.parquet  # noqa: PLC0415

    names = (
        "observable",
        "species",
        "coordinate",
        "x_nm",
        "window_nm",
        "k_kJ_mol_nm2",
        "value",
        "error",
    )
    columns: list[list[Any]] = [[] for _ in names]
    for name, grid in bins.items():
        means = summary.window_profiles[name]
        curves = [
            (window.center_nm, window.k, Estimate(mean, np.full(mean.shape, np.nan)))
            for window, mean in zip(summary.windows, means, strict=True)
        ]
        if name in summary.profiles:
            curves.append((math.nan, math.nan, summary.profiles[name]))
        for center, k, curve in curves:
            for i, species in enumerate(OBSERVABLES[name].columns):
                value = curve.value[i]
                error = curve.error[i]
                row = (name, species, grid.axis, grid.centres, center, k, value, error)
                for column, item in zip(columns, row, strict=True):
                    column.extend(item if isinstance(item, np.ndarray) else [item] * grid.n)
    types = (pa.string(),) * 3 + (pa.float64(),) * 5
    arrays = [
        pa.array(column, type=type_, from_pandas=True)
        for column, type_ in zip(columns, types, strict=True)
    ]
    table = pa.table(dict(zip(names, arrays, strict=True)))
    pa.parquet.write_table(table, out / "profiles.parquet")
    pa.csv.write_csv(table, out / "profiles.csv")


def write_about(out: Path, content: dict[str, object]) -> None:
    """Write observe.json: what the table is about.

    Args:
        out: The folder of the file.
        content: Of the file.
    """
    (out / "observe.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
