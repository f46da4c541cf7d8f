"""GAFF 1.8 parameters and AM1-BCC charges for a molecule, as a finished OpenMM ForceField XML,
checked before it is written.

    python -m halobind.forcefields.molecule_parameters.gaff              every ligand and solvent row
    python -m halobind.forcefields.molecule_parameters.gaff DA acetone   some of them

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

import numpy as np
from rdkit import Chem

from halobind.forcefields.molecule_parameters.molecule_xml import (
    CHARGE_DIGITS,
    WATER_SOURCE,
    command_for,
    tip3p,
    write_xml,
)
from halobind.forcefields.molecule_parameters.parameter_checks import (
    check_bonds,
    check_energies,
    check_run,
)
from halobind.forcefields.molecule_parameters.published_corrections import ADJUSTED, adjust
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
# no scale is published for parmchk2; in CGenFF (J. Chem. Inf. Model. 2012, 52, 3144) 10 ends "the
# analogy is fair"
HIGH_PENALTY = 10.0
# antechamber's own check of the molecule (acdoctor) refuses azides, isonitriles and diazo groups,
# which it can parametrise; valences are checked before.
UNDIAGNOSED = ("-dr", "no")
SYSTEM_LIBRARIES = "apt-get install liblapack3 libblas3 libarpack2 libgfortran5"
WITHOUT_GAFF = {
    "APTES-ammonium": "GAFF has no atom type for Si"
}  # rows that can be built but not sampled


@dataclass(frozen=True)
class Parameters:
    """What the programs found: the XML text, the sum of the raw AM1-BCC charges (e), parmchk2's
    remarks on guesses; GAFF types, final charges (n_atoms,) in e, and the geometry (n_atoms, 3) in
    nm that sqm charged. The last three are empty for TIP3P.
    """

    xml: str
    raw_charge_sum: float
    remarks: tuple[str, ...]
    kinds: tuple[str, ...] = ()
    charges: np.ndarray = field(default_factory=lambda: np.zeros(0))
    positions: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))


def amber_home() -> Path:
    """The folder of the bundled AmberTools programs. Raises RuntimeError with the install line when
    acpype or ParmEd is missing.
    """
    for module in ("acpype", "parmed"):
        if util.find_spec(module) is None:
            raise RuntimeError(
                f'{module} is not installed: pip install -c constraints.txt ".[params]"'
            )
    home = Path(util.find_spec("acpype").origin).parent / "amber_linux"
    if not (home / "bin" / "antechamber").exists():
        raise RuntimeError(
            f"acpype {metadata.version('acpype')} brings no Linux antechamber; run this on Linux,"
            " elsewhere use the shipped files"
        )
    return home


def parametrize(item: Molecule) -> Parameters:
    """Types, charges and XML of one molecule; seconds for a small one, minutes for a two-chain
    ligand. Raises RuntimeError.
    """
    home = amber_home()
    from parmed.amber import AmberParameterSet  # noqa: PLC0415 (an optional extra)

    with tempfile.TemporaryDirectory(prefix="halobind-parametrize-") as name:
        folder = Path(name)
        Chem.MolToMolFile(rdkit_molecule(item), str(folder / "in.mol"))
        bcc = ["-c", "bcc", "-nc", str(item.charge), "-at", "gaff", "-pf", "y", *UNDIAGNOSED]
        if is_zwitterion(item):
            bcc += ["-ek", FIXED_GEOMETRY]
        _program(
            home,
            folder,
            ["antechamber", "-i", "in.mol", "-fi", "mdl", "-o", "out.mol2", "-fo", "mol2", *bcc],
            "out.mol2",
        )
        positions = _sqm_positions(folder / "sqm.pdb")
        check_bonds(item, positions, "sqm")
        gaff = str(home / "dat" / "leap" / "parm" / "gaff.dat")
        _program(
            home,
            folder,
            ["parmchk2", "-i", "out.mol2", "-f", "mol2", "-o", "out.frcmod", "-p", gaff],
            "out.frcmod",
        )
        kept, remarks = checked_guesses(
            (folder / "out.frcmod").read_text(encoding="utf-8"),
            list(AmberParameterSet(gaff).improper_periodic_types),
        )
        kinds, raw = _types_and_charges(folder / "out.mol2", item)
        if {"ho", "p5"} <= set(kinds):
            kept, remarks = (
                kept.replace("NONBON\n", f"NONBON\n  {ACID_PROTON}\n"),
                (*remarks, ACID_PROTON),
            )
        (folder / "out.frcmod").write_text(kept, encoding="utf-8")
        charges = balanced_charges(item, raw)
        files = (gaff, str(folder / "out.frcmod"))
        text = write_xml(item, (kinds, charges), files, remarks)
        check_energies(item, text, (kinds, charges), files)
    check_run(item, text)
    return Parameters(text, float(raw.sum()), remarks, tuple(kinds), charges, positions)


def is_zwitterion(item: Molecule) -> bool:
    """Whether the molecule has positive and negative atoms apart, between which a proton would jump
    in a gas-phase optimisation.

    Neighbours of opposite charge are a way to draw a bond (nitro groups, N-oxides) and do not
    count.
    """
    signs = set()
    for atom in rdkit_molecule(item).GetAtoms():
        sign = np.sign(atom.GetFormalCharge())
        if sign and all(np.sign(other.GetFormalCharge()) != -sign for other in atom.GetNeighbors()):
            signs.add(int(sign))
    return signs == {-1, 1}


def high_penalties(remarks: tuple[str, ...]) -> list[str]:
    """Those of parmchk2's remarks whose penalty is above HIGH_PENALTY."""
    found = ((re.search(r"penalty score=\s*([\d.]+)", remark), remark) for remark in remarks)
    return [remark for match, remark in found if match and float(match[1]) > HIGH_PENALTY]


