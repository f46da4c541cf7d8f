"""Molecule files are found in one order, and nothing that stands in one is ever executed."""

from pathlib import Path

import pytest
from openmm import app

from halobind.forcefields.hamiltonian.system import SystemSettings, make_system, organic_types
from halobind.forcefields.packs.molecule_library import (
    MOLECULES_FOLDER,
    SHIPPED_MOLECULES,
    MoleculeLibrary,
)
from halobind.forcefields.packs.pack import load_pack
from halobind.forcefields.validation.lattice_constant import bulk_model
from halobind.structures.models.model import Model

PACK = load_pack("bond-increment")
MA_XML = SHIPPED_MOLECULES.path("MA").read_text(encoding="utf-8")
SCRIPT = "open({mark!r}, 'w').close()"


@pytest.fixture(scope="module")
def model() -> Model:
    return bulk_model("MAPbBr3", PACK.lattice_nm["MAPbBr3"], 3)


def hostile(attack: str, mark: Path) -> str:
    """The file of MA with an attack in it that makes the file `mark` when it is executed."""
    script = SCRIPT.format(mark=str(mark))
    if attack == "attribute":
        return MA_XML.replace(
            "<NonbondedForce", f'<NonbondedForce useDispersionCorrection="{script}"'
        )
    if attack == "include":
        other = mark.with_name("other.xml")
        content = f"<InitializationScript>{script}</InitializationScript>"
        other.write_text(f"<ForceField>{content}</ForceField>", encoding="utf-8")
        return MA_XML.replace("</ForceField>", f'<Include file="{other}"/></ForceField>')
    return MA_XML.replace("</ForceField>", f"<{attack}>{script}</{attack}></ForceField>")


@pytest.mark.parametrize("attack", ["InitializationScript", "Script", "include", "attribute"])
def test_nothing_in_a_molecule_file_is_executed(attack: str, tmp_path: Path, model: Model) -> None:
    mark = tmp_path / "executed"
    file = tmp_path / "MA.xml"
    file.write_text(hostile(attack, mark), encoding="utf-8")
    library = MoleculeLibrary(shipped=tmp_path)
    with pytest.raises(ValueError, match=r"MA\.xml has the (element|attribute)"):
        make_system(model, PACK, SystemSettings(0.8, 0.0), library)
    with pytest.raises(ValueError, match=r"MA\.xml has the (element|attribute)"):
        organic_types(model, library)
    assert not mark.exists()


@pytest.mark.parametrize("attack", ["InitializationScript", "include", "attribute"])
def test_openmm_would_execute_it(attack: str, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    file = tmp_path / "MA.xml"
    file.write_text(hostile(attack, mark), encoding="utf-8")
    app.ForceField(str(file))
    assert mark.exists()


def test_every_shipped_file_is_accepted() -> None:
    names = [path.stem for path in sorted(MOLECULES_FOLDER.glob("*.xml"))]
    assert len(names) > 50
    for name in names:
        assert SHIPPED_MOLECULES.content(name) == SHIPPED_MOLECULES.path(name).read_bytes()


def test_anything_may_stand_in_the_prose(tmp_path: Path) -> None:
    text = MA_XML.replace("<Info>", "<Info><DateGenerated>today</DateGenerated>")
    (tmp_path / "MA.xml").write_text(text, encoding="utf-8")
    assert MoleculeLibrary(shipped=tmp_path).content("MA") == text.encode()


def test_a_shipped_file_comes_before_one_of_the_user(tmp_path: Path) -> None:
    for name in ("DA", "mine"):
        (tmp_path / f"{name}.xml").write_text("<ForceField/>", encoding="utf-8")
    library = MoleculeLibrary(user_folder=tmp_path)
    assert library.path("DA") == MOLECULES_FOLDER / "DA.xml"
    assert library.path("mine") == tmp_path / "mine.xml"
    with pytest.raises(FileNotFoundError, match="no force-field file for 'mine'"):
        SHIPPED_MOLECULES.path("mine")


def test_a_file_that_is_not_xml_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.xml").write_text("<ForceField>", encoding="utf-8")
    with pytest.raises(ValueError, match=r"mine\.xml cannot be read as a ForceField file"):
        MoleculeLibrary(user_folder=tmp_path).content("mine")
