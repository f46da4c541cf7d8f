"""`import halobind` is light, and every public name is there."""

import subprocess
import sys

import pytest

import halobind


@pytest.mark.parametrize("name", halobind.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    thing = getattr(halobind, name)
    assert thing.__doc__ and thing.__module__.startswith("halobind.")


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_like_it"):
        halobind.nothing_like_it  # noqa: B018


def test_importing_halobind_imports_nothing_heavy() -> None:
    code = "import sys, halobind; print(sorted({'numpy', 'openmm', 'rdkit', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
