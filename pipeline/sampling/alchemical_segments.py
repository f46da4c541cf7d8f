"""Segments of alchemical states: how they are named, where they start, how one is made."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from halobind.pipeline.campaign.run_directory import Run, reading
from halobind.pipeline.campaign.settings import AlchemicalSection, Campaign, SamplingSection
from halobind.pipeline.free_energy.alchemical_samples import AlchemicalState
from halobind.pipeline.sampling.alchemical_path import (
    alchemical_states,
    start_steps,
    state_label,
)
from halobind.pipeline.sampling.md_leg import Leg, LegResult, MDEngine
from halobind.pipeline.sampling.run_context import (
    RunContext,
    final_state,
    frame_atoms,
    unbiased_leg,
)
from halobind.pipeline.sampling.segment_files import (
    SegmentName,
    read_record,
    write_alchemical_segment,
)
from halobind.pipeline.sampling.window_segments import Start


@dataclass(frozen=True)
class AlchemicalSegment:
    """One segment of an alchemical state: the first starts from the path, each other where the one
    before it ended.
    """

    state: AlchemicalState
    number: int
    starts_from: str
    """The step of the path in whose final state the first segment begins."""
    sampling: SamplingSection
    settings: AlchemicalSection
    stage: ClassVar[str] = "alchemical"

    @property
    def chain(self) -> str:
        """The chain of the state."""
        return self._name(self.number).chain

    @property
    def name(self) -> str:
        """For example "alchemical/z+0.350-k3000-g100-s0.3-r0.4/seg-000"."""
        return str(self._name(self.number))

    @property
    def cost_ps(self) -> float:
        """Its length."""
        return self.sampling.segment_ps

    def engine(self, context: RunContext) -> MDEngine:
        """The run's System with the gate and the charge scaling. Raises DamagedError."""
        return context.alchemical_engine(self.settings.gate_radius_nm)

    def make(self, context: RunContext, out: Path) -> None:
        """Sample the state, alone."""
        start = self.start(context, out)
        leg = self.leg(context)
        radius_nm = self.settings.gate_radius_nm
        result = context.run_alchemical_leg(radius_nm, start.state, leg, out)
        self.write(context, out, leg, result, start.record)

    def write(
        self,
        context: RunContext,
        out: Path,
        leg: Leg,
        result: LegResult,
        extra: Mapping[str, object],
    ) -> None:
        """Write the files of the segment, `extra` in its record."""
        write_alchemical_segment(context, out, leg, result, self.settings.gate_radius_nm, extra)

    def leg(self, context: RunContext) -> Leg:
        """What the segment does. Raises DamagedError."""
        state = self.state
        return replace(
            unbiased_leg(context.run, self.name),
            duration_ps=self.sampling.segment_ps,
            record_ps=self.sampling.record_ps,
            k=state.k,
            center_nm=(state.center_nm, state.center_nm),
            gate=(state.gate, state.gate),
            charge_scale=(state.scale, state.scale),
            frame_ps=self.sampling.frame_ps,
            frame_atoms=frame_atoms(context.model, self.sampling),
        )

    def start(self, context: RunContext, out: Path) -> Start:
        """Where the segment starts. Raises DamagedError."""
        if self.number == 0:
            state = final_state(context.run, self.starts_from)
            return Start(state, {"start": {"from": self.starts_from}})
        before = str(self._name(self.number - 1))
        state = final_state(context.run, before)
        record = read_record(context.run.path(before))
        return Start(state, {}, record["exchange"]["walker"] if "exchange" in record else None)

    def _name(self, number: int) -> SegmentName:
        return SegmentName(self.stage, state_label(self.state, self.settings), number)


def alchemical_segments(run: Run, campaign: Campaign) -> list[list[AlchemicalSegment]]:
    """The segments of every state of the path of a run, state after state."""
    settings = campaign.alchemical
    states = alchemical_states(run.spec, settings)
    starts = start_steps(run, settings)
    return [
        [
            AlchemicalSegment(state, number, start.name, campaign.sampling, settings)
            for number in range(campaign.sampling.segments)
        ]
        for state, start in zip(states, starts, strict=True)
    ]


def read_terms(segment: Path) -> np.ndarray:
    """fill, b and c (records, 3) of a segment. Raises DamagedError."""
    with reading(segment):
        terms: np.ndarray = np.load(segment / "terms.npy", allow_pickle=False)
        if terms.ndim != 2 or terms.shape[1] != 3 or not np.all(np.isfinite(terms)):
            raise ValueError(f"terms.npy of shape {terms.shape} is not rows of 3 finite numbers")
        return terms
