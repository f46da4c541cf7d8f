"""`halobind observe` on drawn segments: the table, the same everywhere, only what is new, bad
input.
"""

import errno
import json
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import mdtraj as md
import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
from mdtraj.formats import DCDTrajectoryFile

from halobind.jobs import dask_map as mapping
from halobind.jobs.claims import claim
from halobind.jobs.workplace import MappingError
from halobind.pipeline.commands.cli import main
from halobind.pipeline.observables.dcd import open_dcd
from halobind.pipeline.observables.frame_tasks import (
    Chunk,
    Source,
    analyse,
    code_version,
    cut,
    match,
)
from halobind.pipeline.observables.runs_to_measure import chemistry_of

SCALARS = ["height", "hydrogen_bonds", "tail"]


def observe(drawn, *options: str) -> int:
    return main(["observe", str(drawn.folder), *options])


def results(folder: Path) -> dict[str, bytes]:
    """Every number that is published: measured frames and tables."""
    paths = [
        *folder.glob("runs/*/observed/**/*.npy"),
        *folder.glob("runs/*/observe-*/*.csv"),
        *folder.glob("runs/*/observe-*/*.parquet"),
    ]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def inodes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in folder.glob("runs/*/observed/*/*")}


def table(folder: Path) -> dict[str, np.ndarray]:
    (path,) = folder.glob("runs/*/observe-*/table.parquet")
    found = pyarrow.parquet.read_table(path)
    return {
        name: column.to_numpy()
        for name, column in zip(found.column_names, found.columns, strict=True)
    }


def test_the_table_has_a_row_a_frame_with_its_record_and_weight(
    drawn, capsys: pytest.CaptureFixture
) -> None:
    drawn.add(0, 24)
    drawn.add(1, 12, every=10)
    assert observe(drawn) == 0
    out, err = capsys.readouterr()
    assert (
        "left out: solvent_shell, solvent_density, solvent_rdf" in err
        and "360 frames to measure in 20 segments" in err
    )
    found = table(drawn.folder)
    assert len(found["z_nm"]) == 10 * 36
    assert (
        np.abs(found["z_nm"] - found["anchor_height_nm"]).max() < 1e-5
        and np.abs(found["r_nm"] - found["anchor_lateral_nm"]).max() < 1e-5
    )
    first = found["window_nm"] == 0.3
    assert found["record"][first].tolist() == [*range(4, 120, 5), *range(9, 120, 10)]
    assert found["time_ps"][first] == pytest.approx(
        [*np.arange(1, 25), *(24 + 2 * np.arange(1, 13))]
    )
    for number in (0, 1):
        cv = np.load(drawn.run.path(f"windows/z+0.300-k400/seg-{number:03d}/cv.npy"))
        mine = first & (found["segment"] == number)
        assert np.array_equal(found["z_nm"][mine], cv[found["record"][mine], 0])
    used = np.isfinite(found["weight"])
    assert np.array_equal(used, found["time_ps"] > 4.8 + 1e-9)  # a tenth of 48 ps is left out
    assert found["weight"][used].sum() == pytest.approx(1.0)
    folder = next(drawn.run.folder.glob("observe-*"))
    text = pyarrow.csv.read_csv(folder / "table.csv")
    assert (
        text.column_names == list(found)
        and text["z_nm"].to_numpy().tolist() == found["z_nm"].tolist()
    )
    inside = used & (
        found["z_nm"] < json.loads((folder / "observe.json").read_text())["basin_ends_nm"]
    )
    averages = {
        row["quantity"]: row for row in pyarrow.csv.read_csv(folder / "averages.csv").to_pylist()
    }
    expected = np.average(found["tail_tilt_deg"][inside], weights=found["weight"][inside])
    assert (
        averages["tail_tilt_deg"]["average"] == pytest.approx(expected, rel=1e-9)
        and averages["tail_tilt_deg"]["error"] > 0
    )
    assert averages["tail_tilt_deg"]["frames"] == inside.sum()
    assert "| tail_tilt_deg" in out and str(folder) in out
    profiles = pyarrow.csv.read_csv(folder / "profiles.csv").to_pylist()
    assert {row["observable"] for row in profiles} == {"density", "rdf"}
    left = json.loads((folder / "observe.json").read_text())["left_out_fractions"]
    assert left["0.300 k 400"] == pytest.approx([0.1]) and len(left) == 10
    for name in ("z.png", "time.png", "profiles.png"):
        assert (folder / name).stat().st_size > 10_000


