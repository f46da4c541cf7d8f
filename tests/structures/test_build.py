"""Whole models: neutral, without overlap, every atom in its group, the same twice, and back from disk."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from structures.build import SlabSpec, build, check_spec, expected_atoms
from structures.model import GROUPS, Model, check_groups, minimum_contact, read_model, write_model
from structures.molecules import molecule
from structures.rows import LIGANDS, SOLVENTS
from structures.solvate import solvent_count

SPEC = SlabSpec("CsPbBr3", (4, 4, 1), "AX", "DA", "acetone", 2.9, 0.583, 11)


@pytest.fixture(scope="module")
def model() -> Model:
    return build(SPEC)[0]


@pytest.mark.parametrize("solvent", SOLVENTS)
@pytest.mark.parametrize("ligand", LIGANDS)
def test_every_ligand_in_every_solvent(ligand: str, solvent: str) -> None:
    spec = replace(SPEC, ligand=ligand, solvent=solvent)
    built, check = build(spec)
    assert check.formal_charge == 0
    assert check.removed == {"Cs": 1} and check.added[ligand] == 1
    assert check.ions == {"Cs": 31, "Pb": 16, "Br": 64}
    assert check.closest_contact_nm > 0.18
    assert built.n_atoms == expected_atoms(spec) == 111 + molecule(ligand).n_atoms + check.n_solvent * molecule(solvent).n_atoms
    height = built.positions[built.groups["anchor"][0]] - built.site_point
    assert height[:2] == pytest.approx(0.0, abs=1e-9) and 0.0 <= height[2] <= 0.3
    tail_top = built.positions[built.groups["tail"], 2].max()
    assert tail_top > built.site_point[2] + 1.0


def test_groups(model: Model) -> None:
    assert set(model.groups) == set(GROUPS)
    check_groups(model)
    assert len(model.groups["surface"]) == 2 * 32 - 1
    assert len(model.groups["frozen"]) == 3 * 16
    assert {model.elements[i] for i in model.groups["frozen"]} == {"Pb", "Br"}
    assert len(model.groups["ligand"]) == 41 and len(model.groups["tail"]) == 12
    site = model.positions[model.groups["site"]] - model.site_point
    assert site[:, 2] == pytest.approx(0.0)
    assert sorted(np.linalg.norm(site, axis=1))[:4] == pytest.approx([0.583 / np.sqrt(2)] * 4)  # four Br around the pocket


def test_solvent_stays_outside_the_crystal(model: Model) -> None:
    heights = np.abs(model.positions[model.groups["solvent"], 2] - model.box[2] / 2)
    assert heights.max() <= (model.box[2] - 0.583) / 2 - 0.15


def test_minimum_contact_against_all_pairs(model: Model) -> None:
    found, i, j = minimum_contact(model)
    delta = model.positions[:, None] - model.positions[None]
    delta -= model.box * np.round(delta / model.box)
    distance = np.linalg.norm(delta, axis=-1)
    for residue in model.residues:
        distance[residue.start : residue.stop, residue.start : residue.stop] = np.inf
    assert found == pytest.approx(distance.min(), abs=1e-12)
    assert distance[i, j] == pytest.approx(found)


def test_same_seed_same_model_other_seed_other_solvent(model: Model) -> None:
    again, other = build(SPEC)[0], build(replace(SPEC, seed=12))[0]
    assert np.array_equal(model.positions, again.positions)
    assert not np.array_equal(model.positions, other.positions)


def test_round_trip(model: Model, tmp_path: Path) -> None:
    write_model(model, tmp_path)
    back = read_model(tmp_path)
    assert back.positions == pytest.approx(model.positions, abs=6e-7)
    assert back.elements == model.elements and back.names == model.names
    assert [(r.name, r.start, r.stop) for r in back.residues] == [(r.name, r.start, r.stop) for r in model.residues]
    assert {tuple(sorted(b)) for b in back.bonds} == {tuple(sorted(b)) for b in model.bonds}
    assert back.box == pytest.approx(model.box) and back.site_point == pytest.approx(model.site_point)
    for name in GROUPS:
        assert np.array_equal(back.groups[name], model.groups[name])


def test_check_groups_finds_an_atom_in_two_groups(model: Model) -> None:
    groups = model.groups | {"counterion": np.array([0])}
    with pytest.raises(ValueError, match="atom 0"):
        check_groups(replace(model, groups=groups))


def test_gap_too_small_for_the_tail_names_the_size_that_works() -> None:
    with pytest.raises(ValueError, match="gap_nm = 2.0 is too small for DA") as error:
        check_spec(replace(SPEC, gap_nm=2.0), 0.9)
    advised = float(str(error.value).split("set gap_nm to ")[1].split()[0])
    check_spec(replace(SPEC, gap_nm=advised), 0.9)


def test_solvent_count_is_the_density() -> None:
    assert solvent_count(100.0, molecule("acetone"), 784.5) == pytest.approx(100 * 784.5 / 58.08 * 0.60221, abs=1)


def test_a_ligand_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="more cells"):
        build(replace(SPEC, cells=(1, 1, 1), ligand="DDA"))
