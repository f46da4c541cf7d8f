"""Submission with stand-ins for a scheduler's commands: what is submitted, what is on record, and
what is refused.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from halobind.jobs.claims import claim
from halobind.pipeline.campaign.run_directory import Run
from halobind.pipeline.commands.cli import main
from halobind.pipeline.sampling.products import prepare_products
from halobind.pipeline.workflow.checks import open_campaign
from tests.pipeline.tiny import PATIENCE_S

CAMPAIGN = """
[model]
perovskite = "CsPbBr3"
cells = "4x4x1"
ligand = ["DA", "MA"]
solvent = "acetone"
gap_nm = 2.5
[forcefield]
cutoff_nm = 0.9
[pull]
from_nm = 0.0
to_nm = 0.4
step_nm = 0.2
[windows]
spacing_nm = 0.2
k_kJ_mol_nm2 = 2000.0
[sampling]
segments = 2
segment_ps = 10.0
[estimate]
plateau_nm = 0.1
[resources]
processes_per_gpu = 1
"""
CLUSTERS = """
[gpu]
scheduler = "pbs"
gpus = 1
walltime = "1:00:00"
environment = ["module load halobind"]
[small]
scheduler = "pbs"
cpus = 2
walltime = "1:00:00"
array_limit = 2
environment = ["module load halobind"]
[bare]
scheduler = "lsf"
walltime = "1:00:00"
[slow]
scheduler = "slurm"
walltime = "1:00:00"
"""
QSUB = """#!/bin/sh
[ -z "$REJECT" ] || ! grep -q -- "$REJECT" calls || { echo "qsub: Unknown queue" >&2; exit 170; }
n=$(cat count); n=$((n + 1)); echo $n > count
echo "qsub $*" >> calls
cat > script-$n
array=; grep -q '^#PBS -J' script-$n && array='[]'
echo "$n$array.head"
"""
PBS = {
    "qsub": QSUB,
    "qselect": (
        '#!/bin/sh\npython3 -c "import json, sys; [print(i) for i, n, *_ in'
        ' json.load(open(\'held\')) if n == sys.argv[2]]" "$@"\n'
    ),
    "qstat": (
        "#!/bin/sh\npython3 -c \"import json; print(json.dumps({'Jobs': {i.replace('[]', f'[{k}]')"
        " if k else i: {'Job_Name': n, 'job_state': 'Q'} for i, n, ks in json.load(open('held'))"
        ' for k in ks or [0]}}))"\n'
    ),
    "qdel": '#!/bin/sh\necho "qdel $*" >> calls\n',
}


HOLD = """
import sys, time
from pathlib import Path
from halobind.jobs.claims import claim
with claim(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(1)
"""


class Scheduler:
    """A stand-in PBS: records its calls and scripts; holds what the test says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def hold(self, *jobs: tuple[str, str, list[int]]) -> None:
        (self.folder / "held").write_text(json.dumps(jobs))

    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()

    def script(self, number: int) -> str:
        return (self.folder / f"script-{number}").read_text()


@pytest.fixture
def pbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in PBS.items():
        (folder / name).write_text(text.replace("\n", f"\ncd {folder}\n", 1))
        (folder / name).chmod(0o755)
    (folder / "calls").write_text("")
    (folder / "count").write_text("0")
    (folder / "held").write_text("[]")
    (tmp_path / "config" / "halobind").mkdir(parents=True)
    (tmp_path / "config" / "halobind" / "clusters.toml").write_text(CLUSTERS)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.delenv("PBS_JOBID", raising=False)
    return Scheduler(folder)


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    folder = tmp_path / "my campaign"
    folder.mkdir()
    (folder / "campaign.toml").write_text(CAMPAIGN)
    return folder


def record(campaign: Path) -> list[dict]:
    return [
        json.loads(line)
        for line in (campaign / "jobs" / "submitted.jsonl").read_text().splitlines()
    ]


def names(campaign: Path) -> list[str]:
    return list(dict.fromkeys(entry["name"] for entry in record(campaign)))


def submit(campaign: Path, *more: str) -> int:
    return main(["submit", str(campaign), "--cluster", "gpu", *more])


def prepare(campaign: Path) -> list[Run]:
    """Publish empty preparations of all runs."""
    opened = open_campaign(campaign)
    for run in opened.runs:
        for product in prepare_products(run, opened.settings):
            run.path(product.name).mkdir(parents=True)
        (run.path("system") / "system.xml").write_text("<System/>")
        (run.path("system") / "audit.json").write_text(
            json.dumps({"sha256": hashlib.sha256(b"<System/>").hexdigest()})
        )
    return opened.runs


def test_a_dry_run_prints_what_is_then_submitted_and_writes_nothing(
    campaign: Path, pbs: Scheduler, capsys: pytest.CaptureFixture
) -> None:
    assert submit(campaign, "--dry-run") == 0
    shown = capsys.readouterr().out
    assert [path.name for path in campaign.iterdir()] == ["campaign.toml"] and pbs.calls() == []
    assert submit(campaign) == 0
    scripts = [pbs.script(number) for number in (1, 2, 3)]
    assert [text for text in scripts if text not in shown] == []
    assert [path.read_text() in scripts for path in (campaign / "jobs").glob("*.sh")] == [True] * 3
    assert pbs.calls() == [
        "qsub ",
        "qsub -W depend=afterany:1[].head",
        "qsub -W depend=afterany:1[].head:2[].head",
    ]
    where = f"'{campaign}'"
    assert (
        f"exec halobind run {where} --prepare --part $PBS_ARRAY_INDEX/2 --walltime 0:58:00\n"
        in scripts[0]
    )
    assert f"exec halobind run {where} --part $PBS_ARRAY_INDEX/6 --walltime 0:58:00\n" in scripts[1]
    assert (
        f"export XDG_CONFIG_HOME={os.environ['XDG_CONFIG_HOME']}\n" in scripts[2]
    )  # qsub hands no environment on
    assert f"halobind table {where}\nexec halobind submit {where} --cluster gpu\n" in scripts[2]
    assert (
        "#PBS -J 1-2\n" in scripts[0]
        and "#PBS -J 1-6\n" in scripts[1]
        and "ngpus" not in scripts[2]
    )
    events = [(entry["stage"], entry["event"]) for entry in record(campaign)]
    assert events == [
        (stage, event)
        for stage in ("prepare", "sample", "table")
        for event in ("submitting", "submitted")
    ]


def test_a_job_gets_windows_for_all_processes_on_its_gpu(
    campaign: Path, pbs: Scheduler, capsys: pytest.CaptureFixture
) -> None:
    for text, parts in (
        ("processes_per_gpu = 1", 6),
        ("processes_per_gpu = 2", 3),
        ("processes_per_gpu = 0", 2),
    ):  # 0: four with MPS
        settings = campaign / "campaign.toml"
        settings.write_text(re.sub(r"processes_per_gpu = \d", text, settings.read_text()))
        assert main(["submit", str(campaign), "--cluster", "gpu", "--dry-run"]) == 0
        assert f"#PBS -J 1-{parts}\n" in capsys.readouterr().out


def test_a_job_works_on_all_its_cores(
    campaign: Path, pbs: Scheduler, capsys: pytest.CaptureFixture
) -> None:
    assert main(["submit", str(campaign), "--cluster", "small"]) == 0
    assert "--part 1/1" in pbs.script(1) and "--processes 2" in pbs.script(
        1
    )  # two runs to prepare, two cores
    assert "$PBS_ARRAY_INDEX/2" in pbs.script(2)
    assert "3 parts are more than array_limit = 2 of small: 2 parts" in capsys.readouterr().err


def test_what_is_queued_is_not_submitted_again(
    campaign: Path, pbs: Scheduler, capsys: pytest.CaptureFixture
) -> None:
    submit(campaign)
    first, second, last = names(campaign)
    pbs.hold(
        ("1[].head", first, [1, 2]), ("2[].head", second, [1, 2, 3, 4, 5, 6]), ("3.head", last, [])
    )
    capsys.readouterr()
    assert submit(campaign) == 0
    assert "nothing to add: 9 jobs" in capsys.readouterr().out and len(pbs.calls()) == 3
    prepare(campaign)
    pbs.hold(
        ("2[].head", second, [1, 4, 5]), ("3.head", last, [])
    )  # parts 2, 3 and 6 are gone, and have work left
    assert submit(campaign) == 0
    assert pbs.calls()[3:] == ["qsub ", "qsub "]
    assert "#PBS -J 2-3\n" in pbs.script(4) and "--part 6/6" in pbs.script(5)
    lost_table = [("2[].head", second, [1, 2, 3, 4, 5, 6])]
    pbs.hold(*lost_table)
    assert submit(campaign) == 0
    assert pbs.calls()[5:] == [
        "qsub -W depend=afterany:2[].head"
    ] and "halobind table" in pbs.script(6)


def test_a_submission_cut_short_is_found_by_its_name(
    campaign: Path, pbs: Scheduler, capsys: pytest.CaptureFixture
) -> None:
    submit(campaign)
    path = campaign / "jobs" / "submitted.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:3]))  # killed between the submission of the array and its record
    first, second = names(campaign)
    pbs.hold(("1[].head", first, [1, 2]), ("2[].head", second, [1, 2, 3, 4, 5, 6]))
    assert submit(campaign) == 0
    assert pbs.calls()[3:] == ["qsub -W depend=afterany:1[].head:2[].head"]
    assert main(["cancel", str(campaign)]) == 0
    assert pbs.calls()[4:] == ["qdel 2[].head", "qdel 1[].head"]
    assert [entry["event"] for entry in record(campaign)][-2:] == ["cancelled"] * 2


def test_what_ends_while_it_is_cancelled_is_no_error_and_what_stays_is(
    campaign: Path, pbs: Scheduler, capsys: pytest.CaptureFixture
) -> None:
    submit(campaign)
    first, second, last = names(campaign)
    queue = [["1[].head", first, [1]], ["2[].head", second, [1]], ["3.head", last, []]]
    (pbs.folder / "qdel").write_text("#!/bin/sh\necho 'qdel: Job has finished' >&2\nexit 35\n")
    pbs.hold(*queue)
    assert main(["cancel", str(campaign)]) == 1
    assert (
        "-001-table (3.head) was not cancelled: qdel: Job has finished" in capsys.readouterr().err
    )
    (pbs.folder / "qdel").write_text(f"#!/bin/sh\necho '[]' > {pbs.folder}/held\nexit 35\n")
    assert main(["cancel", str(campaign)]) == 0
    assert capsys.readouterr().out.count("ended halobind-") == 3
    assert [entry["event"] for entry in record(campaign)][-3:] == ["ended"] * 3


def test_a_rejected_job_is_on_record_with_the_message(
    campaign: Path, pbs: Scheduler, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("REJECT", "qsub")
    assert submit(campaign) == 1
    error = capsys.readouterr().err
    assert (
        "qsub rejected halobind-" in error
        and "Unknown queue" in error
        and "kept: 1[].head (halobind cancel" in error
    )
    assert [(entry["event"], entry["message"]) for entry in record(campaign)][-1] == (
        "rejected",
        "qsub: Unknown queue",
    )


def test_what_failed_waits_for_retry(
    campaign: Path, pbs: Scheduler, capsys: pytest.CaptureFixture
) -> None:
    for run in prepare(campaign):
        for name in (
            "windows_z+0.000-k2000_seg-000-000",
            "windows_z+0.200-k2000_seg-000-000",
            "windows_z+0.400-k2000_seg-000-000",
        ):
            (run.failures_folder / name).mkdir(parents=True)
    assert submit(campaign) == 0
    assert pbs.calls() == [] and "nothing is left" in capsys.readouterr().out
    assert submit(campaign, "--retry") == 0
    assert "--retry" in pbs.script(1) and "--retry" not in pbs.script(2)
    shutil.rmtree(run.failures_folder / "windows_z+0.200-k2000_seg-000-000")
    assert submit(campaign, "--dry-run") == 0
    assert "--part 5/6" in capsys.readouterr().out


def test_the_chain_goes_on_from_its_last_job_unless_nothing_was_published(
    campaign: Path, pbs: Scheduler, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    submit(campaign)
    last = names(campaign)[-1]
    pbs.hold(("3.head", last, []))
    monkeypatch.setenv("PBS_JOBID", "3.head")
    assert submit(campaign) == 1
    assert "round 1 published nothing" in capsys.readouterr().err and len(pbs.calls()) == 3
    prepare(campaign)
    assert submit(campaign) == 0
    assert pbs.calls()[3:] == [
        "qsub ",
        "qsub -W depend=afterany:4[].head",
    ] and "-002-sample" in pbs.script(4)


def test_status_shows_the_queue(
    campaign: Path, pbs: Scheduler, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    submit(campaign)
    first, second, last = names(campaign)
    pbs.hold(
        ("1[].head", first, [2]), ("2[].head", second, [1, 2, 3, 4, 5, 6]), ("3.head", last, [])
    )
    capsys.readouterr()
    assert main(["status", str(campaign)]) == 0
    da, ma = (line for line in capsys.readouterr().out.splitlines() if "CsPbBr3-slab-" in line)
    assert "0/1 queued" not in da and "0/6 queued" in da and "queued (3 jobs)" in da
    assert "0/1 queued" in ma and "0/6 queued" in ma and "queued (4 jobs)" in ma
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["status", str(campaign)]) == 0
    assert "jobs: unknown here (there is no qselect on this machine" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cluster", "nowhere"], "there are: gpu, small, bare, slow. Add a table [nowhere]"),
        (["--cluster", "local"], "on this machine itself: halobind run"),
        (
            ["--cluster", "slow"],
            "there is no sbatch on this machine: submit to slow from its login node",
        ),
        ([], "name the campaign and the cluster"),
    ],
)
def test_refusals_leave_nothing_behind(
    campaign: Path,
    pbs: Scheduler,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.setenv("PATH", str(pbs.folder))
    assert main(["submit", str(campaign), *arguments]) == 1
    assert message in capsys.readouterr().err
    assert [path.name for path in campaign.iterdir()] == ["campaign.toml"]


def test_without_an_environment_the_halobind_that_submits_is_used(
    campaign: Path, pbs: Scheduler, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(
        "halobind.pipeline.commands.submission.shutil.which",
        lambda name, path=None: f"/opt/h/bin/{name}",
    )
    assert main(["submit", str(campaign), "--cluster", "bare", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert out.count("export PATH=/opt/h/bin:$PATH\n") == 3 and "--part $LSB_JOBINDEX/6" in out
    monkeypatch.setattr(
        "halobind.pipeline.commands.submission.shutil.which", lambda name, path=None: None
    )
    assert main(["submit", str(campaign), "--cluster", "bare", "--dry-run"]) == 1
    assert "no halobind command is installed here" in capsys.readouterr().err


def test_the_example_needs_no_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nothing"))
    assert main(["submit", "--example"]) == 0
    assert 'scheduler = "slurm"' in capsys.readouterr().out


def test_two_at_once_wait_for_each_other(
    campaign: Path, pbs: Scheduler, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (campaign / "jobs").mkdir()
    with claim(campaign / "jobs" / "submitted.lock"):
        monkeypatch.setattr("halobind.pipeline.commands.submission.PATIENCE_S", 0.1)
        assert (
            submit(campaign) == 1 and "another halobind submit or cancel" in capsys.readouterr().err
        )
        assert pbs.calls() == []
    held = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(campaign / "jobs" / "submitted.lock")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert held.stdout.readline() == "held\n"
    monkeypatch.setattr("halobind.pipeline.commands.submission.PATIENCE_S", PATIENCE_S)
    assert submit(campaign) == 0 and held.wait(timeout=PATIENCE_S) == 0 and len(pbs.calls()) == 3


def test_no_more_parts_are_submitted_than_can_have_something_to_do(
    campaign: Path, pbs: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(campaign)
    submit(campaign)
    sampling, last = names(campaign)
    pbs.hold(("1[].head", sampling, [1, 2, 3]), ("2.head", last, []))
    monkeypatch.setattr(
        "halobind.pipeline.commands.submission.max_useful_parts", lambda runs, campaign: 1
    )  # one round to decide, for whoever comes
    assert submit(campaign) == 0 and len(pbs.calls()) == 2


def test_a_copied_campaign_has_no_jobs_of_the_original(
    campaign: Path, pbs: Scheduler, capsys: pytest.CaptureFixture
) -> None:
    submit(campaign)
    first, second, last = names(campaign)
    pbs.hold(
        ("1[].head", first, [1, 2]), ("2[].head", second, [1, 2, 3, 4, 5, 6]), ("3.head", last, [])
    )
    copy = Path(shutil.copytree(campaign, campaign.with_name("copy")))
    assert main(["cancel", str(copy)]) == 0 and "qdel" not in " ".join(pbs.calls())
    assert submit(copy) == 0 and len(pbs.calls()) == 6
    assert len(set(names(copy))) == 6


def test_a_dry_run_shows_what_is_waited_for(
    campaign: Path, pbs: Scheduler, capsys: pytest.CaptureFixture
) -> None:
    submit(campaign)
    pbs.hold(("1[].head", names(campaign)[0], [1, 2]))
    capsys.readouterr()
    assert submit(campaign, "--dry-run") == 0
    assert "# qsub -W depend=afterany:1[].head < jobs/" in capsys.readouterr().out.replace("'", "")


def test_jobs_do_not_wait_for_those_of_another_scheduler(
    campaign: Path, pbs: Scheduler, capsys: pytest.CaptureFixture
) -> None:
    submit(campaign)
    pbs.hold(("1[].head", names(campaign)[0], [1, 2]))
    capsys.readouterr()
    assert main(["submit", str(campaign), "--cluster", "bare", "--dry-run"]) == 0
    assert "1[].head" not in capsys.readouterr().out


def test_jobs_of_a_campaign_that_cannot_be_read_can_be_cancelled(
    campaign: Path, pbs: Scheduler, capsys: pytest.CaptureFixture
) -> None:
    submit(campaign)
    pbs.hold(("1[].head", names(campaign)[0], [1, 2]))
    (campaign / "campaign.toml").write_text("[model")
    assert main(["cancel", str(campaign)]) == 0 and pbs.calls()[3:] == ["qdel 1[].head"]


SBATCH = """#!/bin/sh
n=$(cat count); n=$((n + 1)); echo $n > count
echo "sbatch $*" >> calls
cat > script-$n
name=$(sed -n 's/^#SBATCH --job-name=//p' script-$n)
indices=$(sed -n 's/^#SBATCH --array=//p' script-$n)
site=$(sed -n 's/^#SBATCH --clusters=//p' script-$n)
case "$*" in *--clusters=*) site=$(echo "$*" | sed 's/.*--clusters=\\([^ ]*\\).*/\\1/');; esac
sleep ${SLOW:-0}
echo "$n $name ${indices:-none} $site" >> held
[ -n "$SILENT" ] || echo "$n${site:+;$site}"
"""
SQUEUE = """#!/usr/bin/env python3
import sys
options = dict(word.partition("=")[::2] for word in sys.argv[1:])
for line in open("held"):
    job, name, indices, *site = line.split()
    if "".join(site) != options.get("--clusters", "") or name not in options["--name"].split(","):
        continue
    first, _, last = indices.partition("-")
    tasks = ["N/A"] if first == "none" else range(int(first), int(last or first) + 1)
    for task in tasks:
        print(f"{name}|{job}|{task}|PD|Priority")
"""
SCANCEL = """#!/bin/sh
echo "scancel $*" >> calls
case "$*" in "$EXPECTED"*) exit 0;; esac
echo "scancel: error: Invalid job id specified" >&2; exit 1
"""
SLURM_CLUSTERS = """
[genius]
scheduler = "slurm"
walltime = "1:00:00"
environment = ["module load halobind"]
directives = ["--clusters=genius"]
cpu_directives = []
[plain]
scheduler = "slurm"
walltime = "1:00:00"
environment = ["module load halobind"]
"""


@pytest.fixture
def slurm_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    """A stand-in SLURM that serves several clusters and holds every job that it was given."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (folder / name).write_text(text.replace("\n", f"\ncd {folder}\n", 1))
    (folder / "squeue").write_text(SQUEUE.replace('open("held")', f'open("{folder}/held")'))
    for name in ("sbatch", "scancel", "squeue"):
        (folder / name).chmod(0o755)
    (folder / "calls").write_text("")
    (folder / "count").write_text("0")
    (folder / "held").write_text("")
    (tmp_path / "config" / "halobind").mkdir(parents=True)
    (tmp_path / "config" / "halobind" / "clusters.toml").write_text(SLURM_CLUSTERS)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return Scheduler(folder)


def test_jobs_of_one_of_several_slurm_clusters_are_found_and_cancelled_there(
    campaign: Path,
    slurm_stand_in: Scheduler,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    assert main(["submit", str(campaign), "--cluster", "genius"]) == 0
    calls = slurm_stand_in.calls()
    assert calls[2].endswith("--clusters=genius --dependency=afterany:1:2") and len(calls) == 3
    assert {entry["site"] for entry in record(campaign)} == {"genius"}
    capsys.readouterr()
    assert main(["submit", str(campaign), "--cluster", "genius"]) == 0
    assert "nothing to add" in capsys.readouterr().out and len(slurm_stand_in.calls()) == 3
    monkeypatch.setenv("EXPECTED", "--clusters=genius ")
    assert main(["cancel", str(campaign)]) == 0
    assert sorted(slurm_stand_in.calls()[3:]) == [f"scancel --clusters=genius {n}" for n in "123"]
    assert [entry["event"] for entry in record(campaign)][-3:] == ["cancelled"] * 3


def test_a_submit_command_that_gives_no_id_is_asked_for_it_by_the_queue(
    campaign: Path, slurm_stand_in: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SILENT", "1")
    assert main(["submit", str(campaign), "--cluster", "plain"]) == 0
    assert [entry["id"] for entry in record(campaign) if entry["event"] == "submitted"] == list(
        "123"
    )


def test_two_submits_started_together_submit_each_job_once(
    campaign: Path, slurm_stand_in: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLOW", "0.2")
    command = [sys.executable, "-m", "halobind", "submit", str(campaign), "--cluster", "plain"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    started = [subprocess.Popen(command, **streams) for _ in range(3)]
    printed = [process.communicate(timeout=PATIENCE_S)[0] for process in started]
    assert [process.returncode for process in started] == [0] * 3, printed
    assert len(slurm_stand_in.calls()) == 3 and len(names(campaign)) == 3
    assert sum("nothing to add" in text for text in printed) == 2


def test_scripts_hold_the_path_as_the_user_gave_it(
    campaign: Path,
    pbs: Scheduler,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What a symbolic link points to may have another name on a compute node."""
    home = campaign.parent / "home"
    home.symlink_to(campaign.parent)
    monkeypatch.chdir(home)
    monkeypatch.setenv("PWD", str(home))
    for given in (campaign.name, str(home / campaign.name)):
        assert main(["submit", given, "--cluster", "gpu", "--dry-run"]) == 0
        shown = capsys.readouterr().out
        assert f"'{home / campaign.name}'" in shown
        assert str(campaign) not in shown


@pytest.mark.parametrize(
    ("cluster", "option"), [("slow", "#SBATCH --chdir="), ("bare", "#BSUB -cwd ")]
)
def test_jobs_start_where_the_user_says(
    campaign: Path,
    pbs: Scheduler,
    cluster: str,
    option: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Schedulers would take the path that the working directory really has; PBS takes PWD."""
    home = campaign.parent / "home"
    home.symlink_to(campaign.parent)
    for folder, given in ((campaign, False), (home / campaign.name, True)):
        assert main(["submit", str(folder), "--cluster", cluster, "--dry-run"]) == 0
        assert (f"{option}'{folder}'\n" in capsys.readouterr().out) is given
