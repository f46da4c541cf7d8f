"""One leg of molecular dynamics: from a state, through a number of steps, to a state, with the
coordinate and frames written.

A leg is a pure function of (system, start, settings) on one platform: every context is fresh, every
seed is given.
"""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openmm as mm
from mdtraj.formats import DCDTrajectoryFile
from openmm import unit

from halobind.forcefields.hamiltonian.binding_coordinate import BIAS_GROUP, Coordinate, set_bias
from halobind.forcefields.hamiltonian.system import FORCE_GROUPS
from halobind.pipeline.free_energy.constants import GAS_CONSTANT
from halobind.pipeline.sampling.platforms import Choice

BAROSTAT_EVERY = 25
MINIMISE_TOLERANCE = 50.0  # kJ/mol/nm, root mean square force


@dataclass(frozen=True, eq=False)
class MDState:
    """Positions (n, 3) nm, velocities (n, 3) nm/ps or None, box lengths (3,) nm."""

    positions: np.ndarray
    velocities: np.ndarray | None
    box: np.ndarray


@dataclass(frozen=True)
class Leg:
    """What one leg does. Times in ps, temperatures in K, centres in nm, k in kJ/mol/nm2.

    The umbrella centre and the thermostat move linearly from their first to their second value over
    the leg. With `pressure_bar` a barostat moves the box along z; `settle_box_nm` then ends the leg
    in the frame of its second half whose box was nearest to that height. `frame_atoms` are written
    every `frame_ps` (none when empty).
    """

    seed: int
    duration_ps: float
    record_ps: float
    timestep_fs: float
    friction_per_ps: float
    temperature_K: tuple[float, float]
    center_nm: tuple[float, float]
    k: float
    minimise: bool = False
    pressure_bar: float | None = None
    settle_box_nm: float | None = None
    frame_ps: float = 0.0
    frame_atoms: np.ndarray | None = None

    @property
    def steps(self) -> int:
        """Time steps between two records."""
        return max(1, round(self.record_ps / (self.timestep_fs / 1000)))

    @property
    def records(self) -> int:
        return max(1, round(self.duration_ps / self.record_ps))


@dataclass(frozen=True, eq=False)
class LegResult:
    """Where a leg ended and what it recorded: `cv` (n, 2 * heads) heights and lateral distances in
    nm, `box_z` (n,) in nm.

    `energies` in kJ/mol by force group at the end, `temperature_K` of the last frame, `wall_s`
    seconds of stepping. `duration_ps` is what was simulated: whole steps in whole records, at least
    one.
    """

    state: MDState
    cv: np.ndarray
    box_z: np.ndarray
    energies: dict[str, float]
    temperature_K: float
    duration_ps: float
    wall_s: float


class UnstableError(RuntimeError):
    """The simulation blew up: a coordinate or an energy is not a finite number."""


def run_leg(
    system: mm.System,
    start: MDState,
    leg: Leg,
    engine: tuple[Coordinate, Choice],
    folder: Path,
    tick: Callable[[float], None],
) -> LegResult:
    """Run one leg. Frames go to folder/frames.dcd; `tick(fraction)` is called after every record
    and may raise to abandon the leg.

    Raises UnstableError when positions or energy stop being finite.
    """
    coordinate, choice = engine
    context, integrator = make_context(system, start, leg, choice)
    chosen, chosen_gap = None, np.inf
    began = time.perf_counter()
    with Recorder(leg, coordinate, folder) as recorder:
        for k in range(leg.records):
            _drive(context, integrator, leg, (k + 1) / leg.records)
            integrator.step(leg.steps)
            recorder.take(context)
            height = recorder.box_z[-1]
            if (
                leg.settle_box_nm is not None
                and k >= leg.records // 2
                and abs(height - leg.settle_box_nm) < chosen_gap
            ):
                chosen, chosen_gap = current_state(context), abs(height - leg.settle_box_nm)
            tick((k + 1) / leg.records)
    return recorder.result(context, system, time.perf_counter() - began, chosen)


class Recorder:
    """What a leg records: the coordinate and the box height at every record, and frames in
    folder/frames.dcd. A context manager.
    """

    def __init__(self, leg: Leg, coordinate: Coordinate, folder: Path) -> None:
        self.cv: list[np.ndarray] = []
        self.box_z: list[float] = []
        self._leg, self._coordinate = leg, coordinate
        self._every = (
            round(leg.frame_ps / leg.record_ps)
            if leg.frame_atoms is not None and len(leg.frame_atoms)
            else 0
        )
        self._frames = DCDTrajectoryFile(str(folder / "frames.dcd"), "w") if self._every else None

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        if self._frames is not None:
            self._frames.close()

    def take(self, context: mm.Context) -> None:
        """Record where `context` is now. Raises UnstableError when the anchor's position is not
        finite.
        """
        positions, box = _snapshot(context)
        self.cv.append(np.array(self._coordinate.measure(positions, box)))
        self.box_z.append(float(box[2]))
        if not np.isfinite(self.cv[-1]).all():
            after = f"after {len(self.cv) * self._leg.record_ps:g} ps"
            raise UnstableError(
                f"the anchor's position is not finite {after} (umbrella at"
                f" {self._leg.center_nm[1]:g} nm)"
            )
        if self._frames is not None and len(self.cv) % self._every == 0:
            xyz = (10 * positions[self._leg.frame_atoms]).astype(np.float32)
            self._frames.write(xyz, cell_lengths=10 * box, cell_angles=np.full(3, 90.0))

    def result(
        self, context: mm.Context, system: mm.System, wall_s: float, state: MDState | None = None
    ) -> "LegResult":
        """What the leg recorded, ending in `state` or where `context` is."""
        energies, temperature = _energies(context, system)
        duration = round(len(self.cv) * self._leg.steps * self._leg.timestep_fs / 1000, 9)
        cv, box_z = np.array(self.cv), np.array(self.box_z)
        return LegResult(
            state or current_state(context), cv, box_z, energies, temperature, duration, wall_s
        )


