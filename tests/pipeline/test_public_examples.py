"""The example of every public name runs, on a tiny campaign."""

import doctest
import io
import os
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
