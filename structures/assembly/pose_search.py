"""Put ligands on their sites: heads where the chemistry says, tails along the outward normals,
turned and tilted until nothing clashes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from halobind.structures.molecules.molecule import Molecule
from halobind.structures.molecules.periodic import minimum_image, wrap
from halobind.structures.molecules.radii import CONTACT_RADII, CONTACT_SCALE

SPINS = np.arange(0.0, 360.0, 10.0)
SEARCH = (
    (0.0, 0.0),
    (0.0, 0.02),
    (15.0, 0.0),
    (30.0, 0.0),
)  # tilt (degrees) and lift (nm) above the lowest height, in this order
CLOSE = 0.5  # an upright pose with this much of the allowed distance is left to relaxation
LEANING = 3  # so many conformers are tried leaning
LIFT_NM = 0.02
HIGHEST_NM = 0.64


@dataclass(frozen=True, eq=False)
class Seat:
    """Where one ligand goes: its conformers (k, n_atoms, 3) with the first head at the origin and
    the tails along +z, turned to the site by `frame` (rows x, y, z of the site), from `point` (3,)
    at `start_nm` along the normal upwards.

    A `hinged` ligand sits on two sites along x and may only rock about that axis; any other may
    spin about the normal.
    """

    molecule: Molecule
    conformers: np.ndarray
    frame: np.ndarray
    point: np.ndarray
    start_nm: float
    hinged: bool


@dataclass(frozen=True, eq=False)
class Placement:
    """Where a ligand went: positions (n_atoms, 3) in nm, the height of its head over the point of
    its site, its shortest contact as a fraction of the allowed one, and which earlier ligand that
    is with (-1: the crystal or itself).
    """

    positions: np.ndarray
    height_nm: float
    score: float
    rival: int


class Surroundings:
    """What is there already: crystal atoms, then the ligands in the order they are placed; periodic
    in `box` (3,) nm.
    """

    def __init__(self, elements: tuple[str, ...], positions: np.ndarray, box: np.ndarray) -> None:
        self.box = box
        self.positions = positions
        self.radii = np.array([CONTACT_RADII[e] for e in elements])
        self.owner = np.full(len(elements), -1)
        self.tree = cKDTree(wrap(positions, box), boxsize=box)
        self.placed: list[np.ndarray] = []
        self.reach: list[float] = []

    def add(self, molecule: Molecule, positions: np.ndarray) -> None:
        self.placed.append(positions)
        self.positions = np.concatenate([self.positions, positions])
        self.radii = np.concatenate([self.radii, [CONTACT_RADII[e] for e in molecule.elements]])
        self.owner = np.concatenate([self.owner, np.full(molecule.n_atoms, len(self.placed) - 1)])

    def near(self, point: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
        """Indices of crystal atoms and of ligand atoms within `reach` of `point`."""
        crystal = np.array(self.tree.query_ball_point(wrap(point, self.box), reach), dtype=int)
        start = len(self.tree.data)
        delta = self.positions[start:] - point
        delta = minimum_image(delta, self.box)
        return crystal, start + np.flatnonzero((delta**2).sum(axis=1) < reach**2)


def place_ligand(seat: Seat, around: Surroundings) -> Placement:
    """The placement of one ligand among `around`: at the lowest height where the crystal leaves an
    upright conformer room (or just above), the first of conformers and tilts in which a spin fits,
    the one with the most room. Below a score of 1 nothing fits.
    """
    reach = float(np.linalg.norm(seat.conformers, axis=-1).max()) + 0.9
    crystal, ligands = around.near(seat.point, reach)
    radii = np.array([CONTACT_RADII[e] for e in seat.molecule.elements])
    limits = [
        CONTACT_SCALE * (radii[:, None] + around.radii[None, index]) for index in (crystal, ligands)
    ]

    def crystal_room(xyz: np.ndarray) -> np.ndarray:
        return np.minimum(
            _room(xyz, around.positions[crystal], limits[0], around.box),
            _image_room(xyz, radii, around.box),
        )

    lowest, best = None, None
    for height in np.arange(seat.start_nm, HIGHEST_NM, LIFT_NM):
        for xyz in _poses(seat, 0.0):
            room = crystal_room(xyz + seat.point + height * seat.frame[2])
            if best is None or room.max() > best.score:
                pose = int(room.argmax())
                best = Placement(
                    xyz[pose] + seat.point + height * seat.frame[2],
                    float(height),
                    float(room[pose]),
                    -1,
                )
            if best.score >= 1.0:
                break
        if best.score >= 1.0:
            lowest = height
            break
    if lowest is None:
        return best
    best = None
    for tilt, lift in SEARCH:
        if tilt and best is not None and best.score > CLOSE:
            break  # what is left to clear, relaxation clears sooner
        height = lowest + lift
        for batch in _poses(seat, tilt):
            xyz = batch + seat.point + height * seat.frame[2]
            room = crystal_room(xyz)
            fits = np.flatnonzero(room >= 1.0)
            if not len(fits):
                continue
            others = np.minimum(
                _room(xyz[fits], around.positions[ligands], limits[1], around.box), room[fits]
            )
            pose, score = xyz[fits[int(others.argmax())]], float(others.max())
            if score >= 1.0:
                return Placement(pose, float(height), score, -1)
            if best is None or score > best.score:
                best = Placement(
                    pose, float(height), score, _rival(pose, around, ligands, limits[1])
                )
    return best


def _poses(seat: Seat, tilt: float) -> Iterator[np.ndarray]:
    """Batches (n_poses, n_atoms, 3) about the head, each conformer in turn, leaning by `tilt`
    degrees to every side.
    """
    for conformer in seat.conformers if tilt == 0 else seat.conformers[:LEANING]:
        if seat.hinged:
            rock = [0.0] if tilt == 0 else [tilt, -tilt]
            yield conformer @ _matrices("x", rock) @ seat.frame
            continue
        spun = conformer @ _matrices("z", SPINS)
        for azimuth in (0.0,) if tilt == 0 else np.radians(np.arange(0.0, 360.0, 60.0)):
            lean = Rotation.from_rotvec(
                np.radians(tilt) * np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
            ).as_matrix()
            yield spun @ lean.T @ seat.frame


def _matrices(axis: str, angles: Sequence[float]) -> np.ndarray:
    """Rotations (n, 3, 3) in degrees about one axis, to be applied to row vectors from the right."""
    return (
        Rotation.from_euler(axis, np.asarray(angles, dtype=float)[:, None], degrees=True)
        .as_matrix()
        .transpose(0, 2, 1)
    )


def _room(xyz: np.ndarray, others: np.ndarray, limits: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The shortest contact (n_poses,) of each pose with `others`, as a fraction of the allowed
    distance; 9 when there is none.
    """
    if not len(others):
        return np.full(len(xyz), 9.0)
    centre = xyz[0, 0]
    images = centre + minimum_image(others - centre, box)
    square = (xyz**2).sum(-1)[:, :, None] + (images**2).sum(-1) - 2.0 * xyz @ images.T
    return np.sqrt(np.maximum(square, 0.0) / limits**2).min(axis=(1, 2))


