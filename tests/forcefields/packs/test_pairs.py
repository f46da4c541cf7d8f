"""Pair parameters against numbers worked out by hand from the sources, and the copy errors known in
the wild.
"""

import numpy as np
import pytest

from halobind.forcefields.packs.pack import FORCEFIELDS, KJ_PER_EV, KJ_PER_KCAL, load_pack
from halobind.forcefields.packs.pairs import LennardJones, pair_for
from halobind.structures.molecules.catalogue import ION_CHARGES, PEROVSKITES

PACK = load_pack("bond-increment")


@pytest.mark.parametrize("name", FORCEFIELDS)
def test_every_pack_loads_and_is_balanced(name: str) -> None:
    pack = load_pack(name)
    assert pack.name == name
    assert set(pack.lattice_nm) <= set(PEROVSKITES) and all(
        0.57 < a < 0.61 for a in pack.lattice_nm.values()
    )
    assert pack.formal == {ion: ION_CHARGES[ion] for ion in pack.formal}
    ions = list(pack.formal)
    for i, first in enumerate(ions):
        for second in ions[i:]:
            pair_for(pack, first, second)  # raises KeyError when a row is missing


def test_buckingham_energies_by_hand() -> None:
    r = 2.92  # angstrom
    by_hand = 0.775 * 6446.9831 * np.exp(-r / 0.300951) - 330.91084 / r**6
    assert pair_for(PACK, "Pb", "Br").energy(r / 10) == pytest.approx(by_hand * KJ_PER_EV, rel=1e-9)
    by_hand = 1.28 * 94836.351975893 * np.exp(-3.4 / 0.3352375)
    assert pair_for(PACK, "Br", "n4").energy(0.34) == pytest.approx(by_hand * KJ_PER_KCAL, rel=1e-9)


def test_lennard_jones_energies_by_hand() -> None:
    s = (2.45535714285714 / 2.4) ** 6
    assert pair_for(PACK, "Br", "hn").energy(0.24) == pytest.approx(
        4 * 0.05125 * (s * s - s) * KJ_PER_KCAL, rel=1e-9
    )


def test_unlisted_types_mix_by_lorentz_berthelot() -> None:
    epsilon, sigma = 0.87864, 0.2959922  # GAFF o
    pair = pair_for(PACK, "Pb", "o", LennardJones(epsilon, sigma))
    mixed_epsilon = np.sqrt(0.012484076 * KJ_PER_KCAL * epsilon)
    mixed_sigma = 0.5 * (0.345998 + sigma)
    minimum = 2 ** (1 / 6) * mixed_sigma
    assert pair.energy(minimum) == pytest.approx(-mixed_epsilon, rel=1e-9)
    assert "Lorentz" in pair.source


def test_order_of_ions_does_not_matter() -> None:
    for first, second in (("Cs", "Pb"), ("Br", "Cs"), ("Br", "Pb")):
        assert pair_for(PACK, first, second) == pair_for(PACK, second, first)


@pytest.mark.parametrize(
    ("pair", "wrong", "right"),
    [
        (("Br", "n4"), 1.28 * 4836.35, 1.28 * 94836.351975893),
        (("Br", "c3:n4"), 4836.35, 94836.351975893),
    ],
)
def test_lost_leading_digit_is_not_copied(
    pair: tuple[str, str], wrong: float, right: float
) -> None:
    assert pytest.approx(right) == pair_for(PACK, *pair).A / KJ_PER_KCAL
    assert pytest.approx(wrong, rel=0.1) != pair_for(PACK, *pair).A / KJ_PER_KCAL


def test_halide_hydrogen_epsilon_is_not_42_times_too_large() -> None:
    pair = pair_for(PACK, "Br", "hn")
    assert pytest.approx(0.05125 * KJ_PER_KCAL) == pair.C6**2 / (4 * pair.C12)


def test_lead_hydrogen_sigmas_are_not_swapped() -> None:
    def sigma(kind: str) -> float:
        pair = pair_for(PACK, "Pb", kind)
        return (pair.C12 / pair.C6) ** (1 / 6)

    assert sigma("hn") == pytest.approx(0.226454) and sigma("hx") == pytest.approx(0.270999)


def test_walls_do_nothing_at_thermal_distances() -> None:
    for pair, c6 in ((("Pb", "Pb"), 1024.359), (("Cs", "Cs"), 227.77208)):
        found = pair_for(PACK, *pair).energy(0.58)
        assert found == pytest.approx(-c6 / 5.8**6 * KJ_PER_EV, rel=0.03)
        assert pair_for(PACK, *pair).energy(0.2) > 100.0


def test_two_ions_without_a_row_are_an_error() -> None:
    with pytest.raises(KeyError, match="Cs-Mn"):
        pair_for(PACK, "Cs", "Mn")


def test_unknown_pack_lists_the_known_ones() -> None:
    with pytest.raises(KeyError, match="bond-increment"):
        load_pack("nonsense")
