"""The table of a run and the means over its windows and over its bound basin."""

import csv
from pathlib import Path

import numpy as np
import pytest

from halobind.pipeline.free_energy.samples import Window
from halobind.pipeline.observables.frame_weights import BLOCKS, Weights
from halobind.pipeline.observables.measured_rows import Series
from halobind.pipeline.observables.summary import TIMES, summarise

pytest.importorskip("pyarrow")
LOW = Window(0.2, 2000.0)
HIGH = Window(0.6, 2000.0)
N_FRAMES = 200
RDF_BINS = 100


def segment(folder: Path, window: Window) -> Series:
    """A segment that is its whole window, 1 ps a frame; the first tenth is left out."""
    folder.mkdir()
    random = np.random.default_rng(round(1000 * window.center_nm))
    frames = np.zeros((N_FRAMES, 1, 4))
    frames[:, 0, 0] = np.arange(N_FRAMES)
    frames[:, 0, 1] = np.arange(N_FRAMES) + 1.0
    frames[:, 0, 2] = window.center_nm + 0.03 * random.standard_normal(N_FRAMES)
    np.save(folder / "frames.npy", frames)
    bonds = random.random((N_FRAMES, 1, 2))
    bonds[::7, 0, 1] = np.nan
    np.save(folder / "hydrogen_bonds.npy", bonds)
    np.save(folder / "rdf.npy", random.random((N_FRAMES, 1, 3, RDF_BINS)))
    return Series(window, 0, folder, 0.0, float(N_FRAMES), np.array([0.1]))


@pytest.fixture
def series(tmp_path: Path) -> list[Series]:
    return [segment(tmp_path / "high", HIGH), segment(tmp_path / "low", LOW)]


def used(segment: Series, name: str) -> np.ndarray:
    """What was measured after the part that is left out."""
    return np.load(segment.folder / f"{name}.npy")[N_FRAMES // 10 :, 0]


def test_means_in_windows_are_plain_and_by_height(series: list[Series], tmp_path: Path) -> None:
    high, low = series
    summary = summarise(series, ("hydrogen_bonds", "rdf"), None, tmp_path)
    assert summary.windows == (LOW, HIGH) and summary.bound is None and summary.profiles == {}
    assert summary.frames == 0 and summary.effective == 0
    for k, segment_ in enumerate((low, high)):
        bonds = used(segment_, "hydrogen_bonds")
        assert summary.in_window.value[k] == pytest.approx(np.nanmean(bonds, axis=0))
        assert summary.z_nm[k] == pytest.approx(used(segment_, "frames")[:, 2].mean())
        profile = summary.window_profiles["rdf"][k]
        assert profile == pytest.approx(used(segment_, "rdf").mean(axis=0))
    assert (summary.window_ps == N_FRAMES).all()


def test_the_course_in_time_holds_every_frame(series: list[Series], tmp_path: Path) -> None:
    summary = summarise(series, ("hydrogen_bonds",), None, tmp_path)
    bonds = np.load(series[1].folder / "hydrogen_bonds.npy")[:, 0, 0]
    assert summary.times.shape == (2, TIMES, 2)
    assert summary.times[0, :, 0] == pytest.approx(bonds.reshape(TIMES, -1).mean(axis=1))


def test_equal_weights_give_the_plain_mean_below_the_end_of_the_basin(
    series: list[Series], tmp_path: Path
) -> None:
    """One window without umbrella weighs all of its frames alike."""
    low = series[1]
    flat = Window(0.2, 0.0)
    free = Series(flat, 0, low.folder, low.begins_ps, low.window_ps, low.left_out)
    end_nm = 0.21
    counts = np.full((1, BLOCKS), 18.0)
    weights = Weights((flat,), np.zeros((BLOCKS + 1, 1)), counts, 2.494, end_nm)
    summary = summarise([free], ("hydrogen_bonds", "rdf"), weights, tmp_path)
    inside = used(low, "frames")[:, 2] < end_nm
    assert 0 < summary.frames == inside.sum() < len(inside)
    assert summary.effective == pytest.approx(inside.sum())
    assert summary.bound is not None
    bonds = used(low, "hydrogen_bonds")[inside]
    assert summary.bound.value == pytest.approx(np.nanmean(bonds, axis=0))
    profile = summary.profiles["rdf"].value
    assert profile == pytest.approx(used(low, "rdf")[inside].mean(axis=0))
    with open(tmp_path / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == N_FRAMES
    written = [row["weight"] for row in rows]
    assert set(written[: N_FRAMES // 10]) == {""}
    assert sum(float(text) for text in written if text) == pytest.approx(1.0)
