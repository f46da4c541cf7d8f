"""How well windows or alchemical states exchange: acceptance between neighbours, round trips."""

from collections.abc import Sequence

import numpy as np

from halobind.pipeline.campaign.run_directory import Run, reading
from halobind.pipeline.sampling.replica_exchange import acceptance, round_trips
from halobind.pipeline.sampling.segment_files import SegmentName, exchange_members, read_record

Members = tuple[SegmentName, ...]
"""The segments that were made together, one a window, by height."""


def swap_lines(run: Run) -> list[str]:
    """One line for each group of windows that exchanged.

    Raises:
        DamagedError: names a segment that cannot be read.
    """
    chains = (*run.window_chains(), *run.alchemical_chains())
    published = {folder for chain in chains for folder in run.segments(chain)}
    steps = {tuple(exchange_members(read_record(folder))) for folder in published}
    groups: dict[tuple[str, ...], list[Members]] = {}
    for members in sorted(steps):
        if members and all(run.path(str(name)) in published for name in members):
            groups.setdefault(tuple(name.chain for name in members), []).append(members)
    return [_swap_line(run, members) for _, members in sorted(groups.items())]


def _swap_line(run: Run, steps: Sequence[Members]) -> str:
    """Acceptance and round trips of one group.

    Args:
        run: the run.
        steps: the segments of the group that were made together, in time order.
    """
    attempts = []
    accepted = []
    walkers = []
    for members in steps:
        folders = [run.path(str(name)) for name in members]
        exchanges = [read_record(folder)["exchange"] for folder in folders]
        attempts.append([exchange["attempts"] for exchange in exchanges[:-1]])
        accepted.append([exchange["accepted"] for exchange in exchanges[:-1]])
        names = np.array(exchanges[0]["walkers"])
        rows = []
        for folder in folders:
            with reading(folder):
                rows.append(names[np.load(folder / "walkers.npy")])
        walkers.append(np.array(rows))
    rates = acceptance(np.sum(attempts, axis=0), np.sum(accepted, axis=0))
    trips = round_trips(np.concatenate(walkers, axis=1))
    windows = [name.label for name in steps[0]]
    span = f"exchange {windows[0]} to {windows[-1]}"
    if not np.isfinite(rates).any():
        return f"{span}: no swap was tried, the segments are too short"
    worst = int(np.argmin(np.nan_to_num(rates, nan=2.0)))
    pair = " and ".join(windows[worst : worst + 2])
    return (
        f"{span}: {np.nanmean(rates):.2f} of the swaps accepted (lowest {np.nanmin(rates):.2f}"
        f" between {pair}), {trips} round trips of {len(windows)} walkers"
    )
