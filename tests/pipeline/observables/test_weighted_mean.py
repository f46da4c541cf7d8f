"""Weighted means and their jackknife error."""

import numpy as np
import pytest

from halobind.pipeline.observables.frame_weights import BLOCKS
from halobind.pipeline.observables.weighted_mean import Mean


def test_equal_weights_give_the_mean_and_the_error_of_the_mean_of_blocks() -> None:
    values = np.arange(BLOCKS, dtype=float)[:, None] ** 2
    weights = np.column_stack([np.ones(BLOCKS), 1.0 - np.eye(BLOCKS)])
    mean = Mean((1,))
    mean.add(weights[:4], values[:4])
    mean.add(weights[4:], values[4:])
    estimate = mean.read()
    assert estimate.value[0] == pytest.approx(values.mean())
    assert estimate.error[0] == pytest.approx(values.std(ddof=1) / np.sqrt(BLOCKS))


def test_a_value_that_is_nan_counts_for_nothing() -> None:
    mean = Mean((2,))
    mean.add(np.ones((2, BLOCKS + 1)), np.array([[1.0, np.nan], [np.nan, np.nan]]))
    estimate = mean.read()
    assert estimate.value[0] == 1.0
    assert np.isnan(estimate.value[1])
