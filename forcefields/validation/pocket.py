"""Pocket curves: rigid ammonium heads over the A vacancy of Pb4Br20Cs11 in the gas phase."""

import math
import xml.etree.ElementTree as ET
from dataclasses import dataclass

import numpy as np

from halobind.forcefields.packs.molecule_library import SHIPPED_MOLECULES
from halobind.forcefields.packs.pack import Fixed, Pack
from halobind.forcefields.packs.pairs import LennardJones, pair_for
from halobind.forcefields.packs.validity import ligand_problem
from halobind.forcefields.validation.check_rows import (
    UNCLAIMED,
    CheckRow,
    Engine,
    Measurement,
    Result,
    RowName,
    Target,
    judge,
    make_row,
    reference_table,
)
from halobind.structures.molecules.catalogue import LIGANDS

LATTICE_NM = 0.584  # of the cluster, as in the reference calculations
AWAY_NM = 0.8  # energies are against this height
COULOMB = 138.93545764  # kJ/mol nm/e2
HEADS = ("MA", "dimethylammonium", "tetramethylammonium")
METHOD = "GFN2-xTB"
ENVIRONMENT = "gas"
MINIMUM_TOLERANCE_NM = 0.05  # of the height of the minimum: one step of the reference's grid
DEPTH_TOLERANCE = 0.10  # relative


@dataclass(frozen=True, eq=False)
class PocketCurve:
    """Energies of a head over the pocket."""

    heights_nm: np.ndarray
    """Heights (n,) of its N over the outer Br plane in nm."""
    energies_kJ: np.ndarray
    """Energies (n,) in kJ/mol."""
    source: str = ""
    """Where they come from; empty for a pack's own."""


def heads_of(pack: Pack) -> tuple[str, ...]:
    """Those of HEADS that the pack takes."""
    return tuple(name for name in HEADS if ligand_problem(pack, name, LIGANDS[name]) is None)


