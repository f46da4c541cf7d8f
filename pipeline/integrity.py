"""Is the slab still a slab? Displaced ions and lost metal-halide contacts against the built crystal."""

from dataclasses import asdict, dataclass

import numpy as np
from scipy.spatial import cKDTree

from structures.model import Model
from structures.periodic import nearest, wrapped

DISPLACED_NM = 0.30  # about half the way to the next A site (0.58 nm); thermal displacements at 300 K stay below 0.15 nm
COORDINATED_NM = 0.40  # between the first (0.29 nm) and second (0.65 nm) metal-halide shell


@dataclass(frozen=True)
class Integrity:
    """`displaced` ions moved more than 0.30 nm from where they were built, `displaced_at_site` of them around the pocket.

    `broken` metals have fewer halides than built.
    """

    displaced: int
    displaced_at_site: int
    largest_displacement_nm: float
    broken: int

    def as_dict(self) -> dict:
        return asdict(self)


def check_slab(model: Model, positions: np.ndarray, box: np.ndarray, metals: tuple[str, ...], halides: tuple[str, ...]) -> Integrity:
    """Compare positions (n_atoms, 3) nm in `box` (3,) nm with the built model."""
    core = model.groups["core"]
    delta = positions[core] - model.positions[core]
    delta = nearest(delta, box)
    starts = np.array([residue.start for residue in model.residues if residue.start < len(core)])  # the crystal comes first
    size = np.diff([*starts, len(core)])
    moved = np.linalg.norm(np.add.reduceat(delta, starts) / size[:, None], axis=1)  # a molecule on an A site by its centre
    now = _coordination(model, positions, box, metals, halides)
    built = _coordination(model, model.positions, model.box, metals, halides)
    far = starts[moved > DISPLACED_NM]
    near_site = int(np.isin(far, model.groups["site"]).sum())
    return Integrity(len(far), near_site, round(float(moved.max()), 4), int(np.sum(now < built)))


def image_distance(ligand: np.ndarray, box: np.ndarray) -> float:
    """The shortest distance (nm) from a ligand, whole positions (n, 3) nm, to its own images along x and y."""
    delta = ligand[:, None] - ligand[None]
    shifts = [(box[0], 0.0, 0.0), (0.0, box[1], 0.0), (box[0], box[1], 0.0), (box[0], -box[1], 0.0)]
    return float(min(np.linalg.norm(delta + shift, axis=-1).min() for shift in shifts))


def _coordination(model: Model, positions: np.ndarray, box: np.ndarray, metals: tuple[str, ...], halides: tuple[str, ...]) -> np.ndarray:
    core = [i for i in model.groups["core"] if model.elements[i] in (*metals, *halides)]
    centres = [i for i in core if model.elements[i] in metals]
    ligands = [i for i in core if model.elements[i] in halides]
    inside_box = wrapped(positions, box)
    tree = cKDTree(inside_box[ligands], boxsize=box)
    return np.array([len(found) for found in tree.query_ball_point(inside_box[centres], COORDINATED_NM)])
