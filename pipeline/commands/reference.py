"""`halobind reference`: energies by density functional theory that packs are held against."""

import argparse
from pathlib import Path

DEFAULT_TABLE = "dft_pocket.csv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        "--head",
        metavar="NAME",
        help="only this head: MA, dimethylammonium, Cs, ... (default: all of the shipped table)",
    )
    parser.add_argument(
        "--height",
        type=float,
        nargs="+",
        metavar="NM",
        help="heights of its anchor over the outer Br plane (default: those of the shipped table)",
    )
    parser.add_argument(
        "--functional", default="pbe0", help="as PySCF and D3(BJ) name it (default: pbe0)"
    )
    parser.add_argument(
        "--basis",
        default="gth-dzvp-molopt-sr",
        help="as PySCF names it (default: gth-dzvp-molopt-sr)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(DEFAULT_TABLE),
        metavar="FILE",
        help=f"the table; a point that it holds is not computed again (default: {DEFAULT_TABLE})",
    )
    parser.add_argument(
        "--compare",
        action="store_true",
        help="print the packs, and GFN2-xTB where tblite is installed, beside the shipped energies",
    )


def run(options: argparse.Namespace) -> int:
    """Run the verb with parsed options; returns the exit code."""
    if options.compare:
        from halobind.pipeline.commands.dft_comparison import compare_with_dft  # noqa: PLC0415 (OpenMM and RDKit behind it: not for --help)

        return compare_with_dft()
    from halobind.pipeline.commands.dft_reference import ReferenceOptions, compute_points  # noqa: PLC0415 (OpenMM and RDKit behind it: not for --help)

    return compute_points(
        ReferenceOptions(
            out=options.out,
            head=options.head,
            heights_nm=None if options.height is None else tuple(options.height),
            functional=options.functional,
            basis=options.basis,
        )
    )
