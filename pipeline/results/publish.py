"""Estimate what is sampled of a campaign and write its tables."""

from pathlib import Path

from halobind.jobs.publish import clear_dead_scratch, write_atomic
from halobind.pipeline.campaign.run_directory import CampaignRuns, tables_folder
from halobind.pipeline.results.pmf_figure import draw_curves
from halobind.pipeline.results.run_rows import run_row
from halobind.pipeline.results.table import Table
from halobind.pipeline.results.table_text import (
    PREDICTION_FILES,
    binding_csv,
    binding_json,
    binding_markdown,
    prediction_files,
)


def make_table(campaign: CampaignRuns) -> Table:
    """Estimate what is sampled of a campaign: its table, as `halobind table` prints it.

    Estimates are published in the directories of the runs and made again only where there is more
    to estimate from. What failed, is missing or not converged is in the table, with the reason.

    Examples:
        >>> campaign = halobind.open_campaign("mycampaign")
        >>> table = halobind.make_table(campaign)
        >>> table.records()[0]["n_windows"]
        4
    """
    return Table([run_row(run, campaign.settings) for run in campaign.runs])


def publish_table(table: Table, campaign: CampaignRuns) -> list[Path]:
    """Write tables/ of a campaign: CSV, JSON, Markdown, predictions and a picture of the curves.

    A file of predictions that no longer has a row is removed, and so is scratch that killed
    processes left there.

    Args:
        table: what to write.
        campaign: the campaign that it is of.

    Returns:
        The files.

    Examples:
        >>> campaign = halobind.open_campaign("mycampaign")
        >>> files = halobind.publish_table(halobind.make_table(campaign), campaign)
        >>> [file.name for file in files]
        ['binding.csv', 'binding.json', 'binding.md', 'coverage.csv', 'pmf.png']
    """
    rows = table.rows
    out = tables_folder(campaign.folder)
    clear_dead_scratch(out)
    predictions = prediction_files(rows)
    texts = {
        "binding.csv": binding_csv(rows),
        "binding.json": binding_json(rows),
        "binding.md": binding_markdown(rows),
        **predictions,
    }
    for name, text in texts.items():
        write_atomic(out / name, text)
    for name in PREDICTION_FILES:
        if name not in predictions:
            (out / name).unlink(missing_ok=True)
    names = list(texts)
    if draw_curves(rows, out / "pmf.png"):
        names.append("pmf.png")
    return [out / name for name in names]
