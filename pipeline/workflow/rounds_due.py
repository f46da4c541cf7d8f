"""When a round is to be decided: whose rounds they are, and what a decision follows from."""

import hashlib
import json
from collections.abc import Sequence

from halobind.pipeline.campaign.run_directory import Run
from halobind.pipeline.campaign.settings import Campaign
from halobind.pipeline.sampling.pull_steps import pull_heights
from halobind.pipeline.sampling.rounds import SamplingTarget, rounds_of
from halobind.pipeline.sampling.window_segments import windows_of
from halobind.pipeline.workflow.refinement import target_in_force


def replicas_of(run: Run, runs: Sequence[Run]) -> list[Run]:
    """The runs that have their rounds in common with `run`: the replicas of its ligand."""
    return [other for other in runs if (other.first or other.folder) == (run.first or run.folder)]


def campaign_target(campaign: Campaign) -> SamplingTarget | None:
    """The target of the campaign file."""
    sampling = campaign.sampling
    if sampling.target_kJ_mol is None:
        return None
    return SamplingTarget(sampling.target_kJ_mol, sampling.budget_ns)


def decision_basis(
    replicas: Sequence[Run], campaign: Campaign, target: SamplingTarget | None
) -> str:
    """A checksum over all that a decision follows from, but the samples.

    Args:
        replicas: The runs of a ligand, with what is asked for.
        campaign: With the settings of the decision.
        target: What sampling goes on to, if anything.
    """
    requested = []
    for run in replicas:
        windows = [[w.center_nm, w.k, n] for w, n in windows_of(run, campaign).items()]
        requested.append([run.id, windows, float(pull_heights(run)[-1])])
    settings = [
        campaign.sampling.max_rounds,
        campaign.estimate.min_overlap,
        campaign.estimate.plateau_nm,
    ]
    goal = [target.target_kJ_mol, target.budget_ns] if target else None
    return hashlib.sha256(json.dumps([requested, settings, goal]).encode()).hexdigest()[:16]


def round_due(replicas: Sequence[Run], campaign: Campaign) -> int | None:
    """The number of the round to decide when the replicas of a ligand are sampled as asked.

    Args:
        replicas: The runs of the ligand.
        campaign: What is asked for.

    Returns:
        The number, from 0; None when the last round still holds.
    """
    if campaign.sampling.method != "umbrella":
        return None
    rounds = rounds_of(replicas[0])
    target, _ = target_in_force(rounds, campaign_target(campaign))
    if target is None and not campaign.sampling.max_rounds:
        return None
    ended = bool(rounds) and rounds[-1].kind == "end"
    if ended and rounds[-1].basis == decision_basis(replicas, campaign, target):
        return None
    return len(rounds)
