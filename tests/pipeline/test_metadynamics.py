"""Well-tempered metadynamics against a well in closed form, against umbrella sampling, and against itself after a restart."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import openmm as mm
import pytest
from openmm import unit

from forcefields.coordinate import Coordinate
from pipeline.binding import binding
from pipeline.metadynamics import Hills, Walker, run_walk
from pipeline.platforms import Choice
from pipeline.pmf import estimate_pmf
from pipeline.reader import cylinder_area
from pipeline.samples import EstimateError, EstimateSettings, Samples, Window
from pipeline.sanity import anchor_notes
from pipeline.simulate import GAS_CONSTANT, Leg, LegResult, MDState, load_state, run_leg, save_state
from pipeline.stages import walker_start
from pipeline.walkers import Walks, filled_walkers, walk_binding, walk_flags, walk_pmf

REFERENCE = Choice("Reference", ())
BOX = np.array([2.0, 2.5, 3.0])
POINT = np.array([1.9, 0.1, 2.8])  # near the faces of the box, so that the nearest image matters
COORDINATE = Coordinate(np.array([0]), POINT[None], np.array([[0.0, 0.0, 1.0]]), 0.3, 5000.0)
DEPTH, STEEP, BOTTOM = 25.0, 10.0, 0.1  # kJ/mol, 1/nm, nm
KT = GAS_CONSTANT * 300
HILLS = Hills(10.0, 1.0, 0.03, 20, (0.0, 0.75), 5000.0)
LEG = Leg(7, 40.0, 0.1, 10.0, 5.0, (300.0, 300.0), (0.0, 0.0), 0.0)
ENGINE = (COORDINATE, REFERENCE)
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


def walk(leg: Leg, start: MDState, folder: Path, bias: np.ndarray | None = None) -> tuple[LegResult, np.ndarray]:
    return run_walk(particle(), start, (leg, replace(HILLS, start=bias)), ENGINE, folder, lambda fraction: None)


def test_the_height_force_is_the_coordinate() -> None:
    """Its energy is the z of measure and its force the unit vector along the normal, wherever the images lie."""
    context = mm.Context(particle("height"), mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference"))
    for x, y, z in ((0.0, 0.0, 0.3), (0.2, -0.1, 1.2), (-0.15, 0.25, -0.4), (2.0, -2.5, 0.75 - 3.0)):
        position = POINT + (x, y, z)
        context.setPositions([mm.Vec3(*position)])
        state = context.getState(getEnergy=True, getForces=True, groups={0})
        expected = COORDINATE.measure(position[None], BOX)[0]
        assert state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole) == pytest.approx(expected, abs=1e-6)
        force = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)[0]
        assert force == pytest.approx([0, 0, -1], abs=1e-6)


def test_walls_hold_the_path_and_no_molecules_merge() -> None:
    system = mm.System()
    system.setDefaultPeriodicBoxVectors(*(mm.Vec3(*row) for row in np.diag(BOX)))
    for _ in range(5):
        system.addParticle(40.0)
    Walker(system, COORDINATE, HILLS, 300.0)
    context = mm.Context(system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference"))
    assert len(context.getMolecules()) == 5
    for height, over in ((0.3, 0.0), (-0.1, 0.1), (0.95, 0.2)):
        context.setPositions([mm.Vec3(*(POINT + (0.1, 0.0, height)))] + [mm.Vec3(0, 0, 0)] * 4)
        energy = context.getState(getEnergy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
        assert energy == pytest.approx(0.5 * 5000 * over**2, abs=1e-6)


def test_hills_are_gaussians_that_shrink_where_the_bias_is_high(tmp_path: Path) -> None:
    """One deposit onto nothing, and one onto a constant bias V: h exp(-V/((gamma - 1) kT)) exp(-(z - z')^2/(2 w^2))."""
    for before in (0.0, 30.0):
        start = np.full(len(HILLS.grid), before)
        result, bias = walk(replace(LEG, duration_ps=0.2, record_ps=0.2), at(0.4), tmp_path, start)
        hill = np.exp(-before / (9 * KT)) * np.exp(-0.5 * ((HILLS.grid - result.cv[-1, 0]) / 0.03) ** 2)
        assert bias[1] - start == pytest.approx(hill, abs=1e-5)
        assert bias[0] == pytest.approx(bias[1])  # the mean over the only deposit


@pytest.fixture(scope="module")
def walks(tmp_path_factory: pytest.TempPathFactory) -> Walks:
    """Four walkers of ten segments in the Morse well."""
    folder, z, bias = tmp_path_factory.mktemp("walks"), [], []
    for walker in range(4):
        state, grown, heights, means = at(0.1 + 0.6 * walker_start(walker)), None, [], []
        for segment in range(10):
            result, (mean, grown) = walk(replace(LEG, seed=100 * walker + segment + 1), state, folder, grown)
            state = result.state
            heights.append(result.cv[:, 0])
            means.append(mean)
        z.append(np.concatenate(heights))
        bias.append(np.array(means))
    return Walks(HILLS, tuple(z), (np.full(10, 400),) * 4, tuple(bias), LEG.record_ps, 300.0, 0.3, 5000.0)


def exact(bins: np.ndarray, width: float, plateau: slice) -> np.ndarray:
    fine = bins[:, None] + width * (np.arange(100) + 0.5) / 100 - width / 2
    density = np.exp(-morse(fine) / KT).mean(axis=1)
    return -KT * np.log(density / density[plateau].mean())


def test_walkers_find_the_well_in_closed_form(walks: Walks) -> None:
    pmf, found = walk_binding(walks, SETTINGS)
    truth = exact(pmf.z_nm, pmf.bin_nm, slice(*pmf.plateau))
    inside = truth < -2 * KT
    assert np.all(np.abs(pmf.W - truth)[inside] < 3 * pmf.W_error[inside] + 0.5)
    assert found.z_min_nm.value == pytest.approx(BOTTOM, abs=0.01)
    area, bound = cylinder_area(0.3, 5000.0, KT), slice(0, pmf.plateau[0])
    expected = -KT * np.log(area * pmf.bin_nm * np.exp(-truth[bound] / KT).sum() * 0.602214076)
    assert 0.1 < found.dG0_kJ_mol.error < 2.5
    assert found.dG0_kJ_mol.value == pytest.approx(expected, abs=3 * found.dG0_kJ_mol.error)
    assert found.sampling_ns == pytest.approx(1.6) and found.n_windows == 0 and np.isnan(found.min_overlap)


def test_metadynamics_and_umbrella_sampling_agree(walks: Walks, tmp_path: Path) -> None:
    windows = tuple(Window(float(c), 2000.0) for c in np.linspace(0.0, 0.75, 16))
    series = []
    for number, window in enumerate(windows):
        leg = replace(LEG, seed=900 + number, duration_ps=50.0, center_nm=(window.center_nm,) * 2, k=window.k)
        result = run_leg(particle(), at(window.center_nm), leg, ENGINE, tmp_path, lambda fraction: None)
        series.append(result.cv[:, 0])
    samples = Samples(windows, tuple(series), 0.1, 300.0, 0.3, 5000.0)
    umbrella = binding(estimate_pmf(samples, SETTINGS), samples, SETTINGS)
    _, other = walk_binding(walks, SETTINGS)
    for name in ("dG0_kJ_mol", "well_depth_kJ_mol"):
        one, two = getattr(umbrella, name), getattr(other, name)
        assert one.value == pytest.approx(two.value, abs=3 * np.hypot(one.error, two.error)), name


def test_a_restart_from_disk_is_the_uninterrupted_chain_bit_for_bit(tmp_path: Path) -> None:
    short = replace(LEG, duration_ps=4.0)
    first, (_, grown) = walk(short, at(0.1), tmp_path)
    save_state(first.state, tmp_path / "state.xml")
    np.save(tmp_path / "bias.npy", grown)
    second = replace(short, seed=8)
    went_on, more = walk(second, first.state, tmp_path, grown)
    restarted, again = walk(second, load_state(tmp_path / "state.xml"), tmp_path, np.load(tmp_path / "bias.npy"))
    assert np.array_equal(restarted.cv, went_on.cv) and np.array_equal(again, more)
    assert np.all(more[1] >= grown - 1e-9) and more[1].sum() > grown.sum() * 1.2
    fresh, _ = walk(second, first.state, tmp_path)  # without its bias it is another walk
    assert not np.array_equal(fresh.cv, went_on.cv)


def test_a_bias_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    for start in (np.zeros(7), np.full(len(HILLS.grid), np.nan)):
        with pytest.raises(ValueError, match="the bias to go on from"):
            walk(LEG, at(0.1), tmp_path, start)


def test_two_heads_are_refused() -> None:
    two = Coordinate(np.array([0, 1]), np.stack([POINT, POINT]), np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]), 0.3, 5000.0)
    with pytest.raises(ValueError, match="metadynamics biases one head and the coordinate has 2: use faces = 1, or umbrella sampling"):
        Walker(mm.System(), two, HILLS, 300.0)


