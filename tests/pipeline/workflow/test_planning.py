"""Campaigns that plan themselves, with segments drawn from a known landscape in place of molecular
dynamics.
"""

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest

from halobind.jobs.stop import Stopped, StopSignal
from halobind.pipeline.campaign.load import parse_campaign
from halobind.pipeline.campaign.run_directory import Run, derived_seed, runs_of
from halobind.pipeline.campaign.settings import Campaign, CampaignError
from halobind.pipeline.commands.cli import main
from halobind.pipeline.commands.extension import ExtendOptions, extend_campaign
from halobind.pipeline.free_energy.constants import GAS_CONSTANT
from halobind.pipeline.results.run_rows import run_row
from halobind.pipeline.results.table_rows import combine
from halobind.pipeline.sampling.platforms import MDPlatform
from halobind.pipeline.sampling.product import ROUNDS
from halobind.pipeline.sampling.products import all_products
from halobind.pipeline.sampling.pull_steps import pull_heights
from halobind.pipeline.sampling.rounds import read_round, rounds_of
from halobind.pipeline.sampling.window_segments import windows_of
from halobind.pipeline.workflow.checks import check_runs
from halobind.pipeline.workflow.cost import plan_run
from halobind.pipeline.workflow.parts import Part
from halobind.pipeline.workflow.planning import evidence_of
from halobind.pipeline.workflow.refinement import pair_overlaps
from halobind.pipeline.workflow.status import round_lines, rounds_due, status_rows
from halobind.pipeline.workflow.worker import Worker
from tests.pipeline.tiny import segment_record

KT = GAS_CONSTANT * 300.0
GRID = np.linspace(-0.6, 2.0, 13001)
WHOLE = Part.WHOLE
TINY = {
    "model": {
        "perovskite": "CsPbBr3",
        "cells": "4x4x1",
        "ligand": "DA",
        "solvent": "acetone",
        "gap_nm": 3.0,
    },
    "forcefield": {"cutoff_nm": 0.9},
    "pull": {"from_nm": 0.0, "to_nm": 0.4, "step_nm": 0.1, "step_ps": 1.0},
    "windows": {"spacing_nm": 0.1, "k_kJ_mol_nm2": 2000.0},
    "sampling": {"segments": 2, "segment_ps": 20.0, "record_ps": 0.1, "frames": "none"},
    "estimate": {"n_bootstrap": 20, "discard_fraction": 0.0, "min_overlap": 0.12},
}


def well(z):
    return -30.0 * np.exp(-((z - 0.1) ** 2) / (2 * 0.12**2))


def ramp(z):
    return 60.0 * z


def campaign_of(**sampling: object) -> Campaign:
    return parse_campaign(TINY | {"sampling": TINY["sampling"] | sampling}, "campaign.toml")


class DrawnSegments:
    """Stands in for make_step: windows draw from `landscape`, everything else leaves a marker; may
    stop at the n-th step.
    """

    def __init__(self, landscape, stop_at: int = 10**9) -> None:
        self.landscape, self.left, self.made = landscape, stop_at, []

    def __call__(self, context, step, outs) -> None:
        self.left -= 1
        for product, out in zip(step.products, outs, strict=True):
            if product.chain == ROUNDS:
                product.make(context, out)
            elif product.stage == "windows":
                self._segment(context.run, product, out)
            else:
                (out / "system.xml").write_text(product.name)
                (out / "audit.json").write_text(
                    json.dumps({"sha256": hashlib.sha256(product.name.encode()).hexdigest()})
                )
            self.made.append(product.name)
        if self.left < 0:
            raise Stopped("test")

    def _segment(self, run, product, out) -> None:
        window, sampling = product.window, product.sampling
        random = np.random.default_rng(derived_seed(run.id, product.name))
        energy = self.landscape(GRID) + 0.5 * window.k * (GRID - window.center_nm) ** 2
        below = np.cumsum(np.exp(-(energy - energy.min()) / KT))
        z = np.interp(
            random.uniform(size=round(sampling.segment_ps / sampling.record_ps)),
            below / below[-1],
            GRID,
        )
        np.save(out / "cv.npy", np.column_stack([z, 0.55 * np.sqrt(random.uniform(size=len(z)))]))
        record = segment_record(window, sampling.record_ps, wall_s=1.0, duration_ps=20.0)
        (out / "segment.json").write_text(json.dumps(record))


