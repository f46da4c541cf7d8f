"""Batch clusters as rows of a file of the user's own, ~/.config/halobind/clusters.toml: one table a cluster, by name."""

import os
import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

SUBMIT = {"slurm": "sbatch", "pbs": "qsub", "lsf": "bsub"}  # the command without which there is no such scheduler here
EXAMPLE = """[mycluster]
scheduler = "slurm"                                # or "pbs", "lsf"
partition = "cpu"                                  # for PBS and LSF: the queue
account = "myproject"
environment = ["source ~/halobind/bin/activate"]   # shell lines before every job
walltime = "04:00:00"
cpus = 8
memory_GiB = 16
gpus = 0
"""


class ClusterError(ValueError):
    """A cluster that is not there or not described: the message names the file, the key and what to do."""


class Cluster(BaseModel):
    """One cluster: its scheduler, where and on whose account jobs go, and the size of one job."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    scheduler: Literal["slurm", "pbs", "lsf"]
    partition: str | None = None
    account: str | None = None
    environment: list[str] = Field(default_factory=list)
    walltime: str = Field(default="04:00:00", pattern=r"^\d+:[0-5]\d:[0-5]\d$")
    cpus: int = Field(default=1, ge=1, le=1024)
    memory_GiB: float = Field(default=4.0, gt=0, allow_inf_nan=False)
    gpus: int = Field(default=0, ge=0, le=64)

    @property
    def walltime_s(self) -> int:
        hours, minutes, seconds = (int(part) for part in self.walltime.split(":"))
        return 3600 * hours + 60 * minutes + seconds


def clusters_file() -> Path:
    """$XDG_CONFIG_HOME/halobind/clusters.toml, by default in ~/.config."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "halobind" / "clusters.toml"


def load_clusters(path: Path) -> dict[str, Cluster]:
    """Every cluster of the file. Raises ClusterError naming the table and the key."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ClusterError(f"there is no {path}; write your cluster into it, for example:\n{EXAMPLE}") from None
    except (OSError, ValueError) as error:
        raise ClusterError(f"cannot read {path}: {error}") from None
    found = {}
    for name, row in raw.items():
        try:
            found[name] = Cluster.model_validate(row)
        except ValidationError as error:
            first = error.errors()[0]
            key, keys = ".".join(str(part) for part in first["loc"]), ", ".join(Cluster.model_fields)
            raise ClusterError(f"{path}: [{name}] {key} = {first['input']!r}: {first['msg']}; the keys are {keys}") from None
    return found


def find_cluster(path: Path, scheduler: str, name: str | None) -> Cluster:
    """The cluster called `name`, or the only one with that scheduler. Raises ClusterError naming those that there are."""
    clusters = {key: row for key, row in load_clusters(path).items() if row.scheduler == scheduler}
    if name is None and len(clusters) == 1:
        return next(iter(clusters.values()))
    if name is None and clusters:
        raise ClusterError(f"{path} has several {scheduler} clusters: name one with --cluster ({', '.join(clusters)})")
    if name not in clusters:
        there = f"there are {', '.join(clusters)}" if clusters else f"add one, for example:\n{EXAMPLE}"
        raise ClusterError(f"{path} has no {scheduler} cluster {name or ''}: {there}")
    return clusters[name]
