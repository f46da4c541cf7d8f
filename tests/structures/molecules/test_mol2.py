"""Charges and bonds of mol2 files as programs write them."""

from pathlib import Path

import pytest
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from halobind.structures.molecules.mol2 import read_mol2
from halobind.structures.molecules.user_ligands import guessed_ligand

FAULTS = Path(__file__).parents[2] / "data" / "faults"
# Charged and other groups whose bonds programs write in different ways.
GROUPS = [
    "CCCC[NH3+]",
    "C[N+](C)(C)CC",
    "NC=[NH2+]",
    "CC(N)=[NH2+]",
    "NC(N)=[NH2+]",
    "CCNC(N)=[NH2+]",
    "CC(=O)[O-]",
    "[O-]C(=O)c1ccc([N+](=O)[O-])cc1",
    "CCP(=O)([O-])[O-]",
    "CCP(=O)(O)[O-]",
    "CCS(=O)(=O)[O-]",
    "CCS(=O)[O-]",
    "CCOS(=O)(=O)[O-]",
    "Cn1cc[n+](C)c1",
    "[NH3+]CC(=O)[O-]",
    "[NH3+]CC[N+](=O)[O-]",
    "C[N+](C)(C)CCCS(=O)(=O)[O-]",
    "[NH3+]CCc1c[nH]c2ccccc12",
    "CCCC[P+](C)(C)C",
    "C[S+](C)CC",
    "CS(=O)CC[NH3+]",
    "[C-]#[N+]CC[NH3+]",
    "N#CCC[NH3+]",
    "CC(=O)NCC[NH3+]",
    "CCN(CC)C(=S)[S-]",
]


def write_mol2(
    path: Path, smiles: str, *, attributes: bool, charges: bool, delocalised: bool
) -> Chem.Mol:
    """Write a molecule as programs do.

    Args:
        path: The file.
        smiles: The molecule.
        attributes: Whether formal charges are written between atoms and bonds, as Open Babel does.
        charges: Whether the partial charges add up to the charge.
        delocalised: Whether bonds of acid groups and of amidinium are written as aromatic.
    """
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    rdDistGeom.EmbedMolecule(mol, randomSeed=1)
    aromatic = {bond.GetIdx() for bond in mol.GetBonds() if bond.GetIsAromatic()}
    kekulized = Chem.Mol(mol)
    Chem.Kekulize(kekulized, clearAromaticFlags=True)
    lines = ["@<TRIPOS>MOLECULE", "*****", f" {mol.GetNumAtoms()} {mol.GetNumBonds()} 0 0 0"]
    lines += ["SMALL", "GASTEIGER" if charges else "NO_CHARGES", "", "@<TRIPOS>ATOM"]
    xyz = mol.GetConformer().GetPositions()
    for atom, (x, y, z) in zip(mol.GetAtoms(), xyz, strict=True):
        charge = atom.GetFormalCharge() if charges else 0.0
        symbol = atom.GetSymbol()
        lines.append(f"{atom.GetIdx() + 1} {symbol} {x:.4f} {y:.4f} {z:.4f} {symbol} 1 X {charge}")
    if attributes:
        lines.append("@<TRIPOS>UNITY_ATOM_ATTR")
        for atom in mol.GetAtoms():
            if atom.GetFormalCharge():
                lines += [f"{atom.GetIdx() + 1} 1", f"charge {atom.GetFormalCharge()}"]
    acid = Chem.MolFromSmarts("[C,P,S](=O)[O-]")
    amidinium = Chem.MolFromSmarts("[CX3](=[NX3+])[NX3]")
    if delocalised:
        for match in (*mol.GetSubstructMatches(acid), *mol.GetSubstructMatches(amidinium)):
            for end in match[1:]:
                aromatic.add(mol.GetBondBetweenAtoms(match[0], end).GetIdx())
    lines.append("@<TRIPOS>BOND")
    for bond in kekulized.GetBonds():
        order = "ar" if bond.GetIdx() in aromatic else str(int(bond.GetBondTypeAsDouble()))
        ends = (bond.GetBeginAtomIdx() + 1, bond.GetEndAtomIdx() + 1)
        lines.append(f"{bond.GetIdx() + 1} {ends[0]} {ends[1]} {order}")
    path.write_text("\n".join([*lines, ""]), encoding="ascii")
    return mol


