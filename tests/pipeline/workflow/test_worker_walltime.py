"""The end of the wall time: what can end in time is begun, what is under way is abandoned, nothing
is half published.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from halobind.jobs.stop import Stopped, StopSignal
from halobind.pipeline.campaign.load import parse_campaign
from halobind.pipeline.campaign.run_directory import Run
from halobind.pipeline.campaign.settings import CampaignError
from halobind.pipeline.sampling.platforms import MDPlatform
from halobind.pipeline.sampling.products import prepare_products
from halobind.pipeline.sampling.run_context import RunContext
from halobind.pipeline.sampling.schedule import Step, first_missing, products_of, single_steps
from halobind.pipeline.workflow import worker as work
from halobind.pipeline.workflow.parts import Part
from halobind.pipeline.workflow.worker import Worker, check_free, next_steps
from tests.pipeline.tiny import put

MODEL = {
    "perovskite": "CsPbBr3",
    "cells": "4x4x1",
    "ligand": ["DA", "MA"],
    "solvent": "acetone",
    "gap_nm": 3.0,
}


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass(frozen=True)
class Slow:
    """A product that takes half a second and looks for a stop every 10 ms."""

    number: int
    clock: Clock
    stage: ClassVar[str] = "windows"
    chain: ClassVar[str] = "windows/z"
    cost_ps: ClassVar[float] = 10.0

    @property
    def name(self) -> str:
        return f"{self.chain}/seg-{self.number:03d}"

    def make(self, context: RunContext, out: Path) -> None:
        for _ in range(50):
            context.progress(0.5)
            self.clock.advance(0.01)


def test_the_stop_comes_when_the_time_has_passed() -> None:
    clock = Clock()
    stop = StopSignal(0.2, now=clock)
    stop.check()
    assert stop.left_s() == pytest.approx(0.2) and not stop.late
    clock.advance(0.21)
    with pytest.raises(Stopped, match="wall time"):
        stop.check()
    assert stop.late and StopSignal().left_s() == float("inf")


@pytest.mark.parametrize(
    ("walltime_s", "made", "abandoned"), [(60.0, 5, False), (1.4, 2, False), (0.3, 0, True)]
)
def test_a_segment_is_begun_only_if_it_can_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, walltime_s: float, made: int, abandoned: bool
) -> None:
    """Segments of 0.5 s: with 1.4 s, the third would end too late by the speed of the second; the
    first is begun unmeasured.
    """
    clock = Clock()
    chain = single_steps([Slow(number, clock) for number in range(5)])
    run = Run(tmp_path / "runs" / "a", None)

    def left(*_: object) -> list[tuple[Run, Step]]:
        number = first_missing(chain, run.published(p.name for p in products_of([chain])))
        return [] if number is None else [(run, chain[number])]

    monkeypatch.setattr(work, "next_steps", left)
    said: list[str] = []
    stop = StopSignal(walltime_s, now=clock)
    Worker((run,), None, MDPlatform("CPU", ()), Part.WHOLE, False, stop, said.append).work()
    assert len(list(run.path("windows/z").glob("seg-*"))) == made
    assert any("the wall time ended" in line for line in said) == abandoned
    assert not list(run.path("windows/z").glob(".seg-*")) and not run.failures_folder.exists()


@pytest.mark.parametrize("kind", ["file", "pipe", "dangling link", "loop"])
def test_what_is_in_the_way_of_a_product_is_named(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "windows" / "seg-000"
    target.parent.mkdir()
    check_free(target)
    put(target, kind)
    with pytest.raises(CampaignError, match=r"seg-000 is not a directory .* remove it"):
        check_free(target)
    with pytest.raises(CampaignError, match=r"seg-000 is not a directory .* remove it"):
        check_free(target / "below")


def test_parts_of_the_preparation_are_runs(tmp_path: Path) -> None:
    campaign = parse_campaign(
        {"model": {**MODEL, "ligand": MODEL["ligand"][0]}, "sampling": {"replicas": 3}}, "here"
    )
    runs = [Run(tmp_path / f"{number}", spec) for number, spec in enumerate(campaign.specs)]
    dealt = [
        [run.id for run, _ in next_steps(runs, campaign, Part(k, 2, prepare=True))]
        for k in range(2)
    ]
    assert dealt == [["0", "2"], ["1"]]
    for run in runs:
        for product in prepare_products(run, campaign):
            run.path(product.name).mkdir(parents=True)
    assert next_steps(runs, campaign, Part(0, 2, prepare=True)) == []
    everything = next_steps(runs, campaign, Part.WHOLE)
    parts = [next_steps(runs, campaign, Part(k, 4)) for k in range(4)]
    key = lambda item: (item[0].id, item[1].products[0].name)  # noqa: E731
    assert (
        sorted(key(item) for part in parts for item in part) == sorted(map(key, everything))
        and len(everything) == 3 * 26
    )
