"""The worker: make what is missing, one product at a time, each by one process only; failures are data."""

import json
import shutil
import socket
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from jobs.claims import claim
from jobs.publish import clear_scratch, publishing
from jobs.stop import Stopped, StopSignal
from pipeline.campaign import Campaign, CampaignError
from pipeline.plan import segment_speeds
from pipeline.platforms import Choice, PlatformError
from pipeline.run import Run
from pipeline.stages import Product, Workshop, prepare_products, window_products, windows_of
from pipeline.versions import versions


class WorkError(RuntimeError):
    """The work could not be finished; what was published is kept."""


# The machine or the directory, not the physics: nothing to record, the worker stops and the message says what to do.
MACHINE_ERRORS = (OSError, CampaignError, PlatformError, MemoryError)
PROGRESS_FILE = "progress"
PROGRESS_EVERY_S = 1.0
WAIT_S = 0.5
TIMED = ("pull", "windows")  # stages whose products are many and alike


@dataclass(frozen=True)
class Part:
    """Part `index` of `count` (from 0): the windows of all runs are dealt out in turn, one part each.

    With `prepare`, the runs are dealt out instead, and only what comes before their windows is made.
    """

    index: int
    count: int
    prepare: bool = False


@dataclass(frozen=True)
class Worker:
    """One process at work on a campaign. `retry` makes products again that failed before; `say` gets one line a product."""

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
        """Make products until none is left for this part, or none that can end within the wall time; what others are at work on is
        waited for, and taken over if they die.

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
            for run, product in self._next():
                if self._needs_s(run, product) > self.stop.left_s():
                    continue
                self.stop.check()
                with claim(run.lock(product.chain)) as mine:
                    if mine and not run.has(product.name):
                        self._make(run, product)
                    waiting |= not mine
                    done |= mine
                if done:
                    break
            if not done:
                if not waiting:
                    return
                self.stop.check()
                time.sleep(WAIT_S)

    def _next(self) -> list[tuple[Run, Product]]:
        ready = next_products(self.runs, self.campaign, self.part)
        return [(run, product) for run, product in ready if not self._failed(run, product)]

    def _needs_s(self, run: Run, product: Product) -> float:
        """Seconds a segment or a step of the pull takes: as long as this process's last one of the run, else as the run's published
        segments on this platform; 0 when nothing is known, and for what is made once."""
        stage = product.name.split("/")[0]
        if (run.id, stage) not in self.paces and stage in TIMED:
            speeds = segment_speeds(run, self.choice.name)
            self.paces[run.id, stage] = 86.4 / float(np.median(speeds)) if speeds else 0.0
        return product.cost_ps * self.paces.get((run.id, stage), 0.0)

    def _failed(self, run: Run, product: Product) -> bool:
        """Whether the product has a recorded failure that this worker is not to try again."""
        return (run.id, product.name) in self.tried or (not self.retry and bool(run.failures(product.name)))

    def _make(self, run: Run, product: Product) -> None:
        target = run.path(product.name)
        clear_scratch(target)
        began = time.perf_counter()
        try:
            with publishing(target) as out:
                try:
                    product.make(Workshop(run, self.choice, _ticker(out, self.stop)), out)
                    (out / PROGRESS_FILE).unlink(missing_ok=True)
                except MACHINE_ERRORS:
                    raise
                except Exception as error:
                    self.stop.check()  # a program that we ran may have failed because it was stopped with us
                    self.tried.add((run.id, product.name))
                    _record_failure(run, product, out, error)
                    raise
        except MACHINE_ERRORS:
            raise
        except Exception as error:
            self.say(f"{run.id} {product.name}: FAILED: {_one_line(error)}")
            return
        elapsed = time.perf_counter() - began
        if product.name.startswith(TIMED):
            self.paces[run.id, product.name.split("/")[0]] = elapsed / product.cost_ps
        self.say(f"{run.id} {product.name}: done in {elapsed:.1f} s")


def next_products(runs: Sequence[Run], campaign: Campaign, part: Part) -> list[tuple[Run, Product]]:
    """The next product of every chain of a part: preparations first, then the windows with the fewest segments."""
    ready, number = [], 0
    for order, run in enumerate(runs):
        windows = [] if part.prepare else windows_of(run.spec, campaign.windows)
        mine = [w for k, w in enumerate(windows, start=number) if k % part.count == part.index]
        number += len(windows)
        if not (order % part.count == part.index if part.prepare else mine):
            continue
        preparation = prepare_products(run.spec)
        chains = [window_products(run.spec, window, campaign.sampling) for window in mine]
        there = run.published(product.name for products in (preparation, *chains) for product in products)
        place, product = (order - part.index) % len(runs), first_missing(preparation, there)
        if product is not None:
            ready.append((-1, place, run, product))
            continue
        for products in chains:
            product = first_missing(products, there)
            if product is not None:
                ready.append((products.index(product), place, run, product))
    ready.sort(key=lambda item: item[:2])
    return [(run, product) for _, _, run, product in ready]


def chain_count(runs: Sequence[Run], campaign: Campaign, prepare: bool) -> int:
    """How many chains there are to deal out to parts: windows, or with `prepare` runs."""
    return len(runs) if prepare else sum(len(windows_of(run.spec, campaign.windows)) for run in runs)


def first_missing(products: list[Product], there: set[str]) -> Product | None:
    """The first product of a chain that is not among the published ones."""
    return next((product for product in products if product.name not in there), None)


def _ticker(out: Path, stop: StopSignal) -> Callable[[float], None]:
    """A callback that looks for a stop signal and leaves the fraction done where status and progress bars find it."""
    last = [0.0]

    def tick(fraction: float) -> None:
        stop.check()
        if time.monotonic() - last[0] > PROGRESS_EVERY_S:
            last[0] = time.monotonic()
            (out / PROGRESS_FILE).write_text(f"{fraction:.4f}", encoding="ascii")

    return tick


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"


def _record_failure(run: Run, product: Product, out: Path, error: Exception) -> None:
    """Keep what there is of a failed product, with the traceback, under failures/."""
    before = run.failures(product.name)
    number = int(before[-1].name.rpartition("-")[2]) + 1 if before else 0
    target = run.failures_folder / f"{product.name.replace('/', '_')}-{number:03d}"
    with publishing(target) as folder:
        for path in out.iterdir():
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