def test_walkers_start_where_their_number_says() -> None:
    assert [walker_start(k) for k in range(7)] == [0.0, 1.0, 0.5, 0.25, 0.75, 0.125, 0.625]


def made_up(offsets: tuple[float, ...], crossing: tuple[bool, ...], hills: Hills = HILLS) -> Walks:
    """Walkers whose bias is the exact one, tilted by `offsets` kJ/mol over the path, growing from segment to segment."""
    grid, gamma = hills.grid, hills.bias_factor
    bottom, top = hills.path_nm
    walls = 0.5 * hills.wall_k * (np.maximum(0, grid - top) ** 2 + np.maximum(0, bottom - grid) ** 2)
    tilts = [offset * np.clip((grid - bottom) / (top - bottom), 0, 1) for offset in offsets]
    growth = np.arange(20)[:, None] * 3.0
    bias = tuple(-(gamma - 1) / gamma * (morse(grid) + walls + tilt) + growth for tilt in tilts)
    steps = np.arange(2000)
    to_and_fro, stays = (bottom + top) / 2 + ((top - bottom) / 2 + 0.025) * np.sin(steps / 20), 0.1 + 0.1 * np.sin(steps)
    z = tuple(to_and_fro if c else stays for c in crossing)
    return Walks(hills, z, (np.full(20, 100),) * len(z), bias, 0.2, 300.0, 0.3, 5000.0)


