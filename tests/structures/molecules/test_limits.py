"""Limits name their number and the variable that raises them."""

import pytest

from halobind.structures.molecules.limits import check_size


def test_a_size_up_to_the_limit_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HALOBIND_MAX_THINGS", raising=False)
    check_size("10 things", 10, 10, "HALOBIND_MAX_THINGS")
    with pytest.raises(ValueError, match=r"11 things, .*10.*HALOBIND_MAX_THINGS=11"):
        check_size("11 things", 11, 10, "HALOBIND_MAX_THINGS")


def test_the_environment_sets_another_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALOBIND_MAX_THINGS", "11")
    check_size("11 things", 11, 10, "HALOBIND_MAX_THINGS")
    monkeypatch.setenv("HALOBIND_MAX_THINGS", "many")
    with pytest.raises(ValueError, match="limit"):
        check_size("11 things", 11, 10, "HALOBIND_MAX_THINGS")
