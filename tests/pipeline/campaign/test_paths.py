"""Absolute paths keep the symbolic links that the user writes."""

import os
from pathlib import Path

import pytest

from halobind.pipeline.campaign.paths import absolute_path


@pytest.fixture
def link(tmp_path: Path) -> Path:
    """A link to a directory."""
    (tmp_path / "disk7" / "anna").mkdir(parents=True)
    (tmp_path / "home").symlink_to(tmp_path / "disk7" / "anna")
    return tmp_path / "home"


def test_an_absolute_path_is_kept(link: Path) -> None:
    assert absolute_path(link / "c") == link / "c"


def test_the_working_directory_is_named_as_the_shell_does(
    link: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(link)
    monkeypatch.setenv("PWD", str(link))
    assert absolute_path(Path("c")) == link / "c"
    assert absolute_path(Path()) == link
    assert absolute_path(Path("../c")) == link / ".." / "c"


@pytest.mark.parametrize("shell", ["", "relative", "/nowhere/at/all", "/"])
def test_a_wrong_name_of_the_working_directory_is_not_taken(
    shell: str, link: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(link)
    monkeypatch.setenv("PWD", shell)
    assert absolute_path(Path("c")) == Path(os.getcwd()) / "c"
