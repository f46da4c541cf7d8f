"""The binding coordinate: height of the anchor over its site plane, its umbrella bias, and the cylinder that holds it."""

from dataclasses import dataclass

import numpy as np
import openmm as mm

BIAS_GROUP = 4
STEP_NM = 0.1  # any length below half the box less the height
HEIGHT = (  # n.d of the nearest image from two distances, because a GPU wraps positions: (|d + h n|^2 - |d|^2 - h^2)/(2 h)
    "height = (periodicdistance(x, y, z, px - step*nx, py - step*ny, pz - step*nz)^2 - periodicdistance(x, y, z, px, py, pz)^2 - step^2)"
    f"/(2*step); step = {STEP_NM}"
)


@dataclass(frozen=True)
class Coordinate:
    """z = height of the anchor atom over `point` (3,) nm along the box axis z; r = its lateral distance from the site axis.

    The umbrella is 0.5 k (z - centre)^2 through the context parameters `bias_k` (kJ/mol/nm2) and `bias_center` (nm over
    the site plane); the wall is 0.5 wall_k max(0, r - radius)^2.
    """

    anchor: int
    point: np.ndarray
    radius_nm: float
    wall_k: float

    def add_to(self, system: mm.System) -> None:
        """Add umbrella and wall to `system` as one external force in force group 4, with k = 0 until it is set."""
        force = mm.CustomExternalForce(
            "0.5*bias_k*periodicdistance(0, 0, z, 0, 0, site_z + bias_center)^2"
            " + 0.5*wall_k*max(0, periodicdistance(x, y, 0, site_x, site_y, 0) - wall_radius)^2"
        )
        force.setName("binding coordinate")
        force.addGlobalParameter("bias_k", 0.0)
        force.addGlobalParameter("bias_center", 0.0)
        force.addGlobalParameter("wall_k", self.wall_k)
        force.addGlobalParameter("wall_radius", self.radius_nm)
        for name, value in zip(("site_x", "site_y", "site_z"), self.point, strict=True):
            force.addGlobalParameter(name, float(value))
        force.addParticle(self.anchor, [])
        force.setForceGroup(BIAS_GROUP)
        system.addForce(force)

    def height_force(self, energy: str = "height") -> mm.CustomExternalForce:
        """A force whose energy (kJ/mol) is an expression in `height`, the z of `measure` (nm); for a bias that is not the umbrella."""
        force = mm.CustomExternalForce(f"{energy}; {HEIGHT}")
        for name in ("px", "py", "pz", "nx", "ny", "nz"):
            force.addPerParticleParameter(name)
        force.addParticle(self.anchor, [*(float(value) for value in self.point), 0.0, 0.0, 1.0])
        return force

    def measure(self, positions: np.ndarray, box: np.ndarray) -> tuple[float, float]:
        """(z, r) in nm from positions (n_atoms, 3) and box lengths (3,) in nm, by the nearest image."""
        delta = positions[self.anchor] - self.point
        delta = delta - box * np.round(delta / box)
        return float(delta[2]), float(np.hypot(delta[0], delta[1]))


def set_bias(context: mm.Context, k: float, center: float) -> None:
    """Set stiffness (kJ/mol/nm2) and centre (nm) of the umbrella, and make sure that they are set.

    Always call it after loading a state: a state carries the parameters of the window it came from.
    """
    context.setParameter("bias_k", k)
    context.setParameter("bias_center", center)
    if (context.getParameter("bias_k"), context.getParameter("bias_center")) != (k, center):
        raise RuntimeError(f"the context did not take bias_k = {k}, bias_center = {center}")
