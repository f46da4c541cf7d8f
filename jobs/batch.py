"""What a batch scheduler is to halobind: script, submission, job id, queue and cancellation."""

import os
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

STOP_EARLY_S = 120
"""So long before the wall time ends work stops by its clock; the scheduler's signal comes at half
of it.
"""
PATIENCE_S = 60
"""How long a scheduler's command may take."""
WALLTIME = re.compile(r"(?:(\d+)-)?(\d+):([0-5]\d):([0-5]\d)")


class BatchError(RuntimeError):
    """A cluster or scheduler that cannot be used; the message says which, why and what to do."""


def seconds_of(text: str) -> int:
    """ "2-00:00:00" or "23:58:00" in seconds. Raises ValueError with the accepted forms."""
    match = WALLTIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f"{text!r} is not a time like 23:58:00 (hours:minutes:seconds) or 2-00:00:00"
            " (days-hours:minutes:seconds)"
        )
    days, hours, minutes, seconds = [int(item or 0) for item in match.groups()]
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def clock(seconds: float) -> str:
    """Seconds as "23:58:00"."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


class Cluster(BaseModel):
    """One table of clusters.toml: how a job, which is on one node, is asked for there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scheduler: str
    """slurm, pbs or lsf."""
    queue: str | None = None
    """The queue, which SLURM calls partition; None for the usual one."""
    cpu_queue: str | None = None
    """The queue of jobs that compute nothing on a GPU; None for `queue`."""
    account: str | None = None
    """Who pays, which LSF calls project; None for the usual one."""
    environment: tuple[str, ...] = ()
    """Shell lines before halobind starts; none: the halobind that submits is used."""
    gpus: int = Field(default=0, ge=0, le=64)
    """GPUs of a job; 0: one process a core instead."""
    cpus: int = Field(default=1, ge=1, le=4096)
    """Cores of a job."""
    memory_GiB: int = Field(default=4, ge=1)
    """Memory of a job."""
    walltime: str
    """Of a job: "23:58:00" or "2-00:00:00"."""
    array_limit: int = Field(default=1000, ge=1)
    """The longest job array."""
    requeue: bool = False
    """Whether a job starts again after preemption."""
    leave_out: tuple[str, ...] = ()
    """Beginnings of options that halobind writes and the site refuses."""
    directives: tuple[str, ...] = ()
    """Further options of the job script."""
    cpu_directives: tuple[str, ...] | None = None
    """These options for jobs that compute nothing on a GPU; None for `directives`."""

    @field_validator("walltime")
    @classmethod
    def _long_enough(cls, text: str) -> str:
        if seconds_of(text) < 2 * STOP_EARLY_S:
            raise ValueError(
                f"too short, as a job stops {STOP_EARLY_S} s before it ends: give it"
                f" {clock(2 * STOP_EARLY_S)} or more"
            )
        return text

    @field_validator(
        "environment", "leave_out", "directives", "cpu_directives", "queue", "cpu_queue", "account"
    )
    @classmethod
    def _one_line(cls, value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        for text in (value,) if isinstance(value, str) else value or ():
            if not text.strip() or "\n" in text:
                raise ValueError(f"{text!r} must be one line of text")
        return value

    @property
    def seconds(self) -> int:
        """The wall time of a job."""
        return seconds_of(self.walltime)

    @property
    def without_gpus(self) -> "Cluster":
        """The same for jobs that compute nothing on a GPU."""
        directives = self.directives if self.cpu_directives is None else self.cpu_directives
        return self.model_copy(
            update={"gpus": 0, "queue": self.cpu_queue or self.queue, "directives": directives}
        )

    @property
    def for_tables(self) -> "Cluster":
        """The same for a job that needs one core, and no GPU."""
        return self.without_gpus.model_copy(update={"cpus": 1})

    @property
    def working_s(self) -> int:
        """How long a job works before it stops by itself."""
        return self.seconds - STOP_EARLY_S

    def keeps(self, directive: str) -> bool:
        """Whether a directive that halobind writes stays: none of `leave_out` begins it."""
        return not any(
            directive.startswith(item) and not re.match(r"[\w-]", directive[len(item) :])
            for item in self.leave_out
        )


@dataclass(frozen=True)
class Job:
    """A job to submit."""

    name: str
    """By which it is found in the queue."""
    indices: tuple[int, ...]
    """The indices of its array; none: no array."""
    lines: tuple[str, ...]
    """The shell lines that it runs; `{part}` in a line stands for the array index."""
    folder: str = ""
    """Where it starts, with symbolic links as the user gave them; "": as the scheduler finds it."""


@dataclass(frozen=True)
class Task:
    """A job, or one task of an array, that a scheduler holds."""

    name: str
    """Of the job."""
    id: str
    """Of the job, as the scheduler's other commands take it."""
    index: int | None
    """In its array; None for a job without, or for a whole array."""
    state: str
    """"queued" or "running"."""
    reason: str
    """Why it waits, in the scheduler's words."""
    site: str = ""
    """The cluster that holds it, where one scheduler serves several (SLURM); "": the usual one."""


@dataclass(frozen=True)
class JobId:
    """What a submit command answers."""

    id: str
    """The id, as the scheduler's other commands take it."""
    site: str = ""
    """The cluster that took the job, where one scheduler serves several; "": the usual one."""


def no_sites(directives: Sequence[str]) -> tuple[str, ...]:
    """The clusters that directives choose, of a scheduler that serves only one: none."""
    return ()


@dataclass(frozen=True)
class Programs:
    """The commands of a scheduler."""

    submit: str
    """Submits a job."""
    query: str
    """Lists jobs."""
    cancel: str
    """Cancels jobs."""


@dataclass(frozen=True)
class Scheduler:
    """One row of SCHEDULERS: the script goes to the submit command on its standard input."""

    programs: Programs
    """Its commands."""
    job_id_variable: str
    """The environment variable in which a job finds its id."""
    needs_one_range: bool
    """Whether the indices of an array must be one range."""
    limit: re.Pattern[str]
    """What its messages say when an array is too long."""
    script: Callable[[Job, Cluster], str]
    """The text of a job script."""
    submit: Callable[[Sequence[str], str], list[str]]
    """The command that submits a job after those ids have ended, and to that site."""
    job_id: Callable[[str], JobId]
    """The id in what the submit command printed. Raises BatchError."""
    queue: Callable[[Sequence[str], str], list[Task]]
    """The tasks of the jobs of those names that a site (or several, "a,b") holds."""
    cancel: Callable[[Sequence[str], str], list[str]]
    """The command that cancels the jobs of those ids at a site."""
    sites: Callable[[Sequence[str]], tuple[str, ...]] = no_sites
    """The sites that directives choose from; none: the usual one."""


def ask(
    command: Sequence[str], stdin: str = "", folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a scheduler's command.

    Args:
        command: Its words.
        stdin: Its standard input.
        folder: Its working directory; None for that of this process.

    Raises:
        BatchError: It is not on this machine or does not answer.
    """
    try:
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE_S,
            cwd=folder,
            env=None if folder is None else {**os.environ, "PWD": str(folder)},
            check=False,
        )
    except FileNotFoundError:
        raise BatchError(
            f"there is no {command[0]} on this machine: give this command where the cluster's jobs"
            " are submitted (a login node)"
        ) from None
    except OSError as error:
        raise BatchError(f"cannot run {command[0]}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise BatchError(
            f"{command[0]} gave no answer in {PATIENCE_S} s: the scheduler may be down; try again"
            " later"
        ) from None


def answer(command: Sequence[str], nothing: str = "") -> str:
    """Standard output of a query.

    Args:
        command: Its words.
        nothing: A pattern: where its message has it, a query that failed has found nothing.

    Raises:
        BatchError: It failed otherwise; with its message.
    """
    done = ask(command)
    if done.returncode != 0 and not (nothing and re.search(nothing, done.stderr + done.stdout)):
        raise BatchError(f"{command[0]} failed: {last_words(done)}")
    return done.stdout


def find_job_id(program: str, patterns: Sequence[str], output: str) -> JobId:
    """The job id in what a submit command printed, whatever else stands there.

    Args:
        program: The submit command.
        patterns: Tried in this order; the last match of the first that matches counts, with the
            groups `id` and, where a scheduler serves several clusters, `site`.
        output: What the command printed.

    Raises:
        BatchError: No pattern matches.
    """
    for pattern in patterns:
        matches = list(re.finditer(pattern, output, re.MULTILINE))
        if matches:
            groups = matches[-1].groupdict()
            return JobId(groups["id"], groups.get("site") or "")
    said = " ".join(output.split()) or "nothing"
    raise BatchError(
        f"{program} gave no job id, it said: {said}. If the job is in the queue, the same"
        " command finds it by its name"
    )


def last_words(done: subprocess.CompletedProcess[str]) -> str:
    """What a command that failed said, on one line."""
    text = " ".join((done.stderr.strip() or done.stdout.strip()).split())
    return text or f"no message (exit code {done.returncode})"


def script_text(sentinel: str, options: Sequence[str], cluster: Cluster, job: Job) -> str:
    """A job script: its options, the environment of the cluster, the lines of the job.

    Args:
        sentinel: What begins the line of an option, as in "#SBATCH".
        options: Those that halobind writes; the cluster may leave some out and adds its directives.
        cluster: How the job is asked for.
        job: The job, with the array index already in its lines.
    """
    kept = [*filter(cluster.keeps, options), *cluster.directives]
    header = [f"{sentinel} {option}" for option in kept]
    return "\n".join(["#!/bin/bash", *header, *cluster.environment, *job.lines]) + "\n"


def with_index(job: Job, variable: str) -> Job:
    """The job with the shell variable of the array index in its lines.

    Args:
        job: The job.
        variable: For example "$SLURM_ARRAY_TASK_ID".
    """
    return replace(job, lines=tuple(line.replace("{part}", variable) for line in job.lines))


def spans(indices: Sequence[int]) -> list[tuple[int, int]]:
    """(1, 2, 3, 7) -> [(1, 3), (7, 7)]."""
    ranges: list[tuple[int, int]] = []
    for index in sorted(indices):
        if ranges and ranges[-1][1] == index - 1:
            ranges[-1] = (ranges[-1][0], index)
        else:
            ranges.append((index, index))
    return ranges


def index_list(indices: Sequence[int]) -> str:
    """(1, 2, 3, 7) -> "1-3,7"."""
    return ",".join(
        f"{first}-{last}" if last > first else f"{first}" for first, last in spans(indices)
    )
