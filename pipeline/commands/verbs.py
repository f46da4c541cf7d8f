"""What each verb of the command line does with a campaign directory."""

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from halobind.forcefields.molecule_parameters.molecule_xml import source_of
from halobind.forcefields.packs.pack import load_pack
from halobind.forcefields.packs.validity import provenance
from halobind.jobs.batch import clock
from halobind.jobs.stop import FOLLOW_PARENT, StopSignal
from halobind.pipeline.campaign.load import load_campaign
from halobind.pipeline.campaign.older_runs import find_older_runs, older_runs_note
from halobind.pipeline.campaign.run_directory import (
    DamagedError,
    Run,
    campaign_file,
    runs_of,
    user_molecules_folder,
    write_record,
)
from halobind.pipeline.campaign.settings import Campaign, CampaignError
from halobind.pipeline.campaign.text import duration
from halobind.pipeline.results.collect import publish_tables
from halobind.pipeline.results.swap_statistics import exchange_lines
from halobind.pipeline.sampling.failures import open_failures
from halobind.pipeline.sampling.platforms import choose
from halobind.pipeline.workflow.checks import (
    check_disk,
    check_runs,
    check_writable,
    gigabytes,
    plan_run,
)
from halobind.pipeline.workflow.local_processes import side_by_side
from halobind.pipeline.workflow.progress import chart_of, measure
from halobind.pipeline.workflow.queued_jobs import jobs_of
from halobind.pipeline.workflow.status import round_lines, rounds_due, status_rows
from halobind.pipeline.workflow.worker import Part, Worker


@dataclass(frozen=True)
class RunOptions:
    """Options of `halobind run`: (K - 1, N) or None, processes or None for the campaign's, platform
    or None, retry failures, only what comes before the windows, seconds of wall time or None.
    """

    part: tuple[int, int] | None = None
    processes: int | None = None
    platform: str | None = None
    retry: bool = False
    prepare: bool = False
    walltime_s: float | None = None


def open_campaign(folder: Path) -> tuple[Campaign, list[Run]]:
    """Load and check a campaign directory. Raises CampaignError before anything is computed or
    written.
    """
    campaign = load_campaign(campaign_file(folder))
    runs = runs_of(folder, campaign)
    check_runs(runs, campaign)
    return campaign, runs


def tell_older_runs(folder: Path) -> None:
    """Print which runs of a campaign directory an older version made, and what to do about them."""
    note = older_runs_note(folder, find_older_runs(folder))
    if note:
        print(f"halobind: {note}", file=sys.stderr)


def new_campaign(folder: Path, text: str) -> str:
    """Write campaign.toml into a new or empty directory; returns what to do next. Raises
    CampaignError when one is there.
    """
    path = campaign_file(folder)
    if path.exists():
        raise CampaignError(f"{path} is there already; edit it, or name another directory")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CampaignError(
            f"cannot write {path}: {error.strerror}; name a directory that you can write to"
        ) from None
    return f"wrote {path}\nedit it, then: halobind plan {shlex.quote(str(folder))}"


def show_plan(folder: Path) -> int:
    """Print what would run; refuse what `run` would refuse."""
    campaign, runs = open_campaign(folder)
    tell_older_runs(folder)
    plans = [plan_run(run, campaign) for run in runs]
    table = Table(
        title=f"{escape(str(folder))}: {len(runs)} run{'s' * (len(runs) != 1)}",
        title_justify="left",
    )
    chains = "walkers" if campaign.sampling.method == "metadynamics" else "windows"
    for column in (
        "run",
        "atoms",
        "box (nm)",
        chains,
        "sampling (ns)",
        "left (ns)",
        "ns/day",
        "disk left",
    ):
        table.add_column(column, justify="left" if column == "run" else "right", overflow="fold")
    for plan in plans:
        box = " x ".join(f"{length:.2f}" for length in plan.box_nm)
        speed = f"{plan.speed_ns_day:.0f}" + ("" if plan.measured else " (guess)")
        sizes = (
            f"{plan.n_atoms}",
            box,
            f"{plan.n_windows}",
            f"{plan.total_ps / 1000:.3g}",
            f"{plan.left_ps / 1000:.3g}",
            speed,
        )
        table.add_row(plan.run.id, *sizes, gigabytes(plan.left_bytes))
    _console().print(table)
    for name in dict.fromkeys(run.spec.forcefield.pack for run in runs):
        print("\n".join(provenance(load_pack(name))))
    for name in dict.fromkeys(name for run in runs for name in run.spec.ligands):
        print(f"ligand {name}: {source_of(user_molecules_folder(folder) / f'{name}.xml')}")
    nanoseconds, count = (
        sum(plan.left_ps for plan in plans) / 1000,
        sum(plan.left_bytes for plan in plans),
    )
    seconds = sum(plan.left_ps / 1000 / plan.speed_ns_day * 86400 for plan in plans)
    print(f"left: {nanoseconds:.3g} ns, {duration(seconds)} of one process, {gigabytes(count)}")
    if rounds_due(runs, campaign):
        print(not_counted(campaign))
    check_disk(plans, folder)
    return 0


