"""The table shows itself as text and HTML that holds all of it, and gives its numbers as records."""

import base64
import re
import sys
from dataclasses import replace
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

from halobind.pipeline.free_energy.flags import Flag, FlagKind
from halobind.pipeline.free_energy.pmf import Curve
from halobind.pipeline.results.table import Table
from halobind.pipeline.results.table_columns import COLUMNS
from halobind.pipeline.results.table_text import binding_markdown
from tests.pipeline.results.rows import row, simple

FLAGS = [
    Flag(FlagKind.LOW_OVERLAP, "overlap <&> too small"),
    Flag(FlagKind.NO_PLATEAU, "no plateau"),
]
Z_NM = np.linspace(0.0, 1.0, 11)
CURVE = Curve(Z_NM, -10 * np.exp(-Z_NM), np.full(11, 0.5))


def table() -> Table:
    first = replace(row(binding=simple(flags=FLAGS)), curve=CURVE)
    return Table([first, replace(first, ligand="DDA", binding=None, error="it <broke>")])


def test_print_gives_the_markdown_and_the_short_form_its_first_table() -> None:
    made = table()
    assert str(made) == binding_markdown(made.rows)
    assert repr(made) in str(made) and repr(made).count("\n") == 3
    assert not made.sound


def test_records_have_the_columns_of_the_csv_and_the_reasons() -> None:
    ligands = table().records()
    assert [record["kind"] for record in ligands] == ["ligand", "ligand"]
    assert list(ligands[0])[: len(COLUMNS)] == [column.header for column in COLUMNS]
    assert ligands[0]["problems"] == [flag.text for flag in FLAGS]
    assert ligands[1]["dG0_kJ_mol"] is None and ligands[1]["status"] == "Error: it <broke>"
    assert [record["kind"] for record in table().records("run")] == ["run", "run"]
    with pytest.raises(ValueError, match='choose "ligand" or "run"'):
        table().records("runs")


def test_a_data_frame_is_made_of_the_records(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = SimpleNamespace(from_records=lambda records: ["frame", *records])
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=frame))
    assert table().to_pandas("run") == ["frame", *table().records("run")]


def test_without_pandas_a_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install pandas, or take table\.records\(\)"):
        table().to_pandas()


def test_the_html_holds_everything_and_asks_for_nothing() -> None:
    html = table()._repr_html_()
    assert "overlap &lt;&amp;&gt; too small" in html and "it &lt;broke&gt;" in html
    (picture,) = re.findall(r'<img src="data:image/svg\+xml;base64,([^"]+)"', html)
    assert ElementTree.fromstring(base64.b64decode(picture)).tag.endswith("svg")
    text = re.sub(r'src="data:[^"]+"', "", html)
    assert "http" not in text and "<script" not in text and "<link" not in text
    ElementTree.fromstring(f"<div>{re.sub('<img[^>]*>', '', html)}</div>")


def test_a_table_without_runs_says_so() -> None:
    empty = Table([])
    assert repr(empty) == "There are no runs." and "no runs" in empty._repr_html_()


def test_a_curve_shows_itself_as_a_plot_and_in_one_line() -> None:
    assert repr(CURVE) == (
        "Curve: 11 bins from 0.000 to 1.000 nm, lowest -10.0 ± 0.5 kJ/mol at 0.000 nm"
    )
    assert CURVE._repr_html_().startswith('<img src="data:image/svg+xml;base64,')
    unknown = Curve(Z_NM, np.full(11, np.nan), np.full(11, np.nan))
    assert repr(unknown) == "Curve: 11 bins, no samples"
    assert "<img" in unknown._repr_html_()
