"""`halobind report`: where the page is, what is refused, and what is missing is said."""

from pathlib import Path

import pytest

from halobind.pipeline.campaign.settings import CampaignError
from halobind.pipeline.commands.cli import main
from halobind.pipeline.report import plots
from tests.pipeline import tiny


def test_what_is_missing_is_named_with_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plots, "NEEDED", ("json", "no_such_library"))
    with pytest.raises(CampaignError, match=r"no_such_library, .*pip install .*report"):
        plots.check_installed()


def test_a_campaign_without_a_sample_has_a_page(tmp_path: Path, capsys) -> None:
    pytest.importorskip("plotly", reason="the extra `report` is not installed")
    campaign = tiny.new(tmp_path / "c")
    out = tmp_path / "new" / "page.html"
    assert main(["report", str(campaign), "--out", str(out), "--unit", "kcal"]) == 0
    assert str(out) in capsys.readouterr().out
    text = out.read_text(encoding="utf-8")
    assert "kcal/mol" in text and "default-src 'none'" in text and "not finished" in text
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert main(["report", str(campaign), "--out", str(blocked / "page.html")]) == 1
    assert "choose another --out" in capsys.readouterr().err
