"""What is said in code becomes a campaign file that says the same."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from halobind.pipeline.campaign.campaign_text import campaign_text, write_campaign_file
from halobind.pipeline.campaign.settings import CampaignError


def test_the_text_says_what_the_sections_say() -> None:
    sections = {
        "model": {
            "ligand": ["DA", "DDA"],
            "coating": {"face": {"DA": 0.5}, "edge": {"4-CF3-cinnamate": 2}},
            "solvent": 'a"b\\c\nü\x7f',
            "gap_nm": 1e-5,
        },
        "sampling": {"segments": 3, "exchange": True},
        "ligands": {"mine": {"smiles": "CCCC[NH3+]", "charge": 1}},
    }
    assert tomllib.loads(campaign_text(sections, "c")) == sections


def test_numbers_of_numpy_tuples_and_paths_are_taken() -> None:
    sections = {
        "model": {"gap_nm": np.float64(2.5), "faces": np.int64(2), "ligand": ("DA", "DDA")},
        "pull": {"to_nm": np.array([0.5, 0.9])},
        "ligands": {"mine": {"file": Path("/somewhere/mine.mol2")}},
    }
    content = tomllib.loads(campaign_text(sections, "c"))
    assert content["model"] == {"gap_nm": 2.5, "faces": 2, "ligand": ["DA", "DDA"]}
    assert content["pull"] == {"to_nm": [0.5, 0.9]}
    assert content["ligands"]["mine"]["file"] == "/somewhere/mine.mol2"


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"gap_nm": None}, "[model] gap_nm = None cannot stand in a campaign file: leave the key"),
        ({"gap_nm": 1j}, "[model] gap_nm = 1j cannot stand"),
        ({"coating": {"face": {"DA": object}}}, "[model] coating.face.DA = <class 'object'>"),
        ({3: 1}, "3 is not the name of a key"),
        ({"ligand": "\ud800"}, "is not UTF-8 text"),
    ],
)
def test_what_no_file_can_hold_is_refused_by_name(section: dict, words: str) -> None:
    with pytest.raises(CampaignError) as error:
        campaign_text({"model": section}, "c")
    assert words in str(error.value)


def test_a_file_that_cannot_be_written_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("")
    with pytest.raises(CampaignError, match=r"cannot write .*c/campaign\.toml: "):
        write_campaign_file(tmp_path / "c", "")
