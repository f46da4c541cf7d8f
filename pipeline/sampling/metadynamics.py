"""Well-tempered metadynamics along the binding coordinate: what one walker of a run does during one
leg of MD.

The bias is a sum of Gaussian hills, each lower where the bias is already high (Barducci, Bussi and
Parrinello, Phys. Rev. Lett. 2008, 100, 020603), by OpenMM's own openmm.app.Metadynamics; harmonic
walls keep the anchor on the path:

    V(z, t) = sum_{t' < t} h exp(-V(z', t')/((gamma - 1) kT)) exp(-(z - z')^2/(2 w^2))        z' = z(t')
    U_wall(z) = 0.5 k (max(0, z - top)^2 + max(0, bottom - z)^2)

| symbol | here | meaning |
|---|---|---|
| gamma, h, w | bias_factor, height, width_nm | bias factor, first height (kJ/mol) and standard deviation of a hill |
| bottom, top, k | path_nm, wall_k | ends of the path and stiffness (kJ/mol/nm2) of the walls there |
| V | bias, on grid | kJ/mol |
"""

import copy
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import openmm as mm
from openmm import unit
from openmm.app.metadynamics import BiasVariable, Metadynamics
from scipy.interpolate import CubicSpline

from halobind.forcefields.hamiltonian.binding_coordinate import BIAS_GROUP, Coordinate
from halobind.pipeline.free_energy.hills import Hills
from halobind.pipeline.sampling.md_leg import Leg, LegResult, MDState, Recorder, make_context
from halobind.pipeline.sampling.platforms import Choice

WALL = "0.5*end_k*(max(0, height - path_top)^2 + max(0, path_bottom - height)^2)"
NEVER = 10**9  # deposits between two exchanges of files: each walker has its own bias
# OpenMM draws ids below it, so that it never takes the file of the start for its own
NOT_AN_ID = 0x7FFFFFFF


def run_walk(
    system: mm.System,
    start: MDState,
    walk: tuple[Leg, Hills],
    engine: tuple[Coordinate, Choice],
    folder: Path,
    tick: Callable[[float], None],
) -> tuple[LegResult, np.ndarray, np.ndarray]:
    """Run one leg while a bias grows; frames and `tick` as in run_leg. Gives also the force of the
    bias (records,) kJ/mol/nm on the anchor at each record, and what the bias has grown to (n,)
    kJ/mol.

    Raises UnstableError, and ValueError as Walker does.
    """
    (leg, hills), (coordinate, choice) = walk, engine
    system = copy.deepcopy(choice.form(system))
    walker = Walker(system, coordinate, hills, leg.temperature_K[1])
    context, integrator = make_context(system, start, leg, choice)
    push, advance, began = (
        np.empty(leg.records),
        walker.stepper(context, integrator),
        time.perf_counter(),
    )
    with Recorder(leg, coordinate, folder) as recorder:
        for k in range(leg.records):
            advance(leg.steps)
            recorder.take(context)
            push[k] = walker.push(recorder.cv[-1][0])
            tick((k + 1) / leg.records)
    return recorder.result(context, system, time.perf_counter() - began), push, walker.bias()


class Walker:
    """The bias of one leg: made before the context, which it then drives. Raises ValueError for a
    coordinate with more than one head and for a start that does not fit the grid.
    """

    def __init__(
        self, system: mm.System, coordinate: Coordinate, hills: Hills, temperature_K: float
    ) -> None:
        """Add walls and bias to `system`."""
        grid = hills.grid
        if coordinate.heads != 1:
            raise ValueError(
                f"metadynamics biases one head and the coordinate has {coordinate.heads}: use faces"
                " = 1, or umbrella sampling"
            )
        start = np.zeros(len(grid)) if hills.start is None else hills.start
        if start.shape != grid.shape or not np.all(np.isfinite(start)):
            raise ValueError(
                f"the bias to go on from has shape {start.shape}, not {grid.shape}, or is not"
                " finite: remove its segment"
            )
        walls = coordinate.height_force(WALL)
        for name, value in (
            ("end_k", hills.wall_k),
            ("path_bottom", hills.path_nm[0]),
            ("path_top", hills.path_nm[1]),
        ):
            walls.addGlobalParameter(name, value)
        walls.setForceGroup(BIAS_GROUP)
        system.addForce(walls)
        variable = BiasVariable(
            coordinate.height_force(), grid[0], grid[-1], hills.width_nm, False, len(grid)
        )
        settings = (temperature_K, hills.bias_factor, hills.height, hills.every)
        with (
            tempfile.TemporaryDirectory() as folder
        ):  # OpenMM's way to go on from a bias; it looks there once, now
            np.save(Path(folder) / f"bias_{NOT_AN_ID}_0.npy", start)
            self._metadynamics = Metadynamics(
                system, [variable], *settings, saveFrequency=NEVER * hills.every, biasDir=folder
            )
        self._hills = hills

    def stepper(self, context: mm.Context, integrator: mm.Integrator) -> Callable[[int], None]:
        """A function that makes so many steps, with a hill whenever one is due."""
        simulation = _Simulation(context, integrator)

        def advance(steps: int) -> None:
            every = self._hills.every
            while steps > 0:
                part = min(steps, every - simulation.currentStep % every)
                self._metadynamics.step(simulation, part)
                steps -= part

        return advance

    def bias(self) -> np.ndarray:
        """The sum of the hills (n,) kJ/mol now, from OpenMM's free energy -gamma/(gamma - 1) V."""
        gamma = self._hills.bias_factor
        return self._metadynamics.getFreeEnergy().value_in_unit(unit.kilojoule_per_mole) * (
            (1 - gamma) / gamma
        )

    def push(self, height: float) -> float:
        """Force (kJ/mol/nm) of the bias now on an anchor at a height in nm: of the cubic spline
        that OpenMM makes of it.
        """
        return -float(CubicSpline(self._hills.grid, self.bias(), bc_type="natural")(height, 1))


@dataclass(frozen=True)
class _Simulation:
    """What OpenMM's Metadynamics asks of an openmm.app.Simulation."""

    context: mm.Context
    integrator: mm.Integrator = field(repr=False)

    @property
    def currentStep(self) -> int:
        return self.context.getStepCount()

    def step(self, count: int) -> None:
        self.integrator.step(count)
