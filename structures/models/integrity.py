"""Whether a crystal is as it was built: displaced ions, hops to other sites, lost halides."""

import itertools
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from halobind.structures.models.model import Model, Residue, residues_with
from halobind.structures.molecules.periodic import image_shift, minimum_image, wrap

# About half the way to the next A site (0.58 nm); at 300 K ions stay within 0.15 nm.
DISPLACED_NM = 0.30
# Lattice sites this near to the centre of the ligand's site are around the pocket, as in the group
# "site".
AROUND_NM = 0.65
COORDINATED_NM = 0.40  # between the first (0.29 nm) and second (0.65 nm) metal-halide shell


@dataclass(frozen=True)
class Integrity:
    """What of a crystal is not as it was built.

    The surface of a cluster has vacant lattice sites: an ion of it that is within 0.30 nm of
    another site of its kind (built or vacant) has hopped, and is not displaced. An ion of a slab
    has its own site only. Ions that are to leave with a ligand (group partner) count in
    `partner_shift_nm` only.
    """

    displaced: int
    """Ions more than 0.30 nm from where they were built."""
    displaced_at_site: int
    """Those of them that were around the pocket."""
    hopped: int
    """Ions that are at another site of their kind."""
    hopped_at_site: int
    """Those of them that left a site around the pocket, or came to one."""
    largest_displacement_nm: float
    """The greatest distance of an ion from its place."""
    short_metals: tuple[int, ...]
    """Atom indices of the metals with fewer halides than built."""
    site_shift_nm: tuple[float, ...]
    """How far each ion around the pocket is from its place, in the order of the atoms."""
    partner_shift_nm: tuple[float, ...]
    """How far each ion that leaves with a ligand is from its place."""

    @property
    def broken(self) -> int:
        """How many metals have fewer halides than built."""
        return len(self.short_metals)

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, as written to JSON."""
        return asdict(self)


def check_integrity(
    model: Model,
    positions: np.ndarray,
    box: np.ndarray,
    metals: tuple[str, ...],
    halides: tuple[str, ...],
) -> Integrity:
    """Compare a frame with the built model.

    Args:
        model: The built model.
        positions: The frame (n_atoms, 3) in nm.
        box: Its edges (3,) in nm.
        metals: The elements of the metals.
        halides: The elements of the halides.
    """
    starts, shift = displacements(model, positions, box)
    partners = [atoms[0] for atoms in residues_with(model, model.groups["partner"])]
    stays = ~np.isin(starts, partners)
    partner_shift = np.linalg.norm(shift[~stays], axis=1)
    starts = starts[stays]
    shift = shift[stays]
    moved = np.linalg.norm(shift, axis=1)
    built = coordination(model, model.positions, model.box, metals, halides)
    fewer = coordination(model, positions, box, metals, halides) < built
    far = np.flatnonzero(moved > DISPLACED_NM)
    lattice = lattice_of(model)
    ions = np.searchsorted(lattice.starts, starts[far])
    hopped = lattice.at_another_site(ions, shift[far], box)
    around = np.isin(starts[far], model.groups["site"])
    places = lattice.built[ions] + shift[far]
    to_pocket = minimum_image(places[:, None] - model.site_points[None], box)
    came = np.linalg.norm(to_pocket, axis=2).min(axis=1, initial=np.inf) < AROUND_NM
    return Integrity(
        displaced=int((~hopped).sum()),
        displaced_at_site=int((~hopped & around).sum()),
        hopped=int(hopped.sum()),
        hopped_at_site=int((hopped & (around | came)).sum()),
        largest_displacement_nm=round(float(moved.max()), 4),
        short_metals=tuple(metals_of(model, metals)[fewer].tolist()),
        site_shift_nm=tuple(np.round(moved[np.isin(starts, model.groups["site"])], 4).tolist()),
        partner_shift_nm=tuple(np.round(partner_shift, 4).tolist()),
    )


@dataclass(frozen=True, eq=False)
class Lattice:
    """Where the ions of a crystal were built, and which sites they can hop to."""

    starts: np.ndarray
    """First atom (n,) of each ion."""
    kinds: np.ndarray
    """Residue name (n,) of each ion."""
    built: np.ndarray
    """Place (n, 3) in nm of each ion, of a molecule its centre."""
    sites: dict[str, np.ndarray]
    """All lattice sites (m, 3) in nm of each kind in a cluster, built and vacant; none for a slab,
    whose ions have their own places only."""

    def at_another_site(self, ions: np.ndarray, shift: np.ndarray, box: np.ndarray) -> np.ndarray:
        """Which ions are within 0.30 nm of a site of their kind.

        Args:
            ions: Indices (k,) of ions that are more than 0.30 nm from their places.
            shift: Their displacements (k, 3) in nm.
            box: Edges (3,) in nm.

        Returns:
            A mask (k,).
        """
        hopped = np.zeros(len(ions), dtype=bool)
        for i, place in enumerate(self.built[ions] + shift if self.sites else ()):
            apart = minimum_image(self.sites[self.kinds[ions[i]]] - place, box)
            hopped[i] = np.linalg.norm(apart, axis=1).min() <= DISPLACED_NM
        return hopped


def lattice_of(model: Model) -> Lattice:
    """The lattice of the crystal of a model."""
    ions = crystal_ions(model)
    kinds = np.array([residue.name for residue in ions])
    built = np.array(
        [model.positions[residue.start : residue.stop].mean(axis=0) for residue in ions]
    ).reshape(-1, 3)
    empty = np.zeros((0, 3))
    sites = {
        str(kind): np.concatenate([built[kinds == kind], model.vacant.get(str(kind), empty)])
        for kind in np.unique(kinds)
    }
    starts = np.array([residue.start for residue in ions])
    return Lattice(starts, kinds, built, sites if model.vacant else {})


def crystal_ions(model: Model) -> list[Residue]:
    """The residues of the crystal, which come first in a model."""
    return [residue for residue in model.residues if residue.start < len(model.groups["core"])]


def displacements(
    model: Model, positions: np.ndarray, box: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How far each ion of the crystal is from where it was built, a molecule by its centre.

    Args:
        model: The built model.
        positions: A frame (n_atoms, 3) in nm.
        box: Its edges (3,) in nm.

    Returns:
        First atom (n,) and displacement (n, 3) in nm of each ion.
    """
    core = model.groups["core"]
    delta = minimum_image(positions[core] - model.positions[core], box)
    starts = np.array([residue.start for residue in crystal_ions(model)])
    size = np.diff([*starts, len(core)])
    return starts, np.add.reduceat(delta, starts) / size[:, None]


