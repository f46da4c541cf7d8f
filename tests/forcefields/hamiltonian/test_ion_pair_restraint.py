"""The Hamiltonian of an ion pair: charges of what leaves, exact neutrality, a restraint that does
nothing while bound.
"""

from dataclasses import replace

import numpy as np
import openmm as mm
import pytest
from openmm import unit

from halobind.forcefields.hamiltonian.audit import audit_system
from halobind.forcefields.hamiltonian.ion_pair_restraint import add_pair_restraint
from halobind.forcefields.hamiltonian.system import SystemSettings, make_system
from halobind.forcefields.packs.charges import ion_charges
from halobind.forcefields.packs.pack import load_pack
from halobind.structures.assembly.build import ModelSpec, build_model
from halobind.structures.crystals.crystal import CrystalSpec
from halobind.structures.models.integrity import check_integrity
from halobind.structures.models.model import Model
from halobind.structures.molecules.periodic import minimum_image

SPEC = ModelSpec(
    CrystalSpec("CsPbBr3", "slab", (4, 4, 2), "AX", 0.586, seed=3),
    "MA",
    "face",
    (),
    1.5,
    faces=2,
    leaving="ion_pair",
)
K = 5000.0


@pytest.fixture(scope="module")
def model() -> Model:
    return build_model(SPEC)[0]


def neighbours(model: Model, atom: int, reach_nm: float = 0.36) -> list[int]:
    distance = np.linalg.norm(
        minimum_image(model.positions - model.positions[atom], model.box), axis=1
    )
    return [int(i) for i in np.flatnonzero(distance < reach_nm) if model.elements[i] == "Pb"]


def test_what_leaves_has_its_formal_charge_and_its_metal_is_richer(model: Model) -> None:
    pack = load_pack("bond-increment")
    scale, t = pack.charges.charge_scale, pack.charges.t
    bound = build_model(replace(SPEC, leaving="cation"))[0]
    assert np.array_equal(bound.positions, model.positions)
    paired, plain = ion_charges(model, pack), ion_charges(bound, pack)
    changed = {i: paired[i] - plain[i] for i in paired if abs(paired[i] - plain[i]) > 1e-12}
    assert len(changed) == 4
    for partner in model.groups["partner"].tolist():
        (metal,) = neighbours(model, partner)
        assert paired[partner] == pytest.approx(-scale, abs=1e-12)
        assert changed[partner] == pytest.approx(-scale * t, abs=1e-12) and changed[
            metal
        ] == pytest.approx(scale * t, abs=1e-12)


@pytest.mark.parametrize(
    ("pack", "ligand"),
    [("bond-increment", "MA"), ("bond-increment", "octanoate"), ("pascazio-primary", "MA")],
)
def test_every_pair_leaves_the_box_neutral(pack: str, ligand: str) -> None:
    found, forcefield = build_model(replace(SPEC, ligand=ligand, faces=1))[0], load_pack(pack)
    report = audit_system(
        make_system(found, forcefield, SystemSettings(0.8, 1000.0)), found, forcefield
    )
    assert abs(report.net_charge_e) < 1e-9
    assert report.charge_e["partner"] == pytest.approx(
        -report.charge_e["ligand"], abs=1e-9
    )  # what leaves is neutral as a whole


def restrained(model: Model, reach_nm: float = 0.5) -> mm.Context:
    system = mm.System()
    system.setDefaultPeriodicBoxVectors(*(mm.Vec3(*row) for row in np.diag(model.box)))
    for _ in range(model.n_atoms):
        system.addParticle(1.0)
    add_pair_restraint(system, model, reach_nm, K)
    return mm.Context(
        system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference")
    )


def energy(context: mm.Context, positions: np.ndarray) -> float:
    context.setPositions(positions)
    return (
        context.getState(getEnergy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
    )


def test_the_restraint_does_nothing_while_bound_and_holds_each_pair_afterwards(
    model: Model,
) -> None:
    context, random = restrained(model), np.random.default_rng(1)
    shaken = model.positions + random.uniform(-0.02, 0.02, model.positions.shape)
    assert energy(context, model.positions) == 0.0 and energy(context, shaken) == 0.0
    for face, anchor in enumerate(model.groups["anchor"]):
        moved = model.positions.copy()
        moved[anchor] += 0.6 * model.site_normals[face] + model.box * (
            1,
            0,
            -1,
        )  # across images too
        own = int(
            model.groups["partner"][
                np.argmin(
                    np.abs(model.positions[model.groups["partner"], 2] - model.positions[anchor, 2])
                )
            ]
        )
        apart = np.linalg.norm(minimum_image(moved[anchor] - moved[own], model.box))
        assert apart > 0.65 and energy(context, moved) == pytest.approx(
            0.5 * K * (apart - 0.5) ** 2, rel=1e-5
        )


def test_a_reach_below_the_built_distance_is_refused(model: Model) -> None:
    with pytest.raises(
        ValueError,
        match=r"pair_nm = 0.35 would pull on Br, which is 0.4\d nm .* set pair_nm to 0.5",
    ):
        restrained(model, 0.35)


def test_a_pair_that_left_is_not_damage(model: Model) -> None:
    """The partner far away is neither displaced nor missing at its metal; any other bromide is."""
    moved = model.positions.copy()
    moved[model.groups["partner"]] += 1.0
    found = check_integrity(model, moved, model.box, ("Pb",), ("Br",))
    assert (found.displaced, found.broken, found.largest_displacement_nm) == (0, 0, 0.0)
    assert found.partner_shift_nm == pytest.approx(
        [np.sqrt(3)] * 2, abs=1e-4
    )  # one for each face; 1 nm along each axis
    other = next(
        int(i)
        for i in model.groups["site"]
        if model.elements[i] == "Br" and i not in model.groups["partner"]
    )
    moved[other] += 1.0
    found = check_integrity(model, moved, model.box, ("Pb",), ("Br",))
    assert (found.displaced, found.displaced_at_site, found.broken) == (1, 1, 1)
