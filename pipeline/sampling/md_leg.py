"""One leg of molecular dynamics: from a state, through a number of steps, to a state.

The coordinate and frames are written on the way.

A leg is a pure function of engine, start and settings on one platform: every context is fresh,
every seed is given.
"""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openmm as mm
from openmm import unit

from halobind.forcefields.hamiltonian.alchemical_forces import AlchemicalForces
from halobind.forcefields.hamiltonian.binding_coordinate import BIAS_GROUP, Coordinate, set_bias
from halobind.forcefields.hamiltonian.system import FORCE_GROUPS
from halobind.pipeline.free_energy.constants import GAS_CONSTANT
from halobind.pipeline.sampling.dcd_writer import DCDWriter
from halobind.pipeline.sampling.platforms import MDPlatform

BAROSTAT_EVERY_STEPS = 25
MINIMISE_TOLERANCE = 50.0  # kJ/mol/nm, root mean square force
MINIMISE_MAX_ITERATIONS = 500


@dataclass(frozen=True, eq=False)
class MDState:
    """Where a piece of MD begins or ends."""

    positions: np.ndarray
    """(n, 3) in nm."""
    velocities: np.ndarray | None
    """(n, 3) in nm/ps; None where they are to be drawn."""
    box: np.ndarray
    """Lengths (3,) in nm."""


@dataclass(frozen=True, eq=False)
class MDEngine:
    """What moves the atoms."""

    system: mm.System
    """The Hamiltonian, with the umbrella."""
    coordinate: Coordinate
    """The binding coordinate, whose umbrella is in `system`."""
    platform: MDPlatform
    """What computes."""
    alchemy: AlchemicalForces | None = None
    """Gate and charge scaling, where they are in `system`."""


@dataclass(frozen=True)
class Leg:
    """What one leg does."""

    seed: int
    """Of thermostat, barostat and first velocities."""
    duration_ps: float
    """Its length."""
    record_ps: float
    """Between two records of the coordinate."""
    timestep_fs: float
    """Of the integrator."""
    friction_per_ps: float
    """Of the Langevin thermostat."""
    temperature_K: tuple[float, float]
    """Of the thermostat, at the begin and at the end; it changes linearly."""
    center_nm: tuple[float, float]
    """Of the umbrella, at the begin and at the end; it moves linearly."""
    k: float
    """Stiffness of the umbrella in kJ/mol/nm2."""
    minimise: bool = False
    """Whether the energy is minimised first."""
    pressure_bar: float | None = None
    """Of a barostat that moves the box along z; None for constant volume."""
    settle_box_nm: float | None = None
    """End in the frame of the second half whose box height was nearest to this one."""
    frame_ps: float = 0.0
    """Between two frames."""
    frame_atoms: np.ndarray | None = None
    """Indices (n,) of the atoms in a frame; no frames are written without any."""
    gate: tuple[float, float] = (0.0, 0.0)
    """Strength of the gate (kJ/mol), at the begin and at the end; it changes linearly."""
    charge_scale: tuple[float, float] = (1.0, 1.0)
    """Factor on the ligand's charges, at the begin and at the end; it changes linearly."""

    @property
    def steps(self) -> int:
        """Time steps between two records."""
        return max(1, round(self.record_ps / (self.timestep_fs / 1000)))

    @property
    def records(self) -> int:
        """Number of records."""
        return max(1, round(self.duration_ps / self.record_ps))

    @property
    def records_per_frame(self) -> int:
        """Records from one frame to the next; 0 when no frames are written."""
        if self.frame_atoms is None or len(self.frame_atoms) == 0:
            return 0
        return round(self.frame_ps / self.record_ps)


@dataclass(frozen=True, eq=False)
class LegResult:
    """Where a leg ended and what it recorded."""

    state: MDState
    """Where it ended."""
    cv: np.ndarray
    """Heights and lateral distances (n, 2 * heads) in nm, head after head."""
    box_z: np.ndarray
    """Box heights (n,) in nm."""
    energies: dict[str, float]
    """Potential energy in kJ/mol by force group at the end."""
    temperature_K: float
    """Kinetic temperature at the end."""
    duration_ps: float
    """What was simulated: whole steps in whole records, at least one."""
    wall_s: float
    """Seconds of stepping."""
    terms: np.ndarray | None = None
    """What AlchemicalForces.measure gave at each record, (n, 3); None without them."""


