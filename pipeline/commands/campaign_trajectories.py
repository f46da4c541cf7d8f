"""The work of `halobind export`: trajectories and topologies for other programs."""

import sys
from pathlib import Path

from halobind.jobs.publish import publishing
from halobind.pipeline.campaign.run_directory import Run, campaign_file
from halobind.pipeline.campaign.settings import CampaignError
from halobind.pipeline.observables.trajectory_export import export_run, segments_with_frames
from halobind.pipeline.workflow.checks import open_campaign


def export_trajectories(source: Path, out: Path | None) -> int:
    """Write OUT/<run>/ for each run with frames, and print where; returns 0.

    Args:
        source: A campaign directory, or the folder of one of its runs.
        out: Where to; None for <name of source>-trajectories in the working directory.

    Raises:
        CampaignError: There are no frames, or `out` is in the campaign or holds the run already.
        DamagedError: A published product cannot be read.
    """
    source = source.resolve()
    out = (out or Path(f"{source.name}-trajectories")).resolve()
    runs, campaign = _runs_at(source)
    if out.is_relative_to(runs[0].folder.parent):
        raise CampaignError(f"--out {out} is among the runs of {campaign}: choose another folder")
    with_frames = [run for run in runs if segments_with_frames(run)]
    if not with_frames:
        raise CampaignError(
            f'no run of {source} has a segment with frames: set [sampling] frames = "solute" (or'
            ' "all") in campaign.toml and sample more segments; only new ones are written that way'
        )
    for run in with_frames:
        if (out / run.id).exists():
            raise CampaignError(f"{out / run.id} exists: remove it, or choose another --out")
    for run in runs:
        if run not in with_frames:
            print(f"left out: {run.id} has no segment with frames", file=sys.stderr)
            continue
        with publishing(out / run.id) as scratch:
            n_segments = export_run(run, scratch)
        print(f"{run.id}: frames of {n_segments} segments in {out / run.id}")
    return 0


def _runs_at(source: Path) -> tuple[list[Run], Path]:
    """The runs that `source` names, and their campaign directory. Raises CampaignError."""
    if campaign_file(source).exists() or not campaign_file(source.parent.parent).exists():
        return open_campaign(source).runs, source
    campaign = source.parent.parent
    runs = [run for run in open_campaign(campaign).runs if run.id == source.name]
    if not runs:
        raise CampaignError(f"{source} is no run of {campaign}")
    return runs, campaign
