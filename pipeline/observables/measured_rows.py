"""The rows of the table of a run, one measured segment in memory at a time."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from halobind.pipeline.free_energy.samples import Window
from halobind.pipeline.observables.frame_weights import BLOCKS
from halobind.pipeline.observables.registry import OBSERVABLES


@dataclass(frozen=True, eq=False)
class Series:
    """Measured frames of one segment."""

    window: Window
    """The window of the segment."""
    number: int
    """Number of the segment, from 0."""
    folder: Path
    """Where its arrays are."""
    begins_ps: float
    """When it begins in the time of the window."""
    window_ps: float
    """How long the window is in all."""
    left_out: np.ndarray
    """The first part (heads,) of the window, 0 to 1, that is left out as equilibration."""

    def load(self, name: str) -> np.ndarray:
        """A measured array, mapped."""
        path = self.folder / f"{name}.npy"
        values: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        return values

    def frames(self) -> "FrameTimes":
        """When its frames are."""
        table = np.array(self.load("frames"))
        table[..., 1] += self.begins_ps
        share = table[:, 0, 1] / self.window_ps
        over = share[:, None] - self.left_out
        block = np.floor(over / np.maximum(1 - self.left_out, 1e-9) * BLOCKS + 1e-9).astype(int)
        block = np.where(over > 1e-9, np.clip(block, 0, BLOCKS - 1), -1)
        return FrameTimes(table, share, block)


@dataclass(frozen=True, eq=False)
class FrameTimes:
    """When the frames of a segment are."""

    table: np.ndarray
    """The "frames" array (n, heads, 4), with times since the window began."""
    share: np.ndarray
    """The share (n,) of the window's time that is over."""
    block: np.ndarray
    """The block (n, heads) of the time that is used; -1 in the part that is left out."""


def frame_counts(series: list[Series]) -> dict[Window, np.ndarray]:
    """Frames (all heads) of each window in each block of the time that is used, (B,)."""
    counts: dict[Window, np.ndarray] = {}
    for segment in series:
        block = segment.frames().block
        before = counts.get(segment.window, np.zeros(BLOCKS))
        counts[segment.window] = before + np.bincount(block[block >= 0], minlength=BLOCKS)
    return {window: count for window, count in counts.items() if count.sum() > 0}


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of one segment, a head after the other in every frame."""

    series: Series
    """The segment."""
    frame: np.ndarray
    """Number (rows,) of the frame in the segment."""
    head: np.ndarray
    """Number (rows,) of the head."""
    table: np.ndarray
    """The "frames" array (rows, 4)."""
    share: np.ndarray
    """The share (rows,) of the window's time that is over."""
    block: np.ndarray
    """The block (rows,) of the time that is used; -1 in the part that is left out."""
    values: np.ndarray
    """A value (rows, columns) of each scalar column."""


def scalar_columns(names: tuple[str, ...]) -> list[str]:
    """The columns of those observables that are scalars."""
    columns: list[str] = []
    for name in names:
        if OBSERVABLES[name].bins is None:
            columns += OBSERVABLES[name].columns
    return columns


def rows_of(segment: Series, names: tuple[str, ...]) -> Rows:
    """The rows of a segment.

    Args:
        segment: The measured frames.
        names: Of the observables.
    """
    times = segment.frames()
    n, heads = times.table.shape[:2]
    columns = [
        segment.load(name).reshape(n * heads, -1)
        for name in names
        if OBSERVABLES[name].bins is None
    ]
    values = np.concatenate(columns, axis=1) if columns else np.zeros((n * heads, 0))
    return Rows(
        series=segment,
        frame=np.arange(n * heads) // heads,
        head=np.arange(n * heads) % heads,
        table=times.table.reshape(-1, 4),
        share=np.repeat(times.share, heads),
        block=times.block.reshape(-1),
        values=values,
    )
