"""Every row of SCHEDULERS: golden scripts, commands, ids and queues; the clusters file; the record
of submitted jobs.
"""

import json
import os
import subprocess
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from halobind.jobs.batch import (
    BatchError,
    Cluster,
    Job,
    JobId,
    Task,
    index_list,
    seconds_of,
    spans,
)
from halobind.jobs.clusters import EXAMPLE, SCHEDULERS, load_cluster, load_clusters
from halobind.jobs.ledger import Entry, Ledger

CLUSTER = {
    "queue": "gpu",
    "cpu_queue": "short",
    "account": "chem",
    "environment": ["module load cuda"],
    "gpus": 1,
    "cpus": 4,
    "memory_GiB": 16,
    "walltime": "1-12:00:00",
    "requeue": True,
}
EXTRA = {"slurm": "--constraint=a100", "pbs": "-l place=excl", "lsf": "-x"}
ARRAY = Job("halobind-1-001-sample", (1, 2, 3), ("exec halobind run /c --part {part}/3",))
LAST = Job("halobind-1-001-table", (), ("halobind table /c",))
GOLDEN = {
    "slurm": (
        """#!/bin/bash
#SBATCH --job-name=halobind-1-001-sample
#SBATCH --array=1-3
#SBATCH --partition=gpu
#SBATCH --account=chem
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=16G
#SBATCH --gres=gpu:1
#SBATCH --time=1-12:00:00
#SBATCH --signal=B:TERM@60
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=jobs/halobind-1-001-sample-%a.log
#SBATCH --constraint=a100
module load cuda
exec halobind run /c --part $SLURM_ARRAY_TASK_ID/3
"""
    ),
    "pbs": (
        """#!/bin/bash
#PBS -N halobind-1-001-sample
#PBS -S /bin/bash
#PBS -J 1-3
#PBS -q gpu
#PBS -A chem
#PBS -l select=1:ncpus=4:ngpus=1:mem=16gb
#PBS -l walltime=36:00:00
#PBS -r y
#PBS -j oe
#PBS -o jobs/halobind-1-001-sample-^array_index^.log
#PBS -l place=excl
module load cuda
exec halobind run /c --part $PBS_ARRAY_INDEX/3
"""
    ),
    "lsf": (
        """#!/bin/bash
#BSUB -J "halobind-1-001-sample[1-3]"
#BSUB -q gpu
#BSUB -P chem
#BSUB -n 4
#BSUB -R "span[hosts=1]"
#BSUB -R "rusage[mem=16GB]"
#BSUB -gpu "num=1"
#BSUB -W 36:00
#BSUB -wt 1 -wa TERM
#BSUB -r
#BSUB -o jobs/halobind-1-001-sample-%I.log
#BSUB -x
module load cuda
exec halobind run /c --part $LSB_JOBINDEX/3
"""
    ),
}
SUBMIT = {
    "slurm": ["sbatch", "--parsable", "--dependency=afterany:7:8"],
    "pbs": ["qsub", "-W", "depend=afterany:7:8"],
    "lsf": ["bsub", "-w", "ended(7) && ended(8)"],
}
NOTICE = "Your project 7 has used 93% of its budget"
ANSWERS = {
    "slurm": (f"12;cluster\n{NOTICE}\n", JobId("12", "cluster")),
    "pbs": (f"{NOTICE}\n12[].head\n{NOTICE}\n", JobId("12[].head")),
    "lsf": (f"{NOTICE}\nJob <12> is submitted to queue <gpu>.\n", JobId("12")),
}
PBS_JOBS = {
    "12[].head": {"Job_Name": "a", "job_state": "B"},
    "12[1].head": {"Job_Name": "a", "job_state": "X"},
    "12[2].head": {"Job_Name": "a", "job_state": "R"},
    "12[3].head": {"Job_Name": "a", "job_state": "Q", "comment": "Not Running: no GPU"},
    "13.head": {"Job_Name": "b", "job_state": "H"},
}
QUEUES = {  # what the query programs print, and what that means
    "slurm": (
        {
            "squeue": (
                "CLUSTER:"
                " alpha\na|12|1|CG|None\na|12|2|R|None\na|12|3|PD|Resources\nb|13|N/A|PD|Dependency\n"
            )
        },
        [
            Task("a", "12", 2, "running", ""),
            Task("a", "12", 3, "queued", "Resources"),
            Task("b", "13", None, "queued", "Dependency"),
        ],
    ),
    "pbs": (
        {"qselect": "12[].head\n", "qstat": json.dumps({"Jobs": PBS_JOBS})},
        [
            Task("a", "12[].head", 2, "running", ""),
            Task("a", "12[].head", 3, "queued", "Not Running: no GPU"),
            Task("b", "13.head", None, "queued", ""),
        ],
    ),
    "lsf": (
        {
            "bjobs": (
                "as of now\n12|1|DONE|-\n12|2|RUN|-\n12|3|PEND|New job is waiting for scheduling;\n"
            )
        },
        [
            Task("a", "12", 2, "running", ""),
            Task("a", "12", 3, "queued", "New job is waiting for scheduling;"),
        ],
    ),
}


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts programs on PATH that print a text."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)

    def add(name: str, text: str, code: int = 0, to: int = 1) -> None:
        (folder / f"{name}.txt").write_text(text)
        (folder / name).write_text(f"#!/bin/sh\ncat {folder}/{name}.txt >&{to}\nexit {code}\n")
        (folder / name).chmod(0o755)

    return add


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the clusters file is looked for."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config" / "halobind").mkdir(parents=True)
    return tmp_path / "config" / "halobind" / "clusters.toml"