def check_elements(item: Molecule) -> None:
    """Raise ValueError naming the elements of the molecule that GAFF has no atom type for."""
    unknown = sorted(set(item.elements) - set(GAFF_ELEMENTS))
    if unknown:
        raise ValueError(
            f"{item.name}: GAFF has no atom type for {', '.join(unknown)}: it can be built, not"
            " sampled"
        )


def _program(home: Path, folder: Path, command: list[str], product: str) -> None:
    """Run one bundled program in `folder`. Raises RuntimeError with its last lines when it makes no
    `product`.
    """
    environment = os.environ | {
        "AMBERHOME": str(home),
        "PATH": f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        text=True,
        errors="replace",
        start_new_session=True,
        **pipes,
    ) as process:
        try:
            output = process.communicate()[0].strip()
        except (
            BaseException
        ):  # interrupted: antechamber's own children, sqm above all, must not go on
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


def checked_guesses(frcmod: str, known: list[tuple[str, ...]]) -> tuple[str, tuple[str, ...]]:
    """The frcmod without the default impropers for which gaff.dat has a row (`known`), and a remark
    on every guess in it.

    parmchk2 22.0 gives the carbonyl of acetone, c3-c3-c-o, "the default value" of 1.1 kcal/mol
    although gaff.dat has X-X-c-o 10.5; left in the frcmod, the specific row would hide the general
    one. Raises RuntimeError for a term without a guess.
    """
    kept, remarks = [], []
    for line in frcmod.splitlines():
        types = tuple(line[k : k + 2].strip() for k in (0, 3, 6, 9))
        fits = [
            row
            for row in known
            if row[2] == types[2] and not Counter(row) - Counter([*types, "X", "X", "X"])
        ]
        rows = fits if "default value" in line else []
        if "ATTN" in line:
            raise RuntimeError(
                f"parmchk2 found no value for {' '.join(line.split())!r}: write it down with its"
                " source, or leave out the row"
            )
        if any(word in line for word in ("penalty", "default value")):
            remarks.append(
                " ".join(line.split())
                + (f" -- replaced by {'-'.join(rows[0])} of gaff.dat" if rows else "")
            )
        if not rows:
            kept.append(line)
    return "\n".join(kept) + "\n", tuple(remarks)


def _sqm_positions(pdb: Path) -> np.ndarray:
    """The geometry whose charges sqm gave, (n_atoms, 3) in nm."""
    rows = [
        line
        for line in pdb.read_text(encoding="utf-8").splitlines()
        if line.startswith(("ATOM", "HETATM"))
    ]
    return np.array([[float(row[k : k + 8]) for k in (30, 38, 46)] for row in rows]) / 10.0


