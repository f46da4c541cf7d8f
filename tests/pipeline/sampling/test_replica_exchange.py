"""Windows that exchange sample what windows that do not sample; the swap rates are those of the
Metropolis rule.
"""

import random
from dataclasses import replace
from pathlib import Path

import mdtraj
import numpy as np
import openmm as mm
import pytest
from openmm import app, unit

from halobind.forcefields.hamiltonian.binding_coordinate import Coordinate
from halobind.pipeline.free_energy.constants import GAS_CONSTANT
from halobind.pipeline.sampling.md_leg import Leg, MDEngine, MDState, run_leg
from halobind.pipeline.sampling.platforms import MDPlatform
from halobind.pipeline.sampling.replica_exchange import (
    ExchangeResult,
    GroupWindow,
    Record,
    SwapSchedule,
    acceptance,
    bias_energy,
    round_trips,
    run_exchange,
)

BOX = np.array([2.0, 2.5, 3.0])
POINT = np.array([1.9, 0.1, 2.8])
COORDINATE = Coordinate(np.array([0]), POINT[None], np.array([[0.0, 0.0, 1.0]]), 0.3, 5000.0)
REFERENCE = MDPlatform(
    "Reference", ()
)  # where all contexts of a process draw from one random generator
ONE_THREAD = MDPlatform("CPU", (("Threads", "1"), ("DeterministicForces", "true")))
KT = GAS_CONSTANT * 300
BARRIER, HALF_NM = 3.0 * KT, 0.10  # the double well B ((z - 0.5)^2/a^2 - 1)^2
CENTERS = (0.40, 0.45, 0.50, 0.55, 0.60)
LEG = Leg(7, 600.0, 0.1, 10.0, 2.0, (300.0, 300.0), (0.5, 0.5), 1200.0)


def landscape(z):
    return BARRIER * ((z - 0.5) ** 2 / HALF_NM**2 - 1) ** 2


def double_well() -> mm.System:
    system = mm.System()
    system.setDefaultPeriodicBoxVectors(*(mm.Vec3(*row) for row in np.diag(BOX)))
    system.addParticle(40.0)
    force = mm.CustomExternalForce("B*(periodicdistance(0,0,z,0,0,middle)^2/a^2-1)^2")
    for name, value in (("B", BARRIER), ("middle", POINT[2] + 0.5), ("a", HALF_NM)):
        force.addGlobalParameter(name, value)
    force.addParticle(0, [])
    system.addForce(force)
    COORDINATE.add_to(system)
    return system


def members(folder: Path, leg: Leg = LEG) -> list[GroupWindow]:
    made = []
    for k, center in enumerate(CENTERS):
        (folder / str(k)).mkdir(parents=True, exist_ok=True)
        start = MDState(np.array([POINT + (0.0, 0.0, center)]), None, BOX)
        made.append(
            GroupWindow(
                start, replace(leg, seed=leg.seed + k, center_nm=(center, center)), folder / str(k)
            )
        )
    return made


def density(center: float, grid: np.ndarray) -> np.ndarray:
    weight = np.exp(-(landscape(grid) + 0.5 * LEG.k * (grid - center) ** 2) / KT)
    return weight / weight.sum()


def exchange(folder: Path, leg: Leg = LEG, every: int = 2) -> ExchangeResult:
    return run_exchange(
        MDEngine(double_well(), COORDINATE, REFERENCE),
        members(folder, leg),
        SwapSchedule(every, 5),
        lambda fraction: None,
    )


@pytest.fixture(scope="module")
def exchanged(tmp_path_factory: pytest.TempPathFactory) -> ExchangeResult:
    return exchange(tmp_path_factory.mktemp("exchange"))


def test_each_window_keeps_its_own_distribution(exchanged: ExchangeResult) -> None:
    """Detailed balance: mean, variance and quartiles of every window against quadrature."""
    grid = np.linspace(0.2, 0.8, 6001)
    for center, result in zip(CENTERS, exchanged.results, strict=True):
        p, z = density(center, grid), result.cv[200:, 0]
        mean = np.sum(p * grid)
        assert z.mean() == pytest.approx(mean, abs=0.006)
        assert z.std() == pytest.approx(np.sqrt(np.sum(p * (grid - mean) ** 2)), rel=0.08)
        for q in (0.25, 0.75):
            assert np.mean(z < np.interp(q, np.cumsum(p), grid)) == pytest.approx(q, abs=0.06)


