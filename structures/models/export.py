"""Models in the formats of other programs: PDB, XYZ, extended XYZ, CIF, and mmCIF."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import write
from openmm import app, unit

from halobind.structures.models.model import Model, reader_names, write_mmcif

MAX_PDB_ATOMS = 99_999
MAX_PDB_LENGTH_A = 9_999.0


def topology(model: Model, names: dict[str, str] | None = None) -> app.Topology:
    """The OpenMM topology of a model: one chain, its residues, atoms, bonds and box.

    Args:
        model: The model.
        names: What to call residues, by their name in the model.
    """
    made = app.Topology()
    chain = made.addChain()
    atoms = []
    for residue in model.residues:
        owner = made.addResidue((names or {}).get(residue.name, residue.name), chain)
        for i in range(residue.start, residue.stop):
            atoms.append(
                made.addAtom(model.names[i], app.Element.getBySymbol(model.elements[i]), owner)
            )
    for i, j in model.bonds.tolist():
        made.addBond(atoms[i], atoms[j])
    made.setUnitCellDimensions(tuple(model.box))
    return made


def residue_codes(model: Model) -> dict[str, str]:
    """A name of at most three letters or digits for each residue name.

    It is that of `reader_names` where it fits, else L01, L02, ...
    """
    codes: dict[str, str] = {}
    for name, read in reader_names(model).items():
        if re.fullmatch(r"[A-Za-z0-9]{1,3}", read) and read.upper() not in codes.values():
            codes[name] = read.upper()
    free = (f"L{number:02d}" for number in range(1, 100))
    for name in reader_names(model):
        if name not in codes:
            codes[name] = next(code for code in free if code not in codes.values())
    return codes


def ase_atoms(model: Model) -> Atoms:
    """The model as periodic ASE Atoms, with arrays atomname, resname and resid (from 1)."""
    atoms = Atoms(
        list(model.elements), positions=10 * model.positions, cell=10 * model.box, pbc=True
    )
    sizes = [residue.stop - residue.start for residue in model.residues]
    arrays = {
        "atomname": np.array(model.names),
        "resname": np.repeat([residue.name for residue in model.residues], sizes),
        "resid": np.repeat(np.arange(1, len(sizes) + 1), sizes),
    }
    for name, values in arrays.items():
        atoms.set_array(name, values)  # type: ignore[no-untyped-call]
    return atoms


def _pdb(model: Model, path: Path) -> None:
    codes = residue_codes(model)
    made = topology(model, codes)
    with open(path, "w", encoding="ascii") as handle:
        for name, code in codes.items():
            if name != code:
                handle.write(f"REMARK   3 RESIDUE {code} IS {name}\n")
        app.PDBFile.writeHeader(made, handle)
        app.PDBFile.writeModel(made, model.positions * unit.nanometer, handle)
        app.PDBFile.writeFooter(made, handle)


def _xyz(model: Model, path: Path) -> None:
    write(
        path,
        ase_atoms(model),
        format="xyz",
        comment=f"box {' '.join(f'{10 * side:.5f}' for side in model.box)} angstrom",
    )


def _extxyz(model: Model, path: Path) -> None:
    write(path, ase_atoms(model), format="extxyz")


def _cif(model: Model, path: Path) -> None:
    write(path, ase_atoms(model), format="cif")


FORMATS: dict[str, Callable[[Model, Path], None]] = {
    "mmcif": write_mmcif,
    "pdb": _pdb,
    "xyz": _xyz,
    "extxyz": _extxyz,
    "cif": _cif,
}


def check_export(model_atoms: int, box: np.ndarray, kind: str) -> None:
    """Refuse a model that does not fit a format.

    Args:
        model_atoms: The number of atoms.
        box: Edges (3,) in nm.
        kind: A key of FORMATS.

    Raises:
        ValueError: Naming the format and what to do.
    """
    if kind not in FORMATS:
        raise ValueError(f"there is no format {kind!r}; choose one of {', '.join(FORMATS)}")
    if kind == "pdb" and model_atoms > MAX_PDB_ATOMS:
        raise ValueError(
            f"format pdb holds {MAX_PDB_ATOMS} atoms, and the model has {model_atoms}: use mmcif,"
            " which model.cif is already"
        )
    if kind == "pdb" and 10 * float(np.max(box)) > MAX_PDB_LENGTH_A:
        raise ValueError(
            f"format pdb holds {MAX_PDB_LENGTH_A / 10:g} nm, and the box is {np.max(box):g} nm"
            " long: use mmcif"
        )


def export_model(model: Model, path: Path, kind: str | None = None) -> None:
    """Write the model to a file.

    Args:
        model: The model.
        path: The file.
        kind: A key of FORMATS; by default the extension of `path`.

    Raises:
        ValueError: When the model does not fit the format.
        OSError: When the file cannot be written.
    """
    kind = path.suffix.removeprefix(".") if kind is None else kind
    check_export(model.n_atoms, model.box, kind)
    FORMATS[kind](model, path)
