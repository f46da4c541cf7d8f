"""The work of `halobind report`: the page of what is sampled."""

from pathlib import Path

from halobind.jobs.publish import write_atomic
from halobind.pipeline.campaign.run_directory import tables_folder
from halobind.pipeline.commands.console import tell_older_runs
from halobind.pipeline.report.plots import check_installed
from halobind.pipeline.results.energy_unit import EnergyUnit
from halobind.pipeline.results.publish import make_table
from halobind.pipeline.workflow.checks import check_can_create, open_campaign

MEGABYTE = 1e6


def write_report(folder: Path, out: Path | None, unit: EnergyUnit) -> int:
    """Estimate what is sampled and write the page; print where it is.

    Args:
        folder: the campaign directory.
        out: the file; None for report.html beside the tables.
        unit: of the energies.

    Returns:
        0, or 1 where a row is an error, which the page says too.

    Raises:
        CampaignError: plotly or jinja2 is missing, or the file cannot be written.
    """
    check_installed()
    from halobind.pipeline.report.page import render  # noqa: PLC0415 (needs the extra `report`)
    from halobind.pipeline.report.page_content import page_content  # noqa: PLC0415 (the same)

    opened = open_campaign(folder)
    tell_older_runs(folder)
    path = (out or tables_folder(folder) / "report.html").absolute()
    check_can_create(path.parent, "choose another --out")
    table = make_table(opened)
    text = render(page_content(opened, table.rows, unit))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, text)
    size = len(text.encode("utf-8")) / MEGABYTE
    print(f"{path}\n{size:.1f} MB; open it in a browser: it needs no network")
    return 0 if table.sound else 1
