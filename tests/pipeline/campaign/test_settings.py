"""Campaign files: the grid, the identity of runs, and bad input refused with the key, the value and
what to do.
"""

import json
import os
import re
import tomllib
from pathlib import Path

import pytest

from halobind.pipeline.campaign.load import load_campaign, parse_campaign
from halobind.pipeline.campaign.model_settings import ModelSection
from halobind.pipeline.campaign.run_directory import derived_seed, runs_of, write_record
from halobind.pipeline.campaign.settings import SHARED_SECTIONS, Campaign, CampaignError, RunSpec
from halobind.pipeline.commands.cli import main
from halobind.pipeline.commands.new import TEMPLATES, template_names
from halobind.pipeline.sampling.products import all_products
from halobind.pipeline.sampling.pull_steps import pull_heights, pull_steps, pulled_states
from halobind.pipeline.sampling.rounds import Round
from halobind.pipeline.sampling.walker_segments import walker_segments
from halobind.pipeline.sampling.window_segments import window_chain, windows_of
from halobind.pipeline.workflow.checks import check_runs
from halobind.pipeline.workflow.cost import check_disk, plan_run

TINY = {
    "model": {
        "perovskite": "CsPbBr3",
        "cells": "4x4x1",
        "ligand": "DA",
        "solvent": "acetone",
        "gap_nm": 3.0,
    },
    "forcefield": {"cutoff_nm": 0.9},
    "pull": {"from_nm": 0.0, "to_nm": 0.9, "step_nm": 0.1, "step_ps": 1.0},
    "windows": {"spacing_nm": 0.1},
    "sampling": {"segments": 2, "segment_ps": 2.0, "record_ps": 0.1, "frame_ps": 1.0},
}


def with_key(section: str, key: str, value: object) -> dict:
    return TINY | {section: TINY.get(section, {}) | {key: value}}


def with_hills(key: str, value: object) -> dict:
    return with_key("sampling", "method", "metadynamics") | {"metadynamics": {key: value}}


def refusal(raw: dict, folder: Path) -> str:
    with pytest.raises(CampaignError) as error:
        campaign = parse_campaign(raw, "campaign.toml")
        check_runs(runs_of(folder, campaign), campaign)
    return str(error.value)


def test_every_list_is_an_axis(tmp_path: Path) -> None:
    raw = with_key("model", "ligand", ["DA", "DDA"]) | {
        "simulation": {"temperature_K": [280, 300.0, 320]}
    }
    raw["sampling"] = TINY["sampling"] | {"replicas": 2}
    campaign = parse_campaign(raw, "x")
    assert len(campaign.specs) == 12
    assert {(s.model.ligand, s.simulation.temperature_K, s.replica) for s in campaign.specs} == {
        (ligand, t, r) for ligand in ("DA", "DDA") for t in (280, 300, 320) for r in (0, 1)
    }
    assert len({run.id for run in runs_of(tmp_path, campaign)}) == 12


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


def test_windows_span_the_pulled_path(tmp_path: Path) -> None:
    campaign = parse_campaign(TINY, "x")
    run = runs_of(tmp_path, campaign)[0]
    heights, windows = pull_heights(run), list(windows_of(run, campaign))
    assert [w.center_nm for w in windows] == pytest.approx([0.1 * i for i in range(10)])
    assert heights[0] == 0.0 and heights[-1] == pytest.approx(0.9)
    assert window_chain(windows[3]) == "windows/z+0.300-k3000"


