"""Pocket curves: rigid ammonium heads lowered into the central A vacancy of Pb4Br20Cs11, in the gas
phase, by the pack's own numbers.
"""

import math
import xml.etree.ElementTree as ET

import numpy as np

from halobind.forcefields.packs.molecule_library import SHIPPED_MOLECULES
from halobind.forcefields.packs.pack import Fixed, Pack
from halobind.forcefields.packs.pairs import LennardJones, pair_for
from halobind.forcefields.packs.validity import ligand_problem
from halobind.forcefields.validation.check_rows import (
    UNCLAIMED,
    Engine,
    Result,
    Row,
    Target,
    judged,
    reference_table,
    told,
)
from halobind.structures.molecules.catalogue import LIGANDS

LATTICE_NM = 0.584  # of the cluster, as in the reference calculations
AWAY_NM = 0.8  # energies are against this height
COULOMB = 138.93545764  # kJ/mol nm/e2
HEADS = ("MA", "dimethylammonium", "tetramethylammonium")
METHOD, ENVIRONMENT = "GFN2-xTB", "gas"
MINIMUM_NM = 0.05  # how far the minimum may be from the reference's: one step of its grid
DEPTH = 0.10  # relative


def heads_of(pack: Pack) -> tuple[str, ...]:
    """Those of HEADS that the pack takes."""
    return tuple(name for name in HEADS if ligand_problem(pack, name, LIGANDS[name]) is None)


def cluster() -> tuple[list[str], np.ndarray]:
    """Elements and positions (35, 3) in nm of Pb4Br20Cs11: four corner-sharing octahedra under an A
    site at the origin, which is empty.

    Its outer Br plane is z = 0; of the A sites around it the four corners of the upper layer and
    two neighbouring ones of the lower are empty too. This is the cluster that gives the force-field
    rows of the reference to 0.5 kJ/mol.
    """
    metals = [(i, j, -0.5) for i in (-0.5, 0.5) for j in (-0.5, 0.5)]
    steps = np.concatenate([np.eye(3), -np.eye(3)]) / 2
    halides = sorted(
        {tuple((np.array(metal) + step).tolist()) for metal in metals for step in steps}
    )
    sites = [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0)]
    sites += [(i, j, -1) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) not in ((-1, 1), (1, 1))]
    elements = ["Pb"] * len(metals) + ["Br"] * len(halides) + ["Cs"] * len(sites)
    return elements, LATTICE_NM * np.array([*metals, *halides, *sites], dtype=float)


def cluster_charges(pack: Pack, elements: list[str], positions: np.ndarray) -> np.ndarray:
    """Charges (n,) in e by the pack's rule; bonds by distance, as in a model."""
    if isinstance(pack.charges, Fixed):
        return np.array([pack.charges.ions[name] for name in elements])
    kind = np.array(elements)
    near = np.linalg.norm(positions[:, None] - positions[None], axis=-1) < pack.charges.bond_nm
    bonds = near & np.isin(kind, pack.metals)[:, None] & np.isin(kind, pack.halides)[None]
    formal = np.array([pack.formal[name] for name in elements], dtype=float)
    return pack.charges.charge_scale * (
        formal - pack.charges.t * bonds.sum(axis=1) + pack.charges.t * bonds.sum(axis=0)
    )


def head_geometry(name: str) -> np.ndarray:
    """The rigid head, (n_atoms, 3) in nm with N at the origin, in the atom order of its molecule
    file.
    """
    found = {
        row["atom"]: [float(row[f"{axis}_nm"]) for axis in "xyz"]
        for row in reference_table("pocket_heads")
        if row["head"] == name
    }
    return np.array(
        [found[atom.get("name")] for atom in _template(name).findall("./Residues/Residue/Atom")]
    )


def _template(name: str) -> ET.Element:
    return ET.parse(SHIPPED_MOLECULES.path(name)).getroot()


def head_parameters(name: str) -> tuple[np.ndarray, list[str], dict[str, LennardJones]]:
    """Charges (n_atoms,) in e, type of every atom ("c3:n4" for a carbon of the head), (epsilon,
    sigma) in kJ/mol and nm of each type.
    """
    root = _template(name)
    atoms = root.findall("./Residues/Residue/Atom")
    kinds = {atom.get("name"): atom.get("type").rsplit("-", 1)[1] for atom in atoms}
    plain = dict(kinds)
    for bond in root.findall("./Residues/Residue/Bond"):
        ends = (bond.get("atomName1"), bond.get("atomName2"))
        for carbon, other in (ends, ends[::-1]):
            if (plain[carbon], plain[other]) == ("c3", "n4"):
                kinds[carbon] = "c3:n4"
    lj = {
        row.attrib["class"].rsplit("-", 1)[1]: LennardJones(
            float(row.attrib["epsilon"]), float(row.attrib["sigma"])
        )
        for row in root.findall("./NonbondedForce/Atom")
    }
    lj |= {"c3:n4": lj["c3"]} if "c3" in lj else {}
    return (
        np.array([float(atom.get("charge")) for atom in atoms]),
        [kinds[atom.get("name")] for atom in atoms],
        lj,
    )


