"""Every file of a campaign damaged in every way, under every verb that reads: no traceback, nothing else is lost."""

import random
import shutil
from pathlib import Path

import pytest

from halobind.pipeline.commands.cli import main
from tests.pipeline.tiny import copy, products, put

pytestmark = pytest.mark.hostile

READERS = ("plan", "status", "observe", "export")
DAMAGES = ("cut", "empty", "noise", "gone", "zeros", "directory", "loop", "pipe")
BOMB = '<!DOCTYPE a [<!ENTITY a "{}">{}]><State>&z;</State>'.format(
    "x" * 1000,
    "".join(f'<!ENTITY {b} "{f"&{a};" * 20}">' for a, b in zip("abcdefghij", "bcdefghijz", strict=True)),
)  # fmt: skip


def spoil(path: Path, damage: str, choice: random.Random) -> None:
    """Damage a file."""
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[: choice.randrange(1, max(2, len(content)))])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "zeros":
        path.write_bytes(bytes(len(content)))
    elif damage == "noise":
        spoiled = bytearray(content)
        for _ in range(20):
            spoiled[choice.randrange(len(spoiled))] = choice.randrange(256)
        path.write_bytes(bytes(spoiled))
    elif damage == "gone":
        path.unlink()
    else:
        put(path, damage)


def kinds_of_files(reference: Path) -> list[str]:
    """One path of each kind of file under runs/, as a pattern below the campaign."""
    stages = ("run.json", "build/*", "system/*", "equilibrate/03-nvt/*", "pull/001-*/*")
    stages += ("windows/z+0.100-k50000/seg-000/*", "estimate-*/*")
    return [f"runs/*/{stage}" for stage in stages]


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_file_of_every_product(
    damage: str, reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    choice = random.Random(damage)
    whole = copy(reference, tmp_path / "whole")
    names = [
        str(path.relative_to(whole))
        for pattern in kinds_of_files(whole)
        for path in sorted(whole.glob(pattern))
        if path.is_file()
    ]
    assert len(names) > 20
    for number, name in enumerate(names):
        campaign = copy(whole, tmp_path / str(number))
        spoil(campaign / name, damage, choice)
        before = products(campaign)
        for verb in ("table", READERS[number % len(READERS)]):
            more = ["--out", str(tmp_path / f"{number}-out")] if verb == "export" else []
            code = main([verb, str(campaign), *more])  # an exception fails the test
            said = capsys.readouterr()
            assert code in (0, 1), name
            assert "Traceback" not in said.err + said.out, f"{verb} {name}: {said.err}"
            assert max(map(len, said.err.splitlines()), default=0) < 4200, f"{verb} {name}"
        lost = before.keys() - products(campaign).keys()
        assert all("estimate-" in path for path in lost), name
        shutil.rmtree(campaign)


@pytest.mark.parametrize("file", ["state.xml", "system.xml"])
def test_an_xml_file_that_explodes_is_refused(
    file: str, reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Entities of entities, which take terabytes where they are expanded."""
    campaign = copy(reference, tmp_path / "c")
    for path in campaign.rglob(file):
        path.write_text(BOMB)
    shutil.rmtree(next(campaign.glob("runs/*/windows/z+0.100-k50000/seg-001")))
    assert main(["run", str(campaign), "--processes", "1"]) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_a_molecule_file_that_explodes_is_refused(
    reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign = copy(reference, tmp_path / "c")
    (campaign / "molecules").mkdir()
    (campaign / "molecules" / "mine.xml").write_text(BOMB)
    text = (campaign / "campaign.toml").read_text().replace('"DA"', '"mine"')
    text += '[ligands.mine]\nsmiles = "CC[NH3+]"\nmode = "cation"\ncharge = 1\n'
    (campaign / "campaign.toml").write_text(text)
    assert main(["plan", str(campaign)]) == 1
    assert "mine.xml" in capsys.readouterr().err
