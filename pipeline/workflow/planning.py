"""The next round of a ligand: what its samples ask for.

Any worker decides it, once everything asked for so far is sampled.

First windows are added where neighbours overlap too little and the path is lengthened while the
curve is not flat at its end; when that asks for nothing more (or `max_rounds` are over), segments
go where they lower the error of dG0 most, until it is at the target.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from halobind.pipeline.campaign.run_directory import Run
from halobind.pipeline.campaign.settings import Campaign
from halobind.pipeline.free_energy.binding import Binding, compute_binding, plateau_rise
from halobind.pipeline.free_energy.equilibration import discard_equilibration
from halobind.pipeline.free_energy.flags import Flag, FlagKind
from halobind.pipeline.free_energy.samples import EstimateError, Samples, Window
from halobind.pipeline.free_energy.umbrella_pmf import UmbrellaPmf, estimate_pmf
from halobind.pipeline.results.collect import collect_windows
from halobind.pipeline.results.estimates import estimate_seed
from halobind.pipeline.results.table_rows import combine
from halobind.pipeline.sampling.model_and_system import run_model_spec
from halobind.pipeline.sampling.product import ROUNDS
from halobind.pipeline.sampling.pull_steps import centers_between, pull_heights
from halobind.pipeline.sampling.rounds import (
    Round,
    SamplingTarget,
    WindowRequest,
    rounds_of,
    write_round,
)
from halobind.pipeline.sampling.run_context import RunContext
from halobind.pipeline.sampling.window_segments import windows_of
from halobind.pipeline.workflow.allocation import allocate, contributions
from halobind.pipeline.workflow.refinement import (
    PathReach,
    longer_path,
    target_in_force,
    windows_to_add,
)
from halobind.pipeline.workflow.rounds_due import campaign_target, decision_basis, round_due
from halobind.structures.assembly.build import reach_limit

MAX_GROWTH = 0.5
"""A round of sampling to a target adds at most this part of all segments: what it is planned from
has errors too.
"""


def round_name(number: int) -> str:
    """The product that is round `number` of a ligand: "rounds/000"."""
    return f"{ROUNDS}/{number:03d}"


@dataclass(frozen=True)
class RoundProduct:
    """The next round of the replicas of a ligand, in the first of their runs."""

    number: int
    """From 0."""
    replicas: tuple[Run, ...]
    """The runs of the ligand."""
    campaign: Campaign
    """Says how much sampling is asked for, and to which target."""
    stage: ClassVar[str] = ROUNDS
    chain: ClassVar[str] = ROUNDS
    cost_ps: ClassVar[float] = 0.0

    @property
    def name(self) -> str:
        """For example "rounds/000"."""
        return round_name(self.number)

    def make(self, context: RunContext, out: Path) -> None:
        """Decide the round from all that is sampled."""
        write_round(out, decide(self.replicas, self.campaign, campaign_target(self.campaign)))


def round_products(replicas: Sequence[Run], campaign: Campaign) -> list[RoundProduct]:
    """The round that is due for the replicas of a ligand, a product of their first run; or none."""
    number = round_due(replicas, campaign)
    return [] if number is None else [RoundProduct(number, tuple(replicas), campaign)]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of one run."""

    run: Run
    """The run."""
    samples: Samples
    """The equilibrated part of what its windows measured."""
    pmf: UmbrellaPmf
    """Its curve."""
    binding: Binding
    """Its binding numbers."""
    segments: dict[Window, int]
    """How many segments each window is asked for."""


def evidence_of(run: Run, campaign: Campaign) -> Evidence:
    """Estimate a run from all that is sampled. Raises EstimateError, DamagedError."""
    run_samples = collect_windows(run)
    settings = campaign.estimate
    if run_samples is None:
        raise EstimateError(f"{run.id} has no samples: sample it", cause="too few samples")
    samples = discard_equilibration(run_samples.samples, settings).samples
    seed = estimate_seed(run, run_samples, settings)
    pmf = estimate_pmf(samples, settings, seed)
    return Evidence(
        run, samples, pmf, compute_binding(pmf, samples, settings, seed), windows_of(run, campaign)
    )


