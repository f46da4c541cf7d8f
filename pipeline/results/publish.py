"""Estimate what is sampled of a campaign and write its tables."""

from dataclasses import dataclass

from halobind.jobs.publish import clear_dead_scratch, write_atomic
from halobind.pipeline.campaign.run_directory import CampaignRuns, tables_folder
from halobind.pipeline.results.pmf_figure import draw_curves
from halobind.pipeline.results.run_rows import run_row
from halobind.pipeline.results.table_text import (
    PREDICTION_FILES,
    binding_csv,
    binding_json,
    binding_markdown,
    prediction_files,
)


@dataclass(frozen=True)
class PublishedTables:
    """What a person is told of tables that were written."""

    text: str
    """The readable table and the paths of the files."""
    sound: bool
    """Whether no row is an error."""


def publish_tables(campaign: CampaignRuns) -> PublishedTables:
    """Estimate what is sampled and write tables/: CSV, JSON, Markdown, predictions and a picture.

    A file of predictions that no longer has a row is removed, and so is scratch that killed
    processes left there.
    """
    rows = [run_row(run, campaign.settings) for run in campaign.runs]
    out = tables_folder(campaign.folder)
    clear_dead_scratch(out)
    readable = binding_markdown(rows)
    predictions = prediction_files(rows)
    texts = {
        "binding.csv": binding_csv(rows),
        "binding.json": binding_json(rows),
        "binding.md": readable,
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
    paths = "\n".join(str(out / name) for name in names)
    return PublishedTables(f"{readable}\n{paths}", not any(row.error for row in rows))