def work(
    folder: Path,
    campaign: Campaign,
    drawn: DrawnSegments,
    part: Part = WHOLE,
) -> list[Run]:
    runs = runs_of(folder, campaign)
    said: list[str] = []
    Worker(
        runs=tuple(runs),
        campaign=campaign,
        platform=MDPlatform("Reference", ()),
        part=part,
        retry=False,
        stop=StopSignal(),
        say=said.append,
        make_step=drawn,
    ).work()
    assert not [line for line in said if "FAILED" in line], said
    return runs


def series(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.glob("runs/*/**/*")
        if p.name in ("cv.npy", "round.json")
    }


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Campaign]:
    folder, campaign = tmp_path_factory.mktemp("planned"), campaign_of()
    work(folder, campaign, DrawnSegments(well))
    return folder, campaign


def test_windows_are_added_and_the_path_grows_until_the_curve_is_flat(
    planned: tuple[Path, Campaign],
) -> None:
    folder, campaign = planned
    (run,) = runs_of(folder, campaign)
    rounds = rounds_of(run)
    assert (
        [one.kind for one in rounds][-1] == "end"
        and 2 <= len(rounds) <= 5
        and not rounds[-1].problems
    )
    assert rounds[0].to_nm == 0.6 and any("between" in note for note in rounds[0].notes)
    heights = pull_heights(run)
    assert (
        np.diff(heights) == pytest.approx(0.1) and 0.6 <= heights[-1] <= 1.0
    )  # the well is 0.01 kJ/mol at 0.6 nm
    assert {p.name for p in all_products(run, campaign)} >= {"pull/005-z+0.500", "pull/006-z+0.600"}
    one = evidence_of(run, campaign)
    assert min(pair.overlap for pair in pair_overlaps(one.samples, one.pmf.overlap)) >= 0.12
    assert one.binding.well_depth_kJ_mol.value == pytest.approx(-30.0, abs=2.0)
    row = run_row(run, campaign)
    assert (
        not row.error
        and not row.pending
        and "no plateau" not in row.status
        and "overlap" not in row.status
    )


def test_status_and_plan_count_what_rounds_ask_for(planned: tuple[Path, Campaign]) -> None:
    folder, campaign = planned
    runs = runs_of(folder, campaign)
    windows = windows_of(runs[0], campaign)
    assert len(windows) > 5 and not rounds_due(runs, campaign)
    (row,) = status_rows(runs, campaign, {runs[0].id: []})
    assert row["windows"] == f"{2 * len(windows)}/{2 * len(windows)}" and row["state"] == "done"
    plan = plan_run(runs[0], campaign)
    assert plan.n_chains == len(windows) and plan.left_ps == 0
    assert any("a longer path to 0.600 nm" in line for line in round_lines(runs[0]))
    more = campaign_of(segments=3)
    assert (
        rounds_due(runs_of(folder, more), more)
        and plan_run(runs_of(folder, more)[0], more).left_ps > 0
    )


def test_stopped_anywhere_and_resumed_it_is_the_same_campaign(
    planned, tmp_path, monkeypatch
) -> None:
    reference, campaign = planned
    for stop_at in (3, 11, 1, 9, 6):
        with pytest.raises(Stopped):
            work(tmp_path, campaign, DrawnSegments(well, stop_at))
    work(tmp_path, campaign, DrawnSegments(well))
    assert series(tmp_path) == series(reference)
    again = DrawnSegments(well)
    work(tmp_path, campaign, again)
    assert again.made == []


def test_parts_share_what_the_file_asks_for_and_the_last_one_makes_the_rounds(
    planned, tmp_path, monkeypatch
) -> None:
    reference, campaign = planned
    first, last = DrawnSegments(well), DrawnSegments(well)
    work(tmp_path, campaign, first, Part(0, 2))
    assert {name.split("/")[1] for name in first.made if "windows/" in name} == {
        f"z+0.{k}00-k2000" for k in (0, 2, 4)
    }
    work(tmp_path, campaign, last, Part(1, 2))
    assert "rounds/000" in last.made and series(tmp_path) == series(reference)


def test_exchange_groups_ask_for_the_same_products(planned, tmp_path) -> None:
    reference, _ = planned
    work(tmp_path, campaign_of(exchange_group=3), DrawnSegments(well))
    assert series(tmp_path) == series(reference)  # drawn segments know nothing of their neighbours


