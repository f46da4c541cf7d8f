"""The missing attraction of a liquid against OpenMM's own dispersion correction."""

import numpy as np
import openmm as mm
import pytest
from openmm import unit

from halobind.forcefields.hamiltonian.dispersion_tail import tail_pressure_bar
from halobind.forcefields.validation.equilibrate_liquids import liquid_cell
from halobind.structures.assembly.solvate import molecules_per_nm3
from halobind.structures.molecules.catalogue import SOLVENTS
from halobind.structures.molecules.molecule import catalogue_molecule


@pytest.mark.parametrize("name", ["acetone", "hexane", "chloroform", "water"])
def test_pressure_is_that_of_the_dispersion_correction(name: str) -> None:
    """E = N^2 C / V, so p = -dE/dV = E / V of OpenMM's correction, in a box at the density of the
    row.
    """
    item, count = catalogue_molecule(name), {"water": 120}.get(name, 40)
    edge = (count / molecules_per_nm3(item, SOLVENTS[name].density_kg_m3)) ** (1 / 3)
    cell = liquid_cell(item, count, 1.15 * edge)
    force = next(f for f in cell.system.getForces() if isinstance(f, mm.NonbondedForce))
    force.setCutoffDistance(0.7)
    force.setUseSwitchingFunction(True)
    force.setSwitchingDistance(0.6)
    energies = []
    for corrected in (True, False):
        force.setUseDispersionCorrection(corrected)
        context = mm.Context(
            cell.system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference")
        )
        context.setPeriodicBoxVectors(*(edge * np.eye(3)))
        context.setPositions(cell.positions)
        energies.append(context.getState(getEnergy=True).getPotentialEnergy())
    pressure = (
        (energies[0] - energies[1]) / (edge**3 * unit.nanometer**3) / unit.AVOGADRO_CONSTANT_NA
    )
    assert tail_pressure_bar({name: 1.0}, 0.7) == pytest.approx(
        pressure.value_in_unit(unit.bar), rel=0.01
    )


def test_mixture_vacuum_and_cutoff() -> None:
    """A mixture lies between its parts, vacuum has no tail, and the tail goes with the third power
    of the cutoff.
    """
    acetone, hexane = (tail_pressure_bar({name: 1.0}, 1.0) for name in ("acetone", "hexane"))
    mixture = tail_pressure_bar({"acetone": 0.5, "hexane": 0.5}, 1.0)
    assert min(acetone, hexane) < mixture < max(acetone, hexane) < 0
    assert tail_pressure_bar({}, 1.0) == 0.0
    assert acetone / tail_pressure_bar({"acetone": 1.0}, 2.0) == pytest.approx(8.0, rel=0.2)
