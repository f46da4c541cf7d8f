"""What is refused before anything is computed."""

from pathlib import Path

import pytest

from halobind.pipeline.commands.cli import main


@pytest.mark.parametrize(
    ("pack", "change", "message"),
    [
        ("balestra", {}, "cannot make the shape slab AX of 4x4x1 cells neutral"),
        ("myp", {"perovskite": "MAPbBr3"}, "sum to +3.3896 e; use pack = 'bond-increment'"),
        (
            "pascazio-primary",
            {"ligand": "DMDDA"},
            "none of its heads: primary ammonium R-NH3+; use pack = 'bond-increment'",
        ),
        (
            "pascazio-primary",
            {"perovskite": "MAPbBr3"},
            "has no parameters for MAPbBr3; it has CsPbBr3; use pack = 'bond-increment'",
        ),
        ("pascazio-primary", {"ligand": "oleate"}, "not made for oleate, a ligand bound as anion"),
        (
            "bond-increment",
            {"dissolved": {"Cs": 1, "I": 1}},
            "no parameters for the ion I; it has Cs, Pb, Br; no pack can: change the model",
        ),
    ],
)
@pytest.mark.parametrize("verb", ["plan", "run", "build"])
def test_what_a_pack_cannot_do_is_refused_by_every_verb(
    verb: str, pack: str, change: dict, message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    model = {
        "perovskite": "CsPbBr3",
        "cells": "4x4x1",
        "ligand": "DA",
        "solvent": "acetone",
        "gap_nm": 6.0,
    } | change
    dissolved = model.pop("dissolved", {})
    lines = [
        "[model]",
        *(f"{key} = {value!r}" for key, value in model.items()),
        *(f"dissolved.{k} = {n}" for k, n in dissolved.items()),
    ]
    (tmp_path / "campaign.toml").write_text("\n".join([*lines, "[forcefield]", f"pack = {pack!r}"]))
    assert main([verb, str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert f"force field '{pack}' " in captured.err and message in captured.err and not captured.out
    assert list(tmp_path.iterdir()) == [tmp_path / "campaign.toml"]  # nothing was built or begun


def test_unwritable_directory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    main(["new", str(tmp_path / "c")])
    monkeypatch.setattr(
        "os.access", lambda *_: False
    )  # root may write anywhere, so the permission itself proves nothing there
    assert main(["run", str(tmp_path / "c")]) == 1
    assert "is not writable; change its permissions" in capsys.readouterr().err
