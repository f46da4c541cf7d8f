"""The files of averages and profiles of a run."""

import csv
import json
import math
from pathlib import Path

import numpy as np

from halobind.pipeline.observables.profiles import Bins
from halobind.pipeline.observables.registry import OBSERVABLES
from halobind.pipeline.observables.summary import Summary
from halobind.pipeline.results.text_tables import rounded

AVERAGES = "averages.md"


def write_averages(out: Path, found: Summary) -> str:
    """Write averages.csv (means over the bound basin with their errors) and averages.md; returns
    the text of the latter.
    """
    rows: list[tuple[str, float, float]] = []
    if found.bound is not None:
        rows = [
            (name, float(found.bound[0][i]), float(found.bound[1][i]))
            for i, name in enumerate(found.columns)
        ]
    with open(out / "averages.csv", "w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("quantity", "average", "error", "frames", "effective_frames"))
        for name, value, error in rows:
            numbers = [repr(number) if math.isfinite(number) else "" for number in (value, error)]
            writer.writerow((name, *numbers, found.frames, f"{found.effective:.1f}"))
    width = max((len(name) for name in found.columns), default=8)
    lines = [f"| {'quantity'.ljust(width)} | bound basin |", f"|{'-' * (width + 2)}|-------------|"]
    lines += [f"| {name.ljust(width)} | {rounded(value, error)} |" for name, value, error in rows]
    text = "\n".join(lines) + "\n" if rows else ""
    (out / AVERAGES).write_text(text, encoding="utf-8")
    return text


def write_profiles(out: Path, found: Summary, bins: dict[str, Bins]) -> None:
    """Write profiles.csv and profiles.parquet: a row for each bin of each column of each observable
    with bins, in every window (plain mean) and over the bound basin (weighted, `window_nm` empty,
    with an error).
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
    columns: list[list] = [[] for _ in names]
    for name, grid in bins.items():
        means = found.window_profiles[name]
        curves = [
            (w.center_nm, w.k, mean, np.full(mean.shape, np.nan))
            for w, mean in zip(found.windows, means, strict=True)
        ]
        curves += [(math.nan, math.nan, *found.profiles[name])] if name in found.profiles else []
        for center, k, value, error in curves:
            for i, species in enumerate(OBSERVABLES[name].columns):
                row = (name, species, grid.axis, grid.centres, center, k, value[i], error[i])
                for column, item in zip(columns, row, strict=True):
                    column.extend(item if isinstance(item, np.ndarray) else [item] * grid.n)
    kinds = (pa.string(),) * 3 + (pa.float64(),) * 5
    table = pa.table(
        {
            n: pa.array(c, type=kind, from_pandas=True)
            for n, c, kind in zip(names, columns, kinds, strict=True)
        }
    )
    pa.parquet.write_table(table, out / "profiles.parquet")
    pa.csv.write_csv(table, out / "profiles.csv")


def write_about(out: Path, content: dict[str, object]) -> None:
    """observe.json: what the table is about."""
    (out / "observe.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
