"""`halobind cancel`: take the jobs of a campaign back from the scheduler."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("campaign", type=Path, help="campaign directory")


def run(options: argparse.Namespace) -> int:
    """Run the verb with parsed options; returns the exit code."""
    from halobind.pipeline.commands.submission import cancel_campaign  # noqa: PLC0415 (OpenMM and RDKit behind it: not for --help)

    return cancel_campaign(options.campaign)