def not_counted(campaign: Campaign) -> str:
    """One sentence on what rounds may add to what is asked for."""
    s, parts = campaign.sampling, []
    if s.max_rounds:
        parts.append("windows where neighbours overlap too little and a longer path")
    if s.target_kJ_mol is not None:
        most = "as much again" if s.budget_ns is None else f"{s.budget_ns:g} ns"
        parts.append(
            f"sampling to {s.target_kJ_mol:g} kJ/mol in dG0 (at most {most} for each ligand)"
        )
    return (
        "not counted: what rounds may add when this is sampled:"
        f" {' and '.join(parts) or 'what halobind extend ordered'}"
    )


def run_campaign(folder: Path, options: RunOptions) -> int:
    """Do what is pending; returns 0 when nothing is left or failed, 1 when something failed."""
    campaign, runs = open_campaign(folder)
    check_writable(folder)
    check_disk([plan_run(run, campaign) for run in runs], folder)
    choice = choose(options.platform or campaign.resources.platform, campaign.resources.threads)
    for run in runs:
        write_record(run)
    stop = StopSignal(options.walltime_s).listen()
    if FOLLOW_PARENT in os.environ:
        part = Part(*(options.part or (0, 1)), options.prepare)
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
    failures = [
        (run, product, why) for run in runs for product, why in open_failures(run, campaign).items()
    ]
    for run, product, why in failures:
        print(
            f"halobind: {run.id} {product} failed: {why} (see {run.failures_folder}; try again with"
            " --retry)",
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
    text, sound = publish_tables(folder, campaign, runs)
    print(text)
    return 0 if sound and not failures else 1


def _flags(options: RunOptions, stop: StopSignal) -> list[str]:
    """What the processes are told besides the campaign and the platform."""
    flags = ["--part", f"{options.part[0] + 1}/{options.part[1]}"] if options.part else []
    flags += ["--retry"] if options.retry else []
    flags += ["--prepare"] if options.prepare else []
    return flags + (
        ["--walltime", clock(max(0.0, stop.left_s()))] if options.walltime_s is not None else []
    )


def show_status(folder: Path) -> int:
    """Print one row a run."""
    campaign, runs = open_campaign(folder)
    tell_older_runs(folder)
    jobs, sentences = jobs_of(runs, campaign)
    rows = status_rows(runs, campaign, jobs)
    table = Table()
    for column in rows[0]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row.values())
    _console().print(table)
    for run in runs:
        for product, why in open_failures(run, campaign).items():
            print(f"{run.id} {product} failed: {why}")
        print(
            "".join(
                f"{line}\n"
                for line in [*round_lines(run), *(f"{run.id} {text}" for text in _exchange(run))]
            ),
            end="",
        )
    print(
        "\n".join(
            [
                *sentences,
                (
                    f"left: {_hours(runs, campaign):.3g} hours of one process (GPU hours, where"
                    " each has a GPU)"
                ),
            ]
        )
    )
    return 0


def _exchange(run: Run) -> list[str]:
    """How its windows exchange, or which segment cannot be read."""
    try:
        return exchange_lines(run)
    except DamagedError as error:
        return [str(error)]


def _hours(runs: list[Run], campaign: Campaign) -> float:
    plans = [plan_run(run, campaign) for run in runs]
    return sum(plan.left_ps / 1000 / plan.speed_ns_day for plan in plans) * 24


def make_tables(folder: Path) -> int:
    """Estimate what is sampled, write the tables, print the short one."""
    campaign, runs = open_campaign(folder)
    tell_older_runs(folder)
    check_writable(folder)
    text, sound = publish_tables(folder, campaign, runs)
    print(text)
    return 0 if sound else 1


def _console() -> Console:
    """A console that never cuts a table when the output is not a terminal."""
    return Console() if sys.stdout.isatty() else Console(width=160)
