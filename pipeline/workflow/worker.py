"""The worker: make what is missing, one step at a time, each by one process only; failures are
data.
"""

import json
import shutil
import socket
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from halobind.jobs.publish import clear_scratch, publishing
from halobind.jobs.stop import Stopped, StopSignal
from halobind.pipeline.campaign.run_directory import Run
from halobind.pipeline.campaign.settings import Campaign, CampaignError
from halobind.pipeline.campaign.versions import versions
from halobind.pipeline.sampling.platforms import Choice, PlatformError
from halobind.pipeline.sampling.products import Product
from halobind.pipeline.sampling.schedule import (
    PROGRESS_FILE,
    Step,
    claim_all,
    first_missing,
    make_step,
    members_to_make,
    phases_of,
    replicas_of,
)
from halobind.pipeline.sampling.segment_files import Workshop
from halobind.pipeline.workflow.cost import segment_speeds
from halobind.pipeline.workflow.parts import Part
from halobind.pipeline.workflow.planning import round_products


class WorkError(RuntimeError):
    """The work could not be finished; what was published is kept."""


# The machine or the directory, not the physics: nothing to record, the worker stops and the message
# says what to do.
MACHINE_ERRORS = (OSError, CampaignError, PlatformError, MemoryError)
PROGRESS_EVERY_S = 1.0
WAIT_S = 0.5
TIMED = ("pull", "windows", "metadynamics")  # stages whose products are many and alike
# the phase of what the campaign file asks for; before it the preparation, after it the rounds
ASKED = 1


@dataclass(frozen=True)
class Worker:
    """One process at work on a campaign. `retry` makes products again that failed before; `say`
    gets one line a product.
    """

    runs: tuple[Run, ...]
    campaign: Campaign
    choice: Choice
    part: Part
    retry: bool
    stop: StopSignal
    say: Callable[[str], None]
    tried: set[tuple[str, str]] = field(default_factory=set)
    paces: dict[tuple[str, str], float] = field(default_factory=dict)

    def work(self) -> None:
        """Make products until none is left for this part, or none that can end within the wall
        time; what others are at work on is waited for, and taken over if they die.

        Raises Stopped when asked to stop, OSError when the disk fails.
        """
        try:
            self._work()
        except Stopped:
            if not self.stop.late:
                raise
            self.say("the wall time ended; what was under way is left to the next process")

    def _work(self) -> None:
        while True:
            done = waiting = False
            for run, step in self._next():
                if self._needs_s(run, step) > self.stop.left_s():
                    continue
                self.stop.check()
                with claim_all([run.lock(product.chain) for product in step]) as mine:
                    if mine and not all(run.has(product.name) for product in step):
                        self._make(run, step)
                    waiting |= not mine
                    done |= mine
                if done:
                    break
            if not done:
                if not waiting:
                    return
                self.stop.check()
                time.sleep(WAIT_S)

    def _next(self) -> list[tuple[Run, Step]]:
        ready = next_steps(self.runs, self.campaign, self.part)
        return [
            (run, step)
            for run, step in ready
            if not any(self._failed(run, product) for product in step)
        ]

    def _needs_s(self, run: Run, step: Step) -> float:
        """Seconds that segments or a step of the pull take: as long as this process's last ones of
        the run, else as the run's published segments on this platform; 0 when nothing is known, and
        for what is made once.
        """
        stage = step[0].name.split("/")[0]
        if (run.id, stage) not in self.paces and stage in TIMED:
            speeds = segment_speeds(run, self.choice.name)
            self.paces[run.id, stage] = 86.4 / float(np.median(speeds)) if speeds else 0.0
        return sum(product.cost_ps for product in step) * self.paces.get((run.id, stage), 0.0)

    def _failed(self, run: Run, product: Product) -> bool:
        """Whether the product has a recorded failure that this worker is not to try again."""
        return (run.id, product.name) in self.tried or (
            not self.retry and bool(run.failures(product.name))
        )

    def _make(self, run: Run, step: Step) -> None:
        began, first = (
            time.perf_counter(),
            next(product for product in step if not run.has(product.name)),
        )
        outs: list[Path] = []
        try:
            with ExitStack() as stack:
                try:
                    step = members_to_make(run, step)
                    for product in step:
                        clear_scratch(run.path(product.name))
                    outs += [
                        stack.enter_context(publishing(run.path(product.name))) for product in step
                    ]
                    make_step(Workshop(run, self.choice, _ticker(outs, self.stop)), step, outs)
                    for out in outs:
                        (out / PROGRESS_FILE).unlink(missing_ok=True)
                except MACHINE_ERRORS:
                    raise
                except Exception as error:
                    # a program that we ran may have failed because it was stopped with us
                    self.stop.check()
                    self.tried.add((run.id, first.name))
                    _record_failure(run, first, outs[step.index(first)] if outs else None, error)
                    raise
        except MACHINE_ERRORS:
            raise
        except Exception as error:
            self.say(f"{run.id} {first.name}: FAILED: {_one_line(error)}")
            return
        elapsed = time.perf_counter() - began
        if first.name.startswith(TIMED):
            self.paces[run.id, first.name.split("/")[0]] = elapsed / sum(
                product.cost_ps for product in step
            )
        for product in step:
            self.say(f"{run.id} {product.name}: done in {elapsed:.1f} s")