def decide(
    replicas: Sequence[Run],
    campaign: Campaign,
    campaign_goal: SamplingTarget | None,
    unpublished: tuple[Round, ...] = (),
) -> Round:
    """The next round of the replicas of a ligand, all of which are sampled as asked.

    Args:
        replicas: The runs.
        campaign: Their campaign.
        campaign_goal: The target where no round has set a tighter one.
        unpublished: Rounds after the published ones.

    Raises:
        DamagedError: A segment cannot be read.
    """
    rounds = [*rounds_of(replicas[0]), *unpublished]
    target, spent_ps = target_in_force(rounds, campaign_goal)
    basis = decision_basis(replicas, campaign, target)
    try:
        evidence = [evidence_of(run, campaign) for run in replicas]
    except EstimateError as error:
        text = f"no further windows could be planned: {error}"
        problem = Flag(FlagKind.NO_PLAN, text, subject=error.cause)
        return Round("end", basis, problems=(problem,))
    problems: tuple[Flag, ...] = ()
    if campaign.sampling.max_rounds:
        made = sum(round_.kind == "windows" for round_ in rounds)
        asks, reasons = _windows_round(evidence, campaign, basis)
        if asks.requests and made < campaign.sampling.max_rounds:
            return asks
        problems = asks.problems
        if asks.requests:
            problems += tuple(_still_asked_for(made, reason) for reason in reasons)
    if target is None:
        return Round("end", basis, problems=problems)
    round_ = _target_round(evidence, campaign, target, spent_ps)
    return replace(round_, basis=basis, problems=problems)


def _still_asked_for(made: int, reason: Flag) -> Flag:
    """What the last of `made` rounds would have asked for if there were more."""
    text = f"after {made} rounds still asked for: {reason.text}"
    return Flag(FlagKind.ROUNDS_SPENT, text, subject=f"{reason.kind}, {reason.subject}")


def _windows_round(
    evidence: Sequence[Evidence], campaign: Campaign, basis: str
) -> tuple[Round, list[Flag]]:
    """Windows where neighbours overlap too little, and a longer path where a plateau is missing.

    The path of all replicas is lengthened where one of them has no plateau.

    Returns:
        The round, and a flag for each of its notes.
    """
    requests: list[WindowRequest] = []
    reasons: list[Flag] = []
    problems: list[Flag] = []
    ends: list[float] = []
    segments = campaign.sampling.segments
    for replica in evidence:
        run = replica.run
        name = f"replica {run.spec.replica}: " if len(evidence) > 1 else ""
        added = windows_to_add(replica.samples, replica.pmf.overlap, campaign.estimate.min_overlap)
        for window, reason in added.windows:
            requests.append(WindowRequest(run.id, window, segments, reason.text))
            where = f"centre {window.center_nm:.3f} nm, k = {window.k:g} kJ/mol/nm2"
            reasons.append(replace(reason, text=f"{name}{reason.text}: {where}"))
        problems += [replace(problem, text=name + problem.text) for problem in added.problems]
        heights = pull_heights(run)
        reach = PathReach(
            to_nm=float(heights[-1]),
            limit_nm=reach_limit(run_model_spec(run.spec, run.id), run.spec.forcefield.cutoff_nm),
            step_nm=float(heights[1] - heights[0]),
            plateau_nm=campaign.estimate.plateau_nm,
        )
        rise = plateau_rise(replica.pmf, replica.samples)
        end, why = longer_path(rise, replica.samples.kT, reach)
        ends.append(end or run.spec.pull.from_nm)
        if why and end:
            reasons.append(replace(why, text=f"{name}{why.text} to {end:.3f} nm"))
        elif why:
            problems.append(replace(why, text=name + why.text))
    to_nm = max(ends)
    k = campaign.windows.k_kJ_mol_nm2
    longer = [replica.run for replica in evidence if to_nm > pull_heights(replica.run)[-1]]
    for run in longer:
        from_nm = float(pull_heights(run)[-1])
        for center in centers_between(from_nm, to_nm, campaign.windows.spacing_nm):
            window = Window(center, k)
            requests.append(WindowRequest(run.id, window, segments, "the path is longer"))
    added_ps = len(requests) * segments * campaign.sampling.segment_ps
    round_ = Round(
        "windows",
        basis,
        tuple(requests),
        to_nm=to_nm if longer else None,
        added_ps=added_ps,
        notes=tuple(reason.text for reason in reasons),
        problems=tuple(problems),
    )
    return round_, reasons


