"""The example of every public name runs, on a tiny campaign, and so does the notebook."""

import ast
import doctest
import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import halobind
from tests.pipeline import tiny

DOCS = Path(__file__).parents[2] / "docs"
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.fixture(scope="module")
def names(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict]:
    """What the examples go on from: the first lines of the reference, run beside the campaign."""
    folder = tmp_path_factory.mktemp("examples")
    tiny.copy(reference, folder / "mycampaign")
    before = Path.cwd()
    os.chdir(folder)
    try:
        text = (DOCS / "reference" / "python.md").read_text(encoding="utf-8")
        test = doctest.DocTestParser().get_doctest(text, {}, "python.md", None, 0)
        assert failures_of(test) == ""
        yield test.globs
    finally:
        os.chdir(before)


def failures_of(test: doctest.DocTest) -> str:
    """Run an example; returns what differs from what it says."""
    report = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    runner.run(test, out=report.write, clear_globs=False)
    return report.getvalue()


@pytest.mark.parametrize("name", halobind.__all__)
def test_the_example_of_a_public_name_runs(name: str, names: dict) -> None:
    thing = getattr(halobind, name)
    found = doctest.DocTestFinder(recurse=False).find(thing, name, globs=dict(names))
    tests = [test for test in found if test.examples]
    assert tests, f"{name} has no example"
    for test in tests:
        assert failures_of(test) == ""


def test_a_finished_campaign_is_told_in_one_line_and_prints_nothing(
    reference: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    campaign = halobind.open_campaign(tiny.copy(reference, tmp_path / "c"))
    outcome = halobind.run_campaign(campaign, progress=False)
    assert repr(outcome) == "18 of 18 products are published"
    assert capfd.readouterr() == ("", "")


def value_of(source: str, names: dict) -> object:
    """Run a cell of a notebook; returns what it would show: the value of its last expression."""
    tree = ast.parse(source)
    last = tree.body[-1]
    if not isinstance(last, ast.Expr):
        exec(compile(tree, "cell", "exec"), names)
        return None
    exec(compile(ast.Module(tree.body[:-1], []), "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def test_the_notebook_runs_and_shows_something_everywhere(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its campaign is the tiny one, so only the segments that it adds are simulated."""
    tiny.copy(reference, tmp_path / "first")
    shutil.rmtree(tmp_path / "first" / "tables")
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((DOCS / "notebook.ipynb").read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(cells) > 10 and not any(cell["outputs"] for cell in cells)
    names: dict = {}
    shown = [value_of("".join(cell["source"]), names) for cell in cells]
    pictures = [value._repr_html_() for value in shown if hasattr(value, "_repr_html_")]
    assert sum("<img" in picture for picture in pictures) == 4
    assert "18 of 18 products are published" in map(repr, shown)
    assert "22 of 22 products are published" in map(repr, shown)
    assert names["table"].records()[0]["ligand"] == "DA"
