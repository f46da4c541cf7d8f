"""Images of a charge over its empty site against limits that are known."""

import numpy as np
import pytest

from halobind.forcefields.hamiltonian.image_charges import (
    COULOMB,
    image_energy,
    image_slope,
    pair_energy,
)

BOX = (2.34, 2.34, 4.2)


def test_a_large_box_has_no_images() -> None:
    assert image_energy((60.0, 60.0, 60.0), 0.9, 20.0) == pytest.approx(0.0, abs=2e-3)


def test_the_dipole_of_a_cubic_box_costs_what_lorentz_says() -> None:
    """For a small dipole p in a cube of side L under conducting surroundings the images give
    -2 pi p^2/(3 L^3) (de Leeuw, Perram and Smith, Proc. R. Soc. A 1980, 373, 27).
    """
    side = 3.0
    p = 0.1
    expected = -COULOMB * 2 * np.pi * p**2 / (3 * side**3)
    assert image_energy((side, side, side), p, 1.0) == pytest.approx(expected, rel=0.02)


def test_far_out_over_a_small_cell_it_is_a_plate_capacitor() -> None:
    """Over a cell much smaller than the height, the slope of the pair itself, e^2/(4 pi eps0 z^2),
    is screened, and what is left is the field of a charged plane, less what the box takes back.
    """
    x, y, z = 1.0, 1.0, 20.0
    height = 3.0
    slope = image_slope((x, y, z), height, 1.0)
    plane = COULOMB * 2 * np.pi / (x * y)
    along = COULOMB * 4 * np.pi * height / (x * y * z)
    own = COULOMB / height**2
    assert slope + own == pytest.approx(plane - along, rel=0.01)


def test_it_falls_with_permittivity_and_with_the_cell() -> None:
    small = image_energy(BOX, 0.9, 20.0)
    assert small == pytest.approx(image_energy(BOX, 0.9, 10.0) / 2)
    assert image_energy(BOX, 0.9, 20.0, charge=2.0) == pytest.approx(4 * small)
    assert pair_energy(0.9, 20.0) == pytest.approx(-COULOMB / 18)
    wide = image_energy((2 * BOX[0], 2 * BOX[1], BOX[2]), 0.9, 20.0)
    assert abs(wide) < small


def test_a_height_beyond_half_the_box_is_refused() -> None:
    with pytest.raises(ValueError, match="within half the box"):
        image_energy(BOX, 2.2, 20.0)
    with pytest.raises(ValueError, match="permittivity = 0.5"):
        image_energy(BOX, 0.5, 0.5)
