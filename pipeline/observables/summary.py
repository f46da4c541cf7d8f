"""From the measured segments of a run to its table and means."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from halobind.pipeline.free_energy.samples import Window
from halobind.pipeline.observables.frame_weights import BLOCKS, Weights
from halobind.pipeline.observables.measured_rows import Series, rows_of, scalar_columns
from halobind.pipeline.observables.registry import OBSERVABLES
from halobind.pipeline.observables.table_writer import TableWriter
from halobind.pipeline.observables.weighted_mean import Mean

TIMES = 40  # steps of time in which figures against time are drawn


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
    with TableWriter(out, columns) as writer:
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
    if weights is None:
        return
    for one in series:
        table, _, block = one.frames()
        yield weights.of(table[block >= 0, 2], block[block >= 0])[:, 0]