def make_context(
    system: mm.System, start: MDState, leg: Leg, choice: Choice
) -> tuple[mm.Context, mm.LangevinMiddleIntegrator]:
    """A fresh context at the start of the leg: box, positions, bias, then velocities; minimised
    first when asked.
    """
    if leg.pressure_bar is not None:
        system = copy.deepcopy(system)
        barostat = mm.MonteCarloAnisotropicBarostat(
            mm.Vec3(0, 0, leg.pressure_bar),
            leg.temperature_K[1],
            False,
            False,
            True,
            BAROSTAT_EVERY,
        )
        barostat.setRandomNumberSeed(leg.seed % 1_000_000_007 + 1)
        system.addForce(barostat)
    integrator = mm.LangevinMiddleIntegrator(
        leg.temperature_K[0], leg.friction_per_ps, leg.timestep_fs / 1000
    )
    integrator.setRandomNumberSeed(leg.seed)
    context = choice.context(system, integrator)
    x, y, z = start.box
    context.setPeriodicBoxVectors(mm.Vec3(x, 0, 0), mm.Vec3(0, y, 0), mm.Vec3(0, 0, z))
    context.setPositions(start.positions)
    set_bias(context, leg.k, leg.center_nm[0])
    if leg.minimise:
        mm.LocalEnergyMinimizer.minimize(context, MINIMISE_TOLERANCE, 500)
    if start.velocities is None:
        context.setVelocitiesToTemperature(leg.temperature_K[0], leg.seed)
    else:
        context.setVelocities(start.velocities)
    return context, integrator


def _drive(
    context: mm.Context, integrator: mm.LangevinMiddleIntegrator, leg: Leg, fraction: float
) -> None:
    """Move bias centre and thermostat to where they belong at this fraction of the leg."""
    first, last = leg.center_nm
    if first != last:
        set_bias(context, leg.k, first + (last - first) * fraction)
    cold, warm = leg.temperature_K
    if cold != warm:
        integrator.setTemperature(cold + (warm - cold) * fraction)


def _snapshot(context: mm.Context) -> tuple[np.ndarray, np.ndarray]:
    state = context.getState(getPositions=True)
    vectors = state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer)
    return state.getPositions(asNumpy=True).value_in_unit(unit.nanometer), np.diag(vectors)


def current_state(context: mm.Context) -> MDState:
    positions, box = _snapshot(context)
    velocities = context.getState(getVelocities=True).getVelocities(asNumpy=True)
    return MDState(positions, velocities.value_in_unit(unit.nanometer / unit.picosecond), box)


def _energies(context: mm.Context, system: mm.System) -> tuple[dict[str, float], float]:
    """Potential energy by force group and temperature now; raises UnstableError when one is not
    finite.
    """
    kj = unit.kilojoule_per_mole
    groups = FORCE_GROUPS | {"bias": BIAS_GROUP}
    energies = {
        name: context.getState(getEnergy=True, groups={g}).getPotentialEnergy().value_in_unit(kj)
        for name, g in groups.items()
    }
    kinetic = context.getState(getEnergy=True).getKineticEnergy().value_in_unit(kj)
    for name, value in (*energies.items(), ("kinetic", kinetic)):
        if not np.isfinite(value):
            raise UnstableError(f"the {name} energy is {value}")
    massive = sum(
        1 for i in range(system.getNumParticles()) if system.getParticleMass(i) > 0 * unit.dalton
    )
    return energies, 2 * kinetic / (GAS_CONSTANT * (3 * massive - system.getNumConstraints()))


def save_state(state: MDState, path: Path) -> None:
    """Write an MDState as a portable OpenMM State file (XML)."""
    system = mm.System()
    for _ in range(len(state.positions)):
        system.addParticle(1.0)
    context = mm.Context(
        system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference")
    )
    x, y, z = state.box
    context.setPeriodicBoxVectors(mm.Vec3(x, 0, 0), mm.Vec3(0, y, 0), mm.Vec3(0, 0, z))
    context.setPositions(state.positions)
    if state.velocities is not None:
        context.setVelocities(state.velocities)
    whole = context.getState(getPositions=True, getVelocities=True)
    path.write_text(mm.XmlSerializer.serialize(whole), encoding="ascii")


def load_state(path: Path) -> MDState:
    """Read positions, velocities and box of an OpenMM State file. Raises OpenMMException when it is
    not one.
    """
    state = mm.XmlSerializer.deserialize(path.read_text(encoding="ascii"))
    velocities = state.getVelocities(asNumpy=True).value_in_unit(unit.nanometer / unit.picosecond)
    box = np.diag(state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer))
    return MDState(state.getPositions(asNumpy=True).value_in_unit(unit.nanometer), velocities, box)
