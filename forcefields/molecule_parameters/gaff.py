"""GAFF 1.8 parameters and AM1-BCC charges for a molecule, as a checked OpenMM ForceField XML.

For every ligand and solvent row, or for some of them:

    python -m halobind.forcefields.molecule_parameters.gaff
    python -m halobind.forcefields.molecule_parameters.gaff DA acetone

antechamber, sqm and parmchk2 are run as programs, from the folder that the acpype wheel brings;
ParmEd turns gaff.dat and the frcmod into XML. Needs `pip install -c constraints.txt ".[params]"`
and Debian's liblapack3 libblas3 libarpack2 libgfortran5.
"""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from importlib import metadata, util
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem

from halobind.forcefields.molecule_parameters.molecule_xml import (
    CHARGE_DIGITS,
    WATER_SOURCE,
    AtomParameters,
    ParameterFiles,
    command_for,
    tip3p,
    write_xml,
)
from halobind.forcefields.molecule_parameters.parameter_checks import (
    check_bonds,
    check_energies,
    check_run,
)
from halobind.forcefields.molecule_parameters.published_corrections import (
    CORRECTIONS,
    correct_numbers,
)
from halobind.forcefields.packs.molecule_library import MOLECULES_FOLDER
from halobind.structures.molecules.catalogue import LIGANDS, SOLVENTS
from halobind.structures.molecules.molecule import Molecule, catalogue_molecule, rdkit_molecule

GAFF_ELEMENTS = ("H", "C", "N", "O", "F", "P", "S", "Cl", "Br", "I")
GAFF_SOURCE = (
    "GAFF 1.8 (J. Comput. Chem. 2004, 25, 1157), AM1-BCC charges (J. Comput. Chem. 2002, 23, 1623)"
)
SOURCES = "SOURCES.json"
# sqm's usual line, without steps
FIXED_GEOMETRY = "qm_theory='AM1', grms_tol=0.0005, scfconv=1.d-10, ndiis_attempts=700, maxcyc=0"
ACID_PROTON = (
    "ho 0.6000 0.0157 as HX of parm@Frosst (Bayly, McKay and Truchon 2010): without a radius it"
    " falls onto the P-O oxygens"
)
# A penalty above it is high: no scale is published for parmchk2; in CGenFF (J. Chem. Inf. Model.
# 2012, 52, 3144) 10 ends "the analogy is fair".
HIGH_PENALTY = 10.0
MAX_CHARGE_EXCESS_E = 0.05  # what the raw charges of a molecule may sum to beyond its formal charge
# antechamber's own check of the molecule (acdoctor) refuses azides, isonitriles and diazo groups,
# which it can parametrise; valences are checked before.
UNDIAGNOSED = ("-dr", "no")
SYSTEM_LIBRARIES = "apt-get install liblapack3 libblas3 libarpack2 libgfortran5"
# Rows that can be built but not sampled, and why.
WITHOUT_GAFF = {"APTES-ammonium": "GAFF has no atom type for Si"}


@dataclass(frozen=True)
class Parameters:
    """The parameters of a molecule, and what the programs said of them."""

    xml: str
    """Text of the ForceField file."""
    raw_charge_sum: float
    """Sum of the AM1-BCC charges in e, before they were balanced."""
    remarks: tuple[str, ...]
    """What parmchk2 says of each term that it guessed."""
    types: tuple[str, ...] = ()
    """GAFF type of each atom; none for TIP3P."""
    charges: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """Final charges (n_atoms,) in e; empty for TIP3P."""
    positions: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    """The geometry (n_atoms, 3) in nm that sqm charged; empty for TIP3P."""


def amber_home() -> Path:
    """The folder of the bundled AmberTools programs.

    Raises:
        RuntimeError: acpype or ParmEd is missing; the message has the install line.
    """
    places = {module: util.find_spec(module) for module in ("acpype", "parmed")}
    for module, place in places.items():
        if place is None:
            raise RuntimeError(
                f'{module} is not installed: pip install -c constraints.txt ".[params]"'
            )
    acpype = places["acpype"]
    assert acpype is not None and acpype.origin is not None
    home = Path(acpype.origin).parent / "amber_linux"
    if not (home / "bin" / "antechamber").exists():
        raise RuntimeError(
            f"acpype {metadata.version('acpype')} brings no Linux antechamber; run this on Linux,"
            " elsewhere use the shipped files"
        )
    return home


