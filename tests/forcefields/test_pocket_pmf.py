"""The pocket in a solvent: the estimate against analytic curves, and a short run that must hold the lattice and measure the head."""

import numpy as np
import openmm as mm
import pytest

from forcefields.packs import load_pack
from forcefields.validation.pocket_pmf import BULK_NM, PocketSampling, mean_force_curve, pocket_pmf_check, sample_heights, standard
from forcefields.validation.surfaces import Setup

KT = 2.494


def _windows(potential: np.ndarray, grid: np.ndarray, centres: np.ndarray, k: float, seed: int) -> np.ndarray:
    """Independent samples of exp(-(potential + umbrella)/kT) in every window, (n_windows, 2000)."""
    rng = np.random.default_rng(seed)
    rows = []
    for centre in centres:
        weight = np.exp(-(potential + 0.5 * k * (grid - centre) ** 2) / KT)
        rows.append(rng.choice(grid, 2000, p=weight / weight.sum()))
    return np.array(rows)


def test_curve_is_that_of_an_analytic_well() -> None:
    grid = np.linspace(-0.4, 1.5, 4000)
    potential = -40.0 * np.exp(-((grid / 0.35) ** 2))
    centres = np.arange(-0.075, 1.13, 0.075)
    z, W, error = mean_force_curve(_windows(potential, grid, centres, 2000.0, 1), centres, 2000.0)
    true = np.interp(z, grid, potential)
    true -= true[z >= BULK_NM].mean()
    # the trapezoidal rule at 0.075 nm and windows taken as Gaussian cost 0.5 kJ/mol where the curve bends most, the samples 0.1
    assert np.abs(W - true).max() < 0.7
    assert 0.25 < error[0] < 0.7  # 0.075 nm x sqrt(13 windows) x sqrt(k kT / 2000 samples) = 0.43


def test_errors_are_those_of_the_scatter() -> None:
    grid = np.linspace(-0.4, 1.5, 2000)
    potential = -20.0 * np.exp(-((grid / 0.4) ** 2))
    centres = np.arange(0.0, 1.13, 0.1)
    found = [mean_force_curve(_windows(potential, grid, centres, 1000.0, seed), centres, 1000.0) for seed in range(40)]
    depths = np.array([W[0] for _, W, _ in found])
    told = np.sqrt(np.mean([error[0] ** 2 for _, _, error in found]))
    assert depths.std(ddof=1) == pytest.approx(told, rel=0.35)


def test_too_short_a_path_is_refused() -> None:
    with pytest.raises(ValueError, match=r"reach 0.9 nm"):
        mean_force_curve(np.zeros((3, 20)) + [[0.0], [0.1], [0.2]], np.array([0.0, 0.1, 0.2]), 1000.0)


def _reference(system: mm.System, integrator: mm.Integrator) -> mm.Context:
    return mm.Context(system, integrator, mm.Platform.getPlatformByName("CPU"), {"Threads": "1"})


def test_a_short_run_follows_its_umbrellas_and_gives_rows() -> None:
    setup = Setup("CsPbBr3", "slab", "AX", (4, 4, 1), "acetone", 2.2)
    how = PocketSampling((0.0, 0.95, 1.0), 20000.0, 0.4, 0.6, 0.2, 1.2)
    heights, series = sample_heights(setup, "MA", how, load_pack("bond-increment"), _reference)
    assert series.shape == (3, 12)
    assert (
        np.abs(series.mean(axis=1) - heights).max() < 0.04
    )  # kT/k is (0.011 nm)^2, and a mean force of 400 kJ/mol/nm shifts it by 0.02 nm
    result = pocket_pmf_check(setup, "MA", how, load_pack("bond-increment"), _reference)
    depth, place = result.rows
    assert depth.target < -25 and "rigid lattice, 3 windows" in depth.note
    assert place.unit == "nm" and depth.system == "MA over CsPbBr3 AX slab 4x4x1, acetone"


def test_standard_path_ends_in_the_solvent() -> None:
    setup, how = standard("MA", "toluene")
    assert setup.solvent == "toluene" and sum(h >= BULK_NM for h in how.heights_nm) >= 3
    assert max(how.heights_nm) < setup.gap_nm / 2
