"""The restraint that holds an ion pair together.

Its energy is 0.5 k max(0, d - reach)^2, with d the distance of a head and the ion that leaves with
it.
"""

import numpy as np
import openmm as mm

from halobind.forcefields.hamiltonian.binding_coordinate import BIAS_GROUP
from halobind.structures.assembly.solvate import ceil_nm
from halobind.structures.models.model import Model
from halobind.structures.molecules.periodic import minimum_image


def add_pair_restraint(system: mm.System, model: Model, reach_nm: float, k: float) -> None:
    """Hold each anchor and the ion of the group partner nearest to it, by a force of force group 4.

    OpenMM counts the two as one molecule, which moves as a whole when a barostat scales the box.

    Args:
        system: The System to add the force to; nothing is added when no ion leaves.
        model: Its atoms, as built.
        reach_nm: Distance in nm up to which the restraint does nothing.
        k: Stiffness in kJ/mol/nm2.

    Raises:
        ValueError: The built distance is not below `reach_nm`, so the restraint would act on the
            bound ligand.
    """
    partners = model.groups["partner"]
    if not len(partners):
        return
    force = mm.CustomBondForce("0.5*pair_k*max(0, r - pair_reach)^2")
    force.setName("ion pair")
    force.addGlobalParameter("pair_k", k)
    force.addGlobalParameter("pair_reach", reach_nm)
    force.setUsesPeriodicBoundaryConditions(True)
    for anchor in model.groups["anchor"]:
        distance = np.linalg.norm(
            minimum_image(model.positions[partners] - model.positions[anchor], model.box), axis=1
        )
        nearest = int(distance.argmin())
        if distance[nearest] > reach_nm - 0.01:
            raise ValueError(
                f"pair_nm = {reach_nm:g} would pull on {model.elements[partners[nearest]]}, which"
                f" is {distance[nearest]:.2f} nm from the bound head as built: set pair_nm to"
                f" {ceil_nm(distance[nearest] + 0.05)}"
            )
        force.addBond(int(anchor), int(partners[nearest]), [])
    force.setForceGroup(BIAS_GROUP)
    system.addForce(force)
