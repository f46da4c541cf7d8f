"""`halobind extend`: more sampling, for every window or to a target, recorded as a round."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from halobind.jobs.claims import claim
from halobind.jobs.publish import publishing
from halobind.pipeline.campaign.run_directory import Run, write_record
from halobind.pipeline.campaign.settings import Campaign, CampaignError
from halobind.pipeline.commands.campaign_run import run_with_table
from halobind.pipeline.sampling.product import ROUNDS
from halobind.pipeline.sampling.products import all_products
from halobind.pipeline.sampling.rounds import (
    Round,
    SamplingTarget,
    WindowRequest,
    rounds_of,
    write_round,
)
from halobind.pipeline.sampling.window_segments import window_chain, windows_of
from halobind.pipeline.workflow.checks import check_writable, open_campaign
from halobind.pipeline.workflow.local_run import RunOptions
from halobind.pipeline.workflow.planning import decide, round_name
from halobind.pipeline.workflow.refinement import target_in_force
from halobind.pipeline.workflow.rounds_due import campaign_target, decision_basis, replicas_of


@dataclass(frozen=True)
class ExtendOptions:
    """Options of `halobind extend`: either `segments` or `target_kJ_mol`."""

    segments: int | None = None
    """How many more segments every window gets."""
    target_kJ_mol: float | None = None
    """Sample until the error of each ligand's dG0 is at most this."""
    budget_ns: float | None = None
    """At most so much more sampling for each ligand; None: as much again as there is."""
    dry_run: bool = False
    """Only show the plan."""


def extend_campaign(folder: Path, options: ExtendOptions) -> int:
    """Show what is added to each run, record it, and run. Raises CampaignError."""
    opened = open_campaign(folder)
    campaign = opened.settings
    runs = opened.runs
    request = _check(campaign, options)
    groups = [replicas_of(run, runs) for run in runs if run.leads]
    rounds = []
    for group in groups:
        round_ = _round(group, campaign, request)
        rounds.append(round_)
        n_missing = _missing_products(group, campaign)
        if round_.target and not n_missing:
            planned = decide(group, campaign, round_.target, (round_,))
            print("\n".join(_shown(group, campaign, planned)))
        elif round_.target:
            print(
                f"{group[0].id}: {n_missing} products are to be made first; the plan follows from"
                " them"
            )
        else:
            print("\n".join(_shown(group, campaign, round_)))
    if options.dry_run:
        return 0
    check_writable(folder)
    for group, round_ in zip(groups, rounds, strict=True):
        for run in group:
            write_record(run)
        _publish(group[0], round_)
    return run_with_table(folder, RunOptions())


def _check(campaign: Campaign, options: ExtendOptions) -> SamplingTarget | int:
    """The target, or the number of segments, that the options ask for. Raises CampaignError."""
    if (options.segments is None) == (options.target_kJ_mol is None):
        raise CampaignError("extend needs one of --segments N and --target-kJ-mol X")
    if campaign.sampling.method != "umbrella":
        raise CampaignError(
            f'extend is for umbrella windows, not method = "{campaign.sampling.method}": raise'
            " [sampling] segments instead"
        )
    if options.target_kJ_mol is not None and not options.target_kJ_mol > 0:
        raise CampaignError(f"--target-kJ-mol {options.target_kJ_mol:g} is not above zero")
    tighter = campaign.sampling.target_kJ_mol
    if (
        options.target_kJ_mol is not None
        and tighter is not None
        and options.target_kJ_mol > tighter
    ):
        raise CampaignError(
            f"--target-kJ-mol {options.target_kJ_mol:g} is looser than target_kJ_mol = {tighter:g}"
            " of campaign.toml, which stays in force: raise it there, or give --target-kJ-mol"
            f" {tighter:g} with a new --budget-ns"
        )
    if options.budget_ns is not None:
        try:
            campaign.sampling.check_budget(options.target_kJ_mol, options.budget_ns)
        except ValueError as error:
            raise CampaignError(f"--budget-ns: {error}") from None
    if options.segments is not None:
        return options.segments
    assert options.target_kJ_mol is not None  # one of the two is there
    return SamplingTarget(options.target_kJ_mol, options.budget_ns)


def _round(group: Sequence[Run], campaign: Campaign, request: SamplingTarget | int) -> Round:
    """The round that asks for a target, or for so many more segments of every window."""
    if isinstance(request, SamplingTarget):
        basis = decision_basis(group, campaign, request)
        return Round("extend", basis, target=request)
    in_force = target_in_force(rounds_of(group[0]), campaign_target(campaign))[0]
    return _more(group, campaign, decision_basis(group, campaign, in_force), more=request)


def _missing_products(group: Sequence[Run], campaign: Campaign) -> int:
    """How many products of a ligand's replicas are not published yet."""
    n_missing = 0
    for run in group:
        products = all_products(run, campaign)
        n_missing += len(products) - len(run.published(product.name for product in products))
    return n_missing


def _more(group: Sequence[Run], campaign: Campaign, basis: str, *, more: int) -> Round:
    """The round that gives every window of every replica `more` segments."""
    why = f"{more} more for every window"
    requests = tuple(
        WindowRequest(run.id, window, number + more, why)
        for run in group
        for window, number in windows_of(run, campaign).items()
    )
    added_ps = len(requests) * more * campaign.sampling.segment_ps
    return Round(
        "extend",
        basis,
        requests,
        added_ps=added_ps,
        notes=(f"{more} more segments for every window ({added_ps / 1000:.3g} ns)",),
    )


def _shown(group: Sequence[Run], campaign: Campaign, planned: Round) -> list[str]:
    """The plan of one ligand as lines: what was seen, then each window with its segments."""
    texts = (*planned.notes, *(problem.text for problem in planned.problems))
    lines = [f"{group[0].id}: {text}" for text in texts]
    now = {run.id: windows_of(run, campaign) for run in group}
    for request in planned.requests:
        before = now[request.run_id].get(request.window, 0)
        lines.append(
            f"  {request.run_id} {window_chain(request.window)}: {before} -> {request.segments}"
            f" segments ({request.why})"
        )
    return lines


def _publish(run: Run, round_: Round) -> None:
    """Publish a round as the next of its ligand.

    Raises:
        CampaignError: Another process decides one at the moment.
    """
    with claim(run.lock(ROUNDS)) as mine:
        if not mine:
            raise CampaignError(
                f"another process is deciding a round of {run.id} right now: give the command again"
            )
        with publishing(run.path(round_name(len(run.rounds())))) as out:
            write_round(out, round_)
