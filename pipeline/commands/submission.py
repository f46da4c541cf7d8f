"""A campaign through a batch scheduler: its jobs, their scripts, submission and cancellation.

Jobs run what a person would: `halobind run DIR --prepare`, then `halobind run DIR --part K/N`, and
at the end `halobind table DIR` and `halobind submit DIR` again, which goes on while something is
missing. What is queued is read from the scheduler, what is missing from the disk.
"""

import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from halobind.jobs.batch import (
    BatchError,
    Cluster,
    Job,
    JobId,
    Scheduler,
    Task,
    ask,
    clock,
    last_words,
    spans,
)
from halobind.jobs.claims import claim
from halobind.jobs.clusters import CONFIG, SCHEDULERS, load_cluster
from halobind.jobs.ledger import Entry, Ledger
from halobind.jobs.publish import write_atomic
from halobind.pipeline.campaign.paths import absolute_path
from halobind.pipeline.campaign.run_directory import (
    CampaignRuns,
    Run,
    job_prefix,
    ledger_file,
    logs_folder,
    write_record,
)
from halobind.pipeline.campaign.settings import Campaign
from halobind.pipeline.campaign.text import duration
from halobind.pipeline.sampling.product import PREPARE
from halobind.pipeline.workflow.checks import check_writable, open_campaign
from halobind.pipeline.workflow.cost import SECONDS_PER_DAY, check_disk, plan_run
from halobind.pipeline.workflow.local_processes import PER_GPU_WITH_MPS
from halobind.pipeline.workflow.parts import Part
from halobind.pipeline.workflow.progress import chart_of, measure
from halobind.pipeline.workflow.queued_jobs import ledger_of
from halobind.pipeline.workflow.worker import chain_count, next_steps

PREPARATION = "prepare"
SAMPLING = "sample"
TABLE = "table"
CANCEL_ORDER = (TABLE, SAMPLING, PREPARATION)  # the last of the chain first
Queue = list[tuple[Entry, Task]]
PATIENCE_S = 300


@dataclass(frozen=True)
class SubmitOptions:
    """Options of `halobind submit`."""

    cluster: str
    """Name of the cluster in the user's file."""
    parts: int | None = None
    """Tasks of an array; None for a sensible number."""
    dry_run: bool = False
    """Only show the jobs."""
    retry: bool = False
    """Try again what failed."""


@dataclass(frozen=True)
class JobToSubmit:
    """A job to submit."""

    entry: Entry
    """What the record says of it."""
    script: str
    """Its script."""
    after: tuple[str, ...]
    """The stages whose jobs have to end before it."""


@dataclass(frozen=True, eq=False)
class Submission:
    """What is submitted, and where."""

    opened: CampaignRuns
    """The campaign."""
    cluster: Cluster
    """The cluster that takes the jobs."""
    options: SubmitOptions
    """Of the command."""
    ledger: Ledger
    """The record of jobs."""
    queued: Queue
    """What the schedulers hold of them."""


def submit_campaign(folder: Path, options: SubmitOptions) -> int:
    """Submit the jobs that are missing, or print them.

    Args:
        folder: The campaign.
        options: Of the command.

    Raises:
        BatchError: The cluster cannot be used, or rejects a job; what was submitted before is on
            record.
        CampaignError: The campaign cannot work.
    """
    cluster = load_cluster(options.cluster)
    opened = open_campaign(folder)
    campaign = opened.settings
    runs = opened.runs
    if options.dry_run:
        ledger = ledger_of(folder)
        queued = ledger.queued()
        jobs = _missing_jobs(Submission(opened, cluster, options, ledger, queued))
        _show(folder, jobs, _held(queued, cluster, options.cluster))
        return 0
    program = SCHEDULERS[cluster.scheduler].programs.submit
    if shutil.which(program) is None:
        raise BatchError(
            f"there is no {program} on this machine: submit to {options.cluster} from its login"
            " node (--dry-run shows the scripts here)"
        )
    check_writable(folder)
    check_disk([plan_run(run, campaign) for run in runs], folder)
    logs_folder(folder).mkdir(exist_ok=True)
    with _alone(folder):
        ledger = ledger_of(folder)
        queued = ledger.queued()
        ledger.close(queued)
        jobs = _missing_jobs(Submission(opened, cluster, options, ledger, queued))
        if jobs:
            for run in runs:
                write_record(run)
            _warn_of_long_segments(runs, campaign, cluster)
        _submit(folder, jobs, ledger, _held(queued, cluster, options.cluster))
        print(_summary(folder, jobs, queued, _has_work(runs, campaign, Part.WHOLE, False)))
    return 0