def parametrize(item: Molecule) -> Parameters:
    """Compute the parameters of one molecule.

    It takes seconds for a small molecule and minutes for a ligand of two chains.

    Raises:
        RuntimeError: A program is missing or failed, or a check of its result did.
        ValueError: The charges cannot be balanced.
    """
    home = amber_home()
    from parmed.amber import AmberParameterSet  # noqa: PLC0415 (an optional extra)

    with tempfile.TemporaryDirectory(prefix="halobind-parametrize-") as name:
        folder = Path(name)
        Chem.MolToMolFile(rdkit_molecule(item), str(folder / "in.mol"))
        bcc = ["-c", "bcc", "-nc", str(item.charge), "-at", "gaff", "-pf", "y", *UNDIAGNOSED]
        if is_zwitterion(item):
            bcc += ["-ek", FIXED_GEOMETRY]
        antechamber = ["antechamber", "-i", "in.mol", "-fi", "mdl", "-o", "out.mol2", "-fo", "mol2"]
        _run_program(home, folder, command=[*antechamber, *bcc], product="out.mol2")
        positions = _sqm_positions(folder / "sqm.pdb")
        check_bonds(item, positions, "sqm")
        gaff = str(home / "dat" / "leap" / "parm" / "gaff.dat")
        parmchk2 = ["parmchk2", "-i", "out.mol2", "-f", "mol2", "-o", "out.frcmod", "-p", gaff]
        _run_program(home, folder, command=parmchk2, product="out.frcmod")
        frcmod, remarks = check_guesses(
            (folder / "out.frcmod").read_text(encoding="utf-8"),
            list(AmberParameterSet(gaff).improper_periodic_types),
        )
        raw = _read_mol2(folder / "out.mol2", item)
        if {"ho", "p5"} <= set(raw.types):
            frcmod = frcmod.replace("NONBON\n", f"NONBON\n  {ACID_PROTON}\n")
            remarks = (*remarks, ACID_PROTON)
        (folder / "out.frcmod").write_text(frcmod, encoding="utf-8")
        balanced = AtomParameters(raw.types, balanced_charges(item, raw.charges))
        files = ParameterFiles(gaff, str(folder / "out.frcmod"))
        text = write_xml(item, balanced, files, remarks)
        check_energies(item, text, balanced, files)
    check_run(item, text)
    return Parameters(
        xml=text,
        raw_charge_sum=float(raw.charges.sum()),
        remarks=remarks,
        types=balanced.types,
        charges=balanced.charges,
        positions=positions,
    )


def is_zwitterion(item: Molecule) -> bool:
    """Whether the molecule has positive and negative atoms apart from each other.

    A proton would jump between them in a gas-phase optimisation. Neighbours of opposite charge are
    a way to draw a bond (nitro groups, N-oxides) and do not count.
    """
    signs = set()
    for atom in rdkit_molecule(item).GetAtoms():
        sign = np.sign(atom.GetFormalCharge())
        if sign and all(np.sign(other.GetFormalCharge()) != -sign for other in atom.GetNeighbors()):
            signs.add(int(sign))
    return signs == {-1, 1}


def high_penalties(remarks: tuple[str, ...]) -> list[str]:
    """Those of parmchk2's remarks whose penalty is above HIGH_PENALTY."""
    high = []
    for remark in remarks:
        match = re.search(r"penalty score=\s*([\d.]+)", remark)
        if match and float(match[1]) > HIGH_PENALTY:
            high.append(remark)
    return high


def check_elements(item: Molecule) -> None:
    """Check that GAFF has atom types for a molecule.

    Raises:
        ValueError: Naming the elements for which it has none.
    """
    unknown = sorted(set(item.elements) - set(GAFF_ELEMENTS))
    if unknown:
        raise ValueError(
            f"{item.name}: GAFF has no atom type for {', '.join(unknown)}: it can be built, not"
            " sampled"
        )


