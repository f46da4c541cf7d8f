"""Every pack against its published table, its neutrality, what it refuses and where its numbers
come from.
"""

import json
import tomllib

import numpy as np
import openmm as mm
import pytest
from openmm import unit
from pydantic import ValidationError

from halobind.forcefields.hamiltonian.audit import audit_system
from halobind.forcefields.hamiltonian.system import SystemSettings, make_system, organic_types
from halobind.forcefields.packs.charges import model_charge
from halobind.forcefields.packs.molecule_library import SHIPPED_MOLECULES
from halobind.forcefields.packs.pack import (
    FORCEFIELDS,
    KJ_PER_EV,
    KJ_PER_KCAL,
    PACKS_FOLDER,
    Pack,
    load_pack,
    molecule_numbers,
    pack_numbers,
)
from halobind.forcefields.packs.pairs import pair_for
from halobind.forcefields.packs.validity import (
    NOMINAL_LATTICE_NM,
    check_pack,
    pack_problem,
    planning_lattice,
    provenance,
    request_of,
)
from halobind.forcefields.validation.lattice_constant import (
    LatticeRun,
    bulk_model,
    lattice_constant,
)
from halobind.structures.assembly.build import ModelSpec, build_model, plan_model
from halobind.structures.crystals.crystal import CrystalSpec
from halobind.structures.molecules.catalogue import LIGANDS

PACKS = {name: load_pack(name) for name in FORCEFIELDS}
FORMAL = {name: row.charge for name, row in LIGANDS.items()}
CELLS = {"slab": (2, 2, 1), "cuboid": (2, 2, 2), "molecular": (2, 2, 2)}
CLAIMED = [
    (name, perovskite, shape)
    for name, pack in PACKS.items()
    for perovskite in pack.lattice_nm
    for shape in pack.validity.shapes
    if shape != "bulk"
]


def spec_of(
    perovskite: str,
    shape: str,
    cells: tuple[int, int, int],
    ligand: str | None = None,
    **more: object,
) -> ModelSpec:
    kind, _, faces = shape.partition(" ")
    return ModelSpec(
        CrystalSpec(perovskite, kind, cells, faces or "AX", NOMINAL_LATTICE_NM),
        ligand,
        "face",
        (),
        5.0,
        **more,
    )


def refusal(pack: str, spec: ModelSpec) -> str:
    with pytest.raises(ValueError) as error:
        check_pack(PACKS[pack], request_of(spec, plan_model(spec)))
    return str(error.value)


# the table of each source in its own units: pack, ion, partner, distance in nm, energy there,
# kJ/mol in that unit


def lj(epsilon: float, sigma: float, r: float) -> float:
    return 4 * epsilon * ((sigma / r) ** 12 - (sigma / r) ** 6)