def cluster(scheduler: str, **more: object) -> Cluster:
    return Cluster(**{**CLUSTER, "scheduler": scheduler, "directives": [EXTRA[scheduler]], **more})


@pytest.mark.parametrize("name", SCHEDULERS)
def test_golden_scripts(name: str, tmp_path: Path) -> None:
    text = SCHEDULERS[name].script(ARRAY, cluster(name))
    assert text == GOLDEN[name]
    assert {"slurm": "--no-requeue", "pbs": "-r y", "lsf": "-rn"}[name] in SCHEDULERS[name].script(
        ARRAY, cluster(name, requeue=False)
    )
    last = SCHEDULERS[name].script(
        LAST, cluster(name, requeue=False, cpu_directives=["-m none"]).for_tables
    )
    assert EXTRA[name] not in last and EXTRA[name] in SCHEDULERS[name].script(
        LAST, cluster(name).for_tables
    )
    assert (
        "short" in last
        and "gpu" not in last
        and not any(word in last for word in ("--array", "-J 1", "[1", "%a", "%I", "^"))
    )
    assert {"slurm": "--no-requeue", "pbs": "-r n", "lsf": "-rn"}[name] in last
    for script in (text, last):
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_commands_and_ids(name: str) -> None:
    row = SCHEDULERS[name]
    assert row.submit(["7", "8"], "") == SUBMIT[name]
    assert row.submit([], "") == (
        ["sbatch", "--parsable"] if name == "slurm" else [row.programs.submit]
    )
    printed, expected = ANSWERS[name]
    assert row.job_id(printed) == expected
    assert row.cancel(["12"], "") == [row.programs.cancel, "12"]


@pytest.mark.parametrize("name", SCHEDULERS)
def test_queues(name: str, programs) -> None:
    printed, expected = QUEUES[name]
    for program, text in printed.items():
        programs(program, text)
    assert SCHEDULERS[name].queue(["a"], "") == expected


@pytest.mark.parametrize(
    ("name", "program"), [("slurm", "squeue"), ("pbs", "qselect"), ("lsf", "bjobs")]
)
def test_a_scheduler_that_does_not_answer_is_an_error_not_an_empty_queue(
    name: str, program: str, programs
) -> None:
    programs(program, "cannot reach the server", code=1, to=2)
    with pytest.raises(BatchError, match=f"{program} failed: cannot reach the server"):
        SCHEDULERS[name].queue(["a"], "")


def test_lsf_says_not_found_for_an_empty_queue(programs) -> None:
    programs("bjobs", "Job <a> is not found", code=255, to=2)
    assert SCHEDULERS["lsf"].queue(["a"], "") == []


