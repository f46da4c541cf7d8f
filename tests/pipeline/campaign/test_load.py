"""Campaign files: the grid, and bad input refused with the key, the value and what to do."""

from pathlib import Path

import pytest

from halobind.pipeline.campaign.load import load_campaign, parse_campaign
from halobind.pipeline.campaign.run_directory import runs_of
from halobind.pipeline.campaign.settings import CampaignError
from halobind.pipeline.commands.cli import main
from tests.pipeline.campaigns import TINY, refusal, with_hills, with_key


def test_every_list_is_an_axis(tmp_path: Path) -> None:
    raw = with_key("model", "ligand", ["DA", "DDA"]) | {
        "simulation": {"temperature_K": [280, 300.0, 320]}
    }
    raw["sampling"] = TINY["sampling"] | {"replicas": 2}
    campaign = parse_campaign(raw, "x")
    assert len(campaign.specs) == 12
    assert {(s.model.ligand, s.simulation.temperature_K, s.replica) for s in campaign.specs} == {
        (ligand, t, r) for ligand in ("DA", "DDA") for t in (280, 300, 320) for r in (0, 1)
    }
    assert len({run.id for run in runs_of(tmp_path, campaign)}) == 12


@pytest.mark.parametrize(
    ("section", "key", "value", "expected"),
    [
        ("model", "ligands", "DA", "did you mean ligand?"),
        (
            "model",
            "ligand",
            "DAA",
            "[model] ligand = 'DAA': there is no 'DAA'; choose one of DA, DDA, DMDDA",
        ),
        (
            "model",
            "ligand",
            ["DA", "Pb"],
            "[model] ligand = 'Pb': Pb does not sit on an A or X site of CsPbBr3 (Cs and Br do)",
        ),
        ("model", "ligand", "Br", "cannot say how strongly Br is bound"),
        ("model", "solvent", "benzene", "there is no 'benzene'; choose one of acetone, toluene"),
        ("model", "perovskite", "CsPbI3", "[model] perovskite = 'CsPbI3'"),
        ("model", "termination", "XX", "choose one of AX"),
        ("model", "cells", "4x4", "'4x4x3'"),
        ("model", "cells", "0x4x1", "each at least 1"),
        ("model", "gap_nm", -3.0, "[model] gap_nm = -3.0"),
        ("model", "gap_nm", "3.0", "[model] gap_nm = '3.0'"),
        ("model", "gap_nm", 2.0, "set gap_nm to 2.9 or more"),
        ("model", "ligand", [], "empty grid axis"),
        ("model", "ligand", ["DA", "DA"], "names a value twice"),
        (
            "forcefield",
            "pack",
            "charmm",
            "choose one of balestra, bond-increment, myp, pascazio-primary",
        ),
        ("forcefield", "cutoff_nm", 1.3, "cutoff_nm = 1.3 needs a box of at least 2.60 nm"),
        (
            "forcefield",
            "cutoff_A",
            9.0,
            "[forcefield] cutoff_A = 9.0 is not a known key; did you mean cutoff_nm?",
        ),
        ("simulation", "temperature_K", -300.0, "[simulation] temperature_K = -300.0"),
        ("simulation", "timestep_fs", 40.0, "less than or equal to 5"),
        ("simulation", "temperature_K", float("nan"), "temperature_K"),
        ("pull", "to_nm", 0.1, "at least two steps above"),
        ("sampling", "segments", 0, "greater than or equal to 1"),
        ("sampling", "segments", True, "[sampling] segments = True"),
        ("sampling", "record_ps", 0.15, "[sampling] record_ps = 0.15 is not a whole multiple"),
        ("sampling", "segment_ps", 2.05, "use 2"),
        ("estimate", "plateau_nm", 0.03, "at least four bins"),
        ("estimate", "plateau_nm", 0.5, "plateau_nm = 0.5 is more than half of the path of 0.9 nm"),
        ("equilibrate", "piece_ps", 0.01, "pieces: raise it"),
        ("simulation", "timestep_fs", 1e-9, "greater than or equal to 0.1"),
        ("simulation", "temperature_K", [300, 300.0], "two grid values are the same run"),
        ("resources", "platform", "cuda", "'CUDA'"),
    ],
)
def test_bad_values_are_refused_with_key_value_and_advice(
    section: str, key: str, value: object, expected: str, tmp_path: Path
) -> None:
    assert expected in refusal(with_key(section, key, value), tmp_path)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            with_key("sampling", "method", "abf"),
            "[sampling] method = 'abf': input should be 'umbrella', 'metadynamics' or 'alchemical'",
        ),
        (
            with_hills("bias_factor", 1.0),
            "[metadynamics] bias_factor = 1.0: input should be greater than or equal to 1.5",
        ),
        (
            with_hills("walkers", 2)
            | {"sampling": TINY["sampling"] | {"method": "metadynamics", "exchange_group": 2}},
            (
                "[sampling] exchange_group = 2 is for umbrella windows: remove it, or set method ="
                ' "umbrella"'
            ),
        ),
        (
            with_hills("walkers", 2)
            | {"sampling": TINY["sampling"] | {"method": "metadynamics", "target_kJ_mol": 2.0}},
            (
                "[sampling] target_kJ_mol = 2 is for umbrella windows: remove it, or set method ="
                ' "umbrella"'
            ),
        ),
        (
            with_hills("walkers", 2)
            | {"model": TINY["model"] | {"faces": 2, "gap_nm": 9.0, "cells": "4x4x4"}},
            "[model] faces = 2: metadynamics biases one head; set faces = 1",
        ),
        (with_hills("walkers", 0), "[metadynamics] walkers = 0"),
        (
            with_hills("height", 1.0),
            "[metadynamics] height = 1.0 is not a known key; did you mean height_kJ_mol?",
        ),
        (with_hills("height_kJ_mol", -1.0), "[metadynamics] height_kJ_mol = -1.0"),
        (
            with_hills("width_nm", 0.1),
            "[metadynamics] width_nm = 0.1 is too wide for a path of 0.9 nm: use 0.09 or less",
        ),
        (
            with_hills("deposit_ps", 0.101),
            (
                "[metadynamics] deposit_ps = 0.101 is not a whole multiple of timestep_fs / 1000 ="
                " 0.004: use 0.1,"
            ),
        ),
        (
            with_hills("deposit_ps", 0.6),
            (
                "[sampling] segment_ps = 2 is not a whole multiple of [metadynamics] deposit_ps ="
                " 0.6: use 1.8,"
            ),
        ),
    ],
)
def test_bad_metadynamics_is_refused(raw: dict, expected: str, tmp_path: Path) -> None:
    assert expected in refusal(raw, tmp_path)


