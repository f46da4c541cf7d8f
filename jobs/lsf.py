"""LSF: bsub, bjobs, bkill."""

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

NOTHING = r"not found|No (unfinished|matching) job"
RUNNING = {"RUN", "USUSP", "SSUSP", "UNKWN"}
WAITING = {"PEND", "PSUSP", "WAIT", "PROV"}


def script(job: Job, cluster: Cluster) -> str:
    minutes = -(-cluster.seconds // 60)
    options = [f'-J "{job.name}[{index_list(job.indices)}]"' if job.indices else f"-J {job.name}"]
    options += [f"-q {cluster.queue}"] if cluster.queue else []
    options += [f"-P {cluster.account}"] if cluster.account else []
    options += [
        f"-n {cluster.cpus}",
        '-R "span[hosts=1]"',
        f'-R "rusage[mem={cluster.memory_GiB}GB]"',
    ]
    options += [f'-gpu "num={cluster.gpus}"'] if cluster.gpus else []
    options += [f"-W {minutes // 60}:{minutes % 60:02d}", f"-wt {STOP_EARLY_S // 120} -wa TERM"]
    options += ["-r" if cluster.requeue else "-rn"]
    options += [f"-cwd {shlex.quote(job.folder)}"] if job.folder else []
    options += [f"-o jobs/{job.name}{'-%I' if job.indices else ''}.log"]
    options = [*filter(cluster.keeps, options), *cluster.directives]
    lines = [line.replace("{part}", "$LSB_JOBINDEX") for line in job.lines]
    return (
        "\n".join(
            [
                "#!/bin/bash",
                *(f"#BSUB {option}" for option in options),
                *cluster.environment,
                *lines,
            ]
        )
        + "\n"
    )


def submit(after: Sequence[str], site: str = "") -> list[str]:
    return ["bsub", *(["-w", " && ".join(f"ended({job})" for job in after)] if after else [])]


def job_id(output: str) -> JobId:
    return find_job_id("bsub", [r"Job <(?P<id>\d+)>"], output)


def queue(names: Sequence[str], site: str = "") -> list[Task]:
    tasks = []
    for name in names:
        columns = "jobid jobindex stat pend_reason delimiter='|'"
        for line in answer(
            ["bjobs", "-noheader", "-J", name, "-o", columns], nothing=NOTHING
        ).splitlines():
            job, index, state, reason = (line.strip().split("|", 3) + [""] * 3)[:4]
            if state in RUNNING | WAITING:  # other lines are notices
                kind, why = ("running", "") if state in RUNNING else ("queued", reason.strip("- "))
                number = int(index) if index.isdecimal() else 0  # "-" or 0: no array
                tasks.append(Task(name, job, number or None, kind, why))
    return tasks


def cancel(ids: Sequence[str], site: str = "") -> list[str]:
    return ["bkill", *ids]


LSF = Scheduler(
    programs=("bsub", "bjobs", "bkill"),
    own_id="LSB_JOBID",
    ranges=False,
    limit=re.compile(r"[Jj]ob array|MAX_JOB_ARRAY_SIZE|job limit"),
    script=script,
    submit=submit,
    job_id=job_id,
    queue=queue,
    cancel=cancel,
)
