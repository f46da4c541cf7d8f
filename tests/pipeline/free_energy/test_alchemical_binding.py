"""Alchemical states against quadrature: free energies of the states, dG0, its error, both estimators."""

from dataclasses import replace

import numpy as np
import pytest

from halobind.pipeline.free_energy.alchemical_binding import (
    alchemical_binding,
    discard_alchemical_equilibration,
    estimate_alchemical,
)
from halobind.pipeline.free_energy.alchemical_integration import integrated_f
from halobind.pipeline.free_energy.alchemical_samples import AlchemicalSamples
from halobind.pipeline.free_energy.flags import FlagKind
from halobind.pipeline.free_energy.samples import EstimateError
from halobind.pipeline.free_energy.settings import EstimateSettings
from tests.pipeline.free_energy.alchemical_toy import (
    KT,
    draw,
    exact_dG0,
    state_free_energies,
)

SETTINGS = EstimateSettings(n_bootstrap=30)


@pytest.fixture(scope="module")
def samples() -> AlchemicalSamples:
    return draw(300, seed=3)


def test_states_dG0_and_its_error_against_quadrature(samples: AlchemicalSamples) -> None:
    pmf = estimate_alchemical(samples, SETTINGS, seed=1)
    binding = alchemical_binding(pmf, samples, SETTINGS)
    exact = state_free_energies()
    assert np.abs(pmf.f_k - exact).max() < 4 * pmf.f_k_error.max()
    assert binding.dG0_kJ_mol.value == pytest.approx(
        exact_dG0(SETTINGS.plateau_nm), abs=3 * binding.dG0_kJ_mol.error
    )
    assert 0.1 < binding.dG0_kJ_mol.error < 1.5
    assert binding.flags == ()
    assert binding.min_overlap > 0.03
    assert np.isnan(binding.residence_log10_s.value), "an alchemical path has no times"


def test_integration_is_as_good_as_mbar(samples: AlchemicalSamples) -> None:
    assert np.abs(integrated_f(samples) - state_free_energies()).max() * KT < 2.5


def test_mbar_gives_what_pymbar_gives(samples: AlchemicalSamples) -> None:
    from pymbar import MBAR  # noqa: PLC0415

    few = samples.first(0.2)
    pmf = estimate_alchemical(few, SETTINGS, seed=1)
    theirs = MBAR(few.bias(), few.counts, initial_f_k=pmf.f_k, rseed=0)
    assert np.abs(theirs.f_k - theirs.f_k[0] - pmf.f_k).max() < 1e-4
    assert np.abs(theirs.compute_overlap()["matrix"] - pmf.overlap).max() < 1e-4


def test_correlated_records_have_larger_errors(samples: AlchemicalSamples) -> None:
    slow = draw(600, seed=3, correlation=10)
    error = alchemical_binding(estimate_alchemical(slow, SETTINGS), slow, SETTINGS).dG0_kJ_mol.error
    fast = draw(600, seed=3)
    small = alchemical_binding(estimate_alchemical(fast, SETTINGS), fast, SETTINGS).dG0_kJ_mol.error
    assert 1.8 < error / small < 5.5  # sqrt(10) with the noise of an error


def test_a_state_that_drifts_is_found(samples: AlchemicalSamples) -> None:
    z = list(samples.z)
    z[8] = z[8] + 0.2 * np.exp(-np.arange(300) / 60)
    ready = discard_alchemical_equilibration(replace(samples, z=tuple(z)), SETTINGS)
    assert ready.detected[8] > 30
    assert (ready.start >= 60).all()


def test_a_path_with_a_hole_says_so(samples: AlchemicalSamples) -> None:
    kept = [*range(9), *range(14, len(samples.states))]
    holed = replace(
        samples,
        states=tuple(samples.states[i] for i in kept),
        z=tuple(samples.z[i] for i in kept),
        terms=tuple(samples.terms[i] for i in kept),
    )
    binding = alchemical_binding(estimate_alchemical(holed, SETTINGS), holed, SETTINGS)
    kinds = {flag.kind for flag in binding.flags}
    assert {FlagKind.LOW_OVERLAP, FlagKind.UNCONNECTED_WINDOWS} <= kinds


def test_bad_samples_are_refused(samples: AlchemicalSamples) -> None:
    with pytest.raises(EstimateError, match="not finite"):
        replace(samples, z=(samples.z[0] * np.nan, *samples.z[1:]))
    with pytest.raises(EstimateError, match="shape"):
        replace(samples, terms=(samples.terms[0][:-1], *samples.terms[1:]))
    near = replace(samples, z=tuple(np.minimum(z, 0.9) for z in samples.z))
    with pytest.raises(EstimateError, match="lies on the plateau"):
        alchemical_binding(estimate_alchemical(near, SETTINGS), near, SETTINGS)
    with pytest.raises(EstimateError, match="needs at least 4"):
        estimate_alchemical(samples.first(0.005), SETTINGS)


@pytest.mark.stats
def test_error_bars_cover_one_sigma() -> None:
    """The stated error covers the truth in 60 to 80 % of 100 seeds, with correlated records."""
    exact = exact_dG0(SETTINGS.plateau_nm)
    inside = 0
    for seed in range(100):
        samples = draw(300, seed=seed, correlation=4)
        dG0 = alchemical_binding(
            estimate_alchemical(samples, SETTINGS, seed), samples, SETTINGS
        ).dG0_kJ_mol
        inside += abs(dG0.value - exact) < dG0.error
    assert 60 <= inside <= 80
