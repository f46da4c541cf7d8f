"""`halobind doctor`: what this installation can do."""

import argparse


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """The verb has no arguments."""


def run(_options: argparse.Namespace) -> int:
    """Run the verb; returns the exit code."""
    from halobind.pipeline.commands.installation import examine_installation  # noqa: PLC0415 (OpenMM and RDKit behind it: not for --help)

    return examine_installation()
