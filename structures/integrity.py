"""Is the slab still a slab? Displaced ions and lost metal-halide contacts against the built crystal."""

import itertools
from dataclasses import asdict, dataclass

import numpy as np
from scipy.spatial import cKDTree

from structures.model import Model, residues_with
from structures.periodic import nearest, nearest_shift, wrapped

DISPLACED_NM = 0.30  # about half the way to the next A site (0.58 nm); thermal displacements at 300 K stay below 0.15 nm
COORDINATED_NM = 0.40  # between the first (0.29 nm) and second (0.65 nm) metal-halide shell


@dataclass(frozen=True)
class Integrity:
    """`displaced` ions moved more than 0.30 nm from where they were built, `displaced_at_site` of them around the pocket.

    `broken` metals have fewer halides than built. Ions that are to leave with a ligand (group partner) are not looked at.
    """

    displaced: int
    displaced_at_site: int
    largest_displacement_nm: float
    broken: int

    def as_dict(self) -> dict:
        return asdict(self)


def check_slab(model: Model, positions: np.ndarray, box: np.ndarray, metals: tuple[str, ...], halides: tuple[str, ...]) -> Integrity:
    """Compare positions (n_atoms, 3) nm in `box` (3,) nm with the built model."""
    starts, shift = displacements(model, positions, box)
    stays = ~np.isin(starts, [residue[0] for residue in residues_with(model, model.groups["partner"])])
    starts, moved = starts[stays], np.linalg.norm(shift[stays], axis=1)
    now = coordination(model, positions, box, metals, halides)
    built = coordination(model, model.positions, model.box, metals, halides)
    far = starts[moved > DISPLACED_NM]
    near_site = int(np.isin(far, model.groups["site"]).sum())
    return Integrity(len(far), near_site, round(float(moved.max()), 4), int(np.sum(now < built)))


def displacements(model: Model, positions: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First atom and displacement (n, 3) in nm from where it was built, for each ion of the crystal; a molecule by its centre."""
    core = model.groups["core"]
    delta = nearest(positions[core] - model.positions[core], box)
    starts = np.array([residue.start for residue in model.residues if residue.start < len(core)])  # the crystal comes first
    size = np.diff([*starts, len(core)])
    return starts, np.add.reduceat(delta, starts) / size[:, None]


def image_distance(ligands: list[np.ndarray], box: np.ndarray) -> float:
    """The shortest distance (nm) from one of the ligands, each whole (n, 3) nm, to its own images and to the others and theirs."""
    shortest = np.inf
    for a, b in itertools.combinations_with_replacement(range(len(ligands)), 2):
        first, second = ligands[a], ligands[b] + nearest_shift(ligands[a].mean(axis=0) - ligands[b].mean(axis=0), box)
        delta = first[:, None] - second[None]
        for step in itertools.product((-1, 0, 1), repeat=3):
            if a != b or any(step):
                shortest = min(shortest, float(np.linalg.norm(delta + np.array(step) * box, axis=-1).min()))
    return shortest


def coordination(model: Model, positions: np.ndarray, box: np.ndarray, metals: tuple[str, ...], halides: tuple[str, ...]) -> np.ndarray:
    """How many halides that are not to leave are within 0.40 nm of each metal of the crystal, in the order of the metals."""
    core = [i for i in np.setdiff1d(model.groups["core"], model.groups["partner"]) if model.elements[i] in (*metals, *halides)]
    centres = [i for i in core if model.elements[i] in metals]
    ligands = [i for i in core if model.elements[i] in halides]
    inside_box = wrapped(positions, box)
    tree = cKDTree(inside_box[ligands], boxsize=box)
    return np.array([len(found) for found in tree.query_ball_point(inside_box[centres], COORDINATED_NM)])