@pytest.mark.parametrize(
    ("pack", "ion", "partner", "r", "by_hand", "unit_kJ_mol"),
    [
        (
            "balestra",
            "Br",
            "Pb",
            0.30,
            6446.9831 * np.exp(-3.0 / 0.300951) - 330.91084 / 3.0**6,
            KJ_PER_EV,
        ),
        (
            "balestra",
            "Cs",
            "Br",
            0.40,
            9345.4968 * np.exp(-4.0 / 0.333138) - 117.4985 / 4.0**6,
            KJ_PER_EV,
        ),
        (
            "balestra",
            "Br",
            "Br",
            0.41,
            370703.45 * np.exp(-4.1 / 0.241959) - 277.92647 / 4.1**6,
            KJ_PER_EV,
        ),
        (
            "balestra",
            "Cs",
            "Pb",
            0.50,
            8753.5043 * np.exp(-5.0 / 0.418713) - 1.1082039 / 5.0**6,
            KJ_PER_EV,
        ),
        ("myp", "Pb", "Pb", 0.35, 74933300.5606326 * np.exp(-3.5 / 0.123246948356808), KJ_PER_KCAL),
        ("myp", "Pb", "Br", 0.30, 110223.38165565 * np.exp(-3.0 / 0.302100469483568), KJ_PER_KCAL),
        (
            "myp",
            "Br",
            "Br",
            0.41,
            24274.90558983 * np.exp(-4.1 / 0.45286103286385) - 654.4127155 / 4.1**6,
            KJ_PER_KCAL,
        ),
        ("myp", "Pb", "c3:n4", 0.35, 32690390.937995 * np.exp(-3.5 / 0.150947), KJ_PER_KCAL),
        ("myp", "Br", "n4", 0.34, 94836.351975893 * np.exp(-3.4 / 0.3352375), KJ_PER_KCAL),
        ("myp", "Br", "hn", 0.25, lj(0.05125, 2.45535714285714, 2.5), KJ_PER_KCAL),
        ("myp", "Pb", "hx", 0.30, lj(0.014, 2.70999, 3.0), KJ_PER_KCAL),
        ("pascazio-primary", "Pb", "Br", 0.30, lj(1.7068104799678259, 0.314, 0.30), 1.0),
        ("pascazio-primary", "Cs", "Br", 0.40, lj(0.4446668905146863, 0.396, 0.40), 1.0),
        ("pascazio-primary", "Pb", "Cs", 0.50, lj(0.7226944124317, 0.3657, 0.50), 1.0),
        ("pascazio-primary", "Br", "n4", 0.34, lj(0.9374401160607541, 0.353, 0.34), 1.0),
        ("pascazio-primary", "Br", "hn", 0.25, lj(0.44958048598220984, 0.144, 0.25), 1.0),
        (
            "pascazio-primary",
            "Cs",
            "c3:n4",
            0.40,
            lj(0.2081513718427049, 0.39497994669199565, 0.40),
            1.0,
        ),
    ],
)
def test_energies_by_hand(
    pack: str, ion: str, partner: str, r: float, by_hand: float, unit_kJ_mol: float
) -> None:
    assert pair_for(PACKS[pack], ion, partner).energy(r) == pytest.approx(
        by_hand * unit_kJ_mol, rel=1e-9
    )


def sigma_epsilon(pack: Pack, ion: str, partner: str) -> tuple[float, float]:
    pair = pair_for(pack, ion, partner)
    return (pair.C12 / pair.C6) ** (1 / 6), pair.C6**2 / (4 * pair.C12)


def test_the_epsilons_of_pascazio_are_those_of_the_rule_that_made_them() -> None:
    """sqrt of UFF by UFF, or by CGenFF (kcal/mol: NG3P3 0.2, HGP2 0.046, CG324 0.055, HGA2 0.035),
    and sigmas of UFF.
    """
    pack, kcal = PACKS["pascazio-primary"], {"Cs": 0.045, "Pb": 0.663, "Br": 0.251}
    others = {"n4": 0.2, "hn": 0.046, "c3:n4": 0.055, "hx": 0.035}
    for ion, epsilon in kcal.items():
        for other, second in {**kcal, **others}.items():
            assert sigma_epsilon(pack, ion, other)[1] == pytest.approx(
                np.sqrt(epsilon * second) * KJ_PER_KCAL, rel=1e-3
            ), (ion, other)
    ions = {
        ion: 2 * sigma_epsilon(pack, ion, "hx")[0] - 2 * 1.34 / 2 ** (1 / 6) / 10 for ion in kcal
    }
    assert {ion: 10 * sigma for ion, sigma in ions.items()} == pytest.approx(
        {ion: sigma for ion, (_, sigma) in pack.mixing.ions.items()}, abs=1e-3
    )


