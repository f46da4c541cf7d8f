"""Arguments that several verbs have, and the forms in which their values are typed."""

import argparse
from pathlib import Path

from halobind.pipeline.workflow.parts import Part

MAX_DIGITS = 18  # of a whole number on the command line


def add_campaign(parser: argparse.ArgumentParser) -> None:
    """Declare the campaign directory."""
    parser.add_argument(
        "campaign", type=Path, help="campaign directory (the one with campaign.toml)"
    )


def part(text: str) -> Part:
    """The part that "2/4" names. Raises argparse.ArgumentTypeError with the accepted form."""
    k, _, n = text.partition("/")
    try:
        number = int(k)
        count = int(n)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not K/N with whole numbers, like 2/4"
        ) from None
    if not 1 <= number <= count:
        raise argparse.ArgumentTypeError(f"{text!r}: K must be between 1 and N")
    return Part(number - 1, count)


def seconds(text: str) -> int:
    """The seconds of "23:58:00". Raises argparse.ArgumentTypeError with the accepted forms."""
    from halobind.jobs.batch import seconds_of  # noqa: PLC0415 (pydantic behind it: not for --help)

    try:
        return seconds_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def positive(text: str) -> int:
    """A whole number of at least 1. Raises argparse.ArgumentTypeError for anything else."""
    if len(text) > MAX_DIGITS:
        raise argparse.ArgumentTypeError(
            f"{text[:MAX_DIGITS]!r}... has more than {MAX_DIGITS} characters"
        )
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)
