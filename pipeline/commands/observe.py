"""`halobind observe`: observables of every published segment."""

import argparse
from pathlib import Path

from halobind.pipeline.commands.arguments import add_campaign, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    add_campaign(parser)
    parser.add_argument(
        "--where",
        default="serial",
        metavar="PLACE",
        help="serial, local (processes), slurm, pbs, lsf, tcp:// or tls://host:port",
    )
    parser.add_argument(
        "--workers",
        type=positive,
        default=0,
        metavar="N",
        help="processes (default: one a core, or those of one job)",
    )
    parser.add_argument(
        "--observable",
        nargs="+",
        default=[],
        metavar="NAME",
        help="only these (default: all that the frames allow)",
    )
    parser.add_argument(
        "--chunk",
        type=positive,
        default=0,
        metavar="FRAMES",
        help="frames in one task (default: 100, more if small)",
    )
    parser.add_argument(
        "--cluster", metavar="NAME", help="which cluster of ~/.config/halobind/clusters.toml"
    )
    parser.add_argument(
        "--tls",
        nargs=3,
        type=Path,
        metavar=("CA", "CERTIFICATE", "KEY"),
        help="files for tls://host:port",
    )
    parser.add_argument(
        "--insecure",
        action="store_true",
        help="allow tcp:// on another machine, without encryption",
    )


def run(options: argparse.Namespace) -> int:
    """Run the verb with parsed options; returns the exit code."""
    # OpenMM and RDKit are behind these: not for --help
    from halobind.jobs.workplace import ConnectionOptions, PlaceOptions, TLSFiles  # noqa: PLC0415
    from halobind.pipeline.commands.campaign_observables import (  # noqa: PLC0415
        ObserveOptions,
        observe_campaign,
    )

    connection = ConnectionOptions(
        cluster=options.cluster,
        tls=TLSFiles(*options.tls) if options.tls else None,
        insecure=options.insecure,
    )
    return observe_campaign(
        options.campaign,
        ObserveOptions(
            place=PlaceOptions(options.where, options.workers, connection),
            names=tuple(options.observable),
            chunk=options.chunk,
        ),
    )