def test_swaps_are_accepted_as_often_as_theory_says(exchanged: ExchangeResult) -> None:
    grid = np.linspace(0.25, 0.75, 501)
    for i, rate in enumerate(acceptance(exchanged.attempts, exchanged.accepted)):
        a, b = CENTERS[i : i + 2]
        D = (
            LEG.k * (grid[:, None] - grid[None, :]) * (b - a) / KT
        )  # x in window a, y in window b: k (x - y)(b - a)
        expected = density(a, grid) @ np.exp(-np.maximum(0.0, -D)) @ density(b, grid)
        assert rate == pytest.approx(expected, abs=0.05), (a, b)
    assert (
        exchanged.attempts.sum() == (6000 // 2 - 1) * 2
    )  # every second record but the last, two pairs each time


def test_every_record_has_every_walker_once_and_walkers_travel(exchanged: ExchangeResult) -> None:
    assert (np.sort(exchanged.walkers, axis=0) == np.arange(len(CENTERS))[:, None]).all()
    assert sorted(exchanged.holder) == list(range(len(CENTERS)))
    assert round_trips(exchanged.walkers) > 10


def test_a_group_repeats_bit_for_bit_and_its_frames_and_ends_are_sorted_by_window(
    tmp_path: Path,
) -> None:
    leg = replace(LEG, duration_ps=20.0, frame_ps=1.0, frame_atoms=np.array([0]))
    first, again = exchange(tmp_path / "a", leg), exchange(tmp_path / "b", leg)
    assert first.accepted.sum() > 0
    for one, other in zip(first.results, again.results, strict=True):
        assert np.array_equal(one.cv, other.cv) and np.array_equal(
            one.state.positions, other.state.positions
        )
        assert one.state.positions[0, 2] - POINT[2] == pytest.approx(one.cv[-1, 0])
    for k, result in enumerate(first.results):
        with mdtraj.formats.DCDTrajectoryFile(
            str(tmp_path / "a" / str(k) / "frames.dcd")
        ) as trajectory:
            xyz = trajectory.read()[0]
        assert xyz[:, 0, 2] / 10 - POINT[2] == pytest.approx(result.cv[9::10, 0], abs=1e-5)


def test_without_a_swap_a_group_is_its_windows_alone(tmp_path: Path) -> None:
    leg = replace(LEG, duration_ps=10.0)
    group = run_exchange(
        MDEngine(double_well(), COORDINATE, ONE_THREAD),
        members(tmp_path, leg),
        SwapSchedule(1000, 5),
        lambda fraction: None,
    )
    for member, result in zip(members(tmp_path, leg), group.results, strict=True):
        alone = run_leg(
            MDEngine(double_well(), COORDINATE, ONE_THREAD),
            member.start,
            member.leg,
            member.folder,
            lambda fraction: None,
        )
        assert np.array_equal(alone.cv, result.cv) and np.array_equal(
            alone.state.velocities, result.state.velocities
        )
    assert group.attempts.sum() == 0 and np.isnan(acceptance(group.attempts, group.accepted)).all()


def test_round_trips_count_there_and_back() -> None:
    walkers = np.array([[0, 1, 0, 0, 1, 0], [1, 0, 1, 2, 0, 1], [2, 2, 2, 1, 2, 2]])
    assert (
        round_trips(walkers) == 1
    )  # 1 goes from the first window to the last and back; 0 and 2 do not
    there_and_back = np.array([[0, 1, 0, 1], [1, 0, 1, 0]])
    assert round_trips(there_and_back) == 2


def test_two_heads_swap_on_the_sum_of_their_umbrellas() -> None:
    record = Record(np.array([0.4, 0.9, 0.1, 0.9]))
    energy = bias_energy(replace(LEG, center_nm=(0.3, 0.3)), record)
    assert energy == pytest.approx(600 * (0.01 + 0.04))


@pytest.mark.skipif(
    not hasattr(app, "ReplicaExchangeSampler"), reason="this OpenMM has no sampler of its own"
)
def test_openmm_own_sampler_gives_the_same_means(exchanged: ExchangeResult) -> None:
    """openmm.app.ReplicaExchangeSampler over the same states: an engine that shares only the System
    with ours.
    """
    topology = app.Topology()
    topology.addAtom("X", None, topology.addResidue("X", topology.addChain()))
    integrator = mm.LangevinMiddleIntegrator(300.0, LEG.friction_per_ps, LEG.timestep_fs / 1000)
    integrator.setRandomNumberSeed(3)
    simulation = app.Simulation(
        topology, double_well(), integrator, mm.Platform.getPlatformByName("Reference")
    )
    simulation.context.setPositions([mm.Vec3(*(POINT + (0.0, 0.0, 0.5)))])
    simulation.context.setVelocitiesToTemperature(300.0, 3)
    sampler = app.ReplicaExchangeSampler(
        [{"bias_center": c, "bias_k": LEG.k} for c in CENTERS], simulation, 40
    )
    heights: list[list[float]] = [[] for _ in CENTERS]

    def record(now: app.ReplicaExchangeSampler) -> None:
        for state, conformation in zip(now.replicaStateIndex, now.replicaConformation, strict=True):
            xyz = conformation.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
            heights[state].append(float(COORDINATE.measure(xyz, BOX)[0]))

    sampler.reporters.append(record)
    random.seed(3)  # the sampler draws from Python's own generator
    sampler.simulate(800)
    for theirs, ours in zip(heights, exchanged.results, strict=True):
        assert np.mean(theirs[50:]) == pytest.approx(ours.cv[200:, 0].mean(), abs=0.012)
