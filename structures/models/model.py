"""The Model: every atom in the box, where it is and what it belongs to; reading and writing it."""

import json
from collections import Counter
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
# Every atom is in exactly one of these groups; in model.cif they are the chains A to E.
PARTITION = ("core", "ligand", "coating", "counterion", "solvent")
ORDERS = {
    Chem.BondType.SINGLE: "sing",
    Chem.BondType.DOUBLE: "doub",
    Chem.BondType.TRIPLE: "trip",
    Chem.BondType.AROMATIC: "arom",
}


@dataclass(frozen=True, eq=False)
class Residue:
    """Consecutive atoms with one name: an ion, a ligand or a solvent molecule.

    Bonds are inside residues only.
    """

    name: str
    """An element in capitals, or the name of the molecule."""
    start: int
    """Its first atom."""
    stop: int
    """The atom after its last."""


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """Atoms, residues, bonds, an orthorhombic box and named groups.

    The groups, each a sorted array of atom indices:

    - core: the crystal, molecules on A sites included;
    - surface: its outermost layer;
    - frozen: ions of the middle layer, the reference frame;
    - site: surface ions around the ligand's site;
    - partner: ions of the crystal that leave with a ligand, of a molecule its head;
    - ligand: the one whose binding is sampled, on each face that has one;
    - anchor: its head atom;
    - tail: its carbons;
    - coating: all other bound ligands;
    - coating_anchor: their heads;
    - charged: molecules with charged groups;
    - counterion: what is dissolved in the solvent;
    - solvent.

    In a notebook it shows itself as a picture.

    Examples:
        >>> model.n_atoms, len(model.groups["ligand"])
        (35, 8)
    """

    elements: tuple[str, ...]
    """Element symbols, one an atom."""
    names: tuple[str, ...]
    """Atom names, unique inside a residue."""
    residues: tuple[Residue, ...]
    """The residues, in the order of their atoms."""
    bonds: np.ndarray
    """Bonded atom indices (n_bonds, 2)."""
    positions: np.ndarray
    """(n_atoms, 3) in nm."""
    box: np.ndarray
    """Edges (3,) in nm."""
    groups: dict[str, np.ndarray]
    """Sorted atom indices of each of GROUPS."""
    site_points: np.ndarray
    """The centres (n_heads, 3) in nm of the ligand's sites, in the order of the group anchor; a
    slab with a ligand on both faces has two, a model without a ligand none."""
    site_normals: np.ndarray
    """Outward unit vectors (n_heads, 3); the height of an anchor is measured along them."""
    vacant: dict[str, np.ndarray] = field(default_factory=dict)
    """Lattice sites (n, 3) in nm of a cluster without an ion, by the name of the residue that
    belongs there; none for a slab."""

    @property
    def site_point(self) -> np.ndarray:
        """The site of the first ligand, (3,) in nm.

        Raises:
            IndexError: For a model without a ligand.
        """
        point: np.ndarray = self.site_points[0]
        return point

    @property
    def site_normal(self) -> np.ndarray:
        """The outward unit vector (3,) of the first ligand's site.

        Raises:
            IndexError: For a model without a ligand.
        """
        normal: np.ndarray = self.site_normals[0]
        return normal

    @property
    def n_atoms(self) -> int:
        """Atoms in all."""
        return len(self.elements)

    def __repr__(self) -> str:
        box = " x ".join(f"{side:.2f}" for side in self.box)
        counts = Counter(residue.name for residue in self.residues)
        content = ", ".join(f"{count} {name}" for name, count in counts.items())
        return f"Model: {self.n_atoms} atoms in {box} nm: {content}"

    def _repr_html_(self) -> str:
        """The model as a picture, for notebooks."""
        from halobind.structures.models.picture import model_html  # noqa: PLC0415 (it imports this module, and matplotlib)

        return model_html(self)


def residues_with(model: Model, atoms: np.ndarray) -> list[np.ndarray]:
    """Atom indices of each residue that holds one of `atoms`, in order."""
    return [
        np.arange(r.start, r.stop)
        for r in model.residues
        if ((r.start <= atoms) & (atoms < r.stop)).any()
    ]


