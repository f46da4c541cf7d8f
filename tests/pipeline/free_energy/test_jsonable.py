"""What JSON cannot hold becomes null, and nothing else changes."""

import json
import math

import pytest

from halobind.pipeline.free_energy.jsonable import float_or_nan, jsonable


def test_only_what_is_not_finite_becomes_null() -> None:
    content = {
        "a": math.nan,
        "b": [math.inf, 1.5, (2, True, "x")],
        "c": {"d": -math.inf, "e": None},
    }
    plain = jsonable(content)
    assert plain == {"a": None, "b": [None, 1.5, [2, True, "x"]], "c": {"d": None, "e": None}}
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


def test_something_else_is_an_error() -> None:
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        jsonable({"a": object()})


def test_null_comes_back_as_nan() -> None:
    assert math.isnan(float_or_nan(None)) and float_or_nan(1.5) == 1.5
