"""Solvents at 298.15 K and 1 bar: density and heat of vaporisation by the shipped parameters."""

import openmm as mm
from openmm import app, unit

from halobind.forcefields.hamiltonian.system import HYDROGEN_MASS_DA, make_water_rigid
from halobind.forcefields.packs.molecule_library import SHIPPED_MOLECULES
from halobind.forcefields.packs.pack import Pack
from halobind.forcefields.validation.check_rows import (
    Engine,
    Result,
    Target,
    block_mean,
    judged,
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
DENSITY = 0.03  # relative tolerance


def gas_system(item: Molecule) -> mm.System:
    """One molecule without box and cutoff, with the constraints and masses of the liquid."""
    topology = app.Topology()
    owner = topology.addResidue(item.name, topology.addChain())
    atoms = [
        topology.addAtom(n, app.Element.getBySymbol(e), owner)
        for n, e in zip(item.names, item.elements, strict=True)
    ]
    for i, j in item.bonds:
        topology.addBond(atoms[i], atoms[j])
    field = app.ForceField(str(SHIPPED_MOLECULES.path(item.name)))
    system = field.createSystem(
        topology,
        nonbondedMethod=app.NoCutoff,
        constraints=app.HBonds,
        hydrogenMass=HYDROGEN_MASS_DA,
    )
    make_water_rigid(system, [Residue(item.name, 0, item.n_atoms)], item.elements)
    return system


def _reference(system: mm.System, integrator: mm.Integrator) -> mm.Context:
    """One molecule is fastest on the platform without threads."""
    return mm.Context(system, integrator, mm.Platform.getPlatformByName("Reference"))


def solvent_check(
    name: str, times: tuple[Sampling, Sampling], _pack: Pack, engine: Engine
) -> Result:
    """Density and heat of vaporisation, E(gas) - E(liquid)/N + RT, of a solvent row; `times` are
    (liquid, gas).
    """
    item, box = catalogue_molecule(name), load_liquid(name)
    cell = periodic_cell(item, box.positions, box.edge_nm)
    count = len(box.positions)
    frames = list(sample(cell.system, cell.positions, [cell.edge_nm] * 3, times[0], engine))
    density = block_mean(
        [count / float(frame.box.prod()) / molecules_per_nm3(item, 1.0) for frame in frames]
    )
    liquid = block_mean([frame.energy / count for frame in frames])
    gas = block_mean(
        [
            frame.energy
            for frame in sample(gas_system(item), item.positions, None, times[1], _reference)
        ]
    )
    heat = (
        gas[0] - liquid[0] + GAS_CONSTANT * TEMPERATURE_K,
        (gas[1] ** 2 + liquid[1] ** 2) ** 0.5,
    )
    row = SOLVENTS[name]
    wanted = Target(row.density_kg_m3, DENSITY * row.density_kg_m3, "kg/m3", row.source)
    note = (
        f"{times[0].measure_ps:g} ps of {count} molecules, cutoff {CUTOFF_NM:g} nm with dispersion"
        f" correction, {PRESSURE_BAR:g} bar; {times[1].measure_ps:g} ps of gas"
    )
    return Result(
        (
            judged(("solvent", name, "density(298 K)"), density, wanted, note),
            judged(
                ("solvent", name, "heat of vaporisation"),
                heat,
                target_of("heat of vaporisation", name),
                note,
            ),
        )
    )
