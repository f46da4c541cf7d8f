"""`halobind validate`: a force-field pack against experiment and reference calculations."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("pack", help="name of the force field")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="minutes instead of hours: CsPbBr3 and acetone, little sampling",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where the results and the table go (default: validation-PACK)",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="NAME",
        help="only these checks: lattice, elastic, ...",
    )
    parser.add_argument(
        "--calibrate",
        action="store_true",
        help="hold trial packs (other charge scales and repulsions) against the same targets",
    )


def run(options: argparse.Namespace) -> int:
    """Run the verb with parsed options; returns the exit code."""
    if options.calibrate:
        from halobind.pipeline.commands.pack_calibration import calibrate_pack  # noqa: PLC0415 (OpenMM and RDKit behind it: not for --help)

        return calibrate_pack(options.pack, options.out)
    from halobind.pipeline.commands.pack_validation import ValidateOptions, validate_pack  # noqa: PLC0415 (OpenMM and RDKit behind it: not for --help)

    return validate_pack(
        ValidateOptions(
            pack=options.pack,
            quick=options.quick,
            out=options.out,
            only=tuple(options.only),
        )
    )
