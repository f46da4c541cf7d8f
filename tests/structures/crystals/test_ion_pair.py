"""Ligands on both faces, ions that leave with a ligand, and sites of clusters: what is built, and
what is refused.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from halobind.structures.assembly.build import (
    ModelSpec,
    build_model,
    check_model,
    plan_model,
    reach_limit,
)
from halobind.structures.crystals.coating import Coat
from halobind.structures.crystals.crystal import CrystalSpec
from halobind.structures.crystals.ion_pair import check_solvent, permittivity
from halobind.structures.models.model import read_model, residues_with, write_model
from halobind.structures.molecules.catalogue import LIGANDS, SOLVENTS

A_NM = 0.586
SLAB = ModelSpec(
    CrystalSpec("CsPbBr3", "slab", (4, 4, 2), "AX", A_NM, seed=3), "MA", "face", (), 4.5
)
CUBE = ModelSpec(
    CrystalSpec("CsPbBr3", "cuboid", (3, 3, 3), "AX", A_NM, "edge", 5), "MA", "face", (), 5.0
)


def cut(spec: ModelSpec, **changes: object) -> ModelSpec:
    return replace(spec, crystal=replace(spec.crystal, **changes))


@pytest.mark.parametrize(
    "spec",
    [
        replace(SLAB, ligand="DA"),
        replace(SLAB, ligand="oleate"),
        cut(replace(SLAB, ligand="octylamine"), termination="BX2"),
        cut(SLAB, perovskite="MAPbBr3"),
    ],
    ids=["DA", "oleate", "octylamine", "MA"],
)
def test_both_faces_are_mirror_images(spec: ModelSpec, tmp_path: Path) -> None:
    model, check = build_model(replace(spec, faces=2))
    assert check.formal_charge == 0 and check.bound == {spec.ligand: 2}
    assert (
        model.site_points[1] == pytest.approx(model.site_points[0] * (1, 1, -1))
        and model.site_points[0, 2] > 0.2
    )
    assert model.site_normals.tolist() == [[0, 0, 1], [0, 0, -1]]
    whole = residues_with(model, model.groups["anchor"])
    assert (
        np.array_equal(np.concatenate(whole), model.groups["ligand"])
        and len(model.groups["anchor"]) == 2
    )
    heights = (
        (model.positions[model.groups["anchor"]] - model.site_points) * model.site_normals
    ).sum(axis=1)
    assert heights == pytest.approx(
        np.full(2, check.anchor_height_nm), abs=0.1
    )  # where each found its own lowest place
    for atoms, point, normal in zip(whole, model.site_points, model.site_normals, strict=True):
        assert ((model.positions[atoms] - point) @ normal).max() > 0.1  # both stand outside
    write_model(model, tmp_path)
    back = read_model(tmp_path)
    assert np.array_equal(back.site_points, model.site_points) and np.array_equal(
        back.site_normals, model.site_normals
    )
    assert {name: index.tolist() for name, index in back.groups.items()} == {
        name: index.tolist() for name, index in model.groups.items()
    }


def test_fractions_count_the_sites_that_both_ligands_leave() -> None:
    planned = plan_model(replace(SLAB, faces=2, coating=(Coat("face", "butylammonium", 1.0),)))
    assert planned.probes == 2 and len(planned.bounds) == 2 + 30
    assert len({bound.sites for bound in planned.bounds}) == 32


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (replace(SLAB, faces=3), "faces = 3 is not 1 or 2"),
        (replace(SLAB, faces=2, ligand=None), "faces = 2 needs a ligand: use faces = 1"),
        (replace(CUBE, faces=2), "faces = 2 needs a slab, and this is a cuboid: use faces = 1"),
        (
            cut(replace(SLAB, faces=2), termination="BX2", cells=(4, 4, 1)),
            "the other face has no face A site like this one",
        ),
        (replace(SLAB, leaving="alone"), "leaving = 'alone' is not one of cation, ion_pair"),
        (
            replace(SLAB, leaving="ion_pair", ligand="octylamine"),
            "octylamine of +0 e is neutral and leaves alone",
        ),
        (replace(SLAB, leaving="ion_pair", ligand="sulfobetaine"), "neutral and leaves alone"),
        (
            replace(SLAB, leaving="ion_pair", ligand="methylphosphonate"),
            "-2 e would need more than one ion of the other sign",
        ),
        (
            cut(replace(CUBE, leaving="ion_pair", site="corner"), cells=(1, 1, 1)),
            "no halide of the surface is next to the corner A site",
        ),
        (
            replace(SLAB, leaving="ion_pair", coating=(Coat("face", "benzoate", 1.0),)),
            "no halide of the surface is next to the face A site of the ligand",
        ),
        (
            replace(CUBE, site="corner", crystal=replace(CUBE.crystal, vacancies="corner")),
            'with vacancies = "edge" elsewhere',
        ),
    ],
)
def test_what_cannot_be_is_refused_before_building(spec: ModelSpec, expected: str) -> None:
    with pytest.raises(ValueError) as error:
        check_model(spec)
        plan_model(spec)
    assert expected in str(error.value)


def test_two_unbound_ligands_need_room() -> None:
    """Heads at 1 nm, tails of MA on both sides, the cutoff between them: the advice works."""
    spec, reach, cutoff = replace(SLAB, faces=2, gap_nm=3.0), 1.0, 0.9
    with pytest.raises(
        ValueError, match=r"gap_nm = 3 is too small for faces = 2.* set gap_nm to (\d\.\d) or more"
    ) as error:
        check_model(spec, reach, cutoff)
    advised = float(str(error.value).split("set gap_nm to ")[1].split(" or")[0])
    check_model(replace(spec, gap_nm=advised), reach, cutoff)
    assert advised == pytest.approx(2 * (reach + 0.2) + cutoff, abs=0.12)
    check_model(replace(spec, faces=1), reach, cutoff)


@pytest.mark.parametrize(("site", "slope"), [("face", 1.0), ("edge", 2**-0.5), ("corner", 3**-0.5)])
def test_the_gap_of_a_cluster_follows_the_normal(site: str, slope: float) -> None:
    """A path of 2 nm along a diagonal gets 2/sqrt(2) or 2/sqrt(3) nm along each axis; at the
    advised gap the images are apart.
    """
    spec = replace(CUBE, site=site, gap_nm=0.5)
    with pytest.raises(ValueError) as error:
        check_model(spec, 2.0)
    advised = float(str(error.value).split("set gap_nm to ")[1].split(" or")[0])
    assert advised == pytest.approx(2 * (2.0 * slope + 0.3), abs=0.101)
    check_model(replace(spec, gap_nm=advised), 2.0)
    planned = plan_model(replace(spec, gap_nm=advised))
    head = planned.crystal.sites[planned.bounds[0].sites[0]]
    shifts = planned.box * np.stack(np.meshgrid(*[(-1, 0, 1)] * 3), axis=-1).reshape(-1, 3)
    images = (planned.crystal.positions[:, None] + shifts[(shifts != 0).any(axis=1)]).reshape(-1, 3)
    away = head.point + 2.0 * head.normal
    assert (
        np.linalg.norm(images - away, axis=1).min() > 2.0 * slope + 0.29
    )  # farther than its own crystal is along an axis


@pytest.mark.parametrize(
    "spec",
    [SLAB, replace(SLAB, faces=2), replace(SLAB, coating=(Coat("face", "butylammonium", 4),))],
)
def test_the_greatest_height_is_the_last_that_is_not_refused(spec: ModelSpec) -> None:
    for found in (spec, replace(CUBE, site="edge"), replace(CUBE, site="corner")):
        limit = reach_limit(found, 1.0)
        check_model(found, limit - 1e-6, 1.0)
        with pytest.raises(ValueError, match="gap_nm = .* is too small"):
            check_model(found, limit + 1e-6, 1.0)


@pytest.mark.parametrize("ligand", ["DA", "octanoate"])
@pytest.mark.parametrize("faces", [1, 2])
def test_an_ion_of_the_other_sign_leaves_from_beside_each_head(ligand: str, faces: int) -> None:
    model, check = build_model(replace(SLAB, ligand=ligand, faces=faces, leaving="ion_pair"))
    element = "Br" if LIGANDS[ligand].charge > 0 else "Cs"
    partners = model.groups["partner"]
    assert check.formal_charge == 0 and [model.elements[i] for i in partners] == [element] * faces
    assert (
        np.isin(partners, model.groups["site"]).all()
        and not np.isin(partners, model.groups["frozen"]).any()
    )
    for anchor, point in zip(model.groups["anchor"], model.site_points, strict=True):
        own = [i for i in partners if np.sign(model.positions[i, 2]) == np.sign(point[2])]
        assert (
            len(own) == 1
            and np.linalg.norm(model.positions[own[0]] - model.positions[anchor]) < 0.5
        )
    assert not len(build_model(replace(SLAB, ligand=ligand, faces=faces))[0].groups["partner"])


def test_the_partner_of_an_anion_on_a_molecular_a_site_is_its_head() -> None:
    model, _ = build_model(
        replace(cut(SLAB, perovskite="MAPbBr3"), ligand="octanoate", leaving="ion_pair")
    )
    assert [model.elements[i] for i in model.groups["partner"]] == ["N"]


def test_ions_alone_are_refused_where_solvents_do_not_part_them() -> None:
    assert permittivity({"toluene": 0.7, "acetone": 0.3}) == pytest.approx(
        0.7 * 2.379 + 0.3 * 21.01
    )
    low = {name for name in SOLVENTS if permittivity({name: 1.0}) < 10}
    assert low == {"toluene", "hexane", "octane", "1-octadecene", "chloroform"}
    for name in low:
        for ligand in ("DA", "oleate"):
            with pytest.raises(
                ValueError,
                match=rf'cannot leave alone into {name} .*set \[coordinate\] leaving = "ion_pair"',
            ):
                check_solvent("cation", ligand, LIGANDS[ligand], {name: 1.0})
            check_solvent("ion_pair", ligand, LIGANDS[ligand], {name: 1.0})
        check_solvent("cation", "octylamine", LIGANDS["octylamine"], {name: 1.0})
    check_solvent("cation", "DA", LIGANDS["DA"], {"acetone": 0.5, "toluene": 0.5})
    with pytest.raises(ValueError, match="use a polar solvent"):
        check_solvent(
            "cation",
            "methylphosphonate",
            LIGANDS["methylphosphonate"],
            {"toluene": 0.8, "acetone": 0.2},
        )


@pytest.mark.parametrize("name", SOLVENTS)
def test_every_permittivity_has_a_source(name: str) -> None:
    assert 1.5 < SOLVENTS[name].permittivity < 90 and SOLVENTS[name].permittivity_source
