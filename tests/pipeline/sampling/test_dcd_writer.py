"""Frames on disk: the bytes of mdtraj's writer, wherever the campaign lies."""

import os
from pathlib import Path

import numpy as np
import pytest
from mdtraj.formats import DCDTrajectoryFile

from halobind.pipeline.sampling.dcd_writer import DCDWriter

TITLE = slice(100, 264)  # says who wrote the file; mdtraj's also when
BOX = np.array([2.0, 2.5, 3.1234567])
FRAMES = np.random.default_rng(1).normal(size=(3, 7, 3))


def write(path: Path) -> None:
    with DCDWriter(path) as file:
        for positions in FRAMES:
            file.write(positions, BOX)


def test_all_but_the_title_is_what_mdtraj_writes(tmp_path: Path) -> None:
    write(tmp_path / "ours.dcd")
    with DCDTrajectoryFile(str(tmp_path / "theirs.dcd"), "w") as file:
        for positions in FRAMES:
            xyz = (10 * positions).astype(np.float32)
            file.write(xyz, cell_lengths=10 * BOX, cell_angles=np.full(3, 90.0))
    ours = bytearray((tmp_path / "ours.dcd").read_bytes())
    theirs = bytearray((tmp_path / "theirs.dcd").read_bytes())
    ours[TITLE] = theirs[TITLE] = b""
    assert ours == theirs


def test_the_same_frames_are_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "a.dcd")
    write(tmp_path / "b.dcd")
    assert (tmp_path / "a.dcd").read_bytes() == (tmp_path / "b.dcd").read_bytes()


@pytest.mark.parametrize("name", ["müller-ü", "日本語", os.fsdecode(b"not-utf-8-\xfc")])
def test_the_directory_may_have_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    write(folder / "frames.dcd")
    write(tmp_path / "frames.dcd")
    assert (folder / "frames.dcd").read_bytes() == (tmp_path / "frames.dcd").read_bytes()


def test_without_a_frame_there_is_no_file(tmp_path: Path) -> None:
    with DCDWriter(tmp_path / "frames.dcd"):
        pass
    assert not list(tmp_path.iterdir())
