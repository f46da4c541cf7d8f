"""Runs of an older format are named once, with what to do, and nothing in them is touched."""

import json
from pathlib import Path

import pytest

from halobind.pipeline.campaign.load import load_campaign
from halobind.pipeline.campaign.older_runs import MAX_NAMES, find_older_runs, older_runs_note
from halobind.pipeline.campaign.run_directory import FORMAT, runs_of, write_record
from halobind.pipeline.commands.cli import main
from tests.pipeline import tiny


def made_with(folder: Path, name: str, run_format: int) -> Path:
    """A run directory whose run.json is of that format."""
    path = folder / "runs" / name / "run.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"id": name, "format": run_format, "versions": {"halobind": "0.1"}}))
    return path


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    (tmp_path / "campaign.toml").write_text(tiny.CAMPAIGN, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("verb", ["plan", "status", "table"])
def test_a_verb_names_older_runs_and_leaves_them(
    verb: str, campaign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = made_with(campaign, "CsPbBr3-slab-DA-acetone-r0-00000000", FORMAT - 1)
    content = path.read_bytes()
    main([verb, str(campaign)])
    told = capsys.readouterr().err
    assert path.parent.name in told and "older version" in told and "will not be continued" in told
    assert "finish them with the version that made them" in told and "run again" in told
    assert path.read_bytes() == content and list(path.parent.iterdir()) == [path]


def test_present_runs_and_other_things_are_not_older(campaign: Path) -> None:
    for run in runs_of(campaign, load_campaign(campaign / "campaign.toml")):
        write_record(run)
    (campaign / "runs" / "notes").mkdir()
    (campaign / "runs" / "damaged").mkdir()
    (campaign / "runs" / "damaged" / "run.json").write_text("{")
    made_with(campaign, "newer", FORMAT + 1)
    assert find_older_runs(campaign) == []
    assert older_runs_note(campaign, []) == ""


def test_many_older_runs_are_counted(campaign: Path) -> None:
    for number in range(MAX_NAMES + 3):
        made_with(campaign, f"run-{number:02d}", FORMAT - 1)
    note = older_runs_note(campaign, find_older_runs(campaign))
    assert "13 runs" in note and "run-09" in note and "run-10" not in note and "3 more" in note
