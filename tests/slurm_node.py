"""A SLURM of one node in a temporary directory, as root: it is up as long as the standard input of
this program stays open.

The one line that this prints is "up FOLDER" (FOLDER/slurm.conf is its SLURM_CONF) or why there is
none. However the program that started it ends, the pipe between them closes, and jobs and daemons
end with it. Several may run on one machine: sockets, ports, files and credentials are each one's
own.
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONF = """
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
MessageTimeout=60
MaxArraySize=4
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=100000
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=8000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
TRIES = 3  # a port that was free may be taken by the time a daemon asks for it
START_S = 60
END_S = 60


class NoSlurm(RuntimeError):
    """It did not start; the message is what its daemons said."""


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    for number in range(1, TRIES + 1):
        folder, daemons = Path(tempfile.mkdtemp(prefix="halobind-slurm-")), list[subprocess.Popen]()
        os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
        try:
            start(folder, daemons)
            print(f"up {folder}", flush=True)
            sys.stdin.read()
            return
        except NoSlurm as error:
            if number == TRIES:
                print(" | ".join(str(error).splitlines()), flush=True)
        finally:
            stop(folder, daemons)


def start(folder: Path, daemons: list[subprocess.Popen]) -> None:
    """Start munged, slurmctld and slurmd and wait until the node takes jobs. Raises NoSlurm."""
    host = socket.gethostname().split(".")[0]
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        ports = (one.getsockname()[1], two.getsockname()[1])
    folder.chmod(0o755)
    (folder / "slurm.conf").write_text(CONF.format(host=host, folder=folder, ports=ports))
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o600)
    munge = [
        f"--{name}={folder}/munge.{end}"
        for name, end in (("socket", "sock"), ("key-file", "key"), ("pid-file", "pid"))
    ]
    munge += [f"--log-file={folder}/munge.log", f"--seed-file={folder}/munge.seed"]
    for command in (
        ["munged", "--foreground", "--force", *munge],
        ["slurmctld", "-D", "-c"],
        ["slurmd", "-D"],
    ):
        with open(folder / f"{command[0]}.out", "w") as log:
            program = [shutil.which(command[0], path=PATH), *command[1:]]
            daemons.append(
                subprocess.Popen(
                    program,
                    stdout=log,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                    preexec_fn=_end_with_parent,
                )
            )
        if command[0] == "munged":
            _wait(folder, daemons, (folder / "munge.sock").exists)
    _wait(folder, daemons, lambda: _ask("sinfo", "--noheader", "--format=%t") == "idle")


def stop(folder: Path, daemons: list[subprocess.Popen]) -> None:
    """Cancel every job, wait for their end, end the daemons and whatever else was started under
    this SLURM, remove its files.
    """
    if all(daemon.poll() is None for daemon in daemons):
        _ask("scancel", "--quiet", "--user=root")
        deadline = time.monotonic() + END_S
        while time.monotonic() < deadline and _ask("squeue", "--noheader") != "":
            time.sleep(0.3)
    for daemon in reversed(daemons):
        daemon.terminate()
    for daemon in daemons:
        try:
            daemon.wait(timeout=20)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
    mine = f"SLURM_CONF={folder}/slurm.conf".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if int(process.name) != os.getpid() and mine in (
                process / "environ"
            ).read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)
        except OSError:
            continue  # it has ended
    shutil.rmtree(folder, ignore_errors=True)


def _wait(folder: Path, daemons: list[subprocess.Popen], ready) -> None:
    deadline = time.monotonic() + START_S
    while not ready():
        if time.monotonic() > deadline or any(daemon.poll() is not None for daemon in daemons):
            logs = "\n".join(
                f"{path.name}: {path.read_text(errors='replace')[-800:]}"
                for path in sorted(folder.glob("*.out"))
            )
            raise NoSlurm(f"SLURM did not start\n{logs}")
        time.sleep(0.2)


def _ask(*command: str) -> str | None:
    """What a command of SLURM prints; None when it fails or gives no answer."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=START_S, check=False)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: should this program be killed


if __name__ == "__main__":
    main()
