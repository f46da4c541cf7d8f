"""The audit of a System before anything runs: charge by group, energy by force, types, cutoff
against the box.
"""

from dataclasses import dataclass

import numpy as np
import openmm as mm
from openmm import unit

from halobind.forcefields.hamiltonian.system import pair_table
from halobind.forcefields.packs.molecule_library import SHIPPED_MOLECULES, MoleculeLibrary
from halobind.forcefields.packs.pack import Pack
from halobind.structures.models.model import Model

NEUTRAL_E = 1e-6


@dataclass(frozen=True)
class Audit:
    """What was found: charges in e by group, energies in kJ/mol by force at the built geometry, the
    pair parameters in use.
    """

    charge_e: dict[str, float]
    net_charge_e: float
    energy_kJ_mol: dict[str, float]
    types: tuple[str, ...]
    pair_sources: dict[str, str]
    cutoff_nm: float
    box_nm: tuple[float, float, float]
    n_atoms: int
    n_constraints: int


def audit_system(
    system: mm.System, model: Model, pack: Pack, library: MoleculeLibrary = SHIPPED_MOLECULES
) -> Audit:
    """Check and describe `system`, made with the same `library`. Raises ValueError when it is charged,
    an energy is not finite or exclusions differ.
    """
    nonbonded = next(force for force in system.getForces() if isinstance(force, mm.NonbondedForce))
    pairs = next(
        force for force in system.getForces() if isinstance(force, mm.CustomNonbondedForce)
    )
    charges = np.array(
        [
            nonbonded.getParticleParameters(i)[0].value_in_unit(unit.elementary_charge)
            for i in range(model.n_atoms)
        ]
    )
    net = float(charges.sum())
    if abs(net) > NEUTRAL_E:
        raise ValueError(
            f"the system carries {net:+.6f} e; it must be neutral to {NEUTRAL_E} e: check the"
            " charges in the force-field files"
        )
    if pairs.getNumExclusions() != nonbonded.getNumExceptions():
        raise ValueError(
            f"{pairs.getNumExclusions()} pair exclusions but {nonbonded.getNumExceptions()}"
            " nonbonded exceptions"
        )
    energies = _energies(system, model)
    for name, value in energies.items():
        if not np.isfinite(value):
            raise ValueError(f"the {name} energy of the built model is {value}: two atoms overlap")
    _, table, kinds = pair_table(nonbonded, model, pack, library)
    return Audit(
        charge_e={group: float(charges[index].sum()) for group, index in model.groups.items()},
        net_charge_e=net,
        energy_kJ_mol=energies,
        types=tuple(kinds),
        pair_sources={f"{ion}-{other}": pair.source for (ion, other), pair in table.items()},
        cutoff_nm=nonbonded.getCutoffDistance().value_in_unit(unit.nanometer),
        box_nm=tuple(float(x) for x in model.box),
        n_atoms=model.n_atoms,
        n_constraints=system.getNumConstraints(),
    )


def _energies(system: mm.System, model: Model) -> dict[str, float]:
    """Potential energy in kJ/mol of every force at the built positions, on the Reference platform."""
    probe = mm.XmlSerializer.deserialize(mm.XmlSerializer.serialize(system))
    for k, force in enumerate(probe.getForces()):
        force.setForceGroup(k)
    context = mm.Context(
        probe, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference")
    )
    context.setPositions(model.positions)
    found = {}
    for k, force in enumerate(probe.getForces()):
        energy = context.getState(getEnergy=True, groups={k}).getPotentialEnergy()
        found[force.getName()] = found.get(force.getName(), 0.0) + energy.value_in_unit(
            unit.kilojoule_per_mole
        )
    return found
