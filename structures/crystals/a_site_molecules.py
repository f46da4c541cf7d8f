"""The atoms of a crystal: ions, and molecules on A sites in random, seeded orientations."""

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from halobind.structures.crystals.crystal import Crystal
from halobind.structures.molecules.catalogue import ION_CHARGES
from halobind.structures.molecules.molecule import Molecule, catalogue_molecule
from halobind.structures.molecules.periodic import wrap
from halobind.structures.molecules.radii import CONTACT_RADII, CONTACT_SCALE

N_ORIENTATIONS_DRAWN = 4000
MAX_ORIENTATIONS = 200
MIN_ORIENTATIONS = 10
MAX_REDRAWS = 200
PAIRS_PER_BATCH = 20000


@dataclass(frozen=True, eq=False)
class PlacedResidue:
    """One residue of a model: an ion, or a molecule, where it is."""

    name: str
    """The element of an ion, or the name of the molecule."""
    molecule: Molecule | None
    """What it is; None for an ion."""
    positions: np.ndarray
    """(n_atoms, 3) in nm."""
    ion: int = -1
    """Index of the crystal ion that it stands for; -1 outside the crystal."""

    @property
    def elements(self) -> tuple[str, ...]:
        """Element symbols, one an atom."""
        return (self.name,) if self.molecule is None else self.molecule.elements

    @property
    def atom_names(self) -> tuple[str, ...]:
        """Unique names, one an atom."""
        return (self.name,) if self.molecule is None else self.molecule.names

    @property
    def anchor(self) -> int:
        """Index of its first head among its atoms; 0 for an ion."""
        return 0 if self.molecule is None else self.molecule.anchor


def crystal_residues(crystal: Crystal, leaving: set[int], seed: int) -> list[PlacedResidue]:
    """The residues of a crystal, in the order of its ions.

    Args:
        crystal: The crystal.
        leaving: Indices of the ions that give way to ligands.
        seed: Decides the orientations of molecules.

    Raises:
        ValueError: As `orient_molecules` does.
    """
    kept = [i for i in range(len(crystal.species)) if i not in leaving]
    molecules: dict[int, PlacedResidue] = {}
    for name in sorted({crystal.species[i] for i in kept} - set(ION_CHARGES)):
        item = catalogue_molecule(name)
        sites = [i for i in kept if crystal.species[i] == name]
        for i, xyz in zip(
            sites, orient_molecules(crystal, item, np.array(sites), seed), strict=True
        ):
            molecules[i] = PlacedResidue(name, item, xyz, i)
    return [
        molecules.get(i) or PlacedResidue(crystal.species[i], None, crystal.positions[[i]], i)
        for i in kept
    ]


def orient_molecules(crystal: Crystal, item: Molecule, sites: np.ndarray, seed: int) -> np.ndarray:
    """Put molecules on A sites, their heavy atoms centred there.

    Orientations are drawn from those that keep 0.8 of the contact radii to the ions of a full cage,
    and drawn again where two neighbours clash.

    Args:
        crystal: The crystal.
        item: The molecule.
        sites: Indices (n_sites,) of its A sites.
        seed: Decides the orientations.

    Returns:
        Positions (n_sites, n_atoms, 3) in nm.

    Raises:
        ValueError: When the molecule does not fit its cage, or neighbours go on clashing.
    """
    rng = np.random.default_rng(seed)
    heavy = np.array([e != "H" for e in item.elements])
    centred = item.positions - item.positions[heavy].mean(axis=0)
    library = _caged(crystal, item, centred, rng)
    points = crystal.positions[sites]
    radii = np.array([CONTACT_RADII[e] for e in item.elements])
    limits = CONTACT_SCALE * (radii[:, None] + radii[None])
    pairs = _neighbours(crystal, points, 2 * np.linalg.norm(centred, axis=1).max() + limits.max())
    offsets = crystal.delta(points[pairs[:, 1]], points[pairs[:, 0]])
    choice = rng.integers(len(library), size=len(points))
    for _ in range(MAX_REDRAWS):
        clash = np.zeros(len(points), dtype=bool)
        n_batches = max(1, len(pairs) // PAIRS_PER_BATCH)
        for batch in np.array_split(np.arange(len(pairs)), n_batches):
            first = library[choice[pairs[batch, 0]]]
            second = library[choice[pairs[batch, 1]]] + offsets[batch, None]
            gaps = np.linalg.norm(first[:, :, None] - second[:, None], axis=-1)
            clash[pairs[batch, 1]] |= (gaps < limits).any(axis=(1, 2))
        if not clash.any():
            placed: np.ndarray = library[choice] + points[:, None]
            return placed
        choice[clash] = rng.integers(len(library), size=int(clash.sum()))
    raise ValueError(
        f"{item.name} molecules clash on neighbouring A sites of a lattice of {crystal.lattice_nm}"
        " nm in every orientation drawn"
    )


def _neighbours(crystal: Crystal, points: np.ndarray, reach: float) -> np.ndarray:
    """Pairs (n, 2) of points (n, 3) nearer than `reach` nm, periodic where the crystal is."""
    pairs: np.ndarray
    if crystal.box_xy is None:
        pairs = cKDTree(points).query_pairs(reach, output_type="ndarray")
        return pairs
    height = np.ptp(points[:, 2]) + 2 * reach
    size = np.array([*crystal.box_xy, height])
    inside_box = wrap(points - [0, 0, points[:, 2].min() - reach / 2], size)
    pairs = cKDTree(inside_box, boxsize=size).query_pairs(reach, output_type="ndarray")
    return pairs


def _caged(
    crystal: Crystal, item: Molecule, centred: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Orientations about an A site at the origin that touch none of its 12 halides and 8 metals.

    Args:
        crystal: Gives the lattice constant and the elements of the cage.
        item: The molecule.
        centred: Its positions (n_atoms, 3) in nm, heavy atoms centred at the origin.
        rng: Decides the orientations.

    Returns:
        Positions (n, n_atoms, 3) in nm.

    Raises:
        ValueError: When the molecule does not fit.
    """
    half = crystal.lattice_nm / 2
    corners = np.array(list(itertools.product((-1, 0, 1), repeat=3)), dtype=float)
    n_odd = np.abs(corners).sum(axis=1)
    halide = next(name for name in crystal.species if ION_CHARGES.get(name) == -1)
    metal = next(name for name in crystal.species if ION_CHARGES.get(name) == 2)
    cage = np.concatenate([corners[n_odd == 2], corners[n_odd == 3]]) * half
    radii = np.array([CONTACT_RADII[halide]] * 12 + [CONTACT_RADII[metal]] * 8)
    own_radii = np.array([CONTACT_RADII[e] for e in item.elements])
    limits = CONTACT_SCALE * (own_radii[:, None] + radii[None])
    quaternions = rng.normal(size=(N_ORIENTATIONS_DRAWN, 4))
    turned = np.einsum("rij,aj->rai", Rotation.from_quat(quaternions).as_matrix(), centred)
    room = (np.linalg.norm(turned[:, :, None] - cage, axis=-1) / limits).min(axis=(1, 2))
    fits: np.ndarray = turned[room >= 1.0][:MAX_ORIENTATIONS]
    if len(fits) < MIN_ORIENTATIONS:
        raise ValueError(
            f"{item.name} does not fit on the A site of a lattice of {crystal.lattice_nm} nm: its"
            f" best orientation has a contact at {room.max():.2f} of the allowed distance"
        )
    return fits
