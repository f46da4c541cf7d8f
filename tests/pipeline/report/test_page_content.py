"""What the page says of campaigns of every state, and that it never runs what a name says."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("plotly", reason="the extra `report` is not installed")
pytest.importorskip("jinja2", reason="the extra `report` is not installed")

from halobind.pipeline.campaign.run_directory import CampaignRuns, runs_of
from halobind.pipeline.free_energy.flags import Flag, FlagKind
from halobind.pipeline.free_energy.quantity import Quantity
from halobind.pipeline.report.bound_state_plot import unit_ball
from halobind.pipeline.report.convergence_plots import needed_sampling_ns
from halobind.pipeline.report.page import render
from halobind.pipeline.report.page_content import (
    BAD,
    GOOD,
    WAIT,
    WARN,
    page_content,
    rounded_to_two,
)
from halobind.pipeline.report.plots import safe
from halobind.pipeline.results.energy_unit import KCAL_PER_MOL, KJ_PER_MOL
from halobind.pipeline.results.table_rows import TableRow
from tests.pipeline.results.rows import OVERLAP, bound, row
from tests.pipeline.results.synthetic import campaign, publish_segments

HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(2)">'


@pytest.fixture
def opened(tmp_path: Path) -> CampaignRuns:
    """A campaign of four runs, none of them begun."""
    settings = campaign()
    return CampaignRuns(tmp_path, settings, runs_of(tmp_path, settings))


def rows_of(opened: CampaignRuns, *rows: TableRow) -> list[TableRow]:
    """A row for each run, the given ones first and pending ones after them."""
    rest = [row(f"rest{k}", pending="0 of 28 segments") for k in range(len(opened.runs))]
    return [*rows, *rest][: len(opened.runs)]


def test_rows_of_every_state_are_there(opened: CampaignRuns) -> None:
    poor = replace(bound("DDA", -20.0), notes=(OVERLAP,))
    failed = row("DMDDA", error="OpenMMException: NaN\nsecond line")
    content = page_content(opened, rows_of(opened, bound("DA", -30.0), poor, failed), KJ_PER_MOL)
    kinds = {line.labels[0]: line.kind for line in content.table.lines}
    assert kinds == {"DA": GOOD, "DDA": WARN, "DMDDA": BAD, "rest0": WAIT}
    assert content.verdict.kind == WARN and "1 failed" in content.verdict.text
    texts = [item.text for a in content.actions for r in a.reasons for item in r.items]
    assert "OpenMMException: NaN second line" in texts and OVERLAP.text in texts
    assert content.actions[0].reasons[0].items[0].name.startswith("DMDDA")
    page = render(content)
    assert "not converged (1)" in page and "OpenMMException: NaN second line" in page


def test_nothing_sampled_is_a_page_too(opened: CampaignRuns) -> None:
    content = page_content(opened, rows_of(opened), KCAL_PER_MOL)
    assert content.curves is None and content.observables is None and not content.views
    assert not content.convergence and content.verdict.kind == WARN
    assert "There is no curve yet" in render(content)


def test_names_are_shown_and_never_run(opened: CampaignRuns) -> None:
    flag = Flag(FlagKind.GAPS, f"gaps {HOSTILE}")
    rows = rows_of(opened, replace(bound(HOSTILE, -30.0), notes=(flag,)), row("x", error=HOSTILE))
    page = render(page_content(opened, rows, KJ_PER_MOL))
    assert HOSTILE not in page and "<img src=x" not in page
    assert "&lt;img src=x onerror=" in page
    figures = page.count('<script type="application/json"')
    assert page.count("<script>") == 2 and page.count("</script>") == 2 + figures
    assert safe("<b>a</b>\n<a href='x'>") == "&lt;b&gt;a&lt;/b&gt; &lt;a href='x'&gt;"


def test_a_sampled_campaign_has_its_figures(tmp_path: Path) -> None:
    from halobind.pipeline.results.publish import make_table  # noqa: PLC0415 (after the skips)

    settings = campaign()
    runs = publish_segments(tmp_path, settings)
    opened = CampaignRuns(tmp_path, settings, runs)
    content = page_content(opened, make_table(opened).rows, KJ_PER_MOL)
    assert content.curves is not None and len(content.convergence) == len(runs)
    assert all(len(group.plots) == 3 for group in content.convergence)
    figure = json.loads(content.curves.json)
    assert figure["layout"]["xaxis"]["title"]["text"].endswith("(nm)")
    assert figure["layout"]["yaxis"]["title"]["text"].endswith("(kJ/mol)")
    assert {"well", "DA, 280 K"} <= {trace.get("name") for trace in figure["data"]}


def test_what_smaller_errors_need() -> None:
    assert needed_sampling_ns(Quantity(-30.0, 8.0), 10.0) == [40.0, 160.0, 640.0]
    assert needed_sampling_ns(Quantity(-30.0, 1.5), 10.0) == [10.0, 10.0, 22.5]
    assert all(map(math.isnan, needed_sampling_ns(Quantity(-30.0, math.nan), 10.0)))
    assert [rounded_to_two(x) for x in (0.0123, 9.44, 384.0, 1540.0)] == [
        "0.012",
        "9.4",
        "380",
        "1500",
    ]


def test_the_ball_is_closed_and_turned_outside() -> None:
    corners, triangles = unit_ball()
    assert len(triangles) == 2 * len(corners) - 4
    edges = {tuple(triangle[[k, (k + 1) % 3]]) for triangle in triangles for k in range(3)}
    assert len(edges) == 3 * len(triangles) and all((b, a) in edges for a, b in edges)
    a, b, c = (corners[triangles[:, k]] for k in range(3))
    volumes = np.einsum("ij,ij->i", a, np.cross(b, c))
    assert volumes.min() > 0
