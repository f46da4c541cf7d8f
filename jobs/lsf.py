"""LSF: bsub, bjobs, bkill."""

import re
import shlex
from collections.abc import Sequence

from halobind.jobs.batch import (
    STOP_EARLY_S,
    Cluster,
    Job,
    JobId,
    Programs,
    Scheduler,
    Task,
    answer,
    find_job_id,
    index_list,
    script_text,
    with_index,
)

NOTHING = r"not found|No (unfinished|matching) job"
RUNNING = {"RUN", "USUSP", "SSUSP", "UNKWN"}
WAITING = {"PEND", "PSUSP", "WAIT", "PROV"}


def script(job: Job, cluster: Cluster) -> str:
    """The script of a job."""
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
    return script_text("#BSUB", options, cluster, with_index(job, "$LSB_JOBINDEX"))


def submit(after: Sequence[str], site: str = "") -> list[str]:
    """The command that submits a job after those ids have ended."""
    return ["bsub", *(["-w", " && ".join(f"ended({job})" for job in after)] if after else [])]


def job_id(output: str) -> JobId:
    """The id in what the submit command printed. Raises BatchError."""
    return find_job_id("bsub", [r"Job <(?P<id>\d+)>"], output)


def queue(names: Sequence[str], site: str = "") -> list[Task]:
    """The tasks of the jobs of those names that wait or run. Raises BatchError."""
    tasks = []
    for name in names:
        columns = "jobid jobindex stat pend_reason delimiter='|'"
        command = ["bjobs", "-noheader", "-J", name, "-o", columns]
        for line in answer(command, nothing=NOTHING).splitlines():
            job, index, state, reason = (line.strip().split("|", 3) + [""] * 3)[:4]
            number = int(index) if index.isdecimal() else 0  # "-" or 0: no array
            if state in RUNNING:
                tasks.append(Task(name, job, number or None, "running", ""))
            elif state in WAITING:  # other lines are notices
                tasks.append(Task(name, job, number or None, "queued", reason.strip("- ")))
    return tasks


def cancel(ids: Sequence[str], site: str = "") -> list[str]:
    """The command that cancels the jobs of those ids."""
    return ["bkill", *ids]


LSF = Scheduler(
    programs=Programs("bsub", "bjobs", "bkill"),
    job_id_variable="LSB_JOBID",
    needs_one_range=False,
    limit=re.compile(r"[Jj]ob array|MAX_JOB_ARRAY_SIZE|job limit"),
    script=script,
    submit=submit,
    job_id=job_id,
    queue=queue,
    cancel=cancel,
)
