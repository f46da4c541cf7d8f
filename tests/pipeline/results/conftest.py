"""A campaign of drawn heights whose tables are published."""

from pathlib import Path

import pytest

from halobind.pipeline.campaign.run_directory import CampaignRuns, Run
from halobind.pipeline.results.publish import publish_tables
from tests.pipeline.results.synthetic import campaign, publish_segments


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Run], str]:
    folder = tmp_path_factory.mktemp("synthetic")
    settings = campaign()
    runs = publish_segments(folder, settings)
    tables = publish_tables(CampaignRuns(folder, settings, runs))
    assert tables.sound
    return folder, runs, tables.text
