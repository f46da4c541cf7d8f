"""The audit of a System before anything runs: its charges, energies, types, cutoff and box."""

from dataclasses import dataclass

import numpy as np
import openmm as mm
from openmm import unit

from halobind.forcefields.hamiltonian.system import assign_pairs
from halobind.forcefields.packs.molecule_library import SHIPPED_MOLECULES, MoleculeLibrary
from halobind.forcefields.packs.pack import Pack
from halobind.structures.models.model import Model

MAX_NET_CHARGE_E = 1e-6


@dataclass(frozen=True)
class Audit:
    """What a System holds, as audit.json records it."""

    charge_e: dict[str, float]
    """Total charge in e of each group of the model."""
    net_charge_e: float
    """Total charge in e of all atoms."""
    energy_kJ_mol: dict[str, float]
    """Potential energy in kJ/mol of each force, by its name, at the built geometry."""
    types: tuple[str, ...]
    """Types of the atoms: elements of the ions, then GAFF types."""
    pair_sources: dict[str, str]
    """Where the numbers of each pair "ION-TYPE" come from."""
    cutoff_nm: float
    """Cutoff of the NonbondedForce in nm."""
    box_nm: tuple[float, float, float]
    """Edges of the box in nm."""
    n_atoms: int
    """Number of atoms."""
    n_constraints: int
    """Number of constraints of bond lengths."""


def audit_system(
    system: mm.System, model: Model, pack: Pack, library: MoleculeLibrary = SHIPPED_MOLECULES
) -> Audit:
    """Check and describe a System.

    Args:
        system: What `make_system` made, with the same three other arguments.
        model: The atoms, at the geometry to evaluate.
        pack: The force field.
        library: The molecule files.

    Raises:
        ValueError: It is charged, an energy is not finite, or exclusions differ between forces.
    """
    nonbonded = next(force for force in system.getForces() if isinstance(force, mm.NonbondedForce))
    pair_force = next(
        force for force in system.getForces() if isinstance(force, mm.CustomNonbondedForce)
    )
    charges = np.array(
        [
            nonbonded.getParticleParameters(i)[0].value_in_unit(unit.elementary_charge)
            for i in range(model.n_atoms)
        ]
    )
    net_charge = float(charges.sum())
    if abs(net_charge) > MAX_NET_CHARGE_E:
        raise ValueError(
            f"the system carries {net_charge:+.6f} e; it must be neutral to {MAX_NET_CHARGE_E} e:"
            " check the charges in the force-field files"
        )
    if pair_force.getNumExclusions() != nonbonded.getNumExceptions():
        raise ValueError(
            f"{pair_force.getNumExclusions()} pair exclusions but {nonbonded.getNumExceptions()}"
            " nonbonded exceptions"
        )
    energies = _force_energies(system, model)
    for name, energy in energies.items():
        if not np.isfinite(energy):
            raise ValueError(f"the {name} energy of the built model is {energy}: two atoms overlap")
    assignment = assign_pairs(nonbonded, model, pack, library)
    return Audit(
        charge_e={group: float(charges[index].sum()) for group, index in model.groups.items()},
        net_charge_e=net_charge,
        energy_kJ_mol=energies,
        types=assignment.types,
        pair_sources={
            f"{ion}-{other}": pair.source for (ion, other), pair in assignment.pairs.items()
        },
        cutoff_nm=nonbonded.getCutoffDistance().value_in_unit(unit.nanometer),
        box_nm=(float(model.box[0]), float(model.box[1]), float(model.box[2])),
        n_atoms=model.n_atoms,
        n_constraints=system.getNumConstraints(),
    )


def _force_energies(system: mm.System, model: Model) -> dict[str, float]:
    """Energy in kJ/mol of each force at the built positions, by name, on the Reference platform."""
    copy = mm.XmlSerializer.deserialize(mm.XmlSerializer.serialize(system))
    for number, force in enumerate(copy.getForces()):
        force.setForceGroup(number)
    context = mm.Context(
        copy, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference")
    )
    context.setPositions(model.positions)
    energies: dict[str, float] = {}
    for number, force in enumerate(copy.getForces()):
        state = context.getState(getEnergy=True, groups={number})
        energy = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
        energies[force.getName()] = energies.get(force.getName(), 0.0) + energy
    return energies