def test_the_wrong_cesium_bromide_row_is_not_copied() -> None:
    for pack in PACKS.values():
        if "Cs" in pack.formal and pair_for(pack, "Cs", "Br").C12:
            sigma, epsilon = sigma_epsilon(pack, "Cs", "Br")
            assert sigma == pytest.approx(0.396) and epsilon == pytest.approx(
                0.44467, rel=1e-4
            )  # not 0.483, 0.2348 (a = 0.641 nm)


@pytest.mark.parametrize("name", ["bond-increment", "myp"])
def test_known_copy_errors_of_the_myp_set(name: str) -> None:
    pack = PACKS[name]
    for kind in ("hn", "hx"):
        assert sigma_epsilon(pack, "Br", kind)[1] / KJ_PER_KCAL == pytest.approx(
            0.05125
        )  # not 2.1853, 42.6 times as much
        assert sigma_epsilon(pack, "Pb", kind)[1] / KJ_PER_KCAL == pytest.approx(
            0.014
        )  # not 0.59696
    assert sigma_epsilon(pack, "Pb", "hn")[0] == pytest.approx(0.226454)  # not swapped
    assert sigma_epsilon(pack, "Pb", "hx")[0] == pytest.approx(0.270999)
    factor = {"bond-increment": 1.28, "myp": 1.0}[name]  # of the calibration
    for kind, times in (("n4", factor), ("c3:n4", 1.0)):
        assert (
            pytest.approx(times * 94836.351975893) == pair_for(pack, "Br", kind).A / KJ_PER_KCAL
        )  # not 4836.35


def test_the_charges_of_pascazio_are_of_one_column_without_its_typo() -> None:
    charges = PACKS["pascazio-primary"].charges
    assert (
        charges.ions == {"Cs": 0.6354, "Pb": 1.2708, "Br": -0.6354}
        and charges.charge_scale == charges.ions["Cs"]
    )


@pytest.mark.parametrize("name", FORCEFIELDS)
def test_the_bulk_is_neutral(name: str) -> None:
    for perovskite, lattice in PACKS[name].lattice_nm.items():
        model = bulk_model(perovskite, lattice, 3)
        assert len(model.groups["frozen"]) == len(model.groups["surface"]) == 0
        assert [model.elements.count(kind) for kind in ("Pb", "Br")] == [27, 81]
        assert abs(model_charge(model, PACKS[name], FORMAL)) < 1e-9


@pytest.mark.parametrize(("name", "perovskite", "shape"), CLAIMED)
def test_every_claimed_shape_is_neutral_and_not_refused(
    name: str, perovskite: str, shape: str
) -> None:
    spec = spec_of(perovskite, shape, CELLS[shape.split()[0]])
    assert pack_problem(PACKS[name], request_of(spec, plan_model(spec))) is None
    assert abs(model_charge(build_model(spec)[0], PACKS[name], FORMAL)) < 1e-9


def test_a_ligand_carries_the_charge_of_cesium_in_the_scaled_packs() -> None:
    model = build_model(spec_of("CsPbBr3", "slab AX", (4, 4, 1), "butylammonium"))[0]
    for name in ("pascazio-primary", "bond-increment"):
        pack = PACKS[name]
        found = audit_system(make_system(model, pack, SystemSettings(0.9, 1000.0)), model, pack)
        assert abs(found.net_charge_e) < 1e-6
        assert found.charge_e["ligand"] == pytest.approx(pack.charges.charge_scale, abs=1e-6)
    assert {organic_types(model)[int(i)] for i in model.groups["ligand"]} == {
        "n4",
        "hn",
        "c3:n4",
        "hx",
        "c3",
        "hc",
    }


