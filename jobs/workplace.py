"""Where tasks are done: this process, processes of this machine, jobs of a batch scheduler, or a
dask cluster that exists.
"""

import ipaddress
import os
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from halobind.jobs.clusters import SCHEDULERS, BatchError, Cluster, clusters_path, load_clusters

INSTALL = 'pip install -c constraints.txt ".[hpc]"'
ADVICE = "processes of this machine do the same: --where local"


class MappingError(RuntimeError):
    """The place to compute cannot be used: the message says which, why and what to do."""


@dataclass(frozen=True)
class Place:
    """Where tasks are done. `kind` is serial, local, slurm, pbs, lsf or address (then `address` is
    tcp://host:port or tls://host:port).

    `workers` is the number of processes (0: one a core; for a batch cluster one job's). `tls` are
    the files of CA, certificate and key. `insecure` allows an address without TLS on another
    machine. Temporary keys of batch jobs go to `shared`, a folder that their nodes see; only the
    user can read them.
    """

    kind: str
    workers: int = 0
    address: str = ""
    cluster: Cluster | None = None
    tls: tuple[Path, Path, Path] | None = None
    insecure: bool = False
    shared: Path = Path()


@dataclass(frozen=True)
class ConnectionOptions:
    """What a person says beside the place: name of the cluster, TLS files, whether a bare address
    elsewhere is all right.
    """

    cluster: str | None = None
    tls: tuple[Path, Path, Path] | None = None
    insecure: bool = False


def place_of(where: str, workers: int, reach: ConnectionOptions, shared: Path) -> Place:
    """The Place that `where` names, checked as far as that goes without starting anything. Raises
    MappingError.
    """
    if where == "serial":
        return Place("serial", 1)
    _check_dask()
    if where == "local":
        return Place("local", workers or len(os.sched_getaffinity(0)))
    if where in SCHEDULERS:
        program = SCHEDULERS[where].programs[0]
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
        cluster = find_cluster(where, reach.cluster)
        return Place(where, workers or cluster.cpus, cluster=cluster, shared=shared)
    if where.startswith(("tcp://", "tls://")):
        return Place("address", workers, where, None, _tls_files(where, reach), reach.insecure)
    raise MappingError(
        f"--where {where}: choose serial, local, {', '.join(SCHEDULERS)}, or the address of a dask"
        " scheduler, tcp://host:port"
    )


def find_cluster(scheduler: str, name: str | None) -> Cluster:
    """The cluster of the user's file called `name`, or the only one with that scheduler. Raises
    MappingError naming those there are.
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
        there = (
            f"there are {', '.join(clusters)}"
            if clusters
            else f'add a table with scheduler = "{scheduler}"'
        )
        raise MappingError(
            f"{clusters_path()} has no {scheduler} cluster{f' {name!r}' if name else ''}: {there}"
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


def _tls_files(address: str, reach: ConnectionOptions) -> tuple[Path, Path, Path] | None:
    for path in reach.tls or ():
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
        if reach.tls is None:
            raise MappingError(
                f"--where {address} needs --tls CA CERTIFICATE KEY, the files that its scheduler"
                " was started with"
            )
        return reach.tls
    if reach.tls is not None:
        raise MappingError(
            f"--where {address} is not encrypted: write tls:// for a scheduler that was started"
            " with these files"
        )
    if not reach.insecure and not is_loopback(host):
        raise MappingError(
            f"--where {address}: whoever reaches this port can run code as you. Start the scheduler"
            " with --tls-ca-file, --tls-cert and --tls-key and give tls:// with --tls CA"
            " CERTIFICATE KEY, or add --insecure if nobody else is on that network"
        )
    return None


def is_loopback(host: str) -> bool:
    """Whether every address of a host is this machine's own loopback."""
    try:
        found = {item[4][0] for item in socket.getaddrinfo(host.strip("[]"), None)}
    except OSError:
        return False
    return bool(found) and all(
        ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in found
    )
