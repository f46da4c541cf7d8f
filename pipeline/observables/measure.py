"""Measure the frames of published segments: chunks out, results in, one scratch directory a
segment, published when it is complete.
"""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from halobind.jobs.dask_map import Lost, mapped
from halobind.jobs.publish import clear_scratch, publishing
from halobind.jobs.stop import StopSignal
from halobind.jobs.workplace import Place
from halobind.pipeline.campaign.run_directory import Run
from halobind.pipeline.campaign.text import LINE_EVERY_S, duration
from halobind.pipeline.free_energy.samples import Window
from halobind.pipeline.observables.frame_tasks import (
    Chunk,
    Found,
    Source,
    analyse,
    cut,
    task_frames,
)


@dataclass(frozen=True, eq=False)
class Segment:
    """A published segment with frames: its window, number, folder, frames in it, when it begins in
    its window and where its measured frames are published.
    """

    window: Window
    number: int
    folder: Path
    n_frames: int
    begins_ps: float
    target: Path


@dataclass(eq=False)
class Watched:
    """One run: what is to be measured in it, and what was found wrong on the way."""

    run: Run
    source: Source
    n_atoms: int
    segments: list[Segment]
    window_ps: dict[Window, float]
    has_solvent: bool
    errors: dict[Path, str] = field(default_factory=dict)

    @property
    def missing(self) -> list[Segment]:
        return [segment for segment in self.segments if not segment.target.is_dir()]


def measure(watched: list[Watched], size: int, place: Place, stop: StopSignal) -> None:
    """Publish the measured frames of every segment that has none yet, in tasks of `size` frames (0:
    what suits the atoms).

    Raises MappingError; what was published before is kept.
    """
    owner = {segment.folder: (one, segment) for one in watched for segment in one.missing}
    for _, segment in owner.values():
        clear_scratch(segment.target)
    total = sum(segment.n_frames for _, segment in owner.values())
    kept = sum(segment.n_frames for one in watched for segment in one.segments) - total
    print(
        f"{total} frames to measure in {len(owner)} segments, {kept} frames measured before",
        file=sys.stderr,
    )
    frames = ((one, ((s.folder, s.n_frames) for s in one.missing)) for one in watched)
    chunks = (
        chunk
        for one, segments in frames
        for chunk in cut(one.source, segments, size or task_frames(one.n_atoms))
    )
    display = _Progress(total)
    with Collector(owner) as collector:
        for chunk, result in mapped(analyse, chunks, place):
            stop.check()
            for found in result if not isinstance(result, Lost) else _lost(chunk, result):
                collector.take(found)
                display.add(found.piece.stop - found.piece.start)


def _lost(chunk: Chunk, lost: Lost) -> Iterator[Found]:
    for piece in chunk.pieces:
        yield Found(piece, {}, f"{piece.segment}: {lost.why}")


class Collector:
    """Writes what comes back into one scratch directory a segment and publishes it when its last
    frame has come.
    """

    def __init__(self, owner: dict[Path, tuple[Watched, Segment]]) -> None:
        self._owner = owner
        self._open: dict[Path, tuple[contextlib.ExitStack, Path, list[int]]] = {}

    def __enter__(self) -> "Collector":
        return self

    def __exit__(self, *_: object) -> None:
        for folder in list(self._open):
            self._give_up(folder)

    def take(self, found: Found) -> None:
        watched, segment = self._owner[found.piece.segment]
        folder = segment.folder
        if found.error or folder in watched.errors:
            watched.errors.setdefault(folder, found.error)
            self._give_up(folder)
            return
        if folder not in self._open:
            stack = contextlib.ExitStack()
            out = stack.enter_context(publishing(segment.target))
            self._open[folder] = (stack, out, [segment.n_frames])
            for name, values in found.arrays.items():
                _reserve(out / f"{name}.npy", values.dtype, (segment.n_frames, *values.shape[1:]))
        stack, out, left = self._open[folder]
        for name, values in found.arrays.items():
            np.load(out / f"{name}.npy", mmap_mode="r+", allow_pickle=False)[
                found.piece.start : found.piece.stop
            ] = values
        left[0] -= found.piece.stop - found.piece.start
        if left[0] == 0:
            del self._open[folder]
            stack.close()

    def _give_up(self, folder: Path) -> None:
        """Remove what there is of a segment."""
        if folder in self._open:
            stack = self._open.pop(folder)[0]
            with contextlib.suppress(_Abandoned):
                stack.__exit__(_Abandoned, _Abandoned(), None)


def _reserve(path: Path, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    """An array on disk with all its blocks: filling a sparse file through memory on a full disk is
    a bus error that nobody can catch.
    """
    np.lib.format.open_memmap(path, "w+", dtype, shape)
    with open(path, "r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


class _Abandoned(Exception):
    """A segment that will not be complete."""


class _Progress:
    """A line about every 15 seconds: frames done, rate, time left."""

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._began = self._shown = time.monotonic()

    def add(self, frames: int) -> None:
        self._done += frames
        now = time.monotonic()
        if now - self._shown >= LINE_EVERY_S or (self._done == self._total and self._total):
            self._shown = now
            rate = self._done / max(1e-9, now - self._began)
            left = duration((self._total - self._done) / rate)
            text = (
                f"{100 * self._done / self._total:5.1f} %  {self._done} of {self._total} frames,"
                f" {rate:.0f} frames/s, {left} left"
            )
            print(text, file=sys.stderr, flush=True)