def test_methylammonium_has_the_charges_of_the_pack() -> None:
    pack, model = PACKS["myp"], bulk_model("MAPbBr3", 0.5897, 4)
    own = pack.charges.molecules["MA"]
    by_type = {"c3:n4": 0.79413, "n4": -1.133, "hx": 0.02369, "hn": 0.5562}
    assert sum(own.values()) == pytest.approx(1.4008)
    assert f'name="{next(iter(own))}"' in SHIPPED_MOLECULES.path("MA").read_text(encoding="utf-8")
    system = make_system(model, pack, SystemSettings(1.0, 0.0))
    found = audit_system(system, model, pack)
    assert abs(found.net_charge_e) < 1e-9 and "slab restraint" not in found.energy_kJ_mol
    nonbonded = next(f for f in system.getForces() if isinstance(f, mm.NonbondedForce))
    charges = [
        nonbonded.getParticleParameters(i)[0].value_in_unit(unit.elementary_charge)
        for i in range(model.n_atoms)
    ]
    for i, kind in organic_types(model).items():
        assert charges[i] == by_type[kind]
    pairs = [nonbonded.getExceptionParameters(k)[:3] for k in range(nonbonded.getNumExceptions())]
    scaled = [(i, j, product._value) for i, j, product in pairs if product._value]
    assert len(scaled) == 9 * 64  # hydrogens of N with those of C
    assert all(
        product == pytest.approx(charges[i] * charges[j] / 1.2, rel=1e-6)
        for i, j, product in scaled
    )


@pytest.mark.parametrize(
    ("pack", "spec", "words"),
    [
        (
            "balestra",
            spec_of("CsPbBr3", "slab AX", (4, 4, 3)),
            (
                "force field 'balestra' cannot make the shape slab AX of 4x4x3 cells neutral",
                "64 Cs x +1.0520",
                "sum to +6.3152 e; use pack = 'bond-increment' or 'pascazio-primary'",
            ),
        ),
        (
            "balestra",
            spec_of("CsPbBr3", "slab BX2", (4, 4, 3)),
            ("slab BX2 of 4x4x3 cells neutral", "sum to -6.3152 e"),
        ),
        (
            "balestra",
            spec_of("CsPbBr3", "cuboid", (2, 2, 2)),
            ("the shape cuboid of 2x2x2 cells", "20 Cs x +1.0520", " e; use pack = "),
        ),
        (
            "balestra",
            spec_of("CsPbBr3", "slab AX", (4, 4, 3), "DA"),
            ("1 DA x +1.0000", "sum to +6.2632 e"),
        ),
        (
            "balestra",
            spec_of("MAPbBr3", "slab AX", (4, 4, 3)),
            ("has no parameters for MAPbBr3; it has CsPbBr3; use pack = 'bond-increment'",),
        ),
        (
            "myp",
            spec_of("MAPbBr3", "slab AX", (4, 4, 3)),
            ("64 MA x +1.4008", "sum to +3.7904 e; use pack = 'bond-increment'"),
        ),
        (
            "myp",
            spec_of("CsPbBr3", "slab AX", (4, 4, 3)),
            ("no parameters for CsPbBr3; it has MAPbBr3",),
        ),
        (
            "pascazio-primary",
            spec_of("MAPbBr3", "slab AX", (4, 4, 1)),
            ("no parameters for MAPbBr3", "use pack = 'bond-increment'"),
        ),
        (
            "pascazio-primary",
            spec_of("CsPbBr3", "slab AX", (4, 4, 1), "DMDDA"),
            (
                "is not made for DMDDA, whose cationic group (N with 0 H in",
                "none of its heads: primary ammonium R-NH3+; use",
                "'bond-increment'",
            ),
        ),
        (
            "pascazio-primary",
            spec_of("CsPbBr3", "slab AX", (4, 4, 1), "DDA"),
            ("not made for DDA", "N with 2 H", "R-NH3+"),
        ),
        (
            "pascazio-primary",
            spec_of("CsPbBr3", "slab AX", (4, 4, 1), "FA"),
            ("not made for FA", "N with 2 H", "R-NH3+"),
        ),
        (
            "pascazio-primary",
            spec_of("CsPbBr3", "slab AX", (4, 4, 1), "valerate"),
            (
                (
                    "not made for valerate, a ligand bound as anion; it is for cation; use pack ="
                    " 'bond-increment'"
                ),
            ),
        ),
        (
            "pascazio-primary",
            spec_of("CsPbBr3", "molecular", (2, 2, 2)),
            (
                (
                    "not made for the shape molecular; it is for bulk, slab AX, slab BX2, cuboid;"
                    " use pack = 'bond-increment'"
                ),
            ),
        ),
        (
            "bond-increment",
            spec_of("CsPbBr3", "slab AX", (4, 4, 1), dissolved=(("Cs", 1), ("Cl", 1))),
            ("has no parameters for the ion Cl; it has Cs, Pb, Br; no pack can: change the model",),
        ),
    ],
)
def test_what_a_pack_cannot_do_is_refused_with_the_reason(
    pack: str, spec: ModelSpec, words: tuple[str, ...]
) -> None:
    text = refusal(pack, spec)
    assert all(word in text for word in words), text


