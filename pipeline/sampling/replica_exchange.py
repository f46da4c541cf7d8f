"""Umbrella windows that exchange: walkers in one process, which now and then swap their umbrellas.

Two neighbouring windows i and j, held by walkers at heights x and y, swap with the probability
(Sugita, Kitao and Okamoto, J. Chem. Phys. 2000, 113, 6042)

    min(1, exp(-D))        D = [u_i(y) + u_j(x) - u_i(x) - u_j(y)] / kT

with u the energies of umbrella, gate and scaled charges, because the Hamiltonians differ in nothing
else, and each follows from what is recorded. What is recorded is sorted by window, so a window's
series is a series of its own biased ensemble, whichever walker is in it.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from halobind.forcefields.hamiltonian.alchemical_forces import alchemical_energy
from halobind.pipeline.free_energy.constants import GAS_CONSTANT
from halobind.pipeline.sampling.md_leg import (
    Leg,
    LegResult,
    MDEngine,
    MDState,
    Recorder,
    make_context,
    set_state,
)


@dataclass(frozen=True, eq=False)
class GroupWindow:
    """One window of a group."""

    start: MDState
    """Where its walker starts."""
    leg: Leg
    """What it does, its umbrella at rest."""
    folder: Path
    """Where its frames go."""


@dataclass(frozen=True)
class SwapSchedule:
    """When swaps are tried: in turn between windows 0-1, 2-3, ... and 1-2, 3-4, ..."""

    every_records: int
    """Records between two attempts."""
    seed: int
    """Decides the swaps."""


@dataclass(frozen=True, eq=False)
class ExchangeResult:
    """What a group of windows gave."""

    results: tuple[LegResult, ...]
    """What each window recorded."""
    walkers: np.ndarray
    """Number (windows, records) of the walker in each window at each record."""
    holder: tuple[int, ...]
    """Number (windows,) of the walker in each window at the end."""
    attempts: np.ndarray
    """Swaps (windows - 1,) tried by each window with the next one."""
    accepted: np.ndarray
    """Swaps (windows - 1,) made."""


@dataclass(frozen=True, eq=False)
class Record:
    """What the bias of a window depends on, at one moment."""

    cv: np.ndarray
    """Heights and lateral distances (2 * heads,), head after head, in nm."""
    terms: np.ndarray | None = None
    """fill, b and c (3,) of alchemical_forces.py; None where nothing alchemical is sampled."""


def last_record(recorder: Recorder) -> Record:
    """What a recorder took last."""
    return Record(recorder.cv[-1], recorder.terms[-1] if recorder.terms else None)


def bias_energy(leg: Leg, record: Record) -> float:
    """Energy (kJ/mol) of umbrella, gate and scaled charges of a window at a record.

    Args:
        leg: With the umbrella, the gate and the charge scale.
        record: Of any window of the group.
    """
    umbrella = float(0.5 * leg.k * np.sum((record.cv[0::2] - leg.center_nm[1]) ** 2))
    if record.terms is None:
        return umbrella
    return umbrella + alchemical_energy(record.terms, leg.gate[1], leg.charge_scale[1])


def swap_energy(leg_i: Leg, leg_j: Leg, record_i: Record, record_j: Record) -> float:
    """What it costs two windows to swap their walkers.

    Args:
        leg_i: The first window.
        leg_j: The second window.
        record_i: Of the walker in the first window.
        record_j: Of the walker in the second window.

    Returns:
        D kT in kJ/mol: the bias energies after the swap less those before it.
    """
    u_i_of_j = bias_energy(leg_i, record_j)
    u_j_of_i = bias_energy(leg_j, record_i)
    u_i_of_i = bias_energy(leg_i, record_i)
    u_j_of_j = bias_energy(leg_j, record_j)
    return u_i_of_j + u_j_of_i - u_i_of_i - u_j_of_j


def run_exchange(
    engine: MDEngine,
    group: Sequence[GroupWindow],
    swaps: SwapSchedule,
    progress: Callable[[float], None],
) -> ExchangeResult:
    """Run the legs of neighbouring windows side by side, one context a walker, with swaps.

    Args:
        engine: System, coordinate and platform.
        group: The windows, by height; their legs have the same times.
        swaps: When swaps are tried.
        progress: Called with the fraction done after every record; may raise to abandon all.

    Returns:
        What each window recorded, ending in the state of the walker that it then holds; its wall
        time is its share.

    Raises:
        UnstableError: Positions or energy stopped being finite.
    """
    legs = [window.leg for window in group]
    n_windows = len(legs)
    n_records = legs[0].records
    kT = GAS_CONSTANT * legs[0].temperature_K[0]
    random = np.random.default_rng(swaps.seed)
    simulations = [make_context(engine, window.start, window.leg) for window in group]
    recorders = [Recorder(window.leg, engine, window.folder) for window in group]
    holder = list(range(n_windows))  # the walker in each window
    walkers = np.zeros((n_windows, n_records), dtype=np.uint16)
    attempts = np.zeros(n_windows - 1, dtype=int)
    accepted = np.zeros(n_windows - 1, dtype=int)

    def record_window(window: int, first: int, last: int) -> None:
        """Make records [first, last) of a window.

        Its walker goes on without a break, so that its memory stays in the cache.
        """
        context, integrator = simulations[holder[window]]
        n_done = first * n_windows + window * (last - first)
        for _ in range(first, last):
            integrator.step(legs[0].steps)
            recorders[window].take(context)
            n_done += 1
            progress(n_done / (n_windows * n_records))

    def try_swap(i: int) -> None:
        """Let window i and the next one swap their walkers, each where its last record was."""
        j = i + 1
        record_i = last_record(recorders[i])
        record_j = last_record(recorders[j])
        D = swap_energy(legs[i], legs[j], record_i, record_j) / kT
        swap = random.random() < np.exp(min(0.0, -D))
        attempts[i] += 1
        accepted[i] += swap
        if not swap:
            return
        walker = holder[i]
        holder[i] = holder[j]
        holder[j] = walker
        for window in (i, j):
            context, _ = simulations[holder[window]]
            set_state(engine, context, legs[window], 1.0)

    began = time.perf_counter()
    with ExitStack() as files:
        for recorder in recorders:
            files.enter_context(recorder)
        for block, first in enumerate(range(0, n_records, swaps.every_records)):
            last = min(n_records, first + swaps.every_records)
            walkers[:, first:last] = np.array(holder)[:, None]
            for window in range(n_windows):
                record_window(window, first, last)
            if last < n_records:
                for i in range(block % 2, n_windows - 1, 2):
                    try_swap(i)
    share_s = (time.perf_counter() - began) / n_windows
    results = tuple(
        recorder.result(simulations[walker][0], engine.system, share_s)
        for recorder, walker in zip(recorders, holder, strict=True)
    )
    return ExchangeResult(results, walkers, tuple(holder), attempts, accepted)


def round_trips(walkers: np.ndarray) -> int:
    """How often a walker went from one end of the windows to the other and back.

    Args:
        walkers: The walker (windows, records) in each window at each record.

    Returns:
        The sum over all walkers.
    """
    last_end: dict[object, int] = {}  # by walker: the end, 0 or 1, that it visited last
    changes: dict[object, int] = {}  # by walker: how often it has changed ends
    for ends in zip(walkers[0].tolist(), walkers[-1].tolist(), strict=True):
        for end, walker in enumerate(ends):
            moved = last_end.get(walker, end) != end
            changes[walker] = changes.get(walker, 0) + moved
            last_end[walker] = end
    return sum(count // 2 for count in changes.values())


def acceptance(attempts: np.ndarray, accepted: np.ndarray) -> np.ndarray:
    """Accepted fraction (windows - 1,) of the swaps tried; NaN where none was.

    Args:
        attempts: Swaps (windows - 1,) tried.
        accepted: Swaps (windows - 1,) made.
    """
    return np.where(attempts > 0, accepted / np.maximum(attempts, 1), np.nan)
