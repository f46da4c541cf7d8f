"""The worker: make what is missing, one product at a time, each by one process only; failures are data."""

import json
import shutil
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from jobs.claims import claim
from jobs.publish import clear_scratch, publishing
from jobs.stop import StopSignal
from pipeline.campaign import Campaign, CampaignError
from pipeline.platforms import Choice, PlatformError
from pipeline.run import Run
from pipeline.stages import PREPARE, Product, Workshop, prepare_products, window_products, windows_of
from pipeline.versions import versions

PROGRESS_FILE = "progress"
PROGRESS_EVERY_S = 1.0
WAIT_S = 0.5


@dataclass(frozen=True)
class Part:
    """Part `index` of `count` (from 0): the windows of all runs are dealt out in turn, one part each."""

    index: int
    count: int


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

    def work(self) -> None:
        """Make products until none is left for this part. Raises Stopped when asked to stop, OSError when the disk fails."""
        started = time.time()
        while True:
            done = waiting = False
            for run, product in self._next(started):
                self.stop.check()
                with claim(run.lock(product.chain)) as mine:
                    if mine and not run.has(product.name):
                        self._make(run, product)
                    waiting |= not mine and product.chain == PREPARE
                    done |= mine
                if done:
                    break
            if not done:
                if not waiting:
                    return
                self.stop.check()
                time.sleep(WAIT_S)

    def _next(self, started: float) -> Iterator[tuple[Run, Product]]:
        """The next product of every chain of this part: preparations first, then the windows with the fewest segments."""
        ready, number = [], 0
        for order, run in enumerate(self.runs):
            windows = windows_of(run.spec, self.campaign.windows)
            mine = [w for k, w in enumerate(windows, start=number) if k % self.part.count == self.part.index]
            number += len(windows)
            product = first_missing(run, prepare_products(run.spec))
            if product is not None:
                if mine and not self._failed(run, product, started):
                    ready.append((-1, (order - self.part.index) % len(self.runs), run, product))
                continue
            for window in mine:
                products = window_products(run.spec, window, self.campaign.sampling)
                product = first_missing(run, products)
                if product is not None and not self._failed(run, product, started):
                    ready.append((products.index(product), order, run, product))
        for _, _, run, product in sorted(ready, key=lambda item: item[:2]):
            yield run, product

    def _failed(self, run: Run, product: Product, started: float) -> bool:
        """Whether the product has a recorded failure that this worker is not to try again."""
        failures = run.failures(product.name)
        return bool(failures) and (not self.retry or failures[-1].stat().st_mtime >= started)

    def _make(self, run: Run, product: Product) -> None:
        target = run.path(product.name)
        clear_scratch(target)
        began = time.perf_counter()
        try:
            with publishing(target) as out:
                try:
                    product.make(Workshop(run, self.choice, _ticker(out, self.stop)), out)
                    (out / PROGRESS_FILE).unlink(missing_ok=True)
                except (OSError, CampaignError, PlatformError, MemoryError):
                    raise  # the machine or the directory, not the physics: nothing to record, the message says what to do
                except Exception as error:
                    _record_failure(run, product, out, error)
                    raise
        except (OSError, CampaignError, PlatformError, MemoryError):
            raise
        except Exception as error:
            self.say(f"{run.id} {product.name}: FAILED: {_one_line(error)}")
            return
        self.say(f"{run.id} {product.name}: done in {time.perf_counter() - began:.1f} s")


def first_missing(run: Run, products: list[Product]) -> Product | None:
    """The first product of a chain that is not published."""
    there = run.published(product.name for product in products)
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
    number = len(run.failures(product.name))
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
