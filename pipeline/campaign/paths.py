"""Paths as the user writes them."""

import os
from pathlib import Path


def absolute_path(path: Path) -> Path:
    """An absolute path with every symbolic link kept.

    Other machines may not have what a link points to. The working directory is taken as the shell
    names it (PWD), where that is right.
    """
    if path.is_absolute():
        return path
    shell = Path(os.environ.get("PWD", ""))
    try:
        here = shell if shell.is_absolute() and shell.samefile(Path.cwd()) else Path.cwd()
    except OSError:
        here = Path.cwd()
    return here / path
