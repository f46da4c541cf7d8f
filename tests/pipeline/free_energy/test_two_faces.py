"""A ligand on both faces: two samples of one curve, published, collected and estimated as those of
a run are.
"""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import openmm as mm
import pytest

from halobind.forcefields.hamiltonian.binding_coordinate import Coordinate
from halobind.pipeline.campaign.load import parse_campaign
from halobind.pipeline.campaign.run_directory import DamagedError, Run
from halobind.pipeline.free_energy.binding import compute_binding
from halobind.pipeline.free_energy.constants import GAS_CONSTANT
from halobind.pipeline.free_energy.flags import FlagKind
from halobind.pipeline.free_energy.samples import Samples, Window
from halobind.pipeline.free_energy.settings import EstimateSettings
from halobind.pipeline.free_energy.two_faces import compare_faces, face_samples
from halobind.pipeline.free_energy.umbrella_pmf import estimate_pmf
from halobind.pipeline.results.collect import collect_windows
from halobind.pipeline.results.estimates import ensure_estimate
from halobind.pipeline.results.run_rows import physics_flags
from halobind.pipeline.results.segment_reader import RunSamples, TwoStates
from halobind.pipeline.sampling.md_leg import Leg, MDEngine, MDState, run_leg
from halobind.pipeline.sampling.platforms import MDPlatform
from halobind.pipeline.sampling.window_segments import grid_windows, window_chain
from tests.pipeline.tiny import segment_record

KT = GAS_CONSTANT * 300.0
RADIUS, WALL = 0.55, 5000.0
SETTINGS = EstimateSettings(n_bootstrap=40, discard_fraction=0.0)
GRID = np.linspace(-0.5, 2.0, 5001)
CAMPAIGN = {
    "model": {
        "perovskite": "CsPbBr3",
        "cells": "4x4x2",
        "ligand": "MA",
        "solvent": "acetone",
        "gap_nm": 4.0,
    },
    "pull": {"from_nm": 0.0, "to_nm": 1.0, "step_nm": 0.1, "step_ps": 1.0},
    "windows": {"spacing_nm": 0.1, "k_kJ_mol_nm2": 2000.0},
}


def landscape(z: np.ndarray, depth: float = 20.0) -> np.ndarray:
    return -depth * np.exp(-((z - 0.1) ** 2) / (2 * 0.1**2))


def draw(window: Window, count: int, random: np.random.Generator, depth: float) -> np.ndarray:
    """(count, 2) exact draws of height and lateral distance in one umbrella."""
    energy = landscape(GRID, depth) + 0.5 * window.k * (GRID - window.center_nm) ** 2
    below = np.cumsum(np.exp(-(energy - energy.min()) / KT))
    z = np.interp(random.uniform(0, 1, count), below / below[-1], GRID)
    return np.column_stack([z, RADIUS * np.sqrt(random.uniform(0, 1, count))])


