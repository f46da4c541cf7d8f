"""The verb: resume, errors as rows, formats of the table, refusals."""

import csv
import json
import math
from pathlib import Path

import pytest

from halobind.forcefields.packs.pack import load_pack
from halobind.forcefields.validation.check_rows import (
    Check,
    CheckRow,
    Measurement,
    Result,
    RowName,
    Target,
    judge,
    make_row,
)
from halobind.jobs.claims import claim
from halobind.pipeline.commands import pack_validation as module
from halobind.pipeline.commands.cli import main
from halobind.pipeline.commands.validation_table import draw, rows_csv, rows_json, rows_markdown

TARGET = Target(1.0, 0.1, "nm", "a source")


class Counted:
    """Two checks, one of which breaks while `broken`."""

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.broken = True

    def checks(self, _pack, quick: bool) -> list[Check]:
        return [self.check("lattice", quick), self.check("pocket", quick)]

    def check(self, name: str, quick: bool) -> Check:
        def run(_pack, _engine) -> Result:
            self.runs.append(name)
            if name == "pocket" and self.broken:
                raise ValueError("two atoms\noverlap")
            curves = (
                {"bond-increment|gas|MA": ([0.0, 0.1], [-1.0, -2.0])} if name == "pocket" else {}
            )
            return Result(
                (
                    judge(
                        RowName(name, "CsPbBr3", "a"),
                        Measurement(1.01, math.nan if quick else 0.01),
                        TARGET,
                        "a note",
                    ),
                ),
                curves,
            )

        return Check(name, "CsPbBr3", {"quick": quick}, (), run)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    made = Counted()
    monkeypatch.setattr(module, "checks", made.checks)
    return made


def test_errors_are_rows_the_rest_goes_on_and_nothing_is_done_twice(
    counted: Counted, tmp_path: Path, capsys
) -> None:
    assert main(["validate", "bond-increment", "--out", str(tmp_path)]) == 1
    assert "error: two atoms overlap" in capsys.readouterr().out
    record = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))
    assert [row["verdict"] for row in record["rows"]] == ["pass", "error: two atoms overlap"]
    counted.broken = False
    assert main(["validate", "bond-increment", "--out", str(tmp_path)]) == 0
    assert counted.runs == [
        "lattice",
        "pocket",
        "pocket",
    ]  # what failed is tried again, what is done is not
    assert main(["validate", "bond-increment", "--out", str(tmp_path), "--only", "lattice"]) == 0
    assert counted.runs == ["lattice", "pocket", "pocket"]
    assert (tmp_path / "pocket.png").read_bytes().startswith(b"\x89PNG")


def test_quick_results_are_not_full_ones(counted: Counted, tmp_path: Path, capsys) -> None:
    counted.broken = False
    assert main(["validate", "bond-increment", "--out", str(tmp_path), "--quick"]) == 0
    assert "bond-increment, quick" in capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "table-quick.csv").open(encoding="utf-8")))
    assert {row["amount"] for row in rows} == {"quick"} and {row["verdict"] for row in rows} == {
        "not converged"
    }
    assert main(["validate", "bond-increment", "--out", str(tmp_path)]) == 0
    assert len(counted.runs) == 4


def test_a_check_that_another_process_holds_is_pending(counted: Counted, tmp_path: Path) -> None:
    counted.broken = False
    pack = load_pack("bond-increment")
    held = module.product(tmp_path, pack, counted.check("lattice", False))
    with claim(held.with_suffix(".lock")):
        assert main(["validate", "bond-increment", "--out", str(tmp_path)]) == 0
    assert counted.runs == ["pocket"]
    assert "pending: another process" in (tmp_path / "table.md").read_text(encoding="utf-8")


def test_a_damaged_result_is_named(counted: Counted, tmp_path: Path, capsys) -> None:
    counted.broken = False
    assert main(["validate", "bond-increment", "--out", str(tmp_path)]) == 0
    damaged = next((tmp_path / "checks").glob("lattice-*.json"))
    damaged.write_text(damaged.read_text(encoding="utf-8")[:50], encoding="utf-8")
    assert main(["validate", "bond-increment", "--out", str(tmp_path)]) == 1
    assert f"{damaged} cannot be read" in capsys.readouterr().err


def test_results_survive_the_file(counted: Counted, tmp_path: Path) -> None:
    counted.broken = False
    for _ in range(2):
        assert main(["validate", "bond-increment", "--out", str(tmp_path), "--quick"]) == 0
    record = json.loads((tmp_path / "table-quick.json").read_text(encoding="utf-8"))
    assert record["rows"][0]["error"] is None and record["rows"][0]["value"] == 1.01


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-pack"], "there is no force field 'no-pack'; choose one of "),
        (
            ["bond-increment", "--only", "lattice", "colour"],
            "there is no check 'colour'; choose one of lattice, elastic, ",
        ),
        (["bond-increment", "--out", "FILE"], "is not a directory that can be written to"),
    ],
)
def test_bad_input_is_refused_in_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    arguments = [str(tmp_path / "file" / "out") if word == "FILE" else word for word in arguments]
    assert main(["validate", *arguments]) == 1
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1


def test_tables_show_every_row_and_keep_the_digits() -> None:
    rows = [
        judge(RowName("lattice", "CsPbBr3", "a"), Measurement(1.0123456, 0.0123), TARGET, "24 ps"),
        judge(
            RowName("pocket", "MA", "minimum"),
            Measurement(0.05, 0.0),
            TARGET,
            "24 ps",
            sampled=False,
        ),
        make_row(RowName("heads", "all", "all"), "not claimed", "bulk only"),
    ]
    text = rows_markdown(rows, "test, quick")
    assert "1.012 ± 0.012" in text and "1 ± 0.1" in text and "1. 24 ps\n2. bulk only" in text
    assert "| not claimed [2] |" in text and "1 pass, 1 fail, 1 not claimed" in text
    width = {len(line) for line in text.splitlines() if line.startswith("|")}
    assert len(width) == 1
    read = list(csv.DictReader(rows_csv(rows, True).splitlines()))
    assert (
        float(read[0]["value"]) == 1.0123456
        and read[2]["value"] == ""
        and set(read[0]) == {*CheckRow.__dataclass_fields__, "amount"}
    )
    assert json.loads(rows_json(rows, {"pack": "x"}))["rows"][2]["target"] is None


def test_reference_curves_in_a_new_environment_are_drawn(tmp_path: Path) -> None:
    draw(
        {
            "p|gas|MA": ([0.0, 0.1], [-1.0, 2.0]),
            "explicit|DMF|butylammonium": ([0.0, 0.2], [-3.0, 1.0]),
        },
        tmp_path / "a.png",
        "p",
        0.75,
    )
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