def test_the_same_everywhere_bit_for_bit(
    drawn, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    drawn.add(0, 6)
    other = Path(shutil.copytree(drawn.folder, tmp_path / "other"))
    assert observe(drawn, "--chunk", "100") == 0
    assert main(["observe", str(other), "--where", "local", "--workers", "2", "--chunk", "4"]) == 0
    assert len(results(drawn.folder)) > 80
    assert results(other) == results(drawn.folder)
    assert "Traceback" not in capsys.readouterr().err


def test_only_new_segments_are_measured_again(drawn, capsys: pytest.CaptureFixture) -> None:
    drawn.add(0, 8)
    assert observe(drawn, "--observable", *SCALARS) == 0
    before, folders = inodes(drawn.folder), set(drawn.run.folder.glob("observe-*"))
    capsys.readouterr()
    drawn.add(1, 8)
    assert observe(drawn, "--observable", *SCALARS) == 0
    assert (
        "80 frames to measure in 10 segments, 80 frames measured before" in capsys.readouterr().err
    )
    assert before.items() < inodes(drawn.folder).items() and len(inodes(drawn.folder)) == 20
    assert len(set(drawn.run.folder.glob("observe-*")) - folders) == 1
    tables = results(drawn.folder)
    assert observe(drawn, "--observable", *SCALARS) == 0
    assert "0 frames to measure" in capsys.readouterr().err and results(drawn.folder) == tables
    assert observe(drawn, "--observable", "tail") == 0
    assert "160 frames to measure" in capsys.readouterr().err


def test_frames_with_the_solvent(drawn, capsys: pytest.CaptureFixture) -> None:
    drawn.add(0, 6)
    assert observe(drawn, "--observable", "solvent_shell") == 1
    assert (
        'solvent_shell needs frames with the solvent; [sampling] frames = "all"'
        in capsys.readouterr().err
    )
    drawn.add(1, 6, frames="all")
    assert observe(drawn) == 0
    assert "left out" not in capsys.readouterr().err
    found = table(drawn.folder)
    assert np.array_equal(
        np.isfinite(found["solvent_at_head"]), found["segment"] == 1
    )  # and none of it where it is not in the frames


def test_a_run_under_way_is_observed_without_averages(drawn, capsys: pytest.CaptureFixture) -> None:
    drawn.add(0, 8)
    for window in sorted(drawn.run.folder.glob("windows/*"))[1:]:
        shutil.rmtree(window)
    assert observe(drawn, "--observable", "height") == 0
    assert "no averages over the bound basin" in capsys.readouterr().out
    assert np.isnan(table(drawn.folder)["weight"].astype(float)).all()


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "cut short":
        content = content[:-1000]
    elif how == "a frame is missing":
        size = (len(content) - 92 - 8 - int.from_bytes(content[92:96], "little") - 12) // 6
        content = content[:-size]
    elif how == "overwritten":
        content[len(content) // 2 : len(content) // 2 + 4000] = b"\xff" * 4000
    elif how == "empty":
        content = content[:0]
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["cut short", "a frame is missing", "overwritten", "empty"])
def test_a_damaged_file_is_named_and_the_rest_goes_on(
    drawn, how: str, capsys: pytest.CaptureFixture
) -> None:
    drawn.add(0, 6)
    bad = drawn.run.path("windows/z+0.200-k400/seg-000/frames.dcd")
    damage(bad, how)
    assert observe(drawn, "--observable", "height") == 1
    err = capsys.readouterr().err
    assert (
        f"{bad.parent} is damaged" in err
        and "remove this directory, then: halobind run --retry" in err
        and "Traceback" not in err
    )
    assert set(table(drawn.folder)["window_nm"]) == {round(0.1 * k, 1) for k in range(10)} - {0.2}


def test_damaged_frames_do_not_shift_the_time_of_later_segments(
    drawn, capsys: pytest.CaptureFixture
) -> None:
    def times() -> list[float]:
        """Of the second segment of a window."""
        found = table(drawn.folder)
        return found["time_ps"][(found["window_nm"] == 0.2) & (found["segment"] == 1)].tolist()

    drawn.add(0, 6)
    drawn.add(1, 6)
    assert observe(drawn, "--observable", "height") == 0
    whole = times()
    bad = drawn.run.path("windows/z+0.200-k400/seg-000/frames.dcd")
    bad.write_bytes(bad.read_bytes()[:-1000])
    shutil.rmtree(next(drawn.run.folder.glob("observe-*")))
    assert observe(drawn, "--observable", "height") == 1
    assert times() == whole == [7.0, 8.0, 9.0, 10.0, 11.0, 12.0]


def test_measured_frames_that_were_damaged_are_measured_again(
    drawn, capsys: pytest.CaptureFixture
) -> None:
    drawn.add(0, 6)
    assert observe(drawn, "--observable", "height") == 0
    before = table(drawn.folder)
    cut, lost = list(drawn.run.folder.glob("observed/*/seg-000-*/height.npy"))[:2]
    cut.write_bytes(cut.read_bytes()[:200])
    lost.unlink()
    shutil.rmtree(next(drawn.run.folder.glob("observe-*")))
    capsys.readouterr()
    assert observe(drawn, "--observable", "height") == 0
    assert (
        "12 frames to measure in 2 segments, 48 frames measured before" in capsys.readouterr().err
    )
    assert all(
        np.array_equal(table(drawn.folder)[name], column, equal_nan=True)
        for name, column in before.items()
    )


def test_frames_of_another_model_and_records_without_umbrella_are_named(
    drawn, capsys: pytest.CaptureFixture
) -> None:
    drawn.add(0, 6)
    two, three = (drawn.run.path(f"windows/z+0.{k}00-k400/seg-000") for k in (2, 3))
    with DCDTrajectoryFile(str(two / "frames.dcd"), "w") as file:
        for _ in range(6):
            file.write(
                np.zeros((9999, 3), np.float32),
                cell_lengths=np.full(3, 30.0),
                cell_angles=np.full(3, 90.0),
            )
    record = json.loads((three / "segment.json").read_text())
    (three / "segment.json").write_text(json.dumps(record | {"center_nm": []}))
    assert observe(drawn, "--observable", "height") == 1
    err = capsys.readouterr().err
    assert f"{two} is damaged (ValueError: its frames have 9999 atoms, those of this model " in err
    assert f"{three} is damaged (IndexError" in err and "Traceback" not in err


def test_a_full_disk_is_an_error_and_leaves_nothing_half_there(
    drawn, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    drawn.add(0, 6)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    assert observe(drawn, "--observable", "height") == 1
    assert "No space left on device" in capsys.readouterr().err
    assert not list(drawn.run.folder.glob("observed/*/*")) and not list(
        drawn.run.folder.glob("observed/*/.*")
    )


def test_frames_of_another_segment_are_not_taken(drawn, capsys: pytest.CaptureFixture) -> None:
    drawn.add(0, 6)
    one, two = (drawn.run.path(f"windows/z+0.{k}00-k400/seg-000/frames.dcd") for k in (2, 3))
    shutil.copy(one, two)
    assert observe(drawn, "--observable", "height") == 1
    assert "the heights in frames.dcd are not those in cv.npy" in capsys.readouterr().err


def test_nothing_in_a_campaign_is_unpickled(
    drawn, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    drawn.add(0, 6)

    class Bomb:
        def __reduce__(self) -> tuple:
            return os.mkdir, (str(tmp_path / "harm"),)

    np.save(
        drawn.run.path("windows/z+0.200-k400/seg-000/cv.npy"),
        np.array([Bomb()], dtype=object),
        allow_pickle=True,
    )
    drawn.run.path("windows/z+0.300-k400/seg-000/cv.npy").write_bytes(pickle.dumps(Bomb()))
    assert observe(drawn, "--observable", "height") == 1
    assert capsys.readouterr().err.count("is damaged") >= 2
    assert not (tmp_path / "harm").exists()


def test_bad_input_is_refused_before_anything_is_computed(
    drawn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def refused(*options: str) -> str:
        assert observe(drawn, *options) == 1
        assert not list(drawn.run.folder.glob("observe*"))
        return capsys.readouterr().err

    assert "has a published segment yet; sample first: halobind run" in refused()
    file = drawn.folder / "campaign.toml"
    text = file.read_text()
    file.write_text(text.replace("[sampling]", '[sampling]\nmethod = "metadynamics"'))
    assert 'with method = "metadynamics" there are none; set method = "umbrella"' in refused()
    file.write_text(text)
    drawn.add(0, 6, frames="none")
    file.write_text(text.replace("frame_ps = 1.0", "frame_ps = 60.0"))
    assert (
        "holds frames (frame_ps = 60 is above segment_ps = 50; a lower frame_ps: set it"
        in refused()
    )
    file.write_text(text.replace('frames = "solute"', 'frames = "none"'))
    assert (
        'no segment of it holds frames ([sampling] frames = "none"; frames = "solute": set it'
        in refused()
    )
    file.write_text(text)
    assert "there is no observable 'colour'; choose from height, hydrogen_bonds" in refused(
        "--observable", "colour"
    )
    assert "whoever reaches this port can run code as you" in refused(
        "--where", "tcp://192.0.2.1:8786"
    )
    assert "choose serial, local, slurm" in refused("--where", "moon")
    shutil.rmtree(drawn.run.folder / "windows")
    drawn.add(0, 6)
    monkeypatch.setattr(mapping, "PATIENCE_S", 1)
    assert "no dask scheduler answers at tcp://127.0.0.1:9" in refused(
        "--where", "tcp://127.0.0.1:9"
    )
    with claim(drawn.run.lock("observe")):
        assert "another halobind observe is at work" in refused()


def test_chunks_hold_the_frames_once() -> None:
    source = Source(Path("b"), None, ("height",), "c")
    segments = [(Path(f"s{k}"), n) for k, n in enumerate([5, 5, 250, 3, 90, 10, 1])]
    chunks = list(cut(source, segments, 100))
    sizes = [sum(piece.stop - piece.start for piece in chunk.pieces) for chunk in chunks]
    assert sum(sizes) == 364 and all(100 <= size < 200 for size in sizes[:-1])
    seen = [
        (piece.segment.name, frame)
        for chunk in chunks
        for piece in chunk.pieces
        for frame in range(piece.start, piece.stop)
    ]
    assert seen == [(path.name, frame) for path, n in segments for frame in range(n)]


def test_records_are_found_by_their_heights() -> None:
    recorded = np.random.default_rng(1).normal(size=(100, 1))
    for every in (1, 3, 7, 50, 100):
        rows = np.arange(every - 1, 100, every)
        assert match(recorded[rows] + 1e-6, recorded, len(rows), 0) == every
        assert match(recorded[rows[-1:]], recorded, len(rows), len(rows) - 1) == every
    with pytest.raises(ValueError, match="not those"):
        match(recorded[4::5] + 0.01, recorded, 20, 0)


def test_workers_of_another_version_or_on_another_disk_are_refused(drawn) -> None:
    drawn.add(0, 6)
    source = Source(drawn.run.path("build"), chemistry_of(drawn.run), ("height",), code_version())
    (chunk,) = cut(source, [(drawn.run.path("windows/z+0.200-k400/seg-000"), 6)], 100)
    assert analyse(chunk)[0].arrays["height"].shape == (6, 1, 3)
    with pytest.raises(MappingError, match="another version of halobind"):
        analyse(Chunk(replace(source, code="older"), chunk.pieces))
    shutil.rmtree(chunk.pieces[0].segment)
    with pytest.raises(MappingError, match="the workers need the disk of the campaign"):
        analyse(chunk)


def test_frames_are_read_as_mdtraj_reads_them(drawn) -> None:
    drawn.add(0, 6)
    path = drawn.run.path("windows/z+0.200-k400/seg-000/frames.dcd")
    xyz, lengths = open_dcd(path).read(2, 5)
    topology = md.Topology()
    residue = topology.add_residue("X", topology.add_chain())
    for _ in range(xyz.shape[1]):
        topology.add_atom("X", md.element.virtual, residue)
    expected = md.load_dcd(str(path), topology)[2:5]
    assert np.allclose(xyz, expected.xyz, rtol=1e-6) and np.allclose(
        lengths, expected.unitcell_lengths, rtol=1e-6
    )
