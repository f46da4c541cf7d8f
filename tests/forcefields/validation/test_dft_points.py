"""Heads and points of density functional theory, their table, and packs held against it."""

import math

import numpy as np
import pytest

from halobind.forcefields.packs.pack import load_pack
from halobind.forcefields.validation.dft_comparison import compared_packs, pack_energy
from halobind.forcefields.validation.dft_heads import IONS, head_names, head_of
from halobind.forcefields.validation.dft_points import (
    COLUMNS,
    Method,
    PocketEnergy,
    Point,
    point_of,
    row_of,
    shipped_rows,
    standard_points,
    table_text,
)
from halobind.forcefields.validation.pocket import HEADS, energy

PACK = load_pack("bond-increment")
ANCHORS = {"FA": "C", "guanidinium": "C", "Cs": "Cs"}
BONDS_NM = {frozenset("CN"): (0.125, 0.16), frozenset("NH"): (0.095, 0.11)}
HYDROGENS_ON_N = {"MA": 3, "dimethylammonium": 2, "trimethylammonium": 1, "FA": 4, "guanidinium": 6}


@pytest.mark.parametrize("name", head_names())
def test_a_head_has_its_anchor_at_the_origin(name: str) -> None:
    head = head_of(name)
    distances = np.linalg.norm(head.positions_nm, axis=1)
    assert distances.min() < 1e-6
    assert head.elements[int(distances.argmin())] == ANCHORS.get(name, "N")
    assert head.charge == 1


@pytest.mark.parametrize("name", [name for name in head_names() if name not in IONS])
def test_a_head_has_the_bonds_of_its_molecule(name: str) -> None:
    head = head_of(name)
    elements = np.array(head.elements)
    nitrogens = head.positions_nm[elements == "N"]
    hydrogens = head.positions_nm[elements == "H"]
    carbons = head.positions_nm[elements == "C"]
    to_hydrogen = np.linalg.norm(nitrogens[:, None] - hydrogens[None], axis=-1)
    to_carbon = np.linalg.norm(nitrogens[:, None] - carbons[None], axis=-1)
    assert np.sum(to_hydrogen < BONDS_NM[frozenset("NH")][1]) == HYDROGENS_ON_N.get(name, 0)
    shortest, longest = BONDS_NM[frozenset("CN")]
    assert np.all(to_carbon.min(axis=0) > shortest)
    assert np.all(to_carbon.min(axis=0) < longest)


def test_an_unknown_head_is_refused() -> None:
    with pytest.raises(KeyError, match="no head 'nobody'; there are MA"):
        head_of("nobody")


def test_minima_come_first_and_every_head_has_five_heights() -> None:
    points = standard_points()
    assert [(point.head, point.height_nm) for point in points[:4]] == [
        ("MA", -0.05),
        ("dimethylammonium", 0.1),
        ("tetramethylammonium", 0.2),
        ("Cs", 0.0),
    ]
    heads = [point.head for point in points]
    assert {head: heads.count(head) for head in heads} == dict.fromkeys(heads, 5)
    assert set(heads) == set(head_names())
    assert len(set(points)) == len(points)


def test_a_row_gives_its_point_back() -> None:
    point = Point("MA", -0.05, Method("b3lyp", "gth-szv-molopt-sr"))
    row = row_of(point, PocketEnergy(-689.123, -20.0, 1.0), 200.4)
    assert tuple(row) == COLUMNS
    assert point_of(row) == point
    assert row["energy_kJ_mol"] == "-689.12"
    assert row["method"] == "B3LYP-D3(BJ)"
    assert row["command"] == (
        "halobind reference --head MA --height=-0.05 --functional b3lyp --basis gth-szv-molopt-sr"
    )
    assert table_text([row]).splitlines()[0] == ",".join(COLUMNS)


def test_shipped_rows_are_points_of_known_heads() -> None:
    rows = shipped_rows()
    points = [point_of(row) for row in rows]
    assert len(set(points)) == len(points)
    assert {point.head for point in points} <= set(head_names())
    assert all(tuple(row) == COLUMNS and row["command"] == point_of(row).command for row in rows)


@pytest.mark.parametrize("name", HEADS)
def test_packs_give_the_energy_of_their_pocket_curves(name: str) -> None:
    for pack in compared_packs().values():
        expected = energy(pack, name, np.array([0.07]))[0]
        assert pack_energy(pack, head_of(name), 0.07) == pytest.approx(expected, rel=1e-9)


def test_full_charges_bind_as_the_published_comparison_says() -> None:
    """Against separated fragments: methylammonium -707, dimethyl- -594, caesium -702 kJ/mol."""
    unscaled = next(pack for name, pack in compared_packs().items() if "unscaled" in name)
    energies = [
        pack_energy(unscaled, head_of(head), height)
        for head, height in (("MA", -0.05), ("dimethylammonium", 0.1), ("Cs", 0.0))
    ]
    assert energies == pytest.approx([-707, -594, -702], abs=2)


def test_far_away_a_cation_sees_the_charge_of_the_cluster() -> None:
    unscaled = next(pack for name, pack in compared_packs().items() if "unscaled" in name)
    assert pack_energy(unscaled, head_of("Cs"), 100.0) == pytest.approx(-1.389, abs=0.02)


def test_a_head_without_parameters_has_no_energy() -> None:
    assert math.isnan(pack_energy(PACK, head_of("trimethylammonium"), 0.1))
