"""`halobind status`: what is published of each run, and what is left."""

import argparse

from halobind.pipeline.commands.arguments import add_campaign


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    add_campaign(parser)


def run(options: argparse.Namespace) -> int:
    """Run the verb with parsed options; returns the exit code."""
    from halobind.pipeline.commands.campaign_status import show_status  # noqa: PLC0415 (OpenMM and RDKit behind it: not for --help)

    return show_status(options.campaign)