def test_pbs_that_answers_no_json_is_an_error(programs) -> None:
    programs("qselect", "12[].head\n")
    programs("qstat", '{"Jobs": {"12[].head": ')
    with pytest.raises(BatchError, match=r"qstat -F json gave no JSON .*OpenPBS"):
        SCHEDULERS["pbs"].queue(["a"], "")
    programs(
        "qstat",
        "qstat: 12[].head Job has finished, use -x or -H to obtain historical job information",
        code=35,
        to=2,
    )
    assert SCHEDULERS["pbs"].queue(["a"], "") == []


def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(
        BatchError, match="there is no squeue on this machine: give this command where"
    ):
        SCHEDULERS["slurm"].queue(["a"], "")


def test_indices_and_times() -> None:
    assert spans((7, 1, 2, 3)) == [(1, 3), (7, 7)] and index_list((1, 2, 3, 7)) == "1-3,7"
    assert seconds_of("1-12:00:30") == 129630 and seconds_of("100:00:00") == 360000
    with pytest.raises(ValueError, match="'24h' is not a time like 23:58:00"):
        seconds_of("24h")
    assert Cluster(scheduler="slurm", walltime="0:10:00").working_s == 480


def test_the_example_is_a_clusters_file(config: Path) -> None:
    config.write_text(EXAMPLE)
    assert load_cluster("gpu").gpus == 1 and load_cluster("gpu").directives == (
        "--constraint=a100",
    )
    shown = set(
        tomllib.loads(EXAMPLE.replace("# cpu_", "cpu_").replace("# leave_", "leave_"))["gpu"]
    )
    assert shown == set(Cluster.model_fields)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[a]\nscheduler = "slurm"', "[a] walltime is missing"),
        (
            '[a]\nscheduler = "sge"\nwalltime = "1:00:00"',
            "scheduler = 'sge' is not known; there are: slurm, pbs, lsf",
        ),
        (
            '[a]\nscheduler = "pbs"\nwalltime = "1:00:00"\npartition = "x"',
            "partition = 'x' is not a known key; the keys are",
        ),
        (
            '[a]\nscheduler = "pbs"\nwalltime = "1 day"',
            "walltime = '1 day': '1 day' is not a time like",
        ),
        (
            '[a]\nscheduler = "pbs"\nwalltime = "0:03:00"',
            "too short, as a job stops 120 s before it ends: give it 0:04:00 or more",
        ),
        (
            '[a]\nscheduler = "pbs"\nwalltime = "1:00:00"\nenvironment = ["a\\nb"]',
            "must be one line of text",
        ),
        ("a = 1", "a = 1 must be a table, written [a]"),
        ("[a", "is not TOML"),
        (None, "halobind submit --example >"),
    ],
)
def test_a_bad_clusters_file(config: Path, text: str | None, message: str) -> None:
    if text is not None:
        config.write_text(text)
    with pytest.raises(BatchError) as raised:
        load_clusters()
    assert message in str(raised.value) and str(config.parent) in str(raised.value)


def test_an_unknown_cluster_names_those_there_are(config: Path) -> None:
    config.write_text(EXAMPLE)
    with pytest.raises(
        BatchError,
        match=r"no cluster 'gpus' in .*there are: gpu\. Add a table \[gpus\].*submit --example",
    ):
        load_cluster("gpus")


def test_a_home_that_cannot_be_read(config: Path) -> None:
    config.mkdir()
    with pytest.raises(BatchError, match="cannot read .*XDG_CONFIG_HOME"):
        load_clusters()


def test_the_record_survives_a_kill_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "submitted.jsonl"
    entry = Entry("a", 1, "sample", "gpu", "slurm", (1, 2), 2, 5)
    Ledger(path).add(entry)
    with open(path, "a", encoding="utf-8") as file:
        file.write('{"time": "2026", "name": "b", "rou')
    ledger = Ledger(path)
    assert ledger.entries == [entry]
    ledger.add(replace(entry, event="submitted", id="3"))
    assert Ledger(path).entries == [replace(entry, event="submitted", id="3")]
    path.write_text('{"name": "b"}\n')
    with pytest.raises(BatchError, match="line 1, cannot be read"):
        Ledger(path)


