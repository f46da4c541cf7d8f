"""The GPUs of this machine, shared by processes.

A process is pinned to one by CUDA_VISIBLE_DEVICES; NVIDIA's Multi-Process Service lets several
compute at once, where it is installed.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

VISIBLE = "CUDA_VISIBLE_DEVICES"
MPS_CONTROL = "nvidia-cuda-mps-control"
MPS_PIPE = "CUDA_MPS_PIPE_DIRECTORY"
MPS_LOG = "CUDA_MPS_LOG_DIRECTORY"
MPS_SHARE = "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"
PATIENCE_S = 30


class MPSError(RuntimeError):
    """The Multi-Process Service did not start; the message is its own."""


def visible_gpus() -> tuple[str, ...]:
    """Names of the GPUs that this process may use.

    They are those of CUDA_VISIBLE_DEVICES where it is set (a batch job), else all.

    Raises:
        RuntimeError: It names none, or nvidia-smi fails.
    """
    if VISIBLE in os.environ:
        names = tuple(name.strip() for name in os.environ[VISIBLE].split(",") if name.strip())
        if not names or names[0] in ("-1", "NoDevFiles"):
            raise RuntimeError(
                f"{VISIBLE}={os.environ[VISIBLE]} leaves no GPU: unset it, or ask the scheduler"
                " for one"
            )
        return names
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise RuntimeError(
            f"cannot list the GPUs with nvidia-smi ({error}): name them, as in {VISIBLE}=0,1"
        ) from None
    names = tuple(line.strip() for line in done.stdout.splitlines() if line.strip())
    if not names:
        raise RuntimeError(f"nvidia-smi lists no GPU: name those to use, as in {VISIBLE}=0,1")
    return names


def seats(gpus: tuple[str, ...], each: int) -> list[dict[str, str]]:
    """The environment of each process, dealt out in turn: the first few get a GPU each.

    Args:
        gpus: Names of the GPUs.
        each: How many processes share a GPU.
    """
    return [{VISIBLE: gpu} for _ in range(each) for gpu in gpus]


def has_mps() -> bool:
    """Whether the Multi-Process Service is installed here."""
    return shutil.which(MPS_CONTROL) is not None


@contextlib.contextmanager
def shared_gpus(each: int) -> Iterator[dict[str, str]]:
    """Run a Multi-Process Service; yield the environment for its clients.

    Its directories are temporary and the user's only, so it meets no other user's or job's. Each
    client may use 200/each % of a GPU's multiprocessors (NVIDIA's advice for several OpenMM
    simulations on a GPU).

    Args:
        each: How many clients share a GPU.

    Raises:
        MPSError: It does not start.
    """
    with tempfile.TemporaryDirectory(prefix="halobind-mps-") as folder:
        pipe = Path(folder) / "pipe"
        log = Path(folder) / "log"
        pipe.mkdir()
        log.mkdir()
        environment = {MPS_PIPE: str(pipe), MPS_LOG: str(log)}
        try:
            started = _control(["-d"], environment)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise MPSError(f"{MPS_CONTROL} -d: {error}") from None
        if started.returncode != 0:
            raise MPSError(
                f"{MPS_CONTROL} -d:"
                f" {' '.join((started.stderr or started.stdout).split()) or started.returncode}"
            )
        try:
            yield environment | {MPS_SHARE: str(min(100, 200 // each))}
        finally:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                _control([], environment, "quit\n")


def _control(
    arguments: list[str], directories: dict[str, str], text: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the control program without CUDA_VISIBLE_DEVICES, which would number the GPUs anew."""
    environment = {key: value for key, value in os.environ.items() if key != VISIBLE} | directories
    command = [MPS_CONTROL, *arguments]
    return subprocess.run(
        command,
        input=text,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
