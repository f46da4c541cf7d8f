"""Platforms: the order of preference, PoCL never by itself, and a named one that is missing is an
error that says why.
"""

import pytest

from halobind.pipeline.sampling import platforms
from halobind.pipeline.sampling.platforms import POCL, PlatformError, choose, describe, probe


def pretend(monkeypatch: pytest.MonkeyPatch, **results: tuple[bool, str]) -> None:
    everything = dict.fromkeys(platforms.PLATFORM_NAMES, (False, "not installed")) | results
    monkeypatch.setattr(platforms, "probe", everything.__getitem__)


def test_auto_takes_the_first_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, CUDA=(False, "no device"), OpenCL=(True, "NVIDIA CUDA"), CPU=(True, ""))
    assert choose("auto").name == "OpenCL" and choose("auto").is_gpu
    pretend(monkeypatch, CUDA=(True, "H100"), OpenCL=(True, "NVIDIA CUDA"), CPU=(True, ""))
    assert choose("auto").properties == (("Precision", "mixed"),)


def test_pocl_is_never_chosen_automatically_but_can_be_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pretend(monkeypatch, OpenCL=(True, POCL), CPU=(True, ""))
    assert choose("auto").name == "CPU"
    assert choose("OpenCL").name == "OpenCL"


def test_a_missing_platform_is_an_error_with_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(
        monkeypatch,
        CUDA=(False, "plugin failed to load: libcuda.so.1"),
        CPU=(True, ""),
        Reference=(True, ""),
    )
    with pytest.raises(
        PlatformError,
        match=r"platform CUDA .* Working here: CPU, Reference\. Not working: CUDA: plugin failed",
    ):
        choose("CUDA")
    pretend(monkeypatch)
    with pytest.raises(PlatformError, match="no OpenMM platform works"):
        choose("auto")


def test_cpu_runs_with_the_asked_number_of_threads() -> None:
    assert dict(choose("CPU", 3).properties)["Threads"] == "3"


def test_probe_really_computes() -> None:
    assert probe("Reference") == (True, "") and probe("CPU") == (True, "")
    works, why = probe("HIP")
    assert works or why
    assert "CPU" in describe()
