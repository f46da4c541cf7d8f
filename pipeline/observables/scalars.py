"""Scalar observables: functions (frames, scene) -> array (n_frames, columns).

Distances are between nearest images, in nm, in double precision; every row depends on its own frame
only, so that any cut into chunks gives the same numbers. A quantity that a ligand does not have
(N-H bonds of an acid, dihedrals of methylammonium) is NaN.
"""

import mdtraj as md
import numpy as np
from scipy.spatial import cKDTree

from halobind.pipeline.observables.scene import Scene
from halobind.structures.models.hydrogen_bonds import DISTANCE_AND_ANGLE, bonds_of_hydrogen
from halobind.structures.models.integrity import COORDINATED_NM, DISPLACED_NM
from halobind.structures.molecules.periodic import minimum_image, wrap

# shells of the anchor: N-Br is about 0.35 nm in the pocket, where the four metals are at 0.51 nm
HALIDE_NM = 0.45
METAL_NM = 0.60
SITE_NM = 0.40  # in the site: the next A site is 0.59 away, a quaternary N sits 0.2 to 0.3 above
SOLVENT_NM = 0.50  # first shell of solvent molecules, anchor to any heavy atom
TRANS_DEG = 120.0  # a dihedral of at least this size is trans


def boxes(frames: md.Trajectory) -> np.ndarray:
    """Box lengths (n, 1, 3) in nm."""
    lengths: np.ndarray = frames.unitcell_lengths.astype(float)
    return lengths[:, None, :]


def offsets(frames: md.Trajectory, atoms: np.ndarray, scene: Scene) -> np.ndarray:
    """Vectors (n, len(atoms), 3) from the anchor to atoms."""
    anchor = frames.xyz[:, [scene.anchor]].astype(float)
    return minimum_image(frames.xyz[:, atoms].astype(float) - anchor, boxes(frames))


def distances(frames: md.Trajectory, atoms: np.ndarray, scene: Scene) -> np.ndarray:
    """(n, len(atoms)) from the anchor; (n, 1) of infinity when there are no atoms."""
    if not len(atoms):
        return np.full((frames.n_frames, 1), np.inf)
    lengths: np.ndarray = np.sqrt((offsets(frames, atoms, scene) ** 2).sum(axis=2))
    return lengths


