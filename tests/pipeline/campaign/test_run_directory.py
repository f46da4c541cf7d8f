"""The identity of runs: it follows from settings and numbers, never from how files are written."""

import re
import shutil
from pathlib import Path

import pytest

from halobind.forcefields.packs import pack as packs
from halobind.pipeline.campaign.load import load_campaign
from halobind.pipeline.campaign.run_directory import runs_of, user_molecules_folder
from tests.pipeline import tiny

SECTION = '[ligands.mine]\nsmiles = "CCCCCCCCCCCC[NH3+]"\nmode = "cation"\ncharge = 1\n'


def run_id(campaign: Path) -> str:
    return runs_of(campaign, load_campaign(campaign / "campaign.toml"))[0].id


def test_only_numbers_of_a_pack_rename_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "packs"
    shutil.copytree(str(packs.PACKS_FOLDER), folder)
    monkeypatch.setattr(packs, "PACKS_FOLDER", folder)
    (tmp_path / "campaign.toml").write_text(tiny.CAMPAIGN, encoding="utf-8")
    before = run_id(tmp_path)
    path = folder / "bond-increment.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text("# A remark.\n" + re.sub(r'source = "', 'source = "New: ', text))
    assert run_id(tmp_path) == before
    path.write_text(text.replace("charge_scale = 0.75", "charge_scale = 0.76"))
    assert run_id(tmp_path) != before


def test_only_numbers_of_a_molecule_rename_a_run(tmp_path: Path) -> None:
    text = tiny.edited(('ligand = "DA"', 'ligand = "mine"')) + SECTION
    (tmp_path / "campaign.toml").write_text(text, encoding="utf-8")
    path = user_molecules_folder(tmp_path) / "mine.xml"
    path.parent.mkdir()
    content = packs.molecule_file("DA").read_text(encoding="utf-8")
    content = content.replace('"DA', '"mine')
    path.write_text(content)
    before = run_id(tmp_path)
    path.write_text(content.replace("<Guessed>none", "<!-- a remark --><Guessed>nothing"))
    assert run_id(tmp_path) == before
    path.write_text(content.replace('mass="12.01"', 'mass="12.011"'))
    assert run_id(tmp_path) != before
