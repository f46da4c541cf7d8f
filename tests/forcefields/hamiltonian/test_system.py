"""The Hamiltonian of a small slab with a ligand: charges, pair energies summed by hand, exclusions,
platforms, forces.
"""

from dataclasses import replace

import numpy as np
import openmm as mm
import pytest
from openmm import unit

from halobind.forcefields.hamiltonian.audit import audit_system
from halobind.forcefields.hamiltonian.cpu_pair_forces import write_out_tables
from halobind.forcefields.hamiltonian.system import (
    FORCE_GROUPS,
    SystemSettings,
    assign_pairs,
    check_cutoff,
    make_system,
    organic_types,
)
from halobind.forcefields.packs.charges import ion_charges
from halobind.forcefields.packs.pack import load_pack
from halobind.forcefields.packs.pairs import LennardJones, pair_for
from halobind.pipeline.sampling.platforms import probe
from halobind.structures.assembly.build import ModelSpec, build_model, plan_model
from halobind.structures.crystals.crystal import CrystalSpec
from halobind.structures.models.model import Model

PACK = load_pack("bond-increment")
CRYSTAL = CrystalSpec("CsPbBr3", "slab", (4, 4, 1), "AX", PACK.lattice_nm["CsPbBr3"], seed=3)
SPEC = ModelSpec(CRYSTAL, "DA", "face", (("acetone", 1.0),), 2.9)
CUTOFF = 0.9


@pytest.fixture(scope="module")
def model() -> Model:
    return build_model(SPEC)[0]


@pytest.fixture(scope="module")
def system(model: Model) -> mm.System:
    return make_system(model, PACK, SystemSettings(CUTOFF, 1000.0))


def context_of(system: mm.System, model: Model, platform: str = "Reference") -> mm.Context:
    context = mm.Context(
        system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName(platform)
    )
    context.setPositions(model.positions)
    return context


def energy(context: mm.Context, group: str) -> float:
    state = context.getState(getEnergy=True, groups={FORCE_GROUPS[group]})
    return state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)


def test_charges_follow_the_bond_rule(model: Model) -> None:
    charges, s = ion_charges(model, PACK), PACK.charges.charge_scale
    by_kind: dict[str, set[float]] = {}
    for i, charge in charges.items():
        by_kind.setdefault(model.elements[i], set()).add(round(charge / s, 9))
    assert by_kind["Cs"] == {1.0}
    assert by_kind["Pb"] == {round(2 - 6 * 0.18, 9)}
    assert by_kind["Br"] == {-0.82, -0.64}  # a surface bromide has one bond, a bulk one two


@pytest.mark.parametrize(
    ("ligand", "solvent"),
    [
        ("DA", "acetone"),
        ("DMDDA", "toluene"),
        pytest.param("DDA", "acetone", marks=pytest.mark.rows),
        pytest.param("DMDDA", "acetone", marks=pytest.mark.rows),
        pytest.param("DA", "toluene", marks=pytest.mark.rows),
        pytest.param("DDA", "toluene", marks=pytest.mark.rows),
    ],
)
def test_every_box_is_neutral(ligand: str, solvent: str) -> None:
    model = build_model(replace(SPEC, ligand=ligand, solvent=((solvent, 1.0),), gap_nm=3.0))[0]
    system = make_system(model, PACK, SystemSettings(CUTOFF, 1000.0))
    found = audit_system(system, model, PACK)
    assert abs(found.net_charge_e) < 1e-6
    assert found.charge_e["ligand"] == pytest.approx(0.75, abs=1e-6)
    assert found.charge_e["core"] == pytest.approx(-0.75, abs=1e-9)
    assert found.charge_e["solvent"] == pytest.approx(0.0, abs=1e-6)
    assert all(np.isfinite(value) for value in found.energy_kJ_mol.values())


def test_pair_energy_is_the_sum_over_pairs(model: Model, system: mm.System) -> None:
    """An independent sum in numpy over every ion pair inside the cutoff, with the switch of the
    OpenMM manual.
    """
    nonbonded = next(f for f in system.getForces() if isinstance(f, mm.NonbondedForce))
    assignment = assign_pairs(nonbonded, model, PACK)
    types = [assignment.types[number] for number in assignment.type_numbers]
    core = model.groups["core"]
    total = 0.0
    for i in core:
        delta = model.positions - model.positions[i]
        delta -= model.box * np.round(delta / model.box)
        r = np.linalg.norm(delta, axis=1)
        partners = np.flatnonzero((r < CUTOFF) & (np.arange(model.n_atoms) != i))
        for j in partners:
            x = np.clip((r[j] - (CUTOFF - 0.1)) / 0.1, 0, 1)
            switch = 1 - 10 * x**3 + 15 * x**4 - 6 * x**5
            value = assignment.pairs[types[i], types[j]].energy(r[j]) * switch
            total += (
                0.5 * value if model.elements[j] in ("Cs", "Pb", "Br") and j < len(core) else value
            )
    bare = mm.XmlSerializer.deserialize(
        mm.XmlSerializer.serialize(system)
    )  # the same without Lennard-Jones on the ions
    coulomb = next(f for f in bare.getForces() if isinstance(f, mm.NonbondedForce))
    for i in core:
        charge, sigma, _ = coulomb.getParticleParameters(int(i))
        coulomb.setParticleParameters(int(i), charge, sigma, 0.0)
    whole, without = context_of(system, model), context_of(bare, model)
    ours = energy(whole, "nonbonded") + energy(whole, "ion pairs") - energy(without, "nonbonded")
    assert ours == pytest.approx(total, rel=1e-6)


