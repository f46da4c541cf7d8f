"""The worker: make what is missing, one step at a time, each by one process; failures are data."""

import json
import shutil
import socket
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from halobind.jobs.claims import claim
from halobind.jobs.publish import clear_scratch, publishing
from halobind.jobs.stop import Stopped, StopSignal
from halobind.pipeline.campaign.run_directory import Run
from halobind.pipeline.campaign.settings import Campaign, CampaignError
from halobind.pipeline.campaign.versions import versions
from halobind.pipeline.sampling.platforms import MDPlatform, PlatformError
from halobind.pipeline.sampling.product import PROGRESS_FILE, Product
from halobind.pipeline.sampling.run_context import RunContext
from halobind.pipeline.sampling.schedule import Step, first_missing, phases_of, products_of
from halobind.pipeline.sampling.steps import SingleStep
from halobind.pipeline.workflow.cost import segment_speeds
from halobind.pipeline.workflow.parts import Part
from halobind.pipeline.workflow.planning import round_products
from halobind.pipeline.workflow.rounds_due import replicas_of


class WorkError(RuntimeError):
    """The work could not be finished; what was published is kept.

    Examples:
        >>> try:
        ...     outcome = halobind.run_campaign(campaign)
        ... except halobind.WorkError as error:
        ...     print(error)
    """


# The machine or the directory, not the physics: nothing to record, the worker stops and the message
# says what to do.
MACHINE_ERRORS = (OSError, CampaignError, PlatformError, MemoryError)
PROGRESS_EVERY_S = 1.0
WAIT_S = 0.5
TIMED_STAGES = (
    "pull",
    "path",
    "windows",
    "metadynamics",
    "alchemical",
)  # their products are many and alike
SECONDS_PER_PS_AT_1_NS_DAY = 86.4

StepMaker = Callable[[RunContext, Step, Sequence[Path]], None]


def make_step(context: RunContext, step: Step, outs: Sequence[Path]) -> None:
    """Make the products of a step, each in its own directory."""
    step.make(context, outs)


