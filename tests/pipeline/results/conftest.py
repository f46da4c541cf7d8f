"""A campaign of drawn heights whose tables are published."""

from pathlib import Path

import pytest

from halobind.pipeline.campaign.run_directory import CampaignRuns, Run
from halobind.pipeline.commands.console import table_with_files
from halobind.pipeline.results.publish import make_table, publish_table
from tests.pipeline.results.synthetic import campaign, publish_segments


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Run], str]:
    folder = tmp_path_factory.mktemp("synthetic")
    settings = campaign()
    runs = publish_segments(folder, settings)
    opened = CampaignRuns(folder, settings, runs)
    table = make_table(opened)
    text = table_with_files(table, publish_table(table, opened))
    assert table.sound
    return folder, runs, text
