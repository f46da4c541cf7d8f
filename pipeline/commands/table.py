"""`halobind table`: the binding-energy tables of what is sampled."""

import argparse

from halobind.pipeline.commands.arguments import add_campaign


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    add_campaign(parser)


def run(options: argparse.Namespace) -> int:
    """Run the verb with parsed options; returns the exit code."""
    from halobind.pipeline.commands.campaign_tables import make_tables  # noqa: PLC0415 (OpenMM and RDKit behind it: not for --help)

    return make_tables(options.campaign)
