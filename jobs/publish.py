"""Publish by rename: a product is a directory that either is there, complete, or is not there."""

import errno
import os
import re
import shutil
import socket
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)


@contextmanager
def publishing(target: Path) -> Iterator[Path]:
    """Yield an empty scratch directory beside `target`; on success it becomes `target` in one
    rename.

    On any exception the scratch directory is removed and nothing is published. When somebody else
    published `target` meanwhile, theirs stays and ours is dropped: the work is done either way.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = _scratch_of(target)
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


def _scratch_of(target: Path) -> Path:
    """A name beside `target` that no other writer has: it tells the host and the process."""
    writer = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    return target.with_name(f".{target.name}.{writer}")


def clear_dead_scratch(folder: Path) -> None:
    """Remove the scratch files and directories in `folder` whose writers are dead.

    Only what this host wrote is judged: whether a process of another host lives is not known here.
    Every writer of a folder without a claim may call this; a living writer's scratch stays.
    """
    pattern = re.compile(rf"\..+\.{re.escape(socket.gethostname())}-(\d+)-[0-9a-f]{{6}}")
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        match = pattern.fullmatch(path.name)
        if match is None or _is_alive(int(match[1])):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def _is_alive(process: int) -> bool:
    """Whether a process of that number lives on this host, whoever owns it."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


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
    scratch = _scratch_of(path)
    try:
        scratch.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        _flush(scratch)
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
