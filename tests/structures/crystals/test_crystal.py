"""Crystals against their formulas: composition, neutrality, geometry, sites."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halobind.structures.crystals.crystal import (
    KINDS,
    SHAPES,
    TERMINATIONS,
    CrystalSpec,
    central_site,
    describe_sites,
    formal_charge,
    make_crystal,
    spread,
)
from halobind.structures.molecules.catalogue import ION_CHARGES, LIGANDS, PEROVSKITES, Perovskite

A_NM = 0.586
SIZES = st.integers(1, 5)


def crystal(shape: str, cells: tuple[int, int, int], **changes: object):
    given = {
        "perovskite": "CsPbBr3",
        "shape": shape,
        "cells": cells,
        "termination": "AX",
        "lattice_nm": A_NM,
    }
    return make_crystal(CrystalSpec(**given | changes))


def count(made, role: str, kind: str) -> int:
    return sum((site.role, site.kind) == (role, kind) for site in made.sites)


@pytest.mark.parametrize("perovskite", PEROVSKITES)
@pytest.mark.parametrize(
    ("shape", "termination"),
    [("slab", "AX"), ("slab", "BX2"), ("cuboid", "AX"), ("molecular", "AX")],
)
@pytest.mark.parametrize("cells", [(1, 1, 1), (2, 2, 2), (3, 2, 1), (3, 3, 3)])
def test_every_cut_is_neutral_and_has_its_formula(
    perovskite: str, shape: str, termination: str, cells: tuple[int, int, int]
) -> None:
    row, (a, b, c) = PEROVSKITES[perovskite], cells
    made = crystal(shape, cells, perovskite=perovskite, termination=termination)
    expected = {
        ("slab", "AX"): (a * b * (c + 1), a * b * c, a * b * (3 * c + 1)),
        ("slab", "BX2"): (a * b * c, a * b * (c + 1), a * b * (3 * c + 2)),
        ("cuboid", "AX"): (
            (a + 1) * (b + 1) * (c + 1) - (a + b + c + 1),
            a * b * c,
            3 * a * b * c + a * b + b * c + c * a,
        ),
        ("molecular", "AX"): (0, a * b * c, 2 * a * b * c),
    }[shape, termination]
    assert (
        tuple(made.species.count(name) for name in (row.a_site, row.metal, row.halide)) == expected
    )
    assert formal_charge(made.species) == 0
    assert made.removed == ({row.a_site: a + b + c + 1} if shape == "cuboid" else {})


@settings(max_examples=60, deadline=None)
@given(st.tuples(SIZES, SIZES, SIZES), st.sampled_from(KINDS), st.integers(0, 99))
def test_any_cuboid_is_neutral_with_sites_by_formula(
    cells: tuple[int, int, int], vacancies: str, seed: int
) -> None:
    a, b, c = cells
    made = crystal("cuboid", cells, vacancies=vacancies, seed=seed)
    assert formal_charge(made.species) == 0
    ideal = {
        "corner": 8,
        "edge": 4 * (a + b + c - 3),
        "face": 2 * ((a - 1) * (b - 1) + (b - 1) * (c - 1) + (c - 1) * (a - 1)),
    }
    order = {
        "corner": ("corner", "edge", "face"),
        "edge": ("edge", "corner", "face"),
        "face": ("face", "edge", "corner"),
    }[vacancies]
    todo = a + b + c + 1
    for kind in order:
        gone = min(todo, ideal[kind])
        assert count(made, "A", kind) == ideal[kind] - gone
        todo -= gone
    assert todo == 0
    assert count(made, "X", "face") == 2 * (a * b + b * c + c * a) and count(made, "M", "face") == 0
    assert made.half == pytest.approx(np.array(cells) * A_NM / 2)
    assert (np.abs(made.positions).max(axis=0) <= made.half + 1e-9).all()


@settings(max_examples=40, deadline=None)
@given(st.tuples(SIZES, SIZES, SIZES), st.sampled_from(TERMINATIONS))
def test_any_slab_is_neutral_symmetric_and_has_its_sites(
    cells: tuple[int, int, int], termination: str
) -> None:
    a, b, c = cells
    made = crystal("slab", cells, termination=termination)
    assert formal_charge(made.species) == 0
    assert np.sort(made.positions[:, 2]) == pytest.approx(np.sort(-made.positions[:, 2]), abs=1e-9)
    assert count(made, "A", "face") == (
        a * b if (termination, c) == ("BX2", 1) else 2 * a * b
    )  # both faces share a single A layer
    assert count(made, "X", "face") == 2 * a * b * (1 if termination == "AX" else 2)
    assert count(made, "M", "face") == (0 if termination == "AX" else 2 * a * b)
    assert {made.species[i] for i in np.flatnonzero(made.surface)} == (
        {"Cs", "Br"} if termination == "AX" else {"Pb", "Br"}
    )
    assert made.positions[made.frozen, 2] == pytest.approx(0.0)


def test_the_lattice_is_the_perovskite_lattice() -> None:
    made = crystal("slab", (3, 3, 2))
    metals = made.positions[[name == "Pb" for name in made.species]]
    halides = made.positions[[name == "Br" for name in made.species]]
    a_sites = made.positions[[name == "Cs" for name in made.species]]
    to_halides = np.linalg.norm(made.delta(halides[None], metals[:, None]), axis=-1)
    assert np.sum(to_halides < A_NM / 2 + 1e-6, axis=1) == pytest.approx(
        6
    )  # every metal has its six halides
    assert to_halides.min() == pytest.approx(A_NM / 2)
    inner = a_sites[np.abs(a_sites[:, 2]) < 1e-9]
    around = np.linalg.norm(made.delta(halides[None], inner[:, None]), axis=-1)
    assert np.sum(around < A_NM / np.sqrt(2) + 1e-6, axis=1) == pytest.approx(
        12
    )  # and every inner A site its twelve


def test_sites_are_where_their_ions_are_and_look_outwards() -> None:
    made = crystal("cuboid", (4, 4, 4), vacancies="face")
    for site in made.sites:
        assert made.species[site.index] == {"A": "Cs", "X": "Br"}[site.role]
        assert made.positions[site.index] == pytest.approx(site.point)
        outer = np.isclose(np.abs(site.point), made.half)
        assert np.sign(site.normal) == pytest.approx(np.where(outer, np.sign(site.point), 0.0))
        assert np.linalg.norm(site.normal) == pytest.approx(1.0)
        assert KINDS[outer.sum() - 1] == site.kind


def test_open_metal_sites_complete_the_octahedra() -> None:
    for shape, cells, termination in (
        ("slab", (2, 2, 1), "BX2"),
        ("molecular", (2, 2, 2), "AX"),
        ("molecular", (1, 1, 4), "AX"),
    ):
        made = crystal(shape, cells, termination=termination)
        points = np.array([site.point for site in made.sites if site.role == "M"])
        metals = made.positions[[name == "Pb" for name in made.species]]
        halides = made.positions[[name == "Br" for name in made.species]]
        near = [
            np.sum(
                np.linalg.norm(made.delta(p[None], metals[:, None]), axis=-1) < 0.51 * A_NM, axis=1
            )
            for p in (points, halides)
        ]
        wrapped = (
            1 if shape == "slab" else 0
        )  # in a slab two cells wide a metal meets the same in-plane halide image only once
        assert (near[0] + near[1] >= 6 - wrapped).all()
        assert len(points) == {"slab": 8, "molecular": 6 * len(metals) - near[1].sum()}[shape]


@pytest.mark.parametrize(
    ("kind", "towards"), [("face", (0, 0, 1)), ("edge", (1, 0, 1)), ("corner", (1, 1, 1))]
)
def test_the_central_site_of_each_kind(kind: str, towards: tuple[int, int, int]) -> None:
    made = crystal("cuboid", (4, 4, 4), vacancies="face")
    site = made.sites[central_site(made, "A", kind)]
    assert site.kind == kind and site.normal == pytest.approx(
        np.array(towards) / np.linalg.norm(towards)
    )
    aside = site.point - site.normal * (site.point @ site.normal)
    assert np.linalg.norm(aside) < 1e-6
    with pytest.raises(
        ValueError, match="no A site on a corner here: A: 54 face, 31 edge; X: 96 face"
    ):
        central_site(crystal("cuboid", (4, 4, 4)), "A", "corner")


def test_the_same_seed_leaves_out_the_same_ions() -> None:
    first, again, other = (crystal("cuboid", (5, 5, 5), seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(first.positions, again.positions) and not np.array_equal(
        first.positions, other.positions
    )


def test_spread_takes_points_far_from_each_other() -> None:
    grid = np.array(list(itertools.product(range(4), range(4), [0])), dtype=float)
    rng = np.random.default_rng(0)
    chosen = grid[spread(grid, 8, rng, np.array([4.0, 4.0]))]
    delta = chosen[:, None] - chosen[None]
    delta[..., :2] -= 4 * np.round(delta[..., :2] / 4)
    gaps = np.linalg.norm(delta, axis=-1)[np.triu_indices(8, 1)]
    assert gaps.min() == pytest.approx(np.sqrt(2))  # half of a square lattice: the checkerboard
    assert len(spread(grid, 0, rng)) == 0 and sorted(spread(grid, 16, rng)) == list(range(16))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cells": (0, 2, 2)}, "cells = 0x2x2: a crystal needs at least one cell"),
        ({"termination": "XX"}, "termination 'XX' is not one of AX, BX2"),
        ({"shape": "cube"}, "there is no shape 'cube'; choose one of slab, cuboid, molecular"),
        (
            {"shape": "cuboid", "termination": "BX2"},
            r"a cuboid with BX2 faces cannot be neutral: 4x4x4 cells have \+14 e",
        ),
        ({"shape": "molecular"}, "4x4x4 metals has 144 bridging halides, more than the 128"),
        ({"vacancies": "side"}, "vacancies = 'side' is not one of face, edge, corner"),
        (
            {"perovskite": "CsSnI3"},
            "there is no perovskite 'CsSnI3'; choose one of CsPbBr3, MAPbBr3",
        ),
    ],
)
def test_impossible_crystals_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        crystal(**{"shape": "slab", "cells": (4, 4, 4)} | changes)


@pytest.mark.parametrize("name", PEROVSKITES)
def test_rows_are_neutral_formula_units(name: str) -> None:
    row = PEROVSKITES[name]
    assert formal_charge((row.a_site, row.metal, *[row.halide] * 3)) == 0
    assert row.a_site in ION_CHARGES or LIGANDS[row.a_site].charge == 1


@pytest.mark.parametrize(
    "row", [Perovskite("FA", "Pb", "Br"), Perovskite("Cs", "Pb", "I"), Perovskite("Cs", "Pb", "Cl")]
)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_new_perovskite_is_one_row(
    row: Perovskite, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PEROVSKITES, "new", row)
    made = crystal(shape, (3, 3, 3), perovskite="new")
    assert formal_charge(made.species) == 0 and set(made.species) <= {
        row.a_site,
        row.metal,
        row.halide,
    }
    assert "face" in describe_sites(made)