def test_every_second_replica_starts_on_the_way_back_into_the_pocket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = with_key("pull", "to_nm", 0.3)
    raw["sampling"], raw["pull"], raw["estimate"] = (
        {"replicas": 3},
        {**raw["pull"], "step_nm": 0.1},
        {"plateau_nm": 0.1},
    )
    campaign = parse_campaign(raw, "x")
    out, back, third = runs_of(tmp_path, campaign)
    longer = Round("windows", "basis", to_nm=0.5)
    monkeypatch.setattr("halobind.pipeline.sampling.pull_steps.rounds_of", lambda _: (longer,))
    away = ["pull/000-z+0.000", "pull/001-z+0.100", "pull/002-z+0.200", "pull/003-z+0.300"]
    again = ["pull/back-002-z+0.200", "pull/back-001-z+0.100", "pull/back-000-z+0.000"]
    further = ["pull/004-z+0.400", "pull/005-z+0.500"]
    assert (
        [p.name for p in pull_steps(out, "e")]
        == [p.name for p in pull_steps(third, "e")]
        == away + further
    )
    steps = pull_steps(back, "e")
    assert [p.name for p in steps] == away + again + further
    moves = [(p.origin_nm, p.height_nm, p.starts_from) for p in steps]
    assert moves[:2] == [(0.0, 0.0, "e"), (0.0, 0.1, away[0])]
    assert moves[4:7] == [(0.3, 0.2, away[3]), (0.2, 0.1, again[0]), (0.1, 0.0, again[1])]
    assert moves[7:] == [(0.3, 0.4, away[3]), (0.4, 0.5, further[0])]
    assert [step.name for step in pulled_states(out)] == away + further
    assert [(step.height_nm, step.name) for step in pulled_states(back)] == [
        *zip([0.0, 0.1, 0.2], again[::-1], strict=True),
        (0.3, away[3]),
        *zip([0.4, 0.5], further, strict=True),
    ]
    for run, starts in (
        (out, [away[0], away[3], away[2]]),
        (back, [again[2], away[3], again[0]]),
    ):  # never beyond to_nm
        assert [walker_segments(run, walker, campaign)[0].pulled for walker in range(3)] == starts


def test_a_path_comes_back_from_its_last_height_however_that_is_rounded(tmp_path: Path) -> None:
    raw = with_key("sampling", "replicas", 2)
    raw["pull"] = {"from_nm": 0.0, "to_nm": 0.9375, "step_nm": 0.0625}
    _, back = runs_of(tmp_path, parse_campaign(raw, "x"))
    names = [product.name for product in pull_steps(back, "e")]
    assert names[15:17] == ["pull/015-z+0.938", "pull/back-014-z+0.875"] and len(names) == 31


def test_segments_come_level_by_level(tmp_path: Path) -> None:
    campaign = parse_campaign(TINY, "x")
    names = [p.name for p in all_products(runs_of(tmp_path, campaign)[0], campaign)]
    assert names[:3] == ["build", "system", "equilibrate/00-warm"]
    levels = [name[-3:] for name in names if name.startswith("windows/")]
    assert levels == ["000"] * 10 + ["001"] * 10 and len(set(names)) == len(names)


def test_the_template_names_every_key_and_writes_out_defaults() -> None:
    text = (TEMPLATES / "standard.toml").read_text(encoding="utf-8")
    everything = tomllib.loads(re.sub(r"(?m)^# (?=\[|[\w.]+ = )", "", text))
    sections = {
        name: field.default
        for name, field in RunSpec.model_fields.items()
        if name not in ("model", "ligands", "replica")
    }
    sections |= {name: Campaign.model_fields[name].annotation() for name in SHARED_SECTIONS}
    assert set(everything) == {"model", *sections}
    assert set(everything["model"]) == set(ModelSection.model_fields)
    for name, section in sections.items():
        assert set(everything[name]) == set(type(section).model_fields), name
    written = tomllib.loads(text)
    assert written["sampling"].pop("replicas") == 4
    for name in set(written) - {"model"}:
        assert written[name] == {key: getattr(sections[name], key) for key in written[name]}, name


