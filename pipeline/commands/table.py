"""`halobind table`: the binding-energy tables of what is sampled."""

import argparse

from halobind.pipeline.commands.arguments import add_campaign


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    add_campaign(parser)
    parser.add_argument(
        "--unit",
        choices=("kJ", "kcal"),
        default="kJ",
        help="unit of the energies, per mole, in the printed table, CSV and LaTeX (default: kJ)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print full numbers, reasons and provenance as JSON (in kJ/mol) instead of the table",
    )


def run(options: argparse.Namespace) -> int:
    """Run the verb with parsed options; returns the exit code."""
    from halobind.pipeline.commands.campaign_tables import make_tables  # noqa: PLC0415 (OpenMM and RDKit behind it: not for --help)
    from halobind.pipeline.results.energy_unit import ENERGY_UNITS  # noqa: PLC0415 (the same)

    return make_tables(options.campaign, ENERGY_UNITS[options.unit], as_json=options.json)
