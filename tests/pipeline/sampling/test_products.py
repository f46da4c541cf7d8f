"""The products of a run: windows, walkers, the path and its way back, and their order."""

from pathlib import Path

import pytest

from halobind.pipeline.campaign.load import parse_campaign
from halobind.pipeline.campaign.run_directory import runs_of
from halobind.pipeline.sampling.products import all_products
from halobind.pipeline.sampling.pull_steps import pull_heights, pull_steps, pulled_states
from halobind.pipeline.sampling.rounds import Round
from halobind.pipeline.sampling.walker_segments import walker_segments
from halobind.pipeline.sampling.window_segments import window_chain, windows_of
from tests.pipeline.campaigns import TINY, with_hills, with_key


def test_windows_span_the_pulled_path(tmp_path: Path) -> None:
    campaign = parse_campaign(TINY, "x")
    run = runs_of(tmp_path, campaign)[0]
    heights, windows = pull_heights(run), list(windows_of(run, campaign))
    assert [w.center_nm for w in windows] == pytest.approx([0.1 * i for i in range(10)])
    assert heights[0] == 0.0 and heights[-1] == pytest.approx(0.9)
    assert window_chain(windows[3]) == "windows/z+0.300-k3000"


def test_every_second_replica_starts_on_the_way_back_into_the_pocket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = with_key("pull", "to_nm", 0.3)
    raw["sampling"], raw["pull"], raw["estimate"] = (
        {"replicas": 3},
        {**raw["pull"], "step_nm": 0.1},
        {"plateau_nm": 0.1},
    )
    campaign = parse_campaign(raw, "x")
    out, back, third = runs_of(tmp_path, campaign)
    longer = Round("windows", "basis", to_nm=0.5)
    monkeypatch.setattr("halobind.pipeline.sampling.pull_steps.rounds_of", lambda _: (longer,))
    away = ["pull/000-z+0.000", "pull/001-z+0.100", "pull/002-z+0.200", "pull/003-z+0.300"]
    again = ["pull/back-002-z+0.200", "pull/back-001-z+0.100", "pull/back-000-z+0.000"]
    further = ["pull/004-z+0.400", "pull/005-z+0.500"]
    assert (
        [p.name for p in pull_steps(out, "e")]
        == [p.name for p in pull_steps(third, "e")]
        == away + further
    )
    steps = pull_steps(back, "e")
    assert [p.name for p in steps] == away + again + further
    moves = [(p.origin_nm, p.height_nm, p.starts_from) for p in steps]
    assert moves[:2] == [(0.0, 0.0, "e"), (0.0, 0.1, away[0])]
    assert moves[4:7] == [(0.3, 0.2, away[3]), (0.2, 0.1, again[0]), (0.1, 0.0, again[1])]
    assert moves[7:] == [(0.3, 0.4, away[3]), (0.4, 0.5, further[0])]
    assert [step.name for step in pulled_states(out)] == away + further
    assert [(step.height_nm, step.name) for step in pulled_states(back)] == [
        *zip([0.0, 0.1, 0.2], again[::-1], strict=True),
        (0.3, away[3]),
        *zip([0.4, 0.5], further, strict=True),
    ]
    for run, starts in (
        (out, [away[0], away[3], away[2]]),
        (back, [again[2], away[3], again[0]]),
    ):  # never beyond to_nm
        assert [walker_segments(run, walker, campaign)[0].pulled for walker in range(3)] == starts


def test_a_path_comes_back_from_its_last_height_however_that_is_rounded(tmp_path: Path) -> None:
    raw = with_key("sampling", "replicas", 2)
    raw["pull"] = {"from_nm": 0.0, "to_nm": 0.9375, "step_nm": 0.0625}
    _, back = runs_of(tmp_path, parse_campaign(raw, "x"))
    names = [product.name for product in pull_steps(back, "e")]
    assert names[15:17] == ["pull/015-z+0.938", "pull/back-014-z+0.875"] and len(names) == 31


def test_segments_come_level_by_level(tmp_path: Path) -> None:
    campaign = parse_campaign(TINY, "x")
    names = [p.name for p in all_products(runs_of(tmp_path, campaign)[0], campaign)]
    assert names[:3] == ["build", "system", "equilibrate/00-warm"]
    levels = [name[-3:] for name in names if name.startswith("windows/")]
    assert levels == ["000"] * 10 + ["001"] * 10 and len(set(names)) == len(names)


def test_walkers_take_the_place_of_windows_in_the_same_run(tmp_path: Path) -> None:
    """The method is an amount: the run keeps its id; other hills are other walkers, more walkers
    leave those there are alone.
    """
    umbrella, other = parse_campaign(TINY, "x"), parse_campaign(with_hills("walkers", 3), "x")
    assert runs_of(tmp_path, umbrella)[0].id == runs_of(tmp_path, other)[0].id
    names = [p.name for p in all_products(runs_of(tmp_path, other)[0], other)]
    assert [name for name in names if name.startswith("metadynamics/")] == [
        f"metadynamics/walker-{w}-b20-h1-w0.03-d1-k5000/seg-{s:03d}"
        for s in range(2)
        for w in range(3)
    ]
    assert not [name for name in names if name.startswith("windows/")]
    higher = parse_campaign(with_hills("height_kJ_mol", 0.5), "x")
    assert not {p.name for p in all_products(runs_of(tmp_path, higher)[0], higher)} & {
        n for n in names if n.startswith("metadynamics/")
    }
    assert set(names) < {
        p.name
        for p in all_products(
            runs_of(tmp_path, other)[0], parse_campaign(with_hills("walkers", 5), "x")
        )
    }
