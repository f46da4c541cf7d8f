"""The pulled path: the umbrella moves from height to height, and each step publishes a state.

Windows and walkers start from these states.

The path leads out of the pocket, from `from_nm` to `to_nm`; in every second replica then back in;
and then on from `to_nm` to where rounds lengthen it.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from halobind.pipeline.campaign.run_directory import Run
from halobind.pipeline.campaign.settings import RunSpec
from halobind.pipeline.sampling.product import PREPARE
from halobind.pipeline.sampling.rounds import rounds_of
from halobind.pipeline.sampling.run_context import RunContext, final_state, unbiased_leg
from halobind.pipeline.sampling.segment_files import write_segment


@dataclass(frozen=True)
class PullStep:
    """One step of the pull: the umbrella centre moves to a height, where a state is published."""

    number: int
    """That of its height on the path."""
    origin_nm: float
    """Umbrella centre at the begin."""
    height_nm: float
    """Umbrella centre at the end."""
    starts_from: str
    """The product in whose final state it begins."""
    cost_ps: float
    """Its length."""
    back: bool = False
    """Whether it leads back into the pocket."""
    stage: ClassVar[str] = "pull"
    chain: ClassVar[str] = PREPARE

    @property
    def name(self) -> str:
        """For example "pull/003-z+0.300", or "pull/back-003-z+0.300" on the way back."""
        return f"{self.stage}/{'back-' * self.back}{self.number:03d}-z{self.height_nm:+.3f}"

    def make(self, context: RunContext, out: Path) -> None:
        """Pull from where the step before it ended."""
        run = context.run
        leg = replace(
            unbiased_leg(run, self.name),
            duration_ps=self.cost_ps,
            center_nm=(self.origin_nm, self.height_nm),
            k=run.spec.pull.k_kJ_mol_nm2,
        )
        result = context.run_leg(final_state(run, self.starts_from), leg, out)
        write_segment(context, out, leg, result, {})


def n_pull_steps(spec: RunSpec) -> int:
    """How many steps the pulled path has from `from_nm` to `to_nm`."""
    return round((spec.pull.to_nm - spec.pull.from_nm) / spec.pull.step_nm)


def pull_heights(run: Run) -> np.ndarray:
    """Centres (n,) nm of the pulled path, in equal steps of about `step_nm`.

    They go on to where rounds lengthen the path.
    """
    pull = run.spec.pull
    count = n_pull_steps(run.spec)
    heights: list[float] = np.round(np.linspace(pull.from_nm, pull.to_nm, count + 1), 3).tolist()
    for round_ in rounds_of(run):
        if round_.to_nm is not None and round_.to_nm > heights[-1]:
            step_nm = (pull.to_nm - pull.from_nm) / count
            heights += centers_between(heights[-1], round_.to_nm, step_nm)
    return np.array(heights)


def centers_between(start_nm: float, stop_nm: float, spacing_nm: float) -> list[float]:
    """Centres after a height up to another one, in equal steps.

    Args:
        start_nm: The first height, which is not among the centres.
        stop_nm: The last height, which is.
        spacing_nm: About the length of a step.
    """
    count = max(1, round((stop_nm - start_nm) / spacing_nm))
    return [float(c) for c in np.round(np.linspace(start_nm, stop_nm, count + 1)[1:], 3)]


def comes_back(spec: RunSpec) -> bool:
    """Whether windows start on the way back into the pocket, as in every second replica."""
    return spec.replica % 2 == 1


def pull_steps(run: Run, starts_from: str) -> list[PullStep]:
    """All steps of the pull, in order.

    Args:
        run: The run.
        starts_from: The product in whose final state the first step begins.
    """
    heights = [float(height) for height in pull_heights(run)]
    cost_ps = run.spec.pull.step_ps
    outwards: list[PullStep] = []
    for number, height in enumerate(heights):
        origin = heights[max(0, number - 1)]
        before = outwards[-1].name if outwards else starts_from
        outwards.append(PullStep(number, origin, height, before, cost_ps))
    if not comes_back(run.spec):
        return outwards
    end = n_pull_steps(run.spec)
    back: list[PullStep] = []
    for number in reversed(range(end)):
        before = back[-1].name if back else outwards[end].name
        origin = heights[number + 1]
        back.append(PullStep(number, origin, heights[number], before, cost_ps, back=True))
    return outwards[: end + 1] + back + outwards[end + 1 :]


def pulled_states(run: Run) -> list[PullStep]:
    """The steps whose states windows and walkers may start from, one a height, from the lowest.

    They are those on the way back in, where the path has one.
    """
    by_height = {step.height_nm: step for step in pull_steps(run, "")}
    return [by_height[height] for height in sorted(by_height)]
