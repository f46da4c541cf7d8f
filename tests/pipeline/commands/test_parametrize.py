"""`halobind parametrize`, and campaigns that sample ligands of their own."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from importlib import util
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem

from halobind.forcefields.hamiltonian.audit import audit_system
from halobind.forcefields.hamiltonian.system import SystemSettings, make_system, molecule_names
from halobind.forcefields.molecule_parameters import gaff as programs
from halobind.forcefields.packs.pack import load_pack
from halobind.pipeline.campaign.load import load_campaign
from halobind.pipeline.campaign.run_directory import molecule_library, runs_of
from halobind.pipeline.commands.cli import main
from halobind.pipeline.sampling.model_and_system import run_model_spec
from halobind.structures.assembly.build import build_model
from halobind.structures.molecules.user_ligands import guessed_ligand
from tests.pipeline import tiny
from tests.pipeline.tiny import copy, edited

MISSING = [name for name in ("acpype", "parmed", "tblite") if not util.find_spec(name)]


def needs_programs(test: Callable[..., None]) -> Callable[..., None]:
    """A test of the ring `params`; skipped where its programs are not installed."""
    reason = f'needs {", ".join(MISSING)}: pip install -c constraints.txt ".[params]"'
    return pytest.mark.params(pytest.mark.skipif(bool(MISSING), reason=reason)(test))


ETHYL = 'smiles = "CC[NH3+]"\nmode = "cation"\ncharge = 1\n'
CAMPAIGN = edited(
    ('ligand = "DA"', 'ligand = "mine"'), ("[forcefield]", f"[ligands.mine]\n{ETHYL}[forcefield]")
)


def written(folder: Path, text: str = CAMPAIGN) -> Path:
    return tiny.new(folder, text)


def mol2(path: Path) -> Path:
    """Ethylammonium as a program might write it: hydrogens between, names of its own."""
    rows = [
        ("N", "N.4", 0, 0, 0),
        ("HN1", "H", -0.3, 0.95, 0.1),
        ("HN2", "H", -0.3, -0.4, 0.9),
        ("HN3", "H", -0.3, -0.6, -0.8),
    ]
    rows += [
        ("CA", "C.3", 1.5, 0, 0),
        ("HA1", "H", 1.85, -0.5, -0.9),
        ("HA2", "H", 1.85, -0.5, 0.9),
    ]
    rows += [
        ("CB", "C.3", 2.0, 1.44, 0),
        ("HB1", "H", 3.1, 1.44, 0),
        ("HB2", "H", 1.65, 1.95, 0.9),
        ("HB3", "H", 1.65, 1.95, -0.9),
    ]
    bonds = [(1, 2), (1, 3), (1, 4), (1, 5), (5, 6), (5, 7), (5, 8), (8, 9), (8, 10), (8, 11)]
    text = (
        f"@<TRIPOS>MOLECULE\nEA\n {len(rows)} {len(bonds)} 0 0"
        " 0\nSMALL\nUSER_CHARGES\n@<TRIPOS>ATOM\n"
    )
    text += "".join(
        f"{k} {n} {x} {y} {z} {t} 1 EA {float(n == 'N')}\n"
        for k, (n, t, x, y, z) in enumerate(rows, 1)
    )
    text += "@<TRIPOS>BOND\n" + "".join(f"{k} {i} {j} 1\n" for k, (i, j) in enumerate(bonds, 1))
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The campaign with its ligand parametrised by the command line."""
    folder = written(tmp_path_factory.mktemp("made") / "c")
    assert main(["parametrize", str(folder)]) == 0
    return folder


def error_of(capsys: pytest.CaptureFixture, *arguments: str) -> str:
    capsys.readouterr()
    assert main(list(arguments)) == 1
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and text.startswith("halobind: ")
    return text


@needs_programs
def test_the_file_is_of_the_molecule_and_says_what_it_is_from(made: Path) -> None:
    root = ET.parse(made / "molecules" / "mine.xml").getroot()
    atoms = root.findall("./Residues/Residue[@name='mine']/Atom")
    assert sum(float(atom.get("charge")) for atom in atoms) == pytest.approx(1.0, abs=1e-9)
    assert [atom.get("name") for atom in atoms][:3] == ["C1", "C2", "N1"]
    record = json.loads((made / "molecules" / "mine.json").read_text())
    assert record["smiles"] == "CC[NH3+]" and record["programs"].keys() == {
        "acpype",
        "parmed",
        "rdkit",
    }
    assert np.allclose(
        record["charges"]["AM1-BCC_e"], [float(atom.get("charge")) for atom in atoms], atol=1e-6
    )
    assert sorted(
        path.name for path in (made / "molecules").iterdir() if not path.name.startswith(".")
    ) == ["mine.json", "mine.xml"]


