"""Solvents at 298.15 K and 1 bar: density and heat of vaporisation by the shipped parameters."""

import numpy as np
import openmm as mm
from openmm import app, unit

from halobind.forcefields.hamiltonian.system import HYDROGEN_MASS_DA, make_water_rigid
from halobind.forcefields.molecule_parameters.openmm_topology import molecule_topology
from halobind.forcefields.packs.molecule_library import SHIPPED_MOLECULES
from halobind.forcefields.packs.pack import Pack
from halobind.forcefields.validation.check_rows import (
    Engine,
    Measurement,
    Result,
    RowName,
    Target,
    block_mean,
    judge,
    target_of,
)
from halobind.forcefields.validation.dynamics import Sampling, sample
from halobind.forcefields.validation.equilibrate_liquids import (
    CUTOFF_NM,
    PRESSURE_BAR,
    TEMPERATURE_K,
    periodic_cell,
)
from halobind.structures.assembly.liquid_boxes import load_liquid
from halobind.structures.assembly.solvate import molecules_per_nm3
from halobind.structures.models.model import Residue
from halobind.structures.molecules.catalogue import SOLVENTS
from halobind.structures.molecules.molecule import Molecule, catalogue_molecule

GAS_CONSTANT = unit.MOLAR_GAS_CONSTANT_R.value_in_unit(unit.kilojoule_per_mole / unit.kelvin)
DENSITY_TOLERANCE = 0.03  # relative


def gas_system(item: Molecule) -> mm.System:
    """One molecule without box and cutoff, with the constraints and masses of the liquid."""
    field = app.ForceField(str(SHIPPED_MOLECULES.path(item.name)))
    system = field.createSystem(
        molecule_topology(item),
        nonbondedMethod=app.NoCutoff,
        constraints=app.HBonds,
        hydrogenMass=HYDROGEN_MASS_DA,
    )
    make_water_rigid(system, [Residue(item.name, 0, item.n_atoms)], item.elements)
    return system


def _reference_context(system: mm.System, integrator: mm.Integrator) -> mm.Context:
    """One molecule is fastest on the platform without threads."""
    return mm.Context(system, integrator, mm.Platform.getPlatformByName("Reference"))


def solvent_check(
    _pack: Pack, engine: Engine, *, name: str, liquid: Sampling, gas: Sampling
) -> Result:
    """Density and heat of vaporisation, E(gas) - E(liquid)/N + RT, of a solvent.

    Args:
        _pack: The force field; the parameters of a solvent do not depend on it.
        engine: Makes the context of the liquid.
        name: The solvent.
        liquid: The run of the liquid.
        gas: The run of one molecule.
    """
    item = catalogue_molecule(name)
    box = load_liquid(name)
    cell = periodic_cell(item, box.positions, box.edge_nm)
    count = len(box.positions)
    edges = np.full(3, cell.edge_nm)
    frames = list(sample(cell.system, cell.positions, edges, liquid, engine))
    density = block_mean(
        [count / float(frame.box.prod()) / molecules_per_nm3(item, 1.0) for frame in frames]
    )
    liquid_energy = block_mean([frame.energy / count for frame in frames])
    gas_frames = sample(gas_system(item), item.positions, None, gas, _reference_context)
    gas_energy = block_mean([frame.energy for frame in gas_frames])
    heat = Measurement(
        gas_energy.value - liquid_energy.value + GAS_CONSTANT * TEMPERATURE_K,
        (gas_energy.error**2 + liquid_energy.error**2) ** 0.5,
    )
    row = SOLVENTS[name]
    density_target = Target(
        row.density_kg_m3, DENSITY_TOLERANCE * row.density_kg_m3, "kg/m3", row.source
    )
    note = (
        f"{liquid.measure_ps:g} ps of {count} molecules, cutoff {CUTOFF_NM:g} nm with dispersion"
        f" correction, {PRESSURE_BAR:g} bar; {gas.measure_ps:g} ps of gas"
    )
    heat_target = target_of("heat of vaporisation", name)
    return Result(
        (
            judge(RowName("solvent", name, "density(298 K)"), density, density_target, note),
            judge(RowName("solvent", name, "heat of vaporisation"), heat, heat_target, note),
        )
    )
