"""`halobind new`: a commented campaign file in a new directory."""

import argparse
import shlex
from importlib import resources
from pathlib import Path

TEMPLATES = resources.files("halobind.pipeline.commands") / "campaigns"


def template_names() -> list[str]:
    """Names of the shipped campaigns."""
    return sorted(
        item.name.removesuffix(".toml")
        for item in TEMPLATES.iterdir()
        if item.name.endswith(".toml")
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("campaign", type=Path, help="directory to make")
    parser.add_argument(
        "--from",
        dest="template",
        default="standard",
        choices=template_names(),
        help="which campaign to start from",
    )


def run(options: argparse.Namespace) -> int:
    """Run the verb with parsed options; returns the exit code."""
    text = (TEMPLATES / f"{options.template}.toml").read_text(encoding="utf-8")
    print(write_new(options.campaign, text))
    return 0


def write_new(folder: Path, text: str) -> str:
    """Write campaign.toml into a new or empty directory; returns what to do next.

    Raises CampaignError when one is there.
    """
    from halobind.pipeline.campaign.campaign_text import write_campaign_file  # noqa: PLC0415 (OpenMM and RDKit behind it: not for --help)
    from halobind.pipeline.campaign.run_directory import campaign_file  # noqa: PLC0415 (OpenMM and RDKit behind it: not for --help)
    from halobind.pipeline.campaign.settings import CampaignError  # noqa: PLC0415 (OpenMM and RDKit behind it: not for --help)

    path = campaign_file(folder)
    if path.exists():
        raise CampaignError(f"{path} is there already; edit it, or name another directory")
    write_campaign_file(folder, text)
    return f"wrote {path}\nedit it, then: halobind plan {shlex.quote(str(folder))}"
