"""Where the numbers of a table come from: campaign file, force field, versions, machines, seeds."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from halobind.pipeline.campaign.run_directory import (
    CampaignRuns,
    DamagedError,
    Run,
    campaign_file,
    read_run_record,
)
from halobind.pipeline.campaign.versions import versions
from halobind.pipeline.free_energy.jsonable import Json, jsonable
from halobind.pipeline.results.estimates import REVISION
from halobind.pipeline.results.summary_cells import ROUNDING_RULE
from halobind.pipeline.results.table_rows import TableRow
from halobind.pipeline.sampling.segment_files import SegmentRecord, read_record

SEED_RULE = (
    "the first four bytes of sha256(run id/name of the product), modulo 2^31 - 1, plus 1; nothing"
    " is drawn"
)
SECONDS_PER_HOUR = 3600.0


def provenance(campaign: CampaignRuns, rows: Sequence[TableRow]) -> Json:
    """Everything that a number of the table depends on, for JSON.

    Args:
        campaign: the campaign.
        rows: the row of each of its runs, in the same order.

    Returns:
        The campaign file and its checksum, the installed versions, the rules of seeds and of
        rounding, and for each run what run.json says, its estimate, and where it was sampled.
    """
    text = campaign_text(campaign.folder)
    return {
        "campaign_file": text,
        "campaign_file_sha256": hashlib.sha256((text or "").encode("utf-8")).hexdigest(),
        "versions": dict(versions()),
        "estimate_revision": REVISION,
        "estimate_settings": jsonable(campaign.settings.estimate.model_dump()),
        "seeds": SEED_RULE,
        "rounding": ROUNDING_RULE,
        "energy_unit": "kJ/mol",
        "runs": [run_provenance(run, row) for run, row in zip(campaign.runs, rows, strict=True)],
    }


def campaign_text(folder: Path) -> str | None:
    """The campaign file as it stands; None for a campaign that was made without a file."""
    path = campaign_file(folder)
    return path.read_text(encoding="utf-8") if path.is_file() else None


def run_provenance(run: Run, row: TableRow) -> dict[str, Json]:
    """What one run was made from and by which machines; less where nothing is published yet."""
    content: dict[str, Json] = {
        "run_id": run.id,
        "spec": jsonable(run.spec.model_dump()),
        "estimate": row.estimate or None,
    }
    record = read_run_record(run)
    if record is not None:
        content["format"] = record["format"]
        content["forcefield_files"] = record["forcefield_files"]
        content["versions_at_start"] = record["versions"]
    return content | sampling_provenance(run)


def sampling_provenance(run: Run) -> dict[str, Json]:
    """How much was sampled, where and by which versions; what cannot be read is counted."""
    platforms: Counter[str] = Counter()
    hosts: Counter[str] = Counter()
    openmm_versions: Counter[str] = Counter()
    sampled_ps = 0.0
    wall_s = 0.0
    damaged = 0
    for folder in segment_folders(run):
        try:
            record = read_record(folder)
        except DamagedError:
            damaged += 1
            continue
        platforms[str(record.get("platform", "unknown"))] += 1
        hosts[str(record.get("host", "unknown"))] += 1
        openmm_versions[str(_openmm(record))] += 1
        sampled_ps += record.get("duration_ps", 0.0)
        wall_s += record.get("wall_s", 0.0)
    return {
        "segments": sum(platforms.values()),
        "segments_that_cannot_be_read": damaged,
        "sampled_ns": sampled_ps / 1000,
        "wall_hours": wall_s / SECONDS_PER_HOUR,
        "segments_by_platform": dict(platforms),
        "segments_by_host": dict(hosts),
        "segments_by_openmm": dict(openmm_versions),
    }


def segment_folders(run: Run) -> Iterator[Path]:
    """The published segments of all windows and walkers of a run."""
    for chain in (*run.window_chains(), *run.walker_chains()):
        yield from run.segments(chain)


def _openmm(record: SegmentRecord) -> str:
    return record.get("versions", {}).get("openmm", "unknown")
