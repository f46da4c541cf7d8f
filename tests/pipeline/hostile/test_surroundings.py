"""A tiny real campaign in surroundings that nobody wants: no name is lost, nothing is lost, no traceback."""

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pipeline.tiny import (
    CAMPAIGN,
    HALOBIND,
    copy,
    halobind,
    logs,
    new,
    products,
    series,
    tables,
)

pytestmark = pytest.mark.hostile

LOOKING = ("plan", "status", "table")
LAST_SEGMENT = "runs/*/windows/z+0.100-k50000/seg-001"


@pytest.fixture
def unfinished(reference: Path, tmp_path: Path) -> Path:
    """A copy of the reference campaign that lacks one segment and its tables."""
    campaign = copy(reference, tmp_path / "c")
    shutil.rmtree(next(campaign.glob(LAST_SEGMENT)))
    shutil.rmtree(campaign / "tables")
    return campaign


def assert_whole(campaign: Path, reference: Path) -> None:
    """The campaign holds what the reference holds, byte for byte."""
    assert series(campaign) == series(reference)
    assert tables(campaign) == tables(reference)


@pytest.mark.parametrize("missing", ["HOME", "TMPDIR", "PATH", "USER", "LANG", "everything"])
def test_variables_that_are_not_set(unfinished: Path, reference: Path, missing: str) -> None:
    keep = ("PYTHONPATH", "OMP_NUM_THREADS", "LD_LIBRARY_PATH")
    environment = {name: value for name, value in os.environ.items() if name != missing}
    if missing == "everything":
        environment = {name: os.environ[name] for name in keep if name in os.environ}
    done = halobind("run", str(unfinished), "--processes", "1", env=environment)
    assert done.returncode == 0, done.stderr
    assert_whole(unfinished, reference)