def test_the_record_leaves_out_jobs_for_another_place(tmp_path: Path) -> None:
    path = tmp_path / "submitted.jsonl"
    here, there = (
        Entry(f"halobind-{place}-001-sample", 1, "sample", "gpu", "slurm", (1,), 1, 0)
        for place in ("aa", "bb")
    )
    for entry in (here, there):
        Ledger(path).add(entry)
    assert Ledger(path, "halobind-aa-").entries == [here] and len(Ledger(path).entries) == 2


def test_a_scheduler_that_cannot_be_asked_says_which_jobs_it_has(tmp_path: Path, programs) -> None:
    programs("squeue", "slurm_load_jobs error: Unable to contact slurm controller\n", 1, 2)
    ledger = Ledger(tmp_path / "submitted.jsonl")
    ledger.add(Entry("a", 1, "sample", "gpu", "slurm", (1,), 1, 0, "submitted", "12"))
    with pytest.raises(
        BatchError,
        match=(
            r"Unable to contact.*\(slurm was given a: if they are gone for good, take their lines"
            r" out of .*jsonl"
        ),
    ):
        ledger.queued()


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_submission_without_an_id_is_an_error(name: str) -> None:
    for output in ("", f"{NOTICE}\n"):
        with pytest.raises(
            BatchError, match="gave no job id, it said: .*the same command finds it by its name"
        ):
            SCHEDULERS[name].job_id(output)


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 5000, "'" + "a" * 10_000 + "'"])
def test_a_huge_value_in_a_clusters_file_is_one_short_line(config: Path, value: str) -> None:
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(f"[gpu]\nscheduler = 'slurm'\ncpus = {value}\n")
    with pytest.raises(BatchError) as refused:
        load_clusters()
    assert str(config) in str(refused.value)
    assert len(str(refused.value)) < 600


def test_a_clusters_file_that_is_none_is_named(config: Path) -> None:
    config.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(config)  # opening it would wait for a writer
    with pytest.raises(BatchError, match="is not a file"):
        load_clusters()


def test_slurm_with_several_clusters(programs) -> None:
    slurm = SCHEDULERS["slurm"]
    for text in ("--clusters=genius", "--cluster genius", "-M genius", "-Mgenius"):
        assert slurm.sites(["--qos=low", text]) == ("genius",)
    assert slurm.sites(["-M a,b"]) == ("a", "b") and slurm.sites(["--mem=3G", "--qos=M"]) == ()
    assert slurm.submit(["7"], "genius")[2:] == ["--clusters=genius", "--dependency=afterany:7"]
    assert slurm.cancel(["7"], "genius") == ["scancel", "--clusters=genius", "7"]
    programs("squeue", "CLUSTER: a\nj|7|1|R|None\nCLUSTER: b\nj|7|2|PD|Priority\n")
    assert slurm.queue(["j"], "a,b") == [
        Task("j", "7", 1, "running", "", "a"),
        Task("j", "7", 2, "queued", "Priority", "b"),
    ]


def test_the_cluster_set_by_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBATCH_CLUSTERS", "wice")
    assert SCHEDULERS["slurm"].sites(["--clusters=genius"]) == ("wice",)


@pytest.mark.parametrize(
    ("name", "printed", "expected"),
    [
        ("slurm", "Submitted batch job 12\n", JobId("12")),
        ("slurm", "sbatch: notice 7\nSubmitted batch job 12 on cluster genius\n", JobId("12", "genius")),
        ("pbs", "qsub: job 12.pbs1 was submitted to workq\n", JobId("12.pbs1")),
        ("pbs", "Your job 12[].pbs1 has been queued.\n", JobId("12[].pbs1")),
        ("lsf", "Job <12> is submitted to default queue <normal>.\n", JobId("12")),
        ("lsf", "Verifying job\nJob <12> is submitted to queue <q@remote>.\n", JobId("12")),
    ],
)  # fmt: skip
def test_answers_of_wrappers(name: str, printed: str, expected: JobId) -> None:
    assert SCHEDULERS[name].job_id(printed) == expected


