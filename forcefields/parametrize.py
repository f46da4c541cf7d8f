"""GAFF 1.8 parameters and AM1-BCC charges for a molecule, as a finished OpenMM ForceField XML, checked before it is written.

    python -m forcefields.parametrize              every ligand and solvent row
    python -m forcefields.parametrize DA acetone   some of them

antechamber, sqm and parmchk2 are run as programs, from the folder that the acpype wheel brings; ParmEd turns gaff.dat and
the frcmod into XML. Needs `pip install "halobind[params]"` and Debian's liblapack3 libblas3 libarpack2 libgfortran5.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass, replace
from importlib import metadata, util
from itertools import permutations
from pathlib import Path

import numpy as np
from rdkit import Chem

from forcefields.adjusted import ADJUSTED, adjust
from forcefields.crosscheck import check_bonds, check_energies, check_run
from forcefields.packs import MOLECULES_FOLDER
from structures.molecules import Molecule, molecule, rdkit_molecule
from structures.rows import LIGANDS, SOLVENTS

CHARGE_DIGITS = 8
GAFF_SOURCE = "GAFF 1.8 (J. Comput. Chem. 2004, 25, 1157), AM1-BCC charges (J. Comput. Chem. 2002, 23, 1623)"
WATER_SOURCE = "TIP3P (Jorgensen et al., J. Chem. Phys. 1983, 79, 926); springs of Amber's flexible form, rigid in a System of halobind"
SOURCES = "SOURCES.json"
FIXED_GEOMETRY = "qm_theory='AM1', grms_tol=0.0005, scfconv=1.d-10, ndiis_attempts=700, maxcyc=0"  # sqm's usual line, without steps
ACID_PROTON = "ho 0.6000 0.0157 as HX of parm@Frosst (Bayly, McKay and Truchon 2010): without a radius it falls onto the P-O oxygens"
WITHOUT_GAFF = {"APTES-ammonium": "GAFF has no atom type for Si"}  # rows that can be built but not sampled


@dataclass(frozen=True)
class Parameters:
    """What the programs found: the XML text, the sum of the raw AM1-BCC charges (e), and parmchk2's remarks on guesses."""

    xml: str
    raw_charge_sum: float
    remarks: tuple[str, ...]


def amber_home() -> Path:
    """The folder of the bundled AmberTools programs. Raises RuntimeError with the install line when acpype or ParmEd is missing."""
    for module in ("acpype", "parmed"):
        if util.find_spec(module) is None:
            raise RuntimeError(f'{module} is not installed: pip install "halobind[params]"')
    home = Path(util.find_spec("acpype").origin).parent / "amber_linux"
    if not (home / "bin" / "antechamber").exists():
        raise RuntimeError(
            f"acpype {metadata.version('acpype')} brings no Linux antechamber; run this on Linux, elsewhere use the shipped files"
        )
    return home


def parametrize(item: Molecule) -> Parameters:
    """Types, charges and XML of one molecule; seconds for a small one, minutes for a two-chain ligand. Raises RuntimeError."""
    home = amber_home()
    from parmed.amber import AmberParameterSet  # noqa: PLC0415 (an optional extra)

    with tempfile.TemporaryDirectory(prefix="halobind-parametrize-") as name:
        folder = Path(name)
        Chem.MolToMolFile(rdkit_molecule(item), str(folder / "in.mol"))
        bcc = ["-c", "bcc", "-nc", str(item.charge), "-at", "gaff", "-pf", "y"]
        if is_zwitterion(item):
            bcc += ["-ek", FIXED_GEOMETRY]
        _program(home, folder, ["antechamber", "-i", "in.mol", "-fi", "mdl", "-o", "out.mol2", "-fo", "mol2", *bcc], "out.mol2")
        check_bonds(item, _sqm_positions(folder / "sqm.pdb"), "sqm")
        gaff = str(home / "dat" / "leap" / "parm" / "gaff.dat")
        _program(home, folder, ["parmchk2", "-i", "out.mol2", "-f", "mol2", "-o", "out.frcmod", "-p", gaff], "out.frcmod")
        kept, remarks = checked_guesses(
            (folder / "out.frcmod").read_text(encoding="utf-8"), list(AmberParameterSet(gaff).improper_periodic_types)
        )
        kinds, raw = _types_and_charges(folder / "out.mol2", item)
        if {"ho", "p5"} <= set(kinds):
            kept, remarks = kept.replace("NONBON\n", f"NONBON\n  {ACID_PROTON}\n"), (*remarks, ACID_PROTON)
        (folder / "out.frcmod").write_text(kept, encoding="utf-8")
        charges = balanced_charges(item, raw)
        files = (gaff, str(folder / "out.frcmod"))
        text = _write_xml(item, (kinds, charges), files, remarks)
        check_energies(item, text, (kinds, charges), files)
    check_run(item, text)
    return Parameters(text, float(raw.sum()), remarks)


