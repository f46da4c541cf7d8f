"""A slab that rearranges is noticed; one that shakes or crosses the boundary is not."""

from dataclasses import replace

import numpy as np
import pytest

from structures.build import ModelSpec, build
from structures.crystal import CrystalSpec
from structures.integrity import check_slab, image_distance
from structures.model import Model


@pytest.fixture(scope="module")
def model() -> Model:
    crystal = CrystalSpec("CsPbBr3", "slab", (4, 4, 1), "AX", 0.583, seed=3)
    return build(ModelSpec(crystal, "DA", "face", (("acetone", 1.0),), 2.9))[0]


def check(model: Model, positions: np.ndarray):
    return check_slab(model, positions, model.box, ("Pb",), ("Br",))


def test_thermal_motion_and_images_are_fine(model: Model) -> None:
    shaken = model.positions + np.random.default_rng(1).normal(0, 0.02, model.positions.shape)
    shaken[model.groups["core"][::7]] += model.box
    found = check(model, shaken)
    assert (found.displaced, found.broken) == (0, 0) and found.largest_displacement_nm < 0.15


def test_a_displaced_bromide_breaks_its_bond(model: Model) -> None:
    bromide = next(int(i) for i in model.groups["surface"] if model.elements[i] == "Br" and model.positions[i, 2] > 0)
    moved = model.positions.copy()
    moved[bromide, 2] += 0.4
    found = check(model, moved)
    assert (found.displaced, found.displaced_at_site, found.broken) == (1, int(bromide in model.groups["site"]), 1)
    assert found.largest_displacement_nm == pytest.approx(0.4)


def test_a_displaced_caesium_breaks_no_bond(model: Model) -> None:
    caesium = next(int(i) for i in model.groups["surface"] if model.elements[i] == "Cs")
    moved = model.positions.copy()
    moved[caesium, 2] += 0.35
    assert (check(model, moved).displaced, check(model, moved).broken) == (1, 0)


def test_ions_around_the_pocket_are_told_from_the_others(model: Model) -> None:
    for group, at_site in ((model.groups["site"], 1), (np.setdiff1d(model.groups["surface"], model.groups["site"]), 0)):
        moved = model.positions.copy()
        moved[group[0], 2] += 0.35
        assert (check(model, moved).displaced, check(model, moved).displaced_at_site) == (1, at_site)


def test_image_distance_of_a_rod() -> None:
    rod = np.array([[0.1 + 0.1 * i, 0.5, 0.5] for i in range(15)])  # 1.4 nm long in a box of 2 nm
    assert image_distance([rod], np.array([2.0, 3.0, 4.0])) == pytest.approx(0.6)
    assert image_distance([rod[:, [2, 0, 1]]], np.array([3.0, 2.0, 4.0])) == pytest.approx(0.6)
    assert image_distance([rod[:, [1, 2, 0]]], np.array([3.0, 3.5, 2.0])) == pytest.approx(0.6)  # a cluster has images along z too


def test_distance_between_the_ligands_of_two_faces_whatever_their_images() -> None:
    box = np.array([3.0, 3.0, 5.0])
    first, second = np.array([[0.5, 0.5, 1.0], [0.5, 0.5, 1.6]]), np.array([[0.5, 0.5, -1.0], [0.5, 0.9, -1.6]])
    near = np.hypot(0.4, 5.0 - 3.2)  # tail to tail across the boundary
    for shift in (np.zeros(3), 3 * box, box * (1, -2, 1)):
        assert image_distance([first, second + shift], box) == pytest.approx(near)
        assert image_distance([second + shift, first], box) == pytest.approx(near)


def test_solvent_does_not_count(model: Model) -> None:
    moved = replace(model).positions.copy()
    moved[model.groups["solvent"]] += 0.7
    assert check(model, moved).displaced == 0