@pytest.mark.parametrize(
    ("section", "key", "value", "expected"),
    [
        ("model", "ligands", "DA", "did you mean ligand?"),
        (
            "model",
            "ligand",
            "DAA",
            "[model] ligand = 'DAA': there is no 'DAA'; choose one of DA, DDA, DMDDA",
        ),
        ("model", "solvent", "benzene", "there is no 'benzene'; choose one of acetone, toluene"),
        ("model", "perovskite", "CsPbI3", "[model] perovskite = 'CsPbI3'"),
        ("model", "termination", "XX", "choose one of AX"),
        ("model", "cells", "4x4", "'4x4x3'"),
        ("model", "cells", "0x4x1", "each at least 1"),
        ("model", "gap_nm", -3.0, "[model] gap_nm = -3.0"),
        ("model", "gap_nm", "3.0", "[model] gap_nm = '3.0'"),
        ("model", "gap_nm", 2.0, "set gap_nm to 2.9 or more"),
        ("model", "ligand", [], "empty grid axis"),
        ("model", "ligand", ["DA", "DA"], "names a value twice"),
        (
            "forcefield",
            "pack",
            "charmm",
            "choose one of balestra, bond-increment, myp, pascazio-primary",
        ),
        ("forcefield", "cutoff_nm", 1.3, "cutoff_nm = 1.3 needs a box of at least 2.60 nm"),
        (
            "forcefield",
            "cutoff_A",
            9.0,
            "[forcefield] cutoff_A = 9.0 is not a known key; did you mean cutoff_nm?",
        ),
        ("simulation", "temperature_K", -300.0, "[simulation] temperature_K = -300.0"),
        ("simulation", "timestep_fs", 40.0, "less than or equal to 5"),
        ("simulation", "temperature_K", float("nan"), "temperature_K"),
        ("pull", "to_nm", 0.1, "at least two steps above"),
        ("sampling", "segments", 0, "greater than or equal to 1"),
        ("sampling", "segments", True, "[sampling] segments = True"),
        ("sampling", "record_ps", 0.15, "[sampling] record_ps = 0.15 is not a whole multiple"),
        ("sampling", "segment_ps", 2.05, "use 2"),
        ("estimate", "plateau_nm", 0.03, "at least four bins"),
        ("estimate", "plateau_nm", 0.5, "plateau_nm = 0.5 is more than half of the path of 0.9 nm"),
        ("equilibrate", "piece_ps", 0.01, "pieces: raise it"),
        ("simulation", "timestep_fs", 1e-9, "greater than or equal to 0.1"),
        ("simulation", "temperature_K", [300, 300.0], "two grid values are the same run"),
        ("resources", "platform", "cuda", "'CUDA'"),
    ],
)
def test_bad_values_are_refused_with_key_value_and_advice(
    section: str, key: str, value: object, expected: str, tmp_path: Path
) -> None:
    assert expected in refusal(with_key(section, key, value), tmp_path)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            with_key("sampling", "method", "abf"),
            "[sampling] method = 'abf': input should be 'umbrella' or 'metadynamics'",
        ),
        (
            with_hills("bias_factor", 1.0),
            "[metadynamics] bias_factor = 1.0: input should be greater than or equal to 1.5",
        ),
        (
            with_hills("walkers", 2)
            | {"sampling": TINY["sampling"] | {"method": "metadynamics", "exchange_group": 2}},
            (
                "[sampling] exchange_group = 2 is for umbrella windows: remove it, or set method ="
                ' "umbrella"'
            ),
        ),
        (
            with_hills("walkers", 2)
            | {"sampling": TINY["sampling"] | {"method": "metadynamics", "target_kJ_mol": 2.0}},
            (
                "[sampling] target_kJ_mol = 2 is for umbrella windows: remove it, or set method ="
                ' "umbrella"'
            ),
        ),
        (
            with_hills("walkers", 2)
            | {"model": TINY["model"] | {"faces": 2, "gap_nm": 9.0, "cells": "4x4x4"}},
            "[model] faces = 2: metadynamics biases one head; set faces = 1",
        ),
        (with_hills("walkers", 0), "[metadynamics] walkers = 0"),
        (
            with_hills("height", 1.0),
            "[metadynamics] height = 1.0 is not a known key; did you mean height_kJ_mol?",
        ),
        (with_hills("height_kJ_mol", -1.0), "[metadynamics] height_kJ_mol = -1.0"),
        (
            with_hills("width_nm", 0.1),
            "[metadynamics] width_nm = 0.1 is too wide for a path of 0.9 nm: use 0.09 or less",
        ),
        (
            with_hills("deposit_ps", 0.101),
            (
                "[metadynamics] deposit_ps = 0.101 is not a whole multiple of timestep_fs / 1000 ="
                " 0.004: use 0.1,"
            ),
        ),
        (
            with_hills("deposit_ps", 0.6),
            (
                "[sampling] segment_ps = 2 is not a whole multiple of [metadynamics] deposit_ps ="
                " 0.6: use 1.8,"
            ),
        ),
    ],
)
def test_bad_metadynamics_is_refused(raw: dict, expected: str, tmp_path: Path) -> None:
    assert expected in refusal(raw, tmp_path)


