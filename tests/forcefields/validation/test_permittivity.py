"""Permittivity from dipole fluctuations: dipoles of known variance, whole molecules, a short run."""

import math

import numpy as np
import openmm as mm
import pytest

from halobind.forcefields.packs.pack import load_pack
from halobind.forcefields.validation.check_rows import OPEN
from halobind.forcefields.validation.dynamics import Sampling
from halobind.forcefields.validation.permittivity import (
    box_dipole,
    permittivity_check,
    permittivity_of,
)
from halobind.structures.molecules.catalogue import SOLVENTS

VOLUME_NM3 = 15.0
KELVIN = 298.15
VACUUM_PERMITTIVITY = 8.8541878188e-12  # C2/(J m), CODATA
ELEMENTARY_CHARGE = 1.602176634e-19  # C
BOLTZMANN = 1.380649e-23  # J/K


def dipoles_of(permittivity: float, n_frames: int, memory: float, seed: int) -> np.ndarray:
    """A first-order autoregressive series (n_frames, 3) in e nm whose fluctuations give that
    permittivity, in SI units.
    """
    rng = np.random.default_rng(seed)
    volume_m3 = VOLUME_NM3 * 1e-27
    variance = (permittivity - 1) * VACUUM_PERMITTIVITY * volume_m3 * BOLTZMANN * KELVIN
    sigma = math.sqrt(variance) / (ELEMENTARY_CHARGE * 1e-9)
    noise = sigma * math.sqrt(1 - memory**2) * rng.normal(size=(n_frames, 3))
    series = np.empty((n_frames, 3))
    series[0] = sigma * rng.normal(size=3)
    for i in range(1, n_frames):
        series[i] = memory * series[i - 1] + noise[i]
    return series


def test_known_fluctuations_give_their_permittivity() -> None:
    dipoles = dipoles_of(20.0, 200_000, 0.0, 1)
    measured = permittivity_of(dipoles, [VOLUME_NM3] * len(dipoles), 0.5, KELVIN)
    assert measured.value == pytest.approx(20.0, rel=0.01)
    assert measured.error == pytest.approx(19.0 * math.sqrt(2 / 600_000), rel=0.8)


def test_error_bars_hold_for_dipoles_with_memory() -> None:
    """Over 60 series the deviations are, in standard errors, about as wide as they should be."""
    deviations = []
    for seed in range(60):
        dipoles = dipoles_of(20.0, 2000, 0.95, seed)
        measured = permittivity_of(dipoles, [VOLUME_NM3] * len(dipoles), 0.5, KELVIN)
        deviations.append((measured.value - 20.0) / measured.error)
    assert 0.6 < np.std(deviations) < 1.4
    assert measured.correlation_ps == pytest.approx(0.5 / -math.log(0.95), rel=0.5)


def test_a_short_series_has_no_error_and_one_without_charges_is_the_vacuum() -> None:
    few = permittivity_of(dipoles_of(20.0, 9, 0.0, 1), [VOLUME_NM3] * 9, 0.5, KELVIN)
    assert math.isnan(few.error)
    nothing = permittivity_of(np.zeros((20, 3)), [VOLUME_NM3] * 20, 0.5, KELVIN)
    assert (nothing.value, nothing.error) == (1.0, 0.0)


def test_the_dipole_of_neutral_molecules_depends_on_no_origin() -> None:
    rng = np.random.default_rng(1)
    positions = rng.normal(size=(4, 3))
    charges = np.array([0.4, -0.4, 0.1, -0.1])
    here = box_dipole(charges, positions)
    assert here == pytest.approx(box_dipole(charges, positions + 7.0))
    assert box_dipole(np.array([1.0, -1.0]), np.array([[0.1, 0, 0], [0, 0, 0]])) == pytest.approx(
        [0.1, 0, 0]
    )


def test_a_short_run_of_acetone_is_not_converged() -> None:
    def engine(system: mm.System, integrator: mm.Integrator) -> mm.Context:
        platform = mm.Platform.getPlatformByName("CPU")
        return mm.Context(system, integrator, platform, {"Threads": "1"})

    how = Sampling(KELVIN, 0.2, 2.0, 10, "xyz")
    (row,) = permittivity_check(load_pack("bond-increment"), engine, name="acetone", how=how).rows
    assert row.verdict == OPEN
    assert row.target == SOLVENTS["acetone"].permittivity
    assert row.value > 2.0
