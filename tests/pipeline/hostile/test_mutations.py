"""Campaign files that somebody, or something, got wrong: each is planned or refused in a few plain lines, at once."""

import os
import random
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from halobind.pipeline.commands.cli import main
from tests.pipeline.tiny import CAMPAIGN

pytestmark = pytest.mark.hostile

SHIPPED = resources.files("halobind.pipeline.commands") / "campaigns"
VALUES = (
    "nan", "inf", "-inf", "-1", "0", "1e308", "1e-320", "9" * 400, "9" * 5000, "0x" + "f" * 5000, "0b" + "1" * 20000, "true", '""', "[]",
    "[[]]", "{}", "[1, 1]", '["a", 1]', "1979-05-27", "07:32:00", '"\\u0000"', '"' + "a" * 10_000 + '"', '"../../etc"', '"ü"', '"999x999x999"',
    '"1x1x1"', '"300x300x300"', '"-4x4x4"', '"4x4x4x4"', '"4X4x4"', "[0.0, 1e9]", "1_000", "+1.0", "-0.0",
    "[" + ", ".join(str(k / 7) for k in range(1, 3000)) + "]",
)  # fmt: skip
SHAPES = (
    "[model]\n" * 2, "[[model]]\n", "model = 1\n", "", "\n" * 1000, "\ufeff", "=", "[model", "a.b.c.d.e = 1\n", "[ligands.DA]\nsmiles = 'C'\n",
    "[ligands.'']\n", "[ligands.\"a/b\"]\nsmiles = 'CC[NH3+]'\nmode = 'cation'\ncharge = 1\n", "x = " + "[" * 500 + "]" * 500 + "\n",
)  # fmt: skip


def mutated(text: str, seed: int) -> str:
    """`text` with one to three things wrong."""
    choice = random.Random(seed)
    lines = text.splitlines()
    for _ in range(choice.randint(1, 3)):
        number = choice.randrange(len(lines))
        key, equals, _ = lines[number].partition("=")
        kind = choice.randrange(7)
        if kind <= 2 and equals:
            lines[number] = f"{key}= {choice.choice(VALUES)}"
        elif kind == 3:
            del lines[number]
        elif kind == 4:
            lines.insert(choice.randrange(len(lines) + 1), lines[number])
        elif kind == 5:
            lines.insert(number, choice.choice(SHAPES).rstrip("\n"))
        else:
            position = choice.randrange(len(lines[number]) + 1)
            lines[number] = (
                lines[number][:position]
                + choice.choice("[]={}\"'\\#\x00\x7f€")
                + lines[number][position:]
            )
    return "\n".join(lines) + "\n"


def campaigns() -> Iterator[tuple[str, str]]:
    """(name, text) of everything that is tried."""
    for seed in range(400):
        yield f"tiny-{seed}", mutated(CAMPAIGN, seed)
    for name in ("demo.toml", "standard.toml"):
        text = (SHIPPED / name).read_text(encoding="utf-8")
        for seed in range(60):
            yield f"{name}-{seed}", mutated(text, seed)
    for number, shape in enumerate(SHAPES):
        yield f"shape-{number}", shape
        yield f"before-{number}", shape + CAMPAIGN
        yield f"after-{number}", CAMPAIGN + shape


@pytest.mark.parametrize("part", range(8))
def test_every_campaign_file_is_planned_or_refused(
    part: int, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for number, (name, text) in enumerate(campaigns()):
        if number % 8 != part:
            continue
        folder = tmp_path / name
        folder.mkdir()
        (folder / "campaign.toml").write_text(text, encoding="utf-8", newline="")
        code = main(["plan", str(folder)])  # an exception that comes out here fails the test
        said = capsys.readouterr()
        assert code in (0, 1), name
        if code == 1:
            assert said.err and len(said.err) < 5000 and said.err.count("\n") <= 12, (
                f"{name}: {said.err[:5000]}"
            )
            assert not re.search(r"\b(NoneType|Traceback|object at 0x)", said.err), (
                f"{name}: {said.err}"
            )
        assert not (folder / "runs").exists(), name


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\x00", b"\x00" * 100, b"[model]\nligand = '\xe9'\n", b"[model]\r\nperovskite = 'CsPbBr3'\r\n", b"\x1b[31m"],
)  # fmt: skip
def test_campaign_files_that_are_no_utf_8_text(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "campaign.toml").write_bytes(content)
    assert main(["plan", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert str(tmp_path) in said and said.count("\n") <= 4


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/random", "/dev/null"])
def test_devices_are_no_campaign_files(
    device: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "campaign.toml").symlink_to(device)
    assert main(["plan", str(tmp_path)]) == 1
    assert str(tmp_path) in capsys.readouterr().err


def test_a_campaign_file_that_would_be_waited_for_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    os.mkfifo(tmp_path / "campaign.toml")
    assert main(["plan", str(tmp_path)]) == 1
    assert "is not a file" in capsys.readouterr().err
