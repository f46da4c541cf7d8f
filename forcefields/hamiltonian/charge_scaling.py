"""A factor on all charges of the sampled ligand, exact with PME, as parameters of the context.

Every charge of the ligand becomes s times its own, and every product of two in its 1-4 pairs s^2
times its own, so that the potential energy is quadratic in s:

    U(s) = U(0) + b s + c s^2        c = 2 (U(0) + U(1) - 2 U(1/2))        b = U(1) - U(0) - c

| symbol | here | meaning |
|---|---|---|
| s | `charge_scale`, with s^2 in `charge_scale_squared` | context parameters, 1 as made |
| b | first of `charge_terms` | kJ/mol: the ligand's charges with all others |
| c | second of `charge_terms` | kJ/mol: with each other, their images and the background of PME |

Lennard-Jones stays as it is, so no atoms overlap at any s, and no soft core is needed.
"""

from collections.abc import Iterable

import openmm as mm
from openmm import unit

from halobind.forcefields.hamiltonian.system import FORCE_GROUPS

SCALE = "charge_scale"
SCALE_SQUARED = "charge_scale_squared"


def add_charge_scaling(system: mm.System, atoms: Iterable[int]) -> None:
    """Put the charges of some atoms under the context parameters of this module, which are 1.

    Args:
        system: A System with one NonbondedForce; it is changed.
        atoms: Indices of all atoms of the ligand.

    Raises:
        ValueError: An exception joins one of the atoms to another atom of the System, with charges.
    """
    nonbonded = next(force for force in system.getForces() if isinstance(force, mm.NonbondedForce))
    ligand = {int(i) for i in atoms}
    nonbonded.addGlobalParameter(SCALE, 1.0)
    nonbonded.addGlobalParameter(SCALE_SQUARED, 1.0)
    for i in sorted(ligand):
        charge, sigma, epsilon = nonbonded.getParticleParameters(i)
        nonbonded.setParticleParameters(i, 0.0, sigma, epsilon)
        own_charge = charge.value_in_unit(unit.elementary_charge)
        nonbonded.addParticleParameterOffset(SCALE, i, own_charge, 0.0, 0.0)
    for k in range(nonbonded.getNumExceptions()):
        i, j, product, sigma, epsilon = nonbonded.getExceptionParameters(k)
        own_product = product.value_in_unit(unit.elementary_charge**2)
        if own_product == 0 or not {i, j} & ligand:
            continue
        if not {i, j} <= ligand:
            raise ValueError(f"atoms {i} and {j} are bonded, and only one belongs to the ligand")
        nonbonded.setExceptionParameters(k, i, j, 0.0, sigma, epsilon)
        nonbonded.addExceptionParameterOffset(SCALE_SQUARED, k, own_product, 0.0, 0.0)


def set_charge_scale(context: mm.Context, scale: float) -> None:
    """Give the ligand `scale` times its own charges."""
    context.setParameter(SCALE, scale)
    context.setParameter(SCALE_SQUARED, scale * scale)


def charge_terms(context: mm.Context) -> tuple[float, float]:
    """b and c of this module (kJ/mol) for the atoms where they are now.

    The scale of the context is as it was afterwards.
    """
    scale = context.getParameter(SCALE)
    energies = []
    for value in (0.0, 0.5, 1.0):
        set_charge_scale(context, value)
        state = context.getState(getEnergy=True, groups={FORCE_GROUPS["nonbonded"]})
        energies.append(state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))
    set_charge_scale(context, scale)
    none, half, full = energies
    c = 2 * (none + full - 2 * half)
    return full - none - c, c
