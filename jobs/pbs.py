"""PBS (OpenPBS, PBS Professional): qsub, qselect and qstat, qdel."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from halobind.jobs.batch import (
    BatchError,
    Cluster,
    Job,
    JobId,
    Programs,
    Scheduler,
    Task,
    answer,
    ask,
    clock,
    find_job_id,
    index_list,
    last_words,
    script_text,
    with_index,
)

RUNNING = {"R", "S", "U"}
WAITING = {"Q", "H", "W", "T", "M"}
ENDED = {"F", "X"}
GONE = "Unknown Job Id|has finished"
JOB_BEGINS = r'"(\d+(?:\[\d*\])?(?:\.[\w.-]+)?)"\s*:\s*\{'
ANSWERS = (
    r"^\s*(?P<id>\d+(?:\[\])?(?:\.[\w.-]+)?)\s*$",
    r"\b[Jj]ob\b[^\n]*?\b(?P<id>\d+(?:\[\])?\.[A-Za-z](?:[\w.-]*\w)?)",  # a site's wrapper
)


def script(job: Job, cluster: Cluster) -> str:
    """The script of a job."""
    gpus = f":ngpus={cluster.gpus}" if cluster.gpus else ""
    options = [f"-N {job.name}", "-S /bin/bash"]
    options += [f"-J {index_list(job.indices)}"] if job.indices else []
    options += [f"-q {cluster.queue}"] if cluster.queue else []
    options += [f"-A {cluster.account}"] if cluster.account else []
    options += [f"-l select=1:ncpus={cluster.cpus}{gpus}:mem={cluster.memory_GiB}gb"]
    # an array that may not be run again is refused
    again = "y" if cluster.requeue or job.indices else "n"
    options += [f"-l walltime={clock(cluster.seconds)}", f"-r {again}", "-j oe"]
    options += [f"-o jobs/{job.name}{'-^array_index^' if job.indices else ''}.log"]
    return script_text("#PBS", options, cluster, with_index(job, "$PBS_ARRAY_INDEX"))


def submit(after: Sequence[str], site: str = "") -> list[str]:
    """The command that submits a job after those ids have ended."""
    return ["qsub", *(["-W", f"depend=afterany:{':'.join(after)}"] if after else [])]


def job_id(output: str) -> JobId:
    """The id in what the submit command printed. Raises BatchError."""
    return find_job_id("qsub", ANSWERS, output)


def queue(names: Sequence[str], site: str = "") -> list[Task]:
    """The tasks of the jobs of those names that wait or run. Raises BatchError."""
    job_names = {
        identity: name for name in names for identity in answer(["qselect", "-N", name]).split()
    }
    if not job_names:
        return []
    done = ask(["qstat", "-t", "-f", "-F", "json", *job_names])
    if done.returncode != 0 and not re.search(GONE, done.stderr + done.stdout):
        raise BatchError(f"qstat failed: {last_words(done)}")
    listed = read_jobs(done.stdout)
    tasks = []
    for identity, job in listed.items():
        index = re.search(r"\[(\d*)\]", identity)
        if (index and not index[1]) or job.state not in RUNNING | WAITING:
            continue  # the array itself, or what has ended
        whole = re.sub(r"\[\d*\]", "[]", identity)
        state = "running" if job.state in RUNNING else "queued"
        reason = "" if job.state in RUNNING else job.comment
        tasks.append(Task(job.name, whole, int(index[1]) if index else None, state, reason))
    # what qselect gave, and qstat neither listed nor called gone, is alive: not every qstat lists
    # all (also an array of which it lists no task)
    answered = {
        _number(identity)
        for identity, job in listed.items()
        if "[]" not in identity or job.state in ENDED
    }
    gone = " ".join(line for line in done.stderr.splitlines() if re.search(GONE, line))
    for identity, name in job_names.items():
        named_as_gone = re.search(rf"(?<![\w.\[]){re.escape(_number(identity))}(?!\w)", gone)
        if _number(identity) not in answered and not named_as_gone:
            tasks.append(Task(name, identity, None, "queued", ""))
    return tasks


@dataclass(frozen=True)
class ListedJob:
    """What qstat says of a job or of one task of an array."""

    name: str
    """Job_Name."""
    state: str
    """job_state, a letter."""
    comment: str
    """Why it waits, in the scheduler's words."""


def read_jobs(text: str) -> dict[str, ListedJob]:
    """The jobs in the output of qstat -f -F json by id.

    qstat does not always write JSON: values of the environment (Variable_List) may stand there
    unquoted or wrongly escaped. Then the few fields that matter are read one by one; in each job
    they come before the environment. Raises BatchError when there is neither.
    """
    try:
        jobs = json.loads(text or "{}", strict=False).get("Jobs", {})
        return {
            identity: ListedJob(
                str(job["Job_Name"]), str(job["job_state"]), str(job.get("comment", ""))
            )
            for identity, job in jobs.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        parts = re.split(JOB_BEGINS, text)
        blocks = dict(zip(parts[1::2], parts[2::2], strict=True))
        jobs = {}
        for identity, block in blocks.items():
            if _field(block, "Job_Name") and _field(block, "job_state"):
                jobs[identity] = ListedJob(
                    _field(block, "Job_Name"), _field(block, "job_state"), _field(block, "comment")
                )
        if not jobs:
            raise BatchError(
                f"qstat -F json gave no JSON ({error}): is this OpenPBS or PBS Professional?"
            ) from None
        return jobs


def _field(block: str, key: str) -> str:
    """The first text of that key in the output of qstat; empty without one."""
    match = re.search(rf'"{key}"\s*:\s*"((?:[^"\\]|\\.)*)"', block)
    return match[1] if match else ""


def _number(identity: str) -> str:
    """ "12" of "12.head", "12[].head" and "12[3].head"."""
    return re.split(r"[\[.]", identity, maxsplit=1)[0]


def cancel(ids: Sequence[str], site: str = "") -> list[str]:
    """The command that cancels the jobs of those ids."""
    return ["qdel", *ids]


PBS = Scheduler(
    programs=Programs("qsub", "qstat", "qdel"),
    job_id_variable="PBS_JOBID",
    needs_one_range=True,
    limit=re.compile(r"[Aa]rray job exceeds|max_array_size|would exceed .*limit"),
    script=script,
    submit=submit,
    job_id=job_id,
    queue=queue,
    cancel=cancel,
)
