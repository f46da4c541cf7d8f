"""PBS (OpenPBS, PBS Professional): qsub, qselect and qstat, qdel."""

import json
import re
from collections.abc import Sequence

from halobind.jobs.batch import (
    BatchError,
    Cluster,
    Job,
    Scheduler,
    Task,
    answer,
    clock,
    found_id,
    index_list,
)

RUNNING = {"R", "S", "U"}
WAITING = {"Q", "H", "W", "T", "M"}


def script(job: Job, cluster: Cluster) -> str:
    gpus = f":ngpus={cluster.gpus}" if cluster.gpus else ""
    options = [f"-N {job.name}", "-S /bin/bash"]
    options += [f"-J {index_list(job.indices)}"] if job.indices else []
    options += [f"-q {cluster.queue}"] if cluster.queue else []
    options += [f"-A {cluster.account}"] if cluster.account else []
    options += [f"-l select=1:ncpus={cluster.cpus}{gpus}:mem={cluster.memory_GiB}gb"]
    again = (
        "y" if cluster.requeue or job.indices else "n"
    )  # an array that may not be run again is refused
    options += [f"-l walltime={clock(cluster.seconds)}", f"-r {again}", "-j oe"]
    options += [
        f"-o jobs/{job.name}{'-^array_index^' if job.indices else ''}.log",
        *cluster.directives,
    ]
    lines = [line.replace("{part}", "$PBS_ARRAY_INDEX") for line in job.lines]
    return (
        "\n".join(
            ["#!/bin/bash", *(f"#PBS {option}" for option in options), *cluster.environment, *lines]
        )
        + "\n"
    )


def submit(after: Sequence[str]) -> list[str]:
    return ["qsub", *(["-W", f"depend=afterany:{':'.join(after)}"] if after else [])]


def job_id(output: str) -> str:
    return found_id("qsub", r"^\s*(\d+(?:\[\])?(?:\.[\w.-]+)?)\s*$", output)


def queue(names: Sequence[str]) -> list[Task]:
    ids = [line for name in names for line in answer(["qselect", "-N", name]).split()]
    if not ids:
        return []
    tasks = []
    text = answer(["qstat", "-t", "-f", "-F", "json", *ids], nothing="Unknown Job Id|has finished")
    try:
        jobs = json.loads(text or "{}", strict=False).get("Jobs", {})
    except json.JSONDecodeError as error:
        raise BatchError(
            f"qstat -F json gave no JSON ({error}): is this OpenPBS or PBS Professional?"
        ) from None
    for identity, job in jobs.items():
        state, index = job["job_state"], re.search(r"\[(\d*)\]", identity)
        if (index and not index[1]) or state not in RUNNING | WAITING:
            continue  # the array itself, or what has ended
        whole = re.sub(r"\[\d*\]", "[]", identity)
        kind, reason = ("running", "") if state in RUNNING else ("queued", job.get("comment", ""))
        tasks.append(Task(job["Job_Name"], whole, int(index[1]) if index else None, kind, reason))
    return tasks


def cancel(ids: Sequence[str]) -> list[str]:
    return ["qdel", *ids]


PBS = Scheduler(
    programs=("qsub", "qstat", "qdel"),
    own_id="PBS_JOBID",
    ranges=True,
    limit=re.compile(r"[Aa]rray job exceeds|max_array_size|would exceed .*limit"),
    script=script,
    submit=submit,
    job_id=job_id,
    queue=queue,
    cancel=cancel,
)
