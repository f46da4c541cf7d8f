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
    Programs,
    Scheduler,
    Task,
    answer,
    find_job_id,
    index_list,
    script_text,
    with_index,
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
    """The script of a job."""
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
    return script_text("#SBATCH", options, cluster, with_index(job, "$SLURM_ARRAY_TASK_ID"))


def replaces_memory(directives: Sequence[str]) -> bool:
    """Whether directives ask for memory in a way that excludes --mem."""
    return any(text.startswith(("--mem-per-cpu", "--mem-per-gpu")) for text in directives)


def sites(directives: Sequence[str]) -> tuple[str, ...]:
    """The clusters that SBATCH_CLUSTERS names, or the last --clusters=a,b or -M a,b here."""
    matches = [match for text in directives if (match := CLUSTERS_OPTION.match(text))]
    names = os.environ.get("SBATCH_CLUSTERS") or (matches[-1][1] if matches else "")
    return tuple(name for name in names.split(",") if name)


def submit(after: Sequence[str], site: str = "") -> list[str]:
    """The command that submits a job after those ids have ended."""
    return [
        "sbatch",
        "--parsable",
        *([f"--clusters={site}"] if site else []),
        *([f"--dependency=afterany:{':'.join(after)}"] if after else []),
    ]


def job_id(output: str) -> JobId:
    """The id in what the submit command printed. Raises BatchError."""
    return find_job_id("sbatch", ANSWERS, output)


def queue(names: Sequence[str], site: str = "") -> list[Task]:
    """The tasks of the jobs of those names that wait or run. Raises BatchError."""
    command = ["squeue", "--noheader", "--array", f"--name={','.join(names)}", f"--format={FORMAT}"]
    command += [f"--clusters={site}"] if site else []
    tasks = []
    for line in answer(command).splitlines():
        if site and line.startswith("CLUSTER:"):
            site = line.partition(":")[2].strip()
            continue
        name, job, index, state, reason = (line.strip().split("|", 4) + [""] * 4)[:5]
        if job.isdecimal() and state not in ENDED:  # other lines are notices
            number = int(index) if index.isdecimal() else None
            if state == "R":
                tasks.append(Task(name, job, number, "running", "", site))
            else:
                tasks.append(Task(name, job, number, "queued", reason, site))
    return tasks


def cancel(ids: Sequence[str], site: str = "") -> list[str]:
    """The command that cancels the jobs of those ids."""
    return ["scancel", *([f"--clusters={site}"] if site else []), *ids]


SLURM = Scheduler(
    programs=Programs("sbatch", "squeue", "scancel"),
    job_id_variable="SLURM_JOB_ID",
    needs_one_range=False,
    limit=re.compile(r"[Ii]nvalid job array|MaxArraySize|MaxSubmit|job submit limit|QOSMaxSubmit"),
    script=script,
    submit=submit,
    job_id=job_id,
    queue=queue,
    cancel=cancel,
    sites=sites,
)