@pytest.mark.parametrize("ligand", ["DA", "MA", "oleylammonium", "benzylammonium", "DPPA"])
def test_primary_ammonium_is_taken(ligand: str) -> None:
    spec = spec_of("CsPbBr3", "slab AX", (4, 4, 1), ligand)
    assert pack_problem(PACKS["pascazio-primary"], request_of(spec, plan_model(spec))) is None


def test_a_missing_perovskite_is_planned_with_a_nominal_lattice() -> None:
    assert planning_lattice(PACKS["myp"], "CsPbBr3") == NOMINAL_LATTICE_NM
    assert planning_lattice(PACKS["myp"], "MAPbBr3") == PACKS["myp"].lattice_nm["MAPbBr3"]


@pytest.mark.parametrize("name", FORCEFIELDS)
def test_every_number_has_a_source(name: str) -> None:
    pack = PACKS[name]
    assert all(
        len(text) > 10 for text in (pack.charges.source, pack.mixing.source, pack.lattice_source)
    )
    for table in pack.table:
        assert len(table.source) > 20
        for key in table.pairs:
            ion, other = (
                key.split("-") if key.split("-")[0] in pack.formal else reversed(key.split("-"))
            )
            kinds = [kind for kind, group in pack.organic_class.items() if group == other] or [
                other
            ]
            assert all(pair_for(pack, ion, kind).source == table.source for kind in kinds)
    text = "\n".join(provenance(pack))
    shown = (
        *(table.source for table in pack.table),
        pack.charges.source,
        pack.mixing.source,
        pack.lattice_source,
        pack.organics,
    )
    assert all(source in text for source in shown)
    assert (
        all(f"{key} {a:g} nm" in text for key, a in pack.lattice_nm.items())
        and ", ".join(pack.validity.shapes) in text
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Cs = 0.6354\n", "", "must name the same ions"),
        (
            "Cs-Cs = [0.18828, 0.442]",
            "Cs-Cs = [0.18828, 0.442, 0.0]",
            "a lennard-jones row has 2 numbers",
        ),
        ("Cs-Pb = [0.7226944124317, 0.3657]", "Pb-Br = [0.7226944124317, 0.3657]", "overwrite"),
        (
            "Cs-Pb = [0.7226944124317, 0.3657]",
            "Br-Pb = [0.7226944124317, 0.3657]",
            "a pair is listed twice",
        ),
        ('n4 = "NG3P3"\n', "", "differ in the classes NG3P3"),
        ('modes = ["cation"]', 'modes = ["kation"]', "modes"),
    ],
)
def test_a_broken_pack_file_is_told(old: str, new: str, message: str) -> None:
    text = (PACKS_FOLDER / "pascazio-primary.toml").read_text(encoding="utf-8")
    assert old in text
    with pytest.raises((ValidationError, tomllib.TOMLDecodeError), match=message):
        Pack(**tomllib.loads(text.replace(old, new)))


