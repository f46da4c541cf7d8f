"""The Model: every atom in the box, where it is, what it belongs to; written and read as PDBx/mmCIF
+ groups.json.
"""

import json
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import gemmi
import numpy as np
from rdkit import Chem
from scipy.spatial import cKDTree

from halobind.structures.molecules.catalogue import LIGANDS, SOLVENTS
from halobind.structures.molecules.periodic import minimum_image, wrap

GROUPS = (
    "core",
    "surface",
    "frozen",
    "site",
    "partner",
    "ligand",
    "anchor",
    "tail",
    "coating",
    "coating_anchor",
    "charged",
    "counterion",
    "solvent",
)
PARTITION = (
    "core",
    "ligand",
    "coating",
    "counterion",
    "solvent",
)  # in model.cif, these are the chains A to E
ORDERS = {
    Chem.BondType.SINGLE: "sing",
    Chem.BondType.DOUBLE: "doub",
    Chem.BondType.TRIPLE: "trip",
    Chem.BondType.AROMATIC: "arom",
}


@dataclass(frozen=True, eq=False)
class Residue:
    """A run of atoms [start, stop) with one name: an ion, a ligand or a solvent molecule. Bonds are
    inside residues only.
    """

    name: str
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class Model:
    """Atoms, residues, bonds, an orthorhombic box and named groups.

    `positions` (n_atoms, 3) and `box` (3,) in nm; `bonds` (n_bonds, 2) atom indices. `groups` maps
    each of GROUPS to a sorted index array: core (the crystal, molecules on A sites included),
    surface (its outermost layer), frozen (ions of the middle layer, the reference frame), site
    (surface ions around the ligand's site), partner (ions of the crystal that leave with a ligand;
    of a molecule its head), ligand (the one whose binding is sampled, on each face that has one),
    anchor (its head atom), tail (its carbons), coating (all other bound ligands), coating_anchor
    (their heads), charged (molecules with charged groups), counterion (what is dissolved in the
    solvent), solvent. `site_points` (heads, 3) in nm are the centres of the ligand's sites, in the
    order of the group anchor (no row without a ligand); the height of an anchor is measured from
    there along `site_normals` (heads, 3). A slab with a ligand on both faces has two heads.
    `vacant` (n, 3) in nm are the lattice sites of a cluster without an ion, by the name of the
    residue that belongs there; none are listed for a slab.
    """

    elements: tuple[str, ...]
    names: tuple[str, ...]
    residues: tuple[Residue, ...]
    bonds: np.ndarray
    positions: np.ndarray
    box: np.ndarray
    groups: dict[str, np.ndarray]
    site_points: np.ndarray
    site_normals: np.ndarray
    vacant: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def site_point(self) -> np.ndarray:
        """The site of the first ligand, (3,) nm. Raises IndexError for a model without one."""
        return self.site_points[0]

    @property
    def site_normal(self) -> np.ndarray:
        """The outward normal (3,) of the first ligand's site. Raises IndexError for a model without
        one.
        """
        return self.site_normals[0]

    @property
    def n_atoms(self) -> int:
        return len(self.elements)


def residues_with(model: Model, atoms: np.ndarray) -> list[np.ndarray]:
    """Atom indices of each residue that holds one of `atoms`, in order."""
    return [
        np.arange(r.start, r.stop)
        for r in model.residues
        if ((r.start <= atoms) & (atoms < r.stop)).any()
    ]


def minimum_contact(model: Model) -> tuple[float, int, int]:
    """The shortest distance (nm) between atoms of different residues under periodicity, and the two
    atom indices.
    """
    owner = np.empty(model.n_atoms, dtype=int)
    for number, residue in enumerate(model.residues):
        owner[residue.start : residue.stop] = number
    tree = cKDTree(wrap(model.positions, model.box), boxsize=model.box)
    for radius in (0.15, 0.25, 0.5):
        pairs = tree.query_pairs(radius, output_type="ndarray")
        pairs = pairs[owner[pairs[:, 0]] != owner[pairs[:, 1]]]
        if len(pairs):
            delta = model.positions[pairs[:, 0]] - model.positions[pairs[:, 1]]
            delta = minimum_image(delta, model.box)
            distance = np.linalg.norm(delta, axis=1)
            closest = int(np.argmin(distance))
            return float(distance[closest]), int(pairs[closest, 0]), int(pairs[closest, 1])
    return 0.5, -1, -1