def _image_room(xyz: np.ndarray, radii: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The same for the periodic images of the molecule itself."""
    room = np.full(len(xyz), 9.0)
    limits = CONTACT_SCALE * (radii[:, None] + radii[None])
    size = np.ptp(xyz, axis=(0, 1)) + 2 * CONTACT_SCALE * radii.max()
    for step in ((1, 0, 0), (0, 1, 0), (1, 1, 0), (1, -1, 0), (0, 0, 1)):
        shift = np.array(step) * box
        if (size < np.abs(shift))[shift != 0].any():
            continue
        moved = xyz + shift
        square = (
            (xyz**2).sum(-1)[:, :, None]
            + (moved**2).sum(-1)[:, None]
            - 2.0 * xyz @ moved.transpose(0, 2, 1)
        )
        room = np.minimum(room, np.sqrt(np.maximum(square, 0.0) / limits**2).min(axis=(1, 2)))
    return room


def _rival(xyz: np.ndarray, around: Surroundings, ligands: np.ndarray, limits: np.ndarray) -> int:
    """Which placed ligand has the shortest contact with `xyz`."""
    delta = xyz[:, None] - around.positions[ligands][None]
    delta = minimum_image(delta, around.box)
    worst = int((np.linalg.norm(delta, axis=-1) / limits).min(axis=0).argmin())
    return int(around.owner[ligands[worst]])


def frame_of(normal: np.ndarray) -> np.ndarray:
    """Rows x, y, z of a right-handed frame with z along `normal`."""
    along = np.eye(3)[int(np.argmin(np.abs(normal)))]
    x = along - normal * (along @ normal)
    x = x / np.linalg.norm(x)
    return np.stack([x, np.cross(normal, x), normal])
