"""Gate and charge scaling: energies as their formulas say, whole charges and an open gate change
nothing, and the three recorded numbers give the energy of every state.
"""

import copy

import numpy as np
import openmm as mm
import pytest
from openmm import unit

from halobind.forcefields.hamiltonian.alchemical_forces import AlchemicalForces, alchemical_energy
from halobind.forcefields.hamiltonian.charge_scaling import add_charge_scaling
from halobind.forcefields.hamiltonian.pocket_gate import PocketGate
from halobind.forcefields.hamiltonian.system import SystemSettings, make_system
from halobind.forcefields.packs.pack import load_pack
from halobind.structures.assembly.build import ModelSpec, build_model
from halobind.structures.crystals.crystal import CrystalSpec
from halobind.structures.models.model import Model

SPEC = ModelSpec(
    CrystalSpec("CsPbBr3", "slab", (4, 4, 1), "AX", 0.586, seed=3),
    "DA",
    "face",
    (("acetone", 1.0),),
    2.6,
)
REFERENCE = mm.Platform.getPlatformByName("Reference")
RADIUS_NM = 0.4


@pytest.fixture(scope="module")
def solvated() -> Model:
    return build_model(SPEC)[0]


@pytest.fixture(scope="module")
def system(solvated: Model) -> mm.System:
    return make_system(solvated, load_pack("bond-increment"), SystemSettings(0.9, 1000.0))


def context_of(system: mm.System, model: Model) -> mm.Context:
    context = mm.Context(system, mm.VerletIntegrator(0.001), REFERENCE)
    context.setPositions(model.positions)
    return context


def energy(context: mm.Context) -> float:
    potential = context.getState(getEnergy=True).getPotentialEnergy()
    return float(potential.value_in_unit(unit.kilojoule_per_mole))


def forces(context: mm.Context) -> np.ndarray:
    return context.getState(getForces=True).getForces(asNumpy=True)._value


def explicitly_scaled(system: mm.System, atoms: np.ndarray, scale: float) -> mm.System:
    """A copy of a System whose charges are scaled by hand."""
    scaled = copy.deepcopy(system)
    nonbonded = next(f for f in scaled.getForces() if isinstance(f, mm.NonbondedForce))
    for i in atoms.tolist():
        charge, sigma, epsilon = nonbonded.getParticleParameters(i)
        nonbonded.setParticleParameters(i, scale * charge, sigma, epsilon)
    for k in range(nonbonded.getNumExceptions()):
        i, j, product, sigma, epsilon = nonbonded.getExceptionParameters(k)
        if i in atoms and j in atoms:
            nonbonded.setExceptionParameters(k, i, j, scale**2 * product, sigma, epsilon)
    return scaled


def test_scaled_charges_are_those_of_a_system_made_with_them(
    solvated: Model, system: mm.System
) -> None:
    alchemy = AlchemicalForces.of(solvated, RADIUS_NM)
    changed = copy.deepcopy(system)
    alchemy.add_to(changed)
    context = context_of(changed, solvated)
    fill, b, c = alchemy.measure(context, solvated.positions, solvated.box)
    plain = energy(context_of(system, solvated))
    assert energy(context) == pytest.approx(plain, abs=1e-4)
    for scale in (0.3, 0.7):
        alchemy.set_state(context, 0.0, scale)
        by_hand = context_of(explicitly_scaled(system, alchemy.ligand, scale), solvated)
        assert energy(context) == pytest.approx(energy(by_hand), abs=1e-4)
        assert np.abs(forces(context) - forces(by_hand)).max() < 1e-3
        expected = plain + b * (scale - 1) + c * (scale**2 - 1)
        assert energy(context) == pytest.approx(expected, abs=2e-3)
    assert abs(b) > 100.0
    assert fill == 0.0, "the head fills its own pocket"


def test_measuring_leaves_the_state_as_it_was(solvated: Model, system: mm.System) -> None:
    alchemy = AlchemicalForces.of(solvated, RADIUS_NM)
    changed = copy.deepcopy(system)
    alchemy.add_to(changed)
    context = context_of(changed, solvated)
    alchemy.set_state(context, 13.0, 0.45)
    before = energy(context)
    terms = alchemy.measure(context, solvated.positions, solvated.box)
    assert energy(context) == before
    alchemy.set_state(context, 0.0, 1.0)
    difference = alchemical_energy(terms, 13.0, 0.45) - alchemical_energy(terms, 0.0, 1.0)
    assert before - energy(context) == pytest.approx(difference, abs=2e-3)


def test_the_gate_costs_what_its_formula_says_across_the_box_edge() -> None:
    box = np.array([2.0, 2.2, 2.4])
    point = np.array([0.05, 2.15, 1.2])
    positions = point + np.array([[0.1, 0.0, 0.0], [0.0, 0.2, 0.0], [-0.2, 0.1, 0.1], [0.9, 0, 0]])
    system = mm.System()
    system.setDefaultPeriodicBoxVectors(*(mm.Vec3(*row) for row in np.diag(box)))
    for _ in range(5):
        system.addParticle(12.0)
    gate = PocketGate(point, np.array([0, 1, 2, 3]), RADIUS_NM)
    gate.add_to(system)
    placed = np.vstack([positions, point]) % box  # the last atom is no solvent
    context = mm.Context(system, mm.VerletIntegrator(0.001), REFERENCE)
    context.setPositions(placed)
    expected = sum((1 - d2 / RADIUS_NM**2) ** 2 for d2 in (0.01, 0.04, 0.06))
    assert gate.fill(placed, box) == pytest.approx(expected)
    context.setParameter("gate", 20.0)
    assert energy(context) == pytest.approx(20.0 * expected)


def test_all_solvent_but_hydrogen_is_kept_out(solvated: Model) -> None:
    gate = PocketGate.of(solvated, RADIUS_NM)
    assert {solvated.elements[i] for i in gate.atoms} == {"C", "O"}
    solvent = [i for i in solvated.groups["solvent"] if solvated.elements[i] != "H"]
    assert gate.atoms.tolist() == solvent


def test_a_ligand_bonded_to_something_else_is_refused() -> None:
    system = mm.System()
    force = mm.NonbondedForce()
    for charge in (0.5, -0.5, 0.3):
        system.addParticle(12.0)
        force.addParticle(charge, 0.3, 0.1)
    force.addException(1, 2, -0.15, 0.3, 0.1)
    system.addForce(force)
    with pytest.raises(ValueError, match="only one belongs to the ligand"):
        add_charge_scaling(system, [0, 1])
