"""Soft spheres: what they push, what they leave alone, and that molecules stay the molecules they
were.
"""

import numpy as np
import pytest

from halobind.structures.assembly.relax import (
    CONTACT_MARGIN,
    PIN_K,
    SOFT_K,
    SoftAtoms,
    relax_contacts,
    springs,
)
from halobind.structures.molecules.molecule import Molecule, catalogue_molecule
from halobind.structures.molecules.periodic import minimum_image
from halobind.structures.molecules.radii import CONTACT_RADII, CONTACT_SCALE

BOX = np.array([3.0, 3.5, 4.0])
DA_ATOMS, DA_BONDS = 41, 40


def lone(elements: str, positions: list, fixed: list, pinned: list) -> SoftAtoms:
    """Single atoms without bonds."""
    xyz, nothing = np.array(positions, dtype=float), np.zeros((0, 2), dtype=int)
    return SoftAtoms(
        tuple(elements.split()),
        xyz,
        nothing,
        np.zeros(0, dtype=bool),
        np.array(fixed),
        np.array(pinned),
    )


def pair_of(item: Molecule, shift: tuple[float, float, float]) -> SoftAtoms:
    """A molecule and its copy, `shift` nm away: much too near."""
    n = item.n_atoms
    xyz = np.concatenate([item.positions, item.positions + np.array(shift)])
    nothing = np.zeros(2 * n, dtype=bool)
    return SoftAtoms(
        item.elements * 2,
        xyz,
        np.concatenate([item.bonds, item.bonds + n]),
        np.tile(item.rigid, 2),
        nothing,
        nothing,
    )


def handedness(xyz: np.ndarray, centre: int, around: list[int]) -> float:
    """The volume spanned by the first three neighbours of a centre, its sign their handedness."""
    a, b, c = (xyz[i] - xyz[centre] for i in around[:3])
    return float(
        np.dot(a, np.cross(b, c)) / (np.linalg.norm(a) * np.linalg.norm(b) * np.linalg.norm(c))
    )


def dihedral(xyz: np.ndarray, i: int, j: int, k: int, m: int) -> float:
    """Degrees, 0 when cis."""
    first, second = (
        np.cross(xyz[j] - xyz[i], xyz[k] - xyz[j]),
        np.cross(xyz[k] - xyz[j], xyz[m] - xyz[k]),
    )
    return float(
        np.degrees(
            np.arccos(
                np.clip(first @ second / np.linalg.norm(first) / np.linalg.norm(second), -1, 1)
            )
        )
    )


def test_two_molecules_part_over_the_boundary_and_no_further_than_they_must() -> None:
    item = catalogue_molecule("acetone")
    centred = item.positions - item.positions.mean(axis=0)
    xyz = np.concatenate(
        [centred + np.array([0.1, 1.0, 1.0]), centred + np.array([2.9, 1.1, 1.05])]
    )
    bonds, nothing = (
        np.concatenate([item.bonds, item.bonds + item.n_atoms]),
        np.zeros(2 * item.n_atoms, dtype=bool),
    )
    moved = relax_contacts(
        SoftAtoms(item.elements * 2, xyz, bonds, np.tile(item.rigid, 2), nothing, nothing), BOX
    )
    radii = np.array([CONTACT_RADII[e] for e in item.elements])
    gaps = np.linalg.norm(
        minimum_image(moved[: item.n_atoms, None] - moved[None, item.n_atoms :], BOX), axis=-1
    ) / (radii[:, None] + radii)
    assert 0.97 * CONTACT_SCALE < gaps.min() < 1.3 * CONTACT_SCALE
    assert np.linalg.norm(moved - xyz, axis=1).max() < 0.5


def test_a_pin_gives_way_by_the_ratio_of_the_springs() -> None:
    """Two pinned carbons 0.2 nm apart: PIN_K x = SOFT_K (d - 0.2 - 2 x) for each."""
    moved = relax_contacts(
        lone("C C", [[1.0, 1.0, 1.0], [1.2, 1.0, 1.0]], [False, False], [True, True]), BOX
    )
    contact = CONTACT_MARGIN * CONTACT_SCALE * 2 * CONTACT_RADII["C"]
    step = SOFT_K * (contact - 0.2) / (PIN_K + 2 * SOFT_K)
    assert 1.0 - moved[0, 0] == pytest.approx(step, abs=5e-4)
    assert moved[1, 0] - 1.2 == pytest.approx(step, abs=5e-4)


def test_what_is_fixed_stays_and_what_is_far_enough_stays() -> None:
    atoms = lone(
        "Cs Br C C",
        [[1, 1, 1], [1.1, 1, 1], [1.1, 1.2, 1], [2.5, 3, 3]],
        [True, True, False, False],
        [False] * 4,
    )
    moved = relax_contacts(atoms, BOX)
    assert np.array_equal(moved[:2], atoms.positions[:2])
    assert np.linalg.norm(moved[2] - moved[:2], axis=1).min() > 0.26
    assert moved[3] == pytest.approx(atoms.positions[3], abs=1e-5)


