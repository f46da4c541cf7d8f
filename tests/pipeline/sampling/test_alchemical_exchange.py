"""Alchemical states that exchange, against results known exactly: an ideal gas in a gate, and a
charge among fixed charges.
"""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import openmm as mm
import pytest

from halobind.forcefields.hamiltonian.alchemical_forces import AlchemicalForces, alchemical_energy
from halobind.forcefields.hamiltonian.binding_coordinate import Coordinate
from halobind.forcefields.hamiltonian.pocket_gate import PocketGate
from halobind.forcefields.hamiltonian.system import FORCE_GROUPS
from halobind.pipeline.free_energy.alchemical_integration import integrated_f
from halobind.pipeline.free_energy.alchemical_samples import AlchemicalSamples, AlchemicalState
from halobind.pipeline.free_energy.constants import GAS_CONSTANT
from halobind.pipeline.free_energy.mbar import solve_binned
from halobind.pipeline.sampling.md_leg import Leg, MDEngine, MDState
from halobind.pipeline.sampling.platforms import MDPlatform
from halobind.pipeline.sampling.replica_exchange import (
    ExchangeResult,
    GroupWindow,
    SwapSchedule,
    run_exchange,
)

KELVIN = 300.0
KT = GAS_CONSTANT * KELVIN
BOX = np.array([1.6, 1.6, 1.6])
SITE = np.array([0.1, 1.5, 0.8])
COORDINATE = Coordinate(np.array([0]), SITE[None], np.array([[0.0, 0.0, 1.0]]), 0.3, 5000.0)
REFERENCE = MDPlatform("Reference", ())
RADIUS_NM = 0.4
FRICTION_PER_PS = 5.0


def empty_system(charges: list[float], masses: list[float]) -> mm.System:
    """Particles with charges and without size, in no other field."""
    system = mm.System()
    system.setDefaultPeriodicBoxVectors(*(mm.Vec3(*row) for row in np.diag(BOX)))
    force = mm.NonbondedForce()
    force.setForceGroup(FORCE_GROUPS["nonbonded"])
    for charge, mass in zip(charges, masses, strict=True):
        system.addParticle(mass)
        force.addParticle(charge, 0.3, 0.0)
    system.addForce(force)
    COORDINATE.add_to(system)
    return system


def sample(
    system: mm.System,
    positions: np.ndarray,
    gas: np.ndarray,
    states: list[AlchemicalState],
    folder: Path,
    duration_ps: float,
) -> tuple[AlchemicalSamples, ExchangeResult]:
    """Run the states side by side with swaps; particle 0 is the ligand."""
    alchemy = AlchemicalForces(PocketGate(SITE, gas, RADIUS_NM), np.array([0]))
    alchemy.add_to(system)
    leg = Leg(11, duration_ps, 0.1, 20.0, FRICTION_PER_PS, (KELVIN, KELVIN), (0.0, 0.0), 0.0)
    group = []
    for number, state in enumerate(states):
        (folder / str(number)).mkdir()
        own = replace(
            leg,
            seed=11 + number,
            k=state.k,
            center_nm=(state.center_nm, state.center_nm),
            gate=(state.gate, state.gate),
            charge_scale=(state.scale, state.scale),
        )
        group.append(GroupWindow(MDState(positions, None, BOX), own, folder / str(number)))
    engine = MDEngine(system, COORDINATE, REFERENCE, alchemy)
    result = run_exchange(engine, group, SwapSchedule(2, 5), lambda fraction: None)
    first = len(result.results[0].cv) // 5
    samples = AlchemicalSamples(
        tuple(states),
        tuple(part.cv[first:, 0] for part in result.results),
        tuple(part.terms[first:] for part in result.results if part.terms is not None),
        0.1,
        KELVIN,
        0.3,
        5000.0,
    )
    return samples, result


def mbar_f(samples: AlchemicalSamples) -> np.ndarray:
    u = samples.bias()
    return solve_binned(np.ones(u.shape[1]), u, samples.counts.astype(float), integrated_f(samples))


def test_an_ideal_gas_pays_for_the_gate_what_its_configuration_integral_says(
    tmp_path: Path,
) -> None:
    n_gas = 40
    gates = [0.0, 2.0, 5.0, 12.0, 40.0]
    states = [AlchemicalState(0.5, 2000.0, gate, 1.0) for gate in gates]
    random = np.random.default_rng(4)
    positions = np.vstack([SITE + [0, 0, 0.5], random.uniform(0, 1.6, (n_gas, 3))])
    system = empty_system([0.0] * (n_gas + 1), [20.0] * (n_gas + 1))
    gas = np.arange(1, n_gas + 1)
    samples, result = sample(system, positions, gas, states, tmp_path, 100.0)
    r = np.linspace(0, RADIUS_NM, 4001)
    shell = 4 * np.pi * r**2
    profile = (1 - (r / RADIUS_NM) ** 2) ** 2
    exact = [
        -n_gas * np.log(1 - np.trapezoid(shell * (1 - np.exp(-g * profile / KT)), r) / BOX.prod())
        for g in gates
    ]
    assert mbar_f(samples) == pytest.approx(exact, abs=0.35)
    assert integrated_f(samples) == pytest.approx(exact, abs=0.35)
    assert (result.accepted / result.attempts).min() > 0.1


def test_a_charge_among_fixed_charges_is_scaled_as_quadrature_says(tmp_path: Path) -> None:
    scales = [1.0, 0.6, 0.3]
    k = 3000.0
    states = [AlchemicalState(0.2, k, 0.0, scale) for scale in scales]
    fixed = SITE + np.array([[0.0, 0.0, -0.6], [0.9, 0.3, 0.3], [-0.8, 0.5, 0.1]])
    positions = np.vstack([SITE + [0, 0, 0.2], fixed])
    charges = [1.0, -1.0, 0.3, -0.3]

    def made() -> mm.System:
        return empty_system(charges, [40.0, 0.0, 0.0, 0.0])

    samples, result = sample(made(), positions, np.zeros(0, int), states, tmp_path, 200.0)
    # quadrature over the places of the charge, by the energies of a context
    alchemy = AlchemicalForces(PocketGate(SITE, np.zeros(0, int), RADIUS_NM), np.array([0]))
    system = made()
    alchemy.add_to(system)
    context = mm.Context(
        system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference")
    )
    across = np.linspace(-0.42, 0.42, 22)
    along = np.linspace(-0.05, 0.35, 21)
    weights = np.zeros(len(scales))
    for x, y, z in itertools.product(across, across, along):
        radius = np.hypot(x, y)
        if radius > 0.42:
            continue
        place = np.vstack([SITE + [x, y, z], fixed])
        context.setPositions(place)
        terms = alchemy.measure(context, place, BOX)
        held = 0.5 * k * (z - 0.2) ** 2 + 0.5 * 5000.0 * max(0.0, radius - 0.3) ** 2
        weights += [np.exp(-(held + alchemical_energy(terms, 0.0, s)) / KT) for s in scales]
    exact = -np.log(weights / weights[0])
    assert mbar_f(samples) == pytest.approx(exact, abs=0.25)
    assert integrated_f(samples) == pytest.approx(exact, abs=0.4)
    assert (result.accepted / result.attempts).min() > 0.05
