"""The walls that keep a surface intact: nothing while ions are at their places, harmonic beyond,
molecules free to turn.
"""

from dataclasses import replace

import numpy as np
import openmm as mm
import pytest
from openmm import unit

from halobind.forcefields.hamiltonian.crystal_walls import WALL_K, add_surface_walls
from halobind.structures.assembly.build import ModelSpec, build_model
from halobind.structures.crystals.crystal import CrystalSpec
from halobind.structures.models.model import Model, residues_with

CAESIUM = ModelSpec(
    CrystalSpec("CsPbBr3", "slab", (4, 4, 2), "AX", 0.586, seed=3),
    "MA",
    "face",
    (),
    1.5,
    leaving="ion_pair",
)
OF_THE_CRYSTAL = replace(CAESIUM, ligand="Cs")
ORGANIC = replace(
    CAESIUM, crystal=replace(CAESIUM.crystal, perovskite="MAPbBr3"), ligand="DA", gap_nm=2.0
)
REACH = 0.15


@pytest.fixture(
    scope="module",
    params=[CAESIUM, OF_THE_CRYSTAL, ORGANIC],
    ids=["CsPbBr3", "Cs leaves", "MAPbBr3"],
)
def model(request: pytest.FixtureRequest) -> Model:
    return build_model(request.param)[0]


def walled(model: Model) -> mm.Context:
    system = mm.System()
    system.setDefaultPeriodicBoxVectors(*(mm.Vec3(*row) for row in np.diag(model.box)))
    for _ in range(model.n_atoms):
        system.addParticle(1.0)
    add_surface_walls(system, model, REACH)
    context = mm.Context(
        system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference")
    )
    assert (
        len(context.getMolecules()) == model.n_atoms
    )  # a barostat still moves every ion for itself
    return context


def energy(context: mm.Context, positions: np.ndarray) -> float:
    context.setPositions(positions)
    return (
        context.getState(getEnergy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
    )


def test_ions_at_their_places_feel_nothing_and_one_that_goes_is_held(model: Model) -> None:
    context, random = walled(model), np.random.default_rng(1)
    free = np.union1d(model.groups["frozen"], model.groups["partner"])
    assert len(free) > len(model.groups["frozen"]) > 0
    free = np.union1d(free, model.groups["ligand"])
    turned = random.normal(size=model.positions.shape)
    turned *= 0.14 / np.linalg.norm(turned, axis=1)[:, None]
    assert (
        energy(context, model.positions) == 0.0 and energy(context, model.positions + turned) == 0.0
    )
    for atom in (i for i in range(model.n_atoms) if model.elements[i] in ("Pb", "Br", "Cs")):
        moved = model.positions.copy()
        moved[atom] += np.array([0.0, 0.12, 0.35]) + model.box * (1, 0, -1)  # across images too
        expected = 0.0 if atom in free else 0.5 * WALL_K * (0.37 - REACH) ** 2
        assert energy(context, moved) == pytest.approx(expected, rel=1e-4), (
            model.elements[atom],
            atom,
        )


def test_ligand_and_solvent_have_no_walls(model: Model) -> None:
    moved = model.positions.copy()
    moved[len(model.groups["core"]) :] += 0.5
    assert energy(walled(model), moved) == 0.0


@pytest.mark.parametrize("model", [ORGANIC], indirect=True)
def test_a_molecule_on_an_a_site_turns_freely_and_is_held_where_it_is(model: Model) -> None:
    context = walled(model)
    ion = next(
        ion
        for ion in residues_with(model, model.groups["surface"])
        if len(ion) > 1 and ion[0] < len(model.groups["core"])
    )
    centre = model.positions[ion].mean(axis=0)
    flipped = model.positions.copy()
    flipped[ion] = 2 * centre - flipped[ion]
    assert energy(context, flipped) == 0.0
    moved = model.positions.copy()
    moved[ion] += (0.0, 0.0, 0.5)
    turn = {
        model.elements[i]: 2 * np.linalg.norm(model.positions[i] - centre)
        for i in ion
        if model.elements[i] != "H"
    }
    assert sorted(turn) == ["C", "N"]
    expected = sum(0.5 * WALL_K * (0.5 - REACH - extra) ** 2 for extra in turn.values())
    assert energy(context, moved) == pytest.approx(expected, rel=1e-4) and expected > 50