def energy(pack: Pack, name: str, heights_nm: np.ndarray) -> np.ndarray:
    """Energy (n,) in kJ/mol of the head with its N at the heights over the outer Br plane: all
    charges and pairs, no cutoff, no solvent.
    """
    elements, ions = cluster()
    charges = cluster_charges(pack, elements, ions)
    atoms, (own, kinds, lj) = head_geometry(name), head_parameters(name)
    own = own * pack.charges.charge_scale
    found = np.zeros(len(heights_nm))
    pairs = {
        (ion, kind): pair_for(pack, ion, kind, lj[kind])
        for ion in set(elements)
        for kind in set(kinds)
    }
    for k, height in enumerate(heights_nm):
        distance = np.linalg.norm(atoms[:, None] + [0.0, 0.0, height] - ions[None], axis=-1)
        found[k] = COULOMB * float(np.sum(own[:, None] * charges[None] / distance))
        for (ion, kind), pair in pairs.items():
            rows, columns = (
                np.flatnonzero(np.array(kinds) == kind),
                np.flatnonzero(np.array(elements) == ion),
            )
            found[k] += float(np.sum(pair.energy(distance[np.ix_(rows, columns)])))
    return found


def curve(pack: Pack, name: str, heights_nm: np.ndarray) -> np.ndarray:
    """`energy` against the one at 0.8 nm."""
    return energy(pack, name, heights_nm) - energy(pack, name, np.array([AWAY_NM]))[0]


def references() -> dict[tuple[str, str, str], tuple[np.ndarray, np.ndarray, str]]:
    """Reference curves by (method, environment, head): heights (n,) in nm, energies (n,) in kJ/mol,
    source.
    """
    found: dict[tuple[str, str, str], list[tuple[float, float, str]]] = {}
    for row in reference_table("pocket_curves"):
        key = (row["method"], row["environment"], row["head"])
        found.setdefault(key, []).append(
            (float(row["height_nm"]), float(row["energy_kJ_mol"]), row["source"])
        )
    return {
        key: (np.array([r[0] for r in rows]), np.array([r[1] for r in rows]), rows[0][2])
        for key, rows in found.items()
    }


def pocket_check(pack: Pack, _engine: Engine) -> Result:
    """Depth and place of the minimum of each head's gas-phase curve against GFN2-xTB; all curves
    for the plot.
    """
    fine = np.linspace(-0.05, 0.4, 91)
    rows, curves = [], {}
    for head in heads_of(pack):
        grid, wanted, source = references()[METHOD, ENVIRONMENT, head]
        mine = curve(pack, head, grid)
        curves[f"{pack.name}|gas|{head}"] = (fine.tolist(), curve(pack, head, fine).tolist())
        rows += _rows(pack, head, (grid, mine), (wanted, source))
    for (method, environment, head), (grid, values, _) in references().items():
        curves[f"{method}|{environment}|{head}"] = (grid.tolist(), values.tolist())
    return Result(tuple(rows), curves)


def _rows(
    pack: Pack, head: str, mine: tuple[np.ndarray, np.ndarray], reference: tuple[np.ndarray, str]
) -> list[Row]:
    """Depth and height of the minimum on the grid of the reference. Both are exact: there is
    nothing to sample.
    """
    (grid, values), (wanted, source) = mine, reference
    scale = pack.charges.charge_scale
    best, true = int(values.argmin()), int(wanted.argmin())
    depth = Target(
        float(wanted[true]), DEPTH * abs(float(wanted[true])), "kJ/mol", f"{source}, minimum"
    )
    place = Target(float(grid[true]), MINIMUM_NM, "nm", f"{source}, place of the minimum")
    note = f"rigid head, gas phase, the pack's own charge_scale {scale:g}"
    system = f"{head} over Pb4Br20Cs11"
    if math.isclose(scale, 1.0):
        first = judged(
            ("pocket", system, "depth"), (float(values[best]), 0.0), depth, note, sampled=False
        )
    else:
        why = (
            f"{note}: scaled charges stand for a polarisable surrounding, a gas-phase depth is not"
            " what they claim"
        )
        first = told(("pocket", system, "depth"), UNCLAIMED, why, (float(values[best]), 0.0, depth))
    if true in (0, len(grid) - 1):
        note += "; the reference is lowest at the end of its range"
    return [
        first,
        judged(
            ("pocket", system, "minimum at"), (float(grid[best]), 0.0), place, note, sampled=False
        ),
    ]
