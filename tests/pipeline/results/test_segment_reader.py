"""What the segments of a window say beside their samples is counted a window at a time."""

import pytest

from halobind.pipeline.results.segment_reader import TwoStates

YES = (True,)
NO = (False,)


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ([], TwoStates()),
        ([[]], TwoStates()),
        ([[YES, YES], [NO], [YES, NO]], TwoStates(always=1, never=1, both=1)),
        ([[(True, False), (True, False)]], TwoStates(always=1, never=1)),
        ([[(True, False), (False, False)]], TwoStates(never=1, both=1)),
    ],
)
def test_windows_are_counted_by_what_their_segments_end_with(
    windows: list[list[tuple[bool, ...]]], expected: TwoStates
) -> None:
    assert TwoStates.count(windows) == expected


def test_two_states_are_unsampled_where_no_window_has_both() -> None:
    assert TwoStates(always=2, never=1).unsampled
    for counts in (TwoStates(2, 1, 1), TwoStates(always=3), TwoStates(never=3), TwoStates()):
        assert not counts.unsampled
