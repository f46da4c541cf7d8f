"""Is the crystal still as built? Displaced ions, hops to other lattice sites, and lost metal-halide
contacts.
"""

import itertools
from dataclasses import asdict, dataclass

import numpy as np
from scipy.spatial import cKDTree

from halobind.structures.models.model import Model, residues_with
from halobind.structures.molecules.periodic import image_shift, minimum_image, wrap

# about half the way to the next A site (0.58 nm); thermal displacements at 300 K stay below 0.15 nm
DISPLACED_NM = 0.30
# lattice sites this near to the centre of the ligand's site are around the pocket, as in the group
# "site"
AROUND_NM = 0.65
COORDINATED_NM = 0.40  # between the first (0.29 nm) and second (0.65 nm) metal-halide shell


@dataclass(frozen=True)
class Integrity:
    """`displaced` ions are more than 0.30 nm from where they were built, `displaced_at_site` of
    them were around the pocket.

    The surface of a cluster has vacant lattice sites: an ion of it that is within 0.30 nm of
    another site of its kind (built or vacant) is not displaced but `hopped`; `hopped_at_site` of
    these left a site around the pocket, or came to one. An ion of a slab has its own site only.
    `short_metals` (atom indices) have fewer halides than built, and `site_shift_nm` are the
    distances from their places of the ions around the pocket, in the order of the atoms. Ions that
    are to leave with a ligand (group partner) count nowhere but in `partner_shift_nm`, how far each
    is from its place.
    """

    displaced: int
    displaced_at_site: int
    hopped: int
    hopped_at_site: int
    largest_displacement_nm: float
    short_metals: tuple[int, ...]
    site_shift_nm: tuple[float, ...]
    partner_shift_nm: tuple[float, ...]

    @property
    def broken(self) -> int:
        """How many metals have fewer halides than built."""
        return len(self.short_metals)

    def as_dict(self) -> dict:
        return asdict(self)


def check_slab(
    model: Model,
    positions: np.ndarray,
    box: np.ndarray,
    metals: tuple[str, ...],
    halides: tuple[str, ...],
) -> Integrity:
    """Compare positions (n_atoms, 3) nm in `box` (3,) nm with the built model."""
    starts, shift = displacements(model, positions, box)
    stays = ~np.isin(
        starts, [residue[0] for residue in residues_with(model, model.groups["partner"])]
    )
    partners = np.linalg.norm(shift[~stays], axis=1)
    starts, shift = starts[stays], shift[stays]
    moved = np.linalg.norm(shift, axis=1)
    fewer = coordination(model, positions, box, metals, halides) < coordination(
        model, model.positions, model.box, metals, halides
    )
    far = np.flatnonzero(moved > DISPLACED_NM)
    lattice = lattice_of(model)
    ions = np.searchsorted(lattice.starts, starts[far])
    hopped = lattice.at_another_site(ions, shift[far], box)
    around = np.isin(starts[far], model.groups["site"])
    to = lattice.built[ions] + shift[far]
    came = (
        np.linalg.norm(minimum_image(to[:, None] - model.site_points[None], box), axis=2).min(
            axis=1, initial=np.inf
        )
        < AROUND_NM
    )
    return Integrity(
        displaced=int((~hopped).sum()),
        displaced_at_site=int((~hopped & around).sum()),
        hopped=int(hopped.sum()),
        hopped_at_site=int((hopped & (around | came)).sum()),
        largest_displacement_nm=round(float(moved.max()), 4),
        short_metals=tuple(metals_of(model, metals)[fewer].tolist()),
        site_shift_nm=tuple(np.round(moved[np.isin(starts, model.groups["site"])], 4).tolist()),
        partner_shift_nm=tuple(np.round(partners, 4).tolist()),
    )