def cluster() -> tuple[list[str], np.ndarray]:
    """Elements and positions (35, 3) in nm of Pb4Br20Cs11, four corner-sharing octahedra.

    They lie under an A site at the origin, which is empty; the outer Br plane is z = 0. Of the A
    sites around it the four corners of the upper layer and two neighbouring ones of the lower are
    empty too. This is the cluster that gives the force-field rows of the reference to 0.5 kJ/mol.
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
    increments = formal - pack.charges.t * bonds.sum(axis=1) + pack.charges.t * bonds.sum(axis=0)
    charges: np.ndarray = pack.charges.charge_scale * increments
    return charges


def head_geometry(name: str) -> np.ndarray:
    """The rigid head (n_atoms, 3) in nm, N at the origin, atoms in the order of their file."""
    places = {
        row["atom"]: [float(row[f"{axis}_nm"]) for axis in "xyz"]
        for row in reference_table("pocket_heads")
        if row["head"] == name
    }
    atoms = _molecule_file(name).findall("./Residues/Residue/Atom")
    return np.array([places[atom.attrib["name"]] for atom in atoms])


def _molecule_file(name: str) -> ET.Element:
    """The parsed force-field file of a molecule."""
    return ET.parse(SHIPPED_MOLECULES.path(name)).getroot()


def head_parameters(name: str) -> tuple[np.ndarray, list[str], dict[str, LennardJones]]:
    """The parameters of a head.

    Returns:
        Charges (n_atoms,) in e, the type of every atom ("c3:n4" for a carbon on its N), and the
        Lennard-Jones numbers of each type.
    """
    root = _molecule_file(name)
    atoms = root.findall("./Residues/Residue/Atom")
    types = {atom.attrib["name"]: atom.attrib["type"].rsplit("-", 1)[1] for atom in atoms}
    plain = dict(types)
    for bond in root.findall("./Residues/Residue/Bond"):
        ends = (bond.attrib["atomName1"], bond.attrib["atomName2"])
        for carbon, other in (ends, ends[::-1]):
            if (plain[carbon], plain[other]) == ("c3", "n4"):
                types[carbon] = "c3:n4"
    lj = {
        row.attrib["class"].rsplit("-", 1)[1]: LennardJones(
            float(row.attrib["epsilon"]), float(row.attrib["sigma"])
        )
        for row in root.findall("./NonbondedForce/Atom")
    }
    lj |= {"c3:n4": lj["c3"]} if "c3" in lj else {}
    return (
        np.array([float(atom.attrib["charge"]) for atom in atoms]),
        [types[atom.attrib["name"]] for atom in atoms],
        lj,
    )


def energy(pack: Pack, name: str, heights_nm: np.ndarray) -> np.ndarray:
    """Energy of a head over the pocket: all charges and pairs, no cutoff, no solvent.

    Args:
        pack: The force field.
        name: The head.
        heights_nm: Heights (n,) in nm of its N over the outer Br plane.

    Returns:
        Energies (n,) in kJ/mol.
    """
    elements, ions = cluster()
    ion_charges = cluster_charges(pack, elements, ions)
    atoms = head_geometry(name)
    charges, types, lj = head_parameters(name)
    charges = charges * pack.charges.charge_scale
    energies = np.zeros(len(heights_nm))
    pairs = {
        (ion, type_): pair_for(pack, ion, type_, lj[type_])
        for ion in dict.fromkeys(elements)  # not a set: the order of the sum decides its last digit
        for type_ in dict.fromkeys(types)
    }
    for k, height in enumerate(heights_nm):
        distance = np.linalg.norm(atoms[:, None] + [0.0, 0.0, height] - ions[None], axis=-1)
        energies[k] = COULOMB * float(np.sum(charges[:, None] * ion_charges[None] / distance))
        for (ion, type_), pair in pairs.items():
            rows = np.flatnonzero(np.array(types) == type_)
            columns = np.flatnonzero(np.array(elements) == ion)
            energies[k] += float(np.sum(pair.energy(distance[np.ix_(rows, columns)])))
    return energies


def curve(pack: Pack, name: str, heights_nm: np.ndarray) -> np.ndarray:
    """`energy` against the one at 0.8 nm."""
    difference: np.ndarray = (
        energy(pack, name, heights_nm) - energy(pack, name, np.array([AWAY_NM]))[0]
    )
    return difference


def references() -> dict[tuple[str, str, str], PocketCurve]:
    """The reference curves by (method, environment, head)."""
    rows_of: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    for row in reference_table("pocket_curves"):
        key = (row["method"], row["environment"], row["head"])
        rows_of.setdefault(key, []).append(row)
    return {
        key: PocketCurve(
            heights_nm=np.array([float(row["height_nm"]) for row in rows]),
            energies_kJ=np.array([float(row["energy_kJ_mol"]) for row in rows]),
            source=rows[0]["source"],
        )
        for key, rows in rows_of.items()
    }


def pocket_check(pack: Pack, _engine: Engine) -> Result:
    """Depth and height of the minimum of each head's curve against GFN2-xTB; all curves to plot."""
    fine = np.linspace(-0.05, 0.4, 91)
    rows = []
    curves = {}
    for head in heads_of(pack):
        reference = references()[METHOD, ENVIRONMENT, head]
        own_curve = PocketCurve(reference.heights_nm, curve(pack, head, reference.heights_nm))
        curves[f"{pack.name}|gas|{head}"] = (fine.tolist(), curve(pack, head, fine).tolist())
        rows += _minimum_rows(pack, head, own_curve, reference)
    for (method, environment, head), reference in references().items():
        curves[f"{method}|{environment}|{head}"] = (
            reference.heights_nm.tolist(),
            reference.energies_kJ.tolist(),
        )
    return Result(tuple(rows), curves)


def _minimum_rows(
    pack: Pack, head: str, own_curve: PocketCurve, reference: PocketCurve
) -> list[CheckRow]:
    """Depth and height of the minimum, at the heights of the reference.

    Both are exact: there is nothing to sample.
    """
    scale = pack.charges.charge_scale
    lowest = int(own_curve.energies_kJ.argmin())
    target_lowest = int(reference.energies_kJ.argmin())
    target_depth = float(reference.energies_kJ[target_lowest])
    depth_target = Target(
        target_depth, DEPTH_TOLERANCE * abs(target_depth), "kJ/mol", f"{reference.source}, minimum"
    )
    height_target = Target(
        float(reference.heights_nm[target_lowest]),
        MINIMUM_TOLERANCE_NM,
        "nm",
        f"{reference.source}, place of the minimum",
    )
    note = f"rigid head, gas phase, the pack's own charge_scale {scale:g}"
    system = f"{head} over Pb4Br20Cs11"
    depth = Measurement(float(own_curve.energies_kJ[lowest]), 0.0)
    depth_name = RowName("pocket", system, "depth")
    if math.isclose(scale, 1.0):
        depth_row = judge(depth_name, depth, depth_target, note, sampled=False)
    else:
        why = (
            f"{note}: scaled charges stand for a polarisable surrounding, a gas-phase depth is not"
            " what they claim"
        )
        depth_row = make_row(depth_name, UNCLAIMED, why, depth, depth_target)
    if target_lowest in (0, len(reference.heights_nm) - 1):
        note += "; the reference is lowest at the end of its range"
    height = Measurement(float(own_curve.heights_nm[lowest]), 0.0)
    height_name = RowName("pocket", system, "minimum at")
    return [depth_row, judge(height_name, height, height_target, note, sampled=False)]
