"""Formats read back by the programs people use: gemmi, OpenMM, mdtraj, ASE."""

from pathlib import Path

import gemmi
import mdtraj
import numpy as np
import pytest
from ase.data import atomic_numbers
from ase.data.colors import jmol_colors
from ase.io import read
from matplotlib.image import imread
from openmm import app, unit

from halobind.structures.assembly.build import ModelSpec, build_model
from halobind.structures.crystals.coating import Coat
from halobind.structures.crystals.crystal import CrystalSpec
from halobind.structures.models.export import FORMATS, check_export, export_model, residue_codes
from halobind.structures.models.model import Model
from halobind.structures.models.picture import draw_model


@pytest.fixture(scope="module")
def model() -> Model:
    """A MAPbBr3 cube with two kinds of ligands and a few solvent molecules."""
    crystal = CrystalSpec("MAPbBr3", "cuboid", (2, 2, 2), "AX", 0.586)
    coats = (Coat("face", "butylammonium", 0.5), Coat("face", "valerate", 2))
    return build_model(ModelSpec(crystal, None, "face", (("2-propanol", 1.0),), 2.6, coats))[0]


def bond_set(topology: object) -> set[tuple[int, int]]:
    return {tuple(sorted((a.index, b.index))) for a, b in topology.bonds()}


def residues_of(model: Model) -> list[str]:
    return [residue.name for residue in model.residues]


@pytest.mark.parametrize("kind", FORMATS)
def test_positions_box_and_elements_come_back(kind: str, model: Model, tmp_path: Path) -> None:
    path = tmp_path / f"model.{kind}"
    if kind == "cif":  # ASE compares every atom of a CIF with every other
        model = build_model(
            ModelSpec(
                CrystalSpec("CsPbBr3", "cuboid", (3, 3, 2), "AX", 0.586), "DA", "face", (), 5.0
            )
        )[0]
    export_model(model, path, kind)
    if kind == "mmcif":
        table = (
            gemmi.cif.read(str(path))
            .sole_block()
            .find("_atom_site.", ["type_symbol", "Cartn_x", "Cartn_y", "Cartn_z"])
        )
        assert [row[0] for row in table] == list(model.elements)
        assert np.array([[float(x) for x in list(row)[1:]] for row in table]) / 10 == pytest.approx(
            model.positions, abs=1e-6
        )
        return
    atoms = read(path)
    assert tuple(atoms.get_chemical_symbols()) == model.elements
    delta = atoms.positions / 10 - model.positions
    if kind == "cif":
        delta -= model.box * np.round(delta / model.box)
    assert np.abs(delta).max() < 1e-4
    if kind != "xyz":
        assert atoms.cell.lengths() / 10 == pytest.approx(model.box, abs=1e-4)


def test_pdb_keeps_residues_and_bonds(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "model.pdb"
    export_model(model, path, "pdb")
    codes = residue_codes(model)
    expected = {tuple(sorted(pair)) for pair in model.bonds.tolist()}
    ours = app.PDBFile(str(path))
    assert [residue.name for residue in ours.topology.residues()] == [
        codes[name] for name in residues_of(model)
    ]
    assert bond_set(ours.topology) == expected
    assert ours.getPositions(asNumpy=True).value_in_unit(unit.nanometer) == pytest.approx(
        model.positions, abs=1e-4
    )
    theirs = mdtraj.load_pdb(path, standard_names=False)
    assert {tuple(sorted((a.index, b.index))) for a, b in theirs.topology.bonds} == expected
    assert theirs.xyz[0] == pytest.approx(model.positions, abs=1e-4) and theirs.unitcell_lengths[
        0
    ] == pytest.approx(model.box, abs=1e-4)
    told = [
        line.split()
        for line in path.read_text().splitlines()
        if line.startswith("REMARK   3 RESIDUE")
    ]
    assert {(row[5], row[3]) for row in told} == {
        (name, code) for name, code in codes.items() if name != code
    }


def test_mmcif_is_read_by_openmm_with_residue_names(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "model.cif"
    export_model(model, path, "mmcif")
    file = app.PDBxFile(str(path))
    assert [residue.name for residue in file.topology.residues()] == residues_of(model)
    assert file.getPositions(asNumpy=True).value_in_unit(unit.nanometer) == pytest.approx(
        model.positions, abs=1e-6
    )
    assert np.diag(
        file.topology.getPeriodicBoxVectors().value_in_unit(unit.nanometer)
    ) == pytest.approx(model.box)


def test_extxyz_carries_names_and_residues(model: Model, tmp_path: Path) -> None:
    export_model(model, tmp_path / "model.extxyz", "extxyz")
    atoms = read(tmp_path / "model.extxyz")
    assert tuple(atoms.arrays["atomname"]) == model.names
    assert [atoms.arrays["resname"][residue.start] for residue in model.residues] == residues_of(
        model
    )
    assert atoms.arrays["resid"][-1] == len(model.residues) and atoms.pbc.all()


def test_what_does_not_fit_is_refused() -> None:
    check_export(99_999, np.full(3, 10.0), "pdb")
    check_export(400_000, np.full(3, 16.0), "mmcif")
    with pytest.raises(ValueError, match="holds 99999 atoms, and the model has 100000: use mmcif"):
        check_export(100_000, np.full(3, 10.0), "pdb")
    with pytest.raises(
        ValueError, match="there is no format 'gro'; choose one of mmcif, pdb, xyz, extxyz, cif"
    ):
        check_export(10, np.full(3, 10.0), "gro")


def test_picture_shows_the_crystal_and_the_ligands(model: Model, tmp_path: Path) -> None:
    draw_model(model, tmp_path / "picture.png")
    pixels = imread(tmp_path / "picture.png")[:, :, :3]
    height, width, _ = pixels.shape
    assert 1400 < width < 1800 and 800 < height < 1100
    left, right = pixels[:, : width // 2], pixels[:, width // 2 :]
    bromine = np.array([0.651, 0.161, 0.161])  # ASE's jmol colour
    for panel in (left, right):
        assert (np.abs(panel - bromine).max(axis=-1) < 0.12).sum() > 2000
        assert (panel < 0.97).any(axis=-1).mean() > 0.05  # not blank
    edges = np.concatenate(
        [pixels[:3].reshape(-1, 3), pixels[:, :3].reshape(-1, 3), pixels[:, -3:].reshape(-1, 3)]
    )
    assert (edges > 0.99).all()  # nothing is cut off


def test_colours_of_elements_survive_in_the_file(model: Model, tmp_path: Path) -> None:
    """Fewer shades make a small file; a palette fitted to the picture made nitrogen look like
    caesium.
    """
    draw_model(model, tmp_path / "picture.png")
    pixels = imread(tmp_path / "picture.png")[-60:, :, :3].reshape(-1, 3)  # the legend
    for element in set(model.elements):
        off = np.abs(pixels - jmol_colors[atomic_numbers[element]]).max(axis=1)
        assert (off < 0.02).sum() > 20, element
    assert (tmp_path / "picture.png").stat().st_size < 300_000


def test_an_unwritable_picture_is_told(model: Model, tmp_path: Path) -> None:
    with pytest.raises(OSError):
        draw_model(model, tmp_path / "none" / "picture.png")
