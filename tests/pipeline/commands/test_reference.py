"""The verb that fills the table of reference energies: resuming, shared work, errors, refusals."""

from pathlib import Path

import pytest

from halobind.forcefields.validation.dft_comparison import ComparedPoint
from halobind.forcefields.validation.dft_points import PocketEnergy, Point, standard_points
from halobind.jobs.claims import claim
from halobind.pipeline.campaign.settings import CampaignError
from halobind.pipeline.commands.cli import main
from halobind.pipeline.commands.dft_comparison import comparison_text
from halobind.pipeline.commands.dft_reference import (
    ReferenceOptions,
    chosen_points,
    fill_table,
    lock_of,
    read_rows,
)

POINTS = [Point("MA", 0.0), Point("MA", 0.1), Point("Cs", 0.0)]


class Computer:
    """Gives -1 kJ/mol, and remembers what it was asked for."""

    def __init__(self, breaks_at: tuple[str, float] | None = None) -> None:
        self.points: list[tuple[str, float]] = []
        self.breaks_at = breaks_at

    def energy(self, head: str, height_nm: float) -> PocketEnergy:
        self.points.append((head, height_nm))
        if (head, height_nm) == self.breaks_at:
            raise RuntimeError("pbe0 does not converge in 60 cycles")
        return PocketEnergy(-1.0, -0.2, 1.0)


def test_what_the_table_holds_is_not_computed_again(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    assert fill_table(table, POINTS[:1], Computer().energy) == 0
    computer = Computer()
    assert fill_table(table, POINTS, computer.energy) == 0
    assert computer.points == [("MA", 0.1), ("Cs", 0.0)]
    assert [row["head"] for row in read_rows(table)] == ["MA", "MA", "Cs"]


def test_a_point_is_in_the_table_before_the_next_one_begins(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    n_rows: list[int] = []

    def energy(head: str, height_nm: float) -> PocketEnergy:
        n_rows.append(len(read_rows(table)))
        return Computer().energy(head, height_nm)

    fill_table(table, POINTS, energy)
    assert n_rows == [0, 1, 2]


def test_a_point_of_another_process_is_left_to_it(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    computer = Computer()
    with claim(lock_of(table, POINTS[0])) as is_ours:
        assert is_ours
        fill_table(table, POINTS, computer.energy)
    assert computer.points == [("MA", 0.1), ("Cs", 0.0)]


def test_two_processes_share_the_points_and_lose_none(tmp_path: Path) -> None:
    """The second one begins while the first computes its first point."""
    table = tmp_path / "table.csv"
    second = Computer()

    def energy(head: str, height_nm: float) -> PocketEnergy:
        if not second.points:
            fill_table(table, POINTS, second.energy)
        return Computer().energy(head, height_nm)

    fill_table(table, POINTS, energy)
    assert second.points == [("MA", 0.1), ("Cs", 0.0)]
    assert len(read_rows(table)) == 3


def test_a_point_that_does_not_converge_is_told_and_tried_again(tmp_path: Path, capsys) -> None:
    table = tmp_path / "table.csv"
    assert fill_table(table, POINTS, Computer(breaks_at=("MA", 0.1)).energy) == 1
    assert "pbe0 does not converge in 60 cycles" in capsys.readouterr().err
    assert len(read_rows(table)) == 2
    computer = Computer()
    assert fill_table(table, POINTS, computer.energy) == 0
    assert computer.points == [("MA", 0.1)]


def test_comments_of_a_table_stay(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    fill_table(table, POINTS[:1], Computer().energy)
    table.write_text("# where it is from\n" + table.read_text(encoding="utf-8"), encoding="utf-8")
    fill_table(table, POINTS, Computer().energy)
    assert table.read_text(encoding="utf-8").startswith("# where it is from\nsite,head")
    assert len(read_rows(table)) == 3


def test_another_table_is_refused_and_kept(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(CampaignError, match="name another one with --out"):
        fill_table(table, POINTS, Computer().energy)
    assert table.read_text(encoding="utf-8") == "a,b\n1,2\n"


def test_points_are_those_of_the_options() -> None:
    out = Path("table.csv")
    assert chosen_points(ReferenceOptions(out)) == standard_points()
    of_a_head = chosen_points(ReferenceOptions(out, head="Cs"))
    assert {point.head for point in of_a_head} == {"Cs"}
    assert len(of_a_head) == 5
    one = chosen_points(ReferenceOptions(out, "Cs", (0.3,), functional="b3lyp"))
    assert [(point.height_nm, point.method.functional) for point in one] == [(0.3, "b3lyp")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--head", "nobody"], "there is no head 'nobody'; choose one of MA"),
        (["--height", "0.1"], "name it with --head"),
    ],
)
def test_unknown_points_are_refused(arguments: list[str], message: str, capsys) -> None:
    assert main(["reference", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_the_comparison_says_how_much_too_strongly_a_pack_binds() -> None:
    point = ComparedPoint("MA", -0.05, "PBE0-D3(BJ)", -100.0, {"a": -110.0, "b": float("nan")})
    line = comparison_text([point]).splitlines()[-1]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == ["MA", "-0.05", "PBE0-D3(BJ)", "-100", "-110 (+10 %)", "-"]


def test_a_point_without_a_reference_is_shown_all_the_same() -> None:
    point = ComparedPoint("MA", -0.05, "PBE0-D3(BJ)", float("nan"), {"a": -110.0})
    line = comparison_text([point]).splitlines()[-1]
    assert [cell.strip() for cell in line.strip("|").split("|")][3:] == ["-", "-110"]
