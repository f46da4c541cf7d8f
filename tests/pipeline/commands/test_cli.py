"""The command line itself: it imports what a verb needs, and ends with the right code."""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from halobind.jobs.batch import BatchError
from halobind.jobs.stop import Stopped
from halobind.pipeline.campaign.run_directory import DamagedError
from halobind.pipeline.campaign.settings import CampaignError
from halobind.pipeline.commands import build, run
from halobind.pipeline.commands.arguments import part, positive, seconds
from halobind.pipeline.commands.cli import VERBS, main, message_of, verb_of
from halobind.pipeline.sampling.platforms import PLATFORM_NAMES, PlatformError
from halobind.pipeline.workflow.parts import Part
from halobind.pipeline.workflow.worker import WorkError
from halobind.structures.models.export import FORMATS
from tests.pipeline.commands.imports import modules_after

HEAVY = {"openmm", "rdkit", "mdtraj", "matplotlib", "numpy", "scipy", "pymbar", "gemmi", "ase"}


@pytest.mark.parametrize("arguments", [["--version"], ["--help"]])
def test_version_and_help_import_little(arguments: list[str]) -> None:
    modules = modules_after(arguments)
    assert "halobind.pipeline.commands.cli" in modules
    assert not modules & (HEAVY | {"pydantic", "rich"})
    assert not {f"halobind.pipeline.commands.{verb}" for verb in VERBS} & modules


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_imports_that_verb_and_nothing_heavy(verb: str) -> None:
    modules = modules_after([verb, "--help"])
    assert f"halobind.pipeline.commands.{verb}" in modules
    assert not modules & HEAVY
    others = {f"halobind.pipeline.commands.{name}" for name in VERBS if name != verb}
    assert not modules & others


def test_a_process_at_work_imports_nothing_that_draws(tmp_path: Path) -> None:
    modules = modules_after(["run", str(tmp_path)])
    assert "halobind.pipeline.workflow.worker" in modules
    assert "matplotlib" not in modules


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_declares_its_arguments(verb: str) -> None:
    verb_of(verb).add_arguments(argparse.ArgumentParser())


def test_choices_are_those_of_the_libraries() -> None:
    assert run.PLATFORMS == PLATFORM_NAMES
    assert tuple(FORMATS) == build.FORMATS


def test_a_part_is_typed_as_it_is_written() -> None:
    assert part("2/4") == Part(1, 4)
    assert str(Part(1, 4)) == "2/4"
    assert part("1/1") == Part.WHOLE


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "1/2/3", "a/b", "9" * 5000])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        part(text)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "x", "", "9" * 5000])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        positive(text)


def test_a_time_is_refused_with_the_forms_that_are_taken() -> None:
    assert seconds("1:00:00") == 3600
    with pytest.raises(argparse.ArgumentTypeError):
        seconds("soon")


def test_errors_for_a_user_are_messages_and_others_are_raised() -> None:
    for kind in (CampaignError, DamagedError, PlatformError, BatchError):
        assert message_of(kind("because")) == "because"
    assert "give the same command again" in message_of(WorkError("because"))
    with pytest.raises(RuntimeError, match="a fault"):
        message_of(RuntimeError("a fault"))


@pytest.mark.parametrize(
    ("error", "code"),
    [(CampaignError("no"), 1), (Stopped("by hand"), 130), (KeyboardInterrupt(), 130)],
)
def test_exit_codes(
    error: BaseException,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_options: argparse.Namespace) -> int:
        raise error

    monkeypatch.setattr(run, "run", fail)
    assert main(["run", "somewhere"]) == code
    assert capsys.readouterr().err.startswith("halobind: ")


def exit_code(arguments: Sequence[str]) -> int:
    return subprocess.run(
        [sys.executable, "-m", "halobind", *arguments], capture_output=True
    ).returncode


def test_an_unknown_verb_is_refused() -> None:
    assert exit_code(["dance"]) == 2
    assert exit_code([]) == 2


@pytest.mark.parametrize("verb", ["new", "plan", "status", "build", "submit", "cancel"])
def test_a_path_that_is_not_utf8_is_refused_in_one_line(verb: str, tmp_path: Path) -> None:
    folder = os.fsdecode(bytes(tmp_path) + b"/caf\xe9")
    done = subprocess.run(
        [sys.executable, "-m", "halobind", verb, folder], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert "caf\\xe9" in line
    assert "is not UTF-8" in line


def test_a_working_directory_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    folder = os.fsdecode(bytes(tmp_path) + b"/caf\xe9")
    Path(folder).mkdir()
    status = [sys.executable, "-P", "-m", "halobind", "status", "."]
    done = subprocess.run(status, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 1
    assert "is not UTF-8" in done.stderr