def image_distance(ligands: list[np.ndarray], box: np.ndarray) -> float:
    """The shortest distance between ligands, or a ligand and its images, under periodicity.

    Args:
        ligands: Positions (n, 3) in nm of each ligand, whole.
        box: Edges (3,) in nm.

    Returns:
        The distance in nm.
    """
    shortest = np.inf
    for a, b in itertools.combinations_with_replacement(range(len(ligands)), 2):
        first = ligands[a]
        shift = image_shift(first.mean(axis=0) - ligands[b].mean(axis=0), box)
        delta = first[:, None] - (ligands[b] + shift)[None]
        for step in itertools.product((-1, 0, 1), repeat=3):
            if a != b or any(step):
                distance = np.linalg.norm(delta + np.array(step) * box, axis=-1)
                shortest = min(shortest, float(distance.min()))
    return shortest


def solvent_distance(model: Model, positions: np.ndarray, box: np.ndarray) -> tuple[float, ...]:
    """How far the nearest heavy atom of the solvent is from each site of a sampled ligand.

    Args:
        model: The built model.
        positions: A frame (n_atoms, 3) in nm.
        box: Its edges (3,) in nm.

    Returns:
        Distances in nm; none where there is no solvent.
    """
    heavy = [i for i in model.groups["solvent"] if model.elements[i] != "H"]
    if not heavy:
        return ()
    apart = np.linalg.norm(
        minimum_image(positions[heavy] - model.site_points[:, None], box), axis=2
    )
    return tuple(np.round(apart.min(axis=1), 4).tolist())


def coordination(
    model: Model,
    positions: np.ndarray,
    box: np.ndarray,
    metals: tuple[str, ...],
    halides: tuple[str, ...],
) -> np.ndarray:
    """How many halides are within 0.40 nm of each metal of the crystal.

    Halides that are to leave with a ligand do not count.

    Args:
        model: The built model.
        positions: A frame (n_atoms, 3) in nm.
        box: Its edges (3,) in nm.
        metals: The elements of the metals.
        halides: The elements of the halides.

    Returns:
        Counts (n_metals,), in the order of `metals_of`.
    """
    staying = np.setdiff1d(model.groups["core"], model.groups["partner"])
    neighbours = [i for i in staying if model.elements[i] in halides]
    inside_box = wrap(positions, box)
    tree = cKDTree(inside_box[neighbours], boxsize=box)
    counts: np.ndarray = tree.query_ball_point(
        inside_box[metals_of(model, metals)], COORDINATED_NM, return_length=True
    )
    return counts


def metals_of(model: Model, metals: tuple[str, ...]) -> np.ndarray:
    """Atom indices of the metals of the crystal, whose elements are `metals`."""
    return np.array([i for i in model.groups["core"] if model.elements[i] in metals], dtype=int)
