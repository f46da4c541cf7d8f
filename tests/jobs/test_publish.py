"""Products appear whole or not at all, whatever happens while they are made."""

import errno
import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from halobind.jobs.claims import claim, is_claimed
from halobind.jobs.publish import (
    clear_dead_scratch,
    clear_scratch,
    publishing,
    scratches,
    write_atomic,
)

HOLDER = """
import sys, time
from pathlib import Path
from halobind.jobs.claims import claim
with claim(Path(sys.argv[1])) as mine:
    print(mine, flush=True)
    time.sleep(60)
"""
HALF = """
import sys, time
from pathlib import Path
from halobind.jobs.publish import publishing
with publishing(Path(sys.argv[1])) as out:
    (out / "half").write_text("x")
    print("started", flush=True)
    time.sleep(60)
"""


def start(code: str, argument: Path) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(argument)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().strip() in ("True", "started")
    return process


def test_success_publishes_everything_at_once(tmp_path: Path) -> None:
    target = tmp_path / "a" / "product"
    with publishing(target) as out:
        (out / "file").write_text("content")
        assert not target.exists() and scratches(target) == [out]
    assert (target / "file").read_text() == "content"
    assert list(target.parent.iterdir()) == [target]


def test_failure_publishes_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "product"
    with pytest.raises(ZeroDivisionError), publishing(target) as out:
        (out / "file").write_text("half")
        1 / 0  # noqa: B018
    assert list(tmp_path.iterdir()) == []


def test_second_publisher_finds_it_done(tmp_path: Path) -> None:
    target = tmp_path / "product"
    with publishing(target) as late:
        (late / "file").write_text("late")
        with publishing(target) as early:
            (early / "file").write_text("early")
    assert (target / "file").read_text() == "early"
    assert list(tmp_path.iterdir()) == [target]


