"""Hydrogen bonds of known length and angle, by both criteria."""

import numpy as np
import pytest

from halobind.structures.models.hydrogen_bonds import (
    DISTANCE,
    DISTANCE_AND_ANGLE,
    bonds_of_hydrogen,
)


@pytest.mark.parametrize(
    ("length", "angle", "by_distance", "by_both"),
    [
        (0.25, 180.0, True, True),
        (0.275, 130.0, True, True),
        (0.285, 180.0, False, False),
        (0.25, 110.0, True, False),
    ],
)
def test_the_angle_counts_only_where_it_is_asked_for(
    length: float, angle: float, by_distance: bool, by_both: bool
) -> None:
    box = np.array([3.0, 3.0, 3.0])
    turn = np.radians(angle)
    hydrogen = np.array([[0.05, 0.05, 0.05]])
    donor = hydrogen - [[0.1, 0.0, 0.0]]
    halides = hydrogen[:, None] + length * np.array([[[-np.cos(turn), np.sin(turn), 0.0]]])
    for criterion, expected in ((DISTANCE, by_distance), (DISTANCE_AND_ANGLE, by_both)):
        bonded, angles = bonds_of_hydrogen(
            hydrogen, donor=donor % box, halides=halides % box, box=box, criterion=criterion
        )
        assert bonded.tolist() == [[expected]]
        assert angles[0, 0] == pytest.approx(angle, abs=1e-3)
