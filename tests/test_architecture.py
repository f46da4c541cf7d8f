"""Imports point one way only, between the four top-level packages and inside each, imports inside
functions included.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
TOP = {
    "structures": set(),
    "jobs": set(),
    "forcefields": {"structures"},
    "pipeline": {"structures", "forcefields", "jobs"},
}
ORDER = {  # a package imports only from those before it in its line
    "structures": ("molecules", "crystals", "models", "assembly"),
    "forcefields": ("packs", "hamiltonian", "molecule_parameters", "validation"),
    "pipeline": (
        "free_energy",
        "campaign",
        "sampling",
        "results",
        "observables",
        "report",
        "workflow",
        "commands",
    ),
}
FILES = [path for top in TOP for path in sorted((ROOT / top).rglob("*.py"))]


def imported(path: Path) -> Iterator[tuple[str, ...]]:
    """The parts below `halobind` of every module of ours that the file imports anywhere in its
    code.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            first, *parts = name.split(".")
            assert first not in TOP, f"{path}: import halobind.{name}"
            if first == "halobind" and parts:
                yield tuple(parts)


def forbidden(path: Path) -> list[str]:
    """Imports of a file that point backwards."""
    top, *rest = path.relative_to(ROOT).parts
    wrong = []
    for parts in imported(path):
        if parts[0] in TOP and parts[0] != top and parts[0] not in TOP[top]:
            wrong.append(".".join(parts))
        order = ORDER.get(top, ())
        inside = parts[0] == top and len(parts) > 1 and len(rest) > 1 and parts[1] in order
        if inside and order.index(parts[1]) > order.index(rest[0]):
            wrong.append(".".join(parts))
    return wrong


def test_imports_point_one_way() -> None:
    assert {str(path.relative_to(ROOT)): forbidden(path) for path in FILES if forbidden(path)} == {}


def test_every_package_is_looked_at() -> None:
    edges = [(path.relative_to(ROOT).parts, parts) for path in FILES for parts in imported(path)]
    assert len(edges) > 500
    for top, order in ORDER.items():
        assert {
            path.name for path in (ROOT / top).iterdir() if (path / "__init__.py").is_file()
        } == set(order)
        for package in order:
            assert any(where[:2] == (top, package) for where, _ in edges), (
                f"{top}/{package} imports nothing: is it there?"
            )


def test_a_backward_import_is_found(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    file = tmp_path / "pipeline" / "free_energy" / "x.py"
    file.parent.mkdir(parents=True)
    file.write_text("def f():\n    from halobind.pipeline.results import collect\n")
    assert forbidden(file) == ["pipeline.results.collect"]


def test_only_run_directory_and_products_join_the_paths_of_a_campaign() -> None:
    layout = re.compile(
        r'/ f?"(runs|tables|jobs|windows|failures|equilibrate|pull|build|system|run\.json|campaign\.toml)["/]'
    )
    assert layout.search('folder / "runs"')
    looked = [
        path
        for path in FILES
        if "pipeline" in path.parts and path.name not in ("run_directory.py", "products.py")
    ]
    assert len(looked) > 60
    for path in looked:
        assert not layout.search(path.read_text(encoding="utf-8")), path
