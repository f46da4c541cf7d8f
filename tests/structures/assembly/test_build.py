"""Whole models: neutral, without overlap, every atom in its group, the same twice, and back from
disk.
"""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halobind.structures.assembly.build import (
    MIN_CONTACT_NM,
    ModelSpec,
    build_model,
    check_model,
    plan_model,
)
from halobind.structures.crystals.coating import Coat
from halobind.structures.crystals.crystal import CrystalSpec
from halobind.structures.models.model import (
    GROUPS,
    Model,
    check_groups,
    minimum_contact,
    read_model,
    write_model,
)
from halobind.structures.molecules.catalogue import LIGANDS, MODES, SOLVENTS
from halobind.structures.molecules.molecule import catalogue_molecule
from tests.rings import one_of_each_kind

LIGAND_KINDS = (
    "DA",
    "FA",
    "DMDDA",
    "octanoate",
    "methylphosphonate",
    "butylamine",
    "cysteine",
    "6-aminohexanoic-acid",
)
A_NM = 0.586
SLAB = ModelSpec(
    CrystalSpec("CsPbBr3", "slab", (4, 4, 1), "AX", A_NM, seed=11),
    "DA",
    "face",
    (("acetone", 1.0),),
    2.9,
)
CUBE = ModelSpec(
    CrystalSpec("CsPbBr3", "cuboid", (3, 3, 3), "AX", A_NM, seed=5), "DA", "face", (), 5.0
)


def cut(spec: ModelSpec, **changes: object) -> ModelSpec:
    return replace(spec, crystal=replace(spec.crystal, **changes))


def gaps_to(model: Model, group: str, elements: str, point: np.ndarray) -> np.ndarray:
    """Sorted distances (nm) from a point to the atoms of one element in a group."""
    mine = [i for i in model.groups[group] if model.elements[i] in elements.split()]
    delta = model.positions[mine] - point
    return np.sort(np.linalg.norm(delta - model.box * np.round(delta / model.box), axis=1))


@pytest.fixture(scope="module")
def model() -> Model:
    return build_model(SLAB)[0]


@pytest.mark.parametrize(
    "spec", [replace(SLAB, gap_nm=4.0, solvent=()), CUBE], ids=["slab", "cube"]
)
@pytest.mark.parametrize("name", one_of_each_kind(LIGANDS, default=LIGAND_KINDS))
def test_every_ligand_binds_without_overlap(name: str, spec: ModelSpec) -> None:
    """On its own site kind: no contact under 0.8 of the radii, neutral, the head where its mode
    puts it.
    """
    built, check = build_model(replace(spec, ligand=name))
    row, item = LIGANDS[name], catalogue_molecule(name)
    assert check.formal_charge == 0 and check.bound == {name: 1}
    assert check.closest_contact_nm > 0.17
    assert check.charge_of_bound == row.charge == check.charge_of_replaced
    xyz = built.positions[built.groups["ligand"]]
    height = (built.positions[built.groups["anchor"][0]] - built.site_point) @ built.site_normal
    assert height == pytest.approx(check.anchor_height_nm, abs=1e-6) or row.mode == "zwitterion"
    assert -0.05 <= check.anchor_height_nm <= 0.36
    assert (xyz - built.site_point)[:, 2].max() > 0.1  # it stands on the outside
    bonds = np.linalg.norm(xyz[item.bonds[:, 0]] - xyz[item.bonds[:, 1]], axis=1)
    assert bonds.min() > 0.09 and bonds.max() < 0.2
    if row.mode in ("anion", "zwitterion"):  # the acid's oxygens look at lead
        head = item.heads[-1]
        oxygens = [
            i
            for i in set(item.bonds[(item.bonds == head).any(axis=1)].ravel()) - {head}
            if item.elements[i] == "O"
        ]
        assert min(gaps_to(built, "core", "Pb", xyz[i])[0] for i in oxygens) < 0.40
    if row.mode == "donor":
        assert gaps_to(built, "core", "Pb", xyz[item.anchor])[0] == pytest.approx(
            A_NM / 2 + check.anchor_height_nm, abs=0.01
        )


@pytest.mark.parametrize("name", ["DA", "octylammonium", "benzylammonium", "MA"])
def test_three_hydrogens_of_a_primary_ammonium_look_at_bromides(name: str) -> None:
    built, _ = build_model(replace(SLAB, ligand=name, solvent=()))
    item, xyz = catalogue_molecule(name), built.positions[built.groups["ligand"]]
    hydrogens = [
        i
        for i in item.bonds[(item.bonds == item.anchor).any(axis=1)].ravel()
        if item.elements[i] == "H"
    ]
    assert len(hydrogens) == 3
    assert max(gaps_to(built, "core", "Br", xyz[i])[0] for i in hydrogens) < 0.37


