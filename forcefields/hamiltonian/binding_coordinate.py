"""The binding coordinate: height of an anchor over its site, its umbrella, and its cylinder.

The height is along the outward normal of the site. With d the vector from the centre of the
umbrella, point + centre n, to the nearest image of the anchor,

    U = 0.5 k (n.d)^2 + 0.5 wall_k max(0, rho - radius)^2        rho^2 = |d|^2 - (n.d)^2

| symbol | here | meaning |
|---|---|---|
| point, n | points, normals | the site and its outward unit normal |
| centre, k | bias_center, bias_k | umbrella, context parameters |
| rho | r of `measure` | distance from the axis through the site |

Positions on a GPU are wrapped, so only distances between nearest images may be used:
n.d = (|d + h n|^2 - |d|^2 - h^2)/(2 h) for any h.
"""

from dataclasses import dataclass

import numpy as np
import openmm as mm

from halobind.structures.molecules.periodic import minimum_image

BIAS_GROUP = 4
STEP_NM = 0.1  # h: |d| + h must stay below half the box, and n.d loses |d|^2/h of single precision
BIAS_ENERGY = (
    "0.5*bias_k*along^2 + 0.5*wall_k*max(0, sqrt(max(1e-12, near - along^2)) -"
    " wall_radius)^2;along = (periodicdistance(x, y, z, cx - step*nx, cy - step*ny, cz -"
    " step*nz)^2 - near - step^2)/(2*step);near = periodicdistance(x, y, z, cx, cy, cz)^2;cx = px"
    f" + bias_center*nx; cy = py + bias_center*ny; cz = pz + bias_center*nz;step = {STEP_NM}"
)
HEIGHT_EXPRESSION = (
    "height = (periodicdistance(x, y, z, px - step*nx, py - step*ny, pz - step*nz)^2 -"
    f" periodicdistance(x, y, z, px, py, pz)^2 - step^2)/(2*step); step = {STEP_NM}"
)


@dataclass(frozen=True, eq=False)
class Coordinate:
    """The binding coordinate of one head or more, each over a site of its own.

    z is the height of an anchor over its point along its normal, r its distance from that axis. All
    heads have the umbrella 0.5 k (z - centre)^2 of the context parameters `bias_k` (kJ/mol/nm2) and
    `bias_center` (nm); the wall is 0.5 wall_k max(0, r - radius)^2.

    Raises:
        ValueError: The arrays differ in their number of heads, or a normal has not the length 1.
    """

    anchors: np.ndarray
    """(heads,) atom indices."""
    points: np.ndarray
    """(heads, 3) centres of the sites in nm."""
    normals: np.ndarray
    """(heads, 3) outward unit vectors."""
    radius_nm: float
    """Radius of the cylinder in nm."""
    wall_k: float
    """Stiffness of the cylinder's wall in kJ/mol/nm2."""

    def __post_init__(self) -> None:
        heads = len(self.anchors)
        if not heads or np.shape(self.points) != (heads, 3) or np.shape(self.normals) != (heads, 3):
            raise ValueError(
                f"{heads} anchors, points of shape {np.shape(self.points)}, normals of shape"
                f" {np.shape(self.normals)}: each head needs one of each"
            )
        if not np.allclose(np.linalg.norm(self.normals, axis=1), 1.0, atol=1e-6):
            raise ValueError(f"normals {np.round(self.normals, 6).tolist()} are not of length 1")

    @property
    def heads(self) -> int:
        """Number of heads."""
        return len(self.anchors)

    def add_to(self, system: mm.System) -> None:
        """Add umbrellas (k = 0 until it is set) and walls as one force of force group 4."""
        force = mm.CustomExternalForce(BIAS_ENERGY)
        force.setName("binding coordinate")
        force.addGlobalParameter("bias_k", 0.0)
        force.addGlobalParameter("bias_center", 0.0)
        force.addGlobalParameter("wall_k", self.wall_k)
        force.addGlobalParameter("wall_radius", self.radius_nm)
        self._add_heads(force)
        force.setForceGroup(BIAS_GROUP)
        system.addForce(force)

    def height_force(self, energy: str = "height") -> mm.CustomExternalForce:
        """A force for another bias: an energy (kJ/mol) of `height` (nm), summed over heads.

        Args:
            energy: An OpenMM expression in `height`, the z of a head.
        """
        force = mm.CustomExternalForce(f"{energy}; {HEIGHT_EXPRESSION}")
        self._add_heads(force)
        return force

    def _add_heads(self, force: mm.CustomExternalForce) -> None:
        for name in ("px", "py", "pz", "nx", "ny", "nz"):
            force.addPerParticleParameter(name)
        for anchor, point, normal in zip(self.anchors, self.points, self.normals, strict=True):
            force.addParticle(int(anchor), [float(value) for value in (*point, *normal)])

    def measure(self, positions: np.ndarray, box: np.ndarray) -> np.ndarray:
        """Heights and lateral distances by the nearest image.

        Args:
            positions: (n_atoms, 3) in nm.
            box: Edges (3,) in nm.

        Returns:
            (2 * heads,) in nm: z and r of one head after the other.
        """
        delta = minimum_image(positions[self.anchors] - self.points, box)
        z = (delta * self.normals).sum(axis=1)
        r = np.linalg.norm(delta - z[:, None] * self.normals, axis=1)
        return np.column_stack([z, r]).ravel()


def set_bias(context: mm.Context, k: float, center: float) -> None:
    """Set stiffness and centre of the umbrella, and make sure that they are set.

    Always call it after loading a state: a state carries the parameters of the window it came from.

    Args:
        context: A context of a System with a `Coordinate`.
        k: Stiffness in kJ/mol/nm2.
        center: Height in nm.

    Raises:
        RuntimeError: The context has other values afterwards.
    """
    context.setParameter("bias_k", k)
    context.setParameter("bias_center", center)
    if (context.getParameter("bias_k"), context.getParameter("bias_center")) != (k, center):
        raise RuntimeError(f"the context did not take bias_k = {k}, bias_center = {center}")
