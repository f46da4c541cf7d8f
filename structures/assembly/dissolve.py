"""Add ligands and counter-ions to the solvent: free molecules at random, seeded places away from
the crystal and from each other.
"""

from collections.abc import Mapping

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from halobind.structures.crystals.a_site_molecules import PlacedResidue
from halobind.structures.molecules.catalogue import ION_CHARGES, Ligand
from halobind.structures.molecules.molecule import make_molecule
from halobind.structures.molecules.periodic import minimum_image, wrap
from halobind.structures.molecules.radii import CONTACT_RADII, CONTACT_SCALE

TRIES = 2000


def check_dissolved(
    wanted: Mapping[str, int], ligands: Mapping[str, Ligand], solvent: bool
) -> None:
    """Raise ValueError for species that are unknown or do not balance, with the sum and the fix."""
    if wanted and not solvent:
        raise ValueError("dissolved needs a solvent: name one, or leave dissolved out")
    total = 0
    for name, count in wanted.items():
        if name not in ligands and name not in ION_CHARGES:
            raise ValueError(
                f"dissolved: {name} = {count}: there is no ion or ligand {name!r}; ions are"
                f" {', '.join(ION_CHARGES)}"
            )
        if count < 1:
            raise ValueError(
                f"dissolved: {name} = {count}: write a whole number of at least 1, or leave"
                f" {name} out"
            )
        total += count * (ligands[name].charge if name in ligands else ION_CHARGES[name])
    if total:
        fix = f"{total} more Br" if total > 0 else f"{-total} more Cs"
        raise ValueError(
            f"dissolved: {', '.join(f'{count} {name}' for name, count in wanted.items())} sum to"
            f" {total:+d} e, and every other exchange is neutral: add counter-ions, for example"
            f" {fix}"
        )


def place_dissolved(
    wanted: Mapping[str, int],
    there: tuple[list[PlacedResidue], Mapping[str, Ligand]],
    room: tuple[np.ndarray, np.ndarray],
    seed: int,
) -> list[PlacedResidue]:
    """A Piece for each dissolved molecule or ion, outside the block and clear of what is `there`
    (pieces, ligand rows).

    `room` is (box (3,), half-lengths (3,) of the block about the origin) in nm. Raises ValueError
    when one finds no place.
    """
    pieces, ligands = there
    box, block = room
    rng = np.random.default_rng(seed)
    found: list[PlacedResidue] = []
    for name, count in wanted.items():
        item = make_molecule(name, ligands[name]) if name in ligands else None
        shape = np.zeros((1, 3)) if item is None else item.positions - item.positions.mean(axis=0)
        for _ in range(count):
            found.append(
                _one(PlacedResidue(name, item, shape), [*pieces, *found], (box, block), rng)
            )
    return found


def _one(
    piece: PlacedResidue,
    others: list[PlacedResidue],
    room: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
) -> PlacedResidue:
    box, block = room
    positions = np.concatenate([other.positions for other in others])
    radii = np.array([CONTACT_RADII[e] for other in others for e in other.elements])
    tree = cKDTree(wrap(positions, box), boxsize=box)
    mine = np.array([CONTACT_RADII[e] for e in piece.elements])
    for _ in range(TRIES):
        turned = (
            Rotation.from_quat(rng.normal(size=4)).apply(piece.positions)
            + rng.uniform(-0.5, 0.5, size=3) * box
        )
        centred = minimum_image(turned, box)
        if (np.abs(centred) < block).all(axis=1).any():
            continue
        distance, index = tree.query(wrap(turned, box), k=8)
        if (distance >= CONTACT_SCALE * (mine[:, None] + radii[index])).all():
            return PlacedResidue(piece.name, piece.molecule, turned)
    raise ValueError(
        f"dissolved: no place for {piece.name} in the solvent after {TRIES} tries: raise gap_nm, or"
        " dissolve less"
    )
