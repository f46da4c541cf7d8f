"""Chunks of frames: how published segments are cut into tasks, and what a task does. A task knows
folders, not campaigns.

Every path here is read where the task runs, which must see the same disk.
"""

import hashlib
import io
import json
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import mdtraj as md
import numpy as np

from halobind.jobs.workplace import MappingError
from halobind.pipeline.campaign.run_directory import DamagedError, reading
from halobind.pipeline.campaign.settings import SamplingSection
from halobind.pipeline.observables import dcd, profiles, scene
from halobind.pipeline.observables import scalars as observables
from halobind.pipeline.observables.dcd import open_dcd
from halobind.pipeline.observables.scalars import OBSERVABLES
from halobind.pipeline.observables.scene import Chemistry, Scene, scenes_of
from halobind.pipeline.sampling.segment_files import built_model, frame_atoms
from halobind.structures.models import integrity

FRAMES = "frames.dcd"
LEAST, WORK = (
    100,
    250_000,
    # a task has at least so many frames, and so many positions: about 0.2 s, where handing it out
    # takes
    # 2 ms
)
# a frame is that of its record: heights agree this well (frames are single precision in angstrom)
SAME_NM = 1e-4


@dataclass(frozen=True)
class Source:
    """What all tasks of a run share: the published model, what is where in it, which observables,
    the code that is to measure them.
    """

    build: Path
    chemistry: Chemistry
    names: tuple[str, ...]
    code: str


@dataclass(frozen=True)
class Piece:
    """Frames [start, stop) of the `n_frames` of a published segment."""

    segment: Path
    n_frames: int
    start: int
    stop: int


@dataclass(frozen=True)
class Chunk:
    """One task: pieces of one run."""

    source: Source
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, eq=False)
class Found:
    """What a task found in a piece of n frames: `arrays` (n, heads, ...) by observable, and
    "frames" (n, heads, 4): record of the segment (from 0), time in the segment (ps), height and
    lateral distance (nm) as recorded. Without arrays, `error` says why.
    """

    piece: Piece
    arrays: dict[str, np.ndarray]
    error: str = ""


@cache
def code_checksum() -> str:
    """sha256 over the source of everything that decides a measured number: another observable is
    another result.
    """
    files = [Path(module.__file__) for module in (dcd, observables, profiles, scene, integrity)] + [
        Path(__file__)
    ]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def frame_shape(segment: Path) -> tuple[int, int]:
    """Numbers of frames and of atoms in the frames of a published segment; (0, 0) when none were
    written. Raises DamagedError.
    """
    path = segment / FRAMES
    if not path.exists():
        return 0, 0
    with reading(segment):
        file = open_dcd(path)
        return file.n_frames, file.n_atoms


