"""`halobind run`: processes side by side until nothing is left, then the tables."""

import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from halobind.jobs.stop import FOLLOW_PARENT, StopSignal
from halobind.pipeline.commands.console import table_with_files, tell_older_runs
from halobind.pipeline.results.publish import make_table, publish_table
from halobind.pipeline.workflow.checks import open_campaign
from halobind.pipeline.workflow.local_run import RunOptions, begin_work, run_pending
from halobind.pipeline.workflow.parts import Part
from halobind.pipeline.workflow.worker import Worker


def run_with_table(folder: Path, options: RunOptions) -> int:
    """Do what is pending; returns 0 when nothing is left or failed, 1 when something failed."""
    opened = open_campaign(folder)
    choice = begin_work(opened, options)
    stop = StopSignal(options.walltime_s).listen()
    if FOLLOW_PARENT in os.environ:
        part = replace(options.part or Part.WHOLE, prepare=options.prepare)
        Worker(
            tuple(opened.runs),
            opened.settings,
            choice,
            part,
            options.retry,
            stop,
            lambda line: print(line, flush=True),
        ).work()
        return 0
    tell_older_runs(folder)
    outcome = run_pending(opened, choice, options, stop)
    for failure in outcome.failures:
        print(f"halobind: {failure.text('--retry')}", file=sys.stderr)
    published = f"{outcome.done} of {outcome.total} products are published"
    if options.walltime_s is not None or options.prepare:
        where = shlex.quote(str(folder))
        print(f"{published}; the table: halobind table {where}", file=sys.stderr)
        return 1 if outcome.failures else 0
    if options.part and outcome.done < outcome.total and not outcome.failures:
        print(f"{published}; the other parts make the rest", file=sys.stderr)
    table = make_table(opened)
    print(table_with_files(table, publish_table(table, opened)))
    return 0 if table.sound and not outcome.failures else 1
