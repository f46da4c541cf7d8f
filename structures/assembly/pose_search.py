"""Put a ligand on its site: turned and tilted until nothing clashes, its tail pointing outwards."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from halobind.structures.molecules.molecule import Molecule
from halobind.structures.molecules.periodic import minimum_image, wrap
from halobind.structures.molecules.radii import CONTACT_RADII, CONTACT_SCALE

SPINS = np.arange(0.0, 360.0, 10.0)  # degrees about the normal
AZIMUTHS = np.arange(0.0, 360.0, 60.0)  # degrees, the sides a ligand leans to
# Tilt (degrees) and lift (nm) above the lowest height, in the order they are tried.
TILTS_AND_LIFTS = ((0.0, 0.0), (0.0, 0.02), (15.0, 0.0), (30.0, 0.0))
# Of the allowed distance: an upright pose with this much is left to relaxation.
MIN_SCORE_TO_RELAX = 0.5
MAX_LEANING_CONFORMERS = 3
LIFT_NM = 0.02
MAX_HEIGHT_NM = 0.64
NO_CONTACT = 9.0  # the score of a pose that is near nothing
# How far around a ligand contacts are looked for, beyond its own reach.
CONTACT_REACH_NM = 0.9


@dataclass(frozen=True, eq=False)
class Seat:
    """Where one ligand goes."""

    molecule: Molecule
    """The ligand."""
    conformers: np.ndarray
    """(k, n_atoms, 3) in nm, the first head at the origin and the tails along +z."""
    frame: np.ndarray
    """Rows x, y, z (3, 3) of the site: a ligand is turned so that its axes lie along them."""
    point: np.ndarray
    """The site (3,) in nm."""
    start_nm: float
    """The height of the head over the point, along z of the frame, that is tried first."""
    hinged: bool
    """Whether it sits on two sites along x, so that it may only rock about that axis; any other
    ligand may spin about the normal."""


@dataclass(frozen=True, eq=False)
class Placement:
    """Where a ligand went."""

    positions: np.ndarray
    """(n_atoms, 3) in nm."""
    height_nm: float
    """The height of its head over the point of its site."""
    score: float
    """Its shortest contact, as a fraction of the allowed one."""
    rival: int
    """Which earlier ligand that contact is with; -1 for the crystal or the ligand itself."""


class Surroundings:
    """The atoms of the crystal, then of the ligands in the order they are placed, in a box."""

    def __init__(self, elements: tuple[str, ...], positions: np.ndarray, box: np.ndarray) -> None:
        """Begin with the crystal.

        Args:
            elements: Element symbols of its atoms.
            positions: (n_atoms, 3) in nm.
            box: Edges (3,) of the periodic box in nm.
        """
        self.box = box
        self.positions = positions
        self.radii = np.array([CONTACT_RADII[e] for e in elements])
        self.owner = np.full(len(elements), -1)
        self.n_placed = 0
        self.tree = cKDTree(wrap(positions, box), boxsize=box)

    def add(self, molecule: Molecule, positions: np.ndarray) -> None:
        """Add a placed ligand with its positions (n_atoms, 3) in nm."""
        self.positions = np.concatenate([self.positions, positions])
        self.radii = np.concatenate([self.radii, [CONTACT_RADII[e] for e in molecule.elements]])
        self.owner = np.concatenate([self.owner, np.full(molecule.n_atoms, self.n_placed)])
        self.n_placed += 1

    def near(self, point: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
        """Indices of crystal atoms and of ligand atoms within `reach` nm of `point` (3,)."""
        crystal = np.array(self.tree.query_ball_point(wrap(point, self.box), reach), dtype=int)
        start = len(self.tree.data)
        delta = self.positions[start:] - point
        delta = minimum_image(delta, self.box)
        return crystal, start + np.flatnonzero((delta**2).sum(axis=1) < reach**2)


class _Contacts:
    """The contacts of one ligand with what is around its site."""

    def __init__(self, seat: Seat, around: Surroundings) -> None:
        reach = float(np.linalg.norm(seat.conformers, axis=-1).max()) + CONTACT_REACH_NM
        crystal, ligands = around.near(seat.point, reach)
        self.around = around
        self.radii = np.array([CONTACT_RADII[e] for e in seat.molecule.elements])
        self.crystal = around.positions[crystal]
        self.crystal_limits = self._limits(crystal)
        self.ligands = around.positions[ligands]
        self.ligand_limits = self._limits(ligands)
        self.owner = around.owner[ligands]

    def _limits(self, index: np.ndarray) -> np.ndarray:
        """Allowed distances (n_atoms, k) in nm to the k atoms around."""
        limits: np.ndarray = CONTACT_SCALE * (self.radii[:, None] + self.around.radii[None, index])
        return limits

    def with_crystal(self, poses: np.ndarray) -> np.ndarray:
        """Scores (n_poses,) of poses (n_poses, n_atoms, 3) with the crystal and their images."""
        box = self.around.box
        scores: np.ndarray = np.minimum(
            _score(poses, self.crystal, self.crystal_limits, box),
            _image_score(poses, self.radii, box),
        )
        return scores

    def with_ligands(self, poses: np.ndarray) -> np.ndarray:
        """Scores (n_poses,) of poses (n_poses, n_atoms, 3) with the ligands placed before."""
        return _score(poses, self.ligands, self.ligand_limits, self.around.box)

    def rival(self, pose: np.ndarray) -> int:
        """Which placed ligand has the shortest contact with a pose (n_atoms, 3)."""
        delta = minimum_image(pose[:, None] - self.ligands[None], self.around.box)
        worst = int((np.linalg.norm(delta, axis=-1) / self.ligand_limits).min(axis=0).argmin())
        return int(self.owner[worst])


def place_ligand(seat: Seat, around: Surroundings) -> Placement:
    """Place one ligand among its surroundings.

    It goes to the lowest height where the crystal leaves an upright conformer room, or just above;
    there, of the first conformer and tilt in which a spin fits, the spin with the most room is
    taken.

    Args:
        seat: The ligand and its site.
        around: The crystal and the ligands placed before.

    Returns:
        The placement; below a score of 1 nothing fits.
    """
    contacts = _Contacts(seat, around)
    lowest = _lowest_on_crystal(seat, contacts)
    if lowest.score < 1.0:
        return lowest
    best: Placement | None = None
    for tilt, lift in TILTS_AND_LIFTS:
        if tilt and best is not None and best.score > MIN_SCORE_TO_RELAX:
            break  # relaxation clears what remains sooner
        height = lowest.height_nm + lift
        for batch in _poses(seat, tilt):
            poses = batch + seat.point + height * seat.frame[2]
            room = contacts.with_crystal(poses)
            fits = np.flatnonzero(room >= 1.0)
            if not len(fits):
                continue
            scores = np.minimum(contacts.with_ligands(poses[fits]), room[fits])
            pose = poses[fits[int(scores.argmax())]]
            score = float(scores.max())
            if score >= 1.0:
                return Placement(pose, float(height), score, -1)
            if best is None or score > best.score:
                best = Placement(pose, float(height), score, contacts.rival(pose))
    return lowest if best is None else best


def _lowest_on_crystal(seat: Seat, contacts: _Contacts) -> Placement:
    """The lowest upright pose that the crystal leaves room, or the best one where none fits."""
    best: Placement | None = None
    for height in np.arange(seat.start_nm, MAX_HEIGHT_NM, LIFT_NM):
        for batch in _poses(seat, 0.0):
            poses = batch + seat.point + height * seat.frame[2]
            scores = contacts.with_crystal(poses)
            k = int(scores.argmax())
            if best is None or scores[k] > best.score:
                best = Placement(poses[k], float(height), float(scores[k]), -1)
            if best.score >= 1.0:
                return best
    assert best is not None  # every seat starts below MAX_HEIGHT_NM and has a conformer
    return best


def _poses(seat: Seat, tilt: float) -> Iterator[np.ndarray]:
    """Poses about the head, leaning by `tilt` degrees to every side.

    Yields:
        A batch (n_poses, n_atoms, 3) in nm for each conformer and side.
    """
    for conformer in seat.conformers if tilt == 0 else seat.conformers[:MAX_LEANING_CONFORMERS]:
        if seat.hinged:
            rock = [0.0] if tilt == 0 else [tilt, -tilt]
            yield conformer @ _matrices("x", rock) @ seat.frame
            continue
        spun = conformer @ _matrices("z", SPINS)
        for azimuth in (0.0,) if tilt == 0 else np.radians(AZIMUTHS):
            axis = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
            lean = Rotation.from_rotvec(np.radians(tilt) * axis).as_matrix()
            yield spun @ lean.T @ seat.frame


def _matrices(axis: str, angles: ArrayLike) -> np.ndarray:
    """Rotations (n, 3, 3) by degrees (n,) about an axis, for row vectors to their left."""
    column = np.asarray(angles, dtype=float)[:, None]
    turns: np.ndarray = Rotation.from_euler(axis, column, degrees=True).as_matrix()
    return turns.transpose(0, 2, 1)


def _score(
    poses: np.ndarray, others: np.ndarray, limits: np.ndarray, box: np.ndarray
) -> np.ndarray:
    """The shortest contact of each pose, as a fraction of the allowed distance.

    Args:
        poses: (n_poses, n_atoms, 3) in nm.
        others: Positions (k, 3) in nm.
        limits: Allowed distances (n_atoms, k) in nm.
        box: Edges (3,) in nm.

    Returns:
        Scores (n_poses,), NO_CONTACT where there are no others.
    """
    if not len(others):
        return np.full(len(poses), NO_CONTACT)
    centre = poses[0, 0]
    images = centre + minimum_image(others - centre, box)
    square = (poses**2).sum(-1)[:, :, None] + (images**2).sum(-1) - 2.0 * poses @ images.T
    scores: np.ndarray = np.sqrt(np.maximum(square, 0.0) / limits**2).min(axis=(1, 2))
    return scores


def _image_score(poses: np.ndarray, radii: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The shortest contact (n_poses,) of each pose with its own periodic images, as `_score`."""
    scores = np.full(len(poses), NO_CONTACT)
    limits = CONTACT_SCALE * (radii[:, None] + radii[None])
    size = np.ptp(poses, axis=(0, 1)) + 2 * CONTACT_SCALE * radii.max()
    for step in ((1, 0, 0), (0, 1, 0), (1, 1, 0), (1, -1, 0), (0, 0, 1)):
        shift = np.array(step) * box
        if (size < np.abs(shift))[shift != 0].any():
            continue
        moved = poses + shift
        square = (
            (poses**2).sum(-1)[:, :, None]
            + (moved**2).sum(-1)[:, None]
            - 2.0 * poses @ moved.transpose(0, 2, 1)
        )
        scores = np.minimum(scores, np.sqrt(np.maximum(square, 0.0) / limits**2).min(axis=(1, 2)))
    return scores


def frame_of(normal: np.ndarray) -> np.ndarray:
    """Rows x, y, z (3, 3) of a right-handed frame with z along the unit vector `normal` (3,)."""
    along = np.eye(3)[int(np.argmin(np.abs(normal)))]
    x = along - normal * (along @ normal)
    x = x / np.linalg.norm(x)
    return np.stack([x, np.cross(normal, x), normal])
