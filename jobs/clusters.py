"""The clusters a user has: tables of one TOML file in the user's configuration directory."""

import os
import tomllib
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from halobind.jobs.batch import BatchError, Cluster, Scheduler
from halobind.jobs.lsf import LSF
from halobind.jobs.pbs import PBS
from halobind.jobs.slurm import SLURM

SCHEDULERS: dict[str, Scheduler] = {"slurm": SLURM, "pbs": PBS, "lsf": LSF}
MAX_FILE_BYTES = 1_000_000
MAX_SHOWN_CHARACTERS = 200
CONFIG = "XDG_CONFIG_HOME"
EXAMPLE = """\
# Clusters for `halobind submit DIR --cluster NAME` and `halobind observe`: one table each, everything for one job on one node.

[gpu]
scheduler = "slurm"                 # slurm, pbs, lsf
queue = "gpu"                       # SLURM: the partition
# cpu_queue = "cpu"                 # for jobs that need no GPU (tables, observe), when the queue above is for GPU jobs only
# cpu_directives = []               # of these jobs, in place of the directives below
account = "myproject"               # LSF: the project
environment = [                     # shell lines; without any, the halobind that submits is used
  "module load cuda/12",
  "source ~/halobind/.venv/bin/activate",
]
gpus = 1                            # 0: one process a core instead
cpus = 4
memory_GiB = 16
walltime = "24:00:00"               # or "2-00:00:00"; a job stops by itself two minutes before
array_limit = 1000                  # the longest job array (SLURM: below MaxArraySize)
requeue = true                      # start again after preemption
# leave_out = ["--mem"]             # options that halobind writes itself and this site refuses, by how they begin (PBS: "-l select")
directives = ["--constraint=a100"]  # further options of the job script, as they are, also in place of those left out ("--mem-per-cpu=4G")
"""  # noqa: E501


def clusters_path() -> Path:
    """$XDG_CONFIG_HOME/halobind/clusters.toml, by default in ~/.config."""
    configured = os.environ.get(CONFIG, "")
    try:
        home = Path(configured) if Path(configured).is_absolute() else Path.home() / ".config"
    except RuntimeError:
        raise BatchError(
            "no home directory is known: set XDG_CONFIG_HOME to the directory that holds"
            " halobind/clusters.toml"
        ) from None
    return home / "halobind" / "clusters.toml"


def load_clusters() -> dict[str, Cluster]:
    """Every cluster of the user's file by name.

    Raises:
        BatchError: The file cannot be used; with the key, the value and what to do.
    """
    path = clusters_path()
    try:
        if path.is_fifo() or path.is_socket():
            raise BatchError(f"{path} is not a file: write one with: halobind submit --example")
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES)
        tables = tomllib.loads(content.decode("utf-8-sig").replace("\r\n", "\n"))
    except FileNotFoundError:
        folder = path.parent
        raise BatchError(
            f"there is no {path}: write one with: mkdir -p {folder} && halobind submit --example >"
            f" {folder}/{path.name}  (then edit it)"
        ) from None
    except OSError as error:
        raise BatchError(
            f"cannot read {path}: {error.strerror}; or set XDG_CONFIG_HOME to a directory that can"
            " be read"
        ) from None
    except (ValueError, RecursionError) as error:
        raise BatchError(f"{path} is not TOML: {error}") from None
    return {name: _checked(name, table, path) for name, table in tables.items()}


def load_cluster(name: str) -> Cluster:
    """One cluster of the user's file. Raises BatchError naming those there are."""
    clusters = load_clusters()
    if name not in clusters:
        raise BatchError(
            f"there is no cluster {name!r} in {clusters_path()}; there are:"
            f" {', '.join(clusters) or 'none'}. Add a table [{name}] like those that this prints:"
            " halobind submit --example (on this machine itself: halobind run)"
        )
    return clusters[name]


def _checked(name: str, table: object, path: Path) -> Cluster:
    if not isinstance(table, dict):
        raise BatchError(f"{path}: {name} = {_shown(table)} must be a table, written [{name}]")
    try:
        cluster = Cluster.model_validate(table)
    except ValidationError as error:
        raise BatchError(
            "\n".join(_explain(problem, name, path) for problem in error.errors())
        ) from None
    if cluster.scheduler not in SCHEDULERS:
        raise BatchError(
            f"{path}: [{name}] scheduler = {_shown(cluster.scheduler)} is not known; there are:"
            f" {', '.join(SCHEDULERS)}"
        )
    return cluster


def _explain(problem: ErrorDetails, name: str, path: Path) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "missing":
        return f"{path}: [{name}] {key} is missing: add it"
    if problem["type"] == "extra_forbidden":
        return (
            f"{path}: [{name}] {key} = {_shown(problem['input'])} is not a known key; the keys are"
            f" {', '.join(Cluster.model_fields)}"
        )
    message = problem["msg"].removeprefix("Value error, ")
    return f"{path}: [{name}] {key} = {_shown(problem['input'])}: {message[0].lower()}{message[1:]}"


def _shown(value: object) -> str:
    """A value as a message shows it: as Python writes it, or the start of what is long."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        return "a number that is too large to print"
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}..."
