"""How far a campaign is, read from its directories, and a display of it.

The display is a bar on a terminal, and plain lines in a log.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.progress import BarColumn, Progress, TextColumn

from halobind.jobs.publish import scratches
from halobind.pipeline.campaign.run_directory import Run
from halobind.pipeline.campaign.settings import Campaign
from halobind.pipeline.campaign.text import LINE_EVERY_S, duration
from halobind.pipeline.sampling.product import PROGRESS_FILE, Product
from halobind.pipeline.sampling.products import all_products


@dataclass(frozen=True)
class Amount:
    """How much is done of what is asked for."""

    done_ps: float
    """Simulated time that is done; unfinished products count by their fraction."""
    total_ps: float
    """Simulated time that is asked for."""
    done: int
    """Products that are published."""
    total: int
    """Products that are asked for."""


Chart = list[tuple[Run, list[Product]]]  # every product of every run, in order


def chart_of(runs: list[Run], campaign: Campaign) -> Chart:
    """Every product of every run, in order, for the sampling that campaign and rounds ask for."""
    return [(run, all_products(run, campaign)) for run in runs]


def measure(chart: Chart) -> Amount:
    """How much is published, and how far what is under way has come."""
    done_ps = total_ps = 0.0
    done = total = 0
    for run, products in chart:
        begun: set[str] = set()
        published = run.published(product.name for product in products)
        for product in products:
            total_ps += product.cost_ps
            total += 1
            if product.name in published:
                done_ps += product.cost_ps
                done += 1
            elif product.chain not in begun:
                begun.add(product.chain)  # only the next product of a chain can be under way
                done_ps += product.cost_ps * _fraction(run, product.name)
    return Amount(done_ps, total_ps, done, total)


def _fraction(run: Run, product: str) -> float:
    """The fraction that a process at work on a product has written into its scratch directory."""
    fraction = 0.0
    for scratch in scratches(run.path(product)):
        try:
            fraction = max(fraction, float((scratch / PROGRESS_FILE).read_text(encoding="ascii")))
        except (OSError, ValueError):
            continue  # it was published, removed or just being written as we looked
    return fraction


class Display:
    """Shows progress with rate and remaining time.

    Call `tick()` often: it looks at the disk, and at what rounds ask for, once a second.
    """

    def __init__(self, chart: Callable[[], Chart]) -> None:
        """Begin to show progress.

        Args:
            chart: Gives every product of every run, as rounds ask for them now.
        """
        self._chart = chart
        self._began = self._shown = self._looked = time.monotonic()
        self._first = measure(chart())
        self._bar = None
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[text]}"),
                transient=False,
            )
            self._task = self._bar.add_task("sampling", total=self._first.total_ps, text="")
            self._bar.update(self._task, completed=self._first.done_ps)
            self._bar.start()

    def tick(self) -> None:
        """Look, once a second, and show what has changed."""
        now = time.monotonic()
        if now - self._looked < 1.0:
            return
        amount = measure(self._chart())
        self._looked = now
        text = self._text(amount, now)
        if self._bar is not None:
            self._bar.update(self._task, completed=amount.done_ps, text=text)
        elif now - self._shown >= LINE_EVERY_S:
            self._shown = now
            print(
                f"{100 * amount.done_ps / amount.total_ps:5.1f} %  {text}",
                file=sys.stderr,
                flush=True,
            )

    def _text(self, amount: Amount, now: float) -> str:
        gained = amount.done_ps - self._first.done_ps
        elapsed = now - self._began
        text = f"{amount.done_ps:.0f} of {amount.total_ps:.0f} ps"
        if gained <= 0:
            return text
        rate = gained / elapsed
        remaining_s = (amount.total_ps - amount.done_ps) / rate
        return f"{text}, {rate * 86.4:.1f} ns/day, {duration(remaining_s)} left"

    def close(self) -> None:
        """Leave the terminal as it is."""
        if self._bar is not None:
            self._bar.stop()
