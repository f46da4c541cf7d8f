"""The record of submitted jobs: one line of JSON before a job is submitted and one after, so that a
kill between them loses nothing.
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
    """One job: parts `parts` of `of` of a stage, in round `round`, and how much was published when
    it was submitted.

    `event`: submitting, submitted, rejected, cancelled or ended (no longer in the queue).
    """

    name: str
    round: int
    stage: str
    cluster: str
    scheduler: str
    parts: tuple[int, ...]
    of: int
    published: int
    event: str = "submitting"
    id: str = ""
    message: str = ""
    site: str = ""
    """The cluster, or those to choose from as "a,b", where a scheduler serves several (SLURM)."""

    def part(self, task: Task) -> int:
        """The part that a queued task of this job has."""
        return self.parts[0] if task.index is None else task.index


class Ledger:
    """The entries of submitted.jsonl whose names begin with `prefix`, each by its last event. Lines
    are only ever added.

    Other names are those of jobs for another place: the record came with a campaign that was copied
    or moved.
    """

    def __init__(self, path: Path, prefix: str = "") -> None:
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
        """What the schedulers hold of the jobs recorded here, but for the job that asks. Raises
        BatchError when one cannot be asked.

        A job whose submission was cut short is found by its name.
        """
        found = []
        for name, scheduler in SCHEDULERS.items():
            entries = {
                entry.name: entry
                for entry in self.entries
                if entry.event in OPEN and entry.scheduler == name
            }
            if entries:
                own = os.environ.get(scheduler.own_id)
                try:
                    tasks = [
                        task
                        for site in dict.fromkeys(entry.site for entry in entries.values())
                        for task in scheduler.queue(
                            [name for name, entry in entries.items() if entry.site == site], site
                        )
                    ]
                except BatchError as error:
                    known = (
                        f"{', '.join(entries)}: if they are gone for good, take their lines out of"
                        f" {self._path}"
                    )
                    raise BatchError(f"{error} ({name} was given {known})") from None
                for task in tasks:
                    if task.id != own and task.name in entries:
                        entry = entries[task.name]
                        found += [(entry, part) for part in _tasks_of_parts(entry, task)]
        return found

    def own(self) -> Entry | None:
        """The entry of the job that this process is part of."""
        for entry in self.entries:
            if entry.id and os.environ.get(SCHEDULERS[entry.scheduler].own_id) == entry.id:
                return entry
        return None

    def close(self, queued: list[tuple[Entry, Task]]) -> None:
        """Record as ended, once, what the schedulers hold no longer."""
        alive = {entry.name for entry, _ in queued}
        own = self.own()
        for entry in self.entries:
            if entry.event in OPEN and entry.name not in alive and entry != own:
                self.add(replace(entry, event="ended"))


def _tasks_of_parts(entry: Entry, task: Task) -> list[Task]:
    """One task a part, where a scheduler tells of an array as a whole."""
    if task.index is not None or len(entry.parts) == 1:
        return [task]
    return [replace(task, index=part) for part in entry.parts]
