"""Static relative permittivity of a solvent at 298.15 K and 1 bar, from fluctuations of its dipole.

    epsilon = 1 + <M^2> / (3 epsilon_0 V k T)

with M the dipole moment of the box of volume V, under Ewald summation with a conducting surrounding
(Neumann, Mol. Phys. 1983, 50, 841). Fixed charges have no electronic part, so that of a solvent
without permanent dipole is too low: it is what the model screens with, and that is the question.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import openmm as mm
from openmm import unit

from halobind.forcefields.packs.pack import Pack
from halobind.forcefields.validation.check_rows import (
    Engine,
    Measurement,
    Result,
    RowName,
    Target,
    block_mean,
    judge,
)
from halobind.forcefields.validation.dynamics import Sampling, sample
from halobind.forcefields.validation.equilibrate_liquids import TEMPERATURE_K, periodic_cell
from halobind.structures.assembly.liquid_boxes import load_liquid
from halobind.structures.molecules.catalogue import SOLVENTS
from halobind.structures.molecules.molecule import catalogue_molecule

GAS_CONSTANT = unit.MOLAR_GAS_CONSTANT_R.value_in_unit(unit.kilojoule_per_mole / unit.kelvin)
COULOMB = 138.93545764
"""1/(4 pi epsilon_0) in kJ/mol nm/e2."""
RELATIVE_TOLERANCE = 0.2
"""Of the experimental value; some rows are measured at 20 C, which is 2 % more."""


@dataclass(frozen=True)
class Permittivity:
    """A permittivity from a series of dipole moments."""

    value: float
    """Relative; 1 is the vacuum."""
    error: float
    """Standard error; NaN for a series that is too short for one."""
    correlation_ps: float
    """How long the dipole moment remembers itself; NaN where it does not fluctuate."""


def box_dipole(charges: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """The dipole moment (3,) in e nm of whole neutral molecules.

    Args:
        charges: (n,) in e.
        positions: (n, 3) in nm, no molecule cut by the faces of the box.
    """
    dipole: np.ndarray = charges @ positions
    return dipole


def permittivity_of(
    dipoles: np.ndarray, volumes_nm3: Sequence[float], frame_ps: float, temperature_K: float
) -> Permittivity:
    """The permittivity that a time series of dipole moments gives.

    The mean dipole moment is zero by symmetry and not taken off. The error is that of blocks or the
    one of as many independent samples of three Gaussian components as the correlation leaves,
    whichever is larger, because five blocks alone are often too sure.

    Args:
        dipoles: (n, 3) in e nm.
        volumes_nm3: volume of the box in each of the n frames.
        frame_ps: time between two frames.
        temperature_K: of the run.
    """
    squares = np.sum(dipoles**2, axis=1) / np.asarray(volumes_nm3)
    factor = 4 * math.pi * COULOMB / (3 * GAS_CONSTANT * temperature_K)
    fluctuation = block_mean(factor * squares)
    if not np.any(dipoles):
        return Permittivity(1.0, 0.0, math.nan)
    n_independent = len(dipoles) / _inefficiency(squares)
    gaussian_error = fluctuation.value * math.sqrt(2 / (3 * n_independent))
    is_short = math.isnan(fluctuation.error)
    error = math.nan if is_short else max(fluctuation.error, gaussian_error)
    inefficiencies = [_inefficiency(component) for component in dipoles.T]
    correlation_ps = float(np.mean(inefficiencies)) * frame_ps / 2
    return Permittivity(1.0 + fluctuation.value, error, correlation_ps)


def _inefficiency(series: np.ndarray) -> float:
    """Frames for one independent sample."""
    logging.getLogger("pymbar").setLevel(logging.ERROR)  # it advertises JAX when it is imported
    from pymbar.timeseries import statistical_inefficiency  # noqa: PLC0415 (after that line)

    return float(statistical_inefficiency(series))


def permittivity_check(_pack: Pack, engine: Engine, *, name: str, how: Sampling) -> Result:
    """The permittivity of a solvent row by its shipped parameters."""
    item = catalogue_molecule(name)
    box = load_liquid(name)
    cell = periodic_cell(item, box.positions, box.edge_nm)
    charges = _charges(cell.system)
    dipoles = []
    volumes = []
    for frame in sample(cell.system, cell.positions, np.full(3, cell.edge_nm), how, engine):
        dipoles.append(box_dipole(charges, frame.positions))
        volumes.append(float(frame.box.prod()))
    frame_ps = how.measure_ps / how.frames
    measured = permittivity_of(np.array(dipoles), volumes, frame_ps, TEMPERATURE_K)
    row = SOLVENTS[name]
    target = Target(
        row.permittivity, RELATIVE_TOLERANCE * row.permittivity, "", row.permittivity_source
    )
    note = (
        f"{how.measure_ps:g} ps of {len(box.positions)} molecules, fluctuations of the dipole; it"
        f" remembers itself for {measured.correlation_ps:.1f} ps; fixed charges without electronic"
        " polarisation"
    )
    measurement = Measurement(measured.value, measured.error)
    return Result(
        (judge(RowName("permittivity", name, "permittivity"), measurement, target, note),)
    )


def _charges(system: mm.System) -> np.ndarray:
    """The charge of every particle in e."""
    force = next(item for item in system.getForces() if isinstance(item, mm.NonbondedForce))
    each = [force.getParticleParameters(i)[0] for i in range(system.getNumParticles())]
    return np.array([charge.value_in_unit(unit.elementary_charge) for charge in each])
