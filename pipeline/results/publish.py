"""Estimate what is sampled of a campaign and write its tables."""

from pathlib import Path

from halobind.jobs.publish import clear_dead_scratch, write_atomic
from halobind.pipeline.campaign.run_directory import CampaignRuns, tables_folder
from halobind.pipeline.results.energy_unit import KJ_PER_MOL, EnergyUnit
from halobind.pipeline.results.latex_table import binding_latex
from halobind.pipeline.results.provenance import provenance
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


def publish_table(
    table: Table, campaign: CampaignRuns, unit: EnergyUnit = KJ_PER_MOL
) -> list[Path]:
    """Write tables/ of a campaign: CSV, JSON, Markdown, LaTeX, predictions, picture of the curves.

    A file of predictions that no longer has a row is removed, and so is scratch that killed
    processes left there.

    Args:
        table: what to write.
        campaign: the campaign that it is of.
        unit: of the energies in all but the JSON and the picture, which are in kJ/mol.

    Returns:
        The files.

    Examples:
        >>> campaign = halobind.open_campaign("mycampaign")
        >>> files = halobind.publish_table(halobind.make_table(campaign), campaign)
        >>> [file.name for file in files]
        ['binding.csv', 'binding.json', 'binding.md', 'binding.tex', 'coverage.csv', 'pmf.png']
    """
    rows = table.rows
    out = tables_folder(campaign.folder)
    clear_dead_scratch(out)
    predictions = prediction_files(rows, unit)
    texts = {
        "binding.csv": binding_csv(rows, unit),
        "binding.json": binding_json(rows),
        "binding.md": binding_markdown(rows, unit),
        "binding.tex": binding_latex(rows, unit),
        **predictions,
    }
    for name, text in texts.items():
        write_atomic(out / name, text)
    for name in PREDICTION_FILES:
        if name not in predictions:
            (out / name).unlink(missing_ok=True)
    names = list(texts)
    from halobind.pipeline.results.pmf_figure import (  # noqa: PLC0415 (matplotlib behind it: not in a process that makes no table)
        draw_curves,
    )

    if draw_curves(rows, out / "pmf.png"):
        names.append("pmf.png")
    return [out / name for name in names]


def table_with_provenance(table: Table, campaign: CampaignRuns) -> str:
    """The content of binding.json with what every number came from.

    The files in tables/ are without it: they are the same wherever and however often a campaign was
    interrupted, which host names and wall times are not.
    """
    return binding_json(table.rows, provenance(campaign, table.rows))
