"""Move molecules apart as soft spheres, bonds and angles kept: what makes room where rigid poses
overlap a little.
"""

from dataclasses import dataclass

import numpy as np
import openmm as mm
from openmm import unit
from scipy.sparse import coo_array, csr_array, triu

from halobind.structures.molecules.radii import CONTACT_RADII, CONTACT_SCALE

# kJ/mol/nm2: bonds, angles, and torsions about rigid bonds as springs between 1-2, 1-3 and 1-4
# neighbours
NETWORK_K = 2e5
SOFT_K = 2e4  # kJ/mol/nm2: the push between two atoms nearer than their contact distance
PIN_K = 2e4  # kJ/mol/nm2: what holds a head where it is
# spheres push from a little beyond the contact distance, so that what is left overlaps nothing
MARGIN = 1.03


@dataclass(frozen=True, eq=False)
class SoftAtoms:
    """Atoms to relax: elements, positions (n, 3) in nm, bonds (m, 2), which bonds are `rigid` (m,),
    masks (n,) of atoms that are `fixed` where they are and of atoms that are `pinned` by a stiff
    spring.
    """

    elements: tuple[str, ...]
    positions: np.ndarray
    bonds: np.ndarray
    rigid: np.ndarray
    fixed: np.ndarray
    pinned: np.ndarray


def relax_contacts(atoms: SoftAtoms, box: np.ndarray, iterations: int = 1500) -> np.ndarray:
    """Positions (n, 3) in nm after at most `iterations` steps of minimisation in the periodic `box`
    (3,) nm.

    E = sum 0.5 SOFT_K (d - r)^2 over pairs nearer than d = 1.03 * 0.8 * (r_i + r_j), molecules held
    together as elastic networks. One thread, so that the same input gives the same output.
    """
    system = mm.System()
    for fixed in atoms.fixed:
        system.addParticle(0.0 if fixed else 12.0)
    system.setDefaultPeriodicBoxVectors(*np.diag(box))
    moving = ~(atoms.fixed[atoms.bonds].all(axis=1))
    system.addForce(_network(atoms, moving))
    system.addForce(_soft_spheres(atoms))
    if atoms.pinned.any():
        system.addForce(_pins(atoms))
    context = mm.Context(
        system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("CPU"), {"Threads": "1"}
    )
    context.setPositions(atoms.positions)
    mm.LocalEnergyMinimizer.minimize(context, 5.0, iterations)
    moved = (
        context.getState(getPositions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    )
    return np.where(atoms.fixed[:, None], atoms.positions, moved)


def springs(atoms: SoftAtoms) -> np.ndarray:
    """Pairs (k, 2) that keep their distance: bonded, over an angle, or over a torsion about a rigid
    bond.
    """
    n = len(atoms.elements)

    def matrix(bonds: np.ndarray) -> csr_array:
        half = coo_array(
            (np.ones(len(bonds), dtype=np.int32), (bonds[:, 0], bonds[:, 1])), shape=(n, n)
        )
        return csr_array(half + half.T)

    bonded, stiff = matrix(atoms.bonds), matrix(atoms.bonds[atoms.rigid])
    near = coo_array(triu(bonded + bonded @ bonded + bonded @ stiff @ bonded, k=1))
    return np.stack([near.row, near.col], axis=1)


def _network(atoms: SoftAtoms, moving: np.ndarray) -> mm.HarmonicBondForce:
    force = mm.HarmonicBondForce()
    pairs = springs(
        SoftAtoms(
            atoms.elements,
            atoms.positions,
            atoms.bonds[moving],
            atoms.rigid[moving],
            atoms.fixed,
            atoms.pinned,
        )
    )
    lengths = np.linalg.norm(atoms.positions[pairs[:, 0]] - atoms.positions[pairs[:, 1]], axis=1)
    for (i, j), length in zip(pairs.tolist(), lengths.tolist(), strict=True):
        force.addBond(i, j, length, NETWORK_K)
    return force


def _soft_spheres(atoms: SoftAtoms) -> mm.CustomNonbondedForce:
    force = mm.CustomNonbondedForce(f"0.5*{SOFT_K}*step(d-r)*(d-r)^2; d=radius1+radius2")
    force.addPerParticleParameter("radius")
    scaled = [MARGIN * CONTACT_SCALE * CONTACT_RADII[element] for element in atoms.elements]
    for radius in scaled:
        force.addParticle([radius])
    force.createExclusionsFromBonds(atoms.bonds.tolist(), 2)
    force.setNonbondedMethod(mm.CustomNonbondedForce.CutoffPeriodic)
    force.setCutoffDistance(2.0 * max(scaled))
    return force


def _pins(atoms: SoftAtoms) -> mm.CustomExternalForce:
    force = mm.CustomExternalForce(f"0.5*{PIN_K}*periodicdistance(x, y, z, x0, y0, z0)^2")
    for axis in ("x0", "y0", "z0"):
        force.addPerParticleParameter(axis)
    for i in np.flatnonzero(atoms.pinned):
        force.addParticle(int(i), atoms.positions[i].tolist())
    return force
