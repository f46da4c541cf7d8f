"""The shipped molecule parameters: charges, checksums, terms, geometry; the tools that made them
are not needed here.
"""

import hashlib
import json
import re
import xml.etree.ElementTree as ET
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import openmm as mm
import pytest
from openmm import app, unit
from rdkit import Chem

from halobind.forcefields.molecule_parameters.gaff import (
    SOURCES,
    WITHOUT_GAFF,
    balanced_charges,
    check_guesses,
    main,
    symmetry_classes,
)
from halobind.forcefields.molecule_parameters.molecule_xml import check_file, graph_terms
from halobind.forcefields.molecule_parameters.parameter_checks import check_bonds, check_run, stereo
from halobind.forcefields.packs.molecule_library import MOLECULES_FOLDER, SHIPPED_MOLECULES
from halobind.structures.molecules.catalogue import LIGANDS, SOLVENTS
from halobind.structures.molecules.molecule import catalogue_molecule, rdkit_molecule

ROWS = [name for name in (*LIGANDS, *SOLVENTS) if name not in WITHOUT_GAFF]
# One of each kind in the default ring: each way to bind, each head with two groups, a double bond,
# an aromatic ring, an acid proton, halogens, the solvents with corrections, and TIP3P.
DEFAULT_ROWS = (
    "MA",
    "DA",
    "FA",
    "DMDDA",
    "valerate",
    "cinnamate",
    "hydrogen-methylphosphonate",
    "leucine",
    "sulfobetaine",
    "1-octadecene",
    "butylamine",
    "cysteine",
    "acetone",
    "toluene",
    "DMF",
    "DMSO",
    "chloroform",
    "water",
)
assert set(DEFAULT_ROWS) <= set(ROWS)
EACH_ROW = [
    name if name in DEFAULT_ROWS else pytest.param(name, marks=pytest.mark.rows) for name in ROWS
]
GAFF_BY_HAND = {  # gaff.dat, version 1.81: kcal/mol and angstrom, E = k (r - r0)^2
    ("c3", "c3"): (300.9, 1.5375),
    ("c3", "hc"): (330.6, 1.0969),
    ("c", "o"): (637.7, 1.2183),
    ("ca", "ca"): (461.1, 1.3984),
    ("c3", "oh"): (316.7, 1.4233),
    ("c3", "n4"): (283.3, 1.5110),
}
BONDS = {  # shortest and longest bond in nm that the minimum of a molecule may have
    "CC": (0.131, 0.157),
    "CH": (0.106, 0.111),
    "CO": (0.119, 0.146),
    "CN": (0.129, 0.157),
    "CF": (0.131, 0.138),
    "CP": (0.178, 0.190),
    "CS": (0.176, 0.186),
    "CCl": (0.173, 0.181),
    "HN": (0.099, 0.106),
    "HO": (0.094, 0.100),
    "HS": (0.132, 0.137),
    "OP": (0.146, 0.170),
    "OS": (0.142, 0.153),
}


def residue(name: str) -> ET.Element:
    return ET.parse(SHIPPED_MOLECULES.path(name)).getroot().find("./Residues/Residue")


def charges(name: str) -> np.ndarray:
    return np.array([float(atom.get("charge")) for atom in residue(name).findall("Atom")])


@cache
def every_file() -> app.ForceField:
    """All rows in one ForceField: no file may match another's atoms."""
    return app.ForceField(*(str(SHIPPED_MOLECULES.path(row)) for row in ROWS))


def lone(name: str) -> app.Topology:
    """One molecule of a row, in a residue whose name tells OpenMM nothing."""
    item, topology = catalogue_molecule(name), app.Topology()
    owner = topology.addResidue("X", topology.addChain())
    atoms = [
        topology.addAtom(n, app.Element.getBySymbol(e), owner)
        for n, e in zip(item.names, item.elements, strict=True)
    ]
    for i, j in item.bonds:
        topology.addBond(atoms[i], atoms[j])
    return topology


