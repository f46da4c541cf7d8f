"""`halobind build`: models, ledgers, pictures and refusals from a file with a [model] section."""

import json
from pathlib import Path

import pytest

from halobind.pipeline.campaign.load import load_campaign
from halobind.pipeline.campaign.settings import CampaignError
from halobind.pipeline.commands.campaign_models import PICTURE, export_name
from halobind.pipeline.commands.cli import main
from halobind.structures.models.export import FORMATS
from halobind.structures.models.model import read_model

CUBE = """
[model]
perovskite = "{perovskite}"
shape = "cuboid"
cells = "2x2x2"
solvent = "vacuum"
gap_nm = 3.0
{more}
"""
COATED = "coating.face = { butylammonium = 0.5 }\ncoating.edge = { MA = 2 }\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "model.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str, capsys: pytest.CaptureFixture) -> str:
    assert main(["build", str(written(folder, text))]) == 1
    assert not (folder / "models").exists()  # nothing is built, nothing is left
    return capsys.readouterr().err


@pytest.mark.parametrize("perovskite", ["CsPbBr3", "MAPbBr3"])
def test_a_cube_with_its_ledger_and_picture(
    perovskite: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = written(tmp_path, CUBE.format(perovskite=perovskite, more=COATED))
    assert main(["build", str(path), "--format", "pdb", "--format", "extxyz", "--picture"]) == 0
    out = capsys.readouterr().out
    (folder,) = (tmp_path / "models").iterdir()
    a_site = perovskite.removesuffix("PbBr3")
    assert f"{perovskite}-cuboid-coated-vacuum-2x2x2-" in folder.name
    assert (
        f"7 {a_site} left out" in out
        and f"5 {a_site}" in out
        and "3 butylammonium, 2 MA" in out
        and "none (vacuum)" in out
    )
    assert {item.name for item in folder.iterdir()} == {
        "model.cif",
        "groups.json",
        "check.json",
        "model.pdb",
        "model.extxyz",
        "picture.png",
    }
    check = json.loads((folder / "check.json").read_text())
    assert check["formal_charge"] == 0 and abs(check["model_charge_e"]) < 1e-6
    assert (check["charge_of_bound"], check["charge_of_replaced"], check["charge_of_crystal"]) == (
        5,
        5,
        0,
    )
    assert read_model(folder).n_atoms == check["n_atoms"]


def test_building_again_changes_nothing_and_adds_what_is_new(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = written(tmp_path, CUBE.format(perovskite="CsPbBr3", more=COATED))
    assert main(["build", str(path)]) == 0
    (folder,) = (tmp_path / "models").iterdir()
    before = {item.name: item.read_bytes() for item in folder.iterdir()}
    assert main(["build", str(path), "--format", "xyz"]) == 0
    assert "is there already" in capsys.readouterr().out
    assert {
        item.name: item.read_bytes() for item in folder.iterdir() if item.name != "model.xyz"
    } == before
    assert (folder / "model.xyz").is_file()
    assert main(["build", str(path), "--out", str(tmp_path / "elsewhere")]) == 0
    (again,) = (tmp_path / "elsewhere").iterdir()
    assert (
        again.name == folder.name and (again / "model.cif").read_bytes() == before["model.cif"]
    )  # the same seed, the same file
    assert main(["build", str(path), "--seed", "2"]) == 0
    assert len(list((tmp_path / "models").iterdir())) == 2


def test_a_grid_builds_each_model_once(tmp_path: Path) -> None:
    text = CUBE.format(
        perovskite="CsPbBr3",
        more='ligand = ["MA", "FA"]\nsite = "edge"\n[simulation]\ntemperature_K = [280.0, 300.0]',
    )
    (tmp_path / "campaign.toml").write_text(text)
    assert main(["build", str(tmp_path)]) == 0
    assert sorted(item.name.split("-")[2] for item in (tmp_path / "models").iterdir()) == [
        "FA",
        "MA",
    ]


def test_a_ligand_of_ones_own(tmp_path: Path) -> None:
    more = (
        'coating.face = { mine = 0.5 }\n[ligands.mine]\nsmiles = "CC(C)C[NH3+]"\nmode ='
        ' "cation"\ncharge = 1'
    )
    assert (
        main(["build", str(written(tmp_path, CUBE.format(perovskite="CsPbBr3", more=more)))]) == 0
    )
    (folder,) = (tmp_path / "models").iterdir()
    assert json.loads((folder / "check.json").read_text())["bound"] == {"mine": 3}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('termination = "BX2"', "a cuboid with BX2 faces cannot be neutral"),
        ("coating.face = { DA = 0.7, DDA = 0.7 }", "add up to 1.4: lower them to 1.0 in all"),
        (
            "coating.corner = { DA = 5 }",
            "gap_nm = 3 is too small: tails reach 1.60 nm from one face",
        ),
        (
            "coating.corner = { MA = 5 }",
            (
                "ask for 5 A sites but 1 are free (A: 6 face, 12 edge, 1 corner; X: 24 face): ask"
                " for less"
            ),
        ),
        (
            "coating.face = { octilammonium = 0.5 }",
            "there is no 'octilammonium'; choose one of DA, DDA",
        ),
        ("coating.face = { MA = 1 }", "write 1.0 for every site"),
        (
            'ligand = "MA"\nsite = "top"',
            "[model] site = 'top': there is no 'top'; choose one of face, edge, corner",
        ),
        ("dissolved = { MA = 1 }", "dissolved needs a solvent"),
        (
            'coating.face = { x = 0.5 }\n[ligands.x]\nsmiles = "CCC"\nmode = "cation"\ncharge = 1',
            "[ligands.x]: x: charge = 1 but 'CCC' carries +0",
        ),
        (
            '[ligands.x]\nsmiles = "CC(C)(C)(C)C"\nmode = "cation"\ncharge = 1',
            "[ligands.x]: x: the SMILES 'CC(C)(C)(C)C' is not a molecule",
        ),
        (
            '[ligands.DA]\nsmiles = "CC[NH3+]"\nmode = "cation"\ncharge = 1',
            "DA is a ligand of halobind; choose another name",
        ),
        ('[ligands.x]\nmode = "cation"\ncharge = 1', "give either smiles or file"),
        ('[ligands.x]\nfile = "none.sdf"\nmode = "cation"\ncharge = 1', "there is no file"),
        (
            '[ligands.x]\nsmiles = "CC[NH3+]"\nmode = "cation"\ncharge = 1\nhead = "N"',
            "did you mean heads?",
        ),
        ('pattern = "stripes"', "choose one of uniform, random, segmented"),
        ('vacancies = "top"', "choose one of face, edge, corner"),
    ],
)
def test_bad_models_are_refused_before_work(
    more: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert message in refusal(tmp_path, CUBE.format(perovskite="CsPbBr3", more=more), capsys)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            "4x4x2.5",
            (
                "2.5 cells are 6 layers, an even number, so the two faces would differ: write whole"
                " cells"
            ),
        ),
        ("4x4", "write cells along x, y and z"),
    ],
)
def test_an_even_number_of_layers_is_refused(
    cells: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    text = (
        CUBE.format(perovskite="CsPbBr3", more="").replace("2x2x2", cells).replace("cuboid", "slab")
    )
    assert message in refusal(tmp_path, text, capsys)


def test_a_pdb_too_large_and_a_place_not_to_write_are_told_first(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    text = CUBE.format(perovskite="CsPbBr3", more="").replace("2x2x2", "30x30x30")
    assert main(["build", str(written(tmp_path, text)), "--format", "pdb"]) == 1
    assert "format pdb holds 99999 atoms" in capsys.readouterr().err
    path = written(tmp_path, CUBE.format(perovskite="CsPbBr3", more=""))
    assert main(["build", str(path), "--out", str(path / "below-a-file")]) == 1
    assert (
        "is not a directory that can be written to: name another one with --out"
        in capsys.readouterr().err
    )


def test_what_can_be_built_but_not_sampled_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    slab = (
        '[model]\nperovskite = "CsPbBr3"\ncells = "4x4x1"\nsolvent = "{solvent}"\ngap_nm ='
        " 4.0\n{more}"
    )
    for text, message in (
        (
            CUBE.format(perovskite="CsPbBr3", more='ligand = "MA"\nsite = "edge"'),
            "a cuboid in vacuum cannot be sampled",
        ),
        (slab.format(solvent="vacuum", more='ligand = "DA"'), "a slab in vacuum cannot be sampled"),
        (slab.format(solvent="toluene", more=""), "[model] ligand is missing"),
        (slab.format(solvent="toluene", more='ligand = "APTES-ammonium"'), "APTES-ammonium"),
        (
            slab.format(
                solvent="toluene",
                more='ligand = "x"\n[ligands.x]\nsmiles = "CC[NH3+]"\nmode = "cation"\ncharge = 1',
            ),
            "ligand 'x' has no force-field parameters yet",
        ),
    ):
        (tmp_path / "campaign.toml").write_text(text)
        assert main(["plan", str(tmp_path)]) == 1
        assert message in capsys.readouterr().err


def test_mixtures_and_coatings_are_in_the_identity(tmp_path: Path) -> None:
    text = '[model]\nperovskite = "CsPbBr3"\ncells = "4x4x1"\nligand = "DA"\ngap_nm = 4.0\n'
    text += (
        "solvent = [{ toluene = 0.7, acetone = 0.3 }, { toluene = 0.5, acetone = 0.5"
        " }]\ncoating.all = { MA = 0.25 }\n"
    )
    (tmp_path / "campaign.toml").write_text(text)
    campaign = load_campaign(tmp_path / "campaign.toml")
    assert [spec.model.label for spec in campaign.specs] == [
        f"CsPbBr3-slab-DA-acetone{a}+toluene{b}" for a, b in ((0.3, 0.7), (0.5, 0.5))
    ]
    (tmp_path / "campaign.toml").write_text(text.replace("0.25", "[0.25]"))
    with pytest.raises(CampaignError, match="coating"):
        load_campaign(tmp_path / "campaign.toml")


def test_heads_and_isomers_of_a_ligand_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    ligand = '[ligands.mine]\nsmiles = "{}"\nmode = "cation"\ncharge = {}\n{}'
    more = "coating.edge = { mine = 2 }\n" + ligand.format("CNCCC(C)[NH3+]", 1, 'stereo = "any"')
    assert (
        main(["build", str(written(tmp_path, CUBE.format(perovskite="CsPbBr3", more=more)))]) == 0
    )
    out = capsys.readouterr().out
    assert "mine is the stereoisomer CNCC[C@@H](C)[NH3+]\n" in out and "possible heads" not in out
    more = "coating.edge = { mine = 1.0 }\n" + ligand.format("C[NH2+]CCCC[NH3+]", 2, "")
    written(tmp_path, CUBE.format(perovskite="CsPbBr3", more=more.replace("1.0", "2")))
    main(["build", str(tmp_path / "model.toml"), "--out", str(tmp_path / "two")])
    out = capsys.readouterr().out
    assert "mine has 2 possible heads and binds by N1" in out
    assert '  N2: heads = ["[NH3+][CH2]"]\n' in out


def test_every_format_is_written_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The format "cif" too, though the model itself is a file model.cif."""
    path = written(tmp_path, CUBE.format(perovskite="CsPbBr3", more=""))
    formats = [item for kind in FORMATS for item in ("--format", kind)]
    assert main(["build", str(path), *formats]) == 0
    (folder,) = (tmp_path / "models").iterdir()
    names = {export_name(kind) for kind in FORMATS}
    assert len(names) == len(FORMATS)
    assert not names & {"model.cif", "groups.json", "check.json", PICTURE}
    out = capsys.readouterr().out
    for name in names:
        assert (folder / name).stat().st_size > 0
        assert f"wrote {folder / name}" in out
    assert "_cell_length_a" in (folder / "model-crystal.cif").read_text(encoding="utf-8")
    before = {item: item.stat().st_mtime_ns for item in folder.iterdir()}
    assert main(["build", str(path), *formats]) == 0
    out = capsys.readouterr().out
    for name in names:
        assert f"{folder / name} is there already" in out
    assert {item: item.stat().st_mtime_ns for item in folder.iterdir()} == before
