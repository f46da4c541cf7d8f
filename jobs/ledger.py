"""The record of submitted jobs: a line of JSON before a job is submitted and another one after.

So a kill between them loses nothing.
"""

import json
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from halobind.jobs.batch import BatchError, Task
from halobind.jobs.clusters import SCHEDULERS

OPEN = ("submitting", "submitted")


@dataclass(frozen=True)
class Entry:
    """One job: some of the parts that a stage of a campaign is divided into."""

    name: str
    """Of the job."""
    round: int
    """Number of the submission, from 1."""
    stage: str
    """What it does: prepare, sample or table."""
    cluster: str
    """Name of the cluster in the user's file."""
    scheduler: str
    """slurm, pbs or lsf."""
    parts: tuple[int, ...]
    """The parts that it does, from 1."""
    of: int
    """Into how many parts the stage is divided."""
    published: int
    """How many products were published when it was submitted."""
    event: str = "submitting"
    """The last event: submitting, submitted, rejected, cancelled or ended (no longer queued)."""
    id: str = ""
    """What the scheduler called it."""
    message: str = ""
    """What the scheduler said when it rejected it."""
    site: str = ""
    """The cluster, or those to choose from as "a,b", where a scheduler serves several (SLURM)."""

    def part(self, task: Task) -> int:
        """The part that a queued task of this job has."""
        return self.parts[0] if task.index is None else task.index


class Ledger:
    """The jobs in submitted.jsonl, each by its last event; lines are only ever added."""

    def __init__(self, path: Path, prefix: str = "") -> None:
        """Read the record.

        Args:
            path: The file.
            prefix: Of the names of jobs that count: others are jobs for another place, because the
                record came with a campaign that was copied or moved.

        Raises:
            BatchError: A line cannot be read.
        """
        self._path = path
        self._entries: dict[str, Entry] = {}
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        self._cut_short = bool(text) and not text.endswith("\n")
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.endswith("}"):
                continue  # a kill while it was written
            try:
                values = json.loads(line)
                values.pop("time")
                if not values["name"].startswith(prefix):
                    continue
                self._entries[values["name"]] = Entry(**{**values, "parts": tuple(values["parts"])})
            except (ValueError, TypeError, KeyError) as error:
                raise BatchError(
                    f"{path}, line {number}, cannot be read ({error}): remove this line"
                ) from None

    @property
    def entries(self) -> list[Entry]:
        """All of them, in the order in which they were submitted."""
        return list(self._entries.values())

    def add(self, entry: Entry) -> None:
        """Record an event durably, before returning."""
        line = json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **asdict(entry)}) + "\n"
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            os.write(handle, (("\n" if self._cut_short else "") + line).encode())
            os.fsync(handle)
        finally:
            os.close(handle)
        self._cut_short = False
        self._entries[entry.name] = entry

    def queued(self) -> list[tuple[Entry, Task]]:
        """What the schedulers hold of the jobs recorded here, but for the job that asks.

        A job whose submission was cut short is found by its name.

        Returns:
            Each task with the entry of its job.

        Raises:
            BatchError: A scheduler cannot be asked.
        """
        held = []
        for name, scheduler in SCHEDULERS.items():
            entries = {
                entry.name: entry
                for entry in self.entries
                if entry.event in OPEN and entry.scheduler == name
            }
            if entries:
                this_job = os.environ.get(scheduler.job_id_variable)
                names_by_site: dict[str, list[str]] = {}
                for entry in entries.values():
                    names_by_site.setdefault(entry.site, []).append(entry.name)
                tasks: list[Task] = []
                try:
                    for site, names in names_by_site.items():
                        tasks += scheduler.queue(names, site)
                except BatchError as error:
                    known = (
                        f"{', '.join(entries)}: if they are gone for good, take their lines out of"
                        f" {self._path}"
                    )
                    raise BatchError(f"{error} ({name} was given {known})") from None
                for task in tasks:
                    if task.id != this_job and task.name in entries:
                        entry = entries[task.name]
                        held += [(entry, part) for part in _tasks_of_parts(entry, task)]
        return held

    def this_job(self) -> Entry | None:
        """The entry of the job that this process is part of."""
        for entry in self.entries:
            if entry.id and os.environ.get(SCHEDULERS[entry.scheduler].job_id_variable) == entry.id:
                return entry
        return None

    def close(self, queued: list[tuple[Entry, Task]]) -> None:
        """Record as ended, once, what the schedulers hold no longer."""
        alive = {entry.name for entry, _ in queued}
        this_job = self.this_job()
        for entry in self.entries:
            if entry.event in OPEN and entry.name not in alive and entry != this_job:
                self.add(replace(entry, event="ended"))


def _tasks_of_parts(entry: Entry, task: Task) -> list[Task]:
    """One task a part, where a scheduler tells of an array as a whole."""
    if task.index is not None or len(entry.parts) == 1:
        return [task]
    return [replace(task, index=part) for part in entry.parts]
