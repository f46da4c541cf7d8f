"""The coordinate and the simulation loop against statistical mechanics in closed form."""

from dataclasses import replace
from pathlib import Path

import mdtraj
import numpy as np
import openmm as mm
import pytest

from halobind.forcefields.hamiltonian.binding_coordinate import Coordinate
from halobind.pipeline.free_energy.constants import GAS_CONSTANT
from halobind.pipeline.sampling.md_leg import Leg, MDEngine, MDState, UnstableError, run_leg
from halobind.pipeline.sampling.openmm_xml import read_state, write_state
from halobind.pipeline.sampling.platforms import MDPlatform

REFERENCE = MDPlatform("Reference", ())
BOX = np.array([2.0, 2.5, 3.0])
POINT = np.array([1.9, 0.1, 2.8])  # near the faces of the box, so that the nearest image matters
UP = np.array([[0.0, 0.0, 1.0]])
COORDINATE = Coordinate(np.array([0]), POINT[None], UP, 0.3, 5000.0)
LEG = Leg(7, 400.0, 0.1, 10.0, 2.0, (300.0, 300.0), (0.5, 0.5), 1000.0)


def free_particles(count: int = 1) -> mm.System:
    system = mm.System()
    system.setDefaultPeriodicBoxVectors(*(mm.Vec3(*row) for row in np.diag(BOX)))
    for _ in range(count):
        system.addParticle(40.0)
    COORDINATE.add_to(system)
    return system


def engine(system: mm.System) -> MDEngine:
    return MDEngine(system, COORDINATE, REFERENCE)


def start(height: float, count: int = 1) -> MDState:
    positions = np.tile(POINT + (0.0, 0.0, height), (count, 1))
    return MDState(positions, None, BOX)


def run(leg: Leg, folder: Path, height: float = 0.5, tick=lambda fraction: None):
    return run_leg(engine(free_particles()), start(height), leg, folder, tick)


def test_umbrella_samples_its_gaussian_and_the_cylinder_its_area(tmp_path: Path) -> None:
    """sigma^2 = kT/k; <r^2> of the flat-bottom cylinder with its soft wall, by quadrature."""
    result = run(LEG, tmp_path)
    z, r = result.cv[200:, 0], result.cv[200:, 1]
    kt = GAS_CONSTANT * 300
    assert z.mean() == pytest.approx(0.5, abs=0.004)
    assert z.var() == pytest.approx(kt / 1000, rel=0.15)
    grid = np.linspace(0, 0.6, 6001)
    weight = grid * np.exp(-0.5 * 5000 * np.maximum(0, grid - 0.3) ** 2 / kt)
    assert np.mean(r**2) == pytest.approx(np.sum(weight * grid**2) / np.sum(weight), rel=0.15)


def test_same_seed_same_leg_other_seed_other_leg(tmp_path: Path) -> None:
    short = replace(LEG, duration_ps=5.0)
    first, again, other = (
        run(short, tmp_path),
        run(short, tmp_path),
        run(replace(short, seed=8), tmp_path),
    )
    assert np.array_equal(first.cv, again.cv)
    assert np.array_equal(first.state.velocities, again.state.velocities)
    assert not np.array_equal(first.cv, other.cv)


def test_moving_centre_and_thermostat_arrive(tmp_path: Path) -> None:
    result = run(
        replace(LEG, duration_ps=60.0, center_nm=(0.2, 0.8), k=20000.0), tmp_path, height=0.2
    )
    assert result.cv[0, 0] == pytest.approx(0.2, abs=0.06) and result.cv[
        -20:, 0
    ].mean() == pytest.approx(0.8, abs=0.03)
    assert np.polyfit(np.arange(len(result.cv)), result.cv[:, 0], 1)[0] == pytest.approx(
        0.6 / len(result.cv), rel=0.05
    )


