"""Trial packs against the same targets: what a trial changes, the order of the checks, the table,
resuming, refusals.
"""

import math
from pathlib import Path

import pytest

from halobind.forcefields.packs.pack import load_pack
from halobind.forcefields.packs.pairs import pair_for
from halobind.forcefields.validation.check_rows import (
    Check,
    Measurement,
    Result,
    RowName,
    Target,
    judge,
)
from halobind.forcefields.validation.trials import (
    Trial,
    Trials,
    load_trials,
    surface_part,
    trial_pack,
)
from halobind.pipeline.commands import pack_calibration as module
from halobind.pipeline.commands.cli import main

PACK, TRIALS = load_pack("bond-increment"), load_trials()


def test_a_trial_changes_what_it_says_and_nothing_else() -> None:
    trial = Trial(charge_scale=0.7, repulsion={"Br-Pb": 0.755, "Br-N": 2.0})
    made = trial_pack(PACK, trial, TRIALS, {"CsPbBr3": 0.5861})
    assert made.charges.charge_scale == 0.7 and made.charges.t == PACK.charges.t
    assert made.lattice_nm == {**PACK.lattice_nm, "CsPbBr3": 0.5861}
    assert pytest.approx(96.48533212 * 6446.9831 * 0.755, rel=1e-6) == pair_for(made, "Pb", "Br").A
    assert pytest.approx(4.184 * 94836.351975893 * 2, rel=1e-9) == pair_for(made, "Br", "n4").A
    assert pytest.approx(4.184 * 94836.351975893, rel=1e-9) == pair_for(made, "Br", "c3:n4").A
    assert pair_for(made, "Pb", "Br").B == pair_for(PACK, "Pb", "Br").B and pair_for(
        made, "Br", "Br"
    ) == pair_for(PACK, "Br", "Br")


def test_the_default_pack_is_one_of_the_trials() -> None:
    made = [trial_pack(PACK, trial, TRIALS) for trial in TRIALS.trial]
    kinds = [("Pb", "Br"), ("Br", "n4"), ("Br", "c3:n4")]
    numbers = [
        (pack.charges.charge_scale, *(round(pair_for(pack, *kind).A, 1) for kind in kinds))
        for pack in (PACK, *made)
    ]
    assert numbers[0] in numbers[1:]


def test_a_trial_of_a_pair_without_a_source_is_refused() -> None:
    with pytest.raises(ValueError, match="Br-Cs, which source_A does not name"):
        Trials(source_A={"Br-Pb": 1.0}, trial=(Trial(charge_scale=1.0, repulsion={"Br-Cs": 2.0}),))


def test_heads_are_measured_in_a_solvent() -> None:
    systems = [check.system for check in surface_part(PACK) if check.name == "pocket-pmf"]
    assert systems == [
        "MA in acetone",
        "dimethylammonium in acetone",
        "tetramethylammonium in acetone",
    ]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """Stands in for the checks: (charge_scale, lattice constant) of every check that ran."""
    seen: list[tuple[float, float]] = []

    def lattice(pack, _engine) -> Result:
        seen.append((pack.charges.charge_scale, pack.lattice_nm["CsPbBr3"]))
        value = 0.57 + 0.02 * pack.charges.charge_scale
        return Result(
            (
                judge(
                    RowName("lattice", "CsPbBr3", "a(300 K)"),
                    Measurement(value, 0.0001),
                    Target(0.584, 0.003, "nm", "here"),
                ),
            )
        )

    def heads(pack, _engine) -> Result:
        seen.append((pack.charges.charge_scale, pack.lattice_nm["CsPbBr3"]))
        rows = (
            judge(
                RowName("heads", "MA", "depth"),
                Measurement(-100 * pack.charges.charge_scale, 3.0),
                Target(-60.0, 10.0, "kJ/mol", "here"),
            ),
            judge(
                RowName("heads", "MA", "told only"),
                Measurement(1.0, 0.1),
                Target(math.nan, math.nan, "", ""),
            ),
        )
        return Result(rows)

    monkeypatch.setattr(
        module, "bulk_part", lambda pack: [Check("lattice", "CsPbBr3", {}, (), lattice)]
    )
    monkeypatch.setattr(module, "surface_part", lambda pack: [Check("heads", "MA", {}, (), heads)])
    return seen


def test_slabs_are_built_at_the_measured_lattice_and_nothing_is_done_twice(
    runs, tmp_path: Path, capsys
) -> None:
    assert main(["validate", "bond-increment", "--calibrate", "--out", str(tmp_path)]) == 0
    scales = [trial.charge_scale for trial in TRIALS.trial]
    assert runs == [
        pair
        for s in scales
        for pair in ((s, PACK.lattice_nm["CsPbBr3"]), (s, round(0.57 + 0.02 * s, 4)))
    ]
    text = (tmp_path / "calibration.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out.strip() == text.strip()
    assert "| depth, MA | -60 ± 10 kJ/mol | -75 ± 3 (-1.5) |" in text and "told only" not in text
    first = (0.585 - 0.584) / 0.003
    assert f"sum of squared misses over 2 quantities | | {first**2 + 1.5**2:.1f} |" in text
    count = len(runs)
    assert main(["validate", "bond-increment", "--calibrate", "--out", str(tmp_path)]) == 0
    assert len(runs) == count


@pytest.mark.parametrize("pack", ["myp", "pascazio-primary"])
def test_packs_without_bond_increments_are_refused(runs, pack: str, tmp_path: Path, capsys) -> None:
    assert main(["validate", pack, "--calibrate", "--out", str(tmp_path)]) == 1
    assert "has no bond increments or no Buckingham row" in capsys.readouterr().err and not runs
