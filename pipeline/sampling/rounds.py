"""Rounds: what was decided from the samples of a ligand, as published data.

So every process and every later command asks for the same.

A round is published once everything asked for before it is sampled. It asks for windows (more of
them, or more segments), for a longer path, or for nothing (`kind = "end"`); replicas of a ligand
have their rounds in common.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from halobind.pipeline.campaign.run_directory import DamagedError, Run, reading
from halobind.pipeline.campaign.settings import CampaignError
from halobind.pipeline.free_energy.flags import Flag, FlagKind
from halobind.pipeline.free_energy.samples import Window

ROUND_FILE = "round.json"


@dataclass(frozen=True)
class WindowRequest:
    """More sampling for one window of one run."""

    run_id: str
    """The run."""
    window: Window
    """The window, which may be a new one."""
    segments: int
    """The number of segments in all."""
    why: str
    """The reason, in a few words."""


@dataclass(frozen=True)
class SamplingTarget:
    """Sample until the error of dG0 is small enough, or the budget is spent."""

    target_kJ_mol: float
    """The largest error of dG0 that is good enough."""
    budget_ns: float | None
    """Sampling to add at most; None for as much again as is asked for without a target."""


@dataclass(frozen=True)
class Round:
    """One decision."""

    kind: Literal["windows", "target", "extend", "end"]
    """What it asks for: windows, sampling towards a target, a longer path, or nothing."""
    basis: str
    """Checksum over what had been asked for, and under which settings, when it was made."""
    requests: tuple[WindowRequest, ...] = ()
    """What it asks for of single windows."""
    to_nm: float | None = None
    """New end of the path of every replica; None leaves it."""
    added_ps: float = 0.0
    """The sampling that it asks for."""
    target: SamplingTarget | None = None
    """A target that it sets for the rounds after it."""
    notes: tuple[str, ...] = ()
    """What was found, one sentence each."""
    problems: tuple[Flag, ...] = ()
    """What keeps a row from converging."""

    def requests_of(self, run_id: str) -> list[WindowRequest]:
        """What it asks for in one run."""
        return [request for request in self.requests if request.run_id == run_id]

    def as_dict(self) -> dict[str, object]:
        """The content of round.json."""
        return {
            "kind": self.kind,
            "basis": self.basis,
            "wishes": [asdict(request) for request in self.requests],
            "to_nm": self.to_nm,
            "added_ps": self.added_ps,
            "order": asdict(self.target) if self.target else None,
            "notes": self.notes,
            "problems": [problem.as_dict() for problem in self.problems],
        }

    @staticmethod
    def from_dict(content: Mapping[str, Any]) -> "Round":
        """The inverse of as_dict. Raises KeyError or TypeError for anything else."""
        known = dict(content)
        requests = tuple(
            WindowRequest(**{**wish, "window": Window(**wish["window"])})
            for wish in known.pop("wishes")
        )
        order = known.pop("order")
        notes = tuple(known.pop("notes"))
        problems = tuple(_problem(problem) for problem in known.pop("problems"))
        target = SamplingTarget(**order) if order else None
        return Round(requests=requests, target=target, notes=notes, problems=problems, **known)


def _problem(content: dict[str, Any] | str) -> Flag:
    """A problem of a round; rounds of earlier versions hold its sentence alone."""
    if isinstance(content, str):
        return Flag(FlagKind.UNCLASSIFIED, content, subject=content)
    return Flag.from_dict(content)


def rounds_of(run: Run) -> tuple[Round, ...]:
    """What was decided so far for a run and its replicas, in order.

    Raises:
        CampaignError: A round cannot be read.
    """
    return tuple(read_round(folder) for folder in run.rounds())


@lru_cache(maxsize=10_000)
def read_round(folder: Path) -> Round:
    """One published round. Raises CampaignError when it cannot be read."""
    try:
        with reading(folder):
            return Round.from_dict(json.loads((folder / ROUND_FILE).read_text(encoding="utf-8")))
    except DamagedError as error:
        raise CampaignError(f"{error}, with every round after it") from error


def write_round(out: Path, round_: Round) -> None:
    """Write a round.

    Args:
        out: The directory that is to be published.
        round_: What was decided.
    """
    text = json.dumps(round_.as_dict(), indent=1) + "\n"
    (out / ROUND_FILE).write_text(text, encoding="utf-8")
