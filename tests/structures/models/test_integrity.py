"""A slab that rearranges is noticed; one that shakes or crosses the boundary is not."""

from dataclasses import replace

import numpy as np
import pytest

from halobind.structures.assembly.build import ModelSpec, build_model
from halobind.structures.crystals.crystal import CrystalSpec
from halobind.structures.models.integrity import check_integrity, image_distance, solvent_distance
from halobind.structures.models.model import Model, read_model, write_model


@pytest.fixture(scope="module")
def model() -> Model:
    crystal = CrystalSpec("CsPbBr3", "slab", (4, 4, 1), "AX", 0.583, seed=3)
    return build_model(ModelSpec(crystal, "DA", "face", (("acetone", 1.0),), 2.9))[0]


def check(model: Model, positions: np.ndarray):
    return check_integrity(model, positions, model.box, ("Pb",), ("Br",))


def test_thermal_motion_and_images_are_fine(model: Model) -> None:
    shaken = model.positions + np.random.default_rng(1).normal(0, 0.02, model.positions.shape)
    shaken[model.groups["core"][::7]] += model.box
    found = check(model, shaken)
    assert (found.displaced, found.broken) == (0, 0) and found.largest_displacement_nm < 0.15


def test_a_displaced_bromide_breaks_its_bond(model: Model) -> None:
    bromide = next(
        int(i)
        for i in model.groups["surface"]
        if model.elements[i] == "Br" and model.positions[i, 2] > 0
    )
    moved = model.positions.copy()
    moved[bromide, 2] += 0.4
    found = check(model, moved)
    assert (found.displaced, found.displaced_at_site, found.broken) == (
        1,
        int(bromide in model.groups["site"]),
        1,
    )
    distance = np.linalg.norm(
        model.positions[list(found.short_metals)] - model.positions[bromide], axis=1
    )
    assert distance == pytest.approx([0.583 / 2], abs=1e-6)
    assert found.largest_displacement_nm == pytest.approx(0.4)


def test_a_displaced_caesium_breaks_no_bond(model: Model) -> None:
    caesium = next(int(i) for i in model.groups["surface"] if model.elements[i] == "Cs")
    moved = model.positions.copy()
    moved[caesium, 2] += 0.35
    assert (check(model, moved).displaced, check(model, moved).broken) == (1, 0)


def test_ions_around_the_pocket_are_told_from_the_others(model: Model) -> None:
    for group, at_site in (
        (model.groups["site"], 1),
        (np.setdiff1d(model.groups["surface"], model.groups["site"]), 0),
    ):
        moved = model.positions.copy()
        moved[group[0], 2] += 0.35
        assert (check(model, moved).displaced, check(model, moved).displaced_at_site) == (
            1,
            at_site,
        )
        assert check(model, moved).site_shift_nm == tuple(
            [0.35] * at_site + [0.0] * (len(model.groups["site"]) - at_site)
        )


@pytest.fixture(scope="module")
def cube() -> Model:
    crystal = CrystalSpec("CsPbBr3", "cuboid", (2, 2, 2), "AX", 0.583, seed=3)
    return build_model(ModelSpec(crystal, "MA", "face", (), 3.0))[0]


def caesium_beside(cube: Model, vacant: np.ndarray, at_site: bool) -> int:
    """A caesium one cell from a vacant site, in the group "site" or not."""
    step = np.linalg.norm(cube.positions - vacant, axis=1)
    beside = [
        int(i) for i in np.flatnonzero(np.abs(step - 0.583) < 1e-3) if cube.elements[i] == "Cs"
    ]
    return next(i for i in beside if (i in cube.groups["site"]) == at_site)


def test_the_vacant_sites_of_a_cluster_and_of_its_ligand_are_known(
    cube: Model, model: Model, tmp_path
) -> None:
    """Seven caesiums too many for neutrality, all of them corners, and the one that methylammonium
    replaces.
    """
    assert model.vacant == {} and set(cube.vacant) == {"CS"}
    vacant = cube.vacant["CS"]
    assert len(vacant) == 8 and np.sum(np.all(np.abs(np.abs(vacant) - 0.583) < 1e-9, axis=1)) == 7
    assert np.linalg.norm(vacant - cube.site_point, axis=1).min() < 1e-9
    caesium = cube.positions[[i for i in cube.groups["core"] if cube.elements[i] == "Cs"]]
    assert len(caesium) + len(vacant) == 27
    write_model(cube, tmp_path)
    assert read_model(tmp_path).vacant["CS"] == pytest.approx(vacant)


