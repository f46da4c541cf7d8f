"""Products that failed and are still missing."""

import json
from dataclasses import dataclass
from pathlib import Path

from halobind.pipeline.campaign.run_directory import Run
from halobind.pipeline.campaign.settings import Campaign
from halobind.pipeline.sampling.product import ROUNDS
from halobind.pipeline.sampling.products import all_products


@dataclass(frozen=True)
class OpenFailure:
    """A product that failed and is still missing."""

    stage: str
    """Its kind: "build", "windows", ..."""
    product: str
    """Its name."""
    reason: str
    """Of the last failure, on one line."""


def open_failures(run: Run, campaign: Campaign) -> list[OpenFailure]:
    """The products of a run that failed and are still missing, in the order of all products.

    Args:
        run: The run.
        campaign: Says how much sampling is asked for.
    """
    if not run.failures_folder.is_dir():
        return []
    expected = [(product.stage, product.name) for product in all_products(run, campaign)]
    expected.append((ROUNDS, f"{ROUNDS}/{len(run.rounds()):03d}"))
    failures = []
    for stage, name in expected:
        records = run.failures(name)
        if records and not run.has(name):
            failures.append(OpenFailure(stage, name, _reason(records[-1])))
    return failures


def _reason(failure: Path) -> str:
    """What error.json of a failure says; a failure whose record cannot be read counts as well."""
    try:
        return str(json.loads((failure / "error.json").read_text(encoding="utf-8"))["error"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"its record {failure} cannot be read"