@pytest.mark.parametrize(
    "solvent", one_of_each_kind(SOLVENTS, default=("acetone", "hexane", "water"))
)
def test_every_solvent_fills_the_gap(solvent: str) -> None:
    spec = replace(SLAB, solvent=((solvent, 1.0),), gap_nm=3.4)
    built, check = build_model(spec)
    planned = plan_model(spec)
    assert check.solvent[solvent] >= 0.97 * planned.counts[solvent] - 1
    assert check.closest_contact_nm > MIN_CONTACT_NM
    volume = 2.344**2 * (3.4 - 2 * 0.2) - catalogue_molecule("DA").masses.sum() / (745 * 0.602214)
    density = check.solvent[solvent] * catalogue_molecule(solvent).masses.sum() / 0.602214 / volume
    assert density == pytest.approx(SOLVENTS[solvent].density_kg_m3, rel=0.04)
    assert abs(built.n_atoms - planned.n_atoms) <= 0.03 * planned.n_atoms


def test_groups(model: Model) -> None:
    assert set(model.groups) == set(GROUPS)
    check_groups(model)
    assert len(model.groups["surface"]) == 2 * 32 - 1
    assert len(model.groups["frozen"]) == 3 * 16
    assert {model.elements[i] for i in model.groups["frozen"]} == {"Pb", "Br"}
    assert len(model.groups["ligand"]) == 41 and len(model.groups["tail"]) == 12
    assert np.array_equal(model.groups["charged"], model.groups["ligand"])
    site = model.positions[model.groups["site"]] - model.site_point
    assert site[:, 2] == pytest.approx(0.0)
    assert sorted(np.linalg.norm(site, axis=1))[:4] == pytest.approx(
        [A_NM / np.sqrt(2)] * 4
    )  # four Br around the pocket


def test_solvent_stays_outside_the_crystal(model: Model) -> None:
    heights = np.abs(model.positions[model.groups["solvent"], 2])
    heights = np.minimum(heights, model.box[2] - heights)
    assert heights.min() > A_NM / 2 - 0.05
    mixed, check = build_model(
        replace(CUBE, solvent=(("toluene", 0.6), ("acetone", 0.4)), gap_nm=4.0)
    )
    centres = np.array(
        [
            mixed.positions[r.start : r.stop].mean(axis=0)
            for r in mixed.residues
            if r.name in check.solvent
        ]
    )
    centres -= mixed.box * np.round(centres / mixed.box)
    assert not (np.abs(centres) < 1.5 * A_NM + 0.1).all(axis=1).any()
    litres = {
        name: check.solvent[name]
        * catalogue_molecule(name).masses.sum()
        / SOLVENTS[name].density_kg_m3
        for name in check.solvent
    }
    assert litres["toluene"] / sum(litres.values()) == pytest.approx(0.6, abs=0.02)


def test_methylammonium_fills_its_sites_in_many_orientations() -> None:
    built, check = build_model(
        cut(replace(SLAB, ligand=None, solvent=()), perovskite="MAPbBr3", cells=(4, 4, 2))
    )
    assert check.composition == {"MA": 48, "PB": 32, "BR": 112} and check.closest_contact_nm > 0.17
    cn = [(r.start, r.start + 1) for r in built.residues if r.name == "MA"]
    axes = np.array([built.positions[b] - built.positions[a] for a, b in cn])
    axes /= np.linalg.norm(axes, axis=1)[:, None]
    assert np.linalg.norm(axes.mean(axis=0)) < 0.35  # random directions
    centres = np.array([(built.positions[a] + built.positions[b]) / 2 for a, b in cn])
    assert np.mod(centres[:, :2] / A_NM + 1e-6, 1.0) == pytest.approx(0.0, abs=1e-5)
    assert not np.intersect1d(built.groups["charged"], built.groups["frozen"]).size


def test_minimum_contact_against_all_pairs(model: Model) -> None:
    found, i, j = minimum_contact(model)
    delta = model.positions[:, None] - model.positions[None]
    delta -= model.box * np.round(delta / model.box)
    distance = np.linalg.norm(delta, axis=-1)
    for residue in model.residues:
        distance[residue.start : residue.stop, residue.start : residue.stop] = np.inf
    assert found == pytest.approx(distance.min(), abs=1e-12)
    assert distance[i, j] == pytest.approx(found)


