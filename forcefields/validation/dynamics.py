"""Short constant-temperature runs for the checks: a generator of frames from a System and a start."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import openmm as mm
from openmm import unit

from halobind.forcefields.validation.check_rows import Engine

TIMESTEP_PS = 0.004
SOFT_PS = 0.5  # at a quarter of the time step, after minimisation
FRICTION = 1.0  # 1/ps
BAROSTAT_EVERY = 25


@dataclass(frozen=True)
class Sampling:
    """How long and under what: `frames` frames over `measure_ps` after `settle_ps`; a barostat on
    "xyz" (1 bar), "z" or not at all.

    `pressure_bar` is for "z": a liquid beside a slab needs 1 bar and what the cutoff takes from it
    (forcefields/hamiltonian/dispersion_tail.py).
    """

    temperature_K: float
    settle_ps: float
    measure_ps: float
    frames: int
    barostat: str = ""
    seed: int = 1
    pressure_bar: float = 1.0


@dataclass(frozen=True, eq=False)
class Frame:
    """Positions (n, 3) and box (3,) in nm (zeros without a box), potential energy in kJ/mol."""

    positions: np.ndarray
    box: np.ndarray
    energy: float


class UnstableError(RuntimeError):
    """A run left the finite numbers."""


def sample(
    system: mm.System, positions: np.ndarray, box: np.ndarray | None, how: Sampling, engine: Engine
) -> Iterator[Frame]:
    """Minimise, settle, then yield `how.frames` frames. Raises UnstableError when an energy is not
    finite.
    """
    system = copy.deepcopy(system)
    kelvin = how.temperature_K
    if how.barostat == "xyz":
        system.addForce(mm.MonteCarloBarostat(1.0, kelvin, BAROSTAT_EVERY))
    elif how.barostat == "z":
        system.addForce(
            mm.MonteCarloAnisotropicBarostat(
                mm.Vec3(0, 0, how.pressure_bar), kelvin, False, False, True, BAROSTAT_EVERY
            )
        )
    if how.barostat:
        system.getForce(system.getNumForces() - 1).setRandomNumberSeed(how.seed)
    motion = mm.LangevinMiddleIntegrator(kelvin, FRICTION, TIMESTEP_PS / 4)
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
        sides = (
            np.diag(state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer))
            if box is not None
            else np.zeros(3)
        )
        yield Frame(state.getPositions(asNumpy=True).value_in_unit(unit.nanometer), sides, energy)
