"""Measure the frames of published segments: chunks go out, results come in and are published."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from halobind.jobs.dask_map import LostTask, mapped
from halobind.jobs.publish import clear_scratch, publishing
from halobind.jobs.stop import StopSignal
from halobind.jobs.workplace import Place
from halobind.pipeline.campaign.text import LINE_EVERY_S, duration
from halobind.pipeline.observables.frame_tasks import (
    Chunk,
    TaskResult,
    analyse,
    cut,
    task_frames,
)
from halobind.pipeline.observables.runs_to_measure import RunToMeasure, Segment


def measure(runs: list[RunToMeasure], size: int, place: Place, stop: StopSignal) -> None:
    """Publish the measured frames of every segment that has none yet, in tasks of `size` frames (0:
    what suits the atoms).

    Raises MappingError; what was published before is kept.
    """
    owner = {segment.folder: (run, segment) for run in runs for segment in run.missing}
    for _, segment in owner.values():
        clear_scratch(segment.target)
    total = sum(segment.n_frames for _, segment in owner.values())
    kept = sum(segment.n_frames for run in runs for segment in run.segments) - total
    print(
        f"{total} frames to measure in {len(owner)} segments, {kept} frames measured before",
        file=sys.stderr,
    )
    frames = ((run, ((s.folder, s.n_frames) for s in run.missing)) for run in runs)
    chunks = (
        chunk
        for run, segments in frames
        for chunk in cut(run.source, segments, size or task_frames(run.n_atoms))
    )
    display = _Progress(total)
    with Collector(owner) as collector:
        for chunk, result in mapped(analyse, chunks, place):
            stop.check()
            for measured in result if not isinstance(result, LostTask) else _lost(chunk, result):
                collector.take(measured)
                display.add(measured.piece.stop - measured.piece.start)


def _lost(chunk: Chunk, lost: LostTask) -> Iterator[TaskResult]:
    for piece in chunk.pieces:
        yield TaskResult(piece, {}, f"{piece.segment}: {lost.why}")


class Collector:
    """Writes results into a scratch directory for each segment, published with its last frame."""

    def __init__(self, owner: dict[Path, tuple[RunToMeasure, Segment]]) -> None:
        """Begin without results.

        Args:
            owner: Run and segment by the folder of the segment.
        """
        self._owner = owner
        self._open: dict[Path, tuple[contextlib.ExitStack, Path, list[int]]] = {}

    def __enter__(self) -> "Collector":
        return self

    def __exit__(self, *_: object) -> None:
        for folder in list(self._open):
            self._give_up(folder)

    def take(self, result: TaskResult) -> None:
        """Write a result; one with an error ends its segment."""
        run, segment = self._owner[result.piece.segment]
        folder = segment.folder
        if result.error or folder in run.errors:
            run.errors.setdefault(folder, result.error)
            self._give_up(folder)
            return
        if folder not in self._open:
            stack = contextlib.ExitStack()
            out = stack.enter_context(publishing(segment.target))
            self._open[folder] = (stack, out, [segment.n_frames])
            for name, values in result.arrays.items():
                _reserve(out / f"{name}.npy", values.dtype, (segment.n_frames, *values.shape[1:]))
        stack, out, n_missing = self._open[folder]
        for name, values in result.arrays.items():
            np.load(out / f"{name}.npy", mmap_mode="r+", allow_pickle=False)[
                result.piece.start : result.piece.stop
            ] = values
        n_missing[0] -= result.piece.stop - result.piece.start
        if n_missing[0] == 0:
            del self._open[folder]
            stack.close()

    def _give_up(self, folder: Path) -> None:
        """Remove what there is of a segment."""
        if folder in self._open:
            stack = self._open.pop(folder)[0]
            with contextlib.suppress(_Abandoned):
                stack.__exit__(_Abandoned, _Abandoned(), None)


def _reserve(path: Path, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    """Make an array on disk with all its blocks.

    To fill a sparse file through memory on a full disk is a bus error that nobody can catch.
    """
    np.lib.format.open_memmap(path, "w+", dtype, shape)
    with open(path, "r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


class _Abandoned(Exception):
    """A segment that will not be complete."""


class _Progress:
    """A line about every 15 seconds: frames done, rate, time left."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._began = self._shown = time.monotonic()

    def add(self, frames: int) -> None:
        """So many more frames are done."""
        self._done += frames
        now = time.monotonic()
        if now - self._shown >= LINE_EVERY_S or (self._done == self._total and self._total):
            self._shown = now
            rate = self._done / max(1e-9, now - self._began)
            remaining = duration((self._total - self._done) / rate)
            text = (
                f"{100 * self._done / self._total:5.1f} %  {self._done} of {self._total} frames,"
                f" {rate:.0f} frames/s, {remaining} left"
            )
            print(text, file=sys.stderr, flush=True)