def test_same_seed_same_model_other_seed_other_solvent(model: Model, tmp_path: Path) -> None:
    again, other = build_model(SLAB)[0], build_model(cut(SLAB, seed=12))[0]
    assert np.array_equal(model.positions, again.positions)
    assert not np.array_equal(
        model.groups["solvent"].shape, other.groups["solvent"].shape
    ) or not np.array_equal(model.positions, other.positions)
    for name, item in (("a", model), ("b", again)):
        (tmp_path / name).mkdir()
        write_model(item, tmp_path / name)
    assert (tmp_path / "a" / "model.cif").read_bytes() == (
        tmp_path / "b" / "model.cif"
    ).read_bytes()


def test_round_trip_through_files(model: Model, tmp_path: Path) -> None:
    write_model(model, tmp_path)
    back = read_model(tmp_path)
    assert back.positions == pytest.approx(model.positions, abs=1e-6) and back.box == pytest.approx(
        model.box
    )
    assert back.elements == model.elements and back.names == model.names
    assert [(r.name, r.start, r.stop) for r in back.residues] == [
        (r.name, r.start, r.stop) for r in model.residues
    ]
    assert np.array_equal(np.unique(back.bonds, axis=0), np.unique(model.bonds, axis=0))
    for name in GROUPS:
        assert np.array_equal(back.groups[name], model.groups[name])
    assert back.site_point == pytest.approx(model.site_point) and back.site_normal == pytest.approx(
        model.site_normal
    )


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from(["CsPbBr3", "MAPbBr3"]),
    st.sampled_from([("slab", "AX"), ("slab", "BX2"), ("cuboid", "AX")]),
    st.tuples(st.integers(3, 4), st.integers(3, 4), st.integers(1, 3)),
    st.dictionaries(
        st.sampled_from(["butylammonium", "valerate", "cysteine", "hydrogen-methylphosphonate"]),
        st.floats(0, 0.15),
        max_size=3,
    ),
    st.integers(1, 999),
)
def test_any_small_coated_crystal_is_neutral_and_free_of_overlap(
    perovskite: str, shape: tuple, cells: tuple, coats: dict, seed: int
) -> None:
    crystal = CrystalSpec(perovskite, shape[0], cells, shape[1], A_NM, seed=seed)
    spec = ModelSpec(
        crystal,
        None,
        "face",
        (),
        4.0,
        tuple(Coat("all", name, part) for name, part in coats.items()),
    )
    try:
        built, check = build_model(spec)
    except ValueError as error:
        assert any(
            words in str(error) for words in ("cannot both fit", "no free", "does not fit")
        ), error
        return
    assert check.formal_charge == 0 and check.closest_contact_nm > 0.16
    assert sum(check.bound.values()) == len(built.groups["coating_anchor"])


def test_dissolved_salt_is_in_the_ledger() -> None:
    built, check = build_model(
        replace(SLAB, dissolved=(("octylammonium", 2), ("Br", 2)), gap_nm=4.0)
    )
    assert check.dissolved == {"octylammonium": 2, "Br": 2} and check.charge_of_dissolved == 0
    assert len(built.groups["counterion"]) == 2 * 29 + 2
    assert len(built.groups["charged"]) == 41 + 2 * 29