def minimum_contact(model: Model) -> tuple[float, int, int]:
    """The shortest distance between atoms of different residues under periodicity.

    Returns:
        The distance in nm, and the two atom indices; 0.5 nm and -1, -1 when nothing is nearer.
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
            distance = np.linalg.norm(minimum_image(delta, model.box), axis=1)
            closest = int(np.argmin(distance))
            return float(distance[closest]), int(pairs[closest, 0]), int(pairs[closest, 1])
    return 0.5, -1, -1


def check_groups(model: Model) -> None:
    """Check that every atom is in exactly one of PARTITION, and other groups inside these.

    Raises:
        ValueError: Naming the atom or the group.
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
    for outer, names in inside.items():
        for inner in names:
            if not np.isin(model.groups[inner], model.groups[outer]).all():
                raise ValueError(f"group {inner} reaches outside {outer}")


def write_model(model: Model, folder: Path) -> None:
    """Write a model into a folder.

    `model.cif` holds box, residues, atoms and bonds (PDBx/mmCIF); `groups.json` the groups and the
    sites.
    """
    write_mmcif(model, folder / "model.cif")
    groups = {name: _spans(model.groups[name]) for name in GROUPS}
    about = {
        "site_points_nm": model.site_points.tolist(),
        "site_normals": model.site_normals.tolist(),
        "vacant_nm": {name: points.tolist() for name, points in model.vacant.items()},
        "groups": groups,
    }
    (folder / "groups.json").write_text(
        json.dumps(about, separators=(",", ":")) + "\n", encoding="utf-8"
    )


