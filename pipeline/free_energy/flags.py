"""What keeps an estimate from being converged: a kind for the code, a sentence for people."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class FlagKind(StrEnum):
    """One name for each flaw, as it is written to binding.json and round.json."""

    # of the windows
    LOW_OVERLAP = "low overlap"
    UNCONNECTED_WINDOWS = "unconnected windows"
    FEW_INDEPENDENT_SAMPLES = "few independent samples"
    SHORT_TIME_BLOCKS = "short time blocks"
    LATE_EQUILIBRATION = "late equilibration"
    # of the curve
    GAPS = "gaps"
    WELL_AT_EDGE = "well at edge"
    NO_PLATEAU = "no plateau"
    UNRESOLVED_PLATEAU = "unresolved plateau"
    HALF_WITHOUT_NUMBER = "half without number"
    HALVES_DIFFER = "halves differ"
    ESTIMATOR_WITHOUT_NUMBER = "estimator without number"
    ESTIMATORS_DIFFER = "estimators differ"
    # of walkers, faces and replicas
    FEW_CROSSINGS = "few crossings"
    ONE_WALKER = "one walker"
    FACE_WITHOUT_NUMBER = "face without number"
    FACES_DIFFER = "faces differ"
    ONE_REPLICA = "one replica"
    REPLICAS_FAILED = "replicas failed"
    REPLICAS_SCATTER = "replicas scatter"
    HYSTERESIS = "hysteresis"
    # of the anchor
    UNDER_CRYSTAL = "under crystal"
    OUTSIDE_CYLINDER = "outside cylinder"
    UNEXPLORED_CYLINDER = "unexplored cylinder"
    # of the crystal and of what surrounds the ligand
    DISPLACED_AT_SITE = "ions displaced at site"
    DISPLACED_ELSEWHERE = "ions displaced elsewhere"
    SHORT_OF_HALIDES = "metal short of halides"
    LEANS_ON_WALL = "ion leans on wall"
    SOLVENT_EXCHANGE_UNSAMPLED = "solvent exchange unsampled"
    ION_PAIR_UNSAMPLED = "ion pair unsampled"
    OWN_IMAGE = "own image"
    # of the planning of further windows
    NEEDS_WINDOW = "needs window"
    NEEDS_LONGER_PATH = "needs longer path"
    WINDOWS_CANNOT_BE_CLOSER = "windows cannot be closer"
    PATH_ENDS_WITH_BOX = "path ends with box"
    ROUNDS_SPENT = "rounds spent"
    NO_PLAN = "no plan"
    UNCLASSIFIED = "unclassified"


@dataclass(frozen=True)
class Flag:
    """One flaw of an estimate."""

    kind: FlagKind
    """Which flaw it is."""
    text: str
    """The sentence that people read, with its numbers."""
    error_is_bound: bool = False
    """Whether the true error is larger than the estimated one because of this flaw."""
    subject: str = ""
    """What the flaw is about, where a kind can be about several things: a quantity, a method.
    Two flags of one kind and subject say the same, each with its own numbers."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "kind": str(self.kind),
            "text": self.text,
            "error_is_bound": self.error_is_bound,
            "subject": self.subject,
        }

    @staticmethod
    def from_dict(content: dict[str, Any]) -> "Flag":
        """The inverse of as_dict. Raises TypeError, KeyError or ValueError for anything else."""
        return Flag(**{**content, "kind": FlagKind(content["kind"])})


def merge_flags(replicas: Sequence[Sequence[Flag]]) -> list[Flag]:
    """The flags of all replicas, those of one kind and subject once.

    Args:
        replicas: The flags of each replica.

    Returns:
        One flag for each kind and subject, in the order in which they occur first. Its sentence
        says in how many replicas it occurs and gives the numbers of the first of them. Where one
        replica has several flags of one kind and subject, its last one counts.
    """
    merged: dict[tuple[FlagKind, str], list[Flag]] = {}
    for flags in replicas:
        last = {(flag.kind, flag.subject): flag for flag in flags}
        for key, flag in last.items():
            merged.setdefault(key, []).append(flag)
    return [
        Flag(
            kind,
            f"{len(flags)} of {len(replicas)} replicas: {flags[0].text}",
            any(flag.error_is_bound for flag in flags),
            subject,
        )
        for (kind, subject), flags in merged.items()
    ]


def about(quantity: str, error: float) -> str:
    """The subject of a flag on a quantity: one whose error is not known says something else.

    Args:
        quantity: Its name.
        error: Its standard error; NaN or infinite where it is not known.
    """
    return quantity if math.isfinite(error) else f"{quantity} of unknown error"