def next_steps(runs: Sequence[Run], campaign: Campaign, part: Part) -> list[tuple[Run, Step]]:
    """The next step of every chain of a part: preparations first, then the windows with the fewest
    segments, then rounds.

    Parts deal out what the campaign file asks for; what rounds ask for, and the rounds themselves,
    are for whoever is there.
    """
    ready, number, complete = [], 0, set[str]()
    for order, run in enumerate(runs):
        phases = phases_of(run, campaign)
        if part.prepare:
            phases = phases[:ASKED] if order % part.count == part.index else []
        there = run.published(
            product.name
            for chains in phases
            for chain in chains
            for step in chain
            for product in step
        )
        asked = phases[ASKED] if len(phases) > ASKED else []
        dealt = [(number + k) % part.count == part.index for k in range(len(asked))]
        number += len(asked)
        for phase, chains in enumerate(phases):
            left = [(first_missing(chain, there), chain) for chain in chains]
            if all(k is None for k, _ in left):
                continue
            if phase == ASKED:
                left = [item for item, mine in zip(left, dealt, strict=True) if mine]
            if phase or part.prepare or any(dealt):
                place = (order - part.index) % len(runs)
                ready += [
                    (k if phase else -1, place, run, chain[k]) for k, chain in left if k is not None
                ]
            break
        else:
            complete.add(run.id)
    for run in runs if not part.prepare else ():
        group = replicas_of(run, runs)
        if run.leads and complete.issuperset(other.id for other in group):
            ready += [(0, 0, run, (product,)) for product in round_products(group, campaign)]
    ready.sort(key=lambda item: item[:2])
    return [(run, step) for _, _, run, step in ready]


def chain_count(runs: Sequence[Run], campaign: Campaign, prepare: bool) -> int:
    """How many chains there are to deal out to parts: windows or exchange groups, or with `prepare`
    runs.
    """
    return len(runs) if prepare else sum(len(phases_of(run, campaign)[ASKED]) for run in runs)


def _ticker(outs: Sequence[Path], stop: StopSignal) -> Callable[[float], None]:
    """A callback that looks for a stop signal and leaves the fraction done where status and
    progress bars find it.
    """
    last = [0.0]

    def tick(fraction: float) -> None:
        stop.check()
        if time.monotonic() - last[0] > PROGRESS_EVERY_S:
            last[0] = time.monotonic()
            for out in outs:
                (out / PROGRESS_FILE).write_text(f"{fraction:.4f}", encoding="ascii")

    return tick


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"


def _record_failure(run: Run, product: Product, out: Path | None, error: Exception) -> None:
    """Keep what there is of a failed product, with the traceback, under failures/."""
    before = run.failures(product.name)
    number = int(before[-1].name.rpartition("-")[2]) + 1 if before else 0
    target = run.failures_folder / f"{product.name.replace('/', '_')}-{number:03d}"
    with publishing(target) as folder:
        for path in out.iterdir() if out else ():
            if path.is_file() and path.name != PROGRESS_FILE:
                shutil.copy2(path, folder / path.name)
        record = {
            "product": product.name,
            "error": _one_line(error),
            "traceback": traceback.format_exception(error),
            "host": socket.gethostname(),
            "versions": versions(),
        }
        (folder / "error.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