@dataclass(frozen=True, eq=False)
class Lattice:
    """Ions of a crystal (n,): first atoms `starts`, residue names `kinds`, places `built` (n, 3) in
    nm; and for a cluster `sites`, all lattice sites (m, 3) in nm of each kind, built and vacant. A
    slab has no `sites`: its ions have their own places only.
    """

    starts: np.ndarray
    kinds: np.ndarray
    built: np.ndarray
    sites: dict[str, np.ndarray]

    def at_another_site(self, ions: np.ndarray, shift: np.ndarray, box: np.ndarray) -> np.ndarray:
        """Which of `ions` (k,), each shifted by more than 0.30 nm (`shift` (k, 3)), are within 0.30
        nm of a site of their kind.
        """
        found = np.zeros(len(ions), dtype=bool)
        for i, place in enumerate(self.built[ions] + shift if self.sites else ()):
            apart = minimum_image(self.sites[self.kinds[ions[i]]] - place, box)
            found[i] = np.linalg.norm(apart, axis=1).min() <= DISPLACED_NM
        return found


def lattice_of(model: Model) -> Lattice:
    """Where the ions of the crystal were built, a molecule by its centre, and which sites they can
    hop to.
    """
    ions = [
        residue for residue in model.residues if residue.start < len(model.groups["core"])
    ]  # the crystal comes first
    kinds = np.array([residue.name for residue in ions])
    built = np.array(
        [model.positions[residue.start : residue.stop].mean(axis=0) for residue in ions]
    ).reshape(-1, 3)
    empty = np.zeros((0, 3))
    sites = {
        str(kind): np.concatenate([built[kinds == kind], model.vacant.get(str(kind), empty)])
        for kind in np.unique(kinds)
    }
    return Lattice(
        np.array([residue.start for residue in ions]), kinds, built, sites if model.vacant else {}
    )


def displacements(
    model: Model, positions: np.ndarray, box: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """First atom and displacement (n, 3) in nm from where it was built, for each ion of the
    crystal; a molecule by its centre.
    """
    core = model.groups["core"]
    delta = minimum_image(positions[core] - model.positions[core], box)
    starts = np.array(
        [residue.start for residue in model.residues if residue.start < len(core)]
    )  # the crystal comes first
    size = np.diff([*starts, len(core)])
    return starts, np.add.reduceat(delta, starts) / size[:, None]


def image_distance(ligands: list[np.ndarray], box: np.ndarray) -> float:
    """The shortest distance (nm) from one of the ligands, each whole (n, 3) nm, to its own images
    and to the others and theirs.
    """
    shortest = np.inf
    for a, b in itertools.combinations_with_replacement(range(len(ligands)), 2):
        first, second = (
            ligands[a],
            ligands[b] + image_shift(ligands[a].mean(axis=0) - ligands[b].mean(axis=0), box),
        )
        delta = first[:, None] - second[None]
        for step in itertools.product((-1, 0, 1), repeat=3):
            if a != b or any(step):
                shortest = min(
                    shortest, float(np.linalg.norm(delta + np.array(step) * box, axis=-1).min())
                )
    return shortest


def solvent_distance(model: Model, positions: np.ndarray, box: np.ndarray) -> tuple[float, ...]:
    """From each site of a sampled ligand to the nearest heavy atom of the solvent (nm); nothing
    where there is no solvent.
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
    """How many halides that are not to leave are within 0.40 nm of each metal of the crystal, in
    the order of metals_of.
    """
    ligands = [
        i
        for i in np.setdiff1d(model.groups["core"], model.groups["partner"])
        if model.elements[i] in halides
    ]
    inside_box = wrap(positions, box)
    tree = cKDTree(inside_box[ligands], boxsize=box)
    return tree.query_ball_point(
        inside_box[metals_of(model, metals)], COORDINATED_NM, return_length=True
    )


def metals_of(model: Model, metals: tuple[str, ...]) -> np.ndarray:
    """Atom indices of the metals of the crystal."""
    return np.array([i for i in model.groups["core"] if model.elements[i] in metals], dtype=int)
