"""Molecules and conformers against their formulas; ligands from files; bad ligands refused."""

import re
from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from halobind.structures.molecules.catalogue import (
    ION_CHARGES,
    LIGANDS,
    MODES,
    PEROVSKITES,
    SOLVENTS,
    Ligand,
    catalogue_ligand,
    exchangeable_ions,
)
from halobind.structures.molecules.molecule import (
    bridging_conformers,
    catalogue_molecule,
    make_molecule,
    rdkit_molecule,
)
from halobind.structures.molecules.user_ligands import check_ligand, ligand_from_file
from tests.rings import one_of_each_kind

FORMULAS = {
    "DA": "C12H28N",
    "DDA": "C24H52N",
    "DMDDA": "C26H56N",
    "MA": "CH6N",
    "dimethylammonium": "C2H8N",
    "tetramethylammonium": "C4H12N",
    "FA": "CH5N2",
    "butylammonium": "C4H12N",
    "octylammonium": "C8H20N",
    "oleylammonium": "C18H38N",
    "benzylammonium": "C7H10N",
    "DPPA": "C15H18N",
    "APTES-ammonium": "C9H24NO3Si",
    "phenylalaninium": "C9H12NO2",
    "oleate": "C18H33O2",
    "octanoate": "C8H15O2",
    "valerate": "C5H9O2",
    "benzoate": "C7H5O2",
    "cinnamate": "C9H7O2",
    "4-CF3-cinnamate": "C10H6F3O2",
    "F5-cinnamate": "C9H2F5O2",
    "4-OMe-cinnamate": "C10H9O3",
    "mesitylacetate": "C11H13O2",
    "phenylacetate": "C8H7O2",
    "hydrogen-methylphosphonate": "CH4O3P",
    "methylphosphonate": "CH3O3P",
    "hydrogen-hexylphosphonate": "C6H14O3P",
    "hexylphosphonate": "C6H13O3P",
    "hydrogen-tetradecylphosphonate": "C14H30O3P",
    "tetradecylphosphonate": "C14H29O3P",
    "hydrogen-octadecylphosphonate": "C18H38O3P",
    "octadecylphosphonate": "C18H37O3P",
    "butylamine": "C4H11N",
    "octylamine": "C8H19N",
    "oleylamine": "C18H37N",
    "benzylamine": "C7H9N",
    "6-aminohexanoic-acid": "C6H13NO2",
    "8-aminooctanoic-acid": "C8H17NO2",
    "12-aminododecanoic-acid": "C12H25NO2",
    "phenylalanine": "C9H11NO2",
    "leucine": "C6H13NO2",
    "lysine": "C6H14N2O2",
    "arginine": "C6H14N4O2",
    "cysteine": "C3H7NO2S",
    "sulfobetaine": "C23H49NO3S",
    "phosphocholine": "C21H46NO4P",
    "acetone": "C3H6O",
    "toluene": "C7H8",
    "hexane": "C6H14",
    "octane": "C8H18",
    "1-octadecene": "C18H36",
    "DMF": "C3H7NO",
    "DMSO": "C2H6OS",
    "2-propanol": "C3H8O",
    "chloroform": "CHCl3",
    "water": "H2O",
}
TWO_HEADED = [name for name, row in LIGANDS.items() if row.mode == "zwitterion"]
LIGAND_KINDS = (
    "DA",
    "DDA",
    "FA",
    "APTES-ammonium",
    "oleate",
    "cinnamate",
    "methylphosphonate",
    "butylamine",
    "cysteine",
    "6-aminohexanoic-acid",
)
DA_LIKE = Ligand("CCC[NH3+]", "cation", 1, "propylammonium")


def bond_lengths(xyz: np.ndarray, item) -> np.ndarray:
    return np.linalg.norm(xyz[item.bonds[:, 0]] - xyz[item.bonds[:, 1]], axis=1)


