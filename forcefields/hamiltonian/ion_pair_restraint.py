"""The restraint that holds an ion pair together: 0.5 k max(0, d - reach)^2 on the distance d of a
head and the ion that leaves with it.
"""

import numpy as np
import openmm as mm

from halobind.forcefields.hamiltonian.binding_coordinate import BIAS_GROUP
from halobind.structures.assembly.solvate import ceil_nm
from halobind.structures.models.model import Model
from halobind.structures.molecules.periodic import minimum_image


def add_pair_restraint(system: mm.System, model: Model, reach_nm: float, k: float) -> None:
    """Hold each ion of the group partner within `reach_nm` of the anchor it is nearest to as built,
    k in kJ/mol/nm2, in force group 4.

    OpenMM counts the two as one molecule, which moves as a whole when a barostat scales the box.
    Raises ValueError when the built distance is not below reach_nm: the restraint must do nothing
    while the ligand is bound.
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
        found = int(distance.argmin())
        if distance[found] > reach_nm - 0.01:
            where = (
                f"{model.elements[partners[found]]}, which is {distance[found]:.2f} nm from the"
                " bound head as built"
            )
            raise ValueError(
                f"pair_nm = {reach_nm:g} would pull on {where}: set pair_nm to"
                f" {ceil_nm(distance[found] + 0.05)}"
            )
        force.addBond(int(anchor), int(partners[found]), [])
    force.setForceGroup(BIAS_GROUP)
    system.addForce(force)