def test_the_same_input_gives_the_same_positions() -> None:
    atoms = pair_of(catalogue_molecule("oleylammonium"), (0.08, 0.0, 0.03))
    assert np.array_equal(relax_contacts(atoms, BOX), relax_contacts(atoms, BOX))


@pytest.mark.parametrize(
    "name", ["phenylalaninium", "leucine", "oleylammonium", "4-CF3-cinnamate", "DDA"]
)
def test_molecules_pushed_apart_keep_their_shape(name: str) -> None:
    """Bonds within 2 %, angles, rings, double bonds and handedness."""
    item = catalogue_molecule(name)
    atoms = pair_of(item, (0.09, 0.05, 0.02))
    moved = relax_contacts(atoms, BOX)
    radii = np.array([CONTACT_RADII[e] for e in item.elements])
    first, second = moved[: item.n_atoms], moved[item.n_atoms :]
    gaps = np.linalg.norm(minimum_image(first[:, None] - second[None], BOX), axis=-1) / (
        radii[:, None] + radii
    )
    assert gaps.min() > 0.95 * CONTACT_SCALE
    pairs = springs(atoms)
    before = np.linalg.norm(atoms.positions[pairs[:, 0]] - atoms.positions[pairs[:, 1]], axis=1)
    after = np.linalg.norm(moved[pairs[:, 0]] - moved[pairs[:, 1]], axis=1)
    bonds = {tuple(bond) for bond in np.sort(atoms.bonds, axis=1).tolist()}
    bonded = np.array([tuple(pair) in bonds for pair in np.sort(pairs, axis=1).tolist()])
    assert after[bonded] == pytest.approx(before[bonded], rel=0.02)
    assert after == pytest.approx(before, rel=0.06)
    neighbours = [
        [int(j) for bond in item.bonds for j in bond if i in bond and j != i]
        for i in range(item.n_atoms)
    ]
    for part in (first, second):
        for centre in (i for i, near in enumerate(neighbours) if len(near) == 4):
            assert (
                handedness(part, centre, neighbours[centre])
                * handedness(item.positions, centre, neighbours[centre])
                > 0
            )
        for (j, k), rigid in zip(item.bonds.tolist(), item.rigid, strict=True):
            ends = [
                (i, m) for i in neighbours[j] if i != k for m in neighbours[k] if m != j and m != i
            ]
            if rigid and ends:
                i, m = ends[0]
                assert dihedral(part, i, j, k, m) == pytest.approx(
                    dihedral(item.positions, i, j, k, m), abs=20.0
                )  # cis stays cis


def test_single_bonds_turn_and_rigid_ones_do_not() -> None:
    """The number of springs tells: bonds, 1-3 pairs (6 about sp3, 3 about sp2 carbon), 1-4 pairs
    over the double bond only.
    """
    octane, octadecene = (
        pair_of(catalogue_molecule(name), (1.0, 1.0, 1.0)) for name in ("octane", "1-octadecene")
    )
    assert len(springs(octane)) == 2 * (25 + 8 * 6)
    assert len(springs(octadecene)) == 2 * (53 + 16 * 6 + 2 * 3 + 4)


def test_a_chain_against_a_wall_bends_and_its_head_stays() -> None:
    """A pinned dodecylammonium whose tail runs into fixed bromides is turned aside about its single
    bonds.
    """
    item = catalogue_molecule("DA")
    assert (item.n_atoms, len(item.bonds)) == (DA_ATOMS, DA_BONDS)
    head = item.positions + np.array([1.5, 1.75, 0.6])
    tail = head[np.argmax(head[:, 2])]
    wall = tail + np.array([[x, y, 0.0] for x in (-0.3, 0.1) for y in (-0.2, 0.2)])
    fixed = np.arange(DA_ATOMS + 4) >= DA_ATOMS
    pinned = np.arange(DA_ATOMS + 4) == item.anchor
    atoms = SoftAtoms(
        item.elements + ("Br",) * 4,
        np.concatenate([head, wall]),
        item.bonds,
        item.rigid,
        fixed,
        pinned,
    )
    moved = relax_contacts(atoms, BOX)
    assert np.linalg.norm(moved[item.anchor] - head[item.anchor]) < 0.02
    assert np.array_equal(moved[DA_ATOMS:], wall)
    radii = np.array([CONTACT_RADII[e] for e in item.elements])
    gaps = np.linalg.norm(minimum_image(moved[:DA_ATOMS, None] - wall[None], BOX), axis=-1) / (
        radii[:, None] + CONTACT_RADII["Br"]
    )
    assert gaps.min() > 0.95 * CONTACT_SCALE
