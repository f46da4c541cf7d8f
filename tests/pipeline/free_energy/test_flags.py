"""Flags: what they are about survives JSON, and those of replicas are merged by it."""

import json
import math

import pytest

from halobind.pipeline.free_energy.flags import Flag, FlagKind, about, merge_flags

FEW = Flag(FlagKind.FEW_INDEPENDENT_SAMPLES, "only 4 samples", subject="one window")
SHORT = Flag(FlagKind.SHORT_TIME_BLOCKS, "blocks are short in 2 windows", error_is_bound=True)


def test_a_flag_survives_json() -> None:
    for flag in (FEW, SHORT):
        assert Flag.from_dict(json.loads(json.dumps(flag.as_dict()))) == flag
    with pytest.raises(ValueError, match="not a valid FlagKind"):
        Flag.from_dict(FEW.as_dict() | {"kind": "bad mood"})
    with pytest.raises(TypeError):
        Flag.from_dict("a sentence alone")  # type: ignore[arg-type]


def test_flags_of_replicas_are_merged_by_kind_and_subject() -> None:
    other = Flag(FEW.kind, "only 7 samples", subject="one window")
    several = Flag(FEW.kind, "few samples in 3 windows", subject="several windows")
    merged = merge_flags([[FEW, SHORT], [other], [several]])
    assert [flag.text for flag in merged] == [
        "2 of 3 replicas: only 4 samples",
        "1 of 3 replicas: blocks are short in 2 windows",
        "1 of 3 replicas: few samples in 3 windows",
    ]
    assert [flag.error_is_bound for flag in merged] == [False, True, False]
    assert [flag.kind for flag in merged] == [FEW.kind, SHORT.kind, FEW.kind]


def test_of_several_equal_flags_of_one_replica_the_last_counts_at_the_place_of_the_first() -> None:
    later = Flag(FEW.kind, "only 9 samples", subject="one window")
    assert [flag.text for flag in merge_flags([[FEW, SHORT, later]])] == [
        "1 of 1 replicas: only 9 samples",
        "1 of 1 replicas: blocks are short in 2 windows",
    ]


def test_a_quantity_without_an_error_is_another_subject() -> None:
    assert about("dG0", 1.0) == "dG0" and about("dG0", math.nan) == "dG0 of unknown error"
