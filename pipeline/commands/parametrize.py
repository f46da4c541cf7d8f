"""`halobind parametrize`: the force-field files of own ligands."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        "what",
        help=(
            "campaign directory (each [ligands.NAME] without a file yet), SMILES in quotes, or"
            " mol2, sdf or mol file"
        ),
    )
    parser.add_argument(
        "--name",
        help="what the ligand is called; with a campaign directory: only this one of its ligands",
    )
    parser.add_argument(
        "--campaign",
        type=Path,
        metavar="DIR",
        help="campaign that a SMILES or file is for (default: this directory)",
    )


def run(options: argparse.Namespace) -> int:
    """Run the verb with parsed options; returns the exit code."""
    from halobind.pipeline.commands.ligand_parameters import parametrize_ligands  # noqa: PLC0415 (OpenMM and RDKit behind it: not for --help)

    return parametrize_ligands(options.what, options.name, options.campaign)