@dataclass(eq=False)
class Worker:
    """One process at work on a campaign."""

    runs: tuple[Run, ...]
    """All runs of the campaign."""
    campaign: Campaign
    """Says how much sampling is asked for."""
    platform: MDPlatform
    """What computes."""
    part: Part
    """The work that is dealt out to this process."""
    retry: bool
    """Make products again that failed before."""
    stop: StopSignal
    """Asks to stop, or ends the wall time."""
    say: Callable[[str], None]
    """Gets one line a product."""
    make_step: StepMaker = make_step
    """What makes the products of a step."""
    tried: set[tuple[str, str]] = field(default_factory=set)
    """Run id and name of every product that failed here."""
    seconds_per_ps: dict[tuple[str, str], float] = field(default_factory=dict)
    """By run id and stage: how long a product took last."""

    def work(self) -> None:
        """Make products until none is missing in this part, or none can end within the wall time.

        What others are at work on is waited for, and taken over if they die.

        Raises:
            Stopped: The process was asked to stop.
            OSError: The disk fails.
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
                with claim_all([run.lock(product.chain) for product in step.products]) as mine:
                    if mine and not all(run.has(product.name) for product in step.products):
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
            if not any(self._failed(run, product) for product in step.products)
        ]

    def _needs_s(self, run: Run, step: Step) -> float:
        """Seconds that segments or a step of the pull take.

        They take as long as the last ones that this process made of the run, else as the published
        segments of the run on this platform; 0 when nothing is known, and for what is made once.
        """
        stage = step.products[0].stage
        if (run.id, stage) not in self.seconds_per_ps and stage in TIMED_STAGES:
            speeds = segment_speeds(run, self.platform.name)
            seconds_per_ps = (
                SECONDS_PER_PS_AT_1_NS_DAY / float(np.median(speeds)) if speeds else 0.0
            )
            self.seconds_per_ps[run.id, stage] = seconds_per_ps
        cost_ps = sum(product.cost_ps for product in step.products)
        return cost_ps * self.seconds_per_ps.get((run.id, stage), 0.0)

    def _failed(self, run: Run, product: Product) -> bool:
        """Whether the product has a recorded failure that this worker is not to try again."""
        return (run.id, product.name) in self.tried or (
            not self.retry and bool(run.failures(product.name))
        )

    def _make(self, run: Run, step: Step) -> None:
        """Make and publish what is missing of a step; a failure is recorded and told."""
        began = self.stop.now()
        first = next(product for product in step.products if not run.has(product.name))
        try:
            made = self._publish(run, step, first)
        except MACHINE_ERRORS:
            raise
        except Exception as error:
            self.say(f"{run.id} {first.name}: FAILED: {_one_line(error)}")
            return
        elapsed = self.stop.now() - began
        if first.stage in TIMED_STAGES:
            cost_ps = sum(product.cost_ps for product in made)
            self.seconds_per_ps[run.id, first.stage] = elapsed / cost_ps
        for product in made:
            self.say(f"{run.id} {product.name}: done in {elapsed:.1f} s")

    def _publish(self, run: Run, step: Step, first: Product) -> tuple[Product, ...]:
        """Make and publish what is missing of a step, of which `first` is; a failure is recorded.

        Returns:
            The products that were made.
        """
        outs: list[Path] = []
        with ExitStack() as stack:
            try:
                step = step.to_make(run)
                for product in step.products:
                    check_free(run.path(product.name))
                    clear_scratch(run.path(product.name))
                for product in step.products:
                    outs.append(stack.enter_context(publishing(run.path(product.name))))
                context = RunContext(run, self.platform, _ticker(outs, self.stop))
                self.make_step(context, step, outs)
                for out in outs:
                    (out / PROGRESS_FILE).unlink(missing_ok=True)
            except MACHINE_ERRORS:
                raise
            except Exception as error:
                # a program that we ran may have failed because it was stopped with us
                self.stop.check()
                self.tried.add((run.id, first.name))
                unfinished = outs[step.products.index(first)] if outs else None
                _record_failure(run, first, unfinished, error)
                raise
        return step.products


def check_free(target: Path) -> None:
    """Raise CampaignError where something that is no directory has the name of a product."""
    for path in (target, target.parent):
        if (path.exists() or path.is_symlink()) and not path.is_dir():
            raise CampaignError(
                f"{path} is not a directory and is in the way of a product: remove it, then:"
                " halobind"
                " run"
            )


@contextmanager
def claim_all(locks: Sequence[Path]) -> Iterator[bool]:
    """Try to take every lock; yield True while all are ours, False when another process has one."""
    with ExitStack() as stack:
        yield all(stack.enter_context(claim(lock)) for lock in sorted(set(locks)))


@dataclass(frozen=True)
class _ReadyStep:
    """A step that can be made now."""

    level: int
    """-1 for the preparation, else its number in its chain: the lowest is made first."""
    distance: int
    """From the part to the run, so that parts begin with different runs."""
    run: Run
    """The run."""
    step: Step
    """The step."""


def next_steps(runs: Sequence[Run], campaign: Campaign, part: Part) -> list[tuple[Run, Step]]:
    """The next step of every chain of a part: preparations, then windows, then rounds.

    The windows with the fewest segments come first. Parts deal out what the campaign file asks for;
    what rounds ask for, and the rounds themselves, may be made by any worker.

    Args:
        runs: The runs.
        campaign: Says how much sampling is asked for.
        part: What is dealt out.
    """
    ready: list[_ReadyStep] = []
    complete = set[str]()
    n_dealt = 0
    for order, run in enumerate(runs):
        phases = phases_of(run, campaign)
        if not part.prepare:
            in_order = phases.in_order()
        elif order % part.count == part.index:
            in_order = [phases.preparation]
        else:
            in_order = []
        is_mine = [(n_dealt + k) % part.count == part.index for k in range(len(phases.campaign))]
        n_dealt += len(phases.campaign)
        published = run.published(
            product.name for chains in in_order for product in products_of(chains)
        )
        pending = next(
            (
                chains
                for chains in in_order
                if any(first_missing(chain, published) is not None for chain in chains)
            ),
            None,
        )
        if pending is None:
            complete.add(run.id)
            continue
        chains = pending
        if pending is phases.campaign:
            chains = [chain for chain, mine in zip(pending, is_mine, strict=True) if mine]
        if pending is phases.preparation and not (part.prepare or any(is_mine)):
            chains = []
        for chain in chains:
            number = first_missing(chain, published)
            if number is not None:
                level = -1 if pending is phases.preparation else number
                distance = (order - part.index) % len(runs)
                ready.append(_ReadyStep(level, distance, run, chain[number]))
    if not part.prepare:
        for run in runs:
            replicas = replicas_of(run, runs)
            if run.leads and complete.issuperset(other.id for other in replicas):
                for round_ in round_products(replicas, campaign):
                    ready.append(_ReadyStep(0, 0, run, SingleStep(round_)))
    ready.sort(key=lambda item: (item.level, item.distance))
    return [(item.run, item.step) for item in ready]


def chain_count(runs: Sequence[Run], campaign: Campaign, prepare: bool) -> int:
    """How many chains there are to deal out to parts.

    Args:
        runs: The runs.
        campaign: Says how much sampling is asked for.
        prepare: Whether runs are dealt out, and not windows or exchange groups.
    """
    return len(runs) if prepare else sum(len(phases_of(run, campaign).campaign) for run in runs)


def _ticker(outs: Sequence[Path], stop: StopSignal) -> Callable[[float], None]:
    """A callback that looks for a stop signal and writes the fraction done for progress bars."""
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
