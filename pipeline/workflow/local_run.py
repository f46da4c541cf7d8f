"""Doing what is pending of a campaign on this machine, and how far that came."""

from dataclasses import dataclass

from halobind.jobs.batch import clock
from halobind.jobs.stop import StopSignal
from halobind.pipeline.campaign.load import load_campaign
from halobind.pipeline.campaign.run_directory import (
    CampaignRuns,
    Run,
    campaign_file,
    write_record,
)
from halobind.pipeline.campaign.settings import CampaignError
from halobind.pipeline.sampling.failures import OpenFailure, open_failures
from halobind.pipeline.sampling.platforms import PLATFORM_NAMES, MDPlatform, choose
from halobind.pipeline.workflow.checks import check_writable
from halobind.pipeline.workflow.cost import check_disk, plan_run
from halobind.pipeline.workflow.local_processes import side_by_side
from halobind.pipeline.workflow.parts import Part
from halobind.pipeline.workflow.progress import chart_of, measure
from halobind.pipeline.workflow.status import rounds_due


@dataclass(frozen=True)
class RunOptions:
    """How a campaign is run on this machine."""

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


@dataclass(frozen=True)
class RunFailure:
    """A product that failed, and whose it is."""

    run: Run
    """The run."""
    failure: OpenFailure
    """The product, and why it failed."""

    def __str__(self) -> str:
        return self.text("retry=True")

    def text(self, retry: str) -> str:
        """What failed, why and where it is recorded; `retry` is how to try again."""
        return (
            f"{self.run.id} {self.failure.product} failed: {self.failure.reason} (see"
            f" {self.run.failures_folder}; try again with {retry})"
        )


@dataclass(frozen=True, repr=False)
class RunOutcome:
    """How far a campaign has come on disk.

    Examples:
        >>> outcome = halobind.run_campaign(halobind.open_campaign("mycampaign"))
        >>> outcome.done == outcome.total, outcome.failures
        (True, ())
    """

    done: int
    """Products that are published."""
    total: int
    """Products that are asked for."""
    failures: tuple[RunFailure, ...]
    """Those that failed and are still missing."""

    def __repr__(self) -> str:
        first = f"{self.done} of {self.total} products are published"
        return "\n".join([first, *map(str, self.failures)])


def run_campaign(
    campaign: CampaignRuns,
    *,
    processes: int | None = None,
    platform: str | None = None,
    retry: bool = False,
    walltime_s: float | None = None,
    progress: bool = True,
) -> RunOutcome:
    """Do what is pending of a campaign on this machine, as `halobind run` does.

    It returns when nothing is left. Interrupt it at any moment: what was published is kept, and the
    same call goes on from there. What fails does not stop the rest.

    Args:
        campaign: the campaign.
        processes: how many processes side by side; None: as the campaign says.
        platform: name of the OpenMM platform; None: as the campaign says.
        retry: make again what failed before.
        walltime_s: seconds after which to stop; None: when all is done.
        progress: print how far it is, to standard error.

    Raises:
        CampaignError: names the setting, its value and what to do.
        PlatformError: the platform cannot be used here.
        WorkError: processes ended before the work was done.

    Examples:
        >>> campaign = halobind.open_campaign("mycampaign")
        >>> halobind.run_campaign(campaign, processes=2, progress=False)
        18 of 18 products are published
    """
    options = RunOptions(processes=processes, platform=platform, retry=retry, walltime_s=walltime_s)
    _check_options(options)
    file = campaign_file(campaign.folder)
    if load_campaign(file) != campaign.settings:
        raise CampaignError(
            f"{file} was edited since it was opened: open it again with"
            f" open_campaign({str(campaign.folder)!r})"
        )
    choice = begin_work(campaign, options)
    return run_pending(campaign, choice, options, StopSignal(walltime_s), progress=progress)


def _check_options(options: RunOptions) -> None:
    """Raise CampaignError for options that the command line would not take."""
    names = ("auto", *PLATFORM_NAMES)
    if options.platform is not None and options.platform not in names:
        raise CampaignError(
            f"platform = {options.platform!r}: there is no such platform; choose one of"
            f" {', '.join(names)}"
        )
    if options.processes is not None and not (
        isinstance(options.processes, int) and options.processes >= 1
    ):
        raise CampaignError(
            f"processes = {options.processes!r} is not a whole number of at least 1"
        )
    if options.walltime_s is not None and not options.walltime_s > 0:
        raise CampaignError(f"walltime_s = {options.walltime_s!r} is not above zero")


def begin_work(campaign: CampaignRuns, options: RunOptions) -> MDPlatform:
    """Check directory, disk and platform, and write the record of every run.

    Raises:
        CampaignError: nothing can be written, or the disk has no room.
        PlatformError: the platform cannot be used here.
    """
    check_writable(campaign.folder)
    check_disk([plan_run(run, campaign.settings) for run in campaign.runs], campaign.folder)
    resources = campaign.settings.resources
    choice = choose(options.platform or resources.platform, resources.threads)
    for run in campaign.runs:
        write_record(run)
    return choice


def run_pending(
    campaign: CampaignRuns,
    choice: MDPlatform,
    options: RunOptions,
    stop: StopSignal,
    *,
    progress: bool = True,
) -> RunOutcome:
    """Start processes that make what is pending, where anything is, and wait for them.

    Args:
        campaign: the campaign.
        choice: the platform, from `begin_work`.
        options: how it is run.
        stop: says how much wall time is left.
        progress: print how far it is, to standard error.

    Raises:
        Stopped: a signal that `stop` listens to came.
        PlatformError: the platform cannot be used here.
        WorkError: processes ended before the work was done.
    """
    settings = campaign.settings
    runs = campaign.runs
    before = measure(chart_of(runs, settings))
    if before.done < before.total or rounds_due(runs, settings):
        side_by_side(
            campaign,
            choice,
            options.processes,
            _flags(options, stop),
            progress=progress,
        )
    failures = [
        RunFailure(run, failure) for run in runs for failure in open_failures(run, settings)
    ]
    amount = measure(chart_of(runs, settings))
    return RunOutcome(amount.done, amount.total, tuple(failures))


def _flags(options: RunOptions, stop: StopSignal) -> list[str]:
    """What the processes are told besides the campaign and the platform."""
    flags = ["--part", str(options.part)] if options.part else []
    flags += ["--retry"] if options.retry else []
    flags += ["--prepare"] if options.prepare else []
    if options.walltime_s is not None:
        flags += ["--walltime", clock(max(0.0, stop.left_s()))]
    return flags
