"""The wall that keeps solvent out of a pocket until its ligand is far away: lambda(z) sum_i 0.5 k max(0, radius - d_i)^2.

d_i is the distance of a heavy atom of the solvent from the site, z the height of the head over it, and lambda falls from 1, where the head
begins to leave room, to 0 at the height `to_nm`: 1 - t squared, t = (z - from)/(to - from) between 0 and 1.

A pocket that a head has left fills with solvent, which has to leave again before a head can come back: that is slow, and a curve sampled
meanwhile depends on the direction. With the wall, solvent comes in as the head goes away and is pushed out as it returns. Free energy is a
function of state, and neither state feels the wall: in the bound one there is no solvent at the site, beyond `to_nm` there is no wall. So
dG0 is the same; the curve between the two, and with it barriers and times, is not.
"""

import openmm as mm

from forcefields.coordinate import BIAS_GROUP, Coordinate
from structures.model import Model

DRY_K = 5000.0  # kJ/mol/nm2: an atom goes 0.03 nm into the wall for kT at 300 K
BEGINS_NM = 0.1  # over the radius is the height where the wall begins to fade


def add_dry_wall(system: mm.System, model: Model, coordinate: Coordinate, radius_nm: float, to_nm: float) -> None:
    """Add the wall about each site of `coordinate`, k = 5000 kJ/mol/nm2, in force group 4: one CustomCVForce a head, so that no atoms count
    as one molecule. Raises ValueError when there is no solvent, or the wall would not have faded out above where it begins to.
    """
    heavy = [int(i) for i in model.groups["solvent"] if model.elements[i] != "H"]
    begins_nm = radius_nm + BEGINS_NM
    if not heavy:
        raise ValueError("there is no solvent to keep out of a pocket: set dry_nm = 0")
    if to_nm <= begins_nm:
        raise ValueError(f"the wall that keeps a pocket dry begins to fade at {begins_nm:g} nm: set dry_to_nm above it")
    for head in range(coordinate.heads):
        own = coordinate.head(head)
        inside = mm.CustomExternalForce(f"0.5*{DRY_K}*max(0, {radius_nm} - periodicdistance(x, y, z, x0, y0, z0))^2")
        for name in ("x0", "y0", "z0"):
            inside.addPerParticleParameter(name)
        for atom in heavy:
            inside.addParticle(atom, [float(value) for value in own.points[0]])
        wall = mm.CustomCVForce(f"inside*(1 - min(1, max(0, (height - {begins_nm:.12g})/{to_nm - begins_nm:.12g})))^2")
        wall.setName("dry pocket")
        wall.addCollectiveVariable("inside", inside)
        wall.addCollectiveVariable("height", own.height_force())
        wall.setForceGroup(BIAS_GROUP)
        system.addForce(wall)
