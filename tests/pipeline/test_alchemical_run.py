"""A tiny alchemical campaign through the command line: its products, its table, bit for bit whether
or not it was interrupted, and on the way back in the second replica.
"""

import csv
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from halobind.pipeline.campaign.load import load_campaign
from halobind.pipeline.campaign.run_directory import campaign_file, runs_of
from halobind.pipeline.results.collect import collect_alchemical
from halobind.pipeline.sampling.alchemical_path import alchemical_states, path_steps, state_label
from halobind.pipeline.sampling.schedule import phases_of
from tests.pipeline.tiny import edited, halobind_here, new, series, tables

ALCHEMICAL = edited(
    ('ligand = "DA"', 'ligand = "MA"'),
    ("[pull]\nfrom_nm = 0.0\nto_nm = 0.3", "[pull]\nfrom_nm = 0.0\nto_nm = 0.6"),
    (
        "[windows]\nspacing_nm = 0.1\nk_kJ_mol_nm2 = 50000.0\n",
        "[coordinate]\nradius_nm = 0.3\n[alchemical]\ncharge_scales = [1.0, 0.3]\n"
        "gates_kJ_mol = [0.0, 100.0]\nspacing_nm = 0.1\nk_kJ_mol_nm2 = 9000.0\n"
        "end_k_kJ_mol_nm2 = 9000.0\nstep_ps = 0.2\n",
    ),
    ("bin_nm = 0.02\nplateau_nm = 0.1", "bin_nm = 0.05\nplateau_nm = 0.2"),
    ("[sampling]\n", '[sampling]\nmethod = "alchemical"\nexchange_group = 1000\n'),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    campaign = new(tmp_path_factory.mktemp("alchemical"), ALCHEMICAL)
    assert halobind_here("run", str(campaign)).returncode == 0
    return campaign


def opened(campaign: Path):
    settings = load_campaign(campaign_file(campaign))
    return settings, runs_of(campaign, settings)[0]


def test_states_go_from_the_well_to_the_plateau_one_change_at_a_time(finished: Path) -> None:
    settings, run = opened(finished)
    states = alchemical_states(run.spec, settings.alchemical)
    assert (states[0].gate, states[0].scale, states[0].center_nm) == (0.0, 1.0, 0.05)
    assert (states[-1].gate, states[-1].scale, states[-1].center_nm) == (0.0, 1.0, 0.6)
    for first, second in itertools.pairwise(states):
        changed = [
            name
            for name in ("center_nm", "k", "gate", "scale")
            if getattr(first, name) != getattr(second, name)
        ]
        assert len(changed) == 1, (first, second)
    labels = [state_label(state, settings.alchemical) for state in states]
    assert len(set(labels)) == len(labels)


def test_every_state_has_its_segments_and_says_what_it_is(finished: Path) -> None:
    settings, run = opened(finished)
    states = alchemical_states(run.spec, settings.alchemical)
    for state in states:
        folder = run.path(f"alchemical/{state_label(state, settings.alchemical)}")
        for segment in ("seg-000", "seg-001"):
            record = json.loads((folder / segment / "segment.json").read_text())
            assert record["gate_kJ_mol"] == [state.gate] * 2
            assert record["charge_scale"] == [state.scale] * 2
            assert record["gate_radius_nm"] == 0.4
            assert len(record["exchange"]["members"]) == len(states)
            terms = np.load(folder / segment / "terms.npy")
            assert terms.shape == (10, 3)
    samples = collect_alchemical(run, settings.alchemical)
    assert samples is not None
    assert samples.samples.states == states
    assert set(samples.samples.groups) == {0}, "all states exchanged"


def test_the_energy_of_a_state_is_what_its_terms_say(finished: Path) -> None:
    """Two states of one walker differ by the recorded terms: b from the far charges is negative in
    the pocket, and the ligand's charges with each other do not depend on where it is.
    """
    settings, run = opened(finished)
    samples = collect_alchemical(run, settings.alchemical)
    assert samples is not None
    terms = samples.samples.terms
    assert terms[0][:, 1].mean() < -150.0
    assert terms[0][:, 2].mean() == pytest.approx(terms[-1][:, 2].mean(), abs=60.0)


def test_the_table_has_a_row_without_barriers_and_times(finished: Path) -> None:
    rows = list(csv.DictReader((finished / "tables" / "binding.csv").open(encoding="utf-8")))
    assert rows[0]["kind"] == "run"
    assert np.isfinite(float(rows[0]["dG0_kJ_mol"]))
    assert rows[0]["status"].startswith("not converged: ")
    assert rows[0]["desorption_barrier_kJ_mol"] in ("", "nan")
    status = halobind_here("status", str(finished)).stdout
    assert "exchange z+0.050-k9000-g0-s1-r0.4 to z+0.600-k9000-g0-s1-r0.4" in status


def test_a_second_replica_starts_on_the_way_back(finished: Path) -> None:
    settings, run = opened(finished)
    out = path_steps(run, settings.alchemical, "equilibrate/03-nvt")
    second = type(run)(run.folder, run.spec.model_copy(update={"replica": 1}))
    both = path_steps(second, settings.alchemical, "equilibrate/03-nvt")
    assert [step.name for step in both[: len(out)]] == [step.name for step in out]
    back = both[len(out) :]
    assert [step.number for step in back] == list(reversed(range(len(out) - 1)))
    assert back[0].starts_from == out[-1].name
    assert all(later.starts_from == step.name for step, later in itertools.pairwise(back))
    segments = phases_of(second, settings).campaign[0][0].products
    assert segments[0].starts_from == back[-1].name
    assert segments[-1].starts_from == out[-1].name


def test_an_interrupted_run_is_bit_for_bit_the_uninterrupted_one(
    finished: Path, tmp_path: Path
) -> None:
    again = Path(shutil.copytree(finished, tmp_path / "müller"))
    run = next((again / "runs").iterdir())
    for segment in run.glob("alchemical/*/seg-001"):
        shutil.rmtree(segment)
    lost = sorted(run.glob("path/*"))[-1]
    first_segments = sorted(run.glob("alchemical/*/seg-000"))
    shutil.rmtree(lost)
    for segment in first_segments:
        shutil.rmtree(segment)
    shutil.rmtree(again / "tables")
    assert halobind_here("run", str(again)).returncode == 0
    assert series(again) == series(finished)
    assert tables(again) == tables(finished)