def write_mmcif(model: Model, path: Path) -> None:
    """Write a PDBx/mmCIF file with box, residues, atoms and bonds.

    Serial numbers are plain integers of any length. Residues are named as `reader_names` says, with
    the model's own name in _chem_comp.name.
    """
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
    letters = np.empty(model.n_atoms, dtype="U1")
    for letter, name in zip("ABCDE", PARTITION, strict=True):
        letters[model.groups[name]] = letter
    chains = letters.tolist()
    x, y, z = ([f"{value:.5f}" for value in column] for column in (10 * model.positions.T).tolist())
    ones = ["1"] * model.n_atoms
    columns: dict[str, list[str]] = {
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
    """The name that other programs should read for each name of a residue.

    It is its own, or LDA for a molecule named DA: OpenMM and mdtraj take DA for deoxyadenosine and
    give it the bonds of that, or in a PDB file none. Lone ions have no bonds.
    """
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
    """Whether readers take the name for an amino acid, a nucleotide or water."""
    kind = gemmi.find_tabulated_residue(name.upper())
    return kind.is_amino_acid() or kind.is_nucleic_acid() or kind.is_water()


def _quoted(*columns: list[str]) -> list[list[str]]:
    """Columns of text, quoted where CIF needs it."""
    return [[gemmi.cif.quote(value) for value in column] for column in columns]


def _write_bonds(block: gemmi.cif.Block, model: Model, codes: dict[str, str]) -> None:
    """Write a chem_comp_bond row for each bond of each kind of residue."""
    kinds: dict[str, Residue] = {}
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
    """The order of each bond of a residue, from the catalogue row of that name.

    Args:
        name: The name of the residue.
        elements: Its element symbols.
        bonds: Its bonds (n_bonds, 2), as indices into `elements`.

    Returns:
        Values of ORDERS; "?" for all where no row has these atoms and bonds.
    """
    unknown = ["?"] * len(bonds)
    row = LIGANDS.get(name) or SOLVENTS.get(name)
    if row is None:
        return unknown
    mol = Chem.AddHs(Chem.MolFromSmiles(row.smiles))
    symbols = tuple(atom.GetSymbol() for atom in mol.GetAtoms())
    if symbols != elements or mol.GetNumBonds() != len(bonds):
        return unknown
    row_bonds = [mol.GetBondBetweenAtoms(a, b) for a, b in bonds.tolist()]
    return unknown if None in row_bonds else [ORDERS[b.GetBondType()] for b in row_bonds]


def _spans(index: np.ndarray) -> list[list[int]]:
    """A sorted index array as [start, stop) pairs."""
    if not len(index):
        return []
    breaks = np.flatnonzero(np.diff(index) != 1) + 1
    return [[int(part[0]), int(part[-1]) + 1] for part in np.split(index, breaks)]


def read_model(folder: Path) -> Model:
    """Read a model from the folder that `write_model` wrote.

    Raises:
        ValueError: When the two files do not belong together.
    """
    block = gemmi.cif.read(str(folder / "model.cif")).sole_block()
    groups = json.loads((folder / "groups.json").read_text(encoding="utf-8"))
    names = {
        gemmi.cif.as_string(row[0]): gemmi.cif.as_string(row[1])
        for row in block.find("_chem_comp.", ["id", "name"])
    }
    residues = _read_residues(block, names)
    atom_names = tuple(_read_column(block, "label_atom_id"))
    xyz = [_read_column(block, f"Cartn_{axis}") for axis in "xyz"]
    vacant = groups.get("vacant_nm", {})  # older models have no such list
    model = Model(
        elements=tuple(_read_column(block, "type_symbol")),
        names=atom_names,
        residues=residues,
        bonds=_read_bonds(block, names, residues, atom_names),
        positions=np.array(xyz, dtype=float).T / 10.0,
        box=np.array([float(block.find_value(f"_cell.length_{k}")) for k in "abc"]) / 10.0,
        groups={name: _from_spans(spans) for name, spans in groups["groups"].items()},
        site_points=np.array(groups["site_points_nm"]).reshape(-1, 3),
        site_normals=np.array(groups["site_normals"]).reshape(-1, 3),
        vacant={name: np.array(points) for name, points in vacant.items()},
    )
    check_groups(model)
    return model


def _from_spans(spans: list[list[int]]) -> np.ndarray:
    """The index array of [start, stop) pairs."""
    return np.concatenate([np.zeros(0, dtype=int), *(np.arange(a, b) for a, b in spans)])


def _read_column(block: gemmi.cif.Block, tag: str) -> list[str]:
    """A column of the atoms of a CIF block."""
    return [gemmi.cif.as_string(value) for value in block.find_values(f"_atom_site.{tag}")]


def _read_residues(block: gemmi.cif.Block, names: dict[str, str]) -> tuple[Residue, ...]:
    """The residues of a CIF block; `names` gives the model's name for each of the file's."""
    kinds = [names[code] for code in _read_column(block, "label_comp_id")]
    numbers = np.array(_read_column(block, "label_seq_id"))
    changes = np.flatnonzero(numbers[1:] != numbers[:-1]) + 1
    starts = [0, *changes.tolist(), len(numbers)]
    return tuple(Residue(kinds[start], start, stop) for start, stop in pairwise(starts))


def _read_bonds(
    block: gemmi.cif.Block,
    names: dict[str, str],
    residues: tuple[Residue, ...],
    atom_names: tuple[str, ...],
) -> np.ndarray:
    """The bonds (n_bonds, 2) of all residues, from the rows of their kinds.

    Args:
        block: The CIF block.
        names: The model's name for each residue name of the file.
        residues: The residues.
        atom_names: The names of all atoms.
    """
    rows: dict[str, list[tuple[str, str]]] = {}
    for row in block.find("_chem_comp_bond.", ["comp_id", "atom_id_1", "atom_id_2"]):
        code, first, second = (gemmi.cif.as_string(value) for value in row)
        rows.setdefault(names[code], []).append((first, second))
    offsets: dict[str, np.ndarray] = {}
    bonds = [np.zeros((0, 2), dtype=int)]
    for residue in residues:
        if residue.name not in rows:
            continue
        if residue.name not in offsets:
            index = {atom_names[i]: i - residue.start for i in range(residue.start, residue.stop)}
            pairs = [(index[first], index[second]) for first, second in rows[residue.name]]
            offsets[residue.name] = np.array(pairs)
        bonds.append(residue.start + offsets[residue.name])
    return np.concatenate(bonds)