class UnstableError(RuntimeError):
    """The simulation blew up: a coordinate or an energy is not a finite number."""


def run_leg(
    engine: MDEngine,
    start: MDState,
    leg: Leg,
    folder: Path,
    progress: Callable[[float], None],
) -> LegResult:
    """Run one leg.

    Args:
        engine: System, coordinate and platform.
        start: Where it begins.
        leg: What it does.
        folder: Where frames.dcd goes.
        progress: Called with the fraction done after every record; may raise to abandon the leg.

    Returns:
        Where it ended and what it recorded.

    Raises:
        UnstableError: Positions or energy stopped being finite.
    """
    context, integrator = make_context(engine, start, leg)
    settled: MDState | None = None
    smallest_gap = np.inf
    began = time.perf_counter()
    with Recorder(leg, engine, folder) as recorder:
        for k in range(leg.records):
            _drive(engine, context, integrator, leg, (k + 1) / leg.records)
            integrator.step(leg.steps)
            recorder.take(context)
            if leg.settle_box_nm is not None and k >= leg.records // 2:
                gap = abs(recorder.box_z[-1] - leg.settle_box_nm)
                if gap < smallest_gap:
                    settled = current_state(context)
                    smallest_gap = gap
            progress((k + 1) / leg.records)
    return recorder.result(context, engine.system, time.perf_counter() - began, settled)


class Recorder:
    """What a leg records: coordinate and box height, and frames in folder/frames.dcd.

    A context manager.
    """

    def __init__(self, leg: Leg, engine: MDEngine, folder: Path) -> None:
        self.cv: list[np.ndarray] = []
        self.box_z: list[float] = []
        self.terms: list[np.ndarray] = []
        self._leg = leg
        self._coordinate = engine.coordinate
        self._alchemy = engine.alchemy
        self._frames = DCDWriter(folder / "frames.dcd")

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        self._frames.close()

    def take(self, context: mm.Context) -> None:
        """Record where `context` is now. Raises UnstableError when the anchor is nowhere finite."""
        positions, box = _snapshot(context)
        self.cv.append(np.array(self._coordinate.measure(positions, box)))
        self.box_z.append(float(box[2]))
        if not np.isfinite(self.cv[-1]).all():
            after = f"after {len(self.cv) * self._leg.record_ps:g} ps"
            raise UnstableError(
                f"the anchor's position is not finite {after} (umbrella at"
                f" {self._leg.center_nm[1]:g} nm)"
            )
        if self._alchemy is not None:
            self.terms.append(self._alchemy.measure(context, positions, box))
        every = self._leg.records_per_frame
        if every and len(self.cv) % every == 0:
            self._frames.write(positions[self._leg.frame_atoms], box)

    def result(
        self, context: mm.Context, system: mm.System, wall_s: float, state: MDState | None = None
    ) -> LegResult:
        """What the leg recorded.

        Args:
            context: Of the leg, at its end.
            system: What `context` computes.
            wall_s: Seconds of stepping.
            state: Where the leg ends; None for where `context` is.

        Raises:
            UnstableError: An energy is not finite.
        """
        energies, temperature = _energies(context, system)
        return LegResult(
            state=state or current_state(context),
            cv=np.array(self.cv),
            box_z=np.array(self.box_z),
            energies=energies,
            temperature_K=temperature,
            duration_ps=round(len(self.cv) * self._leg.steps * self._leg.timestep_fs / 1000, 9),
            wall_s=wall_s,
            terms=np.array(self.terms) if self.terms else None,
        )


