"""How well the windows of a run exchange: acceptance between neighbours, round trips of walkers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from halobind.pipeline.campaign.run_directory import Run, reading
from halobind.pipeline.sampling.replica_exchange import acceptance, round_trips
from halobind.pipeline.sampling.segment_files import read_record

Members = tuple[str, ...]
"""The names of the segments that were made together, one a window, by height."""


def swap_lines(run: Run) -> list[str]:
    """One line for each group of windows that exchanged.

    Raises:
        DamagedError: names a segment that cannot be read.
    """
    paths = {
        f"{chain}/{path.name}": path
        for chain in run.window_chains()
        for path in run.segments(chain)
    }
    steps = {tuple(_exchange_of(run, name).get("members", ())) for name in paths}
    groups: dict[Members, list[Members]] = {}
    for members in sorted(steps):
        if members and all(name in paths for name in members):
            chains = tuple(name.rpartition("/")[0] for name in members)
            groups.setdefault(chains, []).append(members)
    return [_swap_line(run, members, paths) for _, members in sorted(groups.items())]


def _exchange_of(run: Run, name: str) -> dict[str, Any]:
    """What the record of a segment says of exchange; empty where there was none."""
    exchange: dict[str, Any] = read_record(run, name).get("exchange", {})
    return exchange


def _swap_line(run: Run, steps: Sequence[Members], paths: dict[str, Path]) -> str:
    """Acceptance and round trips of one group.

    Args:
        run: the run.
        steps: the segments of the group that were made together, in time order.
        paths: where each segment is.
    """
    attempts = []
    accepted = []
    walkers = []
    for members in steps:
        exchanges = [_exchange_of(run, name) for name in members]
        attempts.append([exchange["attempts"] for exchange in exchanges[:-1]])
        accepted.append([exchange["accepted"] for exchange in exchanges[:-1]])
        rows = []
        for name in members:
            with reading(paths[name]):
                names = np.array(exchanges[0]["walkers"])
                rows.append(names[np.load(paths[name] / "walkers.npy")])
        walkers.append(np.array(rows))
    rates = acceptance(np.sum(attempts, axis=0), np.sum(accepted, axis=0))
    trips = round_trips(np.concatenate(walkers, axis=1))
    windows = [name.split("/")[1] for name in steps[0]]
    span = f"exchange {windows[0]} to {windows[-1]}"
    if not np.isfinite(rates).any():
        return f"{span}: no swap was tried, the segments are too short"
    worst = int(np.argmin(np.nan_to_num(rates, nan=2.0)))
    pair = " and ".join(windows[worst : worst + 2])
    return (
        f"{span}: {np.nanmean(rates):.2f} of the swaps accepted (lowest {np.nanmin(rates):.2f}"
        f" between {pair}), {trips} round trips of {len(windows)} walkers"
    )
