"""The two kinds of step: one product, and segments of neighbouring windows that exchange."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from halobind.pipeline.campaign.run_directory import Run, derived_seed
from halobind.pipeline.sampling.alchemical_segments import AlchemicalSegment
from halobind.pipeline.sampling.product import Product
from halobind.pipeline.sampling.replica_exchange import (
    ExchangeResult,
    GroupWindow,
    SwapSchedule,
    run_exchange,
)
from halobind.pipeline.sampling.run_context import RunContext
from halobind.pipeline.sampling.segment_files import ExchangeRecord, read_record
from halobind.pipeline.sampling.window_segments import Start, WindowSegment

ExchangingSegment = WindowSegment | AlchemicalSegment
SWAP_EVERY_PS = 1.0  # between two attempts, or one record where records are further apart


@dataclass(frozen=True)
class SingleStep:
    """One product, made alone."""

    product: Product
    """The product."""

    @property
    def products(self) -> tuple[Product, ...]:
        """The product."""
        return (self.product,)

    def to_make(self, run: Run) -> "SingleStep":
        """What of it has to be made while its product is missing: all of it."""
        return self

    def make(self, context: RunContext, outs: Sequence[Path]) -> None:
        """Write the files of the product.

        Args:
            context: Of the run.
            outs: Its directory, alone.
        """
        self.product.make(context, outs[0])


@dataclass(frozen=True)
class ExchangeStep:
    """Segments of neighbouring windows or alchemical states, in order, made together with swaps."""

    segments: tuple[ExchangingSegment, ...]
    """One of each window or state, in order."""

    @property
    def products(self) -> tuple[Product, ...]:
        """The segments."""
        return self.segments

    def to_make(self, run: Run) -> "SingleStep | ExchangeStep":
        """What of it has to be made: the segments that are missing.

        Where a published one was made together with them (the process died while it published
        them), all are made again, so that the missing ones come out as they were; what is published
        stays. Raises DamagedError.
        """
        missing = tuple(segment for segment in self.segments if not run.has(segment.name))
        missing_names = {segment.name for segment in missing}
        names = {segment.name for segment in self.segments}
        for segment in self.segments:
            if segment.name in missing_names:
                continue
            record = read_record(run.path(segment.name))
            together = set(record["exchange"]["members"] if "exchange" in record else ())
            if missing_names <= together <= names:
                return _step_of(tuple(s for s in self.segments if s.name in together))
        return _step_of(missing)

    def make(self, context: RunContext, outs: Sequence[Path]) -> None:
        """Sample the windows side by side.

        Args:
            context: Of the run.
            outs: The directory of each segment.
        """
        starts = [
            segment.start(context, out) for segment, out in zip(self.segments, outs, strict=True)
        ]
        group = [
            GroupWindow(start.state, segment.leg(context), out)
            for start, segment, out in zip(starts, self.segments, outs, strict=True)
        ]
        names = [segment.name for segment in self.segments]
        swaps = SwapSchedule(
            every_records=max(1, round(SWAP_EVERY_PS / group[0].leg.record_ps)),
            seed=derived_seed(context.run.id, "exchange", *names),
        )
        result = run_exchange(self.segments[0].engine(context), group, swaps, context.progress)
        walkers = self._walker_names(starts)
        for i, (window, out) in enumerate(zip(group, outs, strict=True)):
            np.save(out / "walkers.npy", result.walkers[i])
            extra = {**starts[i].record, "exchange": _exchange_record(result, i, names, walkers)}
            self.segments[i].write(context, out, window.leg, result.results[i], extra)

    def _walker_names(self, starts: Sequence[Start]) -> list[str]:
        """The name of the walker that begins in each window: the chain it comes from.

        When two would have one name, each is named by the chain of the window that it is in.
        """
        chains = [segment.chain for segment in self.segments]
        names = [start.walker or chain for start, chain in zip(starts, chains, strict=True)]
        return names if len(set(names)) == len(names) else chains


def _step_of(segments: tuple[ExchangingSegment, ...]) -> SingleStep | ExchangeStep:
    return SingleStep(segments[0]) if len(segments) == 1 else ExchangeStep(segments)


def _exchange_record(
    result: ExchangeResult, i: int, names: list[str], walkers: list[str]
) -> ExchangeRecord:
    """What window `i` of a group says of its swaps."""
    record: ExchangeRecord = {
        "members": names,
        "walkers": walkers,
        "walker": walkers[int(result.holder[i])],
    }
    if i < len(result.attempts):
        record["next"] = names[i + 1]
        record["attempts"] = int(result.attempts[i])
        record["accepted"] = int(result.accepted[i])
    return record