def cancel_campaign(folder: Path) -> int:
    """Cancel every queued and running job of a campaign, whatever its file says.

    Raises:
        BatchError: A job cannot be cancelled.
    """
    check_writable(folder)
    if not ledger_of(folder).entries:
        print("no jobs were submitted for this campaign")
        return 0
    with _alone(folder):
        ledger = ledger_of(folder)
        queued = ledger.queued()
        ledger.close(queued)
        jobs = {entry.name: (entry, task) for entry, task in queued}
        for entry, task in sorted(jobs.values(), key=lambda j: CANCEL_ORDER.index(j[0].stage)):
            scheduler = SCHEDULERS[entry.scheduler]
            done = ask(scheduler.cancel([task.id], task.site))
            if done.returncode != 0 and scheduler.queue([entry.name], task.site):
                raise BatchError(f"{entry.name} ({task.id}) was not cancelled: {last_words(done)}")
            # it may have ended between the question and the order
            event = "cancelled" if done.returncode == 0 else "ended"
            ledger.add(replace(entry, id=task.id, event=event))
            print(f"{event} {entry.name} ({task.id})")
    print(
        "nothing is queued"
        if not jobs
        else "what was published is kept; halobind submit goes on from there"
    )
    return 0


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the campaign's record; another submit or cancel is waited for.

    Raises:
        BatchError: That takes too long.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with claim(ledger_file(folder).with_suffix(".lock")) as mine:
            if mine:
                yield
                return
        if time.monotonic() > deadline:
            raise BatchError(
                f"another halobind submit or cancel has been at work on {folder} for {PATIENCE_S}"
                " s: see what holds it up"
            )
        time.sleep(0.5)


