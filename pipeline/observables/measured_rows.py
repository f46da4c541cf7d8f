"""The rows of the table of a run, one measured segment in memory at a time."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from halobind.pipeline.free_energy.samples import Window
from halobind.pipeline.observables.frame_weights import BLOCKS
from halobind.pipeline.observables.registry import OBSERVABLES


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
