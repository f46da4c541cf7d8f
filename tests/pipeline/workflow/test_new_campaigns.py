"""Campaigns and models made in code are checked as files are, and are the same campaigns."""

from pathlib import Path

import numpy as np
import pytest

from halobind.pipeline.campaign.campaign_text import campaign_text
from halobind.pipeline.campaign.settings import CampaignError
from halobind.pipeline.commands.campaign_models import BuildOptions, model_orders
from halobind.pipeline.workflow.checks import open_campaign
from halobind.pipeline.workflow.new_campaigns import make_model, new_campaign
from halobind.structures.assembly.build import build_model
from tests.pipeline import tiny
from tests.pipeline.campaigns import TINY, with_key

VACUUM = {
    "perovskite": "CsPbBr3",
    "cells": "2x2x1",
    "ligand": "MA",
    "solvent": "vacuum",
    "gap_nm": 2.0,
}


def test_a_campaign_made_in_code_is_that_of_its_file(tmp_path: Path) -> None:
    made = new_campaign(tmp_path / "made", TINY)
    assert open_campaign(str(tmp_path / "made")) == made
    by_hand = tiny.new(
        tmp_path / "by hand", "# mine\n" + (tmp_path / "made" / "campaign.toml").read_text()
    )
    assert [run.id for run in open_campaign(by_hand).runs] == [run.id for run in made.runs]


def test_keyword_arguments_go_before_the_sections(tmp_path: Path) -> None:
    model = TINY["model"] | {"ligand": ["DA", "MA"]}
    made = new_campaign(tmp_path / "c", TINY, model=model)
    assert [run.spec.model.ligand for run in made.runs] == ["DA", "MA"]
    assert made.settings.sampling.segments == TINY["sampling"]["segments"]


def test_a_cell_can_be_run_again_and_a_hand_written_file_stays(tmp_path: Path) -> None:
    file = tmp_path / "c" / "campaign.toml"
    new_campaign(file.parent, TINY)
    file.write_text("# written by hand\n" + file.read_text())
    text = file.read_text()
    new_campaign(file.parent, dict(reversed(TINY.items())))
    with pytest.raises(CampaignError, match="says something else: open it with open_campaign"):
        new_campaign(file.parent, with_key("sampling", "segments", 3))
    assert file.read_text() == text
    longer = new_campaign(file.parent, with_key("sampling", "segments", 3), replace=True)
    assert longer.settings.sampling.segments == 3


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({}, "[model] is missing: add it"),
        ({"model": "DA"}, "model = 'DA' must be a section, written [model]"),
        ({"modell": {}}, "unknown section or key [modell]"),
        (with_key("model", "gap", 3.0), "did you mean gap_nm?"),
        (with_key("model", "gap_nm", "3"), "[model] gap_nm = '3'"),
        (with_key("model", "gap_nm", 0.5), "gap_nm = 0.5 is too small"),
        (with_key("sampling", "segments", 10**90), "is a whole number of"),
        (with_key("sampling", "budget_ns", None), "budget_ns = None cannot stand"),
    ],
)
def test_what_a_file_is_refused_for_is_refused_and_nothing_is_written(
    sections: dict, words: str, tmp_path: Path
) -> None:
    with pytest.raises(CampaignError) as error:
        new_campaign(tmp_path / "c", sections)
    assert words in str(error.value)
    assert not (tmp_path / "c").exists()


def test_a_ligand_without_parameters_leaves_the_file_for_parametrize(tmp_path: Path) -> None:
    mine = {"mine": {"smiles": "CCCCC[NH3+]", "mode": "cation", "charge": 1}}
    sections = with_key("model", "ligand", "mine") | {"ligands": mine}
    with pytest.raises(CampaignError, match="make them with: halobind parametrize"):
        new_campaign(tmp_path / "c", sections)
    assert (tmp_path / "c" / "campaign.toml").is_file()


def test_a_model_made_in_code_is_the_one_that_build_builds(tmp_path: Path) -> None:
    coated = {"shape": "cuboid", "cells": "3x3x3", "coating": {"face": {"MA": 0.3}}}
    model = VACUUM | coated | {"ligand": "MA", "pattern": "random"}
    file = tmp_path / "c.toml"
    file.write_text(campaign_text({"model": model}, "c.toml"))
    (order,) = model_orders(file, BuildOptions(seed=3))
    made = make_model(model=model, seed=3)
    assert np.array_equal(made.positions, build_model(order.spec)[0].positions)
    assert not np.array_equal(made.positions, make_model(model=model, seed=4).positions)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (VACUUM | {"ligand": "XY"}, "make_model: [model] ligand = 'XY': there is no 'XY'"),
        (VACUUM | {"ligand": ["MA", "DA"]}, "lists make 2 models: give one value for each key"),
        (VACUUM | {"gap_nm": 0.1}, "make_model: gap_nm = 0.1 is too small"),
    ],
)
def test_a_model_that_cannot_be_built_is_refused_by_its_key(model: dict, words: str) -> None:
    with pytest.raises(CampaignError) as error:
        make_model(model=model)
    assert words in str(error.value)
