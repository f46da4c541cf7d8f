"""From the published segments of a run to its samples."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from halobind.pipeline.campaign.run_directory import Run, reading
from halobind.pipeline.campaign.settings import AlchemicalSection, Campaign, MetadynamicsSection
from halobind.pipeline.free_energy.alchemical_samples import AlchemicalSamples, AlchemicalState
from halobind.pipeline.free_energy.metadynamics_pmf import WalkerSamples
from halobind.pipeline.free_energy.samples import Samples, Window
from halobind.pipeline.results.segment_reader import (
    INTERVALS_PER_PS,
    RunSamples,
    SegmentData,
    SegmentReader,
)
from halobind.pipeline.sampling.alchemical_path import alchemical_states, state_label
from halobind.pipeline.sampling.alchemical_segments import AlchemicalSegment, read_terms
from halobind.pipeline.sampling.segment_files import SegmentName, exchange_members
from halobind.pipeline.sampling.walker_segments import hills_label, hills_of, read_push

K = TypeVar("K", Window, AlchemicalState)


@dataclass
class _Recorded:
    """The segments of one window or walker, in time order."""

    intervals: list[int] = field(default_factory=list)
    """Time between the records of each segment, in units of 1 ps / INTERVALS_PER_PS."""
    values: list[np.ndarray] = field(default_factory=list)
    """The records of each segment, (records, ...)."""

    def add(self, data: SegmentData, values: np.ndarray) -> None:
        """Append the records of one more segment."""
        self.intervals.append(round(data.record["record_ps"] * INTERVALS_PER_PS))
        self.values.append(values)

    def thinned(self, interval: int) -> np.ndarray:
        """All records in one array, those that are `interval` apart."""
        strides = [interval // own_interval for own_interval in self.intervals]
        parts = [
            values[stride - 1 :: stride]
            for values, stride in zip(self.values, strides, strict=True)
        ]
        return np.concatenate(parts)


AnySamples = RunSamples[Samples] | RunSamples[WalkerSamples] | RunSamples[AlchemicalSamples]


def collect_samples(run: Run, campaign: Campaign) -> AnySamples | None:
    """What is sampled of a run by the method of its campaign; None where nothing is.

    Raises:
        DamagedError: names a segment that cannot be read.
    """
    if campaign.sampling.method == "umbrella":
        return collect_windows(run)
    if campaign.sampling.method == "alchemical":
        return collect_alchemical(run, campaign.alchemical)
    return collect_walkers(run, campaign.metadynamics)


def collect_windows(run: Run) -> RunSamples[Samples] | None:
    """The samples of every window on disk that has a segment, by height; None where none has.

    Each face is a series of its own. Segments that were recorded at different intervals are thinned
    to the least common multiple of these.

    Raises:
        DamagedError: names a segment that cannot be read.
    """
    heads = run.spec.model.faces
    reader = SegmentReader(run.spec)
    recorded: dict[Window, _Recorded] = {}
    exchanged_with: dict[str, set[str]] = {}
    window_of: dict[str, Window] = {}
    for chain in run.window_chains():
        for data in reader.read(chain, run.segments(chain)):
            record = data.record
            window = Window(float(record["center_nm"][0]), float(record["k_kJ_mol_nm2"]))
            window_of[chain] = window
            exchanged_with.setdefault(chain, {chain}).update(
                segment.chain for segment in exchange_members(record)
            )
            recorded.setdefault(window, _Recorded()).add(
                data, data.coordinate.reshape(-1, heads, 2)
            )
    if not recorded:
        return None
    interval = _common_interval(list(recorded.values()))
    by_height = sorted(recorded, key=lambda window: (window.center_nm, window.k))
    series_of = {window: recorded[window].thinned(interval) for window in by_height}
    windows = tuple(window for window in by_height for _ in range(heads))
    heights = tuple(series_of[window][:, head, 0] for window in by_height for head in range(heads))
    lateral = tuple(series_of[window][:, head, 1] for window in by_height for head in range(heads))
    samples = Samples(
        windows,
        heights,
        interval / INTERVALS_PER_PS,
        run.spec.simulation.temperature_K,
        run.spec.coordinate.radius_nm,
        run.spec.coordinate.wall_kJ_mol_nm2,
        _exchange_groups(windows, window_of, exchanged_with),
    )
    return reader.run_samples(samples, lateral)


def collect_walkers(run: Run, settings: MetadynamicsSection) -> RunSamples[WalkerSamples] | None:
    """The heights of every walker on disk and the force of its bias there; None where none is.

    Only walkers whose hills are those of `settings` count. Segments that were recorded at different
    intervals are thinned to the least common multiple of these.

    Raises:
        DamagedError: names a segment that cannot be read.
    """
    reader = SegmentReader(run.spec)
    walkers = []
    for chain in run.walker_chains(hills_label(settings)):
        segments = run.segments(chain)
        if segments:
            walker = _Recorded()
            for data, segment in zip(reader.read(chain, segments), segments, strict=True):
                walker.add(data, _with_push(data.coordinate, segment))
            walkers.append(walker)
    if not walkers:
        return None
    interval = _common_interval(walkers)
    records = [walker.thinned(interval) for walker in walkers]
    walks = WalkerSamples(
        hills_of(run.spec, settings),
        tuple(values[:, 0] for values in records),
        tuple(values[:, 2] for values in records),
        interval / INTERVALS_PER_PS,
        run.spec.simulation.temperature_K,
        run.spec.coordinate.radius_nm,
        run.spec.coordinate.wall_kJ_mol_nm2,
    )
    return reader.run_samples(walks, tuple(values[:, 1] for values in records))


def collect_alchemical(
    run: Run, settings: AlchemicalSection
) -> RunSamples[AlchemicalSamples] | None:
    """The samples of every state of the alchemical path that has a segment; None where none has.

    Segments that were recorded at different intervals are thinned to the least common multiple of
    these.

    Raises:
        DamagedError: names a segment that cannot be read.
    """
    reader = SegmentReader(run.spec)
    recorded: dict[AlchemicalState, _Recorded] = {}
    exchanged_with: dict[str, set[str]] = {}
    state_of: dict[str, AlchemicalState] = {}
    for state in alchemical_states(run.spec, settings):
        chain = SegmentName(AlchemicalSegment.stage, state_label(state, settings), 0).chain
        segments = run.segments(chain)
        for data, segment in zip(reader.read(chain, segments), segments, strict=True):
            state_of[chain] = state
            exchanged_with.setdefault(chain, {chain}).update(
                member.chain for member in exchange_members(data.record)
            )
            values = _with_terms(data.coordinate, segment)
            recorded.setdefault(state, _Recorded()).add(data, values)
    if not recorded:
        return None
    interval = _common_interval(list(recorded.values()))
    series = [values.thinned(interval) for values in recorded.values()]
    states = tuple(recorded)
    samples = AlchemicalSamples(
        states=states,
        z=tuple(values[:, 0] for values in series),
        terms=tuple(values[:, 2:] for values in series),
        interval_ps=interval / INTERVALS_PER_PS,
        temperature_K=run.spec.simulation.temperature_K,
        radius_nm=run.spec.coordinate.radius_nm,
        wall_k=run.spec.coordinate.wall_kJ_mol_nm2,
        groups=_exchange_groups(states, state_of, exchanged_with),
    )
    return reader.run_samples(samples, tuple(values[:, 1] for values in series))


def _with_terms(coordinate: np.ndarray, segment: Path) -> np.ndarray:
    """Height, distance from the axis, fill, b and c of each record, (records, 5).

    Raises:
        DamagedError: terms.npy of the segment cannot be read, or is not as long.
    """
    terms = read_terms(segment)
    with reading(segment):
        if len(terms) != len(coordinate):
            raise ValueError(f"terms.npy has {len(terms)} records and cv.npy {len(coordinate)}")
    return np.column_stack([coordinate, terms])


def _common_interval(recorded: Sequence[_Recorded]) -> int:
    """The least common multiple of the intervals of all segments."""
    return math.lcm(*(interval for window in recorded for interval in window.intervals))


def _with_push(coordinate: np.ndarray, segment: Path) -> np.ndarray:
    """Height, distance from the axis and force of the bias of each record, (records, 3).

    Raises:
        DamagedError: push.npy of the segment cannot be read, or is not as long.
    """
    push = read_push(segment)
    with reading(segment):
        if len(push) != len(coordinate):
            raise ValueError(f"push.npy has {len(push)} records and cv.npy {len(coordinate)}")
    return np.column_stack([coordinate, push])


def _exchange_groups(
    windows: Sequence[K],
    window_of: dict[str, K],
    exchanged_with: dict[str, set[str]],
) -> tuple[int, ...]:
    """The number of the exchange group of each window; empty where no two windows exchanged."""
    number_of = {
        window_of[chain]: number
        for chain, number in number_connected(exchanged_with).items()
        if chain in window_of
    }
    if len(set(number_of.values())) == len(number_of):
        return ()
    return tuple(number_of[window] for window in windows)


def number_connected(links: dict[str, set[str]]) -> dict[str, int]:
    """A number for each name, the same for names that are linked, directly or by way of others.

    The numbers follow the order of `links`, as seeds of resamples depend on the order of groups.
    """
    numbers: dict[str, int] = {}
    for number, start in enumerate(links):
        pending = [start]
        while pending:
            name = pending.pop()
            if name not in numbers:
                numbers[name] = number
                pending += links.get(name, ())
    return numbers
