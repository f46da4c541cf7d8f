"""In which order a run is made, and what is made at once: phases of chains of steps.

A step is one product, or the segments of neighbouring windows that exchange. The steps of a chain
follow each other; chains of one phase are independent; a phase begins when the one before it is
complete. First comes the preparation, then what the campaign file asks for, then one phase for
every published round.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import zip_longest
from pathlib import Path

import numpy as np

from halobind.jobs.claims import claim
from halobind.pipeline.campaign.run_directory import Run, derived_seed
from halobind.pipeline.campaign.settings import Campaign
from halobind.pipeline.sampling.products import (
    Product,
    grid_windows,
    prepare_products,
    pull_heights,
    rounds_of,
    sampling_chains,
    window_products,
    windows_of,
)
from halobind.pipeline.sampling.replica_exchange import Exchanged, Member, Swaps, run_exchange
from halobind.pipeline.sampling.rounds import Order, order_in_force
from halobind.pipeline.sampling.segment_files import (
    Workshop,
    built_model,
    coordinate_of,
    load_system,
    read_record,
    write_leg,
)

ROUNDS = "rounds"
PROGRESS_FILE = "progress"  # in a scratch directory: the fraction that is done
EXCHANGE_PS = 1.0  # between two attempts, or one record where records are further apart

Step = tuple[Product, ...]
Chain = list[Step]


def phases_of(run: Run, campaign: Campaign) -> list[list[Chain]]:
    """The phases of a run: [preparation], the campaign's windows (or walkers), then what each round
    asks for.
    """
    preparation = [[(product,) for product in prepare_products(run)]]
    if campaign.sampling.method == "metadynamics":
        return [preparation, _grouped(sampling_chains(run, campaign), 1)]
    size, sampling = max(1, campaign.sampling.exchange_group), campaign.sampling
    asked = dict.fromkeys(grid_windows(run.spec, campaign.windows), sampling.segments)
    begun = [window_products(run, window, number, sampling) for window, number in asked.items()]
    phases = [preparation, _grouped(begun, size)]
    for one in rounds_of(run):
        more = []
        for wish in sorted(
            (w for w in one.wishes if w.run_id == run.id),
            key=lambda w: (w.window.center_nm, w.window.k),
        ):
            there = asked.get(wish.window, 0)
            more.append(window_products(run, wish.window, wish.segments, sampling)[there:])
            asked[wish.window] = max(there, wish.segments)
        phases.append(_grouped([products for products in more if products], size))
    return phases


def replicas_of(run: Run, runs: Sequence[Run]) -> list[Run]:
    """The runs that have their rounds in common with `run`: the replicas of its ligand."""
    return [other for other in runs if (other.first or other.folder) == (run.first or run.folder)]


def campaign_order(campaign: Campaign) -> Order | None:
    """The target of the campaign file."""
    s = campaign.sampling
    return None if s.target_kJ_mol is None else Order(s.target_kJ_mol, s.budget_ns)


def basis_of(group: Sequence[Run], campaign: Campaign, order: Order | None) -> str:
    """A checksum over all that a decision follows from, but the samples: what is asked for, and the
    settings of the decision.
    """
    asked = [
        [
            run.id,
            [[w.center_nm, w.k, n] for w, n in windows_of(run, campaign).items()],
            float(pull_heights(run)[-1]),
        ]
        for run in group
    ]
    settings = [
        campaign.sampling.max_rounds,
        campaign.estimate.min_overlap,
        campaign.estimate.plateau_nm,
    ]
    target = [order.target_kJ_mol, order.budget_ns] if order else None
    return hashlib.sha256(json.dumps([asked, settings, target]).encode()).hexdigest()[:16]


def round_due(group: Sequence[Run], campaign: Campaign) -> str | None:
    """The name of the round to decide when the replicas of a ligand are sampled as asked; None when
    the last one still holds.
    """
    rounds = rounds_of(group[0])
    order, _ = order_in_force(rounds, campaign_order(campaign))
    if (
        order is None and not campaign.sampling.max_rounds
    ) or campaign.sampling.method != "umbrella":
        return None
    if rounds and rounds[-1].kind == "end" and rounds[-1].basis == basis_of(group, campaign, order):
        return None
    return f"{ROUNDS}/{len(rounds):03d}"


def _grouped(windows: list[list[Product]], size: int) -> list[Chain]:
    """Chains of `size` neighbouring windows each; the windows of a group go on together while they
    have segments to make.
    """
    groups = [windows[k : k + size] for k in range(0, len(windows), size)]
    return [
        [tuple(p for p in level if p is not None) for level in zip_longest(*group)]
        for group in groups
    ]


def first_missing(chain: Chain, there: set[str]) -> int | None:
    """The number of the first step of a chain that is not wholly among the published ones."""
    return next(
        (k for k, step in enumerate(chain) if any(product.name not in there for product in step)),
        None,
    )


@contextmanager
def claim_all(locks: Sequence[Path]) -> Iterator[bool]:
    """Try to take every lock; yield True while all are ours, False when another process holds one."""
    with ExitStack() as stack:
        yield all(stack.enter_context(claim(lock)) for lock in sorted(set(locks)))


def members_to_make(run: Run, step: Step) -> Step:
    """What has to be made for a step of which some segments may be published: those that are
    missing.

    Where a published one was made together with them (the process died while it published them),
    all are made again, so that the missing ones come out as they were; what is published stays.
    Raises DamagedError.
    """
    missing = tuple(product for product in step if not run.has(product.name))
    for product in step:
        if product in missing:
            continue
        together = read_record(run, product.name).get("exchange", {}).get("members", [])
        if set(together) >= {p.name for p in missing} and set(together) <= {p.name for p in step}:
            return tuple(p for p in step if p.name in together)
    return missing


def make_step(shop: Workshop, step: Step, outs: Sequence[Path]) -> None:
    """Make the products of a step, each in its own directory."""
    if len(step) == 1:
        step[0].make(shop, outs[0])
        return
    run, segments = shop.run, [product.make for product in step]
    starts = [segment.start(shop, out) for segment, out in zip(segments, outs, strict=True)]
    members = [
        Member(s.state, segment.leg(run), out)
        for s, segment, out in zip(starts, segments, outs, strict=True)
    ]
    every = max(1, round(EXCHANGE_PS / members[0].leg.record_ps))
    names = [product.name for product in step]
    system, coordinate = (
        load_system(run.path("system")),
        coordinate_of(run.spec, built_model(run.path("build"))),
    )
    made = run_exchange(
        system,
        members,
        Swaps(every, derived_seed(run.id, "exchange", *names)),
        (coordinate, shop.choice),
        shop.tick,
    )
    walkers = _walkers(
        [s.walker or product.chain for s, product in zip(starts, step, strict=True)], step
    )
    for i, (member, out) in enumerate(zip(members, outs, strict=True)):
        np.save(out / "walkers.npy", made.walkers[i])
        extra = starts[i].record | {"exchange": _exchange_record(made, i, names, walkers)}
        write_leg(shop, out, member.leg, made.results[i], extra)


def _walkers(labels: list[str], step: Step) -> list[str]:
    """The name of the walker that starts in each window: where it comes from; afresh when two came
    with one name.
    """
    return labels if len(set(labels)) == len(labels) else [product.chain for product in step]


def _exchange_record(made: Exchanged, i: int, names: list[str], walkers: list[str]) -> dict:
    record = {"members": names, "walkers": walkers, "walker": walkers[int(made.holder[i])]}
    if i < len(made.attempts):
        record |= {
            "next": names[i + 1],
            "attempts": int(made.attempts[i]),
            "accepted": int(made.accepted[i]),
        }
    return record