def test_a_hop_into_a_vacancy_of_a_cluster_is_not_a_displacement(cube: Model) -> None:
    """Away from the pocket a hop is told; from there, into it, or off the lattice it counts."""
    far = max(cube.vacant["CS"], key=lambda point: np.linalg.norm(point - cube.site_point))
    away = caesium_beside(cube, far, False)
    for goal, expected in (
        (far + [0.2, 0, 0], (0, 0, 1, 0)),  # at the vacant corner, as built, but for its relaxation
        (far + np.sign(far) * 0.2, (1, 0, 0, 0)),  # off the corner by 0.35 nm
        (cube.site_point, (0, 0, 1, 1)),  # into the pocket, when the ligand is gone
        (cube.positions[away] + [0, 0, -0.29], (0, 0, 0, 0)),
    ):
        moved = cube.positions.copy()
        moved[away] = goal + cube.box * [1, 0, -1]
        found = check(cube, moved)
        assert (
            found.displaced,
            found.displaced_at_site,
            found.hopped,
            found.hopped_at_site,
        ) == expected
    near = min(
        cube.vacant["CS"],
        key=lambda point: abs(np.linalg.norm(point - cube.site_point) - 0.583 * np.sqrt(2)),
    )
    moved = cube.positions.copy()
    moved[caesium_beside(cube, near, True)] = near
    found = check(cube, moved)
    assert (found.displaced, found.hopped, found.hopped_at_site) == (0, 1, 1)


def test_a_halide_does_not_hop_onto_a_vacant_caesium_site(cube: Model) -> None:
    bromide = next(
        int(i)
        for i in cube.groups["surface"]
        if cube.elements[i] == "Br" and i not in cube.groups["site"]
    )
    moved = cube.positions.copy()
    moved[bromide] = min(
        cube.vacant["CS"], key=lambda point: np.linalg.norm(point - cube.positions[bromide])
    )
    found = check(cube, moved)
    assert (found.displaced, found.hopped) == (1, 0)


def test_an_ion_of_a_slab_has_its_own_site_only(model: Model) -> None:
    first, second = [
        int(i)
        for i in model.groups["surface"]
        if model.elements[i] == "Cs" and i not in model.groups["site"]
    ][:2]
    moved = model.positions.copy()
    moved[[first, second]] = moved[[second, first]]
    found = check(model, moved)
    assert (found.displaced, found.hopped) == (2, 0)


def test_image_distance_of_a_rod() -> None:
    rod = np.array([[0.1 + 0.1 * i, 0.5, 0.5] for i in range(15)])  # 1.4 nm long in a box of 2 nm
    assert image_distance([rod], np.array([2.0, 3.0, 4.0])) == pytest.approx(0.6)
    assert image_distance([rod[:, [2, 0, 1]]], np.array([3.0, 2.0, 4.0])) == pytest.approx(0.6)
    assert image_distance([rod[:, [1, 2, 0]]], np.array([3.0, 3.5, 2.0])) == pytest.approx(
        0.6
    )  # a cluster has images along z too


def test_distance_between_the_ligands_of_two_faces_whatever_their_images() -> None:
    box = np.array([3.0, 3.0, 5.0])
    first, second = (
        np.array([[0.5, 0.5, 1.0], [0.5, 0.5, 1.6]]),
        np.array([[0.5, 0.5, -1.0], [0.5, 0.9, -1.6]]),
    )
    near = np.hypot(0.4, 5.0 - 3.2)  # tail to tail across the boundary
    for shift in (np.zeros(3), 3 * box, box * (1, -2, 1)):
        assert image_distance([first, second + shift], box) == pytest.approx(near)
        assert image_distance([second + shift, first], box) == pytest.approx(near)


def test_solvent_does_not_count(model: Model) -> None:
    moved = replace(model).positions.copy()
    moved[model.groups["solvent"]] += 0.7
    assert check(model, moved).displaced == 0


def test_solvent_in_the_pocket_is_measured_to_its_nearest_heavy_atom(
    model: Model, cube: Model
) -> None:
    oxygen = next(i for i in model.groups["solvent"] if model.elements[i] == "O")
    hydrogen = next(i for i in model.groups["solvent"] if model.elements[i] == "H")
    moved = model.positions.copy()
    moved[hydrogen] = model.site_point
    (empty,) = solvent_distance(model, moved, model.box)
    assert 0.35 < empty < 1.0  # the head is in the pocket, and a hydrogen does not count
    moved[oxygen] = model.site_point + [0.0, 0.1, 0.2] - model.box * [1, 0, 2]
    assert solvent_distance(model, moved, model.box) == pytest.approx(
        (np.hypot(0.1, 0.2),), abs=1e-4
    )
    assert solvent_distance(cube, cube.positions, cube.box) == ()  # in vacuum
