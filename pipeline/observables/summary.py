"""From the measured segments of a run to its table and means."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from halobind.pipeline.free_energy.samples import Window
from halobind.pipeline.observables.frame_weights import BLOCKS, Weights
from halobind.pipeline.observables.measured_rows import Rows, Series, rows_of, scalar_columns
from halobind.pipeline.observables.registry import OBSERVABLES
from halobind.pipeline.observables.table_writer import TableWriter
from halobind.pipeline.observables.weighted_mean import Estimate, Mean

TIMES = 40
"""Steps of time in which figures against time are drawn."""


@dataclass(frozen=True, eq=False)
class Summary:
    """What tables and figures of a run are made of."""

    columns: list[str]
    """The columns of the scalars."""
    windows: tuple[Window, ...]
    """The K windows, by height."""
    z_nm: np.ndarray
    """Mean height (K,) of the anchor in each window."""
    bound: Estimate | None
    """Means (columns,) of the scalars over the bound basin; None without weights."""
    profiles: dict[str, Estimate]
    """Means of the other observables over the bound basin, by name; empty without weights."""
    in_window: Estimate
    """Plain means (K, columns) of the scalars in each window."""
    window_profiles: dict[str, np.ndarray]
    """Plain means (K, ...) of the other observables in each window, by name."""
    times: np.ndarray
    """The course (K, TIMES, columns) of the scalars in the time of each window."""
    window_ps: np.ndarray
    """How long each window is, (K,)."""
    frames: int
    """Rows in the bound basin."""
    effective: float
    """What they amount to with their weights."""


def summarise(
    series: list[Series], names: tuple[str, ...], weights: Weights | None, out: Path
) -> Summary:
    """Write the table of a run and take the means of everything, a segment in memory at a time.

    Rows without a weight (left out as equilibration, or no estimate) have an empty one; weights sum
    to 1.

    Args:
        series: The measured segments.
        names: Of the observables.
        weights: Of the frames; None without an estimate.
        out: Where the table goes.
    """
    columns = scalar_columns(names)
    windows = tuple(sorted({s.window for s in series}, key=lambda w: (w.center_nm, w.k)))
    shapes = {
        name: series[0].load(name).shape[2:] for name in names if OBSERVABLES[name].bins is not None
    }
    in_windows = WindowMeans(windows, len(columns), shapes)
    basin = None
    if weights is not None:
        basin = BasinMeans(weights, _total_weight(series, weights), len(columns), shapes)
    with TableWriter(out, columns) as writer:
        for segment in series:
            rows = rows_of(segment, names)
            weight = np.full(len(rows.block), np.nan)
            if basin is not None:
                weight = basin.add(rows)
            writer.write(rows, weight)
            in_windows.add(rows)
    spans = {segment.window: segment.window_ps for segment in series}
    return Summary(
        columns=columns,
        windows=windows,
        z_nm=in_windows.heights(),
        bound=basin.scalars.read() if basin is not None else None,
        profiles=basin.profile_means() if basin is not None else {},
        in_window=in_windows.scalars(),
        window_profiles=in_windows.profiles(),
        times=in_windows.course(),
        window_ps=np.array([spans[window] for window in windows]),
        frames=basin.n_rows if basin is not None else 0,
        effective=basin.effective_rows() if basin is not None else 0.0,
    )


class BasinMeans:
    """Weighted means over the bound basin: feed it rows, then read it."""

    def __init__(
        self,
        weights: Weights,
        total: float,
        n_columns: int,
        shapes: dict[str, tuple[int, ...]],
    ) -> None:
        """Begin with no rows.

        Args:
            weights: Of the frames.
            total: The sum of the weights of all frames that are used.
            n_columns: How many scalar columns there are.
            shapes: Shape of a value of each other observable, by name.
        """
        self.scalars = Mean((n_columns,))
        self.n_rows = 0
        self._weights = weights
        self._total = total
        self._profiles = {name: Mean(shape) for name, shape in shapes.items()}
        self._shapes = shapes
        self._squares = 0.0

    def add(self, rows: Rows) -> np.ndarray:
        """Take the rows of a segment; returns the weight (rows,) of each, NaN where it has none."""
        kept = rows.block >= 0
        z = rows.table[:, 2]
        each = self._weights.of(z, rows.block) / self._total
        each[~kept] = 0.0
        weight = np.full(len(kept), np.nan)
        weight[kept] = each[kept, 0]
        each[z >= self._weights.end_nm] = 0.0
        self.scalars.add(each, rows.values)
        for name, mean in self._profiles.items():
            values = np.asarray(rows.series.load(name))
            mean.add(each, values.reshape(len(kept), *self._shapes[name]))
        self.n_rows += int((each[:, 0] > 0).sum())
        self._squares += float((each[:, 0] ** 2).sum())
        return weight

    def profile_means(self) -> dict[str, Estimate]:
        """Means of the observables that are no scalars, by name."""
        return {name: mean.read() for name, mean in self._profiles.items()}

    def effective_rows(self) -> float:
        """What the rows amount to with their weights: (sum w)^2 / sum w^2."""
        total = float(self.scalars.weight[0].max(initial=0.0))
        return total**2 / self._squares if self._squares > 0 else 0.0


class WindowMeans:
    """Plain means in each window: feed it rows, then read it."""

    def __init__(
        self, windows: tuple[Window, ...], n_columns: int, shapes: dict[str, tuple[int, ...]]
    ) -> None:
        """Begin with no rows.

        Args:
            windows: The K windows, by height.
            n_columns: How many scalar columns there are.
            shapes: Shape of a value of each other observable, by name.
        """
        self._index = {window: k for k, window in enumerate(windows)}
        self._scalars = [Mean((n_columns,)) for _ in windows]
        self._heights = Mean((len(windows),))
        self._shapes = shapes
        self._profiles = {name: Ratio((len(windows), *shape)) for name, shape in shapes.items()}
        self._course = Ratio((len(windows), TIMES, n_columns))

    def add(self, rows: Rows) -> None:
        """Take the rows of a segment."""
        k = self._index[rows.series.window]
        kept = rows.block >= 0
        in_block = np.arange(-1, BLOCKS)[None] == rows.block[:, None]
        weights = np.where(in_block, 0.0, 1.0) * kept[:, None]
        self._scalars[k].add(weights, rows.values)
        heights = np.full((len(kept), len(self._index)), np.nan)
        heights[:, k] = rows.table[:, 2]
        self._heights.add(weights, heights)
        for name, ratio in self._profiles.items():
            values = np.asarray(rows.series.load(name), dtype=float)
            values = values.reshape(len(kept), *self._shapes[name])[kept]
            ratio.total[k] += np.nansum(values, axis=0)
            ratio.count[k] += np.isfinite(values).sum(axis=0)
        step = np.minimum(TIMES - 1, (rows.share * TIMES - 1e-9).astype(int))
        known = np.isfinite(rows.values)
        np.add.at(self._course.total[k], step, np.where(known, rows.values, 0.0))
        np.add.at(self._course.count[k], step, known)

    def scalars(self) -> Estimate:
        """Means (K, columns) of the scalars in each window."""
        means = [mean.read() for mean in self._scalars]
        return Estimate(
            np.array([mean.value for mean in means]), np.array([mean.error for mean in means])
        )

    def heights(self) -> np.ndarray:
        """Mean height (K,) of the anchor in each window, nm."""
        return self._heights.read().value

    def profiles(self) -> dict[str, np.ndarray]:
        """Means (K, ...) of the observables that are no scalars, by name."""
        return {name: ratio.mean() for name, ratio in self._profiles.items()}

    def course(self) -> np.ndarray:
        """Means (K, TIMES, columns) of the scalars in each step of time."""
        return self._course.mean()


class Ratio:
    """A sum and the number of its terms, in every cell of an array."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        """Begin with no terms."""
        self.total = np.zeros(shape)
        self.count = np.zeros(shape)

    def mean(self) -> np.ndarray:
        """The mean of the terms; NaN where there are none."""
        return np.where(self.count > 0, self.total / np.maximum(self.count, 1), np.nan)


def _total_weight(series: list[Series], weights: Weights) -> float:
    """The sum of the weights of all frames that are used, with all data."""
    total = 0.0
    for segment in series:
        times = segment.frames()
        used = times.block >= 0
        total += weights.of(times.table[used, 2], times.block[used])[:, 0].sum()
    return total
