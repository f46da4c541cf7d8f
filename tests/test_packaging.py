"""The wheel: what is in it, and that it works by itself, in a fresh environment outside the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.pipeline import tiny

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.packaging


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by way of the sdist as a packager does, from a copy of what git tracks."""
    clone = tmp_path_factory.mktemp("clone")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    command = ["tar", "--create", "--null", "--files-from=-"]
    tar = subprocess.run(command, cwd=ROOT, input=names.stdout, capture_output=True, check=True)
    subprocess.run(["tar", "--extract"], cwd=clone, input=tar.stdout, check=True)
    out = tmp_path_factory.mktemp("dist")
    fresh = tmp_path_factory.mktemp("tools") / "venv"
    python = make_environment(fresh)
    install(python, "build")
    run(
        [python, "-m", "build", "--outdir", str(out), str(clone)], cwd=out
    )  # sdist, then wheel from it
    return next(out.glob("*.whl"))


def run(command: list[str], cwd: Path) -> str:
    """Run a command as from a shell of its own: nothing of this checkout is on its path."""
    hidden = ("PYTHONPATH", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def make_environment(folder: Path) -> str:
    """A new virtual environment; gives its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    return str(folder / "bin" / "python")


def install(python: str, *what: str) -> None:
    """Install from the package index. Skips the test where there is none."""
    constraints = ["--constraint", str(ROOT / "constraints.txt")]
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", *constraints, *what],
        capture_output=True,
        text=True,
    )
    if done.returncode != 0 and "No matching distribution" in done.stderr:
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr


def test_one_name_goes_into_site_packages_with_all_data(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"halobind"}
    assert "halobind/py.typed" in names
    for top in ("structures", "forcefields", "jobs", "pipeline"):
        tracked = subprocess.run(
            ["git", "ls-files", top], cwd=ROOT, capture_output=True, text=True, check=True
        )
        missing = {f"halobind/{name}" for name in tracked.stdout.splitlines()} - set(names)
        assert not missing, f"not in the wheel: {sorted(missing)}"


def test_the_wheel_works_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    python = make_environment(tmp_path / "venv")
    install(python, str(wheel))
    halobind = str(tmp_path / "venv" / "bin" / "halobind")
    where = run([python, "-c", "import halobind; print(halobind.__file__)"], cwd=tmp_path)
    assert where.startswith(str(tmp_path / "venv"))
    assert "CPU" in run([halobind, "doctor"], cwd=tmp_path)
    campaign = tiny.new(tmp_path / "campaign")
    run([halobind, "run", str(campaign), "--processes", "1", "--platform", "CPU"], cwd=tmp_path)
    assert "DA" in (campaign / "tables" / "binding.csv").read_text()