def _missing_jobs(submission: Submission) -> list[JobToSubmit]:
    """The jobs that have something to do and are not queued.

    Raises:
        BatchError: Going on would lead nowhere.
    """
    folder = submission.opened.folder
    campaign = submission.opened.settings
    runs = submission.opened.runs
    cluster = submission.cluster
    options = submission.options
    ledger = submission.ledger
    queued = submission.queued
    published = measure(chart_of(runs, campaign)).done
    this_job = ledger.this_job()
    if (
        this_job is not None
        and published <= this_job.published
        and _has_work(runs, campaign, Part.WHOLE, False)
    ):
        logs = f"{this_job.name.removesuffix(TABLE)}*.log"
        raise BatchError(
            f"round {this_job.round} published nothing, so no other round is submitted: see the"
            f" logs {logs} in {logs_folder(folder)} (is the wall time {cluster.walltime} long"
            f" enough for a segment?), then: {_command(folder, options)}"
        )
    each = campaign.resources.processes_per_gpu or PER_GPU_WITH_MPS
    slots = cluster.gpus * each or max(1, cluster.cpus // campaign.resources.threads)
    number = max((entry.round for entry in ledger.entries), default=0) + 1
    blank = Entry(
        name="",
        round=number,
        stage="",
        cluster=options.cluster,
        scheduler=cluster.scheduler,
        parts=(),
        of=0,
        published=published,
        site=",".join(SCHEDULERS[cluster.scheduler].sites(cluster.directives)),
    )
    jobs: list[JobToSubmit] = []
    for stage in (PREPARATION, SAMPLING):
        owners = [(entry, task) for entry, task in queued if entry.stage == stage]
        if stage == PREPARATION and any(entry.stage == SAMPLING for entry, _ in queued):
            continue  # a sampling job makes what is missing before its windows, too
        prepare = stage == PREPARATION
        if owners:
            count = owners[0][0].of
        else:
            count = _parts(chain_count(runs, campaign, prepare), slots, cluster, options)
        owned = {entry.part(task) for entry, task in owners}
        parts = {k: Part(k - 1, count, prepare) for k in range(1, count + 1) if k not in owned}
        indices = [k for k, part in parts.items() if _has_work(runs, campaign, part, options.retry)]
        if not prepare:
            indices = indices[: max(0, max_useful_parts(runs, campaign) - len(owned))]
        for copy, array in enumerate(_arrays(indices, SCHEDULERS[cluster.scheduler])):
            entry = replace(
                blank,
                stage=stage,
                parts=tuple(array),
                of=count,
                name=_name(folder, number, stage, copy),
            )
            script = _script(folder, entry, cluster, campaign, options)
            jobs.append(JobToSubmit(entry, script, () if prepare else (PREPARATION,)))
    at_work = bool(jobs) or any(entry.stage != TABLE for entry, _ in queued)
    if at_work and not any(entry.stage == TABLE for entry, _ in queued):
        entry = replace(blank, stage=TABLE, parts=(1,), of=1, name=_name(folder, number, TABLE, 0))
        script = _script(folder, entry, cluster, campaign, options)
        jobs.append(JobToSubmit(entry, script, (PREPARATION, SAMPLING)))
    return jobs


def _has_work(runs: list[Run], campaign: Campaign, part: Part, retry: bool) -> bool:
    """Whether something is missing in a part that did not fail."""
    ready = next_steps(runs, campaign, part)
    return any(
        retry or not any(run.failures(product.name) for product in step.products)
        for run, step in ready
    )


def max_useful_parts(runs: list[Run], campaign: Campaign) -> int:
    """How many parts can have something to do.

    After the preparation these are as many as there are steps that can be made now: what rounds ask
    for is not dealt out to parts, and any worker may make it.

    Args:
        runs: The runs.
        campaign: Says how much sampling is asked for.
    """
    ready = next_steps(runs, campaign, Part.WHOLE)
    if any(step.products[0].chain == PREPARE for _, step in ready):
        return chain_count(runs, campaign, False)
    return max(1, len(ready))


def _parts(chains: int, slots: int, cluster: Cluster, options: SubmitOptions) -> int:
    """How many parts a stage is cut into: as asked for, or so that a process has a chain."""
    count = min(options.parts or -(-chains // slots), chains)
    if count > cluster.array_limit:
        print(
            f"halobind: {count} parts are more than array_limit = {cluster.array_limit} of"
            f" {options.cluster}: {cluster.array_limit} parts, each with more windows",
            file=sys.stderr,
        )
    return min(count, cluster.array_limit)


def _arrays(parts: list[int], scheduler: Scheduler) -> list[list[int]]:
    """The parts of each job: all in one where the scheduler takes any indices, else a range."""
    if not scheduler.needs_one_range:
        return [parts] if parts else []
    return [list(range(first, last + 1)) for first, last in spans(parts)]


def _name(folder: Path, number: int, stage: str, copy: int) -> str:
    """A name no other job has: of the campaign's place, the round and the stage.

    Args:
        folder: The campaign.
        number: Of the round, from 1.
        stage: What the job does.
        copy: Number of the job among those of its stage, from 0.
    """
    return f"{job_prefix(folder)}{number:03d}-{stage}{f'-{copy}' if copy else ''}"


def _script(
    folder: Path, entry: Entry, cluster: Cluster, campaign: Campaign, options: SubmitOptions
) -> str:
    """The script of a job. Raises BatchError when there is no halobind for it to run."""
    where = shlex.quote(str(absolute_path(folder)))
    lines = [] if cluster.environment else [f"export PATH={shlex.quote(str(_programs()))}:$PATH"]
    indices = entry.parts if len(entry.parts) > 1 else ()
    if entry.stage == TABLE:
        lines += (
            [f"export {CONFIG}={shlex.quote(os.environ[CONFIG])}"] if os.environ.get(CONFIG) else []
        )
        lines += [
            f"halobind table {where}",
            f"exec {_command(folder, replace(options, retry=False))}",
        ]
    else:
        part = "{part}" if indices else f"{entry.parts[0]}"
        flags = ["--prepare"] if entry.stage == PREPARATION else []
        flags += [f"--part {part}/{entry.of}", f"--walltime {clock(cluster.working_s)}"]
        flags += (
            [f"--processes {max(1, cluster.cpus // campaign.resources.threads)}"]
            if not cluster.gpus
            else []
        )
        flags += ["--retry"] if options.retry else []
        lines += [f"exec halobind run {where} {' '.join(flags)}"]
    start = absolute_path(folder)
    linked = start != folder.resolve()
    job = Job(entry.name, indices, tuple(lines), str(start) if linked else "")
    return SCHEDULERS[cluster.scheduler].script(
        job, cluster.for_tables if entry.stage == TABLE else cluster
    )


def _programs() -> Path:
    """The directory of the halobind that is running."""
    beside_python = str(Path(sys.executable).parent)
    program = shutil.which("halobind", path=beside_python) or shutil.which("halobind")
    if program is None:
        raise BatchError(
            'no halobind command is installed here: give the cluster an environment = ["source'
            ' .../activate"] that has one'
        )
    return Path(program).parent


def _command(folder: Path, options: SubmitOptions) -> str:
    """The command that submits again."""
    campaign = shlex.quote(str(absolute_path(folder)))
    text = f"halobind submit {campaign} --cluster {shlex.quote(options.cluster)}"
    if options.parts:
        text += f" --parts {options.parts}"
    if options.retry:
        text += " --retry"
    return text


@dataclass(frozen=True)
class HeldJob:
    """A job that a scheduler holds and that others can wait for."""

    stage: str
    """Its stage: PREPARATION, SAMPLING or TABLE."""
    id: str
    """Its id, as the scheduler's commands take it."""
    site: str
    """The cluster that holds it, where a scheduler serves several; "": the usual one."""


def _held(queued: Queue, cluster: Cluster, name: str) -> list[HeldJob]:
    """The queued jobs that jobs of the cluster of that name can wait for."""
    sites = SCHEDULERS[cluster.scheduler].sites(cluster.directives) or ("",)
    return [
        HeldJob(entry.stage, task.id, task.site)
        for entry, task in queued
        if entry.scheduler == cluster.scheduler and (entry.cluster == name or task.site in sites)
    ]


def _submit(folder: Path, jobs: list[JobToSubmit], ledger: Ledger, held: list[HeldJob]) -> None:
    """Write and submit each script, with a record before and after; `held` are queued.

    Raises:
        BatchError: The scheduler rejects a job; with its message.
    """
    for job in jobs:
        entry = job.entry
        scheduler = SCHEDULERS[entry.scheduler]
        write_atomic(logs_folder(folder) / f"{entry.name}.sh", job.script)
        ledger.add(entry)
        # without an answer the record stays: the name finds the job
        done = ask(_submit_command(job, held), job.script, absolute_path(folder))
        if done.returncode != 0:
            said = last_words(done)
            ledger.add(replace(entry, event="rejected", message=said))
            advice = (
                " Lower array_limit of the cluster, or give --parts."
                if scheduler.limit.search(said)
                else ""
            )
            before = (
                f" Submitted before it and kept: {', '.join(earlier.id for earlier in held)}"
                " (halobind cancel takes them back)."
                if held
                else ""
            )
            raise BatchError(
                f"{scheduler.programs.submit} rejected {entry.name}: {said}.{advice}{before}"
                f" Its script is jobs/{entry.name}.sh"
            )
        answer = _job_id(scheduler, entry, done.stdout)
        site = answer.site or entry.site
        ledger.add(replace(entry, event="submitted", id=answer.id, site=site))
        held.append(HeldJob(entry.stage, answer.id, site))


def _job_id(scheduler: Scheduler, entry: Entry, output: str) -> JobId:
    """The id of a job that was taken: as the submit command says, else as the queue does."""
    try:
        return scheduler.job_id(output)
    except BatchError:
        for task in scheduler.queue([entry.name], entry.site):
            return JobId(task.id, task.site)
        raise


def _submit_command(job: JobToSubmit, held: list[HeldJob]) -> list[str]:
    """The command that submits a job after the held jobs that it has to wait for."""
    before = [earlier for earlier in held if earlier.stage in job.after]
    site = before[0].site if before else ""
    ids = dict.fromkeys(earlier.id for earlier in before if earlier.site == site)
    return SCHEDULERS[job.entry.scheduler].submit(list(ids), site)


def _show(folder: Path, jobs: list[JobToSubmit], held: list[HeldJob]) -> None:
    """Print the commands and scripts that would be submitted; `held` are queued."""
    for job in jobs:
        command = _submit_command(job, held)
        print(f"# {shlex.join(command)} < jobs/{job.entry.name}.sh\n{job.script}")
        site = held[-1].site if held else ""
        held.append(HeldJob(job.entry.stage, f"<id of {job.entry.name}>", site))
    if not jobs:
        print(
            f"nothing to submit for {folder}: nothing is left, or all of it is queued (halobind"
            " status)"
        )


def _summary(folder: Path, jobs: list[JobToSubmit], queued: Queue, has_work: bool) -> str:
    """What was submitted, or why nothing was, as text."""
    where = shlex.quote(str(folder))
    if jobs:
        return "\n".join(
            f"submitted {job.entry.name}: {len(job.entry.parts)} of {job.entry.of} parts"
            for job in jobs
        )
    if queued:
        return f"nothing to add: {len(queued)} jobs are queued or running (halobind status {where})"
    if has_work:
        return f"nothing to submit (halobind status {where})"
    return f"nothing is left to compute: halobind table {where}"


def _warn_of_long_segments(runs: list[Run], campaign: Campaign, cluster: Cluster) -> None:
    """Say when a segment, at the speed measured so far, would not end within the wall time."""
    for run in runs:
        plan = plan_run(run, campaign)
        needed = campaign.sampling.segment_ps / 1000 / plan.speed_ns_day * SECONDS_PER_DAY
        if plan.measured and needed > cluster.working_s:
            print(
                f"halobind: a segment of {run.id} takes {duration(needed)} at the speed measured so"
                f" far, a job works {duration(cluster.working_s)}: lower segment_ps or raise the"
                " walltime, unless the cluster is faster",
                file=sys.stderr,
            )