def test_the_exact_bias_gives_the_exact_curve_whatever_it_has_grown_to() -> None:
    pmf, found = walk_binding(made_up((0.0, 0.0, 0.0), (True,) * 3), SETTINGS)
    truth = exact(pmf.z_nm, pmf.bin_nm, slice(*pmf.plateau))
    assert pmf.z_nm[0] < 0 and np.abs(pmf.W - truth).max() < 0.1 and found.dG0_kJ_mol.error < 1e-6
    assert found.flags == ()


def test_the_walls_are_taken_off_the_curve() -> None:
    """A path that begins in the bottom of the well: the first bin lies in the wall, which costs 0.3 kJ/mol there."""
    pmf, _ = walk_binding(made_up((0.0, 0.0), (True,) * 2, replace(HILLS, path_nm=(BOTTOM, 0.75))), SETTINGS)
    assert pmf.z_nm[0] == pytest.approx(BOTTOM - 0.01)
    assert np.abs(pmf.W - exact(pmf.z_nm, pmf.bin_nm, slice(*pmf.plateau))).max() < 0.1


def test_the_error_is_the_scatter_of_the_walkers() -> None:
    """Depths that differ by known offsets: Student's t for two degrees of freedom (1.32) times the standard error of their mean."""
    offsets = (-4.0, 0.0, 4.0)
    _, found = walk_binding(made_up(offsets, (True,) * 3), SETTINGS.model_copy(update={"n_bootstrap": 1000}))
    tilts = np.array(offsets) * (0.67 - BOTTOM) / 0.75  # from the well to the middle of the plateau
    assert found.well_depth_kJ_mol.error == pytest.approx(1.3213 * np.std(tilts, ddof=1) / np.sqrt(3), rel=0.08)


