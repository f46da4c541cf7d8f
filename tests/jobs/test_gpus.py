"""GPUs of one machine: which there are, what each process sees, and the Multi-Process Service, with
stand-ins for NVIDIA's programs.
"""

import os
import sys
from pathlib import Path

import pytest

from halobind.jobs.gpus import MPSError, has_mps, seats, shared_gpus, visible_gpus
from halobind.jobs.local import run_side_by_side
from halobind.pipeline.campaign.load import parse_campaign
from halobind.pipeline.sampling.platforms import MDPlatform
from halobind.pipeline.workflow import local_processes as processes

MPS = """#!/bin/sh
if [ "$1" = -d ]; then
  [ -z "$REFUSE" ] || { echo "An instance of this daemon is already running" >&2; exit 1; }
  [ -z "$CUDA_VISIBLE_DEVICES" ] || exit 2
  echo "start $CUDA_MPS_PIPE_DIRECTORY" >> calls
else
  echo "$(cat) $CUDA_MPS_PIPE_DIRECTORY" >> calls
fi
"""
SEEN = (
    "import os; print(*[os.environ.get(key) for key in "
    "('CUDA_VISIBLE_DEVICES', 'CUDA_MPS_PIPE_DIRECTORY', 'CUDA_MPS_ACTIVE_THREAD_PERCENTAGE')])"
)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with two GPUs and the Multi-Process Service; its calls are recorded in `calls`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for name, text in (
        ("nvidia-smi", "#!/bin/sh\nprintf '0\\n1\\n'\n"),
        ("nvidia-cuda-mps-control", MPS),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def places(processes_: int = 0, per_gpu: int = 0) -> tuple[list[dict[str, str]], str]:
    raw = {
        "model": {
            "perovskite": "CsPbBr3",
            "cells": "4x4x1",
            "ligand": "DA",
            "solvent": "acetone",
            "gap_nm": 3.0,
        }
    }
    campaign = parse_campaign(
        {**raw, "resources": {"processes": processes_, "processes_per_gpu": per_gpu}}, "here"
    )
    with processes._places(MDPlatform("CUDA", ()), campaign, None) as found:
        return found


def test_visible_gpus(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert visible_gpus() == ("0", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-8932, 3")
    assert visible_gpus() == ("GPU-8932", "3")
    for none in ("", "-1", "NoDevFiles"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", none)
        with pytest.raises(RuntimeError, match="leaves no GPU"):
            visible_gpus()


def test_without_nvidia_smi_the_gpus_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(RuntimeError, match="CUDA_VISIBLE_DEVICES=0,1"):
        visible_gpus()


def test_each_process_sees_one_gpu_and_has_a_log(machine: Path) -> None:
    codes = run_side_by_side(
        [sys.executable, "-c", SEEN], seats(("0", "1"), 2), machine / "logs", lambda: None
    )
    assert list(codes.values()) == [0] * 4 and len(set(codes)) == 4
    assert [path.read_text().split()[0] for path in codes] == ["0", "1", "0", "1"]


def test_the_service_is_started_and_stopped_in_directories_of_its_own(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert has_mps()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")  # the service must not number the GPUs anew
    with shared_gpus(4) as environment:
        pipe = Path(environment["CUDA_MPS_PIPE_DIRECTORY"])
        assert pipe.is_dir() and pipe.parent.stat().st_mode & 0o777 == 0o700
        assert environment["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] == "50"
    assert (machine / "calls").read_text().splitlines() == [f"start {pipe}", f"quit {pipe}"]
    assert not pipe.parent.exists()


def test_the_service_is_stopped_when_the_work_fails(machine: Path) -> None:
    with pytest.raises(ZeroDivisionError), shared_gpus(2):
        _ = 1 / 0
    assert [line.split()[0] for line in (machine / "calls").read_text().splitlines()] == [
        "start",
        "quit",
    ]


def test_a_service_that_does_not_start_says_why(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("REFUSE", "1")
    with pytest.raises(MPSError, match="already running"), shared_gpus(2):
        pass
    found, _ = places()  # nothing was asked for: one a GPU
    assert [place["CUDA_VISIBLE_DEVICES"] for place in found] == ["0", "1"]
    assert "already running" in capsys.readouterr().err
    assert len(places(per_gpu=3)[0]) == 6  # as asked for


def test_how_many_processes_a_gpu(machine: Path) -> None:
    found, how = places()
    assert how == " on 2 GPUs with MPS"
    assert [place["CUDA_VISIBLE_DEVICES"] for place in found] == ["0", "1"] * 4
    assert {place["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] for place in found} == {"50"}
    assert [place["CUDA_VISIBLE_DEVICES"] for place in places(processes_=3)[0]] == ["0", "1", "0"]
    (machine / "nvidia-cuda-mps-control").unlink()
    if not has_mps():
        assert places() == (
            [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}],
            " on 2 GPUs",
        )
