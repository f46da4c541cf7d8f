"""`halobind submit`: what is pending, through a batch scheduler."""

import argparse
from pathlib import Path

from halobind.pipeline.commands.arguments import positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        "campaign", type=Path, nargs="?", help="campaign directory (the one with campaign.toml)"
    )
    parser.add_argument("--cluster", metavar="NAME", help="a table of clusters.toml")
    parser.add_argument(
        "--parts",
        type=positive,
        metavar="N",
        help="tasks of the job array (default: so many that each process of a job has a window)",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print exactly the scripts that would run; submit and write nothing",
    )
    parser.add_argument("--retry", action="store_true", help="try again what failed before")
    parser.add_argument(
        "--example", action="store_true", help="print a clusters.toml to start from"
    )


def run(options: argparse.Namespace) -> int:
    """Run the verb with parsed options; returns the exit code."""
    from halobind.jobs.batch import BatchError  # noqa: PLC0415 (OpenMM and RDKit behind it: not for --help)
    from halobind.jobs.clusters import EXAMPLE  # noqa: PLC0415 (OpenMM and RDKit behind it: not for --help)

    if options.example:
        print(EXAMPLE, end="")
        return 0
    if options.campaign is None or options.cluster is None:
        raise BatchError(
            "name the campaign and the cluster: halobind submit DIR --cluster NAME (or --example"
            " for a clusters.toml)"
        )
    from halobind.pipeline.commands.submission import SubmitOptions, submit_campaign  # noqa: PLC0415 (OpenMM and RDKit behind it: not for --help)

    return submit_campaign(
        options.campaign,
        SubmitOptions(
            cluster=options.cluster,
            parts=options.parts,
            dry_run=options.dry_run,
            retry=options.retry,
        ),
    )