def task_frames(n_atoms: int) -> int:
    """Frames of so many atoms that make a task."""
    return max(LEAST, -(-WORK // max(1, n_atoms)))


def cut(source: Source, segments: Iterable[tuple[Path, int]], size: int) -> Iterator[Chunk]:
    """Tasks of at least `size` frames (the last may have fewer) and fewer than twice as many: short
    segments together, long ones cut.
    """
    pieces: list[Piece] = []
    held = 0
    for segment, n_frames in segments:
        for start in range(0, n_frames, size):
            pieces.append(Piece(segment, n_frames, start, min(start + size, n_frames)))
            held += pieces[-1].stop - start
            if held >= size:
                yield Chunk(source, tuple(pieces))
                pieces, held = [], 0
    if pieces:
        yield Chunk(source, tuple(pieces))


def analyse(chunk: Chunk) -> tuple[Found, ...]:
    """Measure every observable of the source in every piece; a damaged segment is a Found with an
    error.

    Raises MappingError on a worker with another version of halobind, and on one that does not see
    the disk of the campaign.
    """
    if chunk.source.code != code_checksum():
        raise MappingError(
            "the workers have another version of halobind than this command: install the same there"
            " and start them again"
        )
    for piece in chunk.pieces:
        if not piece.segment.is_dir():
            raise MappingError(
                f"{socket.gethostname()} does not see {piece.segment}: the workers need the disk of"
                " the campaign"
            )
    return tuple(_measure(chunk.source, piece) for piece in chunk.pieces)


def _measure(source: Source, piece: Piece) -> Found:
    try:
        frames, heads = _read(source, piece)
        with reading(piece.segment):
            table = _records(frames, heads, piece)
    except DamagedError as error:
        return Found(piece, {}, str(error))
    arrays = {"frames": table}
    for name in source.names:
        row = OBSERVABLES[name]
        values = [_values(row, frames, one) for one in heads]
        arrays[name] = np.stack(values, axis=1).astype(np.float32 if row.bins else np.float64)
    return Found(piece, arrays)


def _values(row: observables.Observable, frames: md.Trajectory, one: Scene) -> np.ndarray:
    """What an observable measures; NaN for one of the solvent in frames without it."""
    if row.needs_solvent and not one.has_solvent:
        bins = (row.bins(one).n,) if row.bins else ()
        return np.full((frames.n_frames, len(row.columns), *bins), np.nan)
    return row.measure(frames, one)


def _read(source: Source, piece: Piece) -> tuple[md.Trajectory, tuple[Scene, ...]]:
    """The frames of a piece, in nm, and the scene of each head. Raises DamagedError."""
    with reading(piece.segment):
        xyz, lengths = open_dcd(piece.segment / FRAMES).read(piece.start, piece.stop)
        found = scenes(source.build, xyz.shape[1], source.chemistry)
        frames = md.Trajectory(xyz, found[0].topology)
        frames.unitcell_lengths, frames.unitcell_angles = lengths, np.full_like(lengths, 90.0)
    return frames, found


@lru_cache(maxsize=4)
def scenes(build: Path, n_atoms: int, chemistry: Chemistry) -> tuple[Scene, ...]:
    """The scenes of frames with so many atoms. Raises ValueError when no setting of `frames` writes
    so many.
    """
    model = built_model(build)
    for kind in ("solute", "all"):
        atoms = frame_atoms(model, SamplingSection(frames=kind))
        if len(atoms) == n_atoms:
            return scenes_of(model, atoms, chemistry)
    raise ValueError(f"{FRAMES} has {n_atoms} atoms; the model has {model.n_atoms}")


def _records(frames: md.Trajectory, heads: tuple[Scene, ...], piece: Piece) -> np.ndarray:
    """The "frames" array of a piece: the records of cv.npy that its frames belong to.

    A frame is written every so many records, the same number all through a segment; it is the one
    with which the heights agree. Raises ValueError when none does.
    """
    record = json.loads((piece.segment / "segment.json").read_text(encoding="utf-8"))
    cv = np.load(io.BytesIO((piece.segment / "cv.npy").read_bytes()), allow_pickle=False)
    heights = np.stack([observables.height(frames, one)[:, 0] for one in heads], axis=1)
    every = match(heights, cv[:, 0::2][:, : len(heads)], piece.n_frames, piece.start)
    rows = (piece.start + 1 + np.arange(len(heights))) * every - 1
    found = np.empty((len(heights), len(heads), 4))
    found[..., 0], found[..., 1] = rows[:, None], (rows[:, None] + 1) * record["record_ps"]
    found[..., 2], found[..., 3] = cv[rows, 0::2][:, : len(heads)], cv[rows, 1::2][:, : len(heads)]
    return found


def match(heights: np.ndarray, recorded: np.ndarray, n_frames: int, start: int) -> int:
    """Records from one frame to the next: of all numbers that give `n_frames`, the first for which
    heights (n, heads) of the frames from `start` on are those recorded (n_records, heads). Raises
    ValueError when there is none.
    """
    for every in range(len(recorded) // (n_frames + 1) + 1, len(recorded) // max(1, n_frames) + 1):
        rows = (start + 1 + np.arange(len(heights))) * every - 1
        if rows[-1] < len(recorded) and np.abs(recorded[rows] - heights).max() < SAME_NM:
            return every
    raise ValueError(f"the heights in {FRAMES} are not those in cv.npy")