@pytest.fixture(scope="session")
def locales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for LOCPATH with a Turkish and a German locale, made where localedef can."""
    folder = tmp_path_factory.mktemp("locales")
    for language in ("tr_TR", "de_DE"):
        command = ["localedef", "-i", language, "-f", "UTF-8", str(folder / f"{language}.UTF-8")]
        try:
            made = subprocess.run(command, capture_output=True, text=True)
        except FileNotFoundError:
            pytest.skip("localedef is not installed, so there are no locales to try")
        if not (folder / f"{language}.UTF-8").is_dir():
            pytest.skip(f"localedef made no {language} (apt-get install locales): {made.stderr}")
    return folder


@pytest.mark.parametrize("locale", ["de_DE.UTF-8", "tr_TR.UTF-8"])
def test_languages_change_nothing(
    unfinished: Path, reference: Path, locales: Path, locale: str
) -> None:
    """Locales that exist, with a decimal comma and with a dotless i."""
    odd = {"LC_ALL": locale, "LANG": locale, "LOCPATH": str(locales), "PYTHONUTF8": "0"}
    script = "import locale; locale.setlocale(locale.LC_ALL, ''); import sys; "
    script += "from halobind.pipeline.commands.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", script, "run", str(unfinished), "--processes", "1"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | odd, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert_whole(unfinished, reference)


@pytest.mark.parametrize("locale", ["ja_JP.SJIS", "C", "POSIX", "nonsense"])
def test_locales_change_nothing(unfinished: Path, reference: Path, locale: str) -> None:
    """Locales that are not there, or know only ASCII."""
    odd = {"LC_ALL": locale, "LANG": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = halobind("run", str(unfinished), "--processes", "1", env=os.environ | odd)
    assert done.returncode == 0, done.stderr
    assert_whole(unfinished, reference)


@pytest.mark.parametrize(
    "closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "> /dev/full", "2> /dev/full"]
)
def test_closed_and_full_streams(unfinished: Path, reference: Path, closed: str) -> None:
    command = " ".join([*HALOBIND, "run", str(unfinished), "--processes", "1"])
    done = subprocess.run(
        ["sh", "-c", f"{command} {closed}"], capture_output=True, text=True, timeout=300
    )
    assert "Traceback" not in done.stderr + done.stdout
    assert_whole(unfinished, reference)


def test_few_open_files(unfinished: Path, reference: Path) -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))

    done = halobind("run", str(unfinished), "--processes", "1", preexec_fn=few)
    assert "Traceback" not in done.stderr, done.stderr
    if done.returncode == 0:
        assert_whole(unfinished, reference)
    else:
        assert "files" in done.stderr
        assert halobind("run", str(unfinished), "--processes", "1").returncode == 0
        assert_whole(unfinished, reference)


@pytest.mark.parametrize("limit", [0, 1_000, 30_000, 300_000])
@pytest.mark.parametrize("verb", ["run", "table", "observe", "build", "extend"])
def test_a_disk_that_is_full_at_any_size(
    unfinished: Path, reference: Path, verb: str, limit: int
) -> None:
    """Writes beyond a file-size limit fail as they do on a full disk."""
    more = {"run": ["--processes", "1"], "extend": ["--segments", "1"], "build": ["--picture"]}
    before = products(unfinished)

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = halobind(verb, str(unfinished), *more.get(verb, []), preexec_fn=small_files)
    assert "Traceback" not in done.stderr, done.stderr
    if done.returncode != 0:
        assert done.stderr.count("\n") <= 12, done.stderr
        assert "File too large" in done.stderr or "is the disk full" in done.stderr, done.stderr
    assert before.items() <= products(unfinished).items()
    if verb != "extend":
        assert halobind("run", str(unfinished), "--processes", "1").returncode == 0
        assert series(unfinished) == series(reference)


def test_six_commands_at_once_by_two_paths(tmp_path: Path, reference: Path) -> None:
    """Through the folder and through a link to it, with looks at it meanwhile."""
    campaign = new(tmp_path / "c")
    link = tmp_path / "link"
    link.symlink_to(campaign, target_is_directory=True)
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = [
        subprocess.Popen(
            [*HALOBIND, "run", str(path), "--processes", "1", "--platform", "CPU"], **quiet
        )
        for path in (campaign, link) * 3
    ]
    while any(process.poll() is None for process in running):
        for verb in LOOKING:
            look = halobind(verb, str(link))
            assert look.returncode == 0, look.stderr
        time.sleep(0.5)
    for process in running:
        _, errors = process.communicate()
        assert process.returncode == 0 and "Traceback" not in errors, errors
    made = [line.split(": done")[0] for line in logs(campaign).splitlines() if ": done in" in line]
    assert len(made) == len(set(made)) == 18
    assert_whole(campaign, reference)


def test_extend_and_table_beside_six_runs(unfinished: Path, reference: Path) -> None:
    """All started within a second, through two paths to one folder."""
    link = unfinished.with_name("link")
    link.symlink_to(unfinished, target_is_directory=True)
    commands = [["run", str(path), "--processes", "1"] for path in (unfinished, link) * 3]
    commands += [["extend", str(link), "--segments", "1"], ["table", str(unfinished)]]
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    running = [subprocess.Popen([*HALOBIND, *command], **streams) for command in commands]
    for process, command in zip(running, commands, strict=True):
        _, errors = process.communicate(timeout=900)
        assert "Traceback" not in errors, errors
        assert process.returncode == 0 or command[0] == "extend", errors
    again = halobind("extend", str(unfinished), "--segments", "1")
    assert again.returncode == 0, again.stderr
    done = halobind("run", str(link), "--processes", "1")
    assert done.returncode == 0, done.stderr
    made = [
        line.split(": done")[0] for line in logs(unfinished).splitlines() if ": done in" in line
    ]
    assert len(made) == len(set(made))
    now = series(unfinished)
    assert {name: now[name] for name in series(reference)} == series(reference)
    assert all((path / "seg-002").is_dir() for path in unfinished.glob("runs/*/windows/*"))
    assert not [path for path in unfinished.rglob(".*-*") if path.name != ".locks"]


def wait_for(campaign: Path, pattern: str) -> None:
    """Until something is there."""
    deadline = time.monotonic() + 120
    while not list(campaign.glob(pattern)):
        assert time.monotonic() < deadline, pattern
        time.sleep(0.1)


def remove(path: Path) -> None:
    path.unlink()


def break_syntax(path: Path) -> None:
    path.write_text(CAMPAIGN + "\n[[[")


def other_physics(path: Path) -> None:
    path.write_text(CAMPAIGN.replace("gap_nm = 2.5", "gap_nm = 2.6"))


@pytest.mark.parametrize("change", [remove, break_syntax, other_physics])
def test_the_campaign_file_changes_while_it_runs(
    tmp_path: Path, reference: Path, change: Callable[[Path], None]
) -> None:
    campaign = new(tmp_path / "c")
    command = [*HALOBIND, "run", str(campaign), "--processes", "1", "--platform", "CPU"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(campaign, "runs/*/equilibrate/*")
    change(campaign / "campaign.toml")
    _, errors = process.communicate(timeout=300)
    assert "Traceback" not in errors, errors
    new(campaign)
    again = halobind("run", str(campaign), "--processes", "1", "--platform", "CPU")
    assert again.returncode == 0, again.stderr
    same = {name: data for name, data in series(campaign).items() if name in series(reference)}
    assert same == series(reference)


def test_files_from_the_future(unfinished: Path, reference: Path) -> None:
    """The clock was set back: everything on disk seems to be made an hour from now."""
    later = time.time() + 3600
    for path in unfinished.rglob("*"):
        os.utime(path, (later, later))
    done = halobind("run", str(unfinished), "--processes", "1")
    assert done.returncode == 0, done.stderr
    assert_whole(unfinished, reference)


@pytest.mark.parametrize("kind", ["directory", "fifo", "loop", "dangling"])
@pytest.mark.parametrize("file", ["cv.npy", "segment.json", "state.xml"])
def test_products_that_are_no_files(unfinished: Path, kind: str, file: str) -> None:
    path = next(unfinished.glob("runs/*/windows/z+0.100-k50000/seg-000")) / file
    path.unlink()
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(path.name if kind == "loop" else "nothing-here")
    for verb in ("table", "run"):
        done = subprocess.run(
            [*HALOBIND, verb, str(unfinished)], capture_output=True, text=True, timeout=120
        )
        said = done.stdout + done.stderr
        assert "Traceback" not in said, said
        if done.returncode != 0:
            assert "seg-000" in said, said


def test_interpreter_flags_change_nothing(unfinished: Path, reference: Path) -> None:
    for flags in (
        ["-O"],
        ["-OO"],
        ["-P"],
        ["-X", "dev"],
        ["-W", "error::DeprecationWarning:halobind"],
    ):
        command = [sys.executable, *flags, "-m", "halobind", "table", str(unfinished)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
