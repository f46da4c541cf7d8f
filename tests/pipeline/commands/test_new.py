"""Campaigns from templates."""

from pathlib import Path

import pytest

from halobind.pipeline.commands.cli import main
from halobind.pipeline.commands.new import TEMPLATES, template_names


@pytest.mark.parametrize("name", template_names())
def test_shipped_campaigns_can_be_planned(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["new", str(tmp_path / "c"), "--from", name]) == 0
    assert main(["plan", str(tmp_path / "c")]) == 0
    out = capsys.readouterr().out
    assert "CsPbBr3-slab-DMDDA-acetone-r0" in out and "charge_scale 0.75" in out
    assert (tmp_path / "c" / "campaign.toml").read_text() == (
        TEMPLATES / f"{name}.toml"
    ).read_text()
    assert list((tmp_path / "c").iterdir()) == [
        tmp_path / "c" / "campaign.toml"
    ]  # planning writes nothing


def test_new_never_overwrites(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "campaign.toml").write_text("mine")
    assert main(["new", str(tmp_path)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "campaign.toml").read_text() == "mine"
