"""Umbrella windows: which there are, how many segments each has, and how a segment is made."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from halobind.pipeline.campaign.run_directory import Run, derived_seed
from halobind.pipeline.campaign.settings import Campaign, RunSpec, SamplingSection, WindowsSection
from halobind.pipeline.free_energy.samples import Window
from halobind.pipeline.sampling.md_leg import Leg, LegResult, MDEngine, MDState
from halobind.pipeline.sampling.pull_steps import pulled_states
from halobind.pipeline.sampling.rounds import rounds_of
from halobind.pipeline.sampling.run_context import (
    RunContext,
    crystal_integrity,
    final_state,
    frame_atoms,
    unbiased_leg,
)
from halobind.pipeline.sampling.segment_files import (
    SegmentName,
    end_state_of,
    read_end_state,
    read_record,
    write_segment,
)
from halobind.pipeline.sampling.start_states import (
    StartError,
    UsualState,
    choose_start,
    why_damaged,
    why_outside,
)


def grid_windows(spec: RunSpec, settings: WindowsSection) -> tuple[Window, ...]:
    """Umbrella windows from the first to the last pulled height, in equal steps.

    Args:
        spec: With the pulled path.
        settings: With the length of a step, and the stiffness.
    """
    pull = spec.pull
    count = max(2, round((pull.to_nm - pull.from_nm) / settings.spacing_nm) + 1)
    centers = np.round(np.linspace(pull.from_nm, pull.to_nm, count), 3)
    return tuple(Window(float(center), settings.k_kJ_mol_nm2) for center in centers)


def windows_of(run: Run, campaign: Campaign) -> dict[Window, int]:
    """The windows of a run by height, each with the number of its segments.

    Args:
        run: The run, with its rounds.
        campaign: What is asked for without rounds.
    """
    segments = dict.fromkeys(grid_windows(run.spec, campaign.windows), campaign.sampling.segments)
    for round_ in rounds_of(run):
        for request in round_.requests_of(run.id):
            segments[request.window] = max(segments.get(request.window, 0), request.segments)
    return dict(sorted(segments.items(), key=lambda item: (item[0].center_nm, item[0].k)))


def window_label(window: Window) -> str:
    """A window is named by what it is: "z+0.350-k2000"."""
    return f"z{window.center_nm:+.3f}-k{window.k:.12g}"


def window_chain(window: Window) -> str:
    """The chain of the segments of a window."""
    return f"{WindowSegment.stage}/{window_label(window)}"


@dataclass(frozen=True, eq=False)
class Start:
    """A state to start a segment from."""

    state: MDState
    """Positions, velocities and box."""
    record: Mapping[str, object]
    """What the record of the segment says of it."""
    walker: str | None = None
    """The exchanging walker that it belongs to, if any."""


@dataclass(frozen=True)
class WindowSegment:
    """One segment of an umbrella window.

    The first starts from a pulled state, each other where the one before it ended.
    """

    window: Window
    """The umbrella."""
    number: int
    """From 0."""
    sampling: SamplingSection
    """Its length, and what is recorded."""
    stage: ClassVar[str] = "windows"

    @property
    def chain(self) -> str:
        """The chain of the window."""
        return window_chain(self.window)

    @property
    def name(self) -> str:
        """For example "windows/z+0.350-k2000/seg-000"."""
        return self._name(self.number)

    @property
    def cost_ps(self) -> float:
        """Its length."""
        return self.sampling.segment_ps

    def engine(self, context: RunContext) -> MDEngine:
        """The run's System. Raises DamagedError."""
        return context.engine

    def make(self, context: RunContext, out: Path) -> None:
        """Sample the window, alone."""
        start = self.start(context, out)
        leg = self.leg(context)
        self.write(context, out, leg, context.run_leg(start.state, leg, out), start.record)

    def write(
        self,
        context: RunContext,
        out: Path,
        leg: Leg,
        result: LegResult,
        extra: Mapping[str, object],
    ) -> None:
        """Write the files of the segment, `extra` in its record."""
        write_segment(context, out, leg, result, extra)

    def leg(self, context: RunContext) -> Leg:
        """What the segment does. Raises DamagedError."""
        return replace(
            unbiased_leg(context.run, self.name),
            duration_ps=self.sampling.segment_ps,
            record_ps=self.sampling.record_ps,
            k=self.window.k,
            center_nm=(self.window.center_nm, self.window.center_nm),
            frame_ps=self.sampling.frame_ps,
            frame_atoms=frame_atoms(context.model, self.sampling),
        )

    def start(self, context: RunContext, out: Path) -> Start:
        """Where the segment starts.

        Args:
            context: Of the run.
            out: Takes the frames of settling.

        Raises:
            StartError: No pulled state is fit to start from.
            DamagedError: A state cannot be read.
        """
        if self.number == 0:
            return self._pulled_start(context, out)
        before = self._name(self.number - 1)
        state = final_state(context.run, before)
        record = read_record(context.run.path(before))
        walker = record["exchange"]["walker"] if "exchange" in record else None
        return Start(state, {}, walker)

    def _name(self, number: int) -> str:
        return str(SegmentName(self.stage, window_label(self.window), number))

    def _pulled_start(self, context: RunContext, out: Path) -> Start:
        """The nearest pulled state that is fit.

        Where that lies outside the window it settles there first, and is judged again.
        """
        run = context.run
        spec = run.spec
        window = self.window
        pulled = [read_end_state(run, step.name, step.height_nm) for step in pulled_states(run)]
        usual = UsualState(
            [state.energy_kJ_mol for state in pulled],
            context.model.n_atoms,
            spec.simulation.temperature_K,
            spec.model.shape == "slab",
        )
        good, why = choose_start(pulled, window, usual)
        if not why:
            state = final_state(run, good.name)
            return Start(state, {"start": {"from": good.name, "settled_ps": 0.0}})
        move = replace(
            unbiased_leg(run, f"{self.name}/move"),
            duration_ps=spec.pull.step_ps,
            k=window.k,
            center_nm=(good.height_nm, window.center_nm),
        )
        rest = replace(
            move,
            seed=derived_seed(run.id, self.name, "rest"),
            center_nm=(window.center_nm, window.center_nm),
        )
        moved = context.run_leg(final_state(run, good.name), move, out)
        result = context.run_leg(moved.state, rest, out)
        integrity = crystal_integrity(run, result.state)
        settled = end_state_of(good.name, window.center_nm, result, integrity)
        wrong = why_damaged(settled, usual) or why_outside(
            settled.z, window, usual.temperature_K, settled=True
        )
        if wrong:
            raise StartError(
                f"no fit state to start from: {why}; after settling from {good.name}: {wrong};"
                " raise k_kJ_mol_nm2"
            )
        settled_ps = 2 * spec.pull.step_ps
        record = {"from": good.name, "settled_ps": settled_ps, "why": why}
        return Start(result.state, {"start": record})


def window_segments(
    window: Window, segments: int, sampling: SamplingSection
) -> list[WindowSegment]:
    """The first segments of a window.

    Args:
        window: The umbrella.
        segments: How many.
        sampling: Their length, and what is recorded.
    """
    return [WindowSegment(window, number, sampling) for number in range(segments)]