def alchemical(**changes: dict) -> dict:
    """The tiny campaign with the alchemical method and changed sections."""
    raw = TINY | {"sampling": TINY["sampling"] | {"method": "alchemical"}}
    return raw | {name: raw.get(name, {}) | values for name, values in changes.items()}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            alchemical(alchemical={"charge_scales": [0.8, 0.3]}),
            "charge_scales = [0.8, 0.3]: give at least two numbers that fall from 1.0",
        ),
        (
            alchemical(alchemical={"charge_scales": [1.0, 0.5, 0.5]}),
            "give at least two numbers that fall from 1.0",
        ),
        (alchemical(alchemical={"charge_scales": 0.3}), "charge_scales = 0.3: give a list"),
        (
            alchemical(alchemical={"gates_kJ_mol": [0.0, 40.0, 20.0]}),
            "give at least two numbers that rise from 0.0",
        ),
        (alchemical(alchemical={"gates_kJ_mol": ["shut"]}), "give a list of numbers"),
        (
            alchemical(alchemical={"well_nm": 0.6}),
            "[alchemical] well_nm = 0.6 is less than 0.5 nm below [pull] to_nm = 0.9: raise to_nm",
        ),
        (
            alchemical(sampling={"target_kJ_mol": 2.0}),
            "[sampling] target_kJ_mol = 2 is for umbrella windows",
        ),
        (
            alchemical(model={"faces": 2, "gap_nm": 9.0, "cells": "4x4x4"}),
            "[model] faces = 2: the alchemical path has one gate",
        ),
        (
            alchemical(coordinate={"leaving": "ion_pair"}, model={"solvent": "toluene"}),
            '[coordinate] leaving = "ion_pair": with its charges scaled down',
        ),
        (
            alchemical(model={"ligand": "oleate", "gap_nm": 6.0}),
            "[model] ligand = 'oleate' binds as anion: the alchemical path is for cations",
        ),
    ],
)
def test_what_the_alchemical_path_cannot_do_is_refused(
    raw: dict, expected: str, tmp_path: Path
) -> None:
    assert expected in refusal(raw, tmp_path)


def test_unknown_sections_and_missing_keys_are_refused(tmp_path: Path) -> None:
    assert "unknown section or key [modle]" in refusal({"modle": {}}, tmp_path)
    assert "must be a section" in refusal(TINY | {"sampling": 3}, tmp_path)
    assert "[model] solvent is missing" in refusal(
        {"model": {k: v for k, v in TINY["model"].items() if k != "solvent"}}, tmp_path
    )
    assert "[model] is missing" in refusal({}, tmp_path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"this is = = not toml", "is not TOML"),
        (b"n = " + b"9" * 5000, "is not TOML"),
        (b"n = " + b"[" * 5000, "is not TOML"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        (None, "write one with: halobind new"),
    ],
)
def test_unreadable_files_are_refused(content: bytes | None, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "campaign.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CampaignError, match=expected):
        load_campaign(path)


def test_a_byte_order_mark_and_brackets_in_the_path_are_fine(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "c[bold] [/x]"
    assert main(["new", str(folder)]) == 0
    path = folder / "campaign.toml"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert main(["plan", str(folder)]) == 0
    assert "c[bold]" in capsys.readouterr().out.split("wrote", 1)[1].split("\n", 2)[2]
    assert main(["plan", str(path)]) == 1
    assert "name the directory that holds campaign.toml" in capsys.readouterr().err