def check_groups(model: Model) -> None:
    """Every atom is in exactly one of PARTITION; the other groups are inside these. Raises
    ValueError.
    """
    missing = set(GROUPS) - set(model.groups)
    if missing:
        raise ValueError(f"model has no group {sorted(missing)}")
    count = np.zeros(model.n_atoms, dtype=int)
    for name in PARTITION:
        count[model.groups[name]] += 1
    if np.any(count != 1):
        atom = int(np.argmax(count != 1))
        raise ValueError(
            f"atom {atom} ({model.names[atom]}) is in {count[atom]} of {', '.join(PARTITION)}; must"
            " be one"
        )
    inside = {
        "core": ("surface", "frozen", "site", "partner"),
        "ligand": ("anchor", "tail"),
        "coating": ("coating_anchor",),
    }
    for inner, outer in ((inner, outer) for outer, names in inside.items() for inner in names):
        if not np.isin(model.groups[inner], model.groups[outer]).all():
            raise ValueError(f"group {inner} reaches outside {outer}")


def write_model(model: Model, folder: Path) -> None:
    """Write `model.cif` (PDBx/mmCIF with box, residues and bonds) and `groups.json` (groups and
    site) into folder.
    """
    write_mmcif(model, folder / "model.cif")
    groups = {name: _spans(model.groups[name]) for name in GROUPS}
    about = {
        "site_points_nm": model.site_points.tolist(),
        "site_normals": model.site_normals.tolist(),
    }
    about |= {
        "vacant_nm": {name: points.tolist() for name, points in model.vacant.items()},
        "groups": groups,
    }
    (folder / "groups.json").write_text(
        json.dumps(about, separators=(",", ":")) + "\n", encoding="utf-8"
    )


def write_mmcif(model: Model, path: Path) -> None:
    """Write a PDBx/mmCIF file with box, residues and bonds; serial numbers are plain integers of
    any length.

    Residues are named as `reader_names` says, with the model's own name in _chem_comp.name."""
    document = gemmi.cif.Document()
    block = document.add_new_block("halobind")
    for key, length in zip("abc", model.box, strict=True):
        block.set_pair(f"_cell.length_{key}", f"{10 * length:.6f}")
    for key in ("alpha", "beta", "gamma"):
        block.set_pair(f"_cell.angle_{key}", "90")
    codes = reader_names(model)
    block.init_loop("_chem_comp.", ["id", "name"]).set_all_values(
        _quoted(list(codes.values()), list(codes))
    )
    _write_bonds(block, model, codes)
    sizes = [residue.stop - residue.start for residue in model.residues]
    entities = {name: str(i + 1) for i, name in enumerate(codes)}
    numbers = np.repeat(np.arange(1, len(sizes) + 1), sizes).astype(str).tolist()
    chains = np.empty(model.n_atoms, dtype="U1")
    for letter, name in zip("ABCDE", PARTITION, strict=True):
        chains[model.groups[name]] = letter
    chains = chains.tolist()
    x, y, z = ([f"{value:.5f}" for value in column] for column in (10 * model.positions.T).tolist())
    ones = ["1"] * model.n_atoms
    columns = {
        "group_PDB": ["HETATM"] * model.n_atoms,
        "id": [str(i) for i in range(1, model.n_atoms + 1)],
        "type_symbol": list(model.elements),
        "label_atom_id": [gemmi.cif.quote(name) for name in model.names],
        "label_alt_id": ["."] * model.n_atoms,
        "label_comp_id": (
            np.repeat(
                [gemmi.cif.quote(codes[residue.name]) for residue in model.residues], sizes
            ).tolist()
        ),
        "label_asym_id": chains,
        "label_entity_id": (
            np.repeat([entities[residue.name] for residue in model.residues], sizes).tolist()
        ),
        "label_seq_id": numbers,
        "auth_asym_id": chains,
        "auth_seq_id": numbers,
        "Cartn_x": x,
        "Cartn_y": y,
        "Cartn_z": z,
        "occupancy": ones,
        "pdbx_PDB_model_num": ones,
    }
    block.init_loop("_atom_site.", list(columns)).set_all_values(list(columns.values()))
    document.write_file(str(path))


def reader_names(model: Model) -> dict[str, str]:
    """The name others should read for each name of a residue: its own, or LDA for a molecule named
    DA.

    OpenMM and mdtraj take DA for deoxyadenosine and give it the bonds of that, or in a PDB file
    none. Lone ions have no bonds."""
    molecules = {residue.name for residue in model.residues if residue.stop - residue.start > 1}
    names = dict.fromkeys(residue.name for residue in model.residues)
    codes = {name: name for name in names if name not in molecules or not _is_biological(name)}
    for name in names:
        code = name
        while name not in codes:
            code = f"L{code}"
            if code not in codes.values() and not _is_biological(code):
                codes[name] = code
    return {name: codes[name] for name in names}


def _is_biological(name: str) -> bool:
    kind = gemmi.find_tabulated_residue(name.upper())
    return kind.is_amino_acid() or kind.is_nucleic_acid() or kind.is_water()


