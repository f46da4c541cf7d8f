"""Move molecules apart as soft spheres, bonds and angles kept, where rigid poses overlap."""

from dataclasses import dataclass, replace

import numpy as np
import openmm as mm
from openmm import unit
from scipy.sparse import coo_array, csr_array, triu

from halobind.structures.molecules.radii import CONTACT_RADII, CONTACT_SCALE

# Force constants in kJ/mol/nm2: of the springs between 1-2, 1-3 and (over rigid bonds) 1-4
# neighbours; of the push between two atoms nearer than their contact distance; of the pins.
NETWORK_K = 2e5
SOFT_K = 2e4
PIN_K = 2e4
# Spheres push from a little beyond the contact distance, so that what remains overlaps nothing.
CONTACT_MARGIN = 1.03
FORCE_TOLERANCE = 5.0  # kJ/mol/nm, where the minimisation stops


@dataclass(frozen=True, eq=False)
class SoftAtoms:
    """Atoms to relax."""

    elements: tuple[str, ...]
    """Element symbols, one an atom."""
    positions: np.ndarray
    """(n_atoms, 3) in nm."""
    bonds: np.ndarray
    """Bonded atom indices (n_bonds, 2)."""
    rigid: np.ndarray
    """Mask (n_bonds,) of the bonds that nothing may turn about."""
    fixed: np.ndarray
    """Mask (n_atoms,) of the atoms that do not move."""
    pinned: np.ndarray
    """Mask (n_atoms,) of the atoms that a stiff spring holds."""


def relax_contacts(atoms: SoftAtoms, box: np.ndarray, iterations: int = 1500) -> np.ndarray:
    """Move atoms apart by minimisation, on one thread so that the same input gives the same output.

    E = sum 0.5 SOFT_K (d - r)^2 over pairs nearer than d = 1.03 * 0.8 * (r_i + r_j), molecules held
    together as elastic networks.

    Args:
        atoms: The atoms.
        box: Edges (3,) in nm.
        iterations: The most steps of minimisation.

    Returns:
        Positions (n_atoms, 3) in nm.
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
    mm.LocalEnergyMinimizer.minimize(context, FORCE_TOLERANCE, iterations)
    moved = (
        context.getState(getPositions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    )
    return np.where(atoms.fixed[:, None], atoms.positions, moved)


def springs(atoms: SoftAtoms) -> np.ndarray:
    """Pairs (k, 2) that keep their distance.

    These are bonded, over an angle, or over a torsion about a rigid bond.
    """
    bonded = _adjacency(atoms.bonds, len(atoms.elements))
    stiff = _adjacency(atoms.bonds[atoms.rigid], len(atoms.elements))
    near = coo_array(triu(bonded + bonded @ bonded + bonded @ stiff @ bonded, k=1))
    return np.stack([near.row, near.col], axis=1)


def _adjacency(bonds: np.ndarray, n_atoms: int) -> csr_array:
    """Symmetric matrix (n_atoms, n_atoms) with a 1 for every bond (n_bonds, 2)."""
    ones = np.ones(len(bonds), dtype=np.int32)
    half = coo_array((ones, (bonds[:, 0], bonds[:, 1])), shape=(n_atoms, n_atoms))
    return csr_array(half + half.T)


def _network(atoms: SoftAtoms, moving: np.ndarray) -> mm.HarmonicBondForce:
    """Springs at their present lengths; only over the bonds of the mask `moving` (n_bonds,)."""
    force = mm.HarmonicBondForce()
    pairs = springs(replace(atoms, bonds=atoms.bonds[moving], rigid=atoms.rigid[moving]))
    lengths = np.linalg.norm(atoms.positions[pairs[:, 0]] - atoms.positions[pairs[:, 1]], axis=1)
    for (i, j), length in zip(pairs.tolist(), lengths.tolist(), strict=True):
        force.addBond(i, j, length, NETWORK_K)
    return force


def _soft_spheres(atoms: SoftAtoms) -> mm.CustomNonbondedForce:
    """What pushes atoms apart that are more than two bonds from each other."""
    force = mm.CustomNonbondedForce(f"0.5*{SOFT_K}*step(d-r)*(d-r)^2; d=radius1+radius2")
    force.addPerParticleParameter("radius")
    scaled = [CONTACT_MARGIN * CONTACT_SCALE * CONTACT_RADII[element] for element in atoms.elements]
    for radius in scaled:
        force.addParticle([radius])
    force.createExclusionsFromBonds(atoms.bonds.tolist(), 2)
    force.setNonbondedMethod(mm.CustomNonbondedForce.CutoffPeriodic)
    force.setCutoffDistance(2.0 * max(scaled))
    return force


def _pins(atoms: SoftAtoms) -> mm.CustomExternalForce:
    """Springs that hold the pinned atoms where they are."""
    force = mm.CustomExternalForce(f"0.5*{PIN_K}*periodicdistance(x, y, z, x0, y0, z0)^2")
    for axis in ("x0", "y0", "z0"):
        force.addPerParticleParameter(axis)
    for i in np.flatnonzero(atoms.pinned):
        force.addParticle(int(i), atoms.positions[i].tolist())
    return force
