"""Short constant-temperature runs for the checks: a generator of frames of a System."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import openmm as mm
from openmm import unit

from halobind.forcefields.validation.check_rows import Engine

TIMESTEP_PS = 0.004
SOFT_PS = 0.5  # at a quarter of the time step, after minimisation
FRICTION_PER_PS = 1.0
BAROSTAT_STEPS = 25


@dataclass(frozen=True)
class Sampling:
    """How long a run is, and under what conditions."""

    temperature_K: float
    """Temperature in K."""
    settle_ps: float
    """Time in ps before the first frame is counted."""
    measure_ps: float
    """Time in ps over which the frames are spread."""
    frames: int
    """Number of frames."""
    barostat: str = ""
    """The axes that a barostat scales: "xyz" (at 1 bar), "z", or none."""
    seed: int = 1
    """Seed of velocities, integrator and barostat."""
    pressure_bar: float = 1.0
    """Pressure in bar for "z": beside a slab 1 bar and what the cutoff takes from the liquid, see
    `hamiltonian/dispersion_tail.py`."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One moment of a run."""

    positions: np.ndarray
    """(n_atoms, 3) in nm."""
    box: np.ndarray
    """Edges (3,) in nm; zeros without a box."""
    energy: float
    """Potential energy in kJ/mol."""


class UnstableError(RuntimeError):
    """A run left the finite numbers."""


def sample(
    system: mm.System, positions: np.ndarray, box: np.ndarray | None, how: Sampling, engine: Engine
) -> Iterator[Frame]:
    """Minimise, settle, then yield frames.

    Args:
        system: The System; it is copied, and the copy gets the barostat.
        positions: Start (n_atoms, 3) in nm.
        box: Edges (3,) in nm; None: no box.
        how: Lengths and conditions.
        engine: Makes the context.

    Raises:
        UnstableError: An energy is not finite.
    """
    system = copy.deepcopy(system)
    kelvin = how.temperature_K
    if how.barostat == "xyz":
        system.addForce(mm.MonteCarloBarostat(1.0, kelvin, BAROSTAT_STEPS))
    elif how.barostat == "z":
        system.addForce(
            mm.MonteCarloAnisotropicBarostat(
                mm.Vec3(0, 0, how.pressure_bar), kelvin, False, False, True, BAROSTAT_STEPS
            )
        )
    if how.barostat:
        system.getForce(system.getNumForces() - 1).setRandomNumberSeed(how.seed)
    motion = mm.LangevinMiddleIntegrator(kelvin, FRICTION_PER_PS, TIMESTEP_PS / 4)
    motion.setRandomNumberSeed(how.seed)
    context = engine(system, motion)
    if box is not None:
        context.setPeriodicBoxVectors(*np.diag(box))
    context.setPositions(positions)
    mm.LocalEnergyMinimizer.minimize(context, 50.0, 500)
    context.setVelocitiesToTemperature(kelvin, how.seed)
    motion.step(round(4 * SOFT_PS / TIMESTEP_PS))
    motion.setStepSize(TIMESTEP_PS)
    motion.step(round(how.settle_ps / TIMESTEP_PS))
    for _ in range(how.frames):
        motion.step(max(1, round(how.measure_ps / how.frames / TIMESTEP_PS)))
        state = context.getState(getPositions=True, getEnergy=True)
        energy = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
        if not np.isfinite(energy):
            raise UnstableError(f"the energy is {energy}")
        edges = np.zeros(3)
        if box is not None:
            vectors = state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer)
            edges = np.diag(vectors)
        yield Frame(state.getPositions(asNumpy=True).value_in_unit(unit.nanometer), edges, energy)
