"""Solvent by tiling: counts, contacts, seams and mixtures."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from halobind.structures.assembly.liquid_boxes import load_liquid
from halobind.structures.assembly.solvate import (
    Copies,
    check_recipe,
    fill_solvent,
    molecules_per_nm3,
    solvent_counts,
)
from halobind.structures.molecules.catalogue import SOLVENTS
from halobind.structures.molecules.molecule import catalogue_molecule
from halobind.structures.molecules.periodic import minimum_image, wrap
from halobind.structures.molecules.radii import CONTACT_RADII
from tests.rings import one_of_each_kind


def fill_empty(
    box: np.ndarray, block: np.ndarray, counts: dict[str, int], seed: int
) -> list[Copies]:
    """A box of solvent without a solute."""
    return fill_solvent((), np.zeros((0, 3)), box=box, block=block, counts=counts, seed=seed)


def closest(filled: list[Copies], box: np.ndarray) -> float:
    """The shortest contact between molecules as a fraction of the sum of the radii, over all
    periodic boundaries.
    """
    parts = [copies.positions for copies in filled]
    items = [copies.molecule for copies in filled]
    xyz = wrap(np.concatenate([part.reshape(-1, 3) for part in parts]), box)
    radii = np.concatenate(
        [
            np.tile([CONTACT_RADII[e] for e in item.elements], len(part))
            for item, part in zip(items, parts, strict=True)
        ]
    )
    sizes = np.repeat([item.n_atoms for item in items], [len(part) for part in parts])
    owner = np.repeat(np.arange(len(sizes)), sizes)
    pairs = cKDTree(xyz, boxsize=box).query_pairs(0.28, output_type="ndarray")
    pairs = pairs[owner[pairs[:, 0]] != owner[pairs[:, 1]]]
    delta = minimum_image(xyz[pairs[:, 0]] - xyz[pairs[:, 1]], box)
    return float((np.linalg.norm(delta, axis=1) / (radii[pairs[:, 0]] + radii[pairs[:, 1]])).min())


@pytest.mark.parametrize("name", SOLVENTS)
def test_shipped_liquids_have_the_density_of_the_real_ones(name: str) -> None:
    liquid, item = load_liquid(name), catalogue_molecule(name)
    off = liquid.density_kg_m3 / SOLVENTS[name].density_kg_m3 - 1
    assert abs(off) < 0.03
    assert len(liquid.positions) / liquid.edge_nm**3 == pytest.approx(
        molecules_per_nm3(item, liquid.density_kg_m3), rel=0.05
    )
    assert (
        closest([Copies(item, liquid.positions)], np.full(3, liquid.edge_nm)) > 0.5
    )  # as hydrogen bonds are; no overlap over the boundary
    lengths = np.linalg.norm(
        liquid.positions[:, item.bonds[:, 0]] - liquid.positions[:, item.bonds[:, 1]], axis=-1
    )
    assert lengths.min() > 0.09 and lengths.max() < 0.2
    centres = liquid.positions.mean(axis=1)
    assert (centres > -0.01).all() and (centres < liquid.edge_nm + 0.01).all()


@pytest.mark.parametrize("name", one_of_each_kind(SOLVENTS, default=("acetone", "hexane", "water")))
def test_a_box_of_every_solvent_holds_its_count(name: str) -> None:
    box, block = np.array([3.3, 3.0, 3.6]), np.zeros(3)
    counts = solvent_counts(0.0, box, block, {name: 1.0})
    assert counts[name] == int(
        np.prod(box) * molecules_per_nm3(catalogue_molecule(name), SOLVENTS[name].density_kg_m3)
    )
    filled = fill_empty(box, block, counts, 1)
    assert len(filled[0].positions) >= 0.97 * counts[name]
    assert closest(filled, box) > 0.72


@pytest.mark.parametrize("name", one_of_each_kind(["toluene", "1-octadecene"], default=["toluene"]))
def test_three_thin_seams_are_made_up_for(name: str) -> None:
    """A cube just over two tiles wide, the worst place for a cut: stiff rings and long chains still
    reach their count.
    """
    box, block = np.full(3, 5.0), np.zeros(3)
    counts = solvent_counts(0.0, box, block, {name: 1.0})
    filled = fill_empty(box, block, counts, 1)
    assert 0.97 * counts[name] <= len(filled[0].positions) <= counts[name]
    assert closest(filled, box) > 0.72
    item, tile = catalogue_molecule(name), load_liquid(name).positions

    def lengths(xyz: np.ndarray) -> np.ndarray:
        return np.linalg.norm(xyz[:, item.bonds[:, 0]] - xyz[:, item.bonds[:, 1]], axis=-1)

    assert (lengths(filled[0].positions).max(axis=0) < 1.02 * lengths(tile).max(axis=0)).all()
    assert (lengths(filled[0].positions).min(axis=0) > 0.98 * lengths(tile).min(axis=0)).all()


def test_the_block_stays_empty_across_the_boundary() -> None:
    box, block = np.array([2.34, 2.34, 4.8]), np.array([np.inf, np.inf, 1.08])
    counts = solvent_counts(0.5, box, block, {"toluene": 1.0})
    filled = fill_empty(box, block, counts, 3)
    assert len(filled[0].positions) >= 0.97 * counts["toluene"]
    heights = np.abs(minimum_image(filled[0].positions.mean(axis=1), box)[:, 2])
    assert heights.min() > 1.0
    again = fill_empty(box, block, counts, 3)
    other = fill_empty(box, block, counts, 4)
    assert np.array_equal(filled[0].positions, again[0].positions)
    assert other[0].positions.shape != filled[0].positions.shape or not np.array_equal(
        other[0].positions, filled[0].positions
    )


def test_a_mixture_has_its_volume_fractions_and_clears_the_solute() -> None:
    box, block = np.full(3, 3.4), np.zeros(3)
    elements = ("Cs", "Br")
    solute = np.array([[1.0, 1.0, 1.0], [3.3, 0.1, 2.0]])
    recipe = {"toluene": 0.5, "acetone": 0.3, "hexane": 0.2}
    counts = solvent_counts(0.0, box, block, recipe)
    filled = fill_solvent(elements, solute, box=box, block=block, counts=counts, seed=1)
    volume = {
        copies.molecule.name: len(copies.positions)
        / molecules_per_nm3(copies.molecule, SOLVENTS[copies.molecule.name].density_kg_m3)
        for copies in filled
    }
    for name, part in recipe.items():
        assert volume[name] / sum(volume.values()) == pytest.approx(part, abs=0.02)
    assert sum(volume.values()) >= 0.96 * 3.4**3
    everything = np.concatenate([copies.positions.reshape(-1, 3) for copies in filled])
    gaps = np.linalg.norm(minimum_image(everything[:, None] - solute[None], box), axis=-1)
    assert gaps.min() > 0.2


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"benzene": 1.0}, "'benzene': there is no such solvent; choose one of acetone"),
        ({"acetone": 0.7}, "acetone = 0.7 sum to 0.7: make it 1"),
        ({"acetone": 0.0, "toluene": 1.0}, "acetone = 0 is not a volume fraction"),
        ({"acetone": float("nan")}, "is not a volume fraction"),
    ],
)
def test_bad_recipes_are_refused(recipe: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_recipe(recipe)