def test_a_path_without_a_plateau_ends_with_the_box_and_says_so(tmp_path) -> None:
    (run,) = work(tmp_path, campaign := campaign_of(max_rounds=20), DrawnSegments(ramp))
    assert pull_heights(run)[-1] == pytest.approx(1.0)  # gap 3.0 nm, less 0.4 nm, less the ligand
    assert (
        "where the box ends" in rounds_of(run)[-1].problems[0].text
        and "raise gap_nm" in run_row(run, campaign).status
    )


def test_rounds_end_when_they_have_been_many_and_say_what_is_left(tmp_path) -> None:
    (run,) = work(tmp_path, campaign_of(max_rounds=1), DrawnSegments(ramp))
    assert [one.kind for one in rounds_of(run)] == ["windows", "end"]
    assert "after 1 rounds still asked for: " in rounds_of(run)[-1].problems[0].text


def test_without_rounds_nothing_is_added(tmp_path) -> None:
    drawn = DrawnSegments(ramp)
    (run,) = work(tmp_path, campaign_of(max_rounds=0), drawn)
    assert not rounds_of(run) and sum("windows/" in name for name in drawn.made) == 10


def test_replicas_reach_the_target_together_and_windows_that_matter_get_more(
    tmp_path, monkeypatch
) -> None:
    campaign = campaign_of(
        replicas=2, target_kJ_mol=0.35, budget_ns=200.0, max_rounds=3, record_ps=0.2
    )
    runs = work(tmp_path, campaign, DrawnSegments(well))
    assert [run.leads for run in runs] == [True, False] and not (runs[1].folder / "rounds").exists()
    rounds = rounds_of(runs[1])
    assert rounds == rounds_of(runs[0]) and rounds[-1].notes[-1].endswith("reached")
    assert sum(one.kind == "target" for one in rounds) >= 2
    dG0 = combine([evidence_of(run, campaign).binding for run in runs]).dG0_kJ_mol
    assert dG0.error <= 0.35
    for run in runs:
        asked = {w.center_nm: n for w, n in windows_of(run, campaign).items()}
        assert max(n for c, n in asked.items() if 0.15 < c < 0.45) > 2 * asked[max(asked)]
    lonely = next(one for one in rounds if one.kind == "target")
    assert (
        lonely.added_ps == 20.0 * sum(w.segments - 2 for w in lonely.requests)
        and "% of the variance" in lonely.requests[0].why
    )


def test_the_budget_ends_the_sampling(tmp_path) -> None:
    (run,) = work(tmp_path, campaign_of(target_kJ_mol=0.01, budget_ns=0.31), DrawnSegments(well))
    rounds = rounds_of(run)
    assert (
        sum(one.added_ps for one in rounds if one.kind == "target") == 300.0
    )  # 15 segments of 0.02 ns
    assert "the budget of 0.31 ns is spent" in rounds[-1].notes[-1]


