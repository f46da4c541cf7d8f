"""`halobind build`: the structures of a campaign; nothing is simulated."""

import argparse
from pathlib import Path

from halobind.pipeline.commands.arguments import positive

FORMATS = ("mmcif", "pdb", "xyz", "extxyz", "cif")  # those of structures/models/export.py


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        "campaign", type=Path, help="campaign directory, or a TOML file with at least [model]"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where the models go (default: models, beside the campaign file)",
    )
    parser.add_argument(
        "--format",
        action="append",
        default=[],
        choices=FORMATS,
        help="also write this format; may be repeated",
    )
    parser.add_argument(
        "--picture",
        action="store_true",
        help="also draw each model (picture.png: side and top view)",
    )
    parser.add_argument(
        "--seed",
        type=positive,
        default=1,
        metavar="N",
        help="another seed gives other orientations and another packing",
    )


def run(options: argparse.Namespace) -> int:
    """Run the verb with parsed options; returns the exit code."""
    from halobind.pipeline.commands.campaign_models import BuildOptions, build_models  # noqa: PLC0415 (OpenMM and RDKit behind it: not for --help)

    return build_models(
        options.campaign,
        BuildOptions(
            out=options.out,
            formats=tuple(options.format),
            picture=options.picture,
            seed=options.seed,
        ),
    )