@pytest.mark.parametrize("delocalised", [False, True])
@pytest.mark.parametrize(("attributes", "charges"), [(True, False), (False, True), (False, False)])
@pytest.mark.parametrize("smiles", GROUPS)
def test_charged_groups_are_read_with_their_charge(
    smiles: str, attributes: bool, charges: bool, delocalised: bool, tmp_path: Path
) -> None:
    path = tmp_path / "x.mol2"
    mol = write_mol2(path, smiles, attributes=attributes, charges=charges, delocalised=delocalised)
    read, names = read_mol2(path)
    assert Chem.GetFormalCharge(read) == Chem.GetFormalCharge(mol)
    for molecule in (read, mol):
        Chem.RemoveStereochemistry(molecule)
    assert Chem.MolToInchiKey(read) == Chem.MolToInchiKey(mol)
    assert len(set(names)) == mol.GetNumAtoms()


@pytest.mark.parametrize(
    ("file", "smiles", "mode", "charge"),
    [
        ("nitrobenzoate-antechamber-sybyl.mol2", "O=C([O-])c1ccc([N+](=O)[O-])cc1", "anion", -1),
        ("nitrobenzoate-the-same.sdf", "O=C([O-])c1ccc([N+](=O)[O-])cc1", "anion", -1),
        ("butylammonium-flat.mol2", "CCCC[NH3+]", "cation", 1),
        ("pea-openbabel.mol2", "[NH3+]CCc1ccccc1", "cation", 1),
    ],
)
def test_files_of_other_programs(file: str, smiles: str, mode: str, charge: int) -> None:
    row = guessed_ligand("x", str(FAULTS / file))
    assert (row.smiles, row.mode, row.charge) == (smiles, mode, charge)


def test_aromatic_bonds_without_formal_charges_are_read() -> None:
    mol, _ = read_mol2(FAULTS / "imidazolium-openbabel-xu.mol2")
    assert Chem.MolToSmiles(Chem.RemoveHs(mol)) == "CCCCn1cc[n+](C)c1"


def test_names_that_repeat_are_numbered() -> None:
    _, names = read_mol2(FAULTS / "pea-openbabel.mol2")
    assert names[:4] == ("N", "C1", "C2", "C3") and names[-1] == "H12"


def test_charges_that_are_not_those_of_the_bonds_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.mol2"
    write_mol2(path, "CCCC[NH3+]", attributes=False, charges=True, delocalised=False)
    good = path.read_text(encoding="ascii")
    path.write_text(good.replace(" N 1 X 1\n", " N 1 X 2\n"), encoding="ascii")
    with pytest.raises(ValueError, match=r"add up to \+2 e, its bonds and hydrogens to \+1 e"):
        read_mol2(path)
    path.write_text(good.replace(" N 1 X 1\n", " N 1 X 0.4\n"), encoding="ascii")
    with pytest.raises(ValueError, match=r"partial charges add up to 0\.400 e"):
        read_mol2(path)


def test_what_cannot_be_read_is_told_by_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "x.mol2"
    write_mol2(path, "CCCC[NH3+]", attributes=False, charges=False, delocalised=False)
    good = path.read_text(encoding="ascii")
    path.write_text(good.replace("16 5 17 1\n", "16 1 17 1\n"), encoding="ascii")
    with pytest.raises(ValueError, match="Explicit valence for atom # 0 C, 5") as refused:
        read_mol2(path)
    assert "SYBYL" not in str(refused.value)
    path.write_text(good.replace("1 1 2 1\n", "1 1 2 du\n"), encoding="ascii")
    with pytest.raises(ValueError, match="of no known order"):
        read_mol2(path)
    path.write_text(good.replace(" H 1 X", " D 1 X"), encoding="ascii")
    with pytest.raises(ValueError, match="isotope of hydrogen"):
        read_mol2(path)