def _run_program(home: Path, folder: Path, *, command: list[str], product: str) -> None:
    """Run one bundled program.

    Args:
        home: The folder of the programs.
        folder: The folder to run it in.
        command: Its name and arguments.
        product: Name of the file that it must make.

    Raises:
        RuntimeError: It failed or made no product; the message has its last lines.
    """
    environment = os.environ | {
        "AMBERHOME": str(home),
        "PATH": f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        text=True,
        errors="replace",
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            output = process.communicate()[0].strip()
        except BaseException:
            # Interrupted: antechamber's own children, sqm above all, must not go on.
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode == 0 and (folder / product).is_file():
        return
    log = folder / "sqm.out"
    output += log.read_text(encoding="utf-8", errors="replace")[-500:] if log.is_file() else ""
    missing = [line for line in output.splitlines() if "shared libraries" in line]
    if missing:
        raise RuntimeError(
            f"{command[0]} lacks a system library ({missing[0].split(': ', 1)[-1]}):"
            f" {SYSTEM_LIBRARIES}"
        )
    raise RuntimeError(
        f"{command[0]} failed (exit {process.returncode}):\n" + "\n".join(output.splitlines()[-12:])
    )


def check_guesses(frcmod: str, impropers: list[tuple[str, ...]]) -> tuple[str, tuple[str, ...]]:
    """Take default impropers out of a frcmod for which gaff.dat has a row.

    parmchk2 22.0 gives the carbonyl of acetone, c3-c3-c-o, "the default value" of 1.1 kcal/mol
    although gaff.dat has X-X-c-o 10.5; left in the frcmod, the specific row would hide the general
    one.

    Args:
        frcmod: Text of the file that parmchk2 wrote.
        impropers: Types of the improper rows of gaff.dat, "X" for any.

    Returns:
        The text without these impropers, and a remark on every guess in it.

    Raises:
        RuntimeError: A term has no guess.
    """
    lines = []
    remarks = []
    for line in frcmod.splitlines():
        types = tuple(line[k : k + 2].strip() for k in (0, 3, 6, 9))
        fits = [
            row
            for row in impropers
            if row[2] == types[2] and not Counter(row) - Counter([*types, "X", "X", "X"])
        ]
        rows = fits if "default value" in line else []
        if "ATTN" in line:
            raise RuntimeError(
                f"parmchk2 found no value for {' '.join(line.split())!r}: write it down with its"
                " source, or leave out the row"
            )
        if any(word in line for word in ("penalty", "default value")):
            replaced = f" -- replaced by {'-'.join(rows[0])} of gaff.dat" if rows else ""
            remarks.append(" ".join(line.split()) + replaced)
        if not rows:
            lines.append(line)
    return "\n".join(lines) + "\n", tuple(remarks)


def _sqm_positions(pdb: Path) -> np.ndarray:
    """The geometry whose charges sqm gave, (n_atoms, 3) in nm."""
    rows = [
        line
        for line in pdb.read_text(encoding="utf-8").splitlines()
        if line.startswith(("ATOM", "HETATM"))
    ]
    angstrom = np.array([[float(row[k : k + 8]) for k in (30, 38, 46)] for row in rows])
    positions_nm: np.ndarray = angstrom / 10.0
    return positions_nm


def _read_mol2(mol2: Path, item: Molecule) -> AtomParameters:
    """GAFF types and raw charges, in the molecule's order of atoms.

    Raises:
        RuntimeError: antechamber changed the atoms.
    """
    body = mol2.read_text(encoding="utf-8").split("@<TRIPOS>ATOM")[1].split("@<TRIPOS>")[0]
    rows = [line.split() for line in body.strip().splitlines()]
    elements = tuple("".join(c for c in row[1] if c.isalpha()) for row in rows)
    if elements != item.elements:
        raise RuntimeError(
            f"{item.name}: antechamber returned other atoms ({' '.join(elements)}) than it was"
            " given"
        )
    return AtomParameters(tuple(row[5] for row in rows), np.array([float(row[8]) for row in rows]))


def balanced_charges(item: Molecule, raw: np.ndarray) -> np.ndarray:
    """Charges that sum to the formal charge exactly, equal for atoms that symmetry makes equal.

    The mean over each class of `symmetry_classes` is shifted by the same amount on all atoms; what
    rounding to 8 decimals leaves goes to a class whose size divides it.

    Args:
        item: The molecule.
        raw: Charges (n_atoms,) in e.

    Returns:
        Charges (n_atoms,) in e.

    Raises:
        ValueError: The raw sum is off by more than 0.05 e, or the rest cannot be spread.
    """
    excess = float(raw.sum()) - item.charge
    if abs(excess) > MAX_CHARGE_EXCESS_E:
        raise ValueError(
            f"{item.name}: the AM1-BCC charges sum to {raw.sum():.4f} e, not {item.charge}: look at"
            " sqm's output"
        )
    classes = symmetry_classes(item)
    unit = 10**CHARGE_DIGITS
    micro = np.zeros(item.n_atoms, dtype=np.int64)
    for index in classes:
        micro[index] = round((raw[index].mean() - excess / item.n_atoms) * unit)
    rest = item.charge * unit - int(micro.sum())
    for index in sorted(classes, key=len):
        if rest % len(index) == 0:
            micro[index] += rest // len(index)
            break
    if int(micro.sum()) != item.charge * unit:
        raise ValueError(
            f"{item.name}: {rest}e-{CHARGE_DIGITS} e cannot be spread over its symmetry classes"
        )
    charges: np.ndarray = micro / unit
    return charges


def symmetry_classes(item: Molecule) -> list[np.ndarray]:
    """Indices of the atoms that are equal by the bond graph alone, class by class.

    Such are both oxygens of a carboxylate, and both nitrogens of formamidinium.
    """
    bare = Chem.RWMol()
    for element in item.elements:
        bare.AddAtom(Chem.Atom(element))
    for i, j in item.bonds:
        bare.AddBond(int(i), int(j), Chem.BondType.SINGLE)
    bare.UpdatePropertyCache(strict=False)
    Chem.FastFindRings(bare)
    merged = Chem.CanonicalRankAtoms(bare, breakTies=False)
    ranks = Chem.CanonicalRankAtoms(rdkit_molecule(item), breakTies=False)
    classes: dict[int, list[int]] = {}
    for _, atom in sorted(zip(ranks, range(item.n_atoms), strict=True)):
        classes.setdefault(merged[atom], []).append(atom)
    return [np.array(sorted(atoms)) for atoms in classes.values()]


def main(names: list[str]) -> int:
    """Make the files of rows, and their records in SOURCES.json.

    Args:
        names: Names of rows; none: all that GAFF has types for.

    Returns:
        The exit code: 1 when a named row cannot be made.
    """
    folder = MOLECULES_FOLDER
    folder.mkdir(exist_ok=True)
    for name in names or [*LIGANDS, *SOLVENTS]:
        if name not in LIGANDS and name not in SOLVENTS:
            print(
                f"there is no ligand or solvent {name!r}; the rows are"
                f" {', '.join([*LIGANDS, *SOLVENTS])}",
                file=sys.stderr,
            )
            return 1
        if name in WITHOUT_GAFF:
            print(f"{name}: no parameters: {WITHOUT_GAFF[name]}", file=sys.stderr)
            if names:
                return 1
            continue
        item = catalogue_molecule(name)
        parameters = _water_parameters() if name == "water" else parametrize(item)
        parameters = replace(parameters, xml=correct_numbers(name, parameters.xml))
        (folder / f"{name}.xml").write_text(parameters.xml, encoding="utf-8")
        record_source(folder, name, parameters)
        print(
            f"{name}: charges summed to {parameters.raw_charge_sum:+.6f} e, written"
            f" {item.charge:+d} e; {len(parameters.remarks)} guessed terms"
        )
        for remark in parameters.remarks:
            print(f"  warning: {remark}", file=sys.stderr)
    return 0


def _water_parameters() -> Parameters:
    """TIP3P, checked by a run."""
    item = catalogue_molecule("water")
    text = tip3p(item)
    check_run(item, text)
    return Parameters(text, 0.0, ())


def program_versions() -> dict[str, str]:
    """Versions of the packages that parameters come from.

    Raises:
        RuntimeError: One is missing; the message has the install line.
    """
    amber_home()
    return {package: metadata.version(package) for package in ("acpype", "parmed", "rdkit")}


def source_record(item: Molecule, parameters: Parameters) -> dict[str, Any]:
    """What a molecule file came from, and its checksum."""
    source = GAFF_SOURCE
    geometry = "AM1 optimised"
    if item.name == "water":
        source = WATER_SOURCE
        geometry = "TIP3P"
    else:
        if item.name in CORRECTIONS:
            source += f"; {CORRECTIONS[item.name].source}"
        if is_zwitterion(item):
            geometry = "as built: sqm took no steps"
    return {
        "smiles": item.smiles,
        "source": source,
        "geometry": geometry,
        "command": command_for(item.name),
        "programs": program_versions(),
        "charge_e": item.charge,
        "raw_charge_sum_e": round(parameters.raw_charge_sum, 6),
        "guessed_terms": list(parameters.remarks),
        "sha256": hashlib.sha256(parameters.xml.encode()).hexdigest(),
    }


def record_source(folder: Path, name: str, parameters: Parameters) -> None:
    """Write the record of a row into the SOURCES.json of a folder."""
    path = folder / SOURCES
    sources = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    sources[name] = source_record(catalogue_molecule(name), parameters)
    path.write_text(json.dumps(dict(sorted(sources.items())), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
