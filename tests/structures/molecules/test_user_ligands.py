"""What a user's ligand must say: its isomer, its head, its places; and what files are read."""

import json
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdDepictor, rdDistGeom

from halobind.pipeline.campaign.model_settings import LigandSection
from halobind.structures.molecules import stereo
from halobind.structures.molecules.catalogue import LIGANDS, Ligand
from halobind.structures.molecules.molecule import head_atoms, make_molecule, rdkit_molecule
from halobind.structures.molecules.user_ligands import (
    check_ligand,
    guessed_ligand,
    isomers_left_open,
    ligand_from_file,
    ligand_notes,
)

FAULTS = Path(__file__).parents[2] / "data" / "faults"
OLEYLAMMONIUM = "CCCCCCCC/C=C\\CCCCCCCC[NH3+]"


def thickness(row: Ligand) -> float:
    """The smallest extent (nm) of the first conformer of a ligand."""
    xyz = make_molecule("x", row).positions
    return float(np.linalg.svd(xyz - xyz.mean(axis=0))[1][-1])


@pytest.mark.parametrize("name", LIGANDS)
def test_rows_of_the_catalogue_say_which_isomer_they_are(name: str) -> None:
    check_ligand(name, LIGANDS[name])


@pytest.mark.parametrize(
    ("smiles", "isomers"),
    [
        (
            "CCCCCCCCC=CCCCCCCCC[NH3+]",
            ["CCCCCCCC/C=C/CCCCCCCC[NH3+]", OLEYLAMMONIUM],
        ),
        ("CCC(C)CC[NH3+]", ["CC[C@@H](C)CC[NH3+]", "CC[C@H](C)CC[NH3+]"]),
        ("C/C=C/C(C)[NH3+]", ["C/C=C/[C@@H](C)[NH3+]", "C/C=C/[C@H](C)[NH3+]"]),
        ("C[N+](CC)(CCC)CCCC", None),
        ("CC1CCC([NH3+])CC1", None),
    ],
)
def test_an_isomer_that_is_left_open_is_refused_with_the_choice(
    smiles: str, isomers: list[str] | None
) -> None:
    listed = isomers_left_open(Ligand(smiles, "cation", 1, "x"))
    assert len(listed) == 2 and (isomers is None or list(listed) == isomers)
    with pytest.raises(ValueError, match="which stereoisomer it is") as refused:
        guessed_ligand("x", smiles)
    for isomer in listed:
        assert f"'{isomer}'" in str(refused.value)
        check_ligand("x", Ligand(isomer, "cation", 1, "x"))
    section = LigandSection(smiles=smiles, mode="cation", charge=1, stereo="any")
    row = section.ligand("x", Path())
    check_ligand("x", row)
    assert row.smiles == listed[0]
    assert ligand_notes("x", row)[0] == f"x is the stereoisomer {listed[0]}"


@pytest.mark.parametrize(
    "smiles",
    [
        "CC[NH+](C)CCC",
        "CC[NH+]=C(N)C",
        "[NH3+]C12CC3CC(C1)CC(C3)C2",
        "[NH3+]CC1CCCCC1",
        "[NH3+]CCC[Si]12O[Si]3(C)O[Si]4(C)O[Si](C)(O1)O[Si]1(C)O[Si](C)(O2)O[Si](C)(O3)O[Si](C)"
        "(O4)O1",
    ],
)
def test_what_has_one_form_only_is_taken(smiles: str) -> None:
    assert guessed_ligand("x", smiles).charge == 1