def test_extend_shows_the_plan_records_it_and_the_worker_follows(
    tmp_path, capsys, monkeypatch
) -> None:
    toml = "".join(
        f"[{s}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in keys.items())
        for s, keys in TINY.items()
    )
    (tmp_path / "campaign.toml").write_text(toml)
    campaign = campaign_of()
    (run,) = work(tmp_path, campaign, DrawnSegments(well))
    before, windows = rounds_of(run), windows_of(run, campaign)
    assert main(["extend", str(tmp_path), "--target-kJ-mol", "0.3", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert (
        "target 0.3: " in shown and "% of the variance of dG0" in shown and "-> 3 segments" in shown
    )
    assert main(["extend", str(tmp_path), "--segments", "2", "--dry-run"]) == 0
    assert capsys.readouterr().out.count("2 -> 4 segments (2 more for every window)") == len(
        windows
    )
    assert rounds_of(run) == before
    monkeypatch.setattr(
        "halobind.pipeline.commands.extension.run_with_table", lambda folder, options: 0
    )
    assert extend_campaign(tmp_path, ExtendOptions(segments=1)) == 0
    assert set(windows_of(run, campaign).values()) == {3} and rounds_due([run], campaign)
    assert extend_campaign(tmp_path, ExtendOptions(target_kJ_mol=0.3, budget_ns=5.0)) == 0
    assert "products are to be made first" in capsys.readouterr().out
    work(tmp_path, campaign, DrawnSegments(well))
    assert rounds_of(run)[-1].notes[-1].endswith("reached")
    assert evidence_of(run, campaign).binding.dG0_kJ_mol.error <= 0.3


def test_plan_says_what_it_does_not_count(tmp_path, capsys) -> None:
    keys = TINY | {"sampling": TINY["sampling"] | {"target_kJ_mol": 2.0, "budget_ns": 5.0}}
    toml = "".join(
        f"[{s}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in values.items())
        for s, values in keys.items()
    )
    (tmp_path / "campaign.toml").write_text(toml)
    assert main(["plan", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert (
        "not counted: what rounds may add" in out
        and "sampling to 2 kJ/mol in dG0 (at most 5 ns for each ligand)" in out
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "extend needs one of --segments N and --target-kJ-mol X"),
        (["--segments", "2", "--target-kJ-mol", "1"], "extend needs one of"),
        (["--target-kJ-mol", "0"], "--target-kJ-mol 0 is not above zero"),
        (["--target-kJ-mol", "nan"], "is not above zero"),
        (
            ["--target-kJ-mol", "1", "--budget-ns", "0.01"],
            "budget_ns = 0.01 is less than one segment (0.02 ns)",
        ),
        (["--segments", "1", "--budget-ns", "5"], "budget_ns = 5 has no target to reach"),
    ],
)
def test_extend_refuses_what_makes_no_sense(arguments, expected, tmp_path, capsys) -> None:
    toml = "".join(
        f"[{s}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in keys.items())
        for s, keys in TINY.items()
    )
    (tmp_path / "campaign.toml").write_text(toml)
    assert main(["extend", str(tmp_path), *arguments]) == 1
    assert expected in capsys.readouterr().err and not (tmp_path / "runs").exists()


def test_extend_to_a_looser_target_than_the_campaign_has_is_refused(tmp_path, capsys) -> None:
    keys = TINY | {"sampling": TINY["sampling"] | {"target_kJ_mol": 2.0, "budget_ns": 5.0}}
    toml = "".join(
        f"[{s}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in values.items())
        for s, values in keys.items()
    )
    (tmp_path / "campaign.toml").write_text(toml)
    assert main(["extend", str(tmp_path), "--target-kJ-mol", "3", "--budget-ns", "9"]) == 1
    assert (
        "--target-kJ-mol 3 is looser than target_kJ_mol = 2 of campaign.toml, which stays in force"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "runs").exists()


def test_extend_of_walkers_is_refused(tmp_path, capsys) -> None:
    keys = TINY | {"sampling": TINY["sampling"] | {"method": "metadynamics"}}
    toml = "".join(
        f"[{s}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in values.items())
        for s, values in keys.items()
    )
    (tmp_path / "campaign.toml").write_text(toml)
    assert main(["extend", str(tmp_path), "--segments", "2"]) == 1
    assert (
        "extend is for umbrella windows" in capsys.readouterr().err
        and not (tmp_path / "runs").exists()
    )


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        ({"target_kJ_mol": 0.0}, "[sampling] target_kJ_mol = 0.0"),
        ({"target_kJ_mol": -1.0}, "greater than 0"),
        ({"target_kJ_mol": math.inf}, "[sampling] target_kJ_mol = inf"),
        ({"budget_ns": 5.0}, "budget_ns = 5 has no target to reach: give target_kJ_mol too"),
        (
            {"target_kJ_mol": 1.0, "budget_ns": 0.019},
            "budget_ns = 0.019 is less than one segment (0.02 ns): raise it",
        ),
        ({"exchange_group": 1}, "one window has nobody to exchange with"),
        ({"exchange_group": 6}, "exchange_group = 6 but there are only 5 windows: lower it"),
        ({"exchange_group": -2}, "greater than or equal to 0"),
        ({"max_rounds": -1}, "greater than or equal to 0"),
        ({"max_round": 1}, "did you mean max_rounds?"),
    ],
)
def test_bad_sampling_settings_are_refused(sampling, expected, tmp_path) -> None:
    with pytest.raises(CampaignError) as error:
        campaign = campaign_of(**sampling)
        check_runs(runs_of(tmp_path, campaign), campaign)
    assert expected in str(error.value)


def test_a_damaged_round_is_named(planned, tmp_path) -> None:
    (run,) = work(tmp_path, campaign_of(max_rounds=1), DrawnSegments(well))
    broken = runs_of(tmp_path, campaign_of(max_rounds=1))[0].rounds()[0] / "round.json"
    text = broken.read_text()
    broken.write_text(text.replace('"kind"', '"kin"'))
    read_round.cache_clear()
    with pytest.raises(
        CampaignError, match=r"rounds/000 is damaged \(KeyError|rounds/000 is damaged \(TypeError"
    ):
        rounds_of(run)
    broken.write_text(text)