def stereo(item, xyz: np.ndarray) -> tuple:
    """Chiral centres and double-bond geometry as read from coordinates (nm)."""
    mol = rdkit_molecule(item)
    for i, point in enumerate(10 * xyz):
        mol.GetConformer().SetAtomPosition(i, point.tolist())
    Chem.AssignStereochemistryFrom3D(mol)
    wanted = set(Chem.FindMolChiralCenters(Chem.AddHs(Chem.MolFromSmiles(item.smiles))))
    return wanted <= set(Chem.FindMolChiralCenters(mol)), [
        str(b.GetStereo())[6:] for b in mol.GetBonds() if str(b.GetStereo()) != "STEREONONE"
    ]


@pytest.mark.parametrize(
    "name", one_of_each_kind([*LIGANDS, *SOLVENTS], default=[*LIGAND_KINDS, "acetone", "water"])
)
def test_composition(name: str) -> None:
    item = catalogue_molecule(name)
    assert re.sub(r"[+-]\d*$", "", CalcMolFormula(rdkit_molecule(item))) == FORMULAS[name]
    assert len(set(item.names)) == item.n_atoms == len(item.elements)
    assert item.masses.sum() == pytest.approx(
        sum(Chem.GetPeriodicTable().GetAtomicWeight(e) for e in item.elements), abs=0.01
    )


@pytest.mark.parametrize("name", one_of_each_kind(LIGANDS, default=LIGAND_KINDS))
def test_rows_are_what_they_say(name: str) -> None:
    check_ligand(name, LIGANDS[name])
    item, row = catalogue_molecule(name), LIGANDS[name]
    assert item.charge == row.charge and item.charged == (row.mode != "donor")
    kinds = {"A": ("N", "C"), "X": ("C", "P", "S"), "M": ("N",)}
    assert all(
        item.elements[head] in kinds[site]
        for head, site in zip(item.heads, MODES[row.mode].sites, strict=True)
    )


@pytest.mark.parametrize("name", one_of_each_kind(LIGANDS, default=LIGAND_KINDS))
def test_heads_down_tails_up_in_every_conformer(name: str) -> None:
    item, row = catalogue_molecule(name), LIGANDS[name]
    assert 1 <= len(item.conformers) <= 12
    heavy = np.array([e != "H" for e in item.elements])
    far = np.array(Chem.GetDistanceMatrix(rdkit_molecule(item)))[item.anchor]
    for xyz in item.conformers:
        assert xyz[item.anchor] == pytest.approx(0.0, abs=1e-9)
        assert bond_lengths(xyz, item).max() < 0.2 and bond_lengths(xyz, item).min() > 0.09
        apart = np.linalg.norm(xyz[:, None] - xyz[None], axis=-1)[np.triu_indices(item.n_atoms, 1)]
        assert apart.min() > 0.09
        if far[heavy].max() > 3:
            assert (
                xyz[heavy & (far >= far[heavy].max() - 1), 2].min() > 0.1
            )  # the end of the longest tail is up
        chiral, _ = stereo(item, xyz)
        assert chiral
    if row.mode == "anion":
        oxygens = [i for i in np.flatnonzero(far == 1) if item.elements[i] == "O"]
        assert item.positions[oxygens, 2].mean() < 0.0
    if row.mode == "donor":
        hydrogens = [i for i in np.flatnonzero(far == 1) if item.elements[i] == "H"]
        assert (
            np.abs(item.positions[hydrogens, 2]).max() < 0.06
        )  # the lone pair points down, the N-H aside


def test_both_tails_of_a_two_chain_ligand_point_up() -> None:
    for name in ("DDA", "DMDDA"):
        item = catalogue_molecule(name)
        ends = [
            i
            for i, e in enumerate(item.elements)
            if e == "C" and np.sum(item.bonds == i) == 4 and np.linalg.norm(item.positions[i]) > 0.5
        ]
        methyls = [
            i
            for i in ends
            if sum(
                item.elements[j] == "H" for j in item.bonds[(item.bonds == i).any(axis=1)].ravel()
            )
            == 3
        ]
        assert len(methyls) == 2 and (item.positions[methyls, 2] > 0.9).all()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("oleate", "Z"), ("oleylammonium", "Z"), ("oleylamine", "Z"), ("cinnamate", "E")],
)
def test_double_bonds_keep_their_geometry(name: str, expected: str) -> None:
    item = catalogue_molecule(name)
    assert all(stereo(item, xyz)[1] == [expected] for xyz in item.conformers)


