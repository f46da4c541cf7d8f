"""Umbrella windows that exchange: several walkers in one process, which now and then swap the
umbrellas that hold them.

Two neighbouring windows i and j, held by walkers at x and y, swap with the probability (Sugita,
Kitao and Okamoto, J. Chem. Phys. 2000, 113, 6042)

    min(1, exp(-D))        D = [u_i(y) + u_j(x) - u_i(x) - u_j(y)] / kT

with u the umbrella energies, because the Hamiltonians differ in nothing else: so no energy is
computed for it. What is recorded is sorted by window, so a window's series is a series of its own
biased ensemble, whoever walks in it.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openmm as mm

from halobind.forcefields.hamiltonian.binding_coordinate import Coordinate, set_bias
from halobind.pipeline.free_energy.constants import GAS_CONSTANT
from halobind.pipeline.sampling.md_leg import (
    Leg,
    LegResult,
    MDState,
    Recorder,
    make_context,
)
from halobind.pipeline.sampling.platforms import Choice


@dataclass(frozen=True, eq=False)
class Member:
    """One window of a group: where its walker starts, its leg (umbrella at rest), and the directory
    for its frames.
    """

    start: MDState
    leg: Leg
    folder: Path


@dataclass(frozen=True)
class Swaps:
    """Swaps are tried after every `every` records, in turn between windows 0-1, 2-3, ... and 1-2,
    3-4, ...; `seed` decides them.
    """

    every: int
    seed: int


@dataclass(frozen=True, eq=False)
class Exchanged:
    """What each window recorded; `walkers` (windows, records): which walker was in a window at each
    record; `holder` (windows,): which one is there at the end; the attempted and accepted swaps of
    each window with the next one, (windows - 1,).
    """

    results: tuple[LegResult, ...]
    walkers: np.ndarray
    holder: tuple[int, ...]
    attempts: np.ndarray
    accepted: np.ndarray


def umbrella(leg: Leg, cv: np.ndarray) -> float:
    """Umbrella energy (kJ/mol) of a record (z, r of one head after the other) in the window of
    `leg`.
    """
    return float(0.5 * leg.k * np.sum((cv[0::2] - leg.center_nm[1]) ** 2))


def run_exchange(
    system: mm.System,
    members: Sequence[Member],
    swaps: Swaps,
    engine: tuple[Coordinate, Choice],
    tick: Callable[[float], None],
) -> Exchanged:
    """Run the legs of neighbouring windows side by side, one context a walker, with swaps; all legs
    have the same times.

    Each window ends in the state of the walker that it then holds; its wall time is its share.
    Raises what `run_leg` raises.
    """
    coordinate, choice = engine
    legs, random = [member.leg for member in members], np.random.default_rng(swaps.seed)
    n, records, kT = len(legs), legs[0].records, GAS_CONSTANT * legs[0].temperature_K[0]
    made = [make_context(system, member.start, member.leg, choice) for member in members]
    recorders = [Recorder(member.leg, coordinate, member.folder) for member in members]
    holder = list(range(n))  # the walker in each window
    walkers = np.zeros((n, records), dtype=np.uint16)
    attempts, accepted = np.zeros(n - 1, dtype=int), np.zeros(n - 1, dtype=int)
    began = time.perf_counter()
    with ExitStack() as files:
        for recorder in recorders:
            files.enter_context(recorder)
        for block, first in enumerate(range(0, records, swaps.every)):
            last = min(records, first + swaps.every)
            walkers[:, first:last] = np.array(holder)[:, None]
            for window, recorder in enumerate(
                recorders
            ):  # a walker goes on until the next swap: its memory stays in the cache
                context, integrator = made[holder[window]]
                for k in range(first, last):
                    integrator.step(legs[0].steps)
                    recorder.take(context)
                    tick((first * n + window * (last - first) + k - first + 1) / (n * records))
            for i in (
                range(block % 2, n - 1, 2) if last < records else ()
            ):  # a state is where its last record was
                (a, b), (x, y) = legs[i : i + 2], (recorders[i].cv[-1], recorders[i + 1].cv[-1])
                D = (umbrella(a, y) + umbrella(b, x) - umbrella(a, x) - umbrella(b, y)) / kT
                swap = random.random() < np.exp(min(0.0, -D))
                attempts[i] += 1
                accepted[i] += swap
                if swap:
                    holder[i], holder[i + 1] = holder[i + 1], holder[i]
                    for window in (i, i + 1):
                        set_bias(made[holder[window]][0], legs[window].k, legs[window].center_nm[1])
    share = (time.perf_counter() - began) / n
    contexts = [made[walker][0] for walker in holder]
    results = tuple(
        recorder.result(context, system, share)
        for recorder, context in zip(recorders, contexts, strict=True)
    )
    return Exchanged(results, walkers, tuple(holder), attempts, accepted)


def round_trips(walkers: np.ndarray) -> int:
    """How often a walker went from the first window to the last and back, or from the last to the
    first and back; (windows, records).
    """
    seen: dict[
        object, tuple[int, int]
    ] = {}  # by walker: the end it visited last, and how often it has changed ends
    for ends in zip(walkers[0].tolist(), walkers[-1].tolist(), strict=True):
        for end, walker in enumerate(ends):
            last, changes = seen.get(walker, (end, 0))
            seen[walker] = (end, changes + (end != last))
    return sum(changes // 2 for _, changes in seen.values())


def acceptance(attempts: np.ndarray, accepted: np.ndarray) -> np.ndarray:
    """Accepted fraction of the swaps of each window with the next one; NaN where none was tried."""
    return np.where(attempts > 0, accepted / np.maximum(attempts, 1), np.nan)
