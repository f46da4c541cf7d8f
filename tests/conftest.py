"""Shared by all tests: one thread a process, so that results are the same on every machine; and a SLURM of one node."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

SLURM_CONF = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=5
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
KillWait=10
MaxArraySize=4
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=100000
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=8000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


@pytest.fixture(scope="session")
def slurm() -> Iterator[Path]:
    """A SLURM of one node with four CPUs and the partition "main", in a temporary directory, while the tests run; SLURM_CONF names it.

    A requeued job starts again after 6 seconds (cred_expire), an array has indices up to 3 (MaxArraySize).
    """
    missing = [name for name in ("sbatch", "munged", "slurmctld", "slurmd") if shutil.which(name, path=PATH) is None]
    if missing:
        pytest.skip(f"no SLURM to start here: {', '.join(missing)} not installed (apt-get install slurm-wlm munge)")
    if os.geteuid() != 0:
        pytest.skip("a SLURM of one node is started as root only")
    folder = Path(tempfile.mkdtemp(prefix="halobind-slurm-"))
    folder.chmod(0o755)
    daemons: list[subprocess.Popen] = []
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    try:
        _start(folder, daemons)
        yield folder
    finally:
        subprocess.run(["scancel", "--quiet", "--user=root"], capture_output=True, timeout=60, check=False)
        _until_empty()
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            try:
                daemon.wait(timeout=20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        os.environ.pop("SLURM_CONF")
        if before is not None:
            os.environ["SLURM_CONF"] = before
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path, daemons: list[subprocess.Popen]) -> None:
    host = socket.gethostname().split(".")[0]
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        ports = (one.getsockname()[1], two.getsockname()[1])
    (folder / "slurm.conf").write_text(SLURM_CONF.format(host=host, folder=folder, ports=ports))
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o600)
    munge = [f"--{name}={folder}/munge.{end}" for name, end in (("socket", "sock"), ("key-file", "key"), ("pid-file", "pid"))]
    munge += [f"--log-file={folder}/munge.log", f"--seed-file={folder}/munge.seed"]
    for command in (["munged", "--foreground", "--force", *munge], ["slurmctld", "-D", "-c"], ["slurmd", "-D"]):
        log = open(folder / f"{command[0]}.out", "w")  # noqa: SIM115 (for as long as the daemon lives)
        program = [shutil.which(command[0], path=PATH), *command[1:]]
        daemons.append(subprocess.Popen(program, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=_end_with_parent))
        log.close()
        if command[0] == "munged":
            deadline = time.monotonic() + 20
            while not (folder / "munge.sock").exists() and time.monotonic() < deadline:
                time.sleep(0.1)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        done = subprocess.run(["sinfo", "--noheader", "--format=%t"], capture_output=True, text=True, timeout=60, check=False)
        if done.stdout.strip() == "idle":
            return
        time.sleep(0.3)
    logs = "\n".join(f"{path.name}: {path.read_text(errors='replace')[-800:]}" for path in folder.glob("*.out"))
    pytest.fail(f"SLURM did not start: {done.stdout} {done.stderr}\n{logs}")


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _until_empty() -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        done = subprocess.run(["squeue", "--noheader"], capture_output=True, text=True, timeout=60, check=False)
        if not done.stdout.strip():
            return
        time.sleep(0.3)