def test_a_walker_that_never_crossed_is_left_out_and_said() -> None:
    mixed = made_up((0.0, 30.0), (True, False))
    filled = filled_walkers(mixed, SETTINGS)
    assert len(filled) == 1 and filled[0].crossings > 4
    flags = walk_flags(filled, 2)
    assert flags[0] == "1 of 2 walkers have not left for the plateau and are left out" and "lower bound" in flags[1]
    curve = walk_pmf(mixed, filled, SETTINGS)
    assert curve.W[5] - curve.W[-1] == pytest.approx(morse(curve.z_nm[5]) - morse(curve.z_nm[-1]), abs=0.3)
    with pytest.raises(EstimateError, match="none of 2 walkers has left from below 0.19 nm for the plateau above 0.59"):
        walk_binding(made_up((0.0, 0.0), (False, False)), SETTINGS)


@pytest.mark.parametrize("came", [0, 400])
def test_a_walker_counts_from_when_it_first_leaves_the_well(came: int) -> None:
    """Where it came from the plateau it fell into an empty well, so that counts for nothing."""
    walks = made_up((0.0,), (True,))
    late = np.concatenate([np.full(came, 0.7), np.full(1010 - came, 0.1), 0.375 + 0.374 * np.sin(np.arange(990) / 20)])
    garbage = np.where(np.arange(20)[:, None] < 11, 0.0, walks.bias[0])  # before the path is filled the bias says nothing
    pmf, _ = walk_binding(replace(walks, z=(late,), bias=(garbage,)), SETTINGS)
    assert np.abs(pmf.W - exact(pmf.z_nm, pmf.bin_nm, slice(*pmf.plateau))).max() < 0.05


def test_one_segment_of_one_walker_gives_no_error_and_so_no_number() -> None:
    walks = made_up((0.0,), (True,))
    late = np.concatenate([np.full(1850, 0.1), 0.375 + 0.374 * np.sin(np.arange(150) / 20)])
    with pytest.raises(EstimateError, match="only one of 1 walkers has left for the plateau, and gone on for one segment: sample longer"):
        walk_binding(replace(walks, z=(late,)), SETTINGS)


def test_segments_count_by_their_length() -> None:
    """A walker whose second half is one long segment of another bias."""
    walks = made_up((0.0,), (True,))
    tilted = np.where(np.arange(11)[:, None] < 10, walks.bias[0][:11], walks.bias[0][10] - 6.0 * (HILLS.grid > 0.4))
    counts = np.array([100] * 10 + [1000])
    filled = filled_walkers(replace(walks, counts=(counts,), bias=(tilted,)), SETTINGS.model_copy(update={"discard_fraction": 0.0}))[0]
    begun = filled.sizes.sum()  # after it first left, at one of the ten short segments
    step = (filled.mean() - walks.bias[0][10])[HILLS.grid > 0.4].mean() - (filled.mean() - walks.bias[0][10])[HILLS.grid < 0.4].mean()
    assert begun > 1700 and step == pytest.approx(-6.0 * 1000 / begun, rel=1e-6)


def test_a_walker_under_the_crystal_or_outside_its_cylinder_is_noticed() -> None:
    walks = made_up((0.0,) * 3, (True,) * 3)
    inside, rare = np.full(2000, 0.1), np.arange(2000) < 40
    assert anchor_notes(walks, [inside] * 3) == []
    sunk = replace(walks, z=(*walks.z[:2], np.where(rare, -0.7, walks.z[2])))
    assert anchor_notes(sunk, [inside] * 3) == [
        "the ligand was under the crystal in 1 of 3 walkers (anchor down to -0.70 nm): the path is wrong"
    ]
    assert anchor_notes(walks, [inside, inside + 0.5 * rare, inside]) == [
        "the anchor was outside its cylinder in 1 of 3 walkers (0.60 nm from the axis, where the wall ends at 0.39): "
        "use a stiffer wall or shorter steps"
    ]
