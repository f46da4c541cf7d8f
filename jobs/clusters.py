"""The clusters a user has: tables of one TOML file in the user's configuration directory."""

import os
import re
import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

EXAMPLE = """[mycluster]
scheduler = "slurm"                                # slurm, pbs, lsf
queue = "cpu"                                      # SLURM: the partition
account = "myproject"                              # LSF: the project
environment = ["source ~/halobind/bin/activate"]   # shell lines before every job
cpus = 8
memory_GiB = 16
gpus = 0
walltime = "04:00:00"                              # or "2-00:00:00"
"""
CLOCK = re.compile(r"(?:(\d+)-)?(\d+):([0-5]\d):([0-5]\d)")


class BatchError(RuntimeError):
    """A cluster that is not there or not described: the message names the file, the key and what to do."""


class Cluster(BaseModel):
    """One table of clusters.toml: how a job is asked for there. Everything counts for one job, which is on one node."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scheduler: str
    queue: str | None = None
    account: str | None = None
    environment: tuple[str, ...] = ()
    gpus: int = Field(default=0, ge=0, le=64)
    cpus: int = Field(default=1, ge=1, le=4096)
    memory_GiB: int = Field(default=4, ge=1)
    walltime: str

    @field_validator("walltime")
    @classmethod
    def _clock(cls, text: str) -> str:
        if not CLOCK.fullmatch(text):
            raise ValueError(f"{text!r} is not a time like 04:00:00 or 2-00:00:00")
        return text

    @property
    def seconds(self) -> int:
        days, hours, minutes, seconds = (int(part or 0) for part in CLOCK.fullmatch(self.walltime).groups())
        return ((24 * days + hours) * 60 + minutes) * 60 + seconds


def clusters_path() -> Path:
    """$XDG_CONFIG_HOME/halobind/clusters.toml, by default in ~/.config."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "halobind" / "clusters.toml"


def load_clusters() -> dict[str, Cluster]:
    """Every cluster of the user's file by name. Raises BatchError with the key, the value and what to do."""
    path = clusters_path()
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BatchError(f"there is no {path}: write your cluster into it, for example:\n{EXAMPLE}") from None
    except (OSError, ValueError) as error:
        raise BatchError(f"cannot read {path}: {error}") from None
    found = {}
    for name, table in tables.items():
        try:
            found[name] = Cluster.model_validate(table)
        except ValidationError as error:
            first = error.errors()[0]
            key, keys = ".".join(str(part) for part in first["loc"]), ", ".join(Cluster.model_fields)
            raise BatchError(f"{path}: [{name}] {key} = {first['input']!r}: {first['msg']}; the keys are {keys}") from None
    return found