def one_molecule(name: str) -> tuple[mm.System, np.ndarray]:
    return (
        every_file().createSystem(lone(name), nonbondedMethod=app.NoCutoff),
        catalogue_molecule(name).positions,
    )


@pytest.mark.parametrize("name", EACH_ROW)
def test_a_row_matches_its_own_template_only(name: str) -> None:
    assert [template.name for template in every_file().getMatchingTemplates(lone(name))] == [name]


@pytest.mark.parametrize("name", EACH_ROW)
def test_file_names_the_atoms_of_the_builder(name: str) -> None:
    assert (
        tuple(atom.get("name") for atom in residue(name).findall("Atom"))
        == catalogue_molecule(name).names
    )
    assert residue(name).get("name") == name


@pytest.mark.parametrize("name", EACH_ROW)
def test_sources_name_the_molecule(name: str) -> None:
    source = json.loads((MOLECULES_FOLDER / SOURCES).read_text(encoding="utf-8"))[name]
    assert source["smiles"] == catalogue_molecule(name).smiles
    assert source["charge_e"] == catalogue_molecule(name).charge


def test_every_file_is_the_one_in_sources() -> None:
    sources = json.loads((MOLECULES_FOLDER / SOURCES).read_text(encoding="utf-8"))
    for name in ROWS:
        content = SHIPPED_MOLECULES.path(name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == sources[name]["sha256"], name


@pytest.mark.parametrize("name", EACH_ROW)
def test_charges_sum_exactly_and_respect_symmetry(name: str) -> None:
    q = charges(name)
    assert abs(q.sum() - catalogue_molecule(name).charge) < 1e-9
    for atoms in symmetry_classes(catalogue_molecule(name)):
        assert np.ptp(q[atoms]) == 0.0


@pytest.mark.parametrize(
    ("name", "equal"),
    [("FA", "N1 N2"), ("valerate", "O1 O2"), ("methylphosphonate", "O1 O2 O3"), ("DMF", "C1 C2")],
)
def test_atoms_that_only_the_drawing_tells_apart_are_equal(name: str, equal: str) -> None:
    names = catalogue_molecule(name).names
    assert equal in [
        " ".join(names[i] for i in atoms) for atoms in symmetry_classes(catalogue_molecule(name))
    ]


@pytest.mark.parametrize(
    ("name", "low", "high"), [("DA", 0.7, 0.9), ("DDA", 0.5, 0.9), ("DMDDA", 0.5, 0.9)]
)
def test_the_charge_sits_on_the_head(name: str, low: float, high: float) -> None:
    """The ammonium group with the groups next to it carries most of the charge."""
    item, q = catalogue_molecule(name), charges(name)
    near = np.array(Chem.GetDistanceMatrix(rdkit_molecule(item)))[item.anchor]
    assert low < q[near <= 2].sum() < high


@pytest.mark.parametrize("name", EACH_ROW)
def test_every_term_of_the_graph_is_there_once(name: str) -> None:
    item = catalogue_molecule(name)
    system, _ = one_molecule(name)
    forces = {force.getName(): force for force in system.getForces()}
    near = [set() for _ in range(item.n_atoms)]
    for i, j in item.bonds:
        near[i].add(int(j))
        near[j].add(int(i))
    angles = sum(len(n) * (len(n) - 1) // 2 for n in near)
    propers = {
        (i, j, k, m)
        for j in range(item.n_atoms)
        for k in near[j]
        if j < k
        for i in near[j] - {k}
        for m in near[k] - {j, i}
    }
    assert forces["HarmonicBondForce"].getNumBonds() == len(item.bonds)
    assert forces["HarmonicAngleForce"].getNumAngles() == angles
    torsions = forces["PeriodicTorsionForce"]
    found = {}
    for n in range(torsions.getNumTorsions()):
        i, j, k, m, *rest = torsions.getTorsionParameters(n)
        key = (i, j, k, m) if j < k else (m, k, j, i)
        found.setdefault(key, []).append(rest[0])
    assert all(
        len(set(periods)) == len(periods) for periods in found.values()
    )  # no periodicity twice
    chained = {key for key in found if all(b in near[a] for a, b in pairwise(key))}
    assert chained <= propers
    kinds = gaff_types(name)
    for quartet in propers - chained:  # OpenMM leaves out barriers of 0, as hc-c3-c-c3 of acetone
        assert set(barriers_of(name, tuple(kinds[i] for i in quartet))) == {0.0}, quartet
    planar = [i for i in range(item.n_atoms) if len(near[i]) == 3 and kinds[i] not in ("n3", "s4")]
    assert len(found) - len(chained) == len(planar)


def gaff_types(name: str) -> list[str]:
    return [atom.get("type").rsplit("-", 1)[1] for atom in residue(name).findall("Atom")]


def barriers_of(name: str, quartet: tuple[str, ...]) -> list[float]:
    """The force constants of the most specific proper row of a file for four GAFF types."""
    best: dict[int, list[float]] = {}
    for row in (
        ET.parse(SHIPPED_MOLECULES.path(name)).getroot().findall("./PeriodicTorsionForce/Proper")
    ):
        pattern = [row.get(f"class{n}") or row.get(f"type{n}") or "" for n in range(1, 5)]
        pattern = [kind.rsplit("-", 1)[-1] for kind in pattern]
        if any(
            all(p in ("", k) for p, k in zip(way, quartet, strict=True))
            for way in (pattern, pattern[::-1])
        ):
            best.setdefault(pattern.count(""), []).extend(
                float(value) for key, value in row.attrib.items() if re.fullmatch(r"k\d", key)
            )
    return best[min(best)]


@pytest.mark.parametrize("name", EACH_ROW)
def test_numbers_are_those_of_gaff(name: str) -> None:
    if name == "water":
        pytest.skip("TIP3P has no numbers of GAFF")
    root = ET.parse(SHIPPED_MOLECULES.path(name)).getroot()
    seen = 0
    for bond in root.find("HarmonicBondForce"):
        pair = tuple(sorted(bond.get(key).rsplit("-", 1)[1] for key in ("class1", "class2")))
        if pair in GAFF_BY_HAND:
            k, r0 = GAFF_BY_HAND[pair]
            assert float(bond.get("k")) == pytest.approx(2 * k * 418.4) and float(
                bond.get("length")
            ) == pytest.approx(r0 / 10)
            seen += 1
    assert seen >= 1 or name in ("DMSO", "chloroform", "FA")  # no bond of theirs is in the table
    assert float(root.find("NonbondedForce").get("coulomb14scale")) == pytest.approx(1 / 1.2)


@pytest.mark.parametrize("name", EACH_ROW)
def test_minimum_has_sane_bonds(name: str) -> None:
    system, positions = one_molecule(name)
    context = mm.Context(
        system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference")
    )
    context.setPositions(positions)
    mm.LocalEnergyMinimizer.minimize(context, 1.0, 0)
    state = context.getState(getPositions=True, getEnergy=True)
    xyz = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    assert np.isfinite(state.getPotentialEnergy()._value)
    item = catalogue_molecule(name)
    for i, j in item.bonds:
        low, high = BONDS["".join(sorted((item.elements[i], item.elements[j])))]
        assert low < np.linalg.norm(xyz[i] - xyz[j]) < high, (item.names[i], item.names[j])


@pytest.mark.parametrize(
    "name",
    ["water", "2-propanol", "FA", "cinnamate", "hydrogen-methylphosphonate", "leucine", "arginine"],
)
def test_a_short_run_keeps_the_molecule(name: str) -> None:
    check_run(catalogue_molecule(name), SHIPPED_MOLECULES.path(name).read_text(encoding="utf-8"))


def test_a_run_finds_the_acid_proton_without_a_radius() -> None:
    """With gaff.dat's ho the proton of hydrogen methylphosphonate falls onto an oxygen."""
    text = SHIPPED_MOLECULES.path("hydrogen-methylphosphonate").read_text(encoding="utf-8")
    bare, changes = re.subn(r'(-ho" sigma="[^"]*" epsilon=)"[^"]*"', r'\1"0.0"', text)
    assert changes == 1
    with pytest.raises(
        RuntimeError, match="hydrogen-methylphosphonate: a 10 ps run in vacuum ends at nan"
    ):
        check_run(catalogue_molecule("hydrogen-methylphosphonate"), bare)


def test_a_proton_that_jumps_is_found() -> None:
    item = catalogue_molecule("6-aminohexanoic-acid")
    check_bonds(item, item.positions, "nothing")
    positions, (proton, oxygen, carbon) = (
        item.positions.copy(),
        (item.names.index(name) for name in ("H1", "O2", "C6")),
    )
    along = positions[oxygen] - positions[carbon]
    positions[proton] = positions[oxygen] + 0.097 * along / np.linalg.norm(along)
    with pytest.raises(
        RuntimeError,
        match=r"sqm made or broke the bonds N1-H1, O2-H1: start it from another geometry",
    ):
        check_bonds(item, positions, "sqm")


def test_stereo_is_read_from_the_positions() -> None:
    leucine, cinnamate = catalogue_molecule("leucine"), catalogue_molecule("cinnamate")
    mirrored = stereo(leucine, leucine.positions * np.array([1.0, 1.0, -1.0]))
    assert stereo(leucine, leucine.positions) == Chem.CanonSmiles(leucine.smiles) != mirrored
    assert stereo(cinnamate, cinnamate.positions) == Chem.CanonSmiles(cinnamate.smiles)


@pytest.mark.parametrize(
    "name",
    [
        "cinnamate",
        "4-CF3-cinnamate",
        "F5-cinnamate",
        "4-OMe-cinnamate",
        "oleate",
        "oleylamine",
        "1-octadecene",
    ],
)
def test_double_bonds_are_stiff(name: str) -> None:
    """gaff.dat: X-ce-cf-X and X-c2-c2-X 6.65 kcal/mol for each of the four torsions; the conjugated
    neighbours X-c-ce-X 2.175.
    """
    double = ("c", "ce", "cf", "ca") if "cinnamate" in name else ("c3", "c2", "c2", "ha")
    assert barriers_of(name, double) == pytest.approx([6.65 * 4.184])
    if "cinnamate" in name:
        assert barriers_of(name, ("o", "c", "ce", "cf")) == pytest.approx([2.175 * 4.184])


def test_balancing_spreads_the_excess_and_refuses_nonsense() -> None:
    item = catalogue_molecule("acetone")
    raw = charges("acetone") + 0.002 / item.n_atoms
    assert balanced_charges(item, raw) == pytest.approx(charges("acetone"), abs=1e-7)
    assert abs(balanced_charges(item, raw + 1e-5 * np.arange(10)).sum()) < 1e-12
    with pytest.raises(ValueError, match="look at sqm's output"):
        balanced_charges(item, raw + 0.1)


def test_graph_terms_of_acetone() -> None:
    kinds = [atom.get("type").rsplit("-", 1)[1] for atom in residue("acetone").findall("Atom")]
    terms = graph_terms(catalogue_molecule("acetone"), kinds)
    assert {tuple(sorted(t)) for t in terms["Bond"]} == {("c", "c3"), ("c", "o"), ("c3", "hc")}
    assert ("c", "c3", "c3", "o") in terms["Improper"] and ("hc", "c3", "c", "o") in terms["Proper"]


@pytest.mark.parametrize(("name", "barriers"), [("acetone", [10.5]), ("toluene", [1.1] * 6)])
def test_impropers_have_the_barriers_of_gaff(name: str, barriers: list[float]) -> None:
    """gaff.dat: X-X-c-o 10.5, X-X-ca-ha 1.1 and ca-ca-ca-c3 1.1 kcal/mol, in what OpenMM really
    applies.
    """
    item, (system, _) = catalogue_molecule(name), one_molecule(name)
    torsions = next(
        force for force in system.getForces() if isinstance(force, mm.PeriodicTorsionForce)
    )
    rows = [torsions.getTorsionParameters(n) for n in range(torsions.getNumTorsions())]
    bonds = {frozenset((int(i), int(j))) for i, j in item.bonds}
    planar = [
        k for i, j, *_, k in ((*row[:2], row[6]) for row in rows) if frozenset((i, j)) not in bonds
    ]
    assert [k.value_in_unit(unit.kilocalorie_per_mole) for k in planar] == pytest.approx(barriers)


def test_a_default_improper_yields_to_gaff_and_is_told() -> None:
    frcmod = (
        "IMPROPER\nc3-c3-c -o  1.1  180.0  2.0  Using the default value\nca-n -ca-zz  1.1  180.0 "
        " 2.0  Using the default value\n"
    )
    kept, remarks = check_guesses(frcmod, [("X", "X", "c", "o")])
    assert "c3-c3-c -o" not in kept and "ca-n -ca-zz" in kept
    assert remarks[0].endswith("replaced by X-X-c-o of gaff.dat") and remarks[1].endswith(
        "Using the default value"
    )


def test_a_term_without_a_guess_is_an_error() -> None:
    with pytest.raises(
        RuntimeError, match="found no value for 'p5-zz 0.00 0.000 ATTN, need revision'"
    ):
        check_guesses("BOND\np5-zz    0.00   0.000       ATTN, need revision\n", [])


def test_water_is_tip3p() -> None:
    root = ET.parse(SHIPPED_MOLECULES.path("water")).getroot()
    assert charges("water") == pytest.approx([-0.834, 0.417, 0.417])
    oxygen = root.find("./NonbondedForce/Atom[@type='water-ow']")
    assert float(oxygen.get("sigma")) == pytest.approx(0.315061) and float(
        oxygen.get("epsilon")
    ) / 4.184 == pytest.approx(0.1521)
    angle = root.find("./HarmonicAngleForce/Angle")
    assert np.degrees(float(angle.get("angle"))) == pytest.approx(104.52)


def test_rows_without_parameters_say_why(capsys: pytest.CaptureFixture) -> None:
    assert main(list(WITHOUT_GAFF)) == 1
    assert "APTES-ammonium: no parameters: GAFF has no atom type for Si" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError, match="APTES-ammonium"):
        SHIPPED_MOLECULES.path("APTES-ammonium")


@pytest.mark.parametrize(
    "name", ["lysine", "arginine", "sulfobetaine", "phosphocholine", "12-aminododecanoic-acid"]
)
def test_zwitterions_keep_their_charges_apart(name: str) -> None:
    """Had a proton jumped in the AM1 optimisation, neither head would carry its charge."""
    item, q = catalogue_molecule(name), charges(name)
    near = np.array(Chem.GetDistanceMatrix(rdkit_molecule(item)))
    cation, anion = item.heads
    assert q[near[cation] <= 2].sum() > 0.4 and q[near[anion] <= 1].sum() < -0.4


def test_a_smiles_that_cannot_be_read_is_refused_with_its_file(tmp_path: Path) -> None:
    text = SHIPPED_MOLECULES.path("acetone").read_text(encoding="utf-8")
    file = tmp_path / "acetone.xml"
    file.write_text(text.replace("</SMILES>", ")</SMILES>"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"acetone.xml is of .*, which is no SMILES"):
        check_file(file, catalogue_molecule("acetone"))
