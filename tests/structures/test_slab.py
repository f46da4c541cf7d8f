"""Slabs against their formulas."""

import numpy as np
import pytest

from structures.rows import PEROVSKITES
from structures.slab import central_site, formal_charge, make_slab


@pytest.mark.parametrize("cells", [(1, 1, 1), (2, 2, 1), (3, 4, 2), (4, 4, 3), (5, 5, 5)])
def test_composition_and_charge(cells: tuple[int, int, int]) -> None:
    slab = make_slab("CsPbBr3", cells, "AX", 0.583)
    nx, ny, m = cells
    count = {element: slab.elements.count(element) for element in ("Cs", "Pb", "Br")}
    assert count == {"Cs": nx * ny * (m + 1), "Pb": nx * ny * m, "Br": nx * ny * (3 * m + 1)}
    assert formal_charge("CsPbBr3", slab.elements) == 0


def test_geometry_is_the_cubic_lattice() -> None:
    a = 0.583
    slab = make_slab("CsPbBr3", (3, 3, 2), "AX", a)
    assert slab.positions[:, 2].min() == pytest.approx(-a) and slab.positions[:, 2].max() == pytest.approx(a)
    assert slab.positions[slab.layer == 0, 2] == pytest.approx(0.0)
    metals = slab.positions[[e == "Pb" for e in slab.elements]]
    halides = slab.positions[[e == "Br" for e in slab.elements]]
    delta = metals[:, None] - halides[None]
    delta[..., :2] -= slab.box_xy * np.round(delta[..., :2] / slab.box_xy)
    distance = np.linalg.norm(delta, axis=-1)
    assert np.sum(distance < 0.5 * a + 1e-6, axis=1) == pytest.approx(6)  # every metal has its six halides
    assert distance.min() == pytest.approx(a / 2)
    outer = {slab.elements[i] for i in np.flatnonzero(slab.layer == slab.layer.max())}
    assert outer == {"Cs", "Br"}


def test_central_site_is_in_the_top_layer_near_the_middle() -> None:
    slab = make_slab("CsPbBr3", (4, 4, 2), "AX", 0.583)
    hole = central_site(slab, "Cs")
    assert slab.elements[hole] == "Cs" and slab.layer[hole] == 2
    assert np.linalg.norm(slab.positions[hole, :2] - slab.box_xy / 2) <= 0.583 / np.sqrt(2) + 1e-9


@pytest.mark.parametrize(("cells", "termination"), [((0, 2, 2), "AX"), ((2, 2, 2), "XX")])
def test_impossible_slabs_are_refused(cells: tuple[int, int, int], termination: str) -> None:
    with pytest.raises(ValueError, match=termination if termination == "XX" else "at least one cell"):
        make_slab("CsPbBr3", cells, termination, 0.583)


@pytest.mark.parametrize("name", PEROVSKITES)
def test_rows_are_neutral_formula_units(name: str) -> None:
    row = PEROVSKITES[name]
    charge = row.formal_charge
    assert charge[row.a_site] + charge[row.metal] + 3 * charge[row.halide] == 0