@pytest.mark.parametrize(
    "name", one_of_each_kind(TWO_HEADED, default=("cysteine", "6-aminohexanoic-acid"))
)
def test_zwitterions_span_neighbouring_sites(name: str) -> None:
    item = catalogue_molecule(name)
    found = bridging_conformers(name, LIGANDS[name], 0.4144)
    assert len(found) >= 1
    for xyz in found:
        second = xyz[item.heads[1]]
        assert xyz[item.heads[0]] == pytest.approx(0.0, abs=1e-9) and second[1:] == pytest.approx(
            0.0, abs=1e-9
        )
        assert 0.25 < second[0] < 0.45  # alpha-amino acids cannot stretch their 0.28 nm
        assert bond_lengths(xyz, item).max() < 0.2
        assert stereo(item, xyz)[0]
        heavy = np.array([e != "H" for e in item.elements])
        assert xyz[heavy, 2].max() > 0.1 and xyz[heavy, 2].min() > -0.2


def test_a_short_zwitterion_cannot_span_far_sites() -> None:
    assert bridging_conformers("phenylalanine", LIGANDS["phenylalanine"], 0.926).shape == (0, 23, 3)
    long = bridging_conformers("12-aminododecanoic-acid", LIGANDS["12-aminododecanoic-acid"], 0.926)
    assert np.linalg.norm(
        long[0][catalogue_molecule("12-aminododecanoic-acid").heads[1]]
    ) == pytest.approx(0.926, abs=0.03)


def test_same_row_same_molecule() -> None:
    first = make_molecule("x", DA_LIKE)
    make_molecule.cache_clear()
    assert np.array_equal(first.conformers, make_molecule("x", DA_LIKE).conformers)


