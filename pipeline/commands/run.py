"""`halobind run`: make what is pending on this machine."""

import argparse

from halobind.pipeline.commands.arguments import add_campaign, part, positive, seconds

PLATFORMS = ("CUDA", "HIP", "OpenCL", "CPU", "Reference")  # ORDER of sampling/platforms.py


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    add_campaign(parser)
    parser.add_argument(
        "--part",
        type=part,
        metavar="K/N",
        help="take only part K of N of the windows (1/4 ... 4/4)",
    )
    parser.add_argument(
        "--processes",
        type=positive,
        metavar="M",
        help="processes side by side on this machine",
    )
    parser.add_argument(
        "--platform",
        choices=("auto", *PLATFORMS),
        help="OpenMM platform, instead of the one in campaign.toml",
    )
    parser.add_argument("--retry", action="store_true", help="try again what failed before")
    parser.add_argument(
        "--prepare",
        action="store_true",
        help="only what comes before the windows; --part then deals out runs",
    )
    parser.add_argument(
        "--walltime",
        type=seconds,
        metavar="H:MM:SS",
        help="stop by itself after this time; begin nothing longer",
    )


def run(options: argparse.Namespace) -> int:
    """Run the verb with parsed options; returns the exit code."""
    from halobind.pipeline.commands.campaign_run import run_with_table  # noqa: PLC0415 (OpenMM and RDKit behind it: not for --help)
    from halobind.pipeline.workflow.local_run import RunOptions  # noqa: PLC0415 (OpenMM and RDKit behind it: not for --help)

    return run_with_table(
        options.campaign,
        RunOptions(
            part=options.part,
            processes=options.processes,
            platform=options.platform,
            retry=options.retry,
            prepare=options.prepare,
            walltime_s=options.walltime,
        ),
    )
