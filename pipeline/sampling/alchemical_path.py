"""The alchemical path of a run: its states in order, and the start state that each of them gets.

From the well to the plateau,

    whole charges, gate open -> gate shut -> charges scaled down      in the well
    one umbrella after the other                                      scaled charges, gate shut
    charges scaled up -> gate opened, strength by strength            far away

so that neighbours differ in one thing and overlap. A start state is drawn along this path, a step a
state; in every second replica it goes all the way out and then back in, and states start from the
way back.
"""

import hashlib
import itertools
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from halobind.pipeline.campaign.run_directory import Run
from halobind.pipeline.campaign.settings import AlchemicalSection, RunSpec
from halobind.pipeline.free_energy.alchemical_samples import AlchemicalState
from halobind.pipeline.sampling.product import PREPARE
from halobind.pipeline.sampling.pull_steps import comes_back
from halobind.pipeline.sampling.run_context import RunContext, final_state, unbiased_leg
from halobind.pipeline.sampling.segment_files import write_alchemical_segment


def alchemical_states(spec: RunSpec, settings: AlchemicalSection) -> tuple[AlchemicalState, ...]:
    """The states of the path of a run, the well first and the plateau (at `[pull] to_nm`) last."""
    shut = settings.gates_kJ_mol[-1]
    end_k = settings.end_k_kJ_mol_nm2
    scales = settings.charge_scales
    well_nm = settings.well_nm
    far_nm = spec.pull.to_nm
    count = max(1, round((far_nm - well_nm) / settings.spacing_nm))
    centers = [float(c) for c in np.round(np.linspace(well_nm, far_nm, count + 1), 3)]
    well = [AlchemicalState(well_nm, end_k, 0.0, 1.0)]
    well += [AlchemicalState(well_nm, end_k, shut, scale) for scale in scales]
    row = [AlchemicalState(c, settings.k_kJ_mol_nm2, shut, scales[-1]) for c in centers]
    far = [AlchemicalState(far_nm, end_k, shut, scale) for scale in reversed(scales)]
    opened = [
        AlchemicalState(far_nm, end_k, gate, 1.0) for gate in reversed(settings.gates_kJ_mol[:-1])
    ]
    # where the umbrellas at the ends are as stiff as those between, states would be there twice
    return tuple(dict.fromkeys((*well, *row, *far, *opened)))


def state_label(state: AlchemicalState, settings: AlchemicalSection) -> str:
    """A state is named by what it is: "z+0.350-k3000-g100-s0.3-r0.4"."""
    return (
        f"z{state.center_nm:+.3f}-k{state.k:.12g}-g{state.gate:.12g}-s{state.scale:.12g}"
        f"-r{settings.gate_radius_nm:.12g}"
    )


@dataclass(frozen=True)
class PathStep:
    """One step of the path: umbrella, gate and charges move from those of one state to those of
    its neighbour, where a start state is published.
    """

    number: int
    """That of the state on the path."""
    origin: AlchemicalState
    """At the begin."""
    state: AlchemicalState
    """At the end."""
    starts_from: str
    """The product in whose final state it begins."""
    settings: AlchemicalSection
    digest: str
    """Checksum over the whole path, as each step depends on all before it."""
    back: bool = False
    """Whether it leads back into the well."""
    stage: ClassVar[str] = "path"
    chain: ClassVar[str] = PREPARE

    @property
    def name(self) -> str:
        """For example "path/1f2e3d4c-003", or "path/1f2e3d4c-back-003" on the way back."""
        return f"{self.stage}/{self.digest}-{'back-' * self.back}{self.number:03d}"

    @property
    def cost_ps(self) -> float:
        """Its length."""
        return self.settings.step_ps

    def make(self, context: RunContext, out: Path) -> None:
        """Go on from where the step before it ended."""
        run = context.run
        radius_nm = self.settings.gate_radius_nm
        leg = replace(
            unbiased_leg(run, self.name),
            duration_ps=self.cost_ps,
            center_nm=(self.origin.center_nm, self.state.center_nm),
            k=self.state.k,
            gate=(self.origin.gate, self.state.gate),
            charge_scale=(self.origin.scale, self.state.scale),
        )
        start = final_state(run, self.starts_from)
        result = context.run_alchemical_leg(radius_nm, start, leg, out)
        write_alchemical_segment(context, out, leg, result, radius_nm, {})


def path_steps(run: Run, settings: AlchemicalSection, starts_from: str) -> list[PathStep]:
    """All steps of the path in order, the first from the final state of `starts_from`."""
    states = alchemical_states(run.spec, settings)
    digest = _digest(states, settings)
    outwards: list[PathStep] = []
    for number, state in enumerate(states):
        origin = states[max(0, number - 1)]
        before = outwards[-1].name if outwards else starts_from
        outwards.append(PathStep(number, origin, state, before, settings, digest))
    if not comes_back(run.spec):
        return outwards
    back: list[PathStep] = []
    for later, state in itertools.pairwise(reversed(states)):
        number = len(states) - 2 - len(back)
        before = back[-1].name if back else outwards[-1].name
        back.append(PathStep(number, later, state, before, settings, digest, back=True))
    return outwards + back


def start_steps(run: Run, settings: AlchemicalSection) -> list[PathStep]:
    """The step that each state of the path starts from: on the way back, where there is one."""
    by_number = {step.number: step for step in path_steps(run, settings, "")}
    return [by_number[number] for number in sorted(by_number)]


def _digest(states: tuple[AlchemicalState, ...], settings: AlchemicalSection) -> str:
    content = [[asdict(state) for state in states], settings.gate_radius_nm, settings.step_ps]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:8]