def _types_and_charges(mol2: Path, item: Molecule) -> tuple[list[str], np.ndarray]:
    """GAFF type and raw charge of every atom, in the molecule's order. Raises RuntimeError when
    antechamber changed the atoms.
    """
    body = mol2.read_text(encoding="utf-8").split("@<TRIPOS>ATOM")[1].split("@<TRIPOS>")[0]
    rows = [line.split() for line in body.strip().splitlines()]
    elements = tuple("".join(c for c in row[1] if c.isalpha()) for row in rows)
    if elements != item.elements:
        raise RuntimeError(
            f"{item.name}: antechamber returned other atoms ({' '.join(elements)}) than it was"
            " given"
        )
    return [row[5] for row in rows], np.array([float(row[8]) for row in rows])


def balanced_charges(item: Molecule, raw: np.ndarray) -> np.ndarray:
    """Charges (n_atoms,) in e that sum to the formal charge exactly, equal for atoms that symmetry
    makes equal.

    The mean over each class of `symmetry_classes` is shifted by the same amount on all atoms; what
    rounding to 8 decimals leaves goes to a class whose size divides it. Raises ValueError when the
    raw sum is off by more than 0.05 e.
    """
    excess = float(raw.sum()) - item.charge
    if abs(excess) > 0.05:
        raise ValueError(
            f"{item.name}: the AM1-BCC charges sum to {raw.sum():.4f} e, not {item.charge}: look at"
            " sqm's output"
        )
    classes = symmetry_classes(item)
    unit = 10**CHARGE_DIGITS
    micro = np.zeros(item.n_atoms, dtype=np.int64)
    for index in classes:
        micro[index] = round((raw[index].mean() - excess / item.n_atoms) * unit)
    left = item.charge * unit - int(micro.sum())
    for index in sorted(classes, key=len):
        if left % len(index) == 0:
            micro[index] += left // len(index)
            break
    if int(micro.sum()) != item.charge * unit:
        raise ValueError(
            f"{item.name}: {left}e-{CHARGE_DIGITS} e cannot be spread over its symmetry classes"
        )
    return micro / unit


def symmetry_classes(item: Molecule) -> list[np.ndarray]:
    """Indices of the atoms that are equal by the bond graph alone: both oxygens of a carboxylate,
    both nitrogens of formamidinium.
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
    """Regenerate the named rows (all that can be when empty), each file and its record in
    SOURCES.json; 1 when a named one cannot.
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
        found = _water() if name == "water" else parametrize(catalogue_molecule(name))
        found = replace(found, xml=adjust(name, found.xml))
        (folder / f"{name}.xml").write_text(found.xml, encoding="utf-8")
        record_source(folder, name, found)
        sums = f"charges summed to {found.raw_charge_sum:+.6f} e, written {catalogue_molecule(name).charge:+d} e"
        print(f"{name}: {sums}; {len(found.remarks)} guessed terms")
        for remark in found.remarks:
            print(f"  warning: {remark}", file=sys.stderr)
    return 0


def _water() -> Parameters:
    item = catalogue_molecule("water")
    text = tip3p(item)
    check_run(item, text)
    return Parameters(text, 0.0, ())


def programs() -> dict[str, str]:
    """Versions of what parameters come from. Raises RuntimeError with the install line when one is
    missing.
    """
    amber_home()
    return {package: metadata.version(package) for package in ("acpype", "parmed", "rdkit")}


def source_record(item: Molecule, found: Parameters) -> dict:
    """What a file came from, and its checksum."""
    water = item.name == "water"
    return {
        "smiles": item.smiles,
        "source": (
            WATER_SOURCE
            if water
            else GAFF_SOURCE + (f"; {ADJUSTED[item.name].source}" if item.name in ADJUSTED else "")
        ),
        "geometry": (
            "TIP3P"
            if water
            else "as built: sqm took no steps"
            if is_zwitterion(item)
            else "AM1 optimised"
        ),
        "command": command_for(item.name),
        "programs": programs(),
        "charge_e": item.charge,
        "raw_charge_sum_e": round(found.raw_charge_sum, 6),
        "guessed_terms": list(found.remarks),
        "sha256": hashlib.sha256(found.xml.encode()).hexdigest(),
    }


def record_source(folder: Path, name: str, found: Parameters) -> None:
    """Write what a file came from, and its checksum, into SOURCES.json."""
    path = folder / SOURCES
    sources = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    sources[name] = source_record(catalogue_molecule(name), found)
    path.write_text(json.dumps(dict(sorted(sources.items())), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
