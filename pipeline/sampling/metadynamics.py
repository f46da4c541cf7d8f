"""Well-tempered metadynamics along the binding coordinate: what one walker does in a leg of MD.

The bias is a sum of Gaussian hills, each lower where the bias is already high (Barducci, Bussi and
Parrinello, Phys. Rev. Lett. 2008, 100, 020603), by OpenMM's own openmm.app.Metadynamics; harmonic
walls keep the anchor on the path:

    V(z, t) = sum_{t' < t} h exp(-V(z', t')/((gamma - 1) kT)) exp(-(z - z')^2/(2 w^2))
    z' = z(t')
    U_wall(z) = 0.5 k (max(0, z - top)^2 + max(0, bottom - z)^2)

| symbol | here | meaning |
|---|---|---|
| gamma | bias_factor | bias factor |
| h, w | height, width_nm | first height (kJ/mol) and standard deviation of a hill |
| bottom, top | path_nm | ends of the path |
| k | wall_k | stiffness (kJ/mol/nm2) of the walls there |
| V | bias, on grid | kJ/mol |
"""

import copy
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import openmm as mm
from openmm import unit
from openmm.app.metadynamics import BiasVariable, Metadynamics
from scipy.interpolate import CubicSpline

from halobind.forcefields.hamiltonian.binding_coordinate import BIAS_GROUP, Coordinate
from halobind.pipeline.free_energy.hills import Hills
from halobind.pipeline.sampling.md_leg import (
    Leg,
    LegResult,
    MDEngine,
    MDState,
    Recorder,
    make_context,
)

WALL = "0.5*end_k*(max(0, height - path_top)^2 + max(0, path_bottom - height)^2)"
NEVER = 10**9  # deposits between two exchanges of files: each walker has its own bias
# the id in the name of the file that a bias starts from: OpenMM draws its own ids below it, so
# that it never takes that file for its own
START_FILE_ID = 0x7FFFFFFF


@dataclass(frozen=True, eq=False)
class WalkResult:
    """What one leg of a walker gave."""

    leg: LegResult
    """Where it ended and what it recorded."""
    push: np.ndarray
    """Force (records,) of the bias on the anchor at each record in kJ/mol/nm."""
    bias: np.ndarray
    """What the bias has grown to on the grid of the hills, (n,) in kJ/mol."""


def run_walk(
    engine: MDEngine,
    start: MDState,
    leg: Leg,
    hills: Hills,
    folder: Path,
    progress: Callable[[float], None],
) -> WalkResult:
    """Run one leg while a bias grows.

    Args:
        engine: System, coordinate and platform; the System is left as it is.
        start: Where the leg begins.
        leg: What it does.
        hills: How the bias grows, and from what.
        folder: Where frames.dcd goes.
        progress: Called with the fraction done after every record; may raise to abandon the leg.

    Returns:
        The leg, the force of the bias at each record, and the bias at the end.

    Raises:
        UnstableError: Positions or energy stopped being finite.
        ValueError: As Walker raises it.
    """
    system = copy.deepcopy(engine.platform.form(engine.system))
    walker = Walker(system, engine.coordinate, hills, leg.temperature_K[1])
    context, integrator = make_context(replace(engine, system=system), start, leg)
    push = np.empty(leg.records)
    advance = walker.stepper(context, integrator)
    began = time.perf_counter()
    with Recorder(leg, engine, folder) as recorder:
        for k in range(leg.records):
            advance(leg.steps)
            recorder.take(context)
            push[k] = walker.push(recorder.cv[-1][0])
            progress((k + 1) / leg.records)
    result = recorder.result(context, system, time.perf_counter() - began)
    return WalkResult(result, push, walker.bias())


class Walker:
    """The bias of one leg: made before the context, which it then drives."""

    def __init__(
        self, system: mm.System, coordinate: Coordinate, hills: Hills, temperature_K: float
    ) -> None:
        """Add walls and bias to a System.

        Args:
            system: The System, which is changed.
            coordinate: The binding coordinate, of one head.
            hills: How the bias grows.
            temperature_K: Of the thermostat.

        Raises:
            ValueError: The coordinate has more than one head, or the start does not fit the grid.
        """
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
        walls.addGlobalParameter("end_k", hills.wall_k)
        walls.addGlobalParameter("path_bottom", hills.path_nm[0])
        walls.addGlobalParameter("path_top", hills.path_nm[1])
        walls.setForceGroup(BIAS_GROUP)
        system.addForce(walls)
        variable = BiasVariable(
            coordinate.height_force(), grid[0], grid[-1], hills.width_nm, False, len(grid)
        )
        # OpenMM's way to go on from a bias is a file in a folder, where it looks once, now
        with tempfile.TemporaryDirectory() as folder:
            np.save(Path(folder) / f"bias_{START_FILE_ID}_0.npy", start)
            self._metadynamics = Metadynamics(
                system,
                [variable],
                temperature_K,
                hills.bias_factor,
                hills.height,
                hills.every,
                saveFrequency=NEVER * hills.every,
                biasDir=folder,
            )
        self._hills = hills

    def stepper(self, context: mm.Context, integrator: mm.Integrator) -> Callable[[int], None]:
        """A function that makes a given number of steps, with a hill whenever one is due."""
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
        free_energy = self._metadynamics.getFreeEnergy().value_in_unit(unit.kilojoule_per_mole)
        bias: np.ndarray = free_energy * ((1 - gamma) / gamma)
        return bias

    def push(self, height: float) -> float:
        """Force (kJ/mol/nm) of the bias now on an anchor at a height in nm.

        OpenMM makes the same cubic spline of the bias.
        """
        return -float(CubicSpline(self._hills.grid, self.bias(), bc_type="natural")(height, 1))


@dataclass(frozen=True)
class _Simulation:
    """What OpenMM's Metadynamics uses of an openmm.app.Simulation."""

    context: mm.Context
    """Of the leg."""
    integrator: mm.Integrator = field(repr=False)
    """That of the context."""

    @property
    def currentStep(self) -> int:
        """Steps made so far."""
        return int(self.context.getStepCount())

    def step(self, count: int) -> None:
        """Make some steps."""
        self.integrator.step(count)
