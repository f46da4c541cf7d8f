"""Locks that end with their holder, and the question who holds one."""

from pathlib import Path

from halobind.jobs.claims import claim, is_claimed


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    lock = tmp_path / "locks" / "a.lock"
    with claim(lock) as first, claim(lock) as second:
        assert first
        assert not second
        assert is_claimed(lock)
    assert not is_claimed(lock)
    with claim(lock) as again:
        assert again


def test_asking_creates_nothing(tmp_path: Path) -> None:
    assert not is_claimed(tmp_path / "locks" / "a.lock")
    assert not list(tmp_path.iterdir())


def test_several_may_ask_at_once(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    with claim(lock):
        pass
    assert [is_claimed(lock) for _ in range(3)] == [False] * 3
