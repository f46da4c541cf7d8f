"""The binding coordinate against its formula, finite differences, and the expression along z,
across periodic images.
"""

import numpy as np
import openmm as mm
import pytest
from openmm import unit

from halobind.forcefields.hamiltonian.binding_coordinate import Coordinate, set_bias

BOX = np.array([3.0, 3.5, 4.0])
POINT = np.array([2.9, 0.1, 3.8])  # near the faces of the box, so that the nearest image matters
NORMALS = [(0, 0, 1), (0, 0, -1), (1, 0, 0), (1, 0, 1), (-1, -1, 1), (1, 1, 1), (0.2, -0.7, 0.4)]
RADIUS, WALL, K, CENTER = 0.3, 5000.0, 1500.0, 0.45
PLATFORMS = ["Reference", "CPU"]


def unit_vector(normal: tuple[float, ...]) -> np.ndarray:
    return np.array(normal, dtype=float) / np.linalg.norm(normal)


def context_of(
    coordinate: Coordinate, platform: str, k: float = K, center: float = CENTER, atoms: int = 2
) -> mm.Context:
    system = mm.System()
    system.setDefaultPeriodicBoxVectors(*(mm.Vec3(*row) for row in np.diag(BOX)))
    for _ in range(atoms):
        system.addParticle(40.0)
    coordinate.add_to(system)
    context = mm.Context(
        system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName(platform)
    )
    set_bias(context, k, center)
    return context


def energy_and_forces(context: mm.Context, positions: np.ndarray) -> tuple[float, np.ndarray]:
    context.setPositions(positions)
    state = context.getState(getEnergy=True, getForces=True)
    forces = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
    return state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole), forces


def one_head(normal: np.ndarray) -> Coordinate:
    return Coordinate(np.array([1]), POINT[None], normal[None], RADIUS, WALL)


def places(normal: np.ndarray) -> list[tuple[float, float, np.ndarray]]:
    """(height, lateral distance, position of both atoms) about the axis, shifted by box lengths to
    every side.
    """
    random, found = np.random.default_rng(3), []
    for height, lateral in (
        (0.1, 0.0),
        (0.45, 0.25),
        (-0.3, 0.4),
        (0.9, 0.5),
        (1.1, 0.02),
        (0.45, 0.31),
    ):
        aside = np.cross(normal, random.normal(size=3))
        xyz = (
            POINT
            + height * normal
            + lateral * aside / np.linalg.norm(aside)
            + BOX * random.integers(-2, 3, size=3)
        )
        found.append((height, lateral, np.array([np.zeros(3), xyz])))
    return found


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("normal", NORMALS)
def test_energy_and_measure_follow_the_formula_in_every_image(normal: tuple, platform: str) -> None:
    n = unit_vector(normal)
    coordinate = one_head(n)
    context = context_of(coordinate, platform)
    for height, lateral, positions in places(n):
        energy, _ = energy_and_forces(context, positions)
        expected = 0.5 * K * (height - CENTER) ** 2 + 0.5 * WALL * max(0, lateral - RADIUS) ** 2
        assert energy == pytest.approx(
            expected, rel=2e-4, abs=1e-3
        )  # the CPU platform computes it in single precision
        assert coordinate.measure(positions, BOX) == pytest.approx([height, lateral], abs=1e-9)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("normal", NORMALS)
def test_forces_are_the_slope_of_the_energy(normal: tuple, platform: str) -> None:
    n = unit_vector(normal)
    exact, context = context_of(one_head(n), "Reference"), context_of(one_head(n), platform)
    for _, lateral, positions in places(n):
        _, forces = energy_and_forces(context, positions)
        slope = np.zeros(3)
        for axis in range(3):
            step = np.zeros((2, 3))
            step[1, axis] = 1e-5
            slope[axis] = (
                energy_and_forces(exact, positions - step)[0]
                - energy_and_forces(exact, positions + step)[0]
            ) / 2e-5
        assert forces[0] == pytest.approx(np.zeros(3)) and np.isfinite(forces).all()
        assert forces[1] == pytest.approx(slope, rel=1e-3, abs=0.05 if lateral else 0.5)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_along_z_it_is_the_plain_expression(platform: str) -> None:
    """The same bias written without a normal: height by the nearest image of z, distance by the
    nearest image in the plane.
    """
    system = mm.System()
    system.setDefaultPeriodicBoxVectors(*(mm.Vec3(*row) for row in np.diag(BOX)))
    system.addParticle(40.0)
    system.addParticle(40.0)
    plain = mm.CustomExternalForce(
        f"0.5*{K}*periodicdistance(0, 0, z, 0, 0, {POINT[2] + CENTER})^2"
        f" + 0.5*{WALL}*max(0, periodicdistance(x, y, 0, {POINT[0]}, {POINT[1]}, 0) - {RADIUS})^2"
    )
    plain.addParticle(1, [])
    system.addForce(plain)
    old = mm.Context(system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName(platform))
    new = context_of(one_head(unit_vector((0, 0, 1))), platform)
    for _ in range(50):
        random = np.random.default_rng(_)
        xyz = (
            POINT
            + (*random.uniform(-0.5, 0.5, 2), random.uniform(-0.9, 1.8))
            + BOX * random.integers(-2, 3, size=3)
        )
        (e1, f1), (e2, f2) = (
            energy_and_forces(context, np.array([np.zeros(3), xyz])) for context in (old, new)
        )
        assert e2 == pytest.approx(e1, rel=1e-4, abs=2e-3)
        assert f2[1] == pytest.approx(f1[1], rel=2e-4, abs=0.3)


def test_two_heads_have_the_same_umbrella_over_their_own_sites() -> None:
    points, normals = (
        np.array([[1.0, 1.0, 1.5], [1.0, 1.0, -1.5]]),
        np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]),
    )
    coordinate = Coordinate(np.array([0, 1]), points, normals, RADIUS, WALL)
    context = context_of(coordinate, "Reference")
    positions = np.array([[1.4, 1.0, 1.7], [1.0, 1.1, 4.0 - 2.1]])
    assert coordinate.measure(positions, BOX) == pytest.approx([0.2, 0.4, 0.6, 0.1])
    energy, forces = energy_and_forces(context, positions)
    assert energy == pytest.approx(0.5 * K * (0.25**2 + 0.15**2) + 0.5 * WALL * 0.1**2, rel=1e-6)
    assert forces[0] == pytest.approx([-WALL * 0.1, 0, K * 0.25], rel=1e-6, abs=1e-6)
    assert forces[1] == pytest.approx(
        [0, 0, K * 0.15], rel=1e-6, abs=1e-6
    )  # outwards is down: towards 0.45 from 0.6 is up


@pytest.mark.parametrize(
    ("points", "normals", "expected"),
    [
        (np.zeros((1, 3)), np.array([[0, 0, 2.0]]), "length 1"),
        (np.zeros((2, 3)), np.array([[0, 0, 1.0]]), "each head needs one"),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(
    points: np.ndarray, normals: np.ndarray, expected: str
) -> None:
    with pytest.raises(ValueError, match=expected):
        Coordinate(np.array([0]), points, normals, RADIUS, WALL)
