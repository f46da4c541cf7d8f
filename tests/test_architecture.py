"""The packages import one way only, imports inside functions included."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "structures": set(),
    "jobs": set(),
    "forcefields": {"structures"},
    "pipeline": {"structures", "forcefields", "jobs"},
}
FILES = [path for package in ALLOWED for path in sorted((ROOT / package).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """Top-level names of every module that the file imports anywhere in its code."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    assert imported(path) & set(ALLOWED) <= ALLOWED[package] | {package}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_grows_past_400_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_only_run_and_stages_join_the_paths_of_a_campaign() -> None:
    layout = re.compile(r'/ f?"(runs|tables|jobs|windows|failures|equilibrate|pull|build|system|run\.json|campaign\.toml)["/]')
    assert layout.search('folder / "runs"')
    for path in FILES:
        if path.name not in ("run.py", "stages.py") and path.parts[-2] == "pipeline":
            assert not layout.search(path.read_text(encoding="utf-8")), path
