"""Ligands and counter-ions in the solvent, at random, seeded places away from everything else."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from halobind.structures.crystals.a_site_molecules import PlacedResidue
from halobind.structures.molecules.catalogue import ION_CHARGES, Ligand
from halobind.structures.molecules.limits import shown
from halobind.structures.molecules.molecule import make_molecule
from halobind.structures.molecules.periodic import minimum_image, wrap
from halobind.structures.molecules.radii import CONTACT_RADII, CONTACT_SCALE

MAX_PLACES_TRIED = 2000


def check_dissolved(
    counts: Mapping[str, int], ligands: Mapping[str, Ligand], solvent: bool
) -> None:
    """Refuse dissolved species that are unknown or do not balance.

    Args:
        counts: How many of each ligand or ion, by name.
        ligands: Every ligand that can be named.
        solvent: Whether there is a solvent.

    Raises:
        ValueError: With the sum of the charges and the fix.
    """
    if counts and not solvent:
        raise ValueError("dissolved needs a solvent: name one, or leave dissolved out")
    total = 0
    for name, count in counts.items():
        if name not in ligands and name not in ION_CHARGES:
            raise ValueError(
                f"dissolved: {name} = {count}: there is no ion or ligand {shown(name)}; ions are"
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
            f"dissolved: {', '.join(f'{count} {name}' for name, count in counts.items())} sum to"
            f" {total:+d} e, and every other exchange is neutral: add counter-ions, for example"
            f" {fix}"
        )


def place_dissolved(
    counts: Mapping[str, int],
    solute: Sequence[PlacedResidue],
    *,
    ligands: Mapping[str, Ligand],
    box: np.ndarray,
    block: np.ndarray,
    seed: int,
) -> list[PlacedResidue]:
    """Place every dissolved molecule and ion outside the block and clear of everything else.

    Args:
        counts: How many of each ligand or ion, by name.
        solute: The residues of the crystal and the bound ligands.
        ligands: Every ligand that can be named.
        box: Edges (3,) in nm.
        block: Half-lengths (3,) in nm of the block about the origin without solvent.
        seed: Decides the places and orientations.

    Raises:
        ValueError: When one finds no place.
    """
    rng = np.random.default_rng(seed)
    placed: list[PlacedResidue] = []
    for name, count in counts.items():
        residue = PlacedResidue(name, None, np.zeros((1, 3)))
        if name in ligands:
            item = make_molecule(name, ligands[name])
            residue = PlacedResidue(name, item, item.positions - item.positions.mean(axis=0))
        for _ in range(count):
            placed.append(_free_place(residue, [*solute, *placed], box, block, rng))
    return placed


def _free_place(
    residue: PlacedResidue,
    others: list[PlacedResidue],
    box: np.ndarray,
    block: np.ndarray,
    rng: np.random.Generator,
) -> PlacedResidue:
    """The residue, which is centred at the origin, at a random place clear of `others`."""
    positions = np.concatenate([other.positions for other in others])
    radii = np.array([CONTACT_RADII[e] for other in others for e in other.elements])
    tree = cKDTree(wrap(positions, box), boxsize=box)
    own_radii = np.array([CONTACT_RADII[e] for e in residue.elements])
    for _ in range(MAX_PLACES_TRIED):
        turned = Rotation.from_quat(rng.normal(size=4)).apply(residue.positions)
        turned = turned + rng.uniform(-0.5, 0.5, size=3) * box
        centred = minimum_image(turned, box)
        if (np.abs(centred) < block).all(axis=1).any():
            continue
        distance, index = tree.query(wrap(turned, box), k=8)
        if (distance >= CONTACT_SCALE * (own_radii[:, None] + radii[index])).all():
            return PlacedResidue(residue.name, residue.molecule, turned)
    raise ValueError(
        f"dissolved: no place for {residue.name} in the solvent after {MAX_PLACES_TRIED} tries:"
        " raise gap_nm, or dissolve less"
    )
