"""Positions and differences in a periodic box."""

import numpy as np
import pytest

from halobind.structures.molecules.periodic import image_shift, minimum_image, wrap

BOX = np.array([2.0, 3.0, 5.0])


def test_wrapped_positions_are_in_the_box_and_the_same_place() -> None:
    positions = np.random.default_rng(1).uniform(-20, 20, (500, 3))
    inside = wrap(positions, BOX)
    assert (inside >= 0).all() and (inside < BOX).all()
    turns = (positions - inside) / BOX
    assert turns == pytest.approx(np.round(turns), abs=1e-9)


def test_a_remainder_that_rounds_to_the_box_is_zero() -> None:
    assert wrap(np.array([-1e-17, 3.0, -5.0]), BOX).tolist() == [0.0, 0.0, 0.0]


def test_the_minimum_image_is_the_shortest_of_all_images() -> None:
    delta = np.random.default_rng(2).uniform(-7, 7, (100, 3))
    shifts = BOX * np.array(list(np.ndindex(11, 11, 11))) - 5 * BOX
    lengths = np.linalg.norm(delta[:, None] + shifts, axis=2).min(axis=1)
    assert np.linalg.norm(minimum_image(delta, BOX), axis=1) == pytest.approx(lengths)
    assert minimum_image(delta, BOX) == pytest.approx(delta - image_shift(delta, BOX))
