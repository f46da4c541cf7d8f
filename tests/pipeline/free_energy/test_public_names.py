"""The public names of the wing exist, and importing the wing imports nothing heavy."""

import subprocess
import sys

import pytest

from halobind.pipeline import free_energy

HEAVY = ("pymbar", "scipy", "matplotlib", "numpy")


@pytest.mark.parametrize("name", free_energy.__all__)
def test_a_public_name_is_that_of_its_module(name: str) -> None:
    assert getattr(free_energy, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'walk'"):
        _ = free_energy.walk


def test_the_wing_is_imported_without_anything_heavy() -> None:
    code = "import sys, halobind.pipeline.free_energy; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(HEAVY) & set(done.stdout.split())


def test_pymbar_is_imported_by_the_estimate_alone() -> None:
    code = "import sys, halobind.pipeline.free_energy.binding; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"pymbar", "matplotlib"} & set(done.stdout.split())
