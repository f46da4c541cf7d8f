"""`halobind export`: trajectories and topologies for other programs."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        "source",
        type=Path,
        metavar="RUN_OR_CAMPAIGN",
        help="campaign directory, or one of its runs (CAMPAIGN/runs/ID)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where to (default: NAME-trajectories in this directory)",
    )


def run(options: argparse.Namespace) -> int:
    """Run the verb with parsed options; returns the exit code."""
    from halobind.pipeline.commands.campaign_trajectories import (  # noqa: PLC0415 (OpenMM and RDKit behind it: not for --help)
        export_trajectories,
    )

    return export_trajectories(options.source, options.out)
