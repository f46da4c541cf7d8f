"""The walls that keep a slab intact.

Each ion has the energy 0.5 k max(0, d - reach)^2 of its distance d from where it was built.

A ligand that leaves alone leaves its pocket behind. States in which an ion of the surface follows
it belong to another process, with another free energy, and take far longer to sample. The walls
leave these states out.
"""

import numpy as np
import openmm as mm

from halobind.forcefields.hamiltonian.binding_coordinate import BIAS_GROUP
from halobind.structures.models.model import Model, residues_with

WALL_K = 5000.0  # kJ/mol/nm2: an ion goes 0.03 nm into its wall for kT at 300 K


def add_surface_walls(system: mm.System, model: Model, reach_nm: float) -> None:
    """Hold every ion of the crystal near where it was built, by a force of force group 4.

    Ions that are frozen, or are to leave with a ligand, have no wall. Of a molecule (A site) the
    heavy atoms have one each, farther out by twice their distance from its centre, so that it can
    turn.

    Args:
        system: The System to add the force to.
        model: Its atoms, where they were built.
        reach_nm: Distance in nm at which the wall of an ion begins.
    """
    force = mm.CustomExternalForce(
        "0.5*surface_k*max(0, periodicdistance(x, y, z, x0, y0, z0) - reach)^2"
    )
    force.setName("surface walls")
    force.addGlobalParameter("surface_k", WALL_K)
    for name in ("x0", "y0", "z0", "reach"):
        force.addPerParticleParameter(name)
    without_wall = np.union1d(model.groups["frozen"], model.groups["partner"])
    for ion in residues_with(model, model.groups["core"]):
        built = model.positions[ion]
        turning_nm = 2 * np.linalg.norm(built - built.mean(axis=0), axis=1)
        for atom, point, extra_nm in zip(ion, built, turning_nm, strict=True):
            if model.elements[atom] != "H" and not np.isin(ion, without_wall).any():
                parameters = (*point, reach_nm + extra_nm)
                force.addParticle(int(atom), [float(value) for value in parameters])
    force.setForceGroup(BIAS_GROUP)
    system.addForce(force)