@pytest.mark.parametrize(
    ("smiles", "mode", "charge", "message"),
    [
        (
            "CC(C)(C)(C)C",
            "cation",
            1,
            "Explicit valence for atom # 1 C, 5, is greater than permitted",
        ),
        ("C1CC[NH3+]", "cation", 1, "check its brackets and ring closures"),
        ("", "cation", 1, "cannot read the SMILES ''"),
        (
            "CCN",
            "cation",
            1,
            (
                r"charge = 1 but 'CCN' carries \+0: write the charge into the structure, like"
                r" \[NH3\+\]"
            ),
        ),
        ("CC[NH3+]", "anion", 1, r'mode = "anion" needs a charge < 0'),
        (
            "C[S+](C)C",
            "cation",
            1,
            'mode = "cation" needs an ammonium, amidinium or guanidinium group',
        ),
        ("CC(=O)N", "donor", 0, 'mode = "donor" needs a neutral amine nitrogen'),
        (
            "C[N+](C)(C)CC[O-]",
            "zwitterion",
            0,
            'mode = "zwitterion" needs an ammonium-type and an acid-type group',
        ),
        ("CC[NH3+].[Br-]", "cation", 0, "is 2 molecules: leave counter-ions out"),
        ("CC[N+]", "cation", 1, "is a radical"),
        ("C[Ge+](C)C", "cation", 1, "Ge, for which there is no contact radius"),
        ("CC[NH3+]", "ionic", 1, "mode = 'ionic' is not one of cation, anion, donor, zwitterion"),
    ],
)
def test_bad_ligands_are_refused(smiles: str, mode: str, charge: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_ligand("bad", Ligand(smiles, mode, charge, "bad"))


def test_bad_names_are_refused() -> None:
    for name in ("Br", "my ligand", "a/b", ""):
        with pytest.raises(ValueError, match="is not a name for a ligand"):
            check_ligand(name, DA_LIKE)


def write_sdf(path: Path, smiles: str, order: list[int] | None = None) -> Chem.Mol:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(mol, randomSeed=1)
    mol = Chem.RenumberAtoms(mol, order) if order else mol
    path.write_text(Chem.MolToMolBlock(mol) + "$$$$\n")
    return mol


def test_a_file_keeps_its_atom_order(tmp_path: Path) -> None:
    path = tmp_path / "mine.sdf"
    mol = write_sdf(path, "CCC[NH3+]", [3, 12, 0, 5, 1, 2, 4, 6, 7, 8, 9, 10, 11, 13])
    row = ligand_from_file(path, "cation", 1)
    item = make_molecule("mine", row)
    assert item.elements == tuple(atom.GetSymbol() for atom in mol.GetAtoms())
    assert item.elements[:5] == ("N", "H", "C", "H", "C")
    assert item.names[:4] == ("N1", "H1", "C1", "H2") and item.anchor == 0
    check_ligand("mine", row)


MOL2 = """@<TRIPOS>MOLECULE
acetate
 7 6 1 0 0
SMALL
USER_CHARGES
@<TRIPOS>ATOM
  1 OXA   1.20  0.90 0.00 O.co2 1 ACE -0.8
  2 CAR   0.60 -0.20 0.00 C.2   1 ACE  0.8
  3 OXB   1.20 -1.30 0.00 O.co2 1 ACE -0.8
  4 CME  -0.90 -0.20 0.00 C.3   1 ACE -0.2
  5 HA   -1.30  0.82 0.00 H     1 ACE  0.0
  6 HB   -1.28 -0.72 0.88 H     1 ACE  0.0
  7 HC   -1.28 -0.72 -0.88 H    1 ACE  0.0
@<TRIPOS>BOND
 1 1 2 ar
 2 2 3 ar
 3 2 4 1
 4 4 5 1
 5 4 6 1
 6 4 7 1
"""


def test_a_mol2_file_keeps_its_names(tmp_path: Path) -> None:
    path = tmp_path / "acetate.mol2"
    path.write_text(MOL2)
    item = make_molecule("acetate", ligand_from_file(path, "anion", -1))
    assert (
        item.names == ("OXA", "CAR", "OXB", "CME", "HA", "HB", "HC")
        and item.names[item.anchor] == "CAR"
    )
    assert item.positions[[0, 2], 2].max() < 0.0 < item.positions[3, 2]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.xyz", "", "a ligand file is one of .mol2, .sdf, .mol"),
        ("a.mol2", MOL2.replace(" 6 4 7 1\n", ""), "give no normal valences"),
        ("a.mol2", MOL2.replace("CME", "C'\"M"), "is not a letter with at most five"),
        ("a.mol2", MOL2.replace("C.3 ", "c3  "), "needs SYBYL atom types"),
        ("a.mol2", MOL2 + MOL2, "2 molecules in the file: write one"),
        ("a.sdf", "nonsense", "molecule"),
    ],
)
def test_bad_files_are_refused(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        ligand_from_file(tmp_path / name, "anion", -1)


def test_missing_files_and_hydrogens_are_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no file"):
        ligand_from_file(tmp_path / "none.sdf", "cation", 1)
    (tmp_path / "bare.sdf").write_text(
        Chem.MolToMolBlock(Chem.MolFromSmiles("CCC[NH3+]")) + "$$$$\n"
    )
    with pytest.raises(ValueError, match="hydrogens are missing"):
        ligand_from_file(tmp_path / "bare.sdf", "cation", 1)
    write_sdf(tmp_path / "salt.sdf", "CCC[NH3+].[Br-]")
    with pytest.raises(ValueError, match="2 molecules in one"):
        ligand_from_file(tmp_path / "salt.sdf", "cation", 1)


def test_every_lone_ion_on_a_site_can_be_a_ligand() -> None:
    for perovskite in PEROVSKITES:
        for name, mode in zip(exchangeable_ions(perovskite), ("cation", "anion"), strict=True):
            row = catalogue_ligand(name)
            assert (row.mode, MODES[row.mode].height_nm) == (mode, 0.0)
            assert row.charge == ION_CHARGES.get(name, 1)
