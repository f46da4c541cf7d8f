"""Equilibrated boxes of the solvents, which the builder tiles, by runs at constant pressure.

For every solvent row, or for some of them:

    python -m halobind.forcefields.validation.equilibrate_liquids
    python -m halobind.forcefields.validation.equilibrate_liquids acetone
"""

import sys
from dataclasses import dataclass
from importlib import metadata

import numpy as np
import openmm as mm
from openmm import app, unit

from halobind.forcefields.hamiltonian.system import HYDROGEN_MASS_DA, make_water_rigid
from halobind.forcefields.molecule_parameters.openmm_topology import add_residue
from halobind.forcefields.packs.molecule_library import SHIPPED_MOLECULES
from halobind.structures.assembly.liquid_boxes import LIQUIDS_FOLDER, Liquid, write_liquid
from halobind.structures.assembly.packmol import MoleculeCount, pack_box
from halobind.structures.assembly.solvate import molecules_per_nm3
from halobind.structures.models.model import Residue
from halobind.structures.molecules.catalogue import SOLVENTS
from halobind.structures.molecules.molecule import Molecule, catalogue_molecule

EDGE_NM = 2.45
TEMPERATURE_K = 298.15
PRESSURE_BAR = 1.0
CUTOFF_NM = 1.0
TIMESTEP_PS = 0.004
# Packed chains are straight: a hot start under pressure lets them coil before they settle.
HOT_K = 500.0
HOT_BAR = 1000.0
HOT_PS = 30.0
SETTLE_PS = 60.0
MEASURE_PS = 140.0
START_DENSITY_FRACTION = 0.95  # of the target: packed a little loosely


@dataclass(frozen=True, eq=False)
class Cell:
    """A cubic box of one kind of molecule."""

    system: mm.System
    """Its System."""
    topology: app.Topology
    """Its topology."""
    positions: np.ndarray
    """Start positions (n_atoms, 3) in nm."""
    edge_nm: float
    """Edge in nm."""


def liquid_cell(item: Molecule, count: int, edge_nm: float) -> Cell:
    """A packed cubic box of `count` molecules with the edge `edge_nm` in nm."""
    return periodic_cell(item, pack_box([MoleculeCount(item, count)], edge_nm, seed=1)[0], edge_nm)


def periodic_cell(item: Molecule, positions: np.ndarray, edge_nm: float) -> Cell:
    """The cell of molecules at given positions.

    Its System has PME, a dispersion correction, H-bond constraints and hydrogens of 3 Da.

    Args:
        item: The molecule.
        positions: (count, n_atoms, 3) in nm.
        edge_nm: Edge of the box in nm.
    """
    count = len(positions)
    topology = app.Topology()
    chain = topology.addChain()
    residues = []
    for number in range(count):
        add_residue(topology, chain, item)
        residues.append(Residue(item.name, number * item.n_atoms, (number + 1) * item.n_atoms))
    topology.setUnitCellDimensions((edge_nm,) * 3)
    system = app.ForceField(str(SHIPPED_MOLECULES.path(item.name))).createSystem(
        topology,
        nonbondedMethod=app.PME,
        nonbondedCutoff=CUTOFF_NM,
        constraints=app.HBonds,
        hydrogenMass=HYDROGEN_MASS_DA,
    )
    make_water_rigid(system, residues, item.elements * count)
    return Cell(system, topology, positions.reshape(-1, 3), edge_nm)


def equilibrate(name: str) -> Liquid:
    """Run a solvent at 298.15 K and 1 bar on one CPU thread.

    Returns:
        Its last frame, with the mean density of the run in kg/m3 and its error.
    """
    item = catalogue_molecule(name)
    count = max(24, round(molecules_per_nm3(item, SOLVENTS[name].density_kg_m3) * EDGE_NM**3))
    edge = (
        count / molecules_per_nm3(item, START_DENSITY_FRACTION * SOLVENTS[name].density_kg_m3)
    ) ** (1 / 3)
    cell = liquid_cell(item, count, edge)
    cell.system.addForce(
        mm.MonteCarloBarostat(PRESSURE_BAR * unit.bar, TEMPERATURE_K * unit.kelvin, 25)
    )
    integrator = mm.LangevinMiddleIntegrator(
        TEMPERATURE_K * unit.kelvin, 1.0 / unit.picosecond, TIMESTEP_PS * unit.picosecond
    )
    context = mm.Context(
        cell.system, integrator, mm.Platform.getPlatformByName("CPU"), {"Threads": "1"}
    )
    context.setPositions(cell.positions)
    mm.LocalEnergyMinimizer.minimize(context, 10.0, 500)
    context.setParameter(mm.MonteCarloBarostat.Pressure(), HOT_BAR)
    integrator.setStepSize(0.5 * TIMESTEP_PS)
    integrator.setTemperature(HOT_K)
    context.setParameter(mm.MonteCarloBarostat.Temperature(), HOT_K)
    context.setVelocitiesToTemperature(HOT_K, 1)
    integrator.step(round(HOT_PS / (0.5 * TIMESTEP_PS)))
    integrator.setTemperature(TEMPERATURE_K)
    context.setParameter(mm.MonteCarloBarostat.Temperature(), TEMPERATURE_K)
    context.setParameter(mm.MonteCarloBarostat.Pressure(), PRESSURE_BAR)
    integrator.setStepSize(TIMESTEP_PS)
    integrator.step(round(SETTLE_PS / TIMESTEP_PS))
    densities = []
    for _ in range(200):
        integrator.step(round(MEASURE_PS / 200 / TIMESTEP_PS))
        volume = context.getState().getPeriodicBoxVolume().value_in_unit(unit.nanometer**3)
        densities.append(count / volume / molecules_per_nm3(item, 1.0))
    blocks = np.array(densities).reshape(5, -1).mean(axis=1)
    state = context.getState(getPositions=True)
    edge = state.getPeriodicBoxVectors()[0][0].value_in_unit(unit.nanometer)
    positions = (
        state.getPositions(asNumpy=True)
        .value_in_unit(unit.nanometer)
        .reshape(count, item.n_atoms, 3)
    )
    centres = positions.mean(axis=1)
    positions = positions - edge * np.floor(centres / edge)[:, None]
    about = (
        f"{TEMPERATURE_K} K, {PRESSURE_BAR} bar, {SETTLE_PS + MEASURE_PS:g} ps after {HOT_PS:g} ps"
        f" at {HOT_K:g} K, cutoff {CUTOFF_NM} nm with dispersion correction, OpenMM"
        f" {metadata.version('openmm')}; python -m"
        f" halobind.forcefields.validation.equilibrate_liquids {name}"
    )
    return Liquid(
        name,
        edge,
        positions,
        float(np.mean(densities)),
        float(blocks.std(ddof=1) / np.sqrt(5)),
        about,
    )


def main(names: list[str]) -> int:
    """Write the boxes of the named solvents (all when empty); returns the exit code."""
    for name in names or list(SOLVENTS):
        if name not in SOLVENTS:
            print(
                f"there is no solvent {name!r}; the rows are {', '.join(SOLVENTS)}", file=sys.stderr
            )
            return 1
        liquid = equilibrate(name)
        write_liquid(liquid, LIQUIDS_FOLDER / f"{name}.txt")
        target = SOLVENTS[name].density_kg_m3
        print(
            f"{name}: {len(liquid.positions)} molecules, {liquid.density_kg_m3:.1f} +-"
            f" {liquid.error_kg_m3:.1f} kg/m3, target {target}"
            f" ({100 * (liquid.density_kg_m3 / target - 1):+.1f} %)",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