def published(
    folder: Path, faces: int, count: int, depths: tuple[float, ...] = (20.0, 20.0)
) -> Run:
    """A run with the segments that sampling this landscape on each face would publish."""
    campaign = parse_campaign(CAMPAIGN | {"model": CAMPAIGN["model"] | {"faces": faces}}, "x")
    run, random = (
        Run(folder / "runs" / f"run-{faces}", campaign.specs[0]),
        np.random.default_rng(faces),
    )
    for window in grid_windows(run.spec, campaign.windows):
        for number in range(2):
            segment = run.path(f"{window_chain(window)}/seg-{number:03d}")
            segment.mkdir(parents=True)
            np.save(
                segment / "cv.npy",
                np.hstack([draw(window, count // 2, random, depth) for depth in depths[:faces]]),
            )
            record = segment_record(window, 0.2)
            (segment / "segment.json").write_text(json.dumps(record))
    return run


def test_a_window_that_has_only_begun_says_nothing(tmp_path: Path) -> None:
    run = published(tmp_path, 1, 100)
    run.path("windows/z+2.000-k2000").mkdir()
    report = collect_windows(run).report
    assert report.leaning_on_wall == report.short_of_halides == 0
    assert report.solvent_in_pocket == TwoStates(always=11)
    assert report.partner_away == TwoStates()


def test_two_faces_give_the_curve_of_one(tmp_path: Path) -> None:
    """dG0 and depth of the analytic well; each face alone agrees, is written, and raises no flag."""
    one, two = published(tmp_path, 1, 1000), published(tmp_path, 2, 1000)
    single, double = collect_windows(one), collect_windows(two)
    assert (
        double.heads == 2
        and double.samples.windows[::2] == double.samples.windows[1::2] == single.samples.windows
    )
    assert [len(z) for z in double.samples.z] == [1000] * 22 and len(double.lateral) == 22
    assert double.samples.sampling_ns == pytest.approx(single.samples.sampling_ns)  # both at once
    few, many = (
        ensure_estimate(run, found, SETTINGS) for run, found in ((one, single), (two, double))
    )
    assert (few.n_windows, many.n_windows) == (11, 11)
    area = math.pi * RADIUS**2 + 2 * math.pi * (
        RADIUS * math.sqrt(math.pi * KT / (2 * WALL)) + KT / WALL
    )
    inside = (GRID > -0.3) & (GRID < 0.8)
    exact = -KT * math.log(
        area * 0.602214076 * np.trapezoid(np.exp(-landscape(GRID[inside]) / KT), GRID[inside])
    )
    for found in (few, many):
        assert abs(found.dG0_kJ_mol.value - exact) < 4 * found.dG0_kJ_mol.error < 4.0
        assert abs(found.well_depth_kJ_mol.value + 20.0) < 4 * found.well_depth_kJ_mol.error < 4.0
    assert not any(flag.kind == FlagKind.FACES_DIFFER for flag in many.flags)
    (folder,) = two.folder.glob("estimate-*")
    rows = [line.split(",") for line in (folder / "faces.csv").read_text().splitlines()]
    assert rows[0][:3] == ["face", "dG0_kJ_mol", "dG0_error_kJ_mol"] and [
        row[0] for row in rows[1:]
    ] == ["1", "2"]
    for row in rows[1:]:
        assert abs(float(row[1]) - exact) < 4 * float(row[2])
    assert not list(one.folder.glob("estimate-*/faces.csv"))


@pytest.mark.parametrize(
    ("draws", "tolerance"), [(2, 0.19), pytest.param(6, 0.11, marks=pytest.mark.stats)]
)
def test_two_faces_divide_the_error_by_the_square_root_of_two(draws: int, tolerance: float) -> None:
    """On average: the ratio of two errors, each from 40 resamples of 20 blocks, scatters by 0.11
    from one draw to the next.
    """
    ratios = []
    for seed in range(draws):
        random, errors = np.random.default_rng(seed), []
        for faces in (1, 2):
            windows = tuple(Window(0.1 * i, 2000.0) for i in range(11) for _ in range(faces))
            z = tuple(draw(window, 1000, random, 20.0)[:, 0] for window in windows)
            samples = Samples(windows, z, 0.2, 300.0, RADIUS, WALL)
            errors.append(
                compute_binding(
                    estimate_pmf(samples, SETTINGS, seed), samples, SETTINGS
                ).dG0_kJ_mol.error
            )
        ratios.append(errors[1] / errors[0])
    assert np.mean(ratios) == pytest.approx(math.sqrt(0.5), abs=tolerance)


def test_faces_that_differ_are_flagged_with_both_numbers(tmp_path: Path) -> None:
    run = published(tmp_path, 2, 1000, (20.0, 26.0))
    flags = ensure_estimate(run, collect_windows(run), SETTINGS).flags
    texts = {flag.subject: flag.text for flag in flags if flag.kind == FlagKind.FACES_DIFFER}
    dG0 = texts["dG0"]
    assert (
        4 < float(dG0.split("differ by ")[1].split()[0]) < 8
        and " where their errors give ± " in dG0
    )
    assert texts.keys() == {"dG0", "well depth"}


def test_series_stay_with_their_face(tmp_path: Path) -> None:
    """Column by column: what face 2 did is not in the samples of face 1."""
    samples = collect_windows(published(tmp_path, 2, 400, (20.0, 30.0))).samples
    first, second = face_samples(samples, 2)
    assert first.windows == second.windows and len(first.z) == 11
    assert np.array_equal(first.z[3], samples.z[6]) and np.array_equal(second.z[3], samples.z[7])
    assert second.z[2].mean() < first.z[2].mean() - 0.005  # the deeper well draws more strongly


def test_a_face_without_a_number_says_why(tmp_path: Path) -> None:
    samples = Samples((Window(0.0, 2000.0),), (np.linspace(0, 0.05, 50),), 0.2, 300.0, RADIUS, WALL)
    rows, flags = compare_faces((samples, samples), SETTINGS, 1)
    assert not rows and flags[0].text.startswith("face 1 alone gives no number: ")
    assert flags[0].kind == FlagKind.FACE_WITHOUT_NUMBER and flags[0].subject


def test_windows_are_counted_once_in_the_notes(tmp_path: Path) -> None:
    campaign = parse_campaign(CAMPAIGN, "x")
    found = collect_windows(published(tmp_path, 2, 200))
    assert isinstance(found, RunSamples)
    report = replace(found.report, near_image=3, closest_image_nm=0.5)
    found = replace(found, report=report)
    assert any(
        "own image or of the other ligand in 3 of 11 windows" in flag.text
        for flag in physics_flags(found, campaign)
    )


def test_a_series_of_the_wrong_width_is_damage(tmp_path: Path) -> None:
    run = published(tmp_path, 2, 20)
    path = next(run.folder.glob("windows/*/seg-000/cv.npy"))
    np.save(path, np.zeros((7, 2)))
    with pytest.raises(DamagedError, match="remove this directory"):
        collect_windows(run)


def test_one_leg_samples_both_heads_in_their_own_umbrella(tmp_path: Path) -> None:
    """Two free beads over mirror sites: each has the mean and the variance of its umbrella,
    independently of the other.
    """
    box, k, centre = np.array([2.0, 2.0, 4.0]), 1000.0, 0.4
    coordinate = Coordinate(
        np.array([0, 1]),
        np.array([[1.0, 1.0, 0.6], [1.0, 1.0, -0.6]]),
        np.array([[0, 0, 1.0], [0, 0, -1.0]]),
        0.3,
        5000.0,
    )
    system = mm.System()
    system.setDefaultPeriodicBoxVectors(*(mm.Vec3(*row) for row in np.diag(box)))
    for _ in range(2):
        system.addParticle(40.0)
    coordinate.add_to(system)
    start = MDState(coordinate.points + centre * coordinate.normals, None, box)
    leg = Leg(5, 300.0, 0.1, 10.0, 2.0, (300.0, 300.0), (centre, centre), k)
    result = run_leg(
        MDEngine(system, coordinate, MDPlatform("Reference", ())),
        start,
        leg,
        tmp_path,
        lambda fraction: None,
    )
    assert result.cv.shape == (3000, 4)
    z = result.cv[200:, ::2]
    assert z.mean(axis=0) == pytest.approx([centre, centre], abs=0.006)
    assert z.var(axis=0) == pytest.approx([KT / k] * 2, rel=0.2)
    assert abs(np.corrcoef(z.T)[0, 1]) < 0.15
