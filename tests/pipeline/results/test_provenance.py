"""The JSON says what every number came from."""

import hashlib
import json
from pathlib import Path

from halobind.pipeline.commands.cli import main
from halobind.pipeline.results.energy_unit import KJ_PER_MOL
from tests.pipeline import tiny


def test_the_json_of_a_real_campaign(reference: Path, tmp_path: Path, capsys) -> None:
    campaign = tiny.copy(reference, tmp_path / "c")
    assert main(["table", str(campaign), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    source = content.pop("provenance")
    assert content == json.loads((campaign / "tables" / "binding.json").read_text())
    text = (campaign / "campaign.toml").read_text()
    assert source["campaign_file"] == text and source["energy_unit"] == KJ_PER_MOL.name
    assert source["campaign_file_sha256"] == hashlib.sha256(text.encode()).hexdigest()
    (run,) = source["runs"]
    folder = campaign / "runs" / run["run_id"]
    assert (folder / run["estimate"] / "binding.json").is_file()
    record = json.loads((folder / "run.json").read_text())
    assert run["forcefield_files"] == record["forcefield_files"]
    assert run["segments_by_platform"] == {"CPU": 8} and run["segments"] == 8
    assert run["sampled_ns"] > 0 and run["segments_that_cannot_be_read"] == 0
    assert content["runs"][0]["flags"][0]["kind"]


def test_an_unfinished_campaign_has_it_too(tmp_path: Path, capsys) -> None:
    campaign = tiny.new(tmp_path / "c")
    assert main(["table", str(campaign), "--json", "--unit", "kcal"]) == 0
    (run,) = json.loads(capsys.readouterr().out)["provenance"]["runs"]
    assert run["segments"] == 0 and run["estimate"] is None and "forcefield_files" not in run
    assert "dG0 (kcal/mol)" in (campaign / "tables" / "binding.md").read_text()