def test_pbs_jobs_that_qstat_leaves_out_are_alive(programs) -> None:
    programs("qselect", "12[].head\n13.head\n14.head\n")
    programs("qstat", json.dumps({"Jobs": {"13.head": {"Job_Name": "a", "job_state": "R"}}}))
    assert SCHEDULERS["pbs"].queue(["a"], "") == [
        Task("a", "13.head", None, "running", ""),
        Task("a", "12[].head", None, "queued", ""),
        Task("a", "14.head", None, "queued", ""),
    ]
    programs("qstat", "qstat: Unknown Job Id 14.head\nqstat: 12[].head Job has finished\n", 35, 2)
    assert [task.id for task in SCHEDULERS["pbs"].queue(["a"], "")] == ["13.head"]


def test_a_pbs_array_of_which_qstat_lists_no_task_is_alive(programs) -> None:
    programs("qselect", "12[].head\n")
    for state, alive in (("Q", True), ("B", True), ("F", False)):
        programs(
            "qstat", json.dumps({"Jobs": {"12[].head": {"Job_Name": "a", "job_state": state}}})
        )
        assert bool(SCHEDULERS["pbs"].queue(["a"], "")) == alive


@pytest.mark.parametrize(
    "value",
    ["005", "-", "{a b}", '"a\\qb"', '"say "yes" now"', '"it\'s \\\\"', "", '"a\nb"', '"}"'],
)
def test_no_environment_keeps_pbs_jobs_from_being_read(value: str, programs) -> None:
    """qstat writes values of Variable_List as they are."""
    jobs = ",\n".join(
        f'"{identity}":{{ "Job_Name":"a", "job_state":"{state}",\n"Variable_List":{{"SLOT":{value}}}}}'
        for identity, state in (("12[].head", "B"), ("12[1].head", "R"), ("13.head", "Q"))
    )
    programs("qselect", "12[].head\n13.head\n")
    programs("qstat", f'{{"timestamp":1, "Jobs":{{{jobs}}}}}')
    assert SCHEDULERS["pbs"].queue(["a"], "") == [
        Task("a", "12[].head", 1, "running", ""),
        Task("a", "13.head", None, "queued", ""),
    ]


@pytest.mark.parametrize(
    "said", ["Job <a> is not found", "No unfinished job found", "No matching job found"]
)
def test_lsf_has_several_words_for_an_empty_queue(said: str, programs) -> None:
    programs("bjobs", said, code=255, to=2)
    assert SCHEDULERS["lsf"].queue(["a"], "") == []


def test_lsf_without_an_index(programs) -> None:
    programs("bjobs", "12|-|RUN|-\n13|0|PEND|-\n")
    assert [task.index for task in SCHEDULERS["lsf"].queue(["a"], "")] == [None, None]


@pytest.mark.parametrize(
    ("name", "begins", "gone"),
    [
        ("slurm", "--mem", "--mem=16G"),
        ("slurm", "--gres", "--gres=gpu:1"),
        ("slurm", "--signal=B", "--signal=B:TERM@60"),
        ("pbs", "-l select", "-l select=1:ncpus=4:ngpus=1:mem=16gb"),
        ("pbs", "-S", "-S /bin/bash"),
        ("lsf", '-R "rusage', '-R "rusage[mem=16GB]"'),
        ("lsf", "-gpu", '-gpu "num=1"'),
        ("lsf", "-wt", "-wt 1 -wa TERM"),
    ],
)
def test_own_directives_can_be_left_out(name: str, begins: str, gone: str) -> None:
    text = SCHEDULERS[name].script(ARRAY, cluster(name, leave_out=[begins]))
    lines = GOLDEN[name].splitlines()
    assert text.splitlines() == [line for line in lines if not line.endswith(gone)] != lines


def test_memory_a_cpu_takes_the_place_of_memory_a_node() -> None:
    text = SCHEDULERS["slurm"].script(LAST, cluster("slurm", directives=["--mem-per-cpu=3900M"]))
    assert "#SBATCH --mem=" not in text and "#SBATCH --mem-per-cpu=3900M" in text


def test_a_record_of_an_array_as_a_whole_counts_for_every_part(tmp_path: Path, programs) -> None:
    programs("qselect", "12[].head\n")
    programs("qstat", '{"Jobs": {}}')
    ledger = Ledger(tmp_path / "submitted.jsonl")
    ledger.add(Entry("a", 1, "sample", "gpu", "pbs", (2, 3), 3, 0, "submitted", "12[].head"))
    assert [entry.part(task) for entry, task in ledger.queued()] == [2, 3]
