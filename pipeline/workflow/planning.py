"""The next round of a ligand: what its samples ask for, decided once everything asked for so far is
sampled, by whoever is there.

First windows are added where neighbours overlap too little and the path is lengthened while the
curve is not flat at its end; when that asks for nothing more (or `max_rounds` are over), segments
go where they lower the error of dG0 most, until it is at the target.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

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
from halobind.pipeline.sampling.products import (
    Product,
    pull_heights,
    rounds_of,
    windows_of,
    write_round,
)
from halobind.pipeline.sampling.rounds import (
    Order,
    Reach,
    Round,
    Wish,
    centers_between,
    longer_path,
    order_in_force,
    windows_to_add,
)
from halobind.pipeline.sampling.schedule import ROUNDS, basis_of, campaign_order, round_due
from halobind.pipeline.sampling.segment_files import Workshop
from halobind.pipeline.workflow.allocation import allocate, contributions
from halobind.structures.assembly.build import reach_limit

# a round of sampling to a target adds at most half of what there is: what it is planned from has
# errors too
GROWTH = 0.5


def round_products(group: Sequence[Run], campaign: Campaign) -> list[Product]:
    """The round that is due for the replicas of a ligand: one product of their first run, or none."""
    name = round_due(group, campaign)
    return [Product(name, ROUNDS, 0.0, _MakeRound(tuple(group), campaign))] if name else []


@dataclass(frozen=True)
class _MakeRound:
    group: tuple[Run, ...]
    campaign: Campaign

    def __call__(self, _shop: Workshop, out: Path) -> None:
        write_round(out, decide(self.group, self.campaign, campaign_order(self.campaign)))


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of one run: its samples, curve and binding, the segments that each window was
    asked for.
    """

    run: Run
    samples: Samples
    pmf: UmbrellaPmf
    binding: Binding
    asked: dict[Window, int]


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
    group: Sequence[Run], campaign: Campaign, wanted: Order | None, more: tuple[Round, ...] = ()
) -> Round:
    """The next round of the replicas of a ligand, all of which are sampled as asked, after `more`
    rounds that are not published yet.

    Raises DamagedError.
    """
    rounds = [*rounds_of(group[0]), *more]
    order, spent_ps = order_in_force(rounds, wanted)
    basis = basis_of(group, campaign, order)
    try:
        found = [evidence_of(run, campaign) for run in group]
    except EstimateError as error:
        text = f"no further windows could be planned: {error}"
        problem = Flag(FlagKind.NO_PLAN, text, subject=error.cause)
        return Round("end", basis, problems=(problem,))
    problems: tuple[Flag, ...] = ()
    if campaign.sampling.max_rounds:
        made = sum(one.kind == "windows" for one in rounds)
        asks, reasons = _windows_round(found, campaign, basis)
        if asks.wishes and made < campaign.sampling.max_rounds:
            return asks
        problems = asks.problems
        if asks.wishes:
            problems += tuple(_still_asked_for(made, reason) for reason in reasons)
    if order is None:
        return Round("end", basis, problems=problems)
    return replace(
        _target_round(found, campaign, (order, spent_ps)), basis=basis, problems=problems
    )


def _still_asked_for(made: int, reason: Flag) -> Flag:
    """What the last of `made` rounds would have asked for if there were more."""
    text = f"after {made} rounds still asked for: {reason.text}"
    return Flag(FlagKind.ROUNDS_SPENT, text, subject=f"{reason.kind}, {reason.subject}")


