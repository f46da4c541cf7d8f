"""Bind every chosen ligand to the crystal, or say which two cannot both fit and how many can."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from halobind.structures.assembly.pose_search import (
    Placement,
    Seat,
    Surroundings,
    frame_of,
    place_ligand,
)
from halobind.structures.assembly.relax import SoftAtoms, relax_contacts
from halobind.structures.crystals.a_site_molecules import PlacedResidue
from halobind.structures.crystals.coating import BoundLigand
from halobind.structures.crystals.crystal import Crystal
from halobind.structures.molecules.catalogue import MODES, Ligand
from halobind.structures.molecules.molecule import Molecule, bridging_conformers, make_molecule
from halobind.structures.molecules.periodic import minimum_image, wrap
from halobind.structures.molecules.radii import CONTACT_RADII, CONTACT_SCALE

MIN_SCORE_RELAXED = 0.95  # of the allowed distance, what soft spheres leave after relaxation


def seat_of(crystal: Crystal, bound: BoundLigand, ligands: Mapping[str, Ligand]) -> Seat:
    """Where and how a chosen ligand sits.

    Raises:
        ValueError: For a zwitterion that cannot span its two sites.
    """
    row = ligands[bound.ligand]
    item = make_molecule(bound.ligand, row)
    height_nm = MODES[row.mode].height_nm
    first = crystal.sites[bound.sites[0]]
    if len(bound.sites) == 1:
        return Seat(item, item.conformers, frame_of(first.normal), first.point, height_nm, False)
    span = crystal.delta(crystal.sites[bound.sites[1]].point, first.point)
    distance = float(np.linalg.norm(span))
    conformers = bridging_conformers(bound.ligand, row, round(distance, 4))
    if not len(conformers):
        raise ValueError(
            f"{bound.ligand} cannot reach from its A site to the X site {distance:.2f} nm away:"
            " bind it by one head only"
        )
    x = span / distance
    z = first.normal - x * (first.normal @ x)
    z = z / np.linalg.norm(z)
    frame = np.stack([x, np.cross(z, x), z])
    return Seat(item, conformers, frame, first.point, height_nm, True)


def place_all_ligands(
    crystal: Crystal,
    ions: list[PlacedResidue],
    bounds: list[BoundLigand],
    *,
    ligands: Mapping[str, Ligand],
    box: np.ndarray,
) -> list[Placement]:
    """Place every bound ligand without an overlap.

    Ligands are placed one after another as rigid poses; where that leaves contacts, chains are
    relaxed as soft spheres with the heads held.

    Args:
        crystal: The crystal.
        ions: Its residues, without those that gave way.
        bounds: The ligands and their sites.
        ligands: Every ligand that can be named.
        box: Edges (3,) in nm.

    Returns:
        A placement for each of `bounds`.

    Raises:
        ValueError: Naming the first two ligands that cannot both fit, and how many can.
    """
    elements = tuple(e for residue in ions for e in residue.elements)
    positions = np.concatenate([residue.positions for residue in ions])
    around = Surroundings(elements, positions, box)
    placed: list[Placement] = []
    for bound in bounds:
        seat = seat_of(crystal, bound, ligands)
        placement = place_ligand(seat, around)
        if placement.score < 1.0 and placement.rival < 0:
            site = crystal.sites[bound.sites[0]]
            raise ValueError(
                f"{bound.ligand} does not fit on the {site.kind} {site.role} site at"
                f" {_point(site.point)} nm: its best pose comes to {placement.score:.2f} of the"
                " allowed distance from the crystal or its own image; use more cells, or another"
                " site"
            )
        around.add(seat.molecule, placement.positions)
        placed.append(placement)
    if all(placement.score >= 1.0 for placement in placed):
        return placed
    items = [make_molecule(bound.ligand, ligands[bound.ligand]) for bound in bounds]
    relaxed = _relaxed(elements, items, placed, around)
    _refuse_overlaps(crystal, bounds, around)
    return relaxed


def _relaxed(
    ion_elements: tuple[str, ...],
    items: list[Molecule],
    placed: list[Placement],
    around: Surroundings,
) -> list[Placement]:
    """The same placements with chains moved apart and heads held.

    Args:
        ion_elements: Element symbols of the crystal's atoms, which stay where they are.
        items: The ligands.
        placed: Their placements.
        around: The crystal and the ligands; its positions are replaced.
    """
    n_ions = len(ion_elements)
    starts = n_ions + np.cumsum([0, *(item.n_atoms for item in items)])
    bonds = [item.bonds + start for item, start in zip(items, starts[:-1], strict=True)]
    pinned = np.zeros(len(around.positions), dtype=bool)
    for item, start in zip(items, starts[:-1], strict=True):
        pinned[start + np.array(item.heads)] = True
    atoms = SoftAtoms(
        elements=ion_elements + tuple(e for item in items for e in item.elements),
        positions=around.positions,
        bonds=np.concatenate(bonds),
        rigid=np.concatenate([item.rigid for item in items]),
        fixed=np.arange(len(around.positions)) < n_ions,
        pinned=pinned,
    )
    moved = relax_contacts(atoms, around.box)
    around.positions = moved
    return [
        replace(placement, positions=moved[start:stop])
        for start, stop, placement in zip(starts[:-1], starts[1:], placed, strict=True)
    ]


def _refuse_overlaps(crystal: Crystal, bounds: list[BoundLigand], around: Surroundings) -> None:
    """Raise ValueError when two ligands, or a ligand and the crystal, still overlap."""
    inside_box = wrap(around.positions, around.box)
    longest = 2 * CONTACT_SCALE * max(CONTACT_RADII.values())
    pairs = cKDTree(inside_box, boxsize=around.box).query_pairs(longest, output_type="ndarray")
    owner = around.owner
    pairs = pairs[owner[pairs[:, 0]] != owner[pairs[:, 1]]]
    delta = minimum_image(inside_box[pairs[:, 0]] - inside_box[pairs[:, 1]], around.box)
    room = np.linalg.norm(delta, axis=1) / (
        CONTACT_SCALE * (around.radii[pairs[:, 0]] + around.radii[pairs[:, 1]])
    )
    overlapping = pairs[room < MIN_SCORE_RELAXED]
    if not len(overlapping):
        return
    clashes = np.unique(np.sort(owner[overlapping], axis=1), axis=0)
    first, second = (int(i) for i in clashes[0])
    remaining = [(int(i), int(j)) for i, j in clashes]
    dropped: set[int] = set()
    while remaining:  # the ligand with the most clashes is dropped until none clashes
        clashing = [k for pair in remaining for k in pair if k >= 0]
        dropped.add(int(np.bincount(clashing, minlength=len(bounds)).argmax()))
        remaining = [pair for pair in remaining if dropped.isdisjoint(pair)]
    kept = len(bounds) - len(dropped)
    names = [
        f"{bounds[k].ligand} on {_site(crystal, bounds[k])}" if k >= 0 else "the crystal"
        for k in (first, second)
    ]
    raise ValueError(
        f"{names[1]} and {names[0]} cannot both fit (contact at {room.min():.2f} of the allowed"
        f" distance): {kept} of {len(bounds)} ligands fit without an overlap, so lower the coverage"
        f" to {kept / len(bounds):.2f} of what was asked for"
    )


def _site(crystal: Crystal, bound: BoundLigand) -> str:
    """The site of a ligand, for messages."""
    site = crystal.sites[bound.sites[0]]
    return f"the {site.kind} {site.role} site at {_point(site.point)} nm"


def _point(xyz: np.ndarray) -> str:
    return "(" + ", ".join(f"{x:.2f}" for x in xyz) + ")"
