"""What a campaign costs, and a disk that has not got it."""

import os
from pathlib import Path

import pytest

from halobind.pipeline.campaign.load import parse_campaign
from halobind.pipeline.campaign.run_directory import runs_of
from halobind.pipeline.campaign.settings import CampaignError
from halobind.pipeline.workflow.cost import check_disk, plan_run
from tests.pipeline.campaigns import TINY


def test_disk_use_is_refused_when_the_disk_has_not_got_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = parse_campaign(TINY, "x")
    plans = [plan_run(run, campaign) for run in runs_of(tmp_path, campaign)]
    check_disk(plans, tmp_path)
    monkeypatch.setattr(
        "shutil.disk_usage",
        lambda _: os.terminal_size((0, 0)) and type("U", (), {"free": 5_000_000, "total": 10**8}),
    )
    with pytest.raises(
        CampaignError, match=r"will write about \d+\.\d MB but .* has 3.0 MB to give"
    ):
        check_disk(plans, tmp_path)