def test_frames_hold_the_chosen_atoms(tmp_path: Path) -> None:
    leg = replace(LEG, duration_ps=2.0, frame_ps=0.5, frame_atoms=np.array([1]))
    result = run_leg(engine(free_particles(3)), start(0.5, 3), leg, tmp_path, lambda fraction: None)
    with mdtraj.formats.DCDTrajectoryFile(str(tmp_path / "frames.dcd")) as trajectory:
        xyz, lengths, angles = trajectory.read()
    assert (
        xyz.shape == (4, 1, 3)
        and lengths[0] == pytest.approx(10 * BOX)
        and angles[0] == pytest.approx(90)
    )
    assert xyz[-1, 0] / 10 == pytest.approx(result.state.positions[1], abs=1e-5)
    assert len(result.cv) == 20


def test_a_state_survives_the_disk_exactly(tmp_path: Path) -> None:
    state = run(replace(LEG, duration_ps=1.0), tmp_path).state
    write_state(state, tmp_path / "state.xml")
    back = read_state(tmp_path / "state.xml")
    assert np.array_equal(back.positions, state.positions)
    assert np.array_equal(back.velocities, state.velocities)
    assert np.array_equal(back.box, state.box)


def test_a_state_does_not_bring_its_old_bias_along(tmp_path: Path) -> None:
    """A leg that starts from another window's state samples its own window."""
    far = run(replace(LEG, duration_ps=5.0, center_nm=(0.2, 0.2)), tmp_path, height=0.2).state
    write_state(far, tmp_path / "state.xml")
    result = run_leg(
        engine(free_particles()),
        read_state(tmp_path / "state.xml"),
        LEG,
        tmp_path,
        lambda fraction: None,
    )
    assert result.cv[500:, 0].mean() == pytest.approx(0.5, abs=0.01)


def test_an_explosion_is_an_error_not_a_number(tmp_path: Path) -> None:
    system = free_particles(2)
    force = mm.CustomBondForce("-1e9*r^4")
    force.addBond(0, 1, [])
    system.addForce(force)
    with pytest.raises((UnstableError, mm.OpenMMException), match=r"finite|NaN"):
        run_leg(
            engine(system),
            MDState(start(0.5, 2).positions + np.array([[0.0] * 3, [0.1] * 3]), None, BOX),
            LEG,
            tmp_path,
            lambda f: None,
        )


def test_tick_may_abandon_the_leg(tmp_path: Path) -> None:
    seen = []

    def tick(fraction: float) -> None:
        seen.append(fraction)
        if fraction >= 0.5:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        run(replace(LEG, duration_ps=1.0), tmp_path, tick=tick)
    assert seen == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])


def test_pressure_moves_the_box_along_z_only_and_ends_near_the_asked_height(tmp_path: Path) -> None:
    """An ideal gas at constant pressure: <V> = (N + 1) kT / P."""
    count, pressure = 40, 100.0
    system = mm.System()
    system.setDefaultPeriodicBoxVectors(*(mm.Vec3(*row) for row in np.diag(BOX)))
    for _ in range(count):
        system.addParticle(40.0)
    Coordinate(np.array([0]), POINT[None], UP, 5.0, 0.0).add_to(system)
    random = np.random.default_rng(1)
    leg = replace(
        LEG, duration_ps=2500.0, record_ps=2.5, k=0.0, pressure_bar=pressure, settle_box_nm=3.3
    )
    begin = MDState(random.uniform(0, 1, (count, 3)) * BOX, None, BOX)
    result = run_leg(engine(system), begin, leg, tmp_path, lambda fraction: None)
    expected = (count + 1) * GAS_CONSTANT * 300 / (pressure * 0.0602214) / (BOX[0] * BOX[1])
    assert result.box_z[200:].mean() == pytest.approx(expected, rel=0.12)
    assert result.state.box[:2] == pytest.approx(BOX[:2])
    assert result.state.box[2] in result.box_z[500:]
    assert abs(result.state.box[2] - 3.3) == pytest.approx(np.abs(result.box_z[500:] - 3.3).min())