@dataclass(frozen=True)
class _WindowShare:
    """What a window of a replica adds to the variance of dG0 over the replicas."""

    run: Run
    """The replica."""
    window: Window
    """The window."""
    segments: int
    """How many segments it is asked for."""
    variance: float
    """What it adds, (kJ/mol)^2."""


def _target_round(
    evidence: Sequence[Evidence], campaign: Campaign, target: SamplingTarget, spent_ps: float
) -> Round:
    """More segments where they lower the error of dG0 over the replicas most, or the end.

    It ends when the target is reached or the budget is spent, of which `spent_ps` are.
    """
    sampling = campaign.sampling
    squared = len(evidence) ** 2
    dG0 = combine([replica.binding for replica in evidence]).dG0_kJ_mol
    shares: list[_WindowShare] = []
    sums = []
    for replica in evidence:
        v = contributions(replica.samples, replica.pmf, replica.binding.dG0_kJ_mol.error)
        sums.append(sum(v.values()))
        for window, n_segments in replica.segments.items():
            if window in v:
                share = _WindowShare(replica.run, window, n_segments, v[window] / squared)
                shares.append(share)
    variance = sum(sums) / squared
    error = max(dG0.error, math.sqrt(variance))
    state = f"dG0 = {dG0.value:.1f} ± {error:.2f} kJ/mol, target {target.target_kJ_mol:g}"
    if error <= target.target_kJ_mol:
        flags = [flag for replica in evidence for flag in replica.binding.flags]
        why = [flag.text for flag in flags if flag.error_is_bound]
        return Round(
            "end", "", notes=(f"{state}: reached" + (f", but the {why[0]}" if why else ""),)
        )
    if not math.isfinite(error):
        return Round(
            "end",
            "",
            notes=(f"{state}: the error is not known, so nothing can be planned from it",),
        )
    n_asked = sum(share.segments for share in shares)
    base_ns = n_asked * sampling.segment_ps / 1000 - spent_ps / 1000
    budget_ns = base_ns if target.budget_ns is None else target.budget_ns
    affordable = int((budget_ns * 1000 - spent_ps) / sampling.segment_ps + 1e-6)
    if affordable < 1:
        return Round("end", "", notes=(f"{state}: the budget of {budget_ns:.3g} ns is spent",))
    goal = variance * (target.target_kJ_mol / error) ** 2
    # of windows that are on disk but no longer asked for
    fixed = variance - sum(share.variance for share in shares)
    extra = allocate(
        [share.variance for share in shares],
        [share.segments for share in shares],
        goal - fixed,
        min(affordable, max(1, int(MAX_GROWTH * n_asked))),
    )
    requests = []
    after = []
    for share, more in zip(shares, extra, strict=True):
        after.append(share.variance * share.segments / (share.segments + more))
        if more:
            reason = f"{100 * share.variance / variance:.0f} % of the variance of dG0"
            n_segments = share.segments + int(more)
            requests.append(WindowRequest(share.run.id, share.window, n_segments, reason))
    added_ps = float(extra.sum()) * sampling.segment_ps
    variance_after = fixed + sum(after)
    size = f"{extra.sum()} segments ({added_ps / 1000:.3g} ns) in {len(requests)} windows"
    then = f"{size} should bring it to {error * math.sqrt(variance_after / variance):.2f}"
    return Round("target", "", tuple(requests), added_ps=added_ps, notes=(f"{state}: {then}",))