def make_context(
    engine: MDEngine, start: MDState, leg: Leg
) -> tuple[mm.Context, mm.LangevinMiddleIntegrator]:
    """A fresh context at the start of a leg, with its integrator.

    It gets box, positions and bias, is minimised if the leg says so, and then gets velocities.

    Args:
        engine: System, coordinate and platform.
        start: Where the leg begins.
        leg: What it does.
    """
    system = engine.system
    if leg.pressure_bar is not None:
        system = copy.deepcopy(system)
        barostat = mm.MonteCarloAnisotropicBarostat(
            mm.Vec3(0, 0, leg.pressure_bar),
            leg.temperature_K[1],
            False,
            False,
            True,
            BAROSTAT_EVERY_STEPS,
        )
        barostat.setRandomNumberSeed(leg.seed % 1_000_000_007 + 1)
        system.addForce(barostat)
    integrator = mm.LangevinMiddleIntegrator(
        leg.temperature_K[0], leg.friction_per_ps, leg.timestep_fs / 1000
    )
    integrator.setRandomNumberSeed(leg.seed)
    context = engine.platform.context(system, integrator)
    set_box(context, start.box)
    context.setPositions(start.positions)
    set_state(engine, context, leg, 0.0)
    if leg.minimise:
        mm.LocalEnergyMinimizer.minimize(context, MINIMISE_TOLERANCE, MINIMISE_MAX_ITERATIONS)
    if start.velocities is None:
        context.setVelocitiesToTemperature(leg.temperature_K[0], leg.seed)
    else:
        context.setVelocities(start.velocities)
    return context, integrator


def set_state(engine: MDEngine, context: mm.Context, leg: Leg, fraction: float) -> None:
    """Set umbrella, gate and charge scale of a context to where they are at a fraction of a leg."""
    set_bias(context, leg.k, _between(leg.center_nm, fraction))
    if engine.alchemy is not None:
        gate = _between(leg.gate, fraction)
        engine.alchemy.set_state(context, gate, _between(leg.charge_scale, fraction))


def _between(ends: tuple[float, float], fraction: float) -> float:
    """A value that changes linearly from the first end to the last one."""
    first, last = ends
    return first + (last - first) * fraction if first != last else first


def set_box(context: mm.Context, box: np.ndarray) -> None:
    """Give a context a rectangular box of lengths (3,) in nm."""
    x, y, z = box
    context.setPeriodicBoxVectors(mm.Vec3(x, 0, 0), mm.Vec3(0, y, 0), mm.Vec3(0, 0, z))


def current_state(context: mm.Context) -> MDState:
    """Where a context is now."""
    positions, box = _snapshot(context)
    velocities = context.getState(getVelocities=True).getVelocities(asNumpy=True)
    return MDState(positions, velocities.value_in_unit(unit.nanometer / unit.picosecond), box)


def _drive(
    engine: MDEngine,
    context: mm.Context,
    integrator: mm.LangevinMiddleIntegrator,
    leg: Leg,
    fraction: float,
) -> None:
    """Move bias, gate, charges and thermostat to where they belong at this fraction of the leg."""
    if any(first != last for first, last in (leg.center_nm, leg.gate, leg.charge_scale)):
        set_state(engine, context, leg, fraction)
    cold, warm = leg.temperature_K
    if cold != warm:
        integrator.setTemperature(cold + (warm - cold) * fraction)


def _snapshot(context: mm.Context) -> tuple[np.ndarray, np.ndarray]:
    """Positions (n, 3) and box lengths (3,) in nm now."""
    state = context.getState(getPositions=True)
    vectors = state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer)
    return state.getPositions(asNumpy=True).value_in_unit(unit.nanometer), np.diag(vectors)


def _energies(context: mm.Context, system: mm.System) -> tuple[dict[str, float], float]:
    """Potential energies (kJ/mol) by force group and the kinetic temperature (K) now.

    Raises:
        UnstableError: One of them is not finite.
    """
    kj = unit.kilojoule_per_mole
    groups = FORCE_GROUPS | {"bias": BIAS_GROUP}
    energies = {
        name: context.getState(getEnergy=True, groups={group})
        .getPotentialEnergy()
        .value_in_unit(kj)
        for name, group in groups.items()
    }
    kinetic = context.getState(getEnergy=True).getKineticEnergy().value_in_unit(kj)
    for name, value in (*energies.items(), ("kinetic", kinetic)):
        if not np.isfinite(value):
            raise UnstableError(f"the {name} energy is {value}")
    massive = sum(
        1 for i in range(system.getNumParticles()) if system.getParticleMass(i) > 0 * unit.dalton
    )
    return energies, 2 * kinetic / (GAS_CONSTANT * (3 * massive - system.getNumConstraints()))
