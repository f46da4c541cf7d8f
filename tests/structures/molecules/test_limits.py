"""Limits name their number and the variable that raises them."""

import pytest

from halobind.structures.molecules.limits import check_size, shown


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


def test_a_long_value_is_shown_by_its_start_and_length() -> None:
    assert shown("ab") == "'ab'"
    assert shown("a" * 1000) == "'" + "a" * 99 + "... (1,002 characters)"
    assert shown(list(range(50))) == repr(list(range(50)))
    assert len(shown(list(range(5000)))) < 130
