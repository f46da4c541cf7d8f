"""Put a ligand on its site: head in the pocket, tail along the outward normal, turned and lifted until nothing clashes."""

from dataclasses import dataclass

import numpy as np

from structures.molecules import Molecule

# In nm. Van der Waals radii: Bondi, J. Phys. Chem. 1964, 68, 441; H: Rowland and Taylor, J. Phys. Chem. 1996, 100, 7384. Cs+ and Pb2+
# touch as ions: Shannon, Acta Cryst. 1976, A32, 751 (12- and 6-coordinate).
CONTACT_RADII = {"H": 0.110, "C": 0.170, "N": 0.155, "O": 0.152, "Br": 0.185, "Pb": 0.119, "Cs": 0.188}
CONTACT_SCALE = 0.80


@dataclass(frozen=True)
class Placement:
    """Where the ligand went: positions (n_atoms, 3) in nm, the height of its anchor over the site plane, the contact score."""

    positions: np.ndarray
    height_nm: float
    score: float


def place(molecule: Molecule, point: np.ndarray, others: tuple[tuple[str, ...], np.ndarray], box: np.ndarray) -> Placement:
    """The lowest placement of `molecule` over `point` in which no contact is shorter than 0.8 of the sum of the radii.

    `others` are the elements and positions (n, 3) in nm of what is there already; `box` (3,) is periodic. The anchor is put
    0.00 to 0.40 nm over `point` (steps of 0.02 nm) in 36 rotations about +z; at the lowest height that works the
    rotation with the most room wins, its own periodic images counted.
    Raises ValueError, with the best contact found, when nothing fits.
    """
    elements, positions = others
    near = _near(positions, point, box, molecule)
    radii = np.array([CONTACT_RADII[e] for e in molecule.elements])
    other_radii = np.array([CONTACT_RADII[elements[i]] for i in near])
    limits = CONTACT_SCALE * (radii[:, None] + other_radii[None])
    best = Placement(molecule.positions, 0.0, 0.0)
    for height in np.arange(0.0, 0.401, 0.02):
        for angle in np.arange(0, 360, 10):
            xyz = _turn(molecule.positions, np.radians(angle)) + point + (0.0, 0.0, height)
            score = min(_contact(xyz, positions[near], limits, box), _own_images(xyz, radii, box))
            if score > best.score:
                best = Placement(xyz, float(height), score)
        if best.score >= 1.0:
            return best
    raise ValueError(
        f"{molecule.name} does not fit over its site: the best of 756 placements has a contact at {best.score:.2f} of the allowed "
        f"distance; use more cells along x and y, or fewer ligands"
    )


def _near(positions: np.ndarray, point: np.ndarray, box: np.ndarray, molecule: Molecule) -> np.ndarray:
    reach = np.linalg.norm(molecule.positions, axis=1).max() + 0.9
    delta = positions - point
    delta -= box * np.round(delta / box)
    return np.flatnonzero(np.linalg.norm(delta, axis=1) < reach)


def _turn(xyz: np.ndarray, angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return xyz @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]).T


def _contact(xyz: np.ndarray, others: np.ndarray, limits: np.ndarray, box: np.ndarray) -> float:
    delta = xyz[:, None] - others[None]
    delta -= box * np.round(delta / box)
    return float((np.linalg.norm(delta, axis=-1) / limits).min())


def _own_images(xyz: np.ndarray, radii: np.ndarray, box: np.ndarray) -> float:
    """The shortest contact, as a fraction of the allowed distance, with the lateral periodic images of the molecule itself."""
    limits = CONTACT_SCALE * (radii[:, None] + radii[None])
    delta = xyz[:, None] - xyz[None]
    worst = np.inf
    for i, j in ((1, 0), (0, 1), (1, 1), (1, -1)):
        worst = min(worst, (np.linalg.norm(delta + np.array([i * box[0], j * box[1], 0.0]), axis=-1) / limits).min())
    return float(worst)
