"""From the measured segments of a run to its table, averages and figures; one segment in memory at
a time.
"""

import csv
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from halobind.pipeline.free_energy.samples import Window
from halobind.pipeline.observables.frame_weights import BLOCKS, Weights
from halobind.pipeline.observables.profiles import Bins
from halobind.pipeline.observables.registry import OBSERVABLES
from halobind.pipeline.results.text_tables import rounded

AVERAGES = "averages.md"
TIMES = 40  # steps of time in which figures against time are drawn
TABLE = (
    "window_nm",
    "k_kJ_mol_nm2",
    "segment",
    "frame",
    "head",
    "record",
    "time_ps",
    "z_nm",
    "r_nm",
    "weight",
)


@dataclass(frozen=True, eq=False)
class Series:
    """Measured frames of one segment: its window, number, the folder they are in, where its time
    begins in that of the window, how long the window is in all (ps), and which first part of that
    is left out as equilibration, for each head (heads,).
    """

    window: Window
    number: int
    folder: Path
    begins_ps: float
    window_ps: float
    left_out: np.ndarray

    def load(self, name: str) -> np.ndarray:
        return np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)

    def frames(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The "frames" array (n, heads, 4) with times since the window began, the share (n,) of the
        window's time that is over, and the block (n, heads) of the time that is used: -1 in the
        part that is left out.
        """
        table = np.array(self.load("frames"))
        table[..., 1] += self.begins_ps
        share = table[:, 0, 1] / self.window_ps
        over = share[:, None] - self.left_out
        block = np.floor(over / np.maximum(1 - self.left_out, 1e-9) * BLOCKS + 1e-9).astype(int)
        return table, share, np.where(over > 1e-9, np.clip(block, 0, BLOCKS - 1), -1)


def frame_counts(series: list[Series]) -> dict[Window, np.ndarray]:
    """Frames (all heads) of each window in each block of the time that is used, (B,)."""
    counts: dict[Window, np.ndarray] = {}
    for one in series:
        block = one.frames()[2]
        counts[one.window] = counts.get(one.window, np.zeros(BLOCKS)) + np.bincount(
            block[block >= 0], minlength=BLOCKS
        )
    return {window: found for window, found in counts.items() if found.sum() > 0}


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of one segment: a value of each scalar column (n * heads, columns) and what goes
    with it, one entry a row.
    """

    series: Series
    frame: np.ndarray
    head: np.ndarray
    table: np.ndarray
    share: np.ndarray
    block: np.ndarray
    values: np.ndarray


def scalar_columns(names: tuple[str, ...]) -> list[str]:
    return [
        column
        for name in names
        if OBSERVABLES[name].bins is None
        for column in OBSERVABLES[name].columns
    ]


def rows_of(one: Series, names: tuple[str, ...]) -> Rows:
    """The rows of a segment, a head after the other in every frame."""
    table, share, block = one.frames()
    n, heads = table.shape[:2]
    values = [one.load(name) for name in names if OBSERVABLES[name].bins is None]
    flat = (
        np.concatenate([value.reshape(n * heads, -1) for value in values], axis=1)
        if values
        else np.zeros((n * heads, 0))
    )
    frame, head = np.divmod(np.arange(n * heads), heads)
    return Rows(one, frame, head, table.reshape(-1, 4), share[frame], block.reshape(-1), flat)


class Mean:
    """Weighted means of rows of any shape, with all data and without each block: feed it rows, then
    read it.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.total = np.zeros((BLOCKS + 1, *shape))
        self.weight = np.zeros((BLOCKS + 1, *shape))

    def add(self, weights: np.ndarray, values: np.ndarray) -> None:
        """Weights (n, B + 1) and values (n, ...); a value that is NaN counts for nothing."""
        known = np.isfinite(values)
        self.total += np.tensordot(weights.T, np.where(known, values, 0.0), axes=1)
        self.weight += np.tensordot(weights.T, known.astype(float), axes=1)

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and jackknife error; NaN where there is nothing, or only one block."""
        with np.errstate(invalid="ignore", divide="ignore"):
            means = self.total / np.where(self.weight > 0, self.weight, np.nan)
        spread = ((means[1:] - means[1:].mean(axis=0)) ** 2).sum(axis=0)
        return means[0], np.sqrt((BLOCKS - 1) / BLOCKS * spread)


@dataclass(frozen=True, eq=False)
class Summary:
    """What tables and figures are made of.

    `bound` and `profiles` are (means, errors) over the bound basin, the latter by observable;
    without weights None and empty. `in_window` are plain (means, errors) of the scalars (K,
    columns) in each of `windows`, `window_profiles` means of the others; `times` (K, TIMES,
    columns) is the course in time; `effective` is what the `frames` in the basin amount to with
    their weights.
    """

    columns: list[str]
    windows: tuple[Window, ...]
    z_nm: np.ndarray
    bound: tuple[np.ndarray, np.ndarray] | None
    profiles: dict[str, tuple[np.ndarray, np.ndarray]]
    in_window: tuple[np.ndarray, np.ndarray]
    window_profiles: dict[str, np.ndarray]
    times: np.ndarray
    window_ps: np.ndarray
    frames: int
    effective: float


class Writer:
    """Writes the tidy table, table.parquet and table.csv, a segment after the other."""

    def __init__(self, out: Path, columns: list[str]) -> None:
        import pyarrow as pa  # noqa: PLC0415 (optional)
        import pyarrow.csv  # noqa: PLC0415
        import pyarrow.parquet  # noqa: PLC0415

        whole = {"segment", "frame", "head", "record"}
        self.schema = pa.schema(
            [(name, pa.int32() if name in whole else pa.float64()) for name in (*TABLE, *columns)]
        )
        self._to = [
            pa.parquet.ParquetWriter(out / "table.parquet", self.schema),
            pa.csv.CSVWriter(out / "table.csv", self.schema),
        ]

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._to:
            file.close()

    def write(self, rows: Rows, weight: np.ndarray) -> None:
        import pyarrow as pa  # noqa: PLC0415 (optional)

        n, window = len(rows.frame), rows.series.window
        first = [
            np.full(n, window.center_nm),
            np.full(n, window.k),
            np.full(n, rows.series.number),
            rows.frame,
            rows.head,
        ]
        data = [
            *first,
            rows.table[:, 0].astype(int),
            rows.table[:, 1],
            rows.table[:, 2],
            rows.table[:, 3],
            weight,
            *rows.values.T,
        ]
        arrays = [
            pa.array(values, type=kind, from_pandas=True)
            for values, kind in zip(data, self.schema.types, strict=True)
        ]
        for file in self._to:
            file.write_table(pa.Table.from_arrays(arrays, schema=self.schema))


def summarise(
    series: list[Series], names: tuple[str, ...], weights: Weights | None, out: Path
) -> Summary:
    """Write the table into `out` and return the means of everything. Rows without a weight (left
    out as equilibration, or no estimate) have an empty one; weights sum to 1.
    """
    columns = scalar_columns(names)
    binned = [name for name in names if OBSERVABLES[name].bins is not None]
    windows = tuple(sorted({one.window for one in series}, key=lambda w: (w.center_nm, w.k)))
    place = {window: k for k, window in enumerate(windows)}
    bound, z = Mean((len(columns),)), Mean((len(windows),))
    plain = [Mean((len(columns),)) for _ in windows]
    shapes = {name: series[0].load(name).shape[2:] for name in binned}
    profiles = {name: Mean(shape) for name, shape in shapes.items()}
    in_window = {name: np.zeros((2, len(windows), *shape)) for name, shape in shapes.items()}
    course = np.zeros((2, len(windows), TIMES, len(columns)))
    total = sum(w.sum() for w in _all_weights(series, weights))
    used, squares = 0, 0.0
    with Writer(out, columns) as writer:
        for one in series:
            rows, k = rows_of(one, names), place[one.window]
            kept = rows.block >= 0
            weight = np.full(len(kept), np.nan)
            if weights is not None:
                each = weights.of(rows.table[:, 2], rows.block) / total
                each[~kept] = 0.0
                weight[kept] = each[kept, 0]
                each[rows.table[:, 2] >= weights.end_nm] = 0.0
                bound.add(each, rows.values)
                for name in binned:
                    profiles[name].add(
                        each, np.asarray(one.load(name)).reshape(len(kept), *shapes[name])
                    )
                used, squares = (
                    used + int((each[:, 0] > 0).sum()),
                    squares + float((each[:, 0] ** 2).sum()),
                )
            writer.write(rows, weight)
            flat = (
                np.where(np.arange(-1, BLOCKS)[None] == rows.block[:, None], 0.0, 1.0)
                * kept[:, None]
            )
            plain[k].add(flat, rows.values)
            heights = np.full((len(kept), len(windows)), np.nan)
            heights[:, k] = rows.table[:, 2]
            z.add(flat, heights)
            for name in binned:
                values = np.asarray(one.load(name), dtype=float).reshape(len(kept), *shapes[name])[
                    kept
                ]
                in_window[name][:, k] += np.nansum(values, axis=0), np.isfinite(values).sum(axis=0)
            step = np.minimum(TIMES - 1, (rows.share * TIMES - 1e-9).astype(int))
            known = np.isfinite(rows.values)
            np.add.at(course[0, k], step, np.where(known, rows.values, 0.0))
            np.add.at(course[1, k], step, known)
    divide = lambda pair: np.where(pair[1] > 0, pair[0] / np.maximum(pair[1], 1), np.nan)  # noqa: E731
    each = [mean.read() for mean in plain]
    basin = float(bound.weight[0].max(initial=0.0))
    spans = {one.window: one.window_ps for one in series}
    return Summary(
        columns=columns,
        windows=windows,
        z_nm=z.read()[0],
        bound=bound.read() if weights is not None else None,
        profiles=(
            {name: mean.read() for name, mean in profiles.items()} if weights is not None else {}
        ),
        in_window=(np.array([value for value, _ in each]), np.array([error for _, error in each])),
        window_profiles={name: divide(pair) for name, pair in in_window.items()},
        times=divide(course),
        window_ps=np.array([spans[window] for window in windows]),
        frames=used,
        effective=basin**2 / squares if squares > 0 else 0.0,
    )


def _all_weights(series: list[Series], weights: Weights | None) -> Iterator[np.ndarray]:
    """Weights with all data of the frames that are used, a segment after the other."""
    for one in series if weights is not None else ():
        table, _, block = one.frames()
        yield weights.of(table[block >= 0, 2], block[block >= 0])[:, 0]


def write_averages(out: Path, found: Summary) -> str:
    """Write averages.csv (means over the bound basin with their errors) and averages.md; returns
    the text of the latter.
    """
    rows = []
    if found.bound is not None:
        rows = [
            (name, *(float(part[i]) for part in found.bound))
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


def write_about(out: Path, content: dict) -> None:
    """observe.json: what the table is about."""
    (out / "observe.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
