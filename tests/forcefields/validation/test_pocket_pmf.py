"""The pocket in a solvent: the estimate against analytic curves, and a short run that must hold the
lattice and measure the head.
"""

import numpy as np
import openmm as mm
import pytest

from halobind.forcefields.packs.charges import ion_charges, model_charge
from halobind.forcefields.packs.pack import load_pack
from halobind.forcefields.validation.pocket import cluster, cluster_charges
from halobind.forcefields.validation.pocket_pmf import (
    BOX_NM,
    BULK_NM,
    PocketSampling,
    mean_force_curve,
    result_of_heights,
    sample_heights,
    solvated_cluster,
    standard_sampling,
)
from halobind.structures.models.model import check_groups

KT = 2.494


def _windows(
    potential: np.ndarray, grid: np.ndarray, centres: np.ndarray, k: float, seed: int
) -> np.ndarray:
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
    # the trapezoidal rule at 0.075 nm and windows taken as Gaussian cost 0.5 kJ/mol where the curve
    # bends most, the samples 0.1
    assert np.abs(W - true).max() < 0.7
    assert 0.25 < error[0] < 0.7  # 0.075 nm x sqrt(13 windows) x sqrt(k kT / 2000 samples) = 0.43


def test_errors_are_those_of_the_scatter() -> None:
    grid = np.linspace(-0.4, 1.5, 2000)
    potential = -20.0 * np.exp(-((grid / 0.4) ** 2))
    centres = np.arange(0.0, 1.13, 0.1)
    found = [
        mean_force_curve(_windows(potential, grid, centres, 1000.0, seed), centres, 1000.0)
        for seed in range(40)
    ]
    depths = np.array([W[0] for _, W, _ in found])
    told = np.sqrt(np.mean([error[0] ** 2 for _, _, error in found]))
    assert depths.std(ddof=1) == pytest.approx(told, rel=0.35)


def test_too_short_a_path_is_refused() -> None:
    with pytest.raises(ValueError, match=r"reach 0.9 nm"):
        mean_force_curve(
            np.zeros((3, 20)) + [[0.0], [0.1], [0.2]], np.array([0.0, 0.1, 0.2]), 1000.0
        )


def _reference(system: mm.System, integrator: mm.Integrator) -> mm.Context:
    return mm.Context(system, integrator, mm.Platform.getPlatformByName("CPU"), {"Threads": "1"})


def test_the_cluster_is_that_of_the_reference_neutral_and_in_solvent_of_its_density() -> None:
    pack, model = load_pack("bond-increment"), solvated_cluster("MA", "acetone", 1)
    check_groups(model)
    ions, positions = cluster()
    assert model.elements[:35] == tuple(ions) and np.array_equal(model.positions[:35], positions)
    assert model_charge(model, pack, {"MA": 1}) == pytest.approx(0.0, abs=1e-12)
    charges = ion_charges(model, pack)
    assert [charges[i] for i in range(35)] == pytest.approx(cluster_charges(pack, ions, positions))
    free = np.prod(BOX_NM) - 7 * 0.584**3
    molecules = sum(residue.name == "acetone" for residue in model.residues)
    assert molecules / free == pytest.approx(
        784.5 / 58.08 * 0.6022, rel=0.04
    )  # per nm3, at the liquid's density


def test_a_short_run_follows_its_umbrellas_and_gives_rows() -> None:
    how = PocketSampling((0.0, 0.95, 1.0), 20000.0, 0.4, 0.6, 0.2, 1.2)
    model = solvated_cluster("MA", "acetone", 1)
    heights, series = sample_heights(model, how, load_pack("bond-increment"), _reference)
    assert series.shape == (3, 12)
    # kT/k is (0.011 nm)^2, and a mean force of 400 kJ/mol/nm shifts it by 0.02 nm
    assert np.abs(series.mean(axis=1) - heights).max() < 0.04
    result = result_of_heights(
        load_pack("bond-increment"), series, head="MA", solvent="acetone", how=how
    )
    depth, place = result.rows
    assert depth.target < -25 and "rigid cluster, 3 windows" in depth.note
    assert place.unit == "nm" and depth.system == "MA over Pb4Br20Cs11, acetone"


def test_standard_path_ends_in_the_solvent() -> None:
    heights = standard_sampling().heights_nm
    below = BOX_NM[2] + cluster()[1][:, 2].min()  # the underside of the cluster's image
    assert sum(h >= BULK_NM for h in heights) >= 3 and below - max(heights) > 1.1
