"""Well-tempered metadynamics against a well in closed form, against umbrella sampling, and against
itself after a restart.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import openmm as mm
import pytest
from openmm import unit

from halobind.forcefields.hamiltonian.binding_coordinate import Coordinate
from halobind.pipeline.free_energy.anchor_checks import anchor_flags
from halobind.pipeline.free_energy.binding import compute_binding
from halobind.pipeline.free_energy.constants import GAS_CONSTANT
from halobind.pipeline.free_energy.curve_reader import cylinder_area
from halobind.pipeline.free_energy.flags import Flag, FlagKind
from halobind.pipeline.free_energy.hills import Hills
from halobind.pipeline.free_energy.metadynamics_pmf import (
    WalkerSamples,
    crossings,
    walk_binding,
    walk_flags,
)
from halobind.pipeline.free_energy.samples import EstimateError, Samples, Window
from halobind.pipeline.free_energy.settings import EstimateSettings
from halobind.pipeline.free_energy.umbrella_pmf import estimate_pmf
from halobind.pipeline.sampling.md_leg import Leg, LegResult, MDEngine, MDState, run_leg
from halobind.pipeline.sampling.metadynamics import Walker, run_walk
from halobind.pipeline.sampling.openmm_xml import read_state, write_state
from halobind.pipeline.sampling.platforms import MDPlatform
from halobind.pipeline.sampling.walker_segments import walker_start

REFERENCE = MDPlatform("Reference", ())
BOX = np.array([2.0, 2.5, 3.0])
POINT = np.array([1.9, 0.1, 2.8])  # near the faces of the box, so that the nearest image matters
COORDINATE = Coordinate(np.array([0]), POINT[None], np.array([[0.0, 0.0, 1.0]]), 0.3, 5000.0)
DEPTH, STEEP, BOTTOM = 25.0, 10.0, 0.1  # kJ/mol, 1/nm, nm
KT = GAS_CONSTANT * 300
HILLS = Hills(10.0, 1.0, 0.03, 20, (0.0, 0.75), 5000.0)
LEG = Leg(7, 40.0, 0.1, 10.0, 5.0, (300.0, 300.0), (0.0, 0.0), 0.0)
SETTINGS = EstimateSettings(discard_fraction=0.1, plateau_nm=0.16, n_bootstrap=60)


def morse(z: np.ndarray) -> np.ndarray:
    return DEPTH * ((1 - np.exp(-STEEP * (z - BOTTOM))) ** 2 - 1)


def particle(energy: str = f"{DEPTH}*((1-exp(-{STEEP}*(height-{BOTTOM})))^2-1)") -> mm.System:
    """One particle in a Morse well along the coordinate, with its umbrella and its cylinder."""
    system = mm.System()
    system.setDefaultPeriodicBoxVectors(*(mm.Vec3(*row) for row in np.diag(BOX)))
    system.addParticle(40.0)
    COORDINATE.add_to(system)
    system.addForce(COORDINATE.height_force(energy))
    return system


def at(height: float) -> MDState:
    return MDState((POINT + (0.0, 0.0, height))[None], None, BOX)


def engine() -> MDEngine:
    return MDEngine(particle(), COORDINATE, REFERENCE)


def walk(
    leg: Leg, start: MDState, folder: Path, bias: np.ndarray | None = None
) -> tuple[LegResult, np.ndarray, np.ndarray]:
    hills = replace(HILLS, start=bias)
    result = run_walk(engine(), start, leg, hills, folder, lambda fraction: None)
    return result.leg, result.push, result.bias


def test_the_height_force_is_the_coordinate() -> None:
    """Its energy is the z of measure and its force the unit vector along the normal, wherever the
    images lie.
    """
    context = mm.Context(
        particle("height"), mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference")
    )
    for x, y, z in (
        (0.0, 0.0, 0.3),
        (0.2, -0.1, 1.2),
        (-0.15, 0.25, -0.4),
        (2.0, -2.5, 0.75 - 3.0),
    ):
        position = POINT + (x, y, z)
        context.setPositions([mm.Vec3(*position)])
        state = context.getState(getEnergy=True, getForces=True, groups={0})
        expected = COORDINATE.measure(position[None], BOX)[0]
        assert state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole) == pytest.approx(
            expected, abs=1e-6
        )
        force = state.getForces(asNumpy=True).value_in_unit(
            unit.kilojoule_per_mole / unit.nanometer
        )[0]
        assert force == pytest.approx([0, 0, -1], abs=1e-6)


def test_walls_hold_the_path_and_no_molecules_merge() -> None:
    system = mm.System()
    system.setDefaultPeriodicBoxVectors(*(mm.Vec3(*row) for row in np.diag(BOX)))
    for _ in range(5):
        system.addParticle(40.0)
    Walker(system, COORDINATE, HILLS, 300.0)
    context = mm.Context(
        system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference")
    )
    assert len(context.getMolecules()) == 5
    for height, over in ((0.3, 0.0), (-0.1, 0.1), (0.95, 0.2)):
        context.setPositions([mm.Vec3(*(POINT + (0.1, 0.0, height)))] + [mm.Vec3(0, 0, 0)] * 4)
        energy = (
            context.getState(getEnergy=True)
            .getPotentialEnergy()
            .value_in_unit(unit.kilojoule_per_mole)
        )
        assert energy == pytest.approx(0.5 * 5000 * over**2, abs=1e-6)


def test_hills_are_gaussians_that_shrink_where_the_bias_is_high(tmp_path: Path) -> None:
    """One deposit onto nothing, and one onto a constant bias V: h exp(-V/((gamma - 1) kT)) exp(-(z
    - z')^2/(2 w^2)).
    """
    for before in (0.0, 30.0):
        start = np.full(len(HILLS.grid), before)
        result, push, bias = walk(
            replace(LEG, duration_ps=0.2, record_ps=0.2), at(0.4), tmp_path, start
        )
        hill = np.exp(-before / (9 * KT)) * np.exp(
            -0.5 * ((HILLS.grid - result.cv[-1, 0]) / 0.03) ** 2
        )
        assert bias - start == pytest.approx(hill, abs=1e-5)
        assert push == pytest.approx([0.0], abs=0.02)  # on the top of the only hill


def test_the_force_of_the_bias_is_recorded_with_the_height(tmp_path: Path) -> None:
    """That of a bias to go on from, 8 exp(-(z - 0.4)^2/(2 0.1^2)), while the hills are too low to
    matter; OpenMM applies the same.
    """
    start = 8 * np.exp(-0.5 * ((HILLS.grid - 0.4) / 0.1) ** 2)
    hills, leg = replace(HILLS, height=1e-9, start=start), replace(LEG, duration_ps=2.0)
    walked = run_walk(engine(), at(0.45), leg, hills, tmp_path, lambda fraction: None)
    z = walked.leg.cv[:, 0]
    push = walked.push
    assert push.shape == (20,) and push == pytest.approx(
        8 * (z - 0.4) / 0.01 * np.exp(-0.5 * ((z - 0.4) / 0.1) ** 2), abs=0.01
    )
    system = particle("0")
    walker = Walker(system, COORDINATE, hills, 300.0)
    context = mm.Context(
        system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference")
    )
    context.setPositions([mm.Vec3(*(POINT + (0.1, 0.0, 0.47)))])
    force = (
        context.getState(getForces=True)
        .getForces(asNumpy=True)
        .value_in_unit(unit.kilojoule_per_mole / unit.nanometer)[0, 2]
    )
    assert walker.push(0.47) == pytest.approx(force, rel=1e-3) and force > 20


@pytest.fixture(scope="module", params=[6, pytest.param(10, marks=pytest.mark.stats)])
def walks(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> WalkerSamples:
    """Four walkers of so many segments of 40 ps in the Morse well."""
    folder, z, push = tmp_path_factory.mktemp("walks"), [], []
    for walker in range(4):
        state, grown, heights, forces = at(0.1 + 0.6 * walker_start(walker)), None, [], []
        for segment in range(request.param):
            result, force, grown = walk(
                replace(LEG, seed=100 * walker + segment + 1), state, folder, grown
            )
            state = result.state
            heights.append(result.cv[:, 0])
            forces.append(force)
        z.append(np.concatenate(heights))
        push.append(np.concatenate(forces))
    return WalkerSamples(HILLS, tuple(z), tuple(push), LEG.record_ps, 300.0, 0.3, 5000.0)


def exact(bins: np.ndarray, width: float, plateau: slice) -> np.ndarray:
    fine = bins[:, None] + width * (np.arange(100) + 0.5) / 100 - width / 2
    density = np.exp(-morse(fine) / KT).mean(axis=1)
    return -KT * np.log(density / density[plateau].mean())


def test_walkers_find_the_well_in_closed_form(walks: WalkerSamples) -> None:
    pmf, found = walk_binding(walks, SETTINGS)
    truth = exact(pmf.z_nm, pmf.bin_nm, slice(*pmf.plateau))
    inside = truth < -2 * KT
    assert np.all(np.abs(pmf.W - truth)[inside] < 3 * pmf.W_error[inside] + 0.5)
    assert found.z_min_nm.value == pytest.approx(BOTTOM, abs=0.01)
    area, bound = cylinder_area(0.3, 5000.0, KT), slice(0, pmf.plateau[0])
    expected = -KT * np.log(area * pmf.bin_nm * np.exp(-truth[bound] / KT).sum() * 0.602214076)
    assert 0.1 < found.dG0_kJ_mol.error < 2.5
    assert found.dG0_kJ_mol.value == pytest.approx(expected, abs=3 * found.dG0_kJ_mol.error)
    assert (
        found.sampling_ns == pytest.approx(1e-3 * LEG.record_ps * sum(map(len, walks.z)))
        and found.n_windows == 0
        and np.isnan(found.min_overlap)
    )


def test_metadynamics_and_umbrella_sampling_agree(walks: WalkerSamples, tmp_path: Path) -> None:
    windows = tuple(Window(float(c), 2000.0) for c in np.linspace(0.0, 0.75, 16))
    series = []
    for number, window in enumerate(windows):
        leg = replace(
            LEG, seed=900 + number, duration_ps=50.0, center_nm=(window.center_nm,) * 2, k=window.k
        )
        result = run_leg(engine(), at(window.center_nm), leg, tmp_path, lambda fraction: None)
        series.append(result.cv[:, 0])
    samples = Samples(windows, tuple(series), 0.1, 300.0, 0.3, 5000.0)
    umbrella = compute_binding(estimate_pmf(samples, SETTINGS), samples, SETTINGS)
    _, other = walk_binding(walks, SETTINGS)
    for name in ("dG0_kJ_mol", "well_depth_kJ_mol"):
        one, two = getattr(umbrella, name), getattr(other, name)
        assert one.value == pytest.approx(two.value, abs=3 * np.hypot(one.error, two.error)), name


def test_a_restart_from_disk_is_the_uninterrupted_chain_bit_for_bit(tmp_path: Path) -> None:
    short = replace(LEG, duration_ps=4.0)
    first, _, grown = walk(short, at(0.1), tmp_path)
    write_state(first.state, tmp_path / "state.xml")
    np.save(tmp_path / "bias.npy", grown)
    second = replace(short, seed=8)
    went_on, pushed, more = walk(second, first.state, tmp_path, grown)
    restarted, pushed_again, again = walk(
        second, read_state(tmp_path / "state.xml"), tmp_path, np.load(tmp_path / "bias.npy")
    )
    assert (
        np.array_equal(restarted.cv, went_on.cv)
        and np.array_equal(again, more)
        and np.array_equal(pushed, pushed_again)
    )
    assert np.all(more >= grown - 1e-9) and more.sum() > grown.sum() * 1.2
    fresh, *_ = walk(second, first.state, tmp_path)  # without its bias it is another walk
    assert not np.array_equal(fresh.cv, went_on.cv)


def test_a_bias_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    for start in (np.zeros(7), np.full(len(HILLS.grid), np.nan)):
        with pytest.raises(ValueError, match="the bias to go on from"):
            walk(LEG, at(0.1), tmp_path, start)


def test_two_heads_are_refused() -> None:
    two = Coordinate(
        np.array([0, 1]),
        np.stack([POINT, POINT]),
        np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]),
        0.3,
        5000.0,
    )
    with pytest.raises(
        ValueError,
        match=(
            "metadynamics biases one head and the coordinate has 2: use faces = 1, or umbrella"
            " sampling"
        ),
    ):
        Walker(mm.System(), two, HILLS, 300.0)


def test_walkers_start_where_their_number_says() -> None:
    assert [walker_start(k) for k in range(7)] == [0.0, 1.0, 0.5, 0.25, 0.75, 0.125, 0.625]


def made_up(
    offsets: tuple[float, ...],
    spans: tuple[tuple[float, float], ...],
    hills: Hills = HILLS,
    count: int = 4000,
) -> WalkerSamples:
    """Walkers spread evenly over their `spans` (fractions of the path) under a bias that makes up
    for landscape and walls exactly, but for `offsets` kJ/mol over the path that the density knows
    nothing of.
    """
    (bottom, top), random, z = hills.path_nm, np.random.default_rng(3), []
    for low, high in spans:
        ends = bottom - 0.02 + (top - bottom + 0.04) * np.array([low, high])
        z.append(random.permutation(np.linspace(*ends, count)))
    walks = WalkerSamples(hills, tuple(z), tuple(z), 0.2, 300.0, 0.3, 5000.0)
    steep = [
        2 * DEPTH * STEEP * (1 - np.exp(-STEEP * (one - BOTTOM))) * np.exp(-STEEP * (one - BOTTOM))
        for one in z
    ]
    push = (
        force - walks.wall_force(one) + offset / (top - bottom)
        for one, force, offset in zip(z, steep, offsets, strict=True)
    )
    return replace(walks, push=tuple(push))


WHOLE = (0.0, 1.0)


def test_what_the_bias_makes_up_for_is_the_curve() -> None:
    pmf, found = walk_binding(made_up((0.0,) * 3, (WHOLE,) * 3), SETTINGS)
    truth = exact(pmf.z_nm, pmf.bin_nm, slice(*pmf.plateau))
    assert (
        pmf.z_nm[0] < 0
        and np.abs(pmf.W - truth)[truth < 5].max() < 0.4
        and found.dG0_kJ_mol.error < 0.3
    )
    assert found.flags == ()


def test_no_walker_needs_to_see_the_whole_path() -> None:
    """One holds the well, one the plateau; together they have the curve, and the row says that they
    did not cross. Where the density of one ends and no force says why, that counts as landscape: up
    to kT ln 2.
    """
    pmf, found = walk_binding(made_up((0.0, 0.0), ((0.0, 0.6), (0.4, 1.0))), SETTINGS)
    truth = exact(pmf.z_nm, pmf.bin_nm, slice(*pmf.plateau))
    assert np.abs(pmf.W - truth)[truth < 5].max() < 0.4 + KT * np.log(2)
    assert "2 of 2 walkers crossed the path fewer than 4 times" in [
        flag.text for flag in found.flags
    ]


def test_a_walker_that_is_where_its_bias_is_still_growing_counts() -> None:
    """A bias that makes up for half of the landscape leaves the other half to the density: P ~
    exp(-W/2kT).
    """
    grid = np.linspace(0.0, 0.75, 200_001)
    below = np.cumsum(np.exp(-morse(grid) / (2 * KT)))
    z = np.interp(np.random.default_rng(5).uniform(size=40_000), below / below[-1], grid)
    half = DEPTH * STEEP * (1 - np.exp(-STEEP * (z - BOTTOM))) * np.exp(-STEEP * (z - BOTTOM))
    pmf, found = walk_binding(replace(made_up((0.0,), (WHOLE,)), z=(z,), push=(half,)), SETTINGS)
    truth = exact(pmf.z_nm, pmf.bin_nm, slice(*pmf.plateau))
    near = truth < 5
    assert np.abs(pmf.W - truth)[near].max() < 0.6 and np.abs(pmf.W - truth)[
        near
    ].max() < 4 * np.nanmax(pmf.W_error)
    assert any(flag.kind == FlagKind.ONE_WALKER and flag.error_is_bound for flag in found.flags)


def test_the_walls_are_taken_off_the_curve() -> None:
    """A path that begins in the bottom of the well: the first bin lies in the wall, which costs 0.3
    kJ/mol there.
    """
    pmf, _ = walk_binding(
        made_up((0.0, 0.0), (WHOLE,) * 2, replace(HILLS, path_nm=(BOTTOM, 0.75))), SETTINGS
    )
    assert pmf.z_nm[0] == pytest.approx(BOTTOM - 0.01)
    assert np.abs(pmf.W - exact(pmf.z_nm, pmf.bin_nm, slice(*pmf.plateau))).max() < 0.3


def test_the_error_is_the_scatter_of_the_walkers() -> None:
    """Depths that differ by known offsets: Student's t for two degrees of freedom (1.32) times the
    standard error of their mean.
    """
    offsets = (-4.0, 0.0, 4.0)
    _, found = walk_binding(
        made_up(offsets, (WHOLE,) * 3), SETTINGS.model_copy(update={"n_bootstrap": 1000})
    )
    tilts = np.array(offsets) * (0.67 - BOTTOM) / 0.75  # from the well to the middle of the plateau
    assert found.well_depth_kJ_mol.error == pytest.approx(
        1.3213 * np.std(tilts, ddof=1) / np.sqrt(3), rel=0.12
    )


def test_where_no_walker_was_there_is_no_number() -> None:
    with pytest.raises(
        EstimateError, match="none of 2 walkers has been above 0.59 nm: sample longer, or raise"
    ):
        walk_binding(made_up((0.0, 0.0), ((0.0, 0.5), (0.2, 0.7))), SETTINGS)
    with pytest.raises(EstimateError, match="none of 1 walkers has been below 0.19 nm"):
        walk_binding(made_up((0.0,), ((0.5, 1.0),)), SETTINGS)
    with pytest.raises(EstimateError, match="a walker has 9 records only: sample longer"):
        walk_binding(made_up((0.0,), (WHOLE,), count=9), SETTINGS)
    _, found = walk_binding(made_up((0.0, 0.0), ((0.0, 0.4), (0.6, 1.0))), SETTINGS)
    assert any(flag.kind == FlagKind.GAPS for flag in found.flags)


def test_crossings_are_counted_after_the_start_is_left_out() -> None:
    walks = made_up((0.0,), (WHOLE,))
    to_and_fro = np.tile(
        [0.1, 0.4, 0.7, 0.4], 20
    )  # 39 times from 0.1 to 0.7 or back, and once to it
    series = np.concatenate([np.full(20, 0.7), to_and_fro, np.full(100, 0.7)])
    assert crossings(
        replace(walks, z=(series,), push=(series,)),
        SETTINGS.model_copy(update={"discard_fraction": 0.0}),
    ) == [40]
    assert crossings(replace(walks, z=(series,), push=(series,)), SETTINGS) == [39]
    assert (
        walk_flags([40, 3])
        == [Flag(FlagKind.FEW_CROSSINGS, "1 of 2 walkers crossed the path fewer than 4 times")]
        and walk_flags([4, 5]) == []
    )


def test_a_walker_under_the_crystal_or_outside_its_cylinder_is_noticed() -> None:
    walks = made_up((0.0,) * 3, (WHOLE,) * 3, count=2000)
    inside, rare = np.full(2000, 0.1), np.arange(2000) < 40
    assert anchor_flags(walks, [inside] * 3) == []
    sunk = replace(walks, z=(*walks.z[:2], np.where(rare, -0.7, walks.z[2])))
    assert [flag.text for flag in anchor_flags(sunk, [inside] * 3)] == [
        "the ligand was under the crystal in 1 of 3 walkers (anchor down to -0.70 nm): the path is"
        " wrong"
    ]
    strayed = anchor_flags(walks, [inside, inside + 0.5 * rare, inside])
    assert [flag.text for flag in strayed] == [
        "the anchor was outside its cylinder in 1 of 3 walkers (0.60 nm from the axis, where the"
        " wall ends at 0.39): use a stiffer wall or shorter steps"
    ]
