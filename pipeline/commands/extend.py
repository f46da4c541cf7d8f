"""`halobind extend`: sample more, recorded as a round."""

import argparse

from halobind.pipeline.commands.arguments import add_campaign, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    add_campaign(parser)
    parser.add_argument(
        "--segments", type=positive, metavar="N", help="N more segments for every window"
    )
    parser.add_argument(
        "--target-kJ-mol",
        type=float,
        metavar="X",
        help="until the error of dG0 of each ligand is at most X kJ/mol",
    )
    parser.add_argument(
        "--budget-ns",
        type=float,
        metavar="X",
        help="add at most X ns for each ligand (default: as much again)",
    )
    parser.add_argument("--dry-run", action="store_true", help="only show the plan")


def run(options: argparse.Namespace) -> int:
    """Run the verb with parsed options; returns the exit code."""
    from halobind.pipeline.commands.extension import ExtendOptions, extend_campaign  # noqa: PLC0415 (OpenMM and RDKit behind it: not for --help)

    return extend_campaign(
        options.campaign,
        ExtendOptions(
            segments=options.segments,
            target_kJ_mol=options.target_kJ_mol,
            budget_ns=options.budget_ns,
            dry_run=options.dry_run,
        ),
    )