def test_a_short_lattice_run_is_repeatable() -> None:
    run = LatticeRun(measure_ps=0.8, warm_ps=0.1, settle_ps=0.1)
    first = lattice_constant(PACKS["balestra"], "CsPbBr3", 300.0, run)
    assert first == lattice_constant(PACKS["balestra"], "CsPbBr3", 300.0, run)
    mean, error = first
    assert mean == pytest.approx(PACKS["balestra"].lattice_nm["CsPbBr3"], abs=0.003)
    assert 0 < error < 0.003


@pytest.mark.slow
def test_the_lattice_constant_after_30_ps_is_that_of_the_pack() -> None:
    pack = PACKS["balestra"]
    mean, error = lattice_constant(pack, "CsPbBr3", 300.0, LatticeRun(measure_ps=0.8))
    assert mean == pytest.approx(pack.lattice_nm["CsPbBr3"], abs=0.003) and 0 < error < 0.003


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ('name = "bond-increment"', '# why\nname = "bond-increment"', True),
        ('title = "', 'title = "Rewritten. ', True),
        ('organics = "', 'organics = "Rewritten. ', True),
        ('source = "', 'source = "Rewritten. ', True),
        ("t = 0.18", "t     =  0.180", True),
        ("t = 0.18", "t = 0.1800001", False),
        ("bond_nm = 0.36", "bond_nm = 0.361", False),
        ("Br-Br = [370703.45", "Br-Br = [370703.46", False),
        ('modes = ["cation", ', "modes = [", False),
    ],
)
def test_numbers_of_a_pack_are_not_its_prose(old: str, new: str, same: bool) -> None:
    text = (PACKS_FOLDER / "bond-increment.toml").read_text(encoding="utf-8")
    assert old in text
    numbers = [
        pack_numbers(Pack(**tomllib.loads(content))) for content in (text, text.replace(old, new))
    ]
    assert (numbers[0] == numbers[1]) is same


@pytest.mark.parametrize("name", FORCEFIELDS)
def test_numbers_of_a_pack_hold_no_sentence(name: str) -> None:
    numbers = json.loads(pack_numbers(PACKS[name]))
    prose = {"title", "organics", "lattice_source", "source"}
    parts = [numbers, numbers["charges"], numbers["mixing"], *numbers["table"]]
    assert not any(prose & set(part) for part in parts)
    assert set(numbers) == set(Pack.model_fields) - prose


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        (b"<AtomTypes>", b"<!-- why --><AtomTypes>", True),
        (b"<Command>", b"<Date>today</Date><Command>at noon ", True),
        (b'name="DA-c3" class="DA-c3"', b'class="DA-c3"  name="DA-c3"', True),
        (b"\n  <Residue ", b"\n\n      <Residue ", True),
        (b'charge="-0.09412420"', b'charge="-0.09412421"', False),
        (b'<Atom name="C1" type', b'<Atom name="C9" type', False),
    ],
)
def test_numbers_of_a_molecule_are_not_its_prose(old: bytes, new: bytes, same: bool) -> None:
    content = SHIPPED_MOLECULES.path("DA").read_bytes()
    assert old in content
    numbers = [molecule_numbers(text) for text in (content, content.replace(old, new, 1))]
    assert (numbers[0] == numbers[1]) is same


def test_an_ion_of_the_crystal_is_taken_where_its_charge_stays_the_same() -> None:
    for name in ("bond-increment", "pascazio-primary"):
        spec = spec_of("CsPbBr3", "slab AX", (2, 2, 1), "Cs")
        check_pack(PACKS[name], request_of(spec, plan_model(spec)))
    bromide = spec_of("CsPbBr3", "slab AX", (2, 2, 1), "Br")
    assert "cannot say how strongly Br is bound: each bond to a metal changes its charge by" in (
        refusal("bond-increment", bromide)
    )
    assert "is not made for Br, a ligand bound as anion" in refusal("pascazio-primary", bromide)
