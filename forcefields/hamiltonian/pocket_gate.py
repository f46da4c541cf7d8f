"""The gate: a soft repulsion that keeps the solvent out of the pocket while the head is away.

    U_gate = G sum_i (1 - (d_i/R)^2)^2        over the heavy atoms i of the solvent with d_i < R

| symbol | here | meaning |
|---|---|---|
| G | context parameter `gate` | strength, kJ/mol; 0: open |
| R | radius_nm | radius of the gate |
| d_i | | distance of atom i from the site, to its nearest image |
| U_gate / G | fill | how full the pocket is; no unit |

An empty pocket fills with solvent within picoseconds, and a filled one stands in the way of a head
that comes back. Both are slow beside the motion of the head, so that paths out and back differ.
With the gate shut on both ways there is one state less; it is opened where the head is far away,
and where that is fast.
"""

from dataclasses import dataclass

import numpy as np
import openmm as mm

from halobind.forcefields.hamiltonian.binding_coordinate import BIAS_GROUP
from halobind.structures.models.model import Model
from halobind.structures.molecules.periodic import minimum_image

GATE = "gate"
"""The context parameter: strength of the gate in kJ/mol."""


@dataclass(frozen=True, eq=False)
class PocketGate:
    """The gate of one site."""

    point: np.ndarray
    """The site (3,), nm."""
    atoms: np.ndarray
    """Indices (n,) of the heavy atoms of the solvent."""
    radius_nm: float
    """Where the gate ends."""

    def __post_init__(self) -> None:
        if np.shape(self.point) != (3,):
            raise ValueError(f"a gate stands at one site (3,), not {np.shape(self.point)}")
        if not self.radius_nm > 0:
            raise ValueError(f"radius_nm = {self.radius_nm} must be above 0")

    @classmethod
    def of(cls, model: Model, radius_nm: float) -> "PocketGate":
        """The gate at the site of the sampled ligand of a model.

        Raises:
            ValueError: The model has more than one sampled ligand.
        """
        if len(model.site_points) != 1:
            raise ValueError(f"a gate stands at one site, and there are {len(model.site_points)}")
        heavy = [int(i) for i in model.groups["solvent"] if model.elements[i] != "H"]
        return cls(model.site_points[0], np.array(heavy, dtype=int), radius_nm)

    def add_to(self, system: mm.System) -> None:
        """Add the gate to a System, open, in the force group of the bias."""
        force = mm.CustomExternalForce(
            f"{GATE}*max(0, 1"
            " - (periodicdistance(x, y, z, gate_x, gate_y, gate_z)/gate_radius)^2)^2"
        )
        force.setName("pocket gate")
        force.addGlobalParameter(GATE, 0.0)
        for axis, value in zip("xyz", self.point, strict=True):
            force.addGlobalParameter(f"gate_{axis}", float(value))
        force.addGlobalParameter("gate_radius", self.radius_nm)
        for atom in self.atoms:
            force.addParticle(int(atom), [])
        force.setForceGroup(BIAS_GROUP)
        system.addForce(force)

    def fill(self, positions: np.ndarray, box: np.ndarray) -> float:
        """How full the pocket is: U_gate / G.

        Args:
            positions: All atoms (n_atoms, 3), nm.
            box: Lengths (3,), nm.
        """
        delta = minimum_image(positions[self.atoms] - self.point, box)
        squares = (delta**2).sum(axis=1) / self.radius_nm**2
        return float((np.maximum(0.0, 1.0 - squares) ** 2).sum())