def is_zwitterion(item: Molecule) -> bool:
    """Whether the molecule has both positive and negative atoms, between which a proton would jump in a gas-phase optimisation."""
    charges = {np.sign(atom.GetFormalCharge()) for atom in rdkit_molecule(item).GetAtoms()}
    return {-1, 1} <= charges


def _program(home: Path, folder: Path, command: list[str], product: str) -> None:
    """Run one bundled program in `folder`. Raises RuntimeError with its last lines when it makes no `product`."""
    environment = os.environ | {"AMBERHOME": str(home), "PATH": f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode == 0 and (folder / product).is_file():
        return
    output = (done.stdout + done.stderr).strip()
    log = folder / "sqm.out"
    output += log.read_text(encoding="utf-8", errors="replace")[-500:] if log.is_file() else ""
    if "shared libraries" in output:
        output += "\ninstall the system libraries: apt-get install liblapack3 libblas3 libarpack2 libgfortran5"
    raise RuntimeError(f"{command[0]} failed (exit {done.returncode}):\n" + "\n".join(output.splitlines()[-12:]))


def checked_guesses(frcmod: str, known: list[tuple[str, ...]]) -> tuple[str, tuple[str, ...]]:
    """The frcmod without the default impropers for which gaff.dat has a row (`known`), and a remark on every guess in it.

    parmchk2 22.0 gives the carbonyl of acetone, c3-c3-c-o, "the default value" of 1.1 kcal/mol although gaff.dat has
    X-X-c-o 10.5; left in the frcmod, the specific row would hide the general one. Raises RuntimeError for a term without a guess.
    """
    kept, remarks = [], []
    for line in frcmod.splitlines():
        types = tuple(line[k : k + 2].strip() for k in (0, 3, 6, 9))
        fits = [row for row in known if row[2] == types[2] and not Counter(row) - Counter([*types, "X", "X", "X"])]
        rows = fits if "default value" in line else []
        if "ATTN" in line:
            raise RuntimeError(
                f"parmchk2 found no value for {' '.join(line.split())!r}: write it down with its source, or leave out the row"
            )
        if any(word in line for word in ("penalty", "default value")):
            remarks.append(" ".join(line.split()) + (f" -- replaced by {'-'.join(rows[0])} of gaff.dat" if rows else ""))
        if not rows:
            kept.append(line)
    return "\n".join(kept) + "\n", tuple(remarks)


def _sqm_positions(pdb: Path) -> np.ndarray:
    """The geometry whose charges sqm gave, (n_atoms, 3) in nm."""
    rows = [line for line in pdb.read_text(encoding="utf-8").splitlines() if line.startswith(("ATOM", "HETATM"))]
    return np.array([[float(row[k : k + 8]) for k in (30, 38, 46)] for row in rows]) / 10.0


def _types_and_charges(mol2: Path, item: Molecule) -> tuple[list[str], np.ndarray]:
    """GAFF type and raw charge of every atom, in the molecule's order. Raises RuntimeError when antechamber changed the atoms."""
    body = mol2.read_text(encoding="utf-8").split("@<TRIPOS>ATOM")[1].split("@<TRIPOS>")[0]
    rows = [line.split() for line in body.strip().splitlines()]
    elements = tuple("".join(c for c in row[1] if c.isalpha()) for row in rows)
    if elements != item.elements:
        raise RuntimeError(f"{item.name}: antechamber returned other atoms ({' '.join(elements)}) than it was given")
    return [row[5] for row in rows], np.array([float(row[8]) for row in rows])


def balanced_charges(item: Molecule, raw: np.ndarray) -> np.ndarray:
    """Charges (n_atoms,) in e that sum to the formal charge exactly, equal for atoms that symmetry makes equal.

    The mean over each class of `symmetry_classes` is shifted by the same amount on all atoms; what rounding to 8 decimals leaves goes to a
    class whose size divides it. Raises ValueError when the raw sum is off by more than 0.05 e.
    """
    excess = float(raw.sum()) - item.charge
    if abs(excess) > 0.05:
        raise ValueError(f"{item.name}: the AM1-BCC charges sum to {raw.sum():.4f} e, not {item.charge}: look at sqm's output")
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
        raise ValueError(f"{item.name}: {left}e-{CHARGE_DIGITS} e cannot be spread over its symmetry classes")
    return micro / unit


def symmetry_classes(item: Molecule) -> list[np.ndarray]:
    """Indices of the atoms that are equal by the bond graph alone: both oxygens of a carboxylate, both nitrogens of formamidinium."""
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


def _write_xml(item: Molecule, assigned: tuple[list[str], np.ndarray], files: tuple[str, str], remarks: tuple[str, ...]) -> str:
    """The ForceField XML with types and classes named NAME-gafftype, so that files never match each other's atoms."""
    from parmed.amber import AmberParameterSet  # noqa: PLC0415 (an optional extra)
    from parmed.openmm import OpenMMParameterSet  # noqa: PLC0415

    kinds, charges = assigned
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "gaff.xml"
        OpenMMParameterSet.from_parameterset(AmberParameterSet(*files)).write(str(path), write_unused=True)
        source = ET.parse(path).getroot()
    root = ET.Element("ForceField")
    about = ET.SubElement(root, "Info")
    ET.SubElement(
        about, "Source"
    ).text = f"GAFF 1.8 (gaff.dat) with AM1-BCC charges; acpype {metadata.version('acpype')} programs, ParmEd {metadata.version('parmed')}"
    ET.SubElement(about, "SMILES").text = item.smiles
    ET.SubElement(about, "Command").text = f"python -m forcefields.parametrize {item.name}"
    ET.SubElement(about, "Guessed").text = "; ".join(remarks) or "none"
    used = sorted(set(kinds))
    _copy(source.find("AtomTypes"), ET.SubElement(root, "AtomTypes"), lambda e: e.get("name") in used)
    residue = ET.SubElement(ET.SubElement(root, "Residues"), "Residue", name=item.name)
    for atom, kind, charge in zip(item.names, kinds, charges, strict=True):
        ET.SubElement(residue, "Atom", name=atom, type=kind, charge=f"{charge:.{CHARGE_DIGITS}f}")
    for i, j in item.bonds:
        ET.SubElement(residue, "Bond", atomName1=item.names[i], atomName2=item.names[j])
    for tag in ("HarmonicBondForce", "HarmonicAngleForce", "PeriodicTorsionForce"):
        section = ET.SubElement(root, tag, **({"ordering": "amber"} if tag == "PeriodicTorsionForce" else {}))
        _copy(source.find(tag), section, _needed(item, kinds))
    nonbonded = ET.SubElement(root, "NonbondedForce", coulomb14scale="0.8333333333333334", lj14scale="0.5")
    ET.SubElement(nonbonded, "UseAttributeFromResidue", name="charge")
    _copy(source.find("NonbondedForce"), nonbonded, lambda e: e.get("class") in used or e.get("type") in used)
    for element in root.iter():
        for key, value in element.attrib.items():
            if value and (key.startswith(("type", "class")) or (element.tag == "Type" and key == "name")):
                element.set(key, f"{item.name}-{value}")
    ET.indent(root, " ")
    return ET.tostring(root, encoding="unicode") + "\n"


def tip3p(item: Molecule) -> Parameters:
    """TIP3P water in the form of the other files: 0.9572 A, 104.52 degrees, q(O) -0.834 e, 3.15061 A, 0.1521 kcal/mol."""
    oxygen, *hydrogens = item.names
    text = f"""<ForceField>
 <Info>
  <Source>{WATER_SOURCE}</Source>
  <SMILES>{item.smiles}</SMILES>
  <Command>python -m forcefields.parametrize {item.name}</Command>
  <Guessed>none</Guessed>
 </Info>
 <AtomTypes>
  <Type name="water-ow" class="water-ow" element="O" mass="15.999"/>
  <Type name="water-hw" class="water-hw" element="H" mass="1.008"/>
 </AtomTypes>
 <Residues>
  <Residue name="{item.name}">
   <Atom name="{oxygen}" type="water-ow" charge="-0.83400000"/>
   <Atom name="{hydrogens[0]}" type="water-hw" charge="0.41700000"/>
   <Atom name="{hydrogens[1]}" type="water-hw" charge="0.41700000"/>
   <Bond atomName1="{oxygen}" atomName2="{hydrogens[0]}"/>
   <Bond atomName1="{oxygen}" atomName2="{hydrogens[1]}"/>
  </Residue>
 </Residues>
 <HarmonicBondForce>
  <Bond type1="water-ow" type2="water-hw" length="0.09572" k="462750.4"/>
 </HarmonicBondForce>
 <HarmonicAngleForce>
  <Angle type1="water-hw" type2="water-ow" type3="water-hw" angle="1.82421813418" k="836.8"/>
 </HarmonicAngleForce>
 <NonbondedForce coulomb14scale="0.8333333333333334" lj14scale="0.5">
  <UseAttributeFromResidue name="charge"/>
  <Atom type="water-ow" sigma="0.315061" epsilon="0.6363864"/>
  <Atom type="water-hw" sigma="1.0" epsilon="0.0"/>
 </NonbondedForce>
</ForceField>
"""
    check_run(item, text)
    return Parameters(text, 0.0, ())


def _copy(source: ET.Element, target: ET.Element, wanted: object) -> None:
    for element in source:
        if wanted(element):
            target.append(element)


def graph_terms(item: Molecule, kinds: list[str]) -> dict[str, set[tuple[str, ...]]]:
    """The type tuples of every bond, angle, proper and improper (centre first) that the bonds of the molecule make."""
    near: dict[int, list[int]] = {i: [] for i in range(item.n_atoms)}
    for i, j in item.bonds:
        near[int(i)].append(int(j))
        near[int(j)].append(int(i))
    found: dict[str, set[tuple[str, ...]]] = {"Bond": set(), "Angle": set(), "Proper": set(), "Improper": set()}
    for j, neighbours in near.items():
        found["Bond"] |= {(kinds[i], kinds[j]) for i in neighbours}
        found["Angle"] |= {(kinds[i], kinds[j], kinds[k]) for i in neighbours for k in neighbours if i != k}
        for k in neighbours:
            ends = [(i, m) for i in neighbours if i != k for m in near[k] if m not in (i, j)]
            found["Proper"] |= {(kinds[i], kinds[j], kinds[k], kinds[m]) for i, m in ends}
        if len(neighbours) == 3:
            found["Improper"] |= {(kinds[j], *(kinds[n] for n in order)) for order in permutations(neighbours)}
    return found


def _needed(item: Molecule, kinds: list[str]) -> object:
    """Whether a bonded term of GAFF (wildcards are empty) can match anything in the molecule."""
    terms = graph_terms(item, kinds)

    def wanted(element: ET.Element) -> bool:
        pattern = [
            element.get(f"{prefix}{n}") for n in range(1, 5) for prefix in ("type", "class") if element.get(f"{prefix}{n}") is not None
        ]
        ways = [pattern] if element.tag == "Improper" else [pattern, pattern[::-1]]
        return any(all(p in ("", t) for p, t in zip(way, term, strict=True)) for way in ways for term in terms[element.tag])

    return wanted


def main(names: list[str]) -> int:
    """Regenerate the named rows (all that can be when empty), each file and its record in SOURCES.json; 1 when a named one cannot."""
    folder = Path(str(MOLECULES_FOLDER))
    folder.mkdir(exist_ok=True)
    for name in names or [*LIGANDS, *SOLVENTS]:
        if name not in LIGANDS and name not in SOLVENTS:
            print(f"there is no ligand or solvent {name!r}; the rows are {', '.join([*LIGANDS, *SOLVENTS])}", file=sys.stderr)
            return 1
        if name in WITHOUT_GAFF:
            print(f"{name}: no parameters: {WITHOUT_GAFF[name]}", file=sys.stderr)
            if names:
                return 1
            continue
        found = tip3p(molecule(name)) if name == "water" else parametrize(molecule(name))
        found = replace(found, xml=adjust(name, found.xml))
        (folder / f"{name}.xml").write_text(found.xml, encoding="utf-8")
        record_source(folder, name, found)
        sums = f"charges summed to {found.raw_charge_sum:+.6f} e, written {molecule(name).charge:+d} e"
        print(f"{name}: {sums}; {len(found.remarks)} guessed terms")
        for remark in found.remarks:
            print(f"  warning: {remark}", file=sys.stderr)
    return 0


def geometry(name: str) -> str:
    """Which geometry of a row the charges are those of."""
    if name == "water":
        return "TIP3P"
    return "as built: sqm took no steps" if is_zwitterion(molecule(name)) else "AM1 optimised"


def record_source(folder: Path, name: str, found: Parameters) -> None:
    """Write what a file came from, and its checksum, into SOURCES.json."""
    path = folder / SOURCES
    sources = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    sources[name] = {
        "smiles": molecule(name).smiles,
        "source": WATER_SOURCE if name == "water" else GAFF_SOURCE + (f"; {ADJUSTED[name].source}" if name in ADJUSTED else ""),
        "geometry": geometry(name),
        "command": f"python -m forcefields.parametrize {name}",
        "programs": {package: metadata.version(package) for package in ("acpype", "parmed", "rdkit")},
        "charge_e": molecule(name).charge,
        "raw_charge_sum_e": round(found.raw_charge_sum, 6),
        "guessed_terms": list(found.remarks),
        "sha256": hashlib.sha256(found.xml.encode()).hexdigest(),
    }
    path.write_text(json.dumps(dict(sorted(sources.items())), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
