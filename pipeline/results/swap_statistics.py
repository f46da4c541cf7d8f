"""How well the windows of a run exchange: acceptance of neighbours and round trips of walkers, from
published segments.
"""

from pathlib import Path

import numpy as np

from halobind.pipeline.campaign.run_directory import Run, reading
from halobind.pipeline.sampling.replica_exchange import acceptance, round_trips
from halobind.pipeline.sampling.segment_files import read_record


def exchange_lines(run: Run) -> list[str]:
    """One line a group of windows that exchanged. Raises DamagedError."""
    records = {
        f"{chain}/{path.name}": path
        for chain in run.window_chains()
        for path in run.segments(chain)
    }
    steps: dict[tuple[str, ...], None] = {}
    for name in records:
        steps[tuple(read_record(run, name).get("exchange", {}).get("members", ()))] = None
    groups: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for members in sorted(steps):
        if members and all(name in records for name in members):
            groups.setdefault(tuple(name.rpartition("/")[0] for name in members), []).append(
                members
            )
    return [_line(run, members, records) for _, members in sorted(groups.items())]


def _line(run: Run, steps: list[tuple[str, ...]], paths: dict[str, Path]) -> str:
    """Acceptance and round trips of one group over its steps, in time order."""
    tried, taken, walkers = [], [], []
    for members in steps:
        found = [read_record(run, name)["exchange"] for name in members]
        tried.append([record["attempts"] for record in found[:-1]])
        taken.append([record["accepted"] for record in found[:-1]])
        rows = []
        for name in members:
            with reading(paths[name]):
                rows.append(np.array(found[0]["walkers"])[np.load(paths[name] / "walkers.npy")])
        walkers.append(np.array(rows))
    rates = acceptance(np.sum(tried, axis=0), np.sum(taken, axis=0))
    trips = round_trips(np.concatenate(walkers, axis=1))
    first, last = (steps[0][k].split("/")[1] for k in (0, -1))
    worst = int(np.argmin(np.nan_to_num(rates, nan=2.0)))
    pair = " and ".join(name.split("/")[1] for name in steps[0][worst : worst + 2])
    if not np.isfinite(rates).any():
        return f"exchange {first} to {last}: no swap was tried, the segments are too short"
    swaps = (
        f"{np.nanmean(rates):.2f} of the swaps accepted (lowest {np.nanmin(rates):.2f} between"
        f" {pair})"
    )
    return f"exchange {first} to {last}: {swaps}, {trips} round trips of {len(steps[0])} walkers"
