"""A tiny campaign as the content of its file, changed key by key, and what it is refused with."""

from pathlib import Path

import pytest

from halobind.pipeline.campaign.load import parse_campaign
from halobind.pipeline.campaign.run_directory import runs_of
from halobind.pipeline.campaign.settings import CampaignError
from halobind.pipeline.workflow.checks import check_runs

TINY = {
    "model": {
        "perovskite": "CsPbBr3",
        "cells": "4x4x1",
        "ligand": "DA",
        "solvent": "acetone",
        "gap_nm": 3.0,
    },
    "forcefield": {"cutoff_nm": 0.9},
    "pull": {"from_nm": 0.0, "to_nm": 0.9, "step_nm": 0.1, "step_ps": 1.0},
    "windows": {"spacing_nm": 0.1},
    "sampling": {"segments": 2, "segment_ps": 2.0, "record_ps": 0.1, "frame_ps": 1.0},
}


def with_key(section: str, key: str, value: object) -> dict:
    return TINY | {section: TINY.get(section, {}) | {key: value}}


def with_hills(key: str, value: object) -> dict:
    return with_key("sampling", "method", "metadynamics") | {"metadynamics": {key: value}}


def refusal(raw: dict, folder: Path) -> str:
    with pytest.raises(CampaignError) as error:
        campaign = parse_campaign(raw, "campaign.toml")
        check_runs(runs_of(folder, campaign), campaign)
    return str(error.value)
