"""Coverages, cocktails and patterns: how many, where, and what each ligand takes away."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halobind.structures.crystals.coating import (
    PATTERNS,
    Coat,
    HeadSite,
    all_ligands,
    check_coating,
    choose_sites,
    head_roles,
)
from halobind.structures.crystals.crystal import (
    Crystal,
    CrystalSpec,
    central_site,
    charge_of,
    make_crystal,
)
from halobind.structures.molecules.catalogue import LIGANDS, Ligand


def cut(shape: str, cells: tuple[int, int, int], termination: str = "AX") -> Crystal:
    return make_crystal(CrystalSpec("CsPbBr3", shape, cells, termination, 0.586))


def pick(
    crystal: Crystal,
    coats: tuple[Coat, ...],
    pattern: str = "uniform",
    seed: int = 1,
    probe: str | None = None,
):
    start: tuple[HeadSite, ...] = ()
    if probe:
        role = head_roles(LIGANDS[probe], crystal)[0]
        start = (HeadSite(probe, central_site(crystal, role, "face")),)
    return choose_sites(crystal, start, coats, ligands=LIGANDS, pattern=pattern, seed=seed)


def points(crystal: Crystal, bounds: list, name: str) -> np.ndarray:
    return np.array(
        [crystal.sites[bound.sites[0]].point for bound in bounds if bound.ligand == name]
    )


@pytest.mark.parametrize(
    ("name", "termination", "taken"),
    [
        ("DA", "AX", ["Cs"]),
        ("oleate", "AX", ["Br"]),
        ("hydrogen-methylphosphonate", "AX", ["Br"]),
        ("methylphosphonate", "AX", ["Br", "Br"]),
        ("octylamine", "AX", ["Br", "Cs"]),
        ("octylamine", "BX2", []),
        ("lysine", "AX", ["Cs", "Br"]),
        ("phosphocholine", "BX2", ["Cs", "Br"]),
    ],
)
def test_what_a_ligand_takes_the_place_of(name: str, termination: str, taken: list[str]) -> None:
    crystal = cut("slab", (4, 4, 2), termination)
    (bound,) = pick(crystal, (), probe=name)
    assert [crystal.species[i] for i in bound.removed] == taken
    gone = np.array([crystal.positions[i] for i in bound.removed]).reshape(-1, 3)
    if len(gone) == 2:
        assert np.linalg.norm(crystal.delta(gone[1], gone[0])) == pytest.approx(
            0.586 / (1 if taken[0] == taken[1] else np.sqrt(2))
        )


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(
        [
            ("slab", (4, 4, 1), "AX"),
            ("slab", (3, 4, 2), "BX2"),
            ("cuboid", (4, 4, 4), "AX"),
            ("cuboid", (3, 5, 2), "AX"),
        ]
    ),
    st.lists(
        st.tuples(st.sampled_from(sorted(LIGANDS)), st.floats(0, 0.2)),
        max_size=4,
        unique_by=lambda pair: pair[0],
    ),
    st.sampled_from(sorted(PATTERNS)),
    st.integers(0, 1000),
)
def test_any_cocktail_is_neutral_and_no_site_is_used_twice(
    shape: tuple, wanted: list, pattern: str, seed: int
) -> None:
    crystal = cut(*shape)
    coats = tuple(Coat("all", name, amount) for name, amount in wanted)
    check_coating(coats, LIGANDS, pattern)
    try:
        bounds = pick(crystal, coats, pattern, seed)
    except ValueError as error:
        assert "no free" in str(error) and "ask for a lower coverage" in str(
            error
        )  # a patch may leave a zwitterion without a partner
        return
    gone = [i for bound in bounds for i in bound.removed]
    sites = [i for bound in bounds for i in bound.sites]
    assert len(set(gone)) == len(gone) and len(set(sites)) == len(sites)
    charge = sum(LIGANDS[bound.ligand].charge for bound in bounds) - sum(
        charge_of(crystal.species[i]) for i in gone
    )
    assert charge == 0
    assert [bound.sites for bound in pick(crystal, coats, pattern, seed)] == [
        bound.sites for bound in bounds
    ]


def test_fractions_and_counts_by_kind() -> None:
    crystal = cut("cuboid", (5, 5, 5))
    assert {(s.role, s.kind) for s in crystal.sites} == {
        ("A", "face"),
        ("A", "edge"),
        ("X", "face"),
    }  # 96, 40 and 150 of them
    bounds = pick(
        crystal,
        (
            Coat("face", "DA", 0.5),
            Coat("face", "DDA", 0.5),
            Coat("edge", "DMDDA", 7),
            Coat("face", "oleate", 0.1),
        ),
    )
    assert Counter(b.ligand for b in bounds) == {"DA": 48, "DDA": 48, "DMDDA": 7, "oleate": 15}
    assert {crystal.sites[b.sites[0]].kind for b in bounds if b.ligand == "DMDDA"} == {"edge"}
    thirds = pick(crystal, tuple(Coat("all", name, 1 / 3) for name in ("DA", "DDA", "DMDDA")))
    assert (
        len(thirds) == 136 and max(Counter(b.ligand for b in thirds).values()) == 46
    )  # all of them, one more for a third


def test_uniform_is_wider_than_random_and_segmented_is_one_patch() -> None:
    crystal = cut("slab", (8, 8, 1))

    def nearest(pattern: str) -> float:
        xyz = points(crystal, pick(crystal, (Coat("all", "DA", 0.25),), pattern), "DA")
        gaps = np.linalg.norm(crystal.delta(xyz[None], xyz[:, None]), axis=-1)
        return float(np.sort(gaps, axis=1)[:, 1].mean())

    assert nearest("uniform") > 1.1 * nearest("random")
    bounds = pick(crystal, (Coat("all", "DA", 0.5), Coat("all", "DDA", 0.5)), "segmented")
    patches = []
    for site in crystal.sites:  # some centre has every DA nearer than every DDA
        reach = {
            name: np.linalg.norm(crystal.delta(points(crystal, bounds, name), site.point), axis=1)
            for name in ("DA", "DDA")
        }
        patches.append(reach["DA"].max() <= reach["DDA"].min() + 1e-9)
    assert any(patches)


def test_the_probe_comes_first_and_keeps_its_site() -> None:
    crystal = cut("slab", (4, 4, 1))
    bounds = pick(crystal, (Coat("all", "DA", 1.0),), probe="DMDDA")
    assert [b.ligand for b in bounds[:2]] == ["DMDDA", "DA"] and len(bounds) == 32
    assert crystal.sites[bounds[0].sites[0]].normal == pytest.approx((0, 0, 1))


@pytest.mark.parametrize(
    ("coats", "message"),
    [
        (
            (Coat("all", "DA", 0.6), Coat("all", "DDA", 0.6)),
            r"fractions on A sites add up to 1.2: lower them to 1.0",
        ),
        ((Coat("face", "DA", 1),), "write 1.0 for every site"),
        ((Coat("face", "DA", -2),), "cannot be negative"),
        ((Coat("face", "DA", 1.5),), "fraction between 0.0 and 1.0"),
        ((Coat("top", "DA", 0.5),), "'top' is not one of face, edge, corner, all"),
        ((Coat("all", "DAA", 0.5),), r"no ligand 'DAA'; give its SMILES in \[ligands.DAA\]"),
        ((Coat("all", "DA", 33),), "ask for 33 A sites but 32 are free"),
        ((Coat("edge", "DA", 0.5),), r"no A site of this kind here \(A: 32 face; X: 32 face\)"),
        (
            (Coat("all", "octylamine", 1.0), Coat("all", "DA", 0.2)),
            "octylamine: no free A site is left beside its own",
        ),
        (
            (Coat("all", "lysine", 1.0), Coat("all", "oleate", 0.5)),
            "lysine: no free X site is left",
        ),
    ],
)
def test_impossible_coatings_are_refused(coats: tuple[Coat, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_coating(coats, LIGANDS, "uniform")
        pick(cut("slab", (4, 4, 1)), coats)


def test_a_name_is_taken_once() -> None:
    assert "mine" in all_ligands({"mine": Ligand("CC[NH3+]", "cation", 1, "ethylammonium")})
    with pytest.raises(ValueError, match=r"\[ligands.DA\]: DA is a ligand of halobind"):
        all_ligands({"DA": Ligand("CC[NH3+]", "cation", 1, "ethylammonium")})
    with pytest.raises(
        ValueError, match="pattern = 'striped' is not one of uniform, random, segmented"
    ):
        check_coating((), LIGANDS, "striped")
