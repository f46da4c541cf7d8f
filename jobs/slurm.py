"""SLURM: sbatch, squeue, scancel."""

import os
import re
import shlex
from collections.abc import Sequence

from halobind.jobs.batch import (
    STOP_EARLY_S,
    Cluster,
    Job,
    JobId,
    Scheduler,
    Task,
    answer,
    find_job_id,
    index_list,
)

FORMAT = "%j|%F|%K|%t|%r"  # name, array job id, array index, state, reason
CLUSTERS_OPTION = re.compile(r"(?:--clusters?(?:=|\s+)|-M\s*=?)[\"']?([\w.,-]+)")
# with --parsable; from a site's wrapper, which hides that option
ANSWERS = (
    r"^\s*(?P<id>\d+)(?:;(?P<site>\S*))?\s*$",
    r"Submitted batch job (?P<id>\d+)(?: on cluster (?P<site>[\w.-]+))?",
)
ENDED = {"CG", "CD", "CA", "F", "TO", "NF", "OOM", "BF", "DL", "PR"}


def script(job: Job, cluster: Cluster) -> str:
    options = [f"--job-name={job.name}"]
    options += [f"--array={index_list(job.indices)}"] if job.indices else []
    options += [f"--partition={cluster.queue}"] if cluster.queue else []
    options += [f"--account={cluster.account}"] if cluster.account else []
    options += ["--nodes=1", "--ntasks=1", f"--cpus-per-task={cluster.cpus}"]
    options += [f"--mem={cluster.memory_GiB}G"] if not replaces_memory(cluster.directives) else []
    options += [f"--gres=gpu:{cluster.gpus}"] if cluster.gpus else []
    options += [f"--time={cluster.walltime}", f"--signal=B:TERM@{STOP_EARLY_S // 2}"]
    options += ["--requeue" if cluster.requeue else "--no-requeue", "--open-mode=append"]
    options += [f"--output=jobs/{job.name}{'-%a' if job.indices else ''}.log"]
    options += [f"--chdir={shlex.quote(job.folder)}"] if job.folder else []
    options = [*filter(cluster.keeps, options), *cluster.directives]
    lines = [line.replace("{part}", "$SLURM_ARRAY_TASK_ID") for line in job.lines]
    return (
        "\n".join(
            [
                "#!/bin/bash",
                *(f"#SBATCH {option}" for option in options),
                *cluster.environment,
                *lines,
            ]
        )
        + "\n"
    )


def replaces_memory(directives: Sequence[str]) -> bool:
    """Whether directives ask for memory in a way that excludes --mem."""
    return any(text.startswith(("--mem-per-cpu", "--mem-per-gpu")) for text in directives)


def sites(directives: Sequence[str]) -> tuple[str, ...]:
    """The clusters that SBATCH_CLUSTERS, or the last --clusters=a,b or -M a,b of directives, names."""
    matches = [match for text in directives if (match := CLUSTERS_OPTION.match(text))]
    names = os.environ.get("SBATCH_CLUSTERS") or (matches[-1][1] if matches else "")
    return tuple(name for name in names.split(",") if name)


def submit(after: Sequence[str], site: str = "") -> list[str]:
    return [
        "sbatch",
        "--parsable",
        *([f"--clusters={site}"] if site else []),
        *([f"--dependency=afterany:{':'.join(after)}"] if after else []),
    ]


def job_id(output: str) -> JobId:
    return find_job_id("sbatch", ANSWERS, output)


def queue(names: Sequence[str], site: str = "") -> list[Task]:
    command = ["squeue", "--noheader", "--array", f"--name={','.join(names)}", f"--format={FORMAT}"]
    command += [f"--clusters={site}"] if site else []
    tasks = []
    for line in answer(command).splitlines():
        if site and line.startswith("CLUSTER:"):
            site = line.partition(":")[2].strip()
            continue
        name, job, index, state, reason = (line.strip().split("|", 4) + [""] * 4)[:5]
        if job.isdecimal() and state not in ENDED:  # other lines are notices
            state, reason = ("running", "") if state == "R" else ("queued", reason)
            number = int(index) if index.isdecimal() else None
            tasks.append(Task(name, job, number, state, reason, site))
    return tasks


def cancel(ids: Sequence[str], site: str = "") -> list[str]:
    return ["scancel", *([f"--clusters={site}"] if site else []), *ids]


SLURM = Scheduler(
    programs=("sbatch", "squeue", "scancel"),
    own_id="SLURM_JOB_ID",
    ranges=False,
    limit=re.compile(r"[Ii]nvalid job array|MaxArraySize|MaxSubmit|job submit limit|QOSMaxSubmit"),
    script=script,
    submit=submit,
    job_id=job_id,
    queue=queue,
    cancel=cancel,
    sites=sites,
)
