"""`halobind extend`: more segments for every window, or sampling until the error of dG0 is at a
target, recorded as a round.
"""

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
    order = _check(campaign, options)
    groups = [replicas_of(run, runs) for run in runs if run.leads]
    orders = []
    for group in groups:
        now = target_in_force(rounds_of(group[0]), campaign_target(campaign))[0]
        basis = decision_basis(group, campaign, order or now)
        orders.append(
            Round("extend", basis, target=order)
            if order
            else _more(group, campaign, (basis, options.segments))
        )
        left = sum(
            len(products) - len(run.published(p.name for p in products))
            for run, products in _products(group, campaign)
        )
        if order and not left:
            print("\n".join(_shown(group, campaign, decide(group, campaign, order, (orders[-1],)))))
        elif order:
            print(
                f"{group[0].id}: {left} products are to be made first; the plan follows from them"
            )
        else:
            print("\n".join(_shown(group, campaign, orders[-1])))
    if options.dry_run:
        return 0
    check_writable(folder)
    for group, one in zip(groups, orders, strict=True):
        for run in group:
            write_record(run)
        _publish(group[0], one)
    return run_with_table(folder, RunOptions())


def _check(campaign: Campaign, options: ExtendOptions) -> SamplingTarget | None:
    """The order that the options stand for, None for plain segments. Raises CampaignError."""
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
    return (
        None
        if options.target_kJ_mol is None
        else SamplingTarget(options.target_kJ_mol, options.budget_ns)
    )


def _products(group: Sequence[Run], campaign: Campaign) -> list:
    return [(run, all_products(run, campaign)) for run in group]


def _more(group: Sequence[Run], campaign: Campaign, given: tuple[str, int]) -> Round:
    """`given` is the basis and how many segments more every window of every replica gets."""
    basis, more = given
    asked = [
        (run.id, window, number)
        for run in group
        for window, number in windows_of(run, campaign).items()
    ]
    requests = tuple(
        WindowRequest(name, window, number + more, f"{more} more for every window")
        for name, window, number in asked
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
    """The plan of one ligand as lines to read: what was found, then each window with its segments
    now and then.
    """
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


def _publish(run: Run, one: Round) -> None:
    """Publish a round as the next of its ligand. Raises CampaignError while another process decides
    one.
    """
    with claim(run.lock(ROUNDS)) as mine:
        if not mine:
            raise CampaignError(
                f"another process is deciding a round of {run.id} right now: give the command again"
            )
        with publishing(run.path(round_name(len(run.rounds())))) as out:
            write_round(out, one)
