"""`halobind run`: processes side by side until nothing is left, then the tables."""

import os
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from halobind.jobs.batch import clock
from halobind.jobs.stop import FOLLOW_PARENT, StopSignal
from halobind.pipeline.campaign.run_directory import write_record
from halobind.pipeline.commands.console import table_with_files, tell_older_runs
from halobind.pipeline.results.publish import make_table, publish_table
from halobind.pipeline.sampling.failures import open_failures
from halobind.pipeline.sampling.platforms import choose
from halobind.pipeline.workflow.checks import check_writable, open_campaign
from halobind.pipeline.workflow.cost import check_disk, plan_run
from halobind.pipeline.workflow.local_processes import side_by_side
from halobind.pipeline.workflow.parts import Part
from halobind.pipeline.workflow.progress import chart_of, measure
from halobind.pipeline.workflow.status import rounds_due
from halobind.pipeline.workflow.worker import Worker


@dataclass(frozen=True)
class RunOptions:
    """Options of `halobind run`."""

    part: Part | None = None
    """Which part of the windows (or, with `prepare`, of the runs) to make; None: all."""
    processes: int | None = None
    """How many processes side by side; None: as the campaign says."""
    platform: str | None = None
    """Name of the OpenMM platform; None: as the campaign says."""
    retry: bool = False
    """Make again what failed before."""
    prepare: bool = False
    """Make only what comes before the windows."""
    walltime_s: float | None = None
    """Seconds after which to stop; None: when all is done."""


def run_campaign(folder: Path, options: RunOptions) -> int:
    """Do what is pending; returns 0 when nothing is left or failed, 1 when something failed."""
    opened = open_campaign(folder)
    campaign = opened.settings
    runs = opened.runs
    check_writable(folder)
    check_disk([plan_run(run, campaign) for run in runs], folder)
    choice = choose(options.platform or campaign.resources.platform, campaign.resources.threads)
    for run in runs:
        write_record(run)
    stop = StopSignal(options.walltime_s).listen()
    if FOLLOW_PARENT in os.environ:
        part = replace(options.part or Part.WHOLE, prepare=options.prepare)
        Worker(
            tuple(runs),
            campaign,
            choice,
            part,
            options.retry,
            stop,
            lambda line: print(line, flush=True),
        ).work()
        return 0
    tell_older_runs(folder)
    before = measure(chart_of(runs, campaign))
    if before.done < before.total or rounds_due(runs, campaign):
        side_by_side(folder, campaign, (runs, choice), options.processes, _flags(options, stop))
    failures = [(run, failure) for run in runs for failure in open_failures(run, campaign)]
    for run, failure in failures:
        print(
            f"halobind: {run.id} {failure.product} failed: {failure.reason} (see"
            f" {run.failures_folder}; try again with --retry)",
            file=sys.stderr,
        )
    amount = measure(chart_of(runs, campaign))
    if options.walltime_s is not None or options.prepare:
        where = shlex.quote(str(folder))
        print(
            f"{amount.done} of {amount.total} products are published; the table: halobind table"
            f" {where}",
            file=sys.stderr,
        )
        return 1 if failures else 0
    if options.part and amount.done < amount.total and not failures:
        print(
            f"{amount.done} of {amount.total} products are published; the other parts make the"
            " rest",
            file=sys.stderr,
        )
    table = make_table(opened)
    print(table_with_files(table, publish_table(table, opened)))
    return 0 if table.sound and not failures else 1


def _flags(options: RunOptions, stop: StopSignal) -> list[str]:
    """What the processes are told besides the campaign and the platform."""
    flags = ["--part", str(options.part)] if options.part else []
    flags += ["--retry"] if options.retry else []
    flags += ["--prepare"] if options.prepare else []
    return flags + (
        ["--walltime", clock(max(0.0, stop.left_s()))] if options.walltime_s is not None else []
    )