def test_only_heads_are_paired_one_by_one(model: Model, system: mm.System) -> None:
    """Tails and solvent meet the ions in the NonbondedForce; the table force sees ions and the
    ammonium head only.
    """
    nonbonded = next(f for f in system.getForces() if isinstance(f, mm.NonbondedForce))
    pairs = next(f for f in system.getForces() if isinstance(f, mm.CustomNonbondedForce))
    ions, heads = pairs.getInteractionGroupParameters(1)
    assert set(ions) == set(model.groups["core"].tolist())
    types = organic_types(model)
    assert sorted(types[i] for i in heads) == ["c3:n4", "hn", "hn", "hn", "hx", "hx", "n4"]
    epsilon = {
        model.elements[i]: nonbonded.getParticleParameters(int(i))[2]._value
        for i in model.groups["core"]
    }
    assert epsilon["Br"] == pytest.approx(PACK.mixing.ions["Br"][0] * 4.184)
    assert not nonbonded.getUseDispersionCorrection()


def test_exceptions_are_mirrored_and_one_four_charges_scaled(
    model: Model, system: mm.System
) -> None:
    nonbonded = next(f for f in system.getForces() if isinstance(f, mm.NonbondedForce))
    pairs = next(f for f in system.getForces() if isinstance(f, mm.CustomNonbondedForce))
    exceptions = {
        frozenset(nonbonded.getExceptionParameters(k)[:2])
        for k in range(nonbonded.getNumExceptions())
    }
    exclusions = {
        frozenset(pairs.getExclusionParticles(k)) for k in range(pairs.getNumExclusions())
    }
    assert exceptions == exclusions
    ligand = set(model.groups["ligand"])
    checked = 0
    for k in range(nonbonded.getNumExceptions()):
        i, j, product, _, _ = nonbonded.getExceptionParameters(k)
        if i in ligand and product._value != 0.0:
            qi, qj = (nonbonded.getParticleParameters(n)[0]._value for n in (i, j))
            assert product._value == pytest.approx(qi * qj / 1.2, rel=1e-6)
            checked += 1
    assert checked > 50


def forces_of(system: mm.System, model: Model, platform: str) -> np.ndarray:
    state = context_of(system, model, platform).getState(getForces=True)
    return state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)


@pytest.mark.parametrize("platform", ["CPU", pytest.param("CUDA", marks=pytest.mark.gpu)])
def test_forces_are_those_of_the_reference_platform(
    model: Model, system: mm.System, platform: str
) -> None:
    works, why = probe(platform)
    if not works:
        pytest.skip(f"{platform}: {why}")
    exact = forces_of(system, model, "Reference")
    scale = np.sqrt(np.mean(exact**2))
    assert np.abs(forces_of(system, model, platform) - exact).max() < 1e-3 * scale
    assert np.abs(forces_of(write_out_tables(system), model, platform) - exact).max() < 1e-3 * scale


@pytest.mark.parametrize("name", ["bond-increment", "pascazio-primary"])
def test_pairs_written_out_have_the_energies_and_forces_of_the_tables(
    model: Model, name: str
) -> None:
    system = make_system(model, load_pack(name), SystemSettings(CUTOFF, 1000.0))
    written = write_out_tables(system)
    tables, forces = (
        [f for f in s.getForces() if isinstance(f, mm.CustomNonbondedForce)]
        for s in (system, written)
    )
    assert (
        len(tables) == 1
        and len(forces) > 10
        and all(f.getNumPerParticleParameters() == 0 for f in forces)
    )
    assert write_out_tables(written) is written
    (one, first), (two, second) = (
        (energy(c, "ion pairs"), c.getState(getForces=True))
        for c in (context_of(system, model), context_of(written, model))
    )
    assert two == pytest.approx(one, rel=1e-10)
    difference = first.getForces(asNumpy=True)._value - second.getForces(asNumpy=True)._value
    assert np.abs(difference).max() < 1e-8 * np.sqrt(
        np.mean(first.getForces(asNumpy=True)._value ** 2)
    )


