"""Bind every chosen ligand to the crystal, or say which two cannot both fit and how many can."""

from collections.abc import Mapping

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
from halobind.structures.molecules.molecule import bridging, make_molecule
from halobind.structures.molecules.periodic import minimum_image, wrap
from halobind.structures.molecules.radii import CONTACT_RADII, CONTACT_SCALE

TOLERATED = 0.95  # of the allowed distance, what soft spheres leave after relaxation


def seat_of(crystal: Crystal, bound: BoundLigand, ligands: Mapping[str, Ligand]) -> Seat:
    """Where and how a chosen ligand sits. Raises ValueError for a zwitterion that cannot span its
    two sites.
    """
    row = ligands[bound.ligand]
    item, mode = make_molecule(bound.ligand, row), MODES[row.mode]
    first = crystal.sites[bound.sites[0]]
    if len(bound.sites) == 1:
        return Seat(
            item, item.conformers, frame_of(first.normal), first.point, mode.height_nm, False
        )
    span = crystal.delta(crystal.sites[bound.sites[1]].point, first.point)
    distance = float(np.linalg.norm(span))
    conformers = bridging(bound.ligand, row, round(distance, 4))
    if not len(conformers):
        raise ValueError(
            f"{bound.ligand} cannot reach from its A site to the X site {distance:.2f} nm away:"
            " bind it by one head only"
        )
    x = span / distance
    z = first.normal - x * (first.normal @ x)
    z = z / np.linalg.norm(z)
    return Seat(
        item, conformers, np.stack([x, np.cross(z, x), z]), first.point, mode.height_nm, True
    )


def place_all_ligands(
    crystal: Crystal,
    ions: list[PlacedResidue],
    bounds: list[BoundLigand],
    setting: tuple[Mapping[str, Ligand], np.ndarray],
) -> list[Placement]:
    """A Placement for every Bound, in order, without an overlap. `setting` is (ligand rows, box
    (3,) in nm).

    Ligands are placed one after another as rigid poses; where that leaves contacts, chains are
    relaxed as soft spheres with the heads held. Raises ValueError naming the first two ligands that
    cannot both fit, and how many can.
    """
    ligands, box = setting
    elements = tuple(e for piece in ions for e in piece.elements)
    around = Surroundings(elements, np.concatenate([piece.positions for piece in ions]), box)
    placed = []
    for bound in bounds:
        seat = seat_of(crystal, bound, ligands)
        found = place_ligand(seat, around)
        if found.score < 1.0 and found.rival < 0:
            site = crystal.sites[bound.sites[0]]
            raise ValueError(
                f"{bound.ligand} does not fit on the {site.kind} {site.role} site at"
                f" {_point(site.point)} nm: its best pose comes to {found.score:.2f} of the allowed"
                " distance from the crystal or its own image; use more cells, or another site"
            )
        around.add(seat.molecule, found.positions)
        placed.append(found)
    if all(found.score >= 1.0 for found in placed):
        return placed
    relaxed = _relaxed(crystal, elements, around, (bounds, placed, ligands))
    _refuse_overlaps(crystal, bounds, relaxed, around)
    return relaxed


def _relaxed(
    crystal: Crystal, elements: tuple[str, ...], around: Surroundings, bound: tuple
) -> list[Placement]:
    """The same placements with chains moved apart, heads held."""
    bounds, placed, ligands = bound
    n_ions = len(elements)
    items = [make_molecule(b.ligand, ligands[b.ligand]) for b in bounds]
    starts = n_ions + np.cumsum([0, *(item.n_atoms for item in items)])
    bonds = [item.bonds + start for item, start in zip(items, starts, strict=False)]
    pinned = np.zeros(len(around.positions), dtype=bool)
    for item, start in zip(items, starts, strict=False):
        pinned[start + np.array(item.heads)] = True
    atoms = SoftAtoms(
        elements=elements + tuple(e for item in items for e in item.elements),
        positions=around.positions,
        bonds=np.concatenate(bonds),
        rigid=np.concatenate([item.rigid for item in items]),
        fixed=np.arange(len(around.positions)) < n_ions,
        pinned=pinned,
    )
    moved = relax_contacts(atoms, around.box)
    around.positions = moved
    return [
        Placement(moved[a:b], p.height_nm, p.score, p.rival)
        for a, b, p in zip(starts[:-1], starts[1:], placed, strict=True)
    ]


def _refuse_overlaps(
    crystal: Crystal, bounds: list[BoundLigand], placed: list[Placement], around: Surroundings
) -> None:
    """Raise ValueError when two ligands, or a ligand and the crystal, still overlap."""
    inside_box = wrap(around.positions, around.box)
    longest = 2 * CONTACT_SCALE * max(CONTACT_RADII.values())
    pairs = cKDTree(inside_box, boxsize=around.box).query_pairs(longest, output_type="ndarray")
    owner = around.owner
    pairs = pairs[owner[pairs[:, 0]] != owner[pairs[:, 1]]]
    delta = inside_box[pairs[:, 0]] - inside_box[pairs[:, 1]]
    delta = minimum_image(delta, around.box)
    room = np.linalg.norm(delta, axis=1) / (
        CONTACT_SCALE * (around.radii[pairs[:, 0]] + around.radii[pairs[:, 1]])
    )
    bad = pairs[room < TOLERATED]
    if not len(bad):
        return
    clashes = np.unique(np.sort(owner[bad], axis=1), axis=0)
    first, second = (int(i) for i in clashes[0])
    left = [(int(i), int(j)) for i, j in clashes]
    dropped: set[int] = set()
    while left:  # take out whoever clashes most until nobody does
        count = np.bincount([k for pair in left for k in pair if k >= 0], minlength=len(bounds))
        dropped.add(int(count.argmax()))
        left = [pair for pair in left if dropped.isdisjoint(pair)]
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
    site = crystal.sites[bound.sites[0]]
    return f"the {site.kind} {site.role} site at {_point(site.point)} nm"


def _point(xyz: np.ndarray) -> str:
    return "(" + ", ".join(f"{x:.2f}" for x in xyz) + ")"
