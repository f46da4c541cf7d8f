"""Where tasks are done: here, in processes of this machine, in batch jobs, or on a dask cluster."""

import ipaddress
import os
import shutil
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from halobind.jobs.batch import BatchError, Cluster
from halobind.jobs.clusters import SCHEDULERS, clusters_path, load_clusters

INSTALL = 'pip install -c constraints.txt ".[hpc]"'
ADVICE = "processes of this machine do the same: --where local"


class MappingError(RuntimeError):
    """The place to compute cannot be used: the message says which, why and what to do."""


@dataclass(frozen=True)
class TLSFiles:
    """The files of a scheduler that was started with TLS."""

    ca: Path
    """Certificate of the authority."""
    certificate: Path
    """Certificate of the user."""
    key: Path
    """Key of the user."""


@dataclass(frozen=True)
class ThisProcess:
    """Tasks are done one by one, in this process."""

    kind: ClassVar[str] = "serial"


@dataclass(frozen=True)
class LocalProcesses:
    """Tasks are done by processes of this machine."""

    workers: int
    """How many processes."""
    kind: ClassVar[str] = "local"


@dataclass(frozen=True)
class BatchJobs:
    """Tasks are done by jobs of a batch scheduler."""

    kind: str
    """Of the scheduler: slurm, pbs or lsf."""
    workers: int
    """How many processes in all."""
    cluster: Cluster
    """How a job is asked for."""
    shared: Path
    """A folder that the nodes see: it takes logs and keys, which only the user can read."""


@dataclass(frozen=True)
class DaskScheduler:
    """Tasks are done by the workers of a dask scheduler that exists."""

    address: str
    """tcp://host:port or tls://host:port."""
    workers: int = 0
    """How many processes it has; 0: as it says itself."""
    tls: TLSFiles | None = None
    """Its files; None where it has no TLS."""
    kind: ClassVar[str] = "address"


Place = ThisProcess | LocalProcesses | BatchJobs | DaskScheduler


@dataclass(frozen=True)
class ConnectionOptions:
    """What a person says beside the place."""

    cluster: str | None = None
    """Name of the cluster in the user's file; None for the only one."""
    tls: TLSFiles | None = None
    """Files of the scheduler at an address."""
    insecure: bool = False
    """Whether an address without TLS on another machine is all right."""


@dataclass(frozen=True)
class PlaceOptions:
    """What a person says of the place."""

    where: str = "serial"
    """serial, local, the name of a scheduler, or the address of a dask scheduler."""
    workers: int = 0
    """How many processes; 0: one a core, for a batch cluster as many as one job has."""
    connection: ConnectionOptions = field(default_factory=ConnectionOptions)
    """What is said beside it."""


def choose_place(options: PlaceOptions, shared: Path) -> Place:
    """The place that options name, checked as far as that goes without starting anything.

    Args:
        options: What a person says.
        shared: A folder that the nodes of a batch cluster see.

    Raises:
        MappingError: It cannot be used.
    """
    where = options.where
    if where == "serial":
        return ThisProcess()
    _check_dask()
    if where == "local":
        return LocalProcesses(options.workers or len(os.sched_getaffinity(0)))
    if where in SCHEDULERS:
        program = SCHEDULERS[where].programs.submit
        if shutil.which(program) is None:
            raise MappingError(
                f"there is no {program} on this machine: give the command where jobs are submitted;"
                f" {ADVICE}"
            )
        if any(letter.isspace() for letter in str(shared)):
            raise MappingError(
                f"--where {where}: {shared} has a space in it, which dask-jobqueue does not quote:"
                f" move the campaign; {ADVICE}"
            )
        cluster = find_cluster(where, options.connection.cluster)
        return BatchJobs(where, options.workers or cluster.cpus, cluster, shared)
    if where.startswith(("tcp://", "tls://")):
        return DaskScheduler(where, options.workers, _tls_files(where, options.connection))
    raise MappingError(
        f"--where {where}: choose serial, local, {', '.join(SCHEDULERS)}, or the address of a dask"
        " scheduler, tcp://host:port"
    )


def find_cluster(scheduler: str, name: str | None) -> Cluster:
    """Find a cluster in the user's file.

    Args:
        scheduler: slurm, pbs or lsf.
        name: Of the cluster; None for the only one with that scheduler.

    Raises:
        MappingError: There is no such cluster, or several; the message names them.
    """
    try:
        clusters = {key: row for key, row in load_clusters().items() if row.scheduler == scheduler}
    except BatchError as error:
        raise MappingError(str(error)) from None
    if name is None and len(clusters) > 1:
        raise MappingError(
            f"{clusters_path()} has several {scheduler} clusters: name one with --cluster"
            f" ({', '.join(clusters)})"
        )
    if name is None and clusters:
        return next(iter(clusters.values()))
    if name not in clusters:
        advice = (
            f"there are {', '.join(clusters)}"
            if clusters
            else f'add a table with scheduler = "{scheduler}"'
        )
        raise MappingError(
            f"{clusters_path()} has no {scheduler} cluster{f' {name!r}' if name else ''}: {advice}"
        )
    return clusters[name]


def _check_dask() -> None:
    """Raise MappingError with the line that installs what is missing."""
    try:
        import dask_jobqueue  # noqa: F401, PLC0415 (optional)
        import distributed  # noqa: F401, PLC0415
    except ImportError as error:
        raise MappingError(
            f"{error.name} is not installed, and only --where serial works without it; install it"
            f" with: {INSTALL}"
        ) from None


def _tls_files(address: str, options: ConnectionOptions) -> TLSFiles | None:
    """The TLS files for the scheduler at an address. Raises MappingError if they do not fit."""
    files = options.tls
    for path in (files.ca, files.certificate, files.key) if files else ():
        if not path.is_file():
            raise MappingError(
                f"--tls: there is no file {path}; give the files of CA, certificate and key, in"
                " this order"
            )
    host, _, port = address.partition("://")[2].rpartition(":")
    if not host or not port.isdecimal():
        raise MappingError(
            f"--where {address}: write the address as tcp://host:port or tls://host:port"
        )
    if address.startswith("tls://"):
        if files is None:
            raise MappingError(
                f"--where {address} needs --tls CA CERTIFICATE KEY, the files that its scheduler"
                " was started with"
            )
        return files
    if files is not None:
        raise MappingError(
            f"--where {address} is not encrypted: write tls:// for a scheduler that was started"
            " with these files"
        )
    if not options.insecure and not is_loopback(host):
        raise MappingError(
            f"--where {address}: whoever reaches this port can run code as you. Start the scheduler"
            " with --tls-ca-file, --tls-cert and --tls-key and give tls:// with --tls CA"
            " CERTIFICATE KEY, or add --insecure if nobody else is on that network"
        )
    return None


def is_loopback(host: str) -> bool:
    """Whether every address of a host is this machine's own loopback."""
    try:
        addresses = {str(item[4][0]) for item in socket.getaddrinfo(host.strip("[]"), None)}
    except OSError:
        return False
    return bool(addresses) and all(
        ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in addresses
    )
