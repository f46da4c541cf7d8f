"""What would take hours, or more memory than there is, is refused at once, in one line."""

from pathlib import Path

import pytest

from halobind.pipeline.campaign import load
from halobind.pipeline.campaign.load import load_campaign, load_ligands, parse_campaign
from halobind.pipeline.campaign.run_directory import Run, runs_of
from halobind.pipeline.campaign.settings import CampaignError
from halobind.pipeline.workflow.checks import check_runs
from halobind.structures.molecules.user_ligands import guessed_ligand

MODEL = {
    "perovskite": "CsPbBr3",
    "cells": "4x4x1",
    "ligand": "DA",
    "solvent": "acetone",
    "gap_nm": 3.0,
}


def refusal(content: dict[str, object]) -> str:
    """The one line that a campaign is refused with."""
    with pytest.raises(CampaignError) as refused:
        parse_campaign(content, "campaign.toml")
    (line,) = str(refused.value).splitlines()
    return line


@pytest.mark.parametrize("cells", ["999x999x999", "300x300x300"])
def test_a_huge_crystal(cells: str) -> None:
    line = refusal({"model": MODEL | {"cells": cells}})
    assert "unit cells, more than the limit of 100,000" in line
    assert "HALOBIND_MAX_UNIT_CELLS=" in line


def test_a_crowd_of_dissolved_ions() -> None:
    line = refusal({"model": MODEL | {"dissolved": {"Cs": 10**9, "Br": 10**9}}})
    assert "HALOBIND_MAX_DISSOLVED=2000000000" in line


def test_a_grid_of_millions() -> None:
    values = [3.0 + k / 1000 for k in range(1000)]
    temperatures = [300.0 + k / 10 for k in range(2000)]
    content = {"model": MODEL | {"gap_nm": values}, "simulation": {"temperature_K": temperatures}}
    assert "2000000 runs, more than the limit of 2,000" in refusal(content)


def test_replicas_count_as_runs() -> None:
    content = {
        "model": MODEL | {"gap_nm": [3.0 + k / 1000 for k in range(30)]},
        "sampling": {"replicas": 100},
    }
    assert "3000 runs" in refusal(content)


def test_the_environment_raises_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALOBIND_MAX_UNIT_CELLS", "10")
    assert "limit of 10:" in refusal({"model": MODEL})
    monkeypatch.setenv("HALOBIND_MAX_UNIT_CELLS", "16")
    assert parse_campaign({"model": MODEL}, "campaign.toml").specs


@pytest.mark.parametrize(
    "sampling", [{"segments": 10000}, {"segments": 10000, "method": "metadynamics"}]
)
def test_segments_without_end(tmp_path: Path, sampling: dict[str, object]) -> None:
    content = {"model": MODEL, "sampling": sampling, "metadynamics": {"walkers": 1000}}
    campaign = parse_campaign(content, "campaign.toml")
    runs: list[Run] = runs_of(tmp_path, campaign)
    with pytest.raises(CampaignError, match="HALOBIND_MAX_SEGMENTS="):
        check_runs(runs, campaign)


def written(folder: Path, line: str) -> Path:
    path = folder / "campaign.toml"
    path.write_text(f"[model]\n{line}\n")
    return path


@pytest.mark.parametrize(
    "line",
    [
        "gap_nm = " + "9" * 5000,
        "gap_nm = 0x" + "f" * 5000,
        "cells = 0b" + "1" * 50000,
        "gap_nm = [1, 0x" + "f" * 5000 + "]",
        "coating = {face = {DA = 0x" + "f" * 5000 + "}}",
    ],
)
def test_whole_numbers_that_cannot_be_printed(tmp_path: Path, line: str) -> None:
    with pytest.raises(CampaignError) as refused:
        load_campaign(written(tmp_path, line))
    assert len(str(refused.value).splitlines()) == 1
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/random"])
def test_a_file_without_end(device: str) -> None:
    for read in (load_campaign, load_ligands):
        with pytest.raises(CampaignError, match="it is not a campaign file"):
            read(Path(device))


def test_every_line_end_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "campaign.toml"
    path.write_bytes(
        b"\xef\xbb\xbf[ligands.X]\r\nsmiles = 'CC[NH3+]'\nmode = 'cation'\rcharge = 1\n"
    )
    assert list(load_ligands(path)) == ["X"]
    monkeypatch.setattr(load, "MAX_FILE_BYTES", 10)
    with pytest.raises(CampaignError, match="more than 10 bytes"):
        load_ligands(path)


@pytest.mark.parametrize("smiles", ["C" * 5000 + "[NH3+]", "C" * 600 + "N"])
def test_a_ligand_of_thousands_of_atoms(smiles: str) -> None:
    with pytest.raises(
        ValueError, match=r"heavy atoms, more .* HALOBIND_MAX_HEAVY_ATOMS="
    ) as refused:
        guessed_ligand("X", smiles)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("value", ["a" * 10_000, [k / 7 for k in range(3000)], [["a" * 5000]] * 9])
@pytest.mark.parametrize("key", ["perovskite", "cells", "ligand", "solvent", "gap_nm", "sized"])
def test_a_huge_value_is_refused_in_a_short_line(key: str, value: object) -> None:
    with pytest.raises(CampaignError) as refused:
        parse_campaign({"model": MODEL | {key: value}}, "campaign.toml")
    assert max(map(len, str(refused.value).splitlines())) < 1500
