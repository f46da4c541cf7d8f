"""SLURM: sbatch, squeue, scancel."""

import re
from collections.abc import Sequence

from halobind.jobs.batch import (
    STOP_EARLY_S,
    Cluster,
    Job,
    Scheduler,
    Task,
    answer,
    found_id,
    index_list,
)

FORMAT = "%j|%F|%K|%t|%r"  # name, array job id, array index, state, reason
ENDED = {"CG", "CD", "CA", "F", "TO", "NF", "OOM", "BF", "DL", "PR"}


def script(job: Job, cluster: Cluster) -> str:
    options = [f"--job-name={job.name}"]
    options += [f"--array={index_list(job.indices)}"] if job.indices else []
    options += [f"--partition={cluster.queue}"] if cluster.queue else []
    options += [f"--account={cluster.account}"] if cluster.account else []
    options += [
        "--nodes=1",
        "--ntasks=1",
        f"--cpus-per-task={cluster.cpus}",
        f"--mem={cluster.memory_GiB}G",
    ]
    options += [f"--gres=gpu:{cluster.gpus}"] if cluster.gpus else []
    options += [f"--time={cluster.walltime}", f"--signal=B:TERM@{STOP_EARLY_S // 2}"]
    options += ["--requeue" if cluster.requeue else "--no-requeue", "--open-mode=append"]
    options += [f"--output=jobs/{job.name}{'-%a' if job.indices else ''}.log", *cluster.directives]
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


def submit(after: Sequence[str]) -> list[str]:
    return [
        "sbatch",
        "--parsable",
        *([f"--dependency=afterany:{':'.join(after)}"] if after else []),
    ]


def job_id(output: str) -> str:
    return found_id("sbatch", r"^\s*(\d+)(?:;\S*)?\s*$", output)


def queue(names: Sequence[str]) -> list[Task]:
    tasks = []
    for line in answer(
        ["squeue", "--noheader", "--array", f"--name={','.join(names)}", f"--format={FORMAT}"]
    ).splitlines():
        name, job, index, state, reason = (line.strip().split("|", 4) + [""] * 4)[:5]
        if job.isdecimal() and state not in ENDED:  # other lines are notices
            state, reason = ("running", "") if state == "R" else ("queued", reason)
            tasks.append(Task(name, job, int(index) if index.isdecimal() else None, state, reason))
    return tasks


def cancel(ids: Sequence[str]) -> list[str]:
    return ["scancel", *ids]


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
)