def test_full_coverage_of_a_crowded_ligand_builds_or_says_how_much_does() -> None:
    cube = cut(replace(CUBE, ligand=None, gap_nm=6.0), cells=(2, 2, 2))
    _, check = build_model(replace(cube, coating=(Coat("all", "DDA", 1.0),)))
    assert check.bound == {"DDA": 19} and check.closest_contact_nm > 0.16
    slab = cut(replace(SLAB, ligand=None, solvent=(), gap_nm=6.0), cells=(3, 3, 1))
    with pytest.raises(
        ValueError,
        match=(
            r"DDA on the face A site at .* and .* cannot both fit .* \d+ of 18 ligands fit without"
            r" an overlap"
        ),
    ):
        build_model(replace(slab, coating=(Coat("all", "DDA", 1.0),)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gap_nm": 2.0}, r"gap_nm = 2 is too small: .* set gap_nm to 2.9 or more"),
        ({"ligand": "DAA"}, r"no ligand 'DAA'; choose one of DA, .*\[ligands.DAA\]"),
        (
            {"solvent": (("benzene", 1.0),)},
            "solvent 'benzene': there is no such solvent; choose one of acetone",
        ),
        ({"solvent": (("acetone", 0.5), ("toluene", 0.3))}, "sum to 0.8: make it 1"),
        (
            {"solvent": (("acetone", 1.5), ("toluene", -0.5))},
            "acetone = 1.5 is not a volume fraction",
        ),
        ({"coating": (Coat("face", "Cs", 0.5),)}, "keep the ions of the crystal: leave Cs out"),
        ({"coating": (Coat("face", "DA", 1.2),)}, "a coverage is a fraction between 0.0 and 1.0"),
        (
            {"dissolved": (("DA", 2),)},
            r"2 DA sum to \+2 e.* add counter-ions, for example 2 more Br",
        ),
        ({"dissolved": (("K", 1),)}, "there is no ion or ligand 'K'"),
        ({"solvent": (), "dissolved": (("DA", 1), ("Br", 1))}, "dissolved needs a solvent"),
    ],
)
def test_bad_input_is_refused_before_anything_is_built(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_model(replace(SLAB, **changes), 0.9)


def test_the_advised_gap_is_enough() -> None:
    with pytest.raises(ValueError) as error:
        check_model(replace(SLAB, gap_nm=2.0), 0.9)
    check_model(
        replace(SLAB, gap_nm=float(str(error.value).split("set gap_nm to ")[1].split()[0])), 0.9
    )


@pytest.mark.parametrize("name", one_of_each_kind(LIGANDS, default=LIGAND_KINDS))
def test_heads_are_one_per_site_of_the_mode(name: str) -> None:
    sites = MODES[LIGANDS[name].mode].sites
    assert len(catalogue_molecule(name).heads) == len(sites)


@pytest.mark.parametrize(("ion", "charge"), [("Cs", 1), ("Br", -1)])
def test_an_ion_of_the_crystal_is_a_ligand_on_its_own_site(ion: str, charge: int) -> None:
    """The atoms are those of the bare slab in its solvent, in other groups."""
    built, check = build_model(replace(SLAB, ligand=ion))
    bare, bare_check = build_model(replace(SLAB, ligand=None))
    assert check.n_atoms == bare_check.n_atoms
    assert check.composition == bare_check.composition
    assert sorted(map(tuple, built.positions)) == sorted(map(tuple, bare.positions))
    assert check.bound == check.replaced == {ion: 1}
    assert check.charge_of_bound == check.charge_of_replaced == charge
    assert (check.formal_charge, check.anchor_height_nm) == (0, 0.0)
    (atom,) = built.groups["ligand"]
    assert built.elements[atom] == ion and built.groups["anchor"].tolist() == [atom]
    assert built.positions[atom] == pytest.approx(built.site_point)
    assert built.site_normal == pytest.approx((0, 0, 1))
    for group in ("core", "surface"):
        assert len(built.groups[group]) == len(bare.groups[group]) - 1
    assert len(built.groups["frozen"]) == len(bare.groups["frozen"]) > 0
    assert not len(built.groups["charged"]) and not len(built.groups["tail"])


def test_an_ion_of_the_crystal_has_the_site_of_a_molecule(model: Model) -> None:
    built, _ = build_model(replace(SLAB, ligand="Cs"))
    assert built.site_point == pytest.approx(model.site_point)
    assert built.groups["site"].tolist() == model.groups["site"].tolist()


def test_ions_of_the_crystal_on_both_faces_in_pairs_and_beside_a_coating() -> None:
    slab = cut(replace(SLAB, ligand="Cs", gap_nm=3.2, faces=2), cells=(4, 4, 2))
    built, check = build_model(replace(slab, leaving="ion_pair"))
    assert check.bound == {"Cs": 2} and len(built.groups["partner"]) == 2
    heights = np.diff(built.positions[built.groups["anchor"]], axis=0)[0]
    assert np.abs(heights) == pytest.approx((0, 0, 2 * A_NM), abs=1e-6)
    coats = (Coat("face", "MA", 0.2),)
    salt = (("Cs", 1), ("Br", 1))
    built, check = build_model(replace(SLAB, ligand="Cs", coating=coats, dissolved=salt))
    assert check.bound == {"Cs": 1, "MA": 6} and check.dissolved == {"Cs": 1, "Br": 1}
    assert len(built.groups["ligand"]) == 1 and len(built.groups["counterion"]) == 2


def test_an_ion_of_a_cuboid_leaves_its_site_vacant_for_others() -> None:
    built, check = build_model(replace(CUBE, ligand="Cs", site="edge"))
    assert check.bound == {"Cs": 1} and check.formal_charge == 0
    apart = np.linalg.norm(built.vacant["CS"] - built.site_point, axis=1)
    assert apart.min() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("perovskite", "name", "expected"),
    [
        ("CsPbBr3", "Pb", "Pb does not sit on an A or X site of CsPbBr3 (Cs and Br do)"),
        ("CsPbBr3", "I", "I does not sit on an A or X site of CsPbBr3 (Cs and Br do)"),
        ("MAPbBr3", "Cs", "Cs does not sit on an A or X site of MAPbBr3 (MA and Br do)"),
    ],
)
def test_an_ion_of_another_crystal_is_refused(perovskite: str, name: str, expected: str) -> None:
    with pytest.raises(ValueError, match=re.escape(expected)):
        check_model(cut(replace(SLAB, ligand=name), perovskite=perovskite))
