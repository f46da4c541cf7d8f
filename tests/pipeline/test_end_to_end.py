"""A tiny real campaign through the command line: whole, killed, shared, failing, extended."""

import csv
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

HALOBIND = [sys.executable, "-m", "pipeline"]
KILLS = int(os.environ.get("HALOBIND_TEST_KILLS", "5"))  # raise it together with HALOBIND_TEST_PS, the length of a segment
SEGMENT_PS = os.environ.get("HALOBIND_TEST_PS", "0.4")
CAMPAIGN = """
[model]
perovskite = "CsPbBr3"
cells = "4x4x1"
ligand = "DA"
solvent = "acetone"
gap_nm = 2.5
[forcefield]
cutoff_nm = 0.9
[equilibrate]
warm_ps = 0.2
npt_ps = 0.4
nvt_ps = 0.2
piece_ps = 0.2
[pull]
from_nm = 0.0
to_nm = 0.3
step_nm = 0.1
step_ps = 0.3
k_kJ_mol_nm2 = 50000.0
[windows]
spacing_nm = 0.1
k_kJ_mol_nm2 = 50000.0
[sampling]
segments = 2
segment_ps = 0.4
record_ps = 0.04
frame_ps = 0.2
max_rounds = 0
[estimate]
discard_fraction = 0.0
bin_nm = 0.02
plateau_nm = 0.1
n_bootstrap = 20
""".replace("segment_ps = 0.4", f"segment_ps = {SEGMENT_PS}")


def halobind(*arguments: str, **options: object) -> subprocess.CompletedProcess:
    return subprocess.run([*HALOBIND, *arguments], capture_output=True, text=True, timeout=300, **options)


def new(folder: Path, text: str = CAMPAIGN) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "campaign.toml").write_text(text)
    return folder


def products(campaign: Path) -> dict[str, int]:
    """Every published product of the campaign's runs, with its inode."""
    found = {}
    for path in campaign.glob("runs/*/**/"):
        name = str(path.relative_to(campaign))
        if (
            path.is_dir()
            and "/." not in name
            and any((path / f).exists() for f in ("state.xml", "system.xml", "model.cif", "binding.json"))
        ):
            found[name] = path.stat().st_ino
    return found


def series(campaign: Path) -> dict[str, bytes]:
    return {str(path.relative_to(campaign)): path.read_bytes() for path in campaign.glob("runs/*/**/cv.npy")}


def logs(campaign: Path) -> str:
    return "".join(path.read_text() for path in (campaign / "jobs").glob("*.log"))


