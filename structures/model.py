"""The Model: every atom in the box, where it is, what it belongs to; written and read as PDBx/mmCIF + groups.json."""

import json
from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np
from scipy.spatial import cKDTree

GROUPS = ("core", "surface", "frozen", "site", "ligand", "anchor", "tail", "counterion", "solvent")


@dataclass(frozen=True, eq=False)
class Residue:
    """A run of atoms [start, stop) with one name: an ion, a ligand or a solvent molecule. Bonds are inside residues only."""

    name: str
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class Model:
    """Atoms, residues, bonds, an orthorhombic box and named groups.

    `positions` (n_atoms, 3) and `box` (3,) in nm; `bonds` (n_bonds, 2) atom indices. `groups` maps each of GROUPS to a sorted
    index array: core (all lattice ions), surface (ions of the outermost layer of either face), frozen (ions of the middle
    layer, the reference frame), site (ions of the outer layer around the pocket), ligand, anchor, tail, counterion, solvent.
    `site_point` (3,) in nm is the centre of the emptied pocket in the plane of the outer layer; the height of the anchor is
    measured from there along +z.
    """

    elements: tuple[str, ...]
    names: tuple[str, ...]
    residues: tuple[Residue, ...]
    bonds: np.ndarray
    positions: np.ndarray
    box: np.ndarray
    groups: dict[str, np.ndarray]
    site_point: np.ndarray

    @property
    def n_atoms(self) -> int:
        return len(self.elements)


def minimum_contact(model: Model) -> tuple[float, int, int]:
    """The shortest distance (nm) between atoms of different residues under periodicity, and the two atom indices."""
    owner = np.empty(model.n_atoms, dtype=int)
    for number, residue in enumerate(model.residues):
        owner[residue.start : residue.stop] = number
    tree = cKDTree(np.mod(model.positions, model.box), boxsize=model.box)
    for radius in (0.15, 0.25, 0.5):
        pairs = tree.query_pairs(radius, output_type="ndarray")
        pairs = pairs[owner[pairs[:, 0]] != owner[pairs[:, 1]]]
        if len(pairs):
            delta = model.positions[pairs[:, 0]] - model.positions[pairs[:, 1]]
            delta -= model.box * np.round(delta / model.box)
            distance = np.linalg.norm(delta, axis=1)
            closest = int(np.argmin(distance))
            return float(distance[closest]), int(pairs[closest, 0]), int(pairs[closest, 1])
    return 0.5, -1, -1


def check_groups(model: Model) -> None:
    """Every atom is in exactly one of core, ligand, counterion, solvent; the others are inside these. Raises ValueError."""
    missing = set(GROUPS) - set(model.groups)
    if missing:
        raise ValueError(f"model has no group {sorted(missing)}")
    count = np.zeros(model.n_atoms, dtype=int)
    for name in ("core", "ligand", "counterion", "solvent"):
        count[model.groups[name]] += 1
    if np.any(count != 1):
        atom = int(np.argmax(count != 1))
        raise ValueError(f"atom {atom} ({model.names[atom]}) is in {count[atom]} of core, ligand, counterion, solvent; must be one")
    for inner, outer in (("surface", "core"), ("frozen", "core"), ("site", "core"), ("anchor", "ligand"), ("tail", "ligand")):
        if not np.isin(model.groups[inner], model.groups[outer]).all():
            raise ValueError(f"group {inner} reaches outside {outer}")


