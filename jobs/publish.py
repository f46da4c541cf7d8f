"""Publish by rename: a product is a directory that either is there, complete, or is not there."""

import errno
import os
import shutil
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def publishing(target: Path) -> Iterator[Path]:
    """Yield an empty scratch directory beside `target`; on success it becomes `target` in one
    rename.

    On any exception the scratch directory is removed and nothing is published. When somebody else
    published `target` meanwhile, theirs stays and ours is dropped: the work is done either way.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = (
        target.parent
        / f".{target.name}.{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    )
    scratch.mkdir()
    try:
        yield scratch
        for path in sorted(scratch.rglob("*")):
            _flush(path)
        _flush(scratch)
        try:
            os.rename(scratch, target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        _flush(target.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _flush(path: Path) -> None:
    """fsync a file or directory, so that a power cut cannot leave a published name without its
    content.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def clear_scratch(target: Path) -> None:
    """Remove what killed processes left beside `target`. Only the holder of the claim on it may
    call this.
    """
    for leftover in target.parent.glob(f".{target.name}.*"):
        shutil.rmtree(leftover, ignore_errors=True)


def scratches(target: Path) -> list[Path]:
    """The scratch directories beside `target` (someone is working on it, or was killed doing so)."""
    return sorted(target.parent.glob(f".{target.name}.*"))


def write_atomic(path: Path, content: str | bytes) -> None:
    """Replace a file (text as UTF-8) in one step, so that a reader sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:6]}")
    try:
        scratch.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        _flush(scratch)
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
