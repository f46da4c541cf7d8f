"""Running a campaign from Python refuses what the command line refuses, and is quiet on request."""

from pathlib import Path

import pytest

from halobind.pipeline.campaign.settings import CampaignError
from halobind.pipeline.sampling.failures import OpenFailure
from halobind.pipeline.workflow.local_run import RunFailure, RunOutcome, run_campaign
from halobind.pipeline.workflow.new_campaigns import new_campaign
from tests.pipeline.campaigns import TINY


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"platform": "cuda"}, "platform = 'cuda': there is no such platform; choose one of auto"),
        ({"processes": 0}, "processes = 0 is not a whole number of at least 1"),
        ({"processes": 1.5}, "processes = 1.5 is not a whole number of at least 1"),
        ({"walltime_s": -1.0}, "walltime_s = -1.0 is not above zero"),
    ],
)
def test_options_that_the_command_line_would_not_take(
    options: dict, words: str, tmp_path: Path
) -> None:
    campaign = new_campaign(tmp_path / "c", TINY)
    with pytest.raises(CampaignError) as error:
        run_campaign(campaign, **options)
    assert words in str(error.value)
    assert not (tmp_path / "c" / "runs").exists()


def test_a_file_that_was_edited_since_is_not_run_under_the_old_settings(tmp_path: Path) -> None:
    campaign = new_campaign(tmp_path / "c", TINY)
    new_campaign(tmp_path / "c", TINY, estimate={"n_bootstrap": 21}, replace=True)
    with pytest.raises(CampaignError, match="was edited since it was opened: open it again"):
        run_campaign(campaign)


def test_a_failure_is_told_with_how_to_try_again(tmp_path: Path) -> None:
    run = new_campaign(tmp_path / "c", TINY).runs[0]
    failure = RunFailure(run, OpenFailure("build", "build", "ValueError: no"))
    text = repr(RunOutcome(0, 18, (failure,)))
    assert text.startswith("0 of 18 products are published\n")
    assert "build failed: ValueError: no" in text and "retry=True" in text
