"""Publish by rename: a product is a directory that either is there, complete, or is not there."""

import errno
import fcntl
import os
import re
import shutil
import socket
import stat
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)
CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
SCRATCH_NAME = re.compile(r"\..+-\d+-[0-9a-f]{6}")
FOREIGN_SCRATCH_S = 86_400.0
"""Age at which scratch whose lock cannot be asked for counts as a dead writer's (s)."""


@dataclass(frozen=True)
class _Scratch:
    """A new file or directory beside a target, locked while its writer lives."""

    path: Path
    """Where it is."""
    handle: int
    """Its open file descriptor, which holds the lock."""


@contextmanager
def publishing(target: Path) -> Iterator[Path]:
    """Yield an empty directory beside `target`, which on success becomes `target` by one rename.

    On any exception the scratch directory is removed and nothing is published. When somebody else
    published `target` meanwhile, theirs stays and ours is dropped: the work is done either way.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with _scratch_of(target, is_directory=True) as scratch:
        yield scratch.path
        for path in sorted(scratch.path.rglob("*")):
            _flush(path)
        _flush(scratch.path)
        try:
            os.rename(scratch.path, target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        _flush(target.parent)


@contextmanager
def scratch_folder(target: Path) -> Iterator[Path]:
    """Yield a new directory beside `target` that only this user can read and that goes in the end.

    What a killed process left of it is removed by the next one.
    """
    with _scratch_of(target, is_directory=True) as scratch:
        scratch.path.chmod(0o700)
        yield scratch.path


def _flush(path: Path) -> None:
    """Sync a file or directory, so that a power cut leaves no published name without its content.

    Some file systems (CIFS, some of FUSE) cannot sync a directory and say so by EINVAL or ENOTSUP:
    there the rename alone has to do. A file that cannot be synced is always an error.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in CANNOT_SYNC or not stat.S_ISDIR(os.fstat(handle).st_mode):
            raise
    finally:
        os.close(handle)


@contextmanager
def _scratch_of(target: Path, *, is_directory: bool) -> Iterator[_Scratch]:
    """Yield new scratch beside `target`, locked until it is renamed or, in the end, removed.

    The lock is what tells living scratch from dead: process numbers and host names are the same in
    many containers. Who clears dead scratch may come between making and locking; then the next name
    is tried. What killed writers of the same target left is removed first.
    """
    with suppress(OSError):
        _clear_dead([p for p in target.parent.iterdir() if p.name.startswith(f".{target.name}.")])
    while True:
        name = f".{target.name}.{_kernel()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        path = target.with_name(name)
        if is_directory:
            path.mkdir()
        else:
            path.touch(exist_ok=False)
        try:
            handle = os.open(path, os.O_RDONLY if is_directory else os.O_RDWR)
        except FileNotFoundError:
            continue
        except OSError:
            _remove(path)
            raise
        try:
            if _is_lockable(handle, fcntl.LOCK_EX) is not False and path.exists():
                yield _Scratch(path, handle)
                return
        except OSError as error:
            if error.filename is None and error.errno in CANNOT_WRITE:
                raise OSError(error.errno, error.strerror, str(target)) from error
            raise
        finally:
            _remove(path)
            os.close(handle)


def _kernel() -> str:
    """What names the running kernel: locks of two processes under one are seen by both."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8]
    return socket.gethostname()


def _is_lockable(handle: int, kind: int) -> bool | None:
    """Take the lock of an open file or directory.

    Returns:
        Whether it was free; None where the file system has no locks.
    """
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def clear_dead_scratch(folder: Path) -> None:
    """Remove the scratch files and directories in `folder` whose writers are dead.

    A writer under this kernel is dead when its lock is free. What another kernel wrote, or where
    there are no locks, is dead after a day. Every writer of a folder without a claim may call this;
    a living writer's scratch stays.
    """
    if folder.is_dir():
        _clear_dead(folder.iterdir())


def _clear_dead(paths: Iterable[Path]) -> None:
    """Remove what of `paths` is scratch of a dead writer."""
    for path in paths:
        if SCRATCH_NAME.fullmatch(path.name) is None:
            continue
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue  # removed meanwhile, or none of ours
        try:
            is_ours = f".{_kernel()}-" in path.name
            is_free = _is_lockable(handle, fcntl.LOCK_SH) if is_ours else None
            if is_free is None:
                is_free = time.time() - os.fstat(handle).st_mtime > FOREIGN_SCRATCH_S
            if is_free:
                _remove(path)
        finally:
            os.close(handle)


def _remove(path: Path) -> None:
    """Remove a file or a directory, as far as that goes."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def clear_scratch(target: Path) -> None:
    """Remove what killed processes left beside `target`.

    Only the holder of the claim on it may call this.
    """
    for leftover in target.parent.glob(f".{target.name}.*"):
        shutil.rmtree(leftover, ignore_errors=True)


def scratches(target: Path) -> list[Path]:
    """The scratch directories beside `target`: of a process at work on it, or of a killed one."""
    return sorted(target.parent.glob(f".{target.name}.*"))


def write_atomic(path: Path, content: str | bytes) -> None:
    """Replace a file in one step, so that a reader sees the old content or the new one.

    Args:
        path: The file.
        content: Of the file; text is written as UTF-8.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _scratch_of(path, is_directory=False) as scratch:
        with open(scratch.handle, "wb", closefd=False) as file:
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
        os.fsync(scratch.handle)
        os.replace(scratch.path, path)