def tables(campaign: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (campaign / "tables").iterdir() if path.suffix != ".png"}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The campaign, done by one process without interruption."""
    campaign = new(tmp_path_factory.mktemp("reference") / "c")
    done = halobind("run", str(campaign), "--processes", "1", "--platform", "CPU")
    assert done.returncode == 0, done.stderr
    assert "binding.md" in done.stdout
    return campaign


def copy(reference: Path, folder: Path) -> Path:
    return Path(shutil.copytree(reference, folder, copy_function=shutil.copy2))


def test_every_product_is_there(reference: Path) -> None:
    run = next((reference / "runs").iterdir())
    names = {name.removeprefix(f"runs/{run.name}/") for name in products(reference)}
    expected = {"build", "system", "equilibrate/00-warm", "equilibrate/01-npt", "equilibrate/02-npt", "equilibrate/03-nvt"}
    expected |= {f"pull/{k:03d}-z+0.{k}00" for k in range(4)}
    expected |= {f"windows/z+0.{k}00-k50000/seg-{s:03d}" for k in range(4) for s in range(2)}
    assert names - {n for n in names if n.startswith("estimate-")} == expected
    assert not list(run.rglob(".*.*-*")) and not (run / "failures").exists()
    record = json.loads((run / "run.json").read_text())
    assert record["id"] == run.name and record["versions"]["openmm"] and len(record["forcefield_files"]) == 3


def test_the_coordinate_follows_its_windows(reference: Path) -> None:
    for k in range(4):
        parts = [np.load(path) for path in sorted(reference.glob(f"runs/*/windows/z+0.{k}00-k50000/seg-*/cv.npy"))]
        assert [part.shape for part in parts] == [(10, 2), (10, 2)]
        assert np.concatenate(parts)[:, 0].mean() == pytest.approx(0.1 * k, abs=0.03)


def test_segments_say_what_they_are(reference: Path) -> None:
    for path in reference.glob("runs/*/windows/*/seg-*/segment.json"):
        record = json.loads(path.read_text())
        assert record["slab"]["displaced"] == 0
        assert record["platform"] == "CPU" and 150 < record["temperature_K"] < 450
        assert set(record["energy_kJ_mol"]) == {"bonded", "nonbonded", "ion pairs", "slab restraint", "bias"}


def test_the_table_is_honest(reference: Path) -> None:
    rows = list(csv.DictReader((reference / "tables" / "binding.csv").open(encoding="utf-8")))
    assert [row["kind"] for row in rows] == ["run", "ligand"]
    assert rows[0]["status"].startswith("not converged: ") and rows[0]["ligand"] == "DA"
    assert float(rows[0]["sampling_ns"]) == pytest.approx(4 * 2 * 0.4 / 1000)
    assert np.isfinite(float(rows[0]["dG0_kJ_mol"])) and float(rows[0]["dG0_error_kJ_mol"]) > 0
    readable = (reference / "tables" / "binding.md").read_text(encoding="utf-8")
    assert "not converged" in readable and " ± " in readable


def test_second_run_has_nothing_to_do(reference: Path, tmp_path: Path) -> None:
    campaign = copy(reference, tmp_path / "c")
    before = products(campaign)
    done = halobind("run", str(campaign))
    assert done.returncode == 0 and products(campaign) == before and tables(campaign) == tables(reference)


def test_killed_at_random_moments_and_resumed_it_is_the_same_campaign(reference: Path, tmp_path: Path) -> None:
    """kill -9 of the whole process group, again and again: the same bytes in the end, and nothing published is made twice."""
    campaign, moments = new(tmp_path / "c"), random.Random(4)
    seen: dict[str, int] = {}
    interrupted = 0
    for _ in range(KILLS):
        process = subprocess.Popen(
            [*HALOBIND, "run", str(campaign), "--platform", "CPU"], start_new_session=True, stderr=subprocess.DEVNULL
        )
        time.sleep(moments.uniform(1.5, 4.0))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            interrupted += 1
        process.wait()
        now = products(campaign)
        assert seen.items() <= now.items()
        seen = now
    assert interrupted >= 2
    print(f"{interrupted} of {KILLS} kills interrupted the campaign; {len(seen)} products were published before the last start")
    done = halobind("run", str(campaign), "--platform", "CPU", "--processes", "2")
    assert done.returncode == 0, done.stderr
    assert seen.items() <= products(campaign).items()
    assert series(campaign) == series(reference)
    assert tables(campaign) == tables(reference)
    assert not list(campaign.glob("runs/*/**/.seg-*"))


def test_two_commands_on_one_campaign_share_the_work(reference: Path, tmp_path: Path) -> None:
    campaign = new(tmp_path / "c")
    both = [
        subprocess.Popen([*HALOBIND, "run", str(campaign), "--processes", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in both:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    lines = [line for line in logs(campaign).splitlines() if ": done in" in line]
    made = [line.split(": done")[0] for line in lines]
    assert len(made) == len(set(made)) == 18
    assert series(campaign) == series(reference) and tables(campaign) == tables(reference)


def test_parts_take_their_own_windows(reference: Path, tmp_path: Path) -> None:
    campaign = new(tmp_path / "c")
    first = halobind("run", str(campaign), "--part", "1/2", "--processes", "1")
    assert first.returncode == 0, first.stderr
    mine = {name.split("/")[3] for name in products(campaign) if "/windows/" in name}
    assert mine == {"z+0.000-k50000", "z+0.200-k50000"}
    assert "pending: 4 of 8 segments" in first.stdout
    before = products(campaign)
    second = halobind("run", str(campaign), "--part", "2/2", "--processes", "1")
    assert second.returncode == 0, second.stderr
    assert before.items() <= products(campaign).items()
    assert series(campaign) == series(reference) and tables(campaign) == tables(reference)


def test_prepared_first_and_cut_by_the_wall_time_it_is_the_same_campaign(reference: Path, tmp_path: Path) -> None:
    campaign = new(tmp_path / "c")
    prepared = halobind("run", str(campaign), "--prepare", "--processes", "1")
    assert prepared.returncode == 0 and "10 of 18 products are published" in prepared.stderr, prepared.stderr
    assert not list(campaign.glob("runs/*/windows")) and not (campaign / "tables").exists()
    cut = halobind("run", str(campaign), "--walltime", "0:00:00", "--processes", "1")
    assert cut.returncode == 0 and "10 of 18 products are published" in cut.stderr, cut.stderr
    assert not list(campaign.glob("runs/*/windows/*/*"))
    assert halobind("run", str(campaign), "--processes", "1").returncode == 0
    assert series(campaign) == series(reference) and tables(campaign) == tables(reference)


def test_more_segments_continue_the_same_run(reference: Path, tmp_path: Path) -> None:
    campaign = copy(reference, tmp_path / "c")
    before = products(campaign)
    (campaign / "campaign.toml").write_text(CAMPAIGN.replace("segments = 2", "segments = 3"))
    done = halobind("run", str(campaign), "--processes", "1")
    assert done.returncode == 0, done.stderr
    new_ones = {name.rsplit("/", 1)[1] for name in products(campaign).keys() - before.keys() if "windows" in name}
    assert new_ones == {"seg-002"} and before.items() <= products(campaign).items()


def test_interrupting_stops_cleanly(tmp_path: Path) -> None:
    campaign = new(tmp_path / "c", CAMPAIGN.replace("segments = 2", "segments = 500"))
    command = [*HALOBIND, "run", str(campaign), "--processes", "2"]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests that a shell runs in the background inherit that it is ignored
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(campaign.glob("runs/*/windows/*/seg-001")) and time.monotonic() < deadline:
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)  # what Ctrl-C in a terminal does
    try:
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "what was published is kept" in errors and "Traceback" not in errors
    assert not list(campaign.glob("runs/*/failures")) and "Traceback" not in logs(campaign)
    assert not list(campaign.glob("runs/*/**/.[a-z0-9]*-*"))  # no scratch left
    status = halobind("status", str(campaign)).stdout
    assert "waiting" in status and "/2000" in status


def test_a_failure_is_a_row_and_can_be_retried(reference: Path, tmp_path: Path) -> None:
    campaign = copy(reference, tmp_path / "c")
    window = next(campaign.glob("runs/*/windows/z+0.100-k50000"))
    start = window / "seg-000" / "state.xml"
    shutil.rmtree(window / "seg-001")
    good = start.read_text()
    start.write_text(good.replace('x="', 'x="9e99', 3))
    failed = halobind("run", str(campaign), "--processes", "1")
    assert failed.returncode == 1
    assert "windows/z+0.100-k50000/seg-001" in failed.stderr and "--retry" in failed.stderr
    row = json.loads((campaign / "tables" / "binding.json").read_text())["runs"][0]
    assert row["status"].startswith("Error: windows/z+0.100-k50000/seg-001: ")
    record = json.loads(next(campaign.glob("runs/*/failures/*/error.json")).read_text())
    assert record["traceback"] and record["host"] and record["versions"]["openmm"]
    assert "failed (1)" in halobind("status", str(campaign)).stdout
    again = halobind("run", str(campaign), "--processes", "1")  # not tried again without being asked to
    assert again.returncode == 1 and len(list(campaign.glob("runs/*/failures/*"))) == 1
    start.write_text(good)
    fixed = halobind("run", str(campaign), "--retry", "--processes", "1")
    assert fixed.returncode == 0, fixed.stderr
    assert series(campaign) == series(reference) and tables(campaign) == tables(reference)


def test_exchanging_windows_and_rounds_survive_what_can_happen(reference: Path, tmp_path: Path) -> None:
    """Two windows a process that swap, and one round; lost segments come back bit for bit, made together with their neighbour."""
    campaign = new(tmp_path / "c", CAMPAIGN.replace("max_rounds = 0", "max_rounds = 1\nexchange_group = 2").replace("50000.0", "5000.0"))
    text = (
        (campaign / "campaign.toml").read_text().replace("segment_ps = 0.4", "segment_ps = 1.2").replace("frame_ps = 0.2", "frame_ps = 0.4")
    )
    (campaign / "campaign.toml").write_text(text)
    done = halobind("run", str(campaign), "--processes", "1", "--platform", "CPU")
    assert done.returncode == 0, done.stderr
    windows = next(campaign.glob("runs/*/windows"))
    record = json.loads((windows / "z+0.000-k5000" / "seg-001" / "segment.json").read_text())
    assert record["exchange"]["members"] == [f"windows/z+0.{k}00-k5000/seg-001" for k in (0, 1)] and record["exchange"]["attempts"] == 1
    first = json.loads((windows / "z+0.100-k5000" / "seg-000" / "segment.json").read_text())
    assert first["start"]["from"] == "pull/001-z+0.100" and first["exchange"]["walkers"] == [
        "windows/z+0.000-k5000",
        "windows/z+0.100-k5000",
    ]
    assert (
        len(np.load(windows / "z+0.000-k5000" / "seg-001" / "walkers.npy")) == len(np.load(windows / "z+0.000-k5000/seg-001/cv.npy")) == 30
    )
    kinds = [json.loads(path.read_text())["kind"] for path in sorted(windows.parent.glob("rounds/*/round.json"))]
    assert kinds in (["end"], ["windows", "end"])
    status = halobind("status", str(campaign)).stdout
    assert "exchange z+0.000-k5000 to z+0.100-k5000: " in status and "of the swaps accepted" in status
    before = series(campaign)
    shutil.rmtree(windows / "z+0.100-k5000" / "seg-001")
    again = halobind("run", str(campaign), "--processes", "1", "--platform", "CPU")
    assert again.returncode == 0, again.stderr
    assert series(campaign) == before


def test_an_edited_system_is_refused(reference: Path, tmp_path: Path) -> None:
    campaign = copy(reference, tmp_path / "c")
    system = next(campaign.glob("runs/*/system/system.xml"))
    system.write_text(system.read_text().replace('q=".', 'q="1.', 1))
    shutil.rmtree(next(campaign.glob("runs/*/windows/z+0.100-k50000/seg-001")))
    done = halobind("run", str(campaign), "--processes", "1")
    assert done.returncode == 1
    assert "system.xml was edited" in done.stderr and "Traceback" not in done.stderr


def test_a_full_disk_loses_nothing(reference: Path, tmp_path: Path) -> None:
    """Writes beyond a file-size limit fail as they do on a full disk."""
    campaign = copy(reference, tmp_path / "c")
    shutil.rmtree(next(campaign.glob("runs/*/windows/z+0.100-k50000/seg-001")))
    before = products(campaign)

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = halobind("run", str(campaign), "--processes", "1", preexec_fn=small_files)
    assert done.returncode == 1
    assert "File too large" in done.stderr and "what was published is kept" in done.stderr and "Traceback" not in done.stderr
    assert products(campaign) == before and not list(campaign.glob("runs/*/failures/*"))
    assert halobind("run", str(campaign), "--processes", "1").returncode == 0
    assert series(campaign) == series(reference)


def test_a_platform_that_is_not_there_is_refused(reference: Path, tmp_path: Path) -> None:
    campaign = new(tmp_path / "c")
    done = halobind("run", str(campaign), "--platform", "HIP")
    assert done.returncode == 1
    assert "platform HIP cannot be used here" in done.stderr and "Working here: " in done.stderr and "CPU" in done.stderr
    assert not (campaign / "runs").exists()


@pytest.mark.parametrize("locale", ["de_DE.UTF-8", "tr_TR.UTF-8", "C"])
def test_an_odd_locale_changes_nothing(reference: Path, tmp_path: Path, locale: str) -> None:
    campaign = copy(reference, tmp_path / "c")
    shutil.rmtree(campaign / "tables")
    shutil.rmtree(next(campaign.glob("runs/*/estimate-*")))
    done = halobind("table", str(campaign), env=os.environ | {"LC_ALL": locale, "LANG": locale, "PYTHONUTF8": "0"})
    assert done.returncode == 0, done.stderr
    assert tables(campaign) == tables(reference)


@pytest.mark.parametrize("damage", ["cv.npy", "segment.json", "empty"])
def test_a_damaged_segment_is_named_in_the_table_and_can_be_made_again(reference: Path, tmp_path: Path, damage: str) -> None:
    campaign = copy(reference, tmp_path / "c")
    segment = next(campaign.glob("runs/*/windows/z+0.100-k50000/seg-001"))
    for path in segment.iterdir():
        if damage == "empty":
            path.unlink()
        elif path.name == damage:
            path.write_bytes(path.read_bytes()[:20])
    done = halobind("table", str(campaign))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    row = json.loads((campaign / "tables" / "binding.json").read_text())["runs"][0]
    assert row["status"].startswith("Error: ") and str(segment) in row["status"] and "is damaged" in row["status"]
    for verb in ("plan", "status"):
        assert halobind(verb, str(campaign)).returncode == 0
    shutil.rmtree(segment)
    assert halobind("run", str(campaign), "--processes", "1").returncode == 0
    assert series(campaign) == series(reference) and tables(campaign) == tables(reference)


def test_a_damaged_state_is_a_failure_of_what_starts_there(reference: Path, tmp_path: Path) -> None:
    campaign = copy(reference, tmp_path / "c")
    window = next(campaign.glob("runs/*/windows/z+0.100-k50000"))
    (window / "seg-000" / "state.xml").unlink()
    shutil.rmtree(window / "seg-001")
    shutil.rmtree(window.with_name("z+0.300-k50000") / "seg-001")
    done = halobind("run", str(campaign), "--processes", "1")
    assert done.returncode == 1 and f"{window / 'seg-000'} is damaged" in done.stderr
    assert (window.with_name("z+0.300-k50000") / "seg-001").is_dir()  # the rest of the campaign went on
    shutil.rmtree(window / "seg-000")
    assert halobind("run", str(campaign), "--retry", "--processes", "1").returncode == 0
    assert series(campaign) == series(reference)


def test_other_recording_intervals_can_be_mixed(reference: Path, tmp_path: Path) -> None:
    campaign = copy(reference, tmp_path / "c")
    more = (
        CAMPAIGN.replace("segments = 2", "segments = 3")
        .replace("record_ps = 0.04", "record_ps = 0.1")
        .replace("frame_ps = 0.2", "frame_ps = 0.4")
    )
    (campaign / "campaign.toml").write_text(more)
    done = halobind("run", str(campaign), "--processes", "1")
    assert done.returncode == 0, done.stderr
    row = json.loads((campaign / "tables" / "binding.json").read_text())["runs"][0]
    assert row["sampling_ns"] == pytest.approx(4 * 3 * 0.4 / 1000)


def test_modules_of_the_current_directory_are_not_imported(reference: Path, tmp_path: Path) -> None:
    campaign = copy(reference, tmp_path / "c")
    shutil.rmtree(next(campaign.glob("runs/*/windows/z+0.100-k50000/seg-001")))
    (tmp_path / "json.py").write_text("raise RuntimeError('shadowed')")
    script = "import sys; from pipeline.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, "run", "c", "--processes", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert series(campaign) == series(reference)
