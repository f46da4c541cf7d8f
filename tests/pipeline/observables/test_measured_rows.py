"""Rows of a measured segment: their times, their blocks, and the order of heads."""

from pathlib import Path

import numpy as np

from halobind.pipeline.free_energy.samples import Window
from halobind.pipeline.observables.frame_weights import BLOCKS
from halobind.pipeline.observables.measured_rows import Series, frame_counts, rows_of

WINDOW = Window(0.3, 2000.0)


def segment(folder: Path, *, n_frames: int, heads: int, begins_ps: float = 0.0) -> Series:
    """A segment of a window of 100 ps whose frames are 1 ps apart; the first half is left out."""
    folder.mkdir()
    record = np.arange(n_frames, dtype=float)
    frames = np.zeros((n_frames, heads, 4))
    frames[..., 0] = record[:, None]
    frames[..., 1] = record[:, None] + 1.0
    frames[..., 2] = 0.3 + 0.1 * np.arange(heads)
    np.save(folder / "frames.npy", frames)
    values = record[:, None, None] * 10 + np.arange(heads)[None, :, None] + np.array([0.0, 0.1])
    np.save(folder / "hydrogen_bonds.npy", values)
    return Series(WINDOW, 0, folder, begins_ps, 100.0, np.full(heads, 0.5))


def test_times_count_from_the_begin_of_the_window(tmp_path: Path) -> None:
    times = segment(tmp_path / "a", n_frames=3, heads=1, begins_ps=50.0).frames()
    assert times.table[:, 0, 1].tolist() == [51.0, 52.0, 53.0]
    assert np.allclose(times.share, [0.51, 0.52, 0.53])


def test_the_time_that_is_used_is_cut_into_equal_blocks(tmp_path: Path) -> None:
    block = segment(tmp_path / "a", n_frames=100, heads=1).frames().block[:, 0]
    assert (block[:50] == -1).all()  # at 50 ps, the last of them, nothing is over yet
    assert (np.diff(block[50:]) >= 0).all() and block[-1] == BLOCKS - 1
    counts = np.bincount(block[50:], minlength=BLOCKS)
    assert counts.sum() == 50 and np.abs(counts - 5).max() <= 1


def test_a_row_is_a_head_of_a_frame_and_keeps_its_values(tmp_path: Path) -> None:
    rows = rows_of(segment(tmp_path / "a", n_frames=3, heads=2), ("hydrogen_bonds",))
    assert rows.frame.tolist() == [0, 0, 1, 1, 2, 2]
    assert rows.head.tolist() == [0, 1, 0, 1, 0, 1]
    assert np.allclose(rows.values[:, 0], [0, 1, 10, 11, 20, 21])
    assert np.allclose(rows.values[:, 1] - rows.values[:, 0], 0.1)
    assert np.allclose(rows.table[:, 2], 3 * [0.3, 0.4])
    assert np.allclose(rows.share, [0.01, 0.01, 0.02, 0.02, 0.03, 0.03])


def test_frames_of_a_window_are_counted_over_its_segments_and_heads(tmp_path: Path) -> None:
    first = segment(tmp_path / "a", n_frames=50, heads=2)
    second = segment(tmp_path / "b", n_frames=50, heads=2, begins_ps=50.0)
    assert frame_counts([first]) == {}  # all of it is left out
    counts = frame_counts([first, second])
    assert list(counts) == [WINDOW] and counts[WINDOW].sum() == 100