def test_forces_are_the_gradient_of_the_energy(model: Model, system: mm.System) -> None:
    """Central differences of the ion-pair energy for one ion, the anchor and one solvent atom."""
    context = context_of(system, model)
    state = context.getState(getForces=True, groups={FORCE_GROUPS["ion pairs"]})
    forces = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
    step = 1e-5
    for atom in (
        int(model.groups["site"][0]),
        int(model.groups["anchor"][0]),
        int(model.groups["solvent"][0]),
    ):
        values = []
        for sign in (1, -1):
            moved = model.positions.copy()
            moved[atom, 2] += sign * step
            context.setPositions(moved)
            values.append(energy(context, "ion pairs"))
        assert -(values[0] - values[1]) / (2 * step) == pytest.approx(
            forces[atom, 2], rel=1e-4, abs=1e-3
        )


def test_a_charged_system_is_refused(model: Model, system: mm.System) -> None:
    charged = mm.XmlSerializer.deserialize(mm.XmlSerializer.serialize(system))
    nonbonded = next(f for f in charged.getForces() if isinstance(f, mm.NonbondedForce))
    charge, sigma, epsilon = nonbonded.getParticleParameters(0)
    nonbonded.setParticleParameters(0, charge._value + 1e-3, sigma, epsilon)
    with pytest.raises(ValueError, match=r"\+0.001000 e"):
        audit_system(charged, model, PACK)


def test_only_carbons_on_the_ammonium_get_its_wall(model: Model) -> None:
    types = organic_types(model)
    ligand = [types[int(i)] for i in model.groups["ligand"]]
    assert ligand.count("c3:n4") == 1 and ligand.count("c3") == 11 and ligand.count("n4") == 1
    assert {types[int(i)] for i in model.groups["solvent"]} == {"c3", "c", "o", "hc"}
    lj = LennardJones(0.4577296, 0.3399669508)  # GAFF c3
    assert pair_for(PACK, "Br", "c3:n4", lj).C6 == 0.0 and pair_for(PACK, "Br", "c3", lj).C6 > 0.0


def test_cutoff_against_box() -> None:
    check_cutoff(np.array([2.0, 2.0, 5.0]), 1.0)
    with pytest.raises(
        ValueError,
        match="cutoff_nm = 1.0 needs a box of at least 2.00 nm, but the shortest side is 1.950",
    ):
        check_cutoff(np.array([1.95, 2.0, 5.0]), 1.0)


def test_restraint_holds_the_middle_layer_only(model: Model, system: mm.System) -> None:
    assert energy(context_of(system, model), "slab restraint") == pytest.approx(0.0, abs=1e-9)
    context = context_of(system, model)
    moved = model.positions.copy()
    moved[model.groups["frozen"][0]] += (0.0, 0.0, 0.02)
    moved[model.groups["surface"][0]] += (0.0, 0.0, 0.02)
    context.setPositions(moved)
    assert energy(context, "slab restraint") == pytest.approx(0.5 * 1000 * 0.02**2, rel=1e-6)


@pytest.mark.parametrize(
    ("perovskite", "ion", "solvent"),
    [("CsPbBr3", "Cs", (("acetone", 1.0),)), ("MAPbBr3", "MA", ())],
)
def test_the_cation_of_the_crystal_as_ligand_has_the_hamiltonian_of_the_intact_slab(
    perovskite: str, ion: str, solvent: tuple
) -> None:
    """Energy and forces are the same at any positions, whichever atoms are called the ligand."""
    crystal = replace(CRYSTAL, perovskite=perovskite, lattice_nm=PACK.lattice_nm[perovskite])
    spec = replace(SPEC, crystal=crystal, ligand=ion, solvent=solvent)
    built = build_model(spec)[0]
    intact = build_model(replace(spec, ligand=None))[0]
    (removed,) = plan_model(spec).bounds[0].removed
    n_core = sum(residue.start < len(built.groups["core"]) for residue in built.residues)
    order = [*range(removed), n_core, *range(removed, n_core)]
    residues = [built.residues[k] for k in [*order, *range(n_core + 1, len(built.residues))]]
    atoms = [i for residue in residues for i in range(residue.start, residue.stop)]
    assert [built.elements[i] for i in atoms] == list(intact.elements)
    shaken = built.positions + np.random.default_rng(1).normal(0, 0.002, built.positions.shape)
    results = []
    for model, positions in ((built, shaken), (intact, shaken[atoms])):
        context = context_of(make_system(model, PACK, SystemSettings(CUTOFF, 1000.0)), model)
        context.setPositions(positions)
        state = context.getState(getEnergy=True, getForces=True)
        results.append((state.getPotentialEnergy()._value, state.getForces(asNumpy=True)._value))
    (energy_of_built, forces), (energy_of_intact, forces_of_intact) = results
    assert energy_of_built == pytest.approx(energy_of_intact, rel=1e-9)
    assert forces[atoms] == pytest.approx(forces_of_intact, rel=1e-6, abs=1e-3)
