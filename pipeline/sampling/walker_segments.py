"""Walkers of metadynamics: how they are named, where they start, how a segment is made."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from halobind.pipeline.campaign.run_directory import Run
from halobind.pipeline.campaign.settings import (
    Campaign,
    MetadynamicsSection,
    RunSpec,
    SamplingSection,
)
from halobind.pipeline.free_energy.hills import Hills
from halobind.pipeline.sampling.metadynamics import run_walk
from halobind.pipeline.sampling.pull_steps import n_pull_steps, pulled_states
from halobind.pipeline.sampling.run_context import (
    RunContext,
    final_state,
    frame_atoms,
    unbiased_leg,
)
from halobind.pipeline.sampling.segment_files import SegmentName, read_numbers, write_segment


def hills_label(settings: MetadynamicsSection) -> str:
    """The end of a walker's name: how its bias grows, so that other settings make other walkers."""
    parts = {
        "b": settings.bias_factor,
        "h": settings.height_kJ_mol,
        "w": settings.width_nm,
        "d": settings.deposit_ps,
        "k": settings.wall_kJ_mol_nm2,
    }
    return "-".join(f"{key}{value:.12g}" for key, value in parts.items())


def walker_start(walker: int) -> float:
    """Where on the path (0 to 1) a walker starts: 0, 1, 1/2, 1/4, 3/4, 1/8, ... (van der Corput).

    The number of walkers does not matter.
    """
    if walker < 2:
        return float(walker)
    bits = f"{walker - 1:b}"
    return float(int(bits[::-1], 2) / 2 ** len(bits))


def hills_of(
    spec: RunSpec, settings: MetadynamicsSection, start: np.ndarray | None = None
) -> Hills:
    """How the bias of a run grows.

    Args:
        spec: Settings of the run.
        settings: Of metadynamics.
        start: The bias (n,) in kJ/mol that it grows from; None for none.
    """
    every = round(settings.deposit_ps / (spec.simulation.timestep_fs / 1000))
    path_nm = (spec.pull.from_nm, spec.pull.to_nm)
    return Hills(
        settings.bias_factor,
        settings.height_kJ_mol,
        settings.width_nm,
        every,
        path_nm,
        settings.wall_kJ_mol_nm2,
        start,
    )


@dataclass(frozen=True)
class WalkerSegment:
    """One segment of a walker.

    The first starts from a pulled state without bias, each other where the one before it ended,
    with its bias.
    """

    walker: int
    """Number of the walker, from 0."""
    number: int
    """Number of the segment, from 0."""
    pulled: str
    """The step of the pull in whose final state the walker starts."""
    sampling: SamplingSection
    """Its length, and what is recorded."""
    settings: MetadynamicsSection
    """How the bias grows."""
    stage: ClassVar[str] = "metadynamics"

    @property
    def chain(self) -> str:
        """The chain of the walker."""
        return SegmentName(self.stage, self._label, self.number).chain

    @property
    def name(self) -> str:
        """For example "metadynamics/walker-0-b20-h1-w0.03-d1-k5000/seg-000"."""
        return str(SegmentName(self.stage, self._label, self.number))

    @property
    def cost_ps(self) -> float:
        """Its length."""
        return self.sampling.segment_ps

    def make(self, context: RunContext, out: Path) -> None:
        """Walk on, and write bias.npy and push.npy besides the usual files."""
        run = context.run
        if self.number == 0:
            starts_from = self.pulled
            bias = None
        else:
            starts_from = str(SegmentName(self.stage, self._label, self.number - 1))
            bias = read_bias(run.path(starts_from))
        leg = replace(
            unbiased_leg(run, self.name),
            duration_ps=self.sampling.segment_ps,
            record_ps=self.sampling.record_ps,
            frame_ps=self.sampling.frame_ps,
            frame_atoms=frame_atoms(context.model, self.sampling),
        )
        hills = hills_of(run.spec, self.settings, bias)
        start = final_state(run, starts_from)
        walk = run_walk(context.engine, start, leg, hills, out, context.progress)
        np.save(out / "bias.npy", walk.bias)
        np.save(out / "push.npy", walk.push)
        write_segment(context, out, leg, walk.leg, {"metadynamics": self.settings.model_dump()})

    @property
    def _label(self) -> str:
        return f"walker-{self.walker}-{hills_label(self.settings)}"


def walker_segments(run: Run, walker: int, campaign: Campaign) -> list[WalkerSegment]:
    """The segments of one walker that a campaign asks for.

    Args:
        run: The run.
        walker: Number of the walker, from 0.
        campaign: Says how many segments.
    """
    pulled = pulled_states(run)[round(walker_start(walker) * n_pull_steps(run.spec))].name
    return [
        WalkerSegment(walker, number, pulled, campaign.sampling, campaign.metadynamics)
        for number in range(campaign.sampling.segments)
    ]


def read_bias(segment: Path) -> np.ndarray:
    """What the bias (n,) in kJ/mol had grown to at the end of a segment. Raises DamagedError."""
    return read_numbers(segment, "bias.npy")


def read_push(segment: Path) -> np.ndarray:
    """The force (records,) of the bias in kJ/mol/nm at each record of a segment.

    Raises:
        DamagedError: It cannot be read.
    """
    return read_numbers(segment, "push.npy")