@needs_programs
def test_what_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    written(tmp_path, CAMPAIGN.replace('"mine"', '"DA"').replace("[ligands.mine]\n" + ETHYL, ""))
    assert main(["parametrize", "CC[NH3+]", "--name", "ea", "--campaign", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert re.search(r"  N1 +n4 +-0\.8\d\d +-0\.1\d\d +\+0\.5\d\d +\+0\.6\d\d\n", out)
    assert re.search(
        r"head N1 with the groups bonded to it: AM1-BCC \+0\.8\d e, GFN2 \+0\.8\d e", out
    )
    assert "dipole moment about the centre of mass: AM1-BCC 3.9" in out and "written +1 e" in out
    assert out.endswith(
        f'add to {tmp_path / "campaign.toml"}:\n\n[ligands.ea]\nsmiles = "CC[NH3+]"\nmode ='
        ' "cation"\ncharge = 1\n'
    )


@needs_programs
def test_again_it_is_instant_and_the_file_is_kept(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    campaign = copy(made, tmp_path / "c")
    before = (campaign / "molecules" / "mine.xml").stat()
    for arguments in (
        [str(campaign)],
        [str(campaign), "--name", "mine"],
        ["CC[NH3+]", "--name", "mine", "--campaign", str(campaign)],
    ):
        assert main(["parametrize", *arguments]) == 0
        assert (
            "mine.xml is there already, made from the same molecule: nothing to do"
            in capsys.readouterr().out
        )
    after = (campaign / "molecules" / "mine.xml").stat()
    assert (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size)


@needs_programs
def test_other_versions_are_told_and_the_file_is_kept(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    campaign = copy(made, tmp_path / "c")
    path = campaign / "molecules" / "mine.json"
    path.write_text(path.read_text().replace('"parmed": "', '"parmed": "0.'))
    assert main(["parametrize", str(campaign)]) == 0
    assert re.search(
        r"made by parmed 0\.[\d.]+ \(here: [\d.]+\); remove it to make it anew",
        capsys.readouterr().out,
    )
    path.unlink()
    assert main(["parametrize", str(campaign)]) == 0
    assert "without a readable record" in capsys.readouterr().out


@needs_programs
def test_another_molecule_of_the_same_name_is_refused(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    campaign = copy(made, tmp_path / "c")
    text = error_of(
        capsys, "parametrize", "CCC[NH3+]", "--name", "mine", "--campaign", str(campaign)
    )
    assert "[ligands.mine]" in text and "is CC[NH3+], not CCC[NH3+]" in text
    written(campaign, CAMPAIGN.replace("CC[NH3+]", "CCC[NH3+]"))
    assert "mine.xml is of CC[NH3+], not of CCC[NH3+]: choose another name, or remove" in error_of(
        capsys, "parametrize", str(campaign)
    )
    for verb in ("plan", "run"):
        assert (
            "mine.xml is of CC[NH3+], not of CCC[NH3+]: put it right, or remove the file"
            in error_of(capsys, verb, str(campaign))
        )
    assert not (campaign / "runs").exists()


@needs_programs
def test_an_edited_file_is_refused_or_another_run(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    campaign = copy(made, tmp_path / "c")
    before = runs_of(campaign, load_campaign(campaign / "campaign.toml"))[0].id
    path = campaign / "molecules" / "mine.xml"
    good = path.read_text()
    path.write_text(good.replace("<Guessed>none", "<Guessed>nothing"))
    assert "was edited: its checksum is not the one in mine.json" in error_of(
        capsys, "parametrize", str(campaign)
    )
    assert runs_of(campaign, load_campaign(campaign / "campaign.toml"))[0].id == before
    path.write_text(re.sub(r'mass="12\.01"', 'mass="12.011"', good))
    assert runs_of(campaign, load_campaign(campaign / "campaign.toml"))[0].id != before
    path.write_text(re.sub(r'(name="N1" type="mine-n4" charge=)"[^"]*"', r'\1"0.5"', good))
    assert "the charges sum to" in error_of(capsys, "plan", str(campaign))
    path.write_text(good.replace('name="N1"', 'name="N9"'))
    assert "has other atom names or bonds than mine" in error_of(capsys, "plan", str(campaign))
    path.write_text(good[:200])
    assert "cannot be read as a ForceField file" in error_of(capsys, "plan", str(campaign))


@needs_programs
@pytest.mark.parametrize("kind", ["mol2", "sdf"])
def test_a_file_keeps_its_order_and_names(kind: str, tmp_path: Path) -> None:
    path = mol2(tmp_path / "ea.mol2")
    names = ["N", "HN1", "HN2", "HN3", "CA", "HA1", "HA2", "CB", "HB1", "HB2", "HB3"]
    if kind == "sdf":
        mol = Chem.MolFromMol2Block(path.read_text(), removeHs=False)
        AllChem.EmbedMolecule(mol, randomSeed=1)
        path = tmp_path / "ea.sdf"
        path.write_text(Chem.MolToMolBlock(mol))
        names = ["N1", "H1", "H2", "H3", "C1", "H4", "H5", "C2", "H6", "H7", "H8"]
    written(tmp_path, CAMPAIGN.replace('smiles = "CC[NH3+]"', f'file = "{path.name}"'))
    assert main(["parametrize", str(path), "--name", "mine", "--campaign", str(tmp_path)]) == 0
    atoms = (
        ET.parse(tmp_path / "molecules" / "mine.xml").getroot().findall("./Residues/Residue/Atom")
    )
    assert [atom.get("name") for atom in atoms] == names
    assert [atom.get("type") for atom in atoms][:2] == ["mine-n4", "mine-hn"]
    assert main(["plan", str(tmp_path)]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["CCC[NH3+", "--name", "x"], "RDKit cannot read the SMILES 'CCC[NH3+'"),
        (["CC(C)(C)(C)C[NH3+]", "--name", "x"], "is not a molecule: Explicit valence"),
        (["CCC[NH3+].[Br-]", "--name", "x"], "leave counter-ions out"),
        (["CC[NH3+]", "--name", "DA"], "DA is a ligand of halobind; choose another name"),
        (
            ["CC[NH3+]", "--name", "acetone"],
            "acetone is a solvent of halobind; choose another name",
        ),
        (["CC[NH3+]", "--name", "Cs"], "'Cs' is not a name for a ligand"),
        (["CC[NH3+]", "--name", "../x"], "'../x' is not a name for a ligand"),
        (["CC[NH3+]"], "give the ligand a name: halobind parametrize 'CC[NH3+]' --name NAME"),
        (
            ["CCC", "--name", "x"],
            "or give the head as a SMARTS in heads, in a section [ligands.x] of a campaign",
        ),
        (
            ["C[Si](C)(C)CC[NH3+]", "--name", "x"],
            "x: GAFF has no atom type for Si: it can be built, not sampled",
        ),
        (["no/where/"], "there is no directory no/where/"),
        (["none.mol2", "--name", "x"], "there is no file none.mol2"),
        (["mine.pdb", "--name", "x"], "a pdb file does not say the bond orders and charges"),
        (["mine.pdb"], "a pdb file does not say the bond orders and charges"),
        (["CCC(C)CC[NH3+]", "--name", "x"], "or 'CC[C@H](C)CC[NH3+]'; or write stereo = \"any\""),
        (
            ["CC[NH3+]", "--name", "x", "--campaign", "none"],
            "there is no none/campaign.toml; write one with: halobind new none",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in error_of(capsys, "parametrize", *arguments)
    assert not list(tmp_path.iterdir())


def test_campaigns_are_refused_for_what_they_lack(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = written(tmp_path / "a campaign")
    for verb in ("plan", "run"):
        assert f"make them with: halobind parametrize '{campaign}'\n" in error_of(
            capsys, verb, str(campaign)
        )
    assert "has no [ligands.foo]; it has mine" in error_of(
        capsys, "parametrize", str(campaign), "--name", "foo"
    )
    assert "leave out --campaign" in error_of(
        capsys, "parametrize", str(campaign), "--campaign", "."
    )
    (campaign / "molecules").write_text("a file")
    assert "molecules is not a directory that can be written to" in error_of(
        capsys, "parametrize", str(campaign)
    )
    (campaign / "molecules").unlink()
    monkeypatch.setattr(programs.util, "find_spec", lambda name: None)
    assert 'acpype is not installed: pip install -c constraints.txt ".[params]"' in error_of(
        capsys, "parametrize", str(campaign)
    )
    assert not (campaign / "molecules").exists()
    assert (
        main(
            [
                "parametrize",
                str(written(tmp_path / "b", CAMPAIGN.replace("[ligands.mine]\n" + ETHYL, ""))),
            ]
        )
        == 0
    )
    assert "has no ligands of its own" in capsys.readouterr().out


@needs_programs
@pytest.mark.parametrize("smiles", ["[N-]=[N+]=NCC[NH3+]", "[C-]#[N+]CC[NH3+]"])
def test_groups_that_antechamber_doubts_are_parametrised(smiles: str, tmp_path: Path) -> None:
    written(tmp_path)
    assert main(["parametrize", smiles, "--name", "x", "--campaign", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "molecules" / "x.json").read_text())
    assert sum(record["charges"]["AM1-BCC_e"]) == pytest.approx(1.0, abs=1e-5)


@needs_programs
def test_interrupting_leaves_no_half_file_and_nobody_at_work(tmp_path: Path) -> None:
    slow = CAMPAIGN.replace("CC[NH3+]", "CCCCCCCCCCCCCCCC[NH2+]CCCCCCCCCCCCCCCC")
    campaign = written(tmp_path / "c", slow)
    command = [sys.executable, "-m", "halobind", "parametrize", str(campaign)]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(scratch)},
    )
    deadline = time.monotonic() + tiny.PATIENCE_S
    while not list(scratch.glob("*/sqm.out")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=tiny.PATIENCE_S)
    assert (
        process.returncode == 130
        and "halobind: stopped (SIGTERM)" in errors
        and "Traceback" not in errors
    )
    assert not list((campaign / "molecules").glob("*.*")) or [
        p.name for p in (campaign / "molecules").iterdir()
    ] == [".locks"]
    at_work = [
        p
        for p in Path("/proc").glob("[0-9]*/cwd")
        if os.path.islink(p) and _target(p).startswith(str(scratch))
    ]
    assert not at_work and not list(scratch.iterdir())


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""


@needs_programs
def test_a_campaign_samples_its_own_ligand(made: Path, tmp_path: Path) -> None:
    """Two processes, which read the campaign again; and in another place it is the same run."""
    campaign = copy(made, tmp_path / "c")
    command = [
        sys.executable,
        "-m",
        "halobind",
        "run",
        str(campaign),
        "--processes",
        "2",
        "--platform",
        "CPU",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=tiny.PATIENCE_S)
    assert done.returncode == 0, done.stderr
    run = next((campaign / "runs").iterdir())
    record = json.loads((run / "run.json").read_text())
    assert set(record["forcefield_files"]) == {
        "packs/bond-increment.toml",
        "molecules/mine.xml",
        "molecules/acetone.xml",
    }
    assert run.name == runs_of(made, load_campaign(made / "campaign.toml"))[0].id
    audit = json.loads((run / "system" / "audit.json").read_text())
    assert abs(audit["net_charge_e"]) < 1e-6 and "c3:n4" in audit["types"]
    rows = list(csv.DictReader((campaign / "tables" / "binding.csv").open(encoding="utf-8")))
    assert rows[0]["ligand"] == "mine" and np.isfinite(float(rows[0]["dG0_kJ_mol"]))


@needs_programs
def test_mirror_images_side_by_side_have_their_own_files(tmp_path: Path) -> None:
    """Two ligands whose bonds are the same are told apart by their names."""
    text = CAMPAIGN.replace(
        'ligand = "mine"', 'ligand = "right"\ncoating.face = { left = 2 }'
    ).replace("[ligands.mine]\n" + ETHYL, "")
    for name, centre in (("right", "@"), ("left", "@@")):
        text += (
            f'[ligands.{name}]\nsmiles = "C[C{centre}H](F)[NH3+]"\nmode = "cation"\ncharge = 1\n'
        )
    campaign = written(tmp_path / "c", text)
    assert main(["parametrize", str(campaign)]) == 0
    assert {path.name for path in (campaign / "molecules").glob("*.xml")} == {
        "left.xml",
        "right.xml",
    }
    run = runs_of(campaign, load_campaign(campaign / "campaign.toml"))[0]
    pack, library = load_pack("bond-increment"), molecule_library(campaign)
    model, _ = build_model(run_model_spec(run.spec, run.id))
    assert {"left", "right"} <= set(molecule_names(model))
    system = make_system(model, pack, SystemSettings(0.8, 1000.0), library)
    assert {"c3:n4", "f"} <= set(audit_system(system, model, pack, library).types)


@pytest.mark.parametrize(
    ("smiles", "mode", "charge"),
    [
        ("CC[NH3+]", "cation", 1),
        ("CC(=O)[O-]", "anion", -1),
        ("CCN", "donor", 0),
        ("[NH3+]CC(=O)[O-]", "zwitterion", 0),
        ("NCC[N+](=O)[O-]", "donor", 0),
        ("[NH3+]CC[NH3+]", "cation", 2),
    ],
)
def test_mode_and_charge_are_read_off_the_structure(smiles: str, mode: str, charge: int) -> None:
    row = guessed_ligand("x", smiles)
    assert (row.mode, row.charge) == (mode, charge)
