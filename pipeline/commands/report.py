"""`halobind report`: a campaign as one HTML page to read, to send and to print."""

import argparse
from pathlib import Path

from halobind.pipeline.commands.arguments import add_campaign


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    add_campaign(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="where to write it (default: tables/report.html in the campaign)",
    )
    parser.add_argument(
        "--unit",
        choices=("kJ", "kcal"),
        default="kJ",
        help="unit of the energies, per mole (default: kJ)",
    )


def run(options: argparse.Namespace) -> int:
    """Run the verb with parsed options; returns the exit code."""
    from halobind.pipeline.commands.campaign_report import write_report  # noqa: PLC0415 (OpenMM and RDKit behind it: not for --help)
    from halobind.pipeline.results.energy_unit import ENERGY_UNITS  # noqa: PLC0415 (the same)

    return write_report(options.campaign, options.out, ENERGY_UNITS[options.unit])
