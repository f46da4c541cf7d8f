"""Verbs that only look: plan, status, doctor; and the commands that README and docs show."""

import re
import shlex
from importlib import util
from pathlib import Path

import pytest

from halobind.jobs.clusters import EXAMPLE
from halobind.pipeline.campaign.text import duration
from halobind.pipeline.commands.cli import VERBS, main
from halobind.pipeline.commands.installation import madelung_error

ROOT = Path(__file__).parents[3]


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    assert main(["new", str(tmp_path / "demo"), "--from", "demo"]) == 0
    return tmp_path / "demo"


def test_plan_shows_size_cost_and_sources(demo: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["plan", str(demo)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"DDA-acetone-r0-[0-9a-f]{8} │ +1\d\d\d │ 2.34 x 2.34 x 4.17 │ +13", out)
    for text in (
        "charge rule bond-increment (t = 0.18 e",
        "Balestra-type set",
        "MYP MAPbBr3 set",
        "Lorentz-Berthelot",
        "GAFF 1.8",
    ):
        assert text in out
    assert (
        "valid for: bulk, slab AX" in out
        and "lattice constant at 300 K: CsPbBr3 0.5846 nm, MAPbBr3 0.5921 nm; " in out
    )


def test_status_of_a_new_campaign(demo: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["status", str(demo)]) == 0
    out = capsys.readouterr().out
    assert out.count("waiting") == 3 and "0/26" in out and "(guess)" in out


def test_table_of_a_new_campaign_is_pending(demo: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["table", str(demo)]) == 0
    out = capsys.readouterr().out
    assert out.count("pending: 0 of 26 segments") >= 3
    assert (demo / "tables" / "binding.csv").is_file()


def test_doctor_passes_its_self_test(capsys: pytest.CaptureFixture) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "platform CPU        works" in out and "(ok)" in out and "openmm" in out


def test_madelung_constant_is_reached() -> None:
    assert madelung_error("Reference") < 1e-4


def test_errors_go_to_stderr_with_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for verb in ("plan", "run", "status", "table"):
        assert main([verb, str(tmp_path / "nowhere")]) == 1
        captured = capsys.readouterr()
        assert "write one with: halobind new" in captured.err and not captured.out


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.4, "4 s"), (61, "1 min 01 s"), (3661, "1 h 01 min"), (-3, "0 s")]
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def use_umbrellas(campaign_toml: Path) -> None:
    """Change the method of a new campaign."""
    text = campaign_toml.read_text(encoding="utf-8")
    text = text.replace('method = "alchemical"', 'method = "umbrella"')
    text = text.replace("exchange_group = 1000", "exchange_group = 0")
    campaign_toml.write_text(text, encoding="utf-8")


def test_commands_of_the_manual_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every `halobind` line of README and docs is accepted; the quick ones are run, in order."""
    monkeypatch.chdir(tmp_path)
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    texts = [page.read_text(encoding="utf-8") for page in pages]
    blocks = [block for text in texts for block in text.split("```")[1::2]]
    lines = list(
        dict.fromkeys(
            re.findall(r"^halobind (.+?)(?: > \S+)?(?:  +#.*)?$", "\n".join(blocks), re.MULTILINE)
        )
    )
    assert {line.split()[0] for line in lines} == set(VERBS)
    programs = util.find_spec("acpype") and util.find_spec("parmed")
    (tmp_path / "halobind").mkdir()
    (tmp_path / "halobind" / "clusters.toml").write_text(EXAMPLE, encoding="utf-8")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    computing = ("run", "build", "observe", "export", "validate", "reference")
    quick = [
        line
        for line in lines
        if not line.startswith(computing)
        and line != "submit mycampaign --cluster gpu"
        and (not line.startswith("extend") or "--dry-run" in line)
    ]
    for line in quick:
        if line.startswith("extend"):  # which is for umbrella windows
            use_umbrellas(tmp_path / "mycampaign" / "campaign.toml")
        if programs or "--name" not in line:
            assert main(shlex.split(line)) == 0, line
    (model,) = [block.removeprefix("toml\n") for block in blocks if "# cube.toml" in block]
    (tmp_path / "cube.toml").write_text(
        model.replace("5x5x5", "2x2x2").replace("mine = 12", "mine = 4").replace("= 5.0", "= 4.2"),
        encoding="utf-8",
    )
    assert main(["build", "cube.toml", "--picture", "--format", "pdb"]) == 0
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "\ndemo:" in makefile and "\ntest:" in makefile