def _windows_round(
    found: Sequence[Evidence], campaign: Campaign, basis: str
) -> tuple[Round, list[Flag]]:
    """Windows where neighbours overlap too little, and a longer path for all replicas where one of
    them has no plateau; and why, a flag for each note of the round.
    """
    wishes: list[Wish] = []
    reasons: list[Flag] = []
    problems: list[Flag] = []
    ends: list[float] = []
    segments = campaign.sampling.segments
    for one in found:
        name = f"replica {one.run.spec.replica}: " if len(found) > 1 else ""
        added, hopeless = windows_to_add(
            one.samples, one.pmf.overlap, campaign.estimate.min_overlap
        )
        for window, reason in added:
            wishes.append(Wish(one.run.id, window, segments, reason.text))
            where = f"centre {window.center_nm:.3f} nm, k = {window.k:g} kJ/mol/nm2"
            reasons.append(replace(reason, text=f"{name}{reason.text}: {where}"))
        problems += [replace(problem, text=name + problem.text) for problem in hopeless]
        heights, p = pull_heights(one.run), one.run.spec.pull
        limit = reach_limit(
            run_model_spec(one.run.spec, one.run.id), one.run.spec.forcefield.cutoff_nm
        )
        reach = Reach(
            float(heights[-1]), limit, float(heights[1] - heights[0]), campaign.estimate.plateau_nm
        )
        end, why = longer_path(plateau_rise(one.pmf, one.samples), one.samples.kT, reach)
        ends.append(end or p.from_nm)
        if why and end:
            reasons.append(replace(why, text=f"{name}{why.text} to {end:.3f} nm"))
        elif why:
            problems.append(replace(why, text=name + why.text))
    to_nm, k = max(ends), campaign.windows.k_kJ_mol_nm2
    longer = [one for one in found if to_nm > pull_heights(one.run)[-1]]
    for one in longer:
        centers = centers_between(
            float(pull_heights(one.run)[-1]), to_nm, campaign.windows.spacing_nm
        )
        wishes += [
            Wish(one.run.id, Window(center, k), segments, "the path is longer")
            for center in centers
        ]
    added_ps = len(wishes) * segments * campaign.sampling.segment_ps
    round_ = Round(
        "windows",
        basis,
        tuple(wishes),
        to_nm=to_nm if longer else None,
        added_ps=added_ps,
        notes=tuple(reason.text for reason in reasons),
        problems=tuple(problems),
    )
    return round_, reasons


def _target_round(
    found: Sequence[Evidence], campaign: Campaign, given: tuple[Order, float]
) -> Round:
    """More segments where they lower the error of dG0 over the replicas most, or the end: target
    reached, or budget spent.
    """
    (order, spent_ps), sampling = given, campaign.sampling
    dG0 = combine([one.binding for one in found]).dG0_kJ_mol
    pieces = [
        (one, contributions(one.samples, one.pmf, one.binding.dG0_kJ_mol.error)) for one in found
    ]
    places = [
        (one.run, window, one.asked[window], v[window])
        for one, v in pieces
        for window in one.asked
        if window in v
    ]
    variance = sum(sum(v.values()) for _, v in pieces) / len(found) ** 2
    error = max(dG0.error, math.sqrt(variance))
    state = f"dG0 = {dG0.value:.1f} ± {error:.2f} kJ/mol, target {order.target_kJ_mol:g}"
    if error <= order.target_kJ_mol:
        why = [flag.text for one in found for flag in one.binding.flags if flag.error_is_bound]
        return Round(
            "end", "", notes=(f"{state}: reached" + (f", but the {why[0]}" if why else ""),)
        )
    if not math.isfinite(error):
        return Round(
            "end",
            "",
            notes=(f"{state}: the error is not known, so nothing can be planned from it",),
        )
    asked = sum(number for _, _, number, _ in places)
    base_ns = asked * sampling.segment_ps / 1000 - spent_ps / 1000
    budget_ns = base_ns if order.budget_ns is None else order.budget_ns
    affordable = int((budget_ns * 1000 - spent_ps) / sampling.segment_ps + 1e-6)
    if affordable < 1:
        return Round("end", "", notes=(f"{state}: the budget of {budget_ns:.3g} ns is spent",))
    v, goal = (
        [place[3] / len(found) ** 2 for place in places],
        variance * (order.target_kJ_mol / error) ** 2,
    )
    fixed = variance - sum(v)  # of windows that are on disk but no longer asked for
    extra = allocate(
        v,
        [place[2] for place in places],
        goal - fixed,
        min(affordable, max(1, int(GROWTH * asked))),
    )
    wishes = [
        Wish(
            run.id,
            window,
            number + int(more),
            f"{100 * share / variance:.0f} % of the variance of dG0",
        )
        for (run, window, number, _), more, share in zip(places, extra, v, strict=True)
        if more
    ]
    added_ps = float(extra.sum()) * sampling.segment_ps
    left = fixed + sum(
        share * place[2] / (place[2] + more)
        for share, place, more in zip(v, places, extra, strict=True)
    )
    size = f"{extra.sum()} segments ({added_ps / 1000:.3g} ns) in {len(wishes)} windows"
    then = f"{size} should bring it to {error * math.sqrt(left / variance):.2f}"
    return Round("target", "", tuple(wishes), added_ps=added_ps, notes=(f"{state}: {then}",))
