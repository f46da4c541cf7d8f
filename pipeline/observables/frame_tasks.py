"""Chunks of frames: how published segments are cut into tasks, and what a task does.

A task knows folders, not campaigns. Every path here is read where the task runs, which must see the
same disk.
"""

import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import mdtraj as md
import numpy as np

from halobind.jobs.workplace import MappingError
from halobind.pipeline.campaign.run_directory import DamagedError, reading
from halobind.pipeline.campaign.settings import SamplingSection
from halobind.pipeline.campaign.versions import versions
from halobind.pipeline.observables.dcd import open_dcd
from halobind.pipeline.observables.registry import OBSERVABLES, Observable
from halobind.pipeline.observables.scalars import height
from halobind.pipeline.observables.scene import Chemistry, Scene, scenes_of
from halobind.pipeline.sampling.run_context import built_model, frame_atoms
from halobind.pipeline.sampling.segment_files import read_segment

FRAMES = "frames.dcd"
# Of how frames are measured. Raise it when any measured number can change: in scalars.py,
# profiles.py, scene.py, registry.py, dcd.py or below, or in what they call (structures/models/
# integrity.py and hydrogen_bonds.py, structures/molecules/periodic.py). All segments are then
# measured again.
REVISION = 1
# a task takes about 0.2 s, and handing it out 2 ms
MIN_FRAMES_PER_TASK = 100
MIN_POSITIONS_PER_TASK = 250_000
# a frame is that of its record: heights agree this well (frames are single precision in angstrom)
SAME_NM = 1e-4


@dataclass(frozen=True)
class Source:
    """What all tasks of a run share."""

    build: Path
    """Folder of the published model."""
    chemistry: Chemistry
    """Elements of the crystal, and the role of the ligand's site."""
    names: tuple[str, ...]
    """Names of the observables to measure."""
    code: str
    """The version of the code that is to measure them, as `code_version` has it."""


@dataclass(frozen=True)
class FrameRange:
    """Frames [start, stop) of a published segment."""

    segment: Path
    """Folder of the segment."""
    n_frames: int
    """Frames of the whole segment."""
    start: int
    """First frame, from 0."""
    stop: int
    """The frame after the last."""


@dataclass(frozen=True)
class Chunk:
    """One task: frames of one run."""

    source: Source
    """What all tasks of the run share."""
    pieces: tuple[FrameRange, ...]
    """The frames to measure, of one segment or of several."""


@dataclass(frozen=True, eq=False)
class TaskResult:
    """What a task measured in one of its frame ranges, of n frames."""

    piece: FrameRange
    """The frames."""
    arrays: dict[str, np.ndarray]
    """(n, heads, columns[, bins]) by observable, and "frames" (n, heads, 4): record of the segment
    (from 0), time in the segment (ps), height and lateral distance (nm) as recorded. Empty after an
    error.
    """
    error: str = ""
    """Why nothing was measured; empty where all is well."""


def code_version() -> str:
    """The version of halobind and of its measurements: all workers must have the same."""
    return f"halobind {versions()['halobind']}, measurements {REVISION}"


def frame_shape(segment: Path) -> tuple[int, int]:
    """Numbers of frames and of atoms in the frames of a published segment.

    Args:
        segment: Its folder.

    Returns:
        Both numbers; (0, 0) when no frames were written.

    Raises:
        DamagedError: The frames cannot be read.
    """
    path = segment / FRAMES
    if not path.exists():
        return 0, 0
    with reading(segment):
        file = open_dcd(path)
        return file.n_frames, file.n_atoms


