"""The identity of runs: it follows from settings and numbers, never from how files are written."""

import json
import re
import shutil
from pathlib import Path

import pytest

from halobind.forcefields.packs import pack as packs
from halobind.forcefields.packs.molecule_library import SHIPPED_MOLECULES
from halobind.pipeline.campaign.load import load_campaign, parse_campaign
from halobind.pipeline.campaign.run_directory import (
    derived_seed,
    runs_of,
    user_molecules_folder,
    write_record,
)
from halobind.pipeline.campaign.settings import CampaignError
from tests.pipeline import tiny
from tests.pipeline.campaigns import TINY, with_key

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
    content = SHIPPED_MOLECULES.path("DA").read_text(encoding="utf-8")
    content = content.replace('"DA', '"mine')
    path.write_text(content)
    before = run_id(tmp_path)
    path.write_text(content.replace("<Guessed>none", "<!-- a remark --><Guessed>nothing"))
    assert run_id(tmp_path) == before
    path.write_text(content.replace('mass="12.01"', 'mass="12.011"'))
    assert run_id(tmp_path) != before


def test_physics_is_identity_and_amount_is_not(tmp_path: Path) -> None:
    def ids(raw: dict) -> list[str]:
        return [run.id for run in runs_of(tmp_path, parse_campaign(raw, "x"))]

    first = ids(TINY)
    assert (
        first[0].startswith("CsPbBr3-slab-DA-acetone-r0-") and len(first[0].rsplit("-", 1)[1]) == 8
    )
    for section, key, value in (
        ("sampling", "segments", 9),
        ("windows", "spacing_nm", 0.05),
        ("estimate", "bin_nm", 0.03),
    ):
        assert ids(with_key(section, key, value)) == first
    for section, key, value in (
        ("forcefield", "cutoff_nm", 1.0),
        ("model", "gap_nm", 3.1),
        ("simulation", "temperature_K", 301.0),
    ):
        assert ids(with_key(section, key, value)) != first


def test_seeds_are_derived_and_differ() -> None:
    seeds = [derived_seed("run", "windows/z+0.100-k2000", f"seg-{k:03d}") for k in range(1000)]
    assert len(set(seeds)) == 1000 and min(seeds) > 0 and max(seeds) < 2**31
    assert derived_seed("a", "b") == derived_seed("a", "b") != derived_seed("a", "c")


def test_an_edited_run_is_refused(tmp_path: Path) -> None:
    campaign = parse_campaign(TINY, "x")
    run = runs_of(tmp_path, campaign)[0]
    write_record(run)
    assert runs_of(tmp_path, campaign)[0].id == run.id
    path = run.folder / "run.json"
    record = json.loads(path.read_text())
    for change in (
        {"spec": record["spec"] | {"replica": 5}},
        {"id": "other"},
        {"forcefield_files": {}},
        {"spec": None},
    ):
        path.write_text(json.dumps(record | change))
        with pytest.raises(CampaignError, match="was edited"):
            runs_of(tmp_path, campaign)
    path.write_text("{")
    with pytest.raises(CampaignError, match="move .* away"):
        runs_of(tmp_path, campaign)


def test_a_molecule_file_with_a_script_is_refused_when_a_campaign_is_read(tmp_path: Path) -> None:
    text = tiny.edited(('ligand = "DA"', 'ligand = "mine"')) + SECTION
    (tmp_path / "campaign.toml").write_text(text, encoding="utf-8")
    path = user_molecules_folder(tmp_path) / "mine.xml"
    path.parent.mkdir()
    content = SHIPPED_MOLECULES.path("DA").read_text(encoding="utf-8").replace('"DA', '"mine')
    path.write_text(content.replace("</ForceField>", "<Script>print(1)</Script></ForceField>"))
    with pytest.raises(CampaignError, match=r"mine\.xml has the element <Script>"):
        run_id(tmp_path)