def along(vectors: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Components (...) of vectors (..., 3) along a unit normal (3,), summed in a fixed order."""
    x, y, z = normal
    components: np.ndarray = vectors[..., 0] * x + vectors[..., 1] * y + vectors[..., 2] * z
    return components


def height(frames: md.Trajectory, scene: Scene) -> np.ndarray:
    """Height of the anchor over its site, distance from the normal, depth below outer halides."""
    delta = minimum_image(
        frames.xyz[:, scene.anchor].astype(float) - scene.point, boxes(frames)[:, 0]
    )
    z = along(delta, scene.normal)
    r = np.sqrt(np.maximum(0.0, (delta**2).sum(axis=1) - z**2))
    depth = (
        along(offsets(frames, scene.face, scene), scene.normal).mean(axis=1)
        if len(scene.face)
        else np.full(len(z), np.nan)
    )
    return np.column_stack([z, r, depth])


def hydrogen_bonds(frames: md.Trajectory, scene: Scene) -> np.ndarray:
    """N-H...X bonds of the head and their mean angle.

    A bond has H to halide below 0.28 nm and N-H...X of at least 120 degrees. A hydrogen counts
    once. NaN for a head without N-H, and for the angle of no bond.
    """
    n = frames.n_frames
    halides = scene.species["halide"]
    if not len(scene.donors) or not len(halides):
        return np.full((n, 2), np.nan)
    xyz = frames.xyz.astype(float)
    box = boxes(frames)
    count = np.zeros(n)
    total = np.zeros(n)
    bonds = np.zeros(n)
    for nitrogen, hydrogen in scene.donors.tolist():
        bonded, angle = bonds_of_hydrogen(
            xyz[:, hydrogen],
            donor=xyz[:, nitrogen],
            halides=xyz[:, halides],
            box=box,
            criterion=DISTANCE_AND_ANGLE,
        )
        count += bonded.any(axis=1)
        bonds += bonded.sum(axis=1)
        total += np.where(bonded, angle, 0.0).sum(axis=1)
    return np.column_stack([count, np.where(bonds > 0, total / np.maximum(bonds, 1), np.nan)])


def head_coordination(frames: md.Trajectory, scene: Scene) -> np.ndarray:
    """Halides within 0.45 nm of the anchor and the nearest, metals within 0.60 nm and the nearest.

    The nearest is NaN where there is none.
    """
    columns = []
    for name, reach in (("halide", HALIDE_NM), ("metal", METAL_NM)):
        lengths = distances(frames, scene.species[name], scene)
        least = lengths.min(axis=1)
        columns += [(lengths < reach).sum(axis=1), np.where(np.isfinite(least), least, np.nan)]
    return np.column_stack(columns)


def occupancy(frames: md.Trajectory, scene: Scene) -> np.ndarray:
    """Whether the anchor is within 0.40 nm of its site, and how many others are.

    Others are A-site ions, dissolved cations and heads of other ligands in an A site; halides and
    heads of other ligands where the ligand took a halide or an open metal.
    """
    box = boxes(frames)
    head = minimum_image(frames.xyz[:, scene.anchor].astype(float) - scene.point, box[:, 0])
    inside = np.sqrt((head**2).sum(axis=1)) < SITE_NM
    rivals = minimum_image(frames.xyz[:, scene.rivals].astype(float) - scene.point, box)
    near = np.sqrt((rivals**2).sum(axis=2)) < SITE_NM
    return np.column_stack([inside, molecules(near, scene.owner[scene.rivals])]).astype(float)


def molecules(near: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """How many residues have an atom that is near.

    Args:
        near: Whether each atom is, (n, m).
        owner: The residue (m,) of each atom, in ascending order.

    Returns:
        Numbers (n,).
    """
    if not near.shape[1]:
        return np.zeros(len(near), dtype=int)
    starts = np.unique(owner, return_index=True)[1]
    count: np.ndarray = np.logical_or.reduceat(near, starts, axis=1).sum(axis=1)
    return count


def tail(frames: md.Trajectory, scene: Scene) -> np.ndarray:
    """Angle to the normal and length of the anchor-to-end vector, and fraction of gauche dihedrals.

    Angle and length are means over the tails. Vectors are summed bond by bond, so that a molecule
    may be cut by the box. A gauche dihedral is between -120 and 120 degrees.
    """
    n = frames.n_frames
    xyz = frames.xyz.astype(float)
    box = boxes(frames)
    tilt = []
    length = []
    for path in scene.tails:
        vector = minimum_image(xyz[:, path[1:]] - xyz[:, path[:-1]], box).sum(axis=1)
        size = np.sqrt((vector**2).sum(axis=1))
        length.append(size)
        tilt.append(np.degrees(np.arccos(np.clip(along(vector, scene.normal) / size, -1, 1))))
    if not tilt:
        return np.full((n, 3), np.nan)
    gauche = np.full(n, np.nan)
    if len(scene.dihedrals):
        degrees = np.degrees(md.compute_dihedrals(frames, scene.dihedrals))
        gauche = (np.abs(degrees) < TRANS_DEG).mean(axis=1)
    return np.column_stack([np.mean(tilt, axis=0), np.mean(length, axis=0), gauche])


def integrity(frames: md.Trajectory, scene: Scene) -> np.ndarray:
    """How far the crystal is from as it was built, as structures/models/integrity.py has it.

    The columns are: halides within 0.40 nm of a metal (mean), metals with fewer than built, ions
    more than 0.30 nm from every site of theirs, ions of a cluster at another site than they were
    built on, the largest distance (nm) of an ion from where it was built. An ion that is to leave
    with a ligand does not count.
    """
    core = frames.xyz[:, : scene.core].astype(float)
    box = boxes(frames)
    sizes = np.diff([*scene.ions, scene.core])
    steps = minimum_image(core - scene.built[: scene.core], box)
    shift = np.add.reduceat(steps, scene.ions, axis=1) / sizes[:, None]
    moved = np.where(scene.stays, np.sqrt((shift**2).sum(axis=2)), 0.0)
    counts = np.zeros((frames.n_frames, len(scene.core_metals)))
    hopped = np.zeros(frames.n_frames)
    for k in range(frames.n_frames):
        inside = wrap(core[k], box[k, 0])
        tree = cKDTree(inside[scene.core_halides], boxsize=box[k, 0])
        counts[k] = tree.query_ball_point(
            inside[scene.core_metals], COORDINATED_NM, return_length=True
        )
        far = np.flatnonzero(moved[k] > DISPLACED_NM)
        hopped[k] = scene.lattice.at_another_site(far, shift[k, far], box[k, 0]).sum()
    fewer = (counts < scene.coordination).sum(axis=1)
    displaced = (moved > DISPLACED_NM).sum(axis=1) - hopped
    return np.column_stack([counts.mean(axis=1), fewer, displaced, hopped, moved.max(axis=1)])


def solvent_shell(frames: md.Trajectory, scene: Scene) -> np.ndarray:
    """Solvent molecules with a heavy atom within 0.50 nm of the anchor, and the nearest (nm)."""
    solvent = scene.species["solvent"]
    lengths = distances(frames, solvent, scene)
    count = molecules(lengths < SOLVENT_NM, scene.owner[solvent])
    return np.column_stack([count, lengths.min(axis=1)])