def test_mode_follows_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        with publishing(tmp_path / "product") as out:
            (out / "file").write_text("x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "product").stat().st_mode) == 0o755


def test_kill_leaves_scratch_that_the_next_one_clears(tmp_path: Path) -> None:
    target = tmp_path / "product"
    process = start(HALF, target)
    process.kill()
    process.wait()
    assert not target.exists() and len(scratches(target)) == 1
    clear_scratch(target)
    assert list(tmp_path.iterdir()) == []


def test_a_claim_is_exclusive_and_dies_with_its_holder(tmp_path: Path) -> None:
    lock = tmp_path / "locks" / "chain.lock"
    process = start(HOLDER, lock)
    with claim(lock) as mine:
        assert mine is False
    assert is_claimed(lock)
    process.kill()
    process.wait()
    time.sleep(0.05)
    with claim(lock) as mine:
        assert mine is True
    assert not is_claimed(lock)


def test_write_atomic_replaces_and_cleans_up(tmp_path: Path) -> None:
    path = tmp_path / "table.md"
    write_atomic(path, "old")
    write_atomic(path, "neu: ±, ü")
    assert path.read_text(encoding="utf-8") == "neu: ±, ü"
    assert list(tmp_path.iterdir()) == [path]


NO_DIRECTORY_SYNC = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/stat.h>
int fsync(int handle) {
  struct stat status;
  int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
  if (fstat(handle, &status) == 0 && S_ISDIR(status.st_mode)) { errno = CODE; return -1; }
  return real(handle);
}
"""
PUBLISH = """
import sys
from pathlib import Path
from halobind.jobs.publish import publishing, write_atomic
with publishing(Path(sys.argv[1]) / "product") as out:
    (out / "inner").mkdir()
    (out / "inner" / "file").write_text("x")
write_atomic(Path(sys.argv[1]) / "table", "x")
"""
WRITE_HALF = """
import os, sys, time
from pathlib import Path
from halobind.jobs import publish
os.fsync = lambda handle: (print("started", flush=True), time.sleep(60))
publish.write_atomic(Path(sys.argv[1]), "half")
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize(
    ("code", "works"),
    [(errno.EINVAL, True), (errno.ENOTSUP, True), (errno.EIO, False), (errno.ENOSPC, False)],
)
def test_a_file_system_that_cannot_sync_directories(tmp_path: Path, code: int, works: bool) -> None:
    (tmp_path / "sync.c").write_text(NO_DIRECTORY_SYNC)
    command = ["cc", "-shared", "-fPIC", f"-DCODE={code}", "-o", "sync.so", "sync.c", "-ldl"]
    subprocess.run(command, cwd=tmp_path, check=True)
    done = subprocess.run(
        [sys.executable, "-c", PUBLISH, str(tmp_path)],
        env=os.environ | {"LD_PRELOAD": str(tmp_path / "sync.so")},
        capture_output=True,
        text=True,
    )
    assert (done.returncode == 0) == works, done.stderr
    assert (tmp_path / "table").exists() == works


def test_a_file_that_cannot_be_synced_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(handle: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="Invalid argument"):
        write_atomic(tmp_path / "table", "x")
    assert list(tmp_path.iterdir()) == []


def test_scratch_of_the_dead_is_cleared_and_that_of_the_living_stays(tmp_path: Path) -> None:
    writers = [start(WRITE_HALF, tmp_path / "binding.csv"), start(HALF, tmp_path / "product")]
    clear_dead_scratch(tmp_path)
    scratch = list(tmp_path.iterdir())
    assert len(scratch) == 2
    for writer in writers:
        writer.kill()
        writer.wait()
    kept = [
        tmp_path / ".hidden",
        tmp_path / f".binding.csv.elsewhere-{writers[0].pid}-abcdef",
        tmp_path / scratch[0].name.removeprefix("."),
    ]
    for path in kept:
        path.write_text("x")
    clear_dead_scratch(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(kept)
    clear_dead_scratch(tmp_path / "nowhere")


def test_who_writes_the_same_again_clears_what_the_dead_left(tmp_path: Path) -> None:
    for code, name in ((WRITE_HALF, "binding.csv"), (HALF, "product")):
        writer = start(code, tmp_path / name)
        writer.kill()
        writer.wait()
    assert len(list(tmp_path.iterdir())) == 2
    write_atomic(tmp_path / "binding.csv", "x")
    with publishing(tmp_path / "product"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["binding.csv", "product"]


def test_a_write_that_finds_no_room_names_what_was_written(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left.*product"), publishing(tmp_path / "product"):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_scratch_of_another_machine_is_cleared_after_a_day(tmp_path: Path) -> None:
    for hours in (-1, 23, 25):
        path = tmp_path / f".binding.csv.elsewhere-1-{hours % 100:06d}"
        path.write_text("x")
        written = time.time() - 3600 * hours
        os.utime(path, (written, written))
    clear_dead_scratch(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root")
def test_processes_of_containers_leave_each_other_alone(tmp_path: Path) -> None:
    """Two process namespaces, one host name, one process number in both, one folder."""
    inside = ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c"]
    probe = subprocess.run([*inside, "import os; print(os.getpid())"], capture_output=True)
    if probe.stdout.strip() != b"1":
        pytest.skip("this container may not make process namespaces")
    living = subprocess.Popen(
        [*inside, WRITE_HALF, str(tmp_path / "binding.csv")], stdout=subprocess.PIPE, text=True
    )
    assert living.stdout.readline().strip() == "started"
    clear = "import sys, pathlib; from halobind.jobs.publish import clear_dead_scratch as c; "
    clear += "c(pathlib.Path(sys.argv[1]))"
    for command in ([sys.executable, "-c"], inside):
        subprocess.run([*command, clear, str(tmp_path)], check=True)
        assert len(list(tmp_path.iterdir())) == 1
    living.kill()
    living.wait()
    subprocess.run([*inside, clear, str(tmp_path)], check=True)
    assert not list(tmp_path.iterdir())


def test_scratch_that_is_cleared_while_it_is_made_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may clear what is made and not yet locked."""
    true_open = os.open
    n_cleared = 0

    def open_late(path: Path, *more: int, **options: int) -> int:
        nonlocal n_cleared
        if n_cleared < 2 and Path(path).name.startswith(".product."):
            n_cleared += 1
            shutil.rmtree(path)
        return true_open(path, *more, **options)

    monkeypatch.setattr(os, "open", open_late)
    with publishing(tmp_path / "product") as out:
        (out / "file").write_text("x")
    assert n_cleared == 2
    assert list(tmp_path.iterdir()) == [tmp_path / "product"]