def write_model(model: Model, folder: Path) -> None:
    """Write `model.cif` (PDBx/mmCIF with box, residues and bonds) and `groups.json` (groups and site point) into folder."""
    document = gemmi.cif.Document()
    block = document.add_new_block("halobind")
    for key, length in zip("abc", model.box, strict=True):
        block.set_pair(f"_cell.length_{key}", f"{10 * length:.6f}")
    for key in ("alpha", "beta", "gamma"):
        block.set_pair(f"_cell.angle_{key}", "90")
    _write_bonds(block, model)
    columns = ["group_PDB", "id", "type_symbol", "label_atom_id", "label_comp_id", "label_asym_id", "label_entity_id"]
    columns += ["label_seq_id", "auth_asym_id", "auth_seq_id", "Cartn_x", "Cartn_y", "Cartn_z", "occupancy", "pdbx_PDB_model_num"]
    loop = block.init_loop("_atom_site.", columns)
    entities = {name: str(i + 1) for i, name in enumerate(dict.fromkeys(r.name for r in model.residues))}
    for number, residue in enumerate(model.residues, start=1):
        for i in range(residue.start, residue.stop):
            x, y, z = (f"{10 * value:.5f}" for value in model.positions[i])
            chain = entities[residue.name]
            row = ["HETATM", str(i + 1), model.elements[i], model.names[i], residue.name, chain, chain]
            loop.add_row([*row, str(number), chain, str(number), x, y, z, "1", "1"])
    document.write_file(str(folder / "model.cif"))
    groups = {name: [int(i) for i in model.groups[name]] for name in GROUPS}
    text = json.dumps({"site_point_nm": [float(x) for x in model.site_point], "groups": groups}, separators=(",", ":"))
    (folder / "groups.json").write_text(text + "\n", encoding="utf-8")


def _write_bonds(block: gemmi.cif.Block, model: Model) -> None:
    """One chem_comp_bond row for each bond of each kind of residue: what standard readers look for."""
    kinds = {}
    for residue in model.residues:
        kinds.setdefault(residue.name, residue)
    by_atom: dict[int, list[int]] = {}
    for a, b in model.bonds:
        by_atom.setdefault(int(a), []).append(int(b))
    loop = block.init_loop("_chem_comp_bond.", ["comp_id", "atom_id_1", "atom_id_2", "value_order"])
    for name, residue in kinds.items():
        for a in range(residue.start, residue.stop):
            for b in by_atom.get(a, []):
                loop.add_row([name, model.names[a], model.names[b], "?"])


def read_model(folder: Path) -> Model:
    """Read what `write_model` wrote. Raises ValueError when the two files do not belong together."""
    block = gemmi.cif.read(str(folder / "model.cif")).sole_block()
    table = block.find("_atom_site.", ["type_symbol", "label_atom_id", "label_comp_id", "label_seq_id", "Cartn_x", "Cartn_y", "Cartn_z"])
    rows = [tuple(row) for row in table]
    elements, names, comps, numbers = (tuple(row[k] for row in rows) for k in range(4))
    positions = np.array([[float(value) for value in row[4:7]] for row in rows]) / 10.0
    starts = [i for i in range(len(rows)) if i == 0 or numbers[i] != numbers[i - 1]]
    stops = [*starts[1:], len(rows)]
    residues = tuple(Residue(comps[a], a, b) for a, b in zip(starts, stops, strict=True))
    pairs: dict[str, list[tuple[str, str]]] = {}
    for row in block.find("_chem_comp_bond.", ["comp_id", "atom_id_1", "atom_id_2"]):
        pairs.setdefault(row[0], []).append((row[1], row[2]))
    bonds = []
    for residue in residues:
        if residue.name in pairs:
            index = {names[i]: i for i in range(residue.start, residue.stop)}
            bonds += [(index[a], index[b]) for a, b in pairs[residue.name]]
    extra = json.loads((folder / "groups.json").read_text(encoding="utf-8"))
    model = Model(
        elements=elements,
        names=names,
        residues=residues,
        bonds=np.array(bonds, dtype=int).reshape(-1, 2),
        positions=positions,
        box=np.array([float(block.find_value(f"_cell.length_{k}")) for k in "abc"]) / 10.0,
        groups={name: np.array(index, dtype=int) for name, index in extra["groups"].items()},
        site_point=np.array(extra["site_point_nm"]),
    )
    check_groups(model)
    return model