def drawing(smiles: str) -> Chem.Mol:
    """A molecule with hydrogens as a drawing, without wedges."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    rdDepictor.Compute2DCoords(mol)
    return mol


@pytest.mark.parametrize("marked", ["2D", "3D"])
def test_drawings_without_wedges_or_with_crossed_bonds_are_refused(
    marked: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.sdf"
    block = Chem.MolToMolBlock(drawing("CCC(C)CC[NH3+]"))
    path.write_text(block.replace("          2D", f"          {marked}"), encoding="ascii")
    with pytest.raises(ValueError, match="which stereoisomer it is"):
        guessed_ligand("x", str(path))
    section = LigandSection(file=path.name, mode="cation", charge=1, stereo="any")
    row = section.ligand("x", tmp_path)
    check_ligand("x", row)
    assert thickness(row) > 0.1
    crossed = drawing("CCC=CC[NH3+]")
    crossed.GetBondWithIdx(2).SetStereo(Chem.BondStereo.STEREOANY)
    path.write_text(Chem.MolToMolBlock(crossed), encoding="ascii")
    with pytest.raises(ValueError, match="which stereoisomer it is"):
        guessed_ligand("x", str(path))


def test_wedges_count_where_a_drawing_is_marked_as_three_dimensional(tmp_path: Path) -> None:
    path = tmp_path / "x.sdf"
    block = Chem.MolToMolBlock(drawing("CC[C@H](C)CC[NH3+]"))
    path.write_text(block.replace("          2D", "          3D"), encoding="ascii")
    row = guessed_ligand("x", str(path))
    assert row.smiles == Chem.CanonSmiles("CC[C@H](C)CC[NH3+]") and thickness(row) > 0.1


@pytest.mark.parametrize("file", ["butylammonium-flat.mol2", "zero.sdf", "latin1-title.sdf"])
def test_a_conformer_is_made_where_coordinates_are_none(file: str) -> None:
    row = guessed_ligand("x", str(FAULTS / file))
    assert row.smiles == "CCCC[NH3+]" and thickness(row) > 0.1
    item = make_molecule("x", row)
    lengths = np.linalg.norm(
        item.positions[item.bonds[:, 0]] - item.positions[item.bonds[:, 1]], axis=1
    )
    assert lengths.min() > 0.09 and lengths.max() < 0.17


def test_hydrogens_that_were_never_placed_are_placed(tmp_path: Path) -> None:
    mol = Chem.AddHs(Chem.MolFromSmiles("CCCC[NH3+]"))
    rdDistGeom.EmbedMolecule(mol, randomSeed=1)
    for atom in mol.GetAtoms():
        if atom.GetAtomicNum() == 1:
            mol.GetConformer().SetAtomPosition(atom.GetIdx(), (0.0, 0.0, 0.0))
    path = tmp_path / "x.sdf"
    path.write_text(Chem.MolToMolBlock(mol), encoding="ascii")
    assert thickness(guessed_ligand("x", str(path))) > 0.1


def test_flat_molecules_keep_their_coordinates(tmp_path: Path) -> None:
    mol = Chem.AddHs(Chem.MolFromSmiles("[O-]C(=O)c1ccccc1"))
    rdDistGeom.EmbedMolecule(mol, randomSeed=1)
    path = tmp_path / "x.sdf"
    path.write_text(Chem.MolToMolBlock(mol), encoding="ascii")
    row = ligand_from_file(path, "anion", -1)
    assert Chem.MolFromMolBlock(row.molblock).GetConformer().Is3D()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[2H]C([2H])C[NH3+]", "has the isotope 2H"),
        ("[13CH3]C[NH3+]", "has the isotope 13C"),
        ("mine.pdb", "a pdb file does not say the bond orders"),
        ("some/where/mine.XYZ", "a xyz file does not say the bond orders"),
        ("mine.cdx", "a ligand file is one of .mol2, .sdf, .mol"),
        ("InChI=1S/C2H7N/c1-2-3/h2-3H2,1H3", "give the SMILES"),
    ],
)
def test_what_is_no_ligand_is_told(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        guessed_ligand("x", text)


def test_deuterium_of_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.sdf"
    path.write_text(Chem.MolToMolBlock(drawing("[2H]CC[NH3+]")), encoding="ascii")
    with pytest.raises(ValueError, match="has the isotope 2H"):
        guessed_ligand("x", str(path))


def test_rdkit_says_what_is_wrong_with_an_sdf(tmp_path: Path) -> None:
    block = Chem.MolToMolBlock(drawing("CC[NH3+]"))
    path = tmp_path / "x.sdf"
    path.write_text(block.replace("M  CHG  1   3   1\n", ""), encoding="ascii")
    with pytest.raises(ValueError, match="Explicit valence for atom # 2 N, 4"):
        guessed_ligand("x", str(path))


@pytest.mark.parametrize(
    ("smiles", "n_heads"),
    [
        ("[NH3+]CCC(C)(C)C[NH3+]", 2),
        ("NCCNC", 2),
        ("[O-]C(=O)CCS(=O)(=O)[O-]", 2),
        ("[NH3+][C@@H](CCC(=O)[O-])C(=O)[O-]", 2),
        ("[NH3+]CC[NH3+]", 0),
        ("CCC[NH3+]", 0),
    ],
)
def test_each_of_several_heads_can_be_chosen(smiles: str, n_heads: int) -> None:
    row = guessed_ligand("x", smiles)
    notes = [note for note in ligand_notes("x", row) if "stereoisomer" not in note]
    assert len(notes) == (n_heads + 1 if n_heads else 0)
    item = make_molecule("x", row)
    for note in notes[1:]:
        name, _, heads = note.strip().partition(": heads = ")
        patterns = tuple(json.loads(heads))
        chosen_row = Ligand(smiles, row.mode, row.charge, "x", patterns)
        chosen = head_atoms("x", chosen_row, rdkit_molecule(item))
        assert name in [item.names[atom] for atom in chosen]
    if notes:
        assert f"binds by {item.names[item.anchor]}" in notes[0]


@pytest.mark.parametrize(
    "smiles",
    ["CCCCCCCC[N+](CCCCCCCC)(CCCCCCCC)CCCCCCCC", "CCCC[P+](CCCC)(CCCC)CCCC"],
)
def test_four_long_chains_on_one_atom_have_a_conformer(smiles: str) -> None:
    row = Ligand(smiles, "cation", 1, "x", ("[N+,P+]",))
    check_ligand("x", row)
    assert make_molecule("x", row).charge == 1


@pytest.mark.parametrize("smiles", ["CC1CC(C)CC([NH3+])C1", "[NH3+]CC" + "1CC(O)C1C" * 4])
def test_isomers_of_what_cannot_be_embedded_stay_open(
    smiles: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No conformer was made of any isomer: that says nothing on how many there are."""
    monkeypatch.setattr(stereo, "_embedded", lambda mol, seed: None)
    assert len(stereo.open_isomers(Chem.AddHs(Chem.MolFromSmiles(smiles)))) > 1