def test_walkers_take_the_place_of_windows_in_the_same_run(tmp_path: Path) -> None:
    """The method is an amount: the run keeps its id; other hills are other walkers, more walkers
    leave those there are alone.
    """
    umbrella, other = parse_campaign(TINY, "x"), parse_campaign(with_hills("walkers", 3), "x")
    assert runs_of(tmp_path, umbrella)[0].id == runs_of(tmp_path, other)[0].id
    names = [p.name for p in all_products(runs_of(tmp_path, other)[0], other)]
    assert [name for name in names if name.startswith("metadynamics/")] == [
        f"metadynamics/walker-{w}-b20-h1-w0.03-d1-k5000/seg-{s:03d}"
        for s in range(2)
        for w in range(3)
    ]
    assert not [name for name in names if name.startswith("windows/")]
    higher = parse_campaign(with_hills("height_kJ_mol", 0.5), "x")
    assert not {p.name for p in all_products(runs_of(tmp_path, higher)[0], higher)} & {
        n for n in names if n.startswith("metadynamics/")
    }
    assert set(names) < {
        p.name
        for p in all_products(
            runs_of(tmp_path, other)[0], parse_campaign(with_hills("walkers", 5), "x")
        )
    }


def test_unknown_sections_and_missing_keys_are_refused(tmp_path: Path) -> None:
    assert "unknown section or key [modle]" in refusal({"modle": {}}, tmp_path)
    assert "must be a section" in refusal(TINY | {"sampling": 3}, tmp_path)
    assert "[model] solvent is missing" in refusal(
        {"model": {k: v for k, v in TINY["model"].items() if k != "solvent"}}, tmp_path
    )
    assert "[model] is missing" in refusal({}, tmp_path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"this is = = not toml", "is not TOML"),
        (b"n = " + b"9" * 5000, "is not TOML"),
        (b"n = " + b"[" * 5000, "is not TOML"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        (None, "write one with: halobind new"),
    ],
)
def test_unreadable_files_are_refused(content: bytes | None, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "campaign.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CampaignError, match=expected):
        load_campaign(path)


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


def test_new_never_overwrites(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "campaign.toml").write_text("mine")
    assert main(["new", str(tmp_path)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "campaign.toml").read_text() == "mine"


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


def test_disk_use_is_refused_when_the_disk_has_not_got_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = parse_campaign(TINY, "x")
    plans = [plan_run(run, campaign) for run in runs_of(tmp_path, campaign)]
    check_disk(plans, tmp_path)
    monkeypatch.setattr(
        "shutil.disk_usage",
        lambda _: os.terminal_size((0, 0)) and type("U", (), {"free": 5_000_000, "total": 10**8}),
    )
    with pytest.raises(
        CampaignError, match=r"will write about \d+\.\d MB but .* has 3.0 MB to give"
    ):
        check_disk(plans, tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0/2", "K must be between"),
        ("3/2", "K must be"),
        ("two", "like 2/4"),
        ("1/2/3", "like 2/4"),
    ],
)
def test_bad_parts_are_refused(text: str, expected: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        main(["run", "nowhere", "--part", text])
    assert expected in capsys.readouterr().err


def test_unwritable_directory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    main(["new", str(tmp_path / "c")])
    monkeypatch.setattr(
        "os.access", lambda *_: False
    )  # root may write anywhere, so the permission itself proves nothing there
    assert main(["run", str(tmp_path / "c")]) == 1
    assert "is not writable; change its permissions" in capsys.readouterr().err


def test_a_byte_order_mark_and_brackets_in_the_path_are_fine(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "c[bold] [/x]"
    assert main(["new", str(folder)]) == 0
    path = folder / "campaign.toml"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert main(["plan", str(folder)]) == 0
    assert "c[bold]" in capsys.readouterr().out.split("wrote", 1)[1].split("\n", 2)[2]
    assert main(["plan", str(path)]) == 1
    assert "name the directory that holds campaign.toml" in capsys.readouterr().err
