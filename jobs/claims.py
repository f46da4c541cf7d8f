"""Claims: exclusive locks of the kernel that end with their holder, so that no work is done twice.

Not filelock: it turns to a lock by the file's existence, which outlives its holder, where the file
system has no flock, and this has to be refused; nor does it say which file cannot be locked.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def claim(lock: Path) -> Iterator[bool]:
    """Try to take a lock; yield True while it is ours, False when another process holds it.

    The kernel gives the lock back when the holder ends, however it ends; the file itself stays and
    means nothing.

    Args:
        lock: The lock file.

    Raises:
        OSError: Its file system has no locks; the message names the file.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError as error:
            raise OSError(
                error.errno,
                f"cannot lock {lock}: this file system has no file locks; move the campaign to one"
                " that has",
            ) from error
        yield True
    finally:
        os.close(handle)


def is_claimed(lock: Path) -> bool:
    """Whether a living process holds the lock right now; nothing is written or created."""
    try:
        handle = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # a file system without locks: nobody can hold one
    finally:
        os.close(handle)
    return False