def _quoted(*columns: list[str]) -> list[list[str]]:
    return [[gemmi.cif.quote(value) for value in column] for column in columns]


def _write_bonds(block: gemmi.cif.Block, model: Model, codes: dict[str, str]) -> None:
    """One chem_comp_bond row for each bond of each kind of residue: what standard readers look for."""
    kinds = {}
    for residue in model.residues:
        kinds.setdefault(residue.name, residue)
    loop = block.init_loop("_chem_comp_bond.", ["comp_id", "atom_id_1", "atom_id_2", "value_order"])
    first = model.bonds[:, 0]
    for name, residue in kinds.items():
        bonds = model.bonds[(first >= residue.start) & (first < residue.stop)]
        orders = bond_orders(
            name, model.elements[residue.start : residue.stop], bonds - residue.start
        )
        for (a, b), order in zip(bonds.tolist(), orders, strict=True):
            loop.add_row(
                [gemmi.cif.quote(text) for text in (codes[name], model.names[a], model.names[b])]
                + [order]
            )


def bond_orders(name: str, elements: tuple[str, ...], bonds: np.ndarray) -> list[str]:
    """A value of ORDERS for each bond (n, 2) of a residue, from the row of that name; "?" where no
    row has these atoms and bonds.
    """
    row = LIGANDS.get(name) or SOLVENTS.get(name)
    if row is not None:
        mol = Chem.AddHs(Chem.MolFromSmiles(row.smiles))
        if tuple(
            atom.GetSymbol() for atom in mol.GetAtoms()
        ) == elements and mol.GetNumBonds() == len(bonds):
            found = [mol.GetBondBetweenAtoms(a, b) for a, b in bonds.tolist()]
            if None not in found:
                return [ORDERS[bond.GetBondType()] for bond in found]
    return ["?"] * len(bonds)


def _spans(index: np.ndarray) -> list[list[int]]:
    """A sorted index array as [start, stop) pairs."""
    if not len(index):
        return []
    breaks = np.flatnonzero(np.diff(index) != 1) + 1
    return [[int(part[0]), int(part[-1]) + 1] for part in np.split(index, breaks)]


def read_model(folder: Path) -> Model:
    """Read what `write_model` wrote. Raises ValueError when the two files do not belong together."""
    block = gemmi.cif.read(str(folder / "model.cif")).sole_block()

    def column(tag: str) -> list[str]:
        return [gemmi.cif.as_string(value) for value in block.find_values(f"_atom_site.{tag}")]

    own = {
        gemmi.cif.as_string(row[0]): gemmi.cif.as_string(row[1])
        for row in block.find("_chem_comp.", ["id", "name"])
    }
    comps, numbers = (
        [own[code] for code in column("label_comp_id")],
        np.array(column("label_seq_id")),
    )
    starts = np.concatenate([[0], np.flatnonzero(numbers[1:] != numbers[:-1]) + 1, [len(numbers)]])
    residues = tuple(Residue(comps[a], int(a), int(b)) for a, b in pairwise(starts))
    names = tuple(column("label_atom_id"))
    pairs: dict[str, list[tuple[str, str]]] = {}
    for row in block.find("_chem_comp_bond.", ["comp_id", "atom_id_1", "atom_id_2"]):
        pairs.setdefault(own[gemmi.cif.as_string(row[0])], []).append(
            (gemmi.cif.as_string(row[1]), gemmi.cif.as_string(row[2]))
        )
    bonds, offsets = [np.zeros((0, 2), dtype=int)], {}
    for residue in residues:
        if residue.name in pairs:
            if residue.name not in offsets:
                index = {names[i]: i - residue.start for i in range(residue.start, residue.stop)}
                offsets[residue.name] = np.array(
                    [(index[a], index[b]) for a, b in pairs[residue.name]]
                )
            bonds.append(residue.start + offsets[residue.name])
    extra = json.loads((folder / "groups.json").read_text(encoding="utf-8"))
    model = Model(
        elements=tuple(column("type_symbol")),
        names=names,
        residues=residues,
        bonds=np.concatenate(bonds),
        positions=np.array([column(f"Cartn_{axis}") for axis in "xyz"], dtype=float).T / 10.0,
        box=np.array([float(block.find_value(f"_cell.length_{k}")) for k in "abc"]) / 10.0,
        groups={
            name: np.concatenate([np.zeros(0, dtype=int), *(np.arange(a, b) for a, b in spans)])
            for name, spans in extra["groups"].items()
        },
        site_points=np.array(extra["site_points_nm"]).reshape(-1, 3),
        site_normals=np.array(extra["site_normals"]).reshape(-1, 3),
        vacant={
            name: np.array(points) for name, points in extra.get("vacant_nm", {}).items()
        },  # models of before have no such list
    )
    check_groups(model)
    return model
