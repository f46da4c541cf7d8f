"""Products that failed and are still missing."""

import json
from pathlib import Path

from halobind.pipeline.campaign.run_directory import Run
from halobind.pipeline.campaign.settings import Campaign
from halobind.pipeline.sampling.products import all_products
from halobind.pipeline.sampling.schedule import ROUNDS


def open_failures(run: Run, campaign: Campaign) -> dict[str, str]:
    """Products that failed and are still missing, with the reason of the last failure."""
    found = {}
    if not run.failures_folder.is_dir():
        return found
    names = [product.name for product in all_products(run, campaign)]
    for name in [*names, f"{ROUNDS}/{len(run.rounds()):03d}"]:
        failures = run.failures(name)
        if failures and not run.has(name):
            found[name] = _reason(failures[-1])
    return found


def _reason(failure: Path) -> str:
    """What error.json of a failure says; the failure itself counts also where its record cannot be
    read.
    """
    try:
        return str(json.loads((failure / "error.json").read_text(encoding="utf-8"))["error"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"its record {failure} cannot be read"