def task_frames(n_atoms: int) -> int:
    """Frames of so many atoms that make a task."""
    return max(MIN_FRAMES_PER_TASK, -(-MIN_POSITIONS_PER_TASK // max(1, n_atoms)))


def cut(source: Source, segments: Iterable[tuple[Path, int]], size: int) -> Iterator[Chunk]:
    """Cut segments into tasks: short ones together, long ones in pieces.

    Args:
        source: What is measured of which model.
        segments: Folder and number of frames of each segment.
        size: The least frames of a task (the last may have fewer); a task has fewer than twice as
            many.
    """
    pieces: list[FrameRange] = []
    held = 0
    for segment, n_frames in segments:
        for start in range(0, n_frames, size):
            pieces.append(FrameRange(segment, n_frames, start, min(start + size, n_frames)))
            held += pieces[-1].stop - start
            if held >= size:
                yield Chunk(source, tuple(pieces))
                pieces = []
                held = 0
    if pieces:
        yield Chunk(source, tuple(pieces))


def analyse(chunk: Chunk) -> tuple[TaskResult, ...]:
    """Measure every observable of the source in every piece.

    A damaged segment gives a result with an error.

    Raises:
        MappingError: The worker has another version of halobind, or does not see the disk of the
            campaign.
    """
    if chunk.source.code != code_version():
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


def _measure(source: Source, piece: FrameRange) -> TaskResult:
    try:
        frames, heads = _read(source, piece)
        with reading(piece.segment):
            table = _records(frames, heads, piece)
    except DamagedError as error:
        return TaskResult(piece, {}, str(error))
    arrays = {"frames": table}
    for name in source.names:
        row = OBSERVABLES[name]
        values = [_values(row, frames, head) for head in heads]
        arrays[name] = np.stack(values, axis=1).astype(np.float32 if row.bins else np.float64)
    return TaskResult(piece, arrays)


def _values(row: Observable, frames: md.Trajectory, head: Scene) -> np.ndarray:
    """What an observable measures; NaN for one of the solvent in frames without it."""
    if row.needs_solvent and not head.has_solvent:
        bins = (row.bins(head).n,) if row.bins else ()
        return np.full((frames.n_frames, len(row.columns), *bins), np.nan)
    return row.measure(frames, head)


def _read(source: Source, piece: FrameRange) -> tuple[md.Trajectory, tuple[Scene, ...]]:
    """The frames of a piece, in nm, and the scene of each head. Raises DamagedError."""
    with reading(piece.segment):
        xyz, lengths = open_dcd(piece.segment / FRAMES).read(piece.start, piece.stop)
        heads = scenes(source.build, xyz.shape[1], source.chemistry)
        frames = md.Trajectory(xyz, heads[0].topology)
        frames.unitcell_lengths = lengths
        frames.unitcell_angles = np.full_like(lengths, 90.0)
    return frames, heads


@lru_cache(maxsize=4)
def scenes(build: Path, n_atoms: int, chemistry: Chemistry) -> tuple[Scene, ...]:
    """The scenes of the heads of a model.

    Args:
        build: Folder of the published model.
        n_atoms: Atoms of a frame.
        chemistry: What the elements are.

    Raises:
        ValueError: No setting of `frames` writes so many atoms.
    """
    model = built_model(build)
    for kind in ("solute", "all"):
        atoms = frame_atoms(model, SamplingSection(frames=kind))
        if len(atoms) == n_atoms:
            return scenes_of(model, atoms, chemistry)
    raise ValueError(f"{FRAMES} has {n_atoms} atoms; the model has {model.n_atoms}")


def _records(frames: md.Trajectory, heads: tuple[Scene, ...], piece: FrameRange) -> np.ndarray:
    """The "frames" array of a piece: the records of cv.npy that its frames belong to.

    A frame is written every so many records, the same number all through a segment; it is the one
    with which the heights agree. Raises ValueError when none does.
    """
    content = read_segment(piece.segment)
    cv = content.coordinate()
    heights = np.stack([height(frames, head)[:, 0] for head in heads], axis=1)
    every = match(heights, cv[:, 0::2][:, : len(heads)], piece.n_frames, piece.start)
    rows = (piece.start + 1 + np.arange(len(heights))) * every - 1
    table = np.empty((len(heights), len(heads), 4))
    table[..., 0] = rows[:, None]
    table[..., 1] = (rows[:, None] + 1) * content.record["record_ps"]
    table[..., 2] = cv[rows, 0::2][:, : len(heads)]
    table[..., 3] = cv[rows, 1::2][:, : len(heads)]
    return table


def match(heights: np.ndarray, recorded: np.ndarray, n_frames: int, start: int) -> int:
    """Find how many records lie between two frames.

    Of all numbers that give so many frames it is the first for which the heights agree.

    Args:
        heights: In the frames from `start` on, (n, heads), nm.
        recorded: At every record (n_records, heads), nm.
        n_frames: Frames of the whole segment.
        start: Number of the first frame of `heights`.

    Raises:
        ValueError: There is no such number.
    """
    for every in range(len(recorded) // (n_frames + 1) + 1, len(recorded) // max(1, n_frames) + 1):
        rows = (start + 1 + np.arange(len(heights))) * every - 1
        if rows[-1] < len(recorded) and np.abs(recorded[rows] - heights).max() < SAME_NM:
            return every
    raise ValueError(f"the heights in {FRAMES} are not those in cv.npy")
