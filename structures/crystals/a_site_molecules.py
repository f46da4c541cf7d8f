"""The atoms of a crystal: ions, and molecules on the A sites in random, seeded orientations without
clashes.
"""

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

DRAWS = 4000
LIBRARY = 200


@dataclass(frozen=True, eq=False)
class PlacedResidue:
    """One residue of a model: its name, its Molecule (None for an ion), positions (n_atoms, 3) in
    nm, and the index of the crystal ion it stands for (-1 outside the crystal).
    """

    name: str
    molecule: Molecule | None
    positions: np.ndarray
    ion: int = -1

    @property
    def elements(self) -> tuple[str, ...]:
        return (self.name,) if self.molecule is None else self.molecule.elements


def crystal_residues(crystal: Crystal, leaving: set[int], seed: int) -> list[PlacedResidue]:
    """A Piece for every ion of the crystal but the `leaving` ones. The same seed gives the same
    orientations.
    """
    kept = [i for i in range(len(crystal.species)) if i not in leaving]
    turned = {}
    for name in sorted({crystal.species[i] for i in kept} - set(ION_CHARGES)):
        mine = [i for i in kept if crystal.species[i] == name]
        turned |= dict(
            zip(
                mine,
                orient_molecules(crystal, catalogue_molecule(name), np.array(mine), seed),
                strict=True,
            )
        )
    pieces = []
    for i in kept:
        name = crystal.species[i]
        if i in turned:
            pieces.append(PlacedResidue(name, catalogue_molecule(name), turned[i], i))
        else:
            pieces.append(PlacedResidue(name, None, crystal.positions[[i]], i))
    return pieces


def orient_molecules(crystal: Crystal, item: Molecule, sites: np.ndarray, seed: int) -> np.ndarray:
    """Positions (n_sites, n_atoms, 3) of `item` on the A sites with indices `sites`, its heavy
    atoms centred there.

    Orientations are drawn from those that keep 0.8 of the contact radii to the ions of a full cage,
    and drawn again where two neighbours clash. Raises ValueError when the molecule does not fit its
    cage.
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
    for _ in range(200):
        clash = np.zeros(len(points), dtype=bool)
        for part in np.array_split(np.arange(len(pairs)), max(1, len(pairs) // 20000)):
            first, second = (
                library[choice[pairs[part, 0]]],
                library[choice[pairs[part, 1]]] + offsets[part, None],
            )
            gaps = np.linalg.norm(first[:, :, None] - second[:, None], axis=-1)
            clash[pairs[part, 1]] |= (gaps < limits).any(axis=(1, 2))
        if not clash.any():
            return library[choice] + points[:, None]
        choice[clash] = rng.integers(len(library), size=int(clash.sum()))
    raise ValueError(
        f"{item.name} molecules clash on neighbouring A sites of a lattice of {crystal.lattice_nm}"
        " nm in every orientation drawn"
    )


def _neighbours(crystal: Crystal, points: np.ndarray, reach: float) -> np.ndarray:
    """Pairs (n, 2) of points nearer than `reach`, periodic where the crystal is."""
    if crystal.box_xy is None:
        return cKDTree(points).query_pairs(reach, output_type="ndarray")
    height = np.ptp(points[:, 2]) + 2 * reach
    size = np.array([*crystal.box_xy, height])
    inside_box = wrap(points - [0, 0, points[:, 2].min() - reach / 2], size)
    return cKDTree(inside_box, boxsize=size).query_pairs(reach, output_type="ndarray")


def _caged(
    crystal: Crystal, item: Molecule, centred: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Orientations (n, n_atoms, 3) about an A site at the origin that touch none of its 12 halides
    and 8 metals.
    """
    half = crystal.lattice_nm / 2
    corners = np.array(list(itertools.product((-1, 0, 1), repeat=3)), dtype=float)
    odd = np.abs(corners).sum(axis=1)
    halide = next(name for name in crystal.species if ION_CHARGES.get(name) == -1)
    metal = next(name for name in crystal.species if ION_CHARGES.get(name) == 2)
    cage = np.concatenate([corners[odd == 2], corners[odd == 3]]) * half
    radii = np.array([CONTACT_RADII[halide]] * 12 + [CONTACT_RADII[metal]] * 8)
    limits = CONTACT_SCALE * (
        np.array([CONTACT_RADII[e] for e in item.elements])[:, None] + radii[None]
    )
    turned = np.einsum(
        "rij,aj->rai", Rotation.from_quat(rng.normal(size=(DRAWS, 4))).as_matrix(), centred
    )
    room = (np.linalg.norm(turned[:, :, None] - cage, axis=-1) / limits).min(axis=(1, 2))
    fits = turned[room >= 1.0][:LIBRARY]
    if len(fits) < 10:
        raise ValueError(
            f"{item.name} does not fit on the A site of a lattice of {crystal.lattice_nm} nm: its"
            f" best orientation has a contact at {room.max():.2f} of the allowed distance"
        )
    return fits
