"""Rounding follows the error and moves no number further than it."""

import math

import numpy as np
import pytest

from halobind.pipeline.results.text_tables import rounded

ROUNDED = [
    (-34.24, 1.26, "-34.2 ± 1.3"),
    (-34.24, 4.4, "-34 ± 4"),
    (-123.4, 23.0, "-120 ± 20"),
    (-123.4, 14.0, "-123 ± 14"),
    (0.0999, 0.0012, "0.0999 ± 0.0012"),
    (12.345, 0.5, "12.3 ± 0.5"),
    (12.345, 0.096, "12.35 ± 0.10"),
    (12.345, 9.6, "12 ± 10"),
    (-0.04, 0.3, "0.0 ± 0.3"),
    (-3.0, 4000.0, "0 ± 4000"),
    (5.0, 1.0, "5.0 ± 1.0"),
    (5.0, 2.0, "5 ± 2"),
    (-34.24, math.nan, "-34.2 ± ?"),
    (-34.24, math.inf, "-34.2 ± ?"),
    (1234.5, math.nan, "1234 ± ?"),
    (0.0, 0.0, "0 ± 0"),
    (-34.24, 0.0, "-34.2 ± 0"),
    (math.nan, 1.0, "-"),
    (-math.inf, 1.0, "-"),
]


@pytest.mark.parametrize(("value", "error", "text"), ROUNDED)
def test_value_and_error_are_cut_at_the_error(value, error, text):
    assert rounded(value, error) == text


def test_rounding_never_moves_a_number_by_more_than_half_the_last_digit_of_its_error():
    random = np.random.default_rng(0)
    for value, error in zip(
        random.normal(0, 100, 500), 10 ** random.uniform(-4, 3, 500), strict=True
    ):
        shown, bar = (float(x) for x in rounded(value, error).split(" ± "))
        step = 10.0 ** (math.floor(math.log10(error)) - (f"{error:e}"[0] == "1"))
        assert abs(shown - value) <= 0.5001 * step and abs(bar - error) <= 0.5001 * step


def test_rounding_noise_is_no_error():
    assert rounded(-0.01, 2e-18) == "-0.0100 ± 0"
