"""The ForceField XML of one molecule: written from GAFF types, charges and gaff.dat, written for
TIP3P, and checked against a molecule.
"""

import tempfile
import xml.etree.ElementTree as ET
from importlib import metadata
from itertools import permutations
from pathlib import Path

import numpy as np
from rdkit import Chem

from halobind.forcefields.packs.molecule_library import check_content
from halobind.structures.molecules.catalogue import LIGANDS, SOLVENTS
from halobind.structures.molecules.molecule import Molecule

CHARGE_DIGITS = 8
WATER_SOURCE = (
    "TIP3P (Jorgensen et al., J. Chem. Phys. 1983, 79, 926); springs of Amber's flexible form,"
    " rigid in a System of halobind"
)


def command_for(name: str) -> str:
    """The command that makes the file of a molecule: a row's is made in the repository, any other
    in its campaign.
    """
    return (
        f"python -m halobind.forcefields.molecule_parameters.gaff {name}"
        if name in LIGANDS or name in SOLVENTS
        else "halobind parametrize"
    )


def write_xml(
    item: Molecule,
    assigned: tuple[list[str], np.ndarray],
    files: tuple[str, str],
    remarks: tuple[str, ...],
) -> str:
    """The ForceField XML with types and classes named NAME-gafftype, so that files never match each
    other's atoms.
    """
    from parmed.amber import AmberParameterSet  # noqa: PLC0415 (an optional extra)
    from parmed.openmm import OpenMMParameterSet  # noqa: PLC0415

    kinds, charges = assigned
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "gaff.xml"
        OpenMMParameterSet.from_parameterset(AmberParameterSet(*files)).write(
            str(path), write_unused=True
        )
        source = ET.parse(path).getroot()
    root = ET.Element("ForceField")
    about = ET.SubElement(root, "Info")
    ET.SubElement(about, "Source").text = (
        f"GAFF 1.8 (gaff.dat) with AM1-BCC charges; acpype {metadata.version('acpype')} programs,"
        f" ParmEd {metadata.version('parmed')}"
    )
    ET.SubElement(about, "SMILES").text = item.smiles
    ET.SubElement(about, "Command").text = command_for(item.name)
    ET.SubElement(about, "Guessed").text = "; ".join(remarks) or "none"
    used = sorted(set(kinds))
    _copy(
        source.find("AtomTypes"), ET.SubElement(root, "AtomTypes"), lambda e: e.get("name") in used
    )
    residue = ET.SubElement(ET.SubElement(root, "Residues"), "Residue", name=item.name)
    for atom, kind, charge in zip(item.names, kinds, charges, strict=True):
        ET.SubElement(residue, "Atom", name=atom, type=kind, charge=f"{charge:.{CHARGE_DIGITS}f}")
    for i, j in item.bonds:
        ET.SubElement(residue, "Bond", atomName1=item.names[i], atomName2=item.names[j])
    for tag in ("HarmonicBondForce", "HarmonicAngleForce", "PeriodicTorsionForce"):
        section = ET.SubElement(
            root, tag, **({"ordering": "amber"} if tag == "PeriodicTorsionForce" else {})
        )
        _copy(source.find(tag), section, _needed(item, kinds))
    nonbonded = ET.SubElement(
        root, "NonbondedForce", coulomb14scale="0.8333333333333334", lj14scale="0.5"
    )
    ET.SubElement(nonbonded, "UseAttributeFromResidue", name="charge")
    _copy(
        source.find("NonbondedForce"),
        nonbonded,
        lambda e: e.get("class") in used or e.get("type") in used,
    )
    for element in root.iter():
        for key, value in element.attrib.items():
            if value and (
                key.startswith(("type", "class")) or (element.tag == "Type" and key == "name")
            ):
                element.set(key, f"{item.name}-{value}")
    ET.indent(root, " ")
    return ET.tostring(root, encoding="unicode") + "\n"


def tip3p(item: Molecule) -> str:
    """TIP3P water in the form of the other files: 0.9572 A, 104.52 degrees, q(O) -0.834 e, 3.15061
    A, 0.1521 kcal/mol.
    """
    oxygen, *hydrogens = item.names
    return f"""<ForceField>
 <Info>
  <Source>{WATER_SOURCE}</Source>
  <SMILES>{item.smiles}</SMILES>
  <Command>python -m halobind.forcefields.molecule_parameters.gaff {item.name}</Command>
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


def _copy(source: ET.Element, target: ET.Element, wanted: object) -> None:
    for element in source:
        if wanted(element):
            target.append(element)


def graph_terms(item: Molecule, kinds: list[str]) -> dict[str, set[tuple[str, ...]]]:
    """The type tuples of every bond, angle, proper and improper (centre first) that the bonds of
    the molecule make.
    """
    near: dict[int, list[int]] = {i: [] for i in range(item.n_atoms)}
    for i, j in item.bonds:
        near[int(i)].append(int(j))
        near[int(j)].append(int(i))
    found: dict[str, set[tuple[str, ...]]] = {
        "Bond": set(),
        "Angle": set(),
        "Proper": set(),
        "Improper": set(),
    }
    for j, neighbours in near.items():
        found["Bond"] |= {(kinds[i], kinds[j]) for i in neighbours}
        found["Angle"] |= {
            (kinds[i], kinds[j], kinds[k]) for i in neighbours for k in neighbours if i != k
        }
        for k in neighbours:
            ends = [(i, m) for i in neighbours if i != k for m in near[k] if m not in (i, j)]
            found["Proper"] |= {(kinds[i], kinds[j], kinds[k], kinds[m]) for i, m in ends}
        if len(neighbours) == 3:
            found["Improper"] |= {
                (kinds[j], *(kinds[n] for n in order)) for order in permutations(neighbours)
            }
    return found


def _needed(item: Molecule, kinds: list[str]) -> object:
    """Whether a bonded term of GAFF (wildcards are empty) can match anything in the molecule."""
    terms = graph_terms(item, kinds)

    def wanted(element: ET.Element) -> bool:
        pattern = [
            element.get(f"{prefix}{n}")
            for n in range(1, 5)
            for prefix in ("type", "class")
            if element.get(f"{prefix}{n}") is not None
        ]
        ways = [pattern] if element.tag == "Improper" else [pattern, pattern[::-1]]
        return any(
            all(p in ("", t) for p, t in zip(way, term, strict=True))
            for way in ways
            for term in terms[element.tag]
        )

    return wanted


def source_of(path: Path) -> str:
    """What a molecule file says of where its numbers come from."""
    return (
        ET.parse(path).getroot().findtext("./Info/Source") or f"{path} (it does not say from where)"
    )


def check_file(path: Path, item: Molecule) -> None:
    """Raise ValueError naming the file and the first thing in it that is not the molecule: SMILES,
    atom names, bonds, types, charge.

    What is right: a residue of the molecule's name, its atoms by name, their types NAME-gafftype,
    charges that sum to its formal charge, and nothing that `check_content` refuses.
    """
    try:
        root = ET.parse(path).getroot()
        residue = root.find(f"./Residues/Residue[@name='{item.name}']")
        atoms = (
            {}
            if residue is None
            else {
                atom.get("name"): (atom.get("type"), float(atom.get("charge")))
                for atom in residue.findall("Atom")
            }
        )
        elements = {
            kind.get("name"): kind.get("element") for kind in root.findall("./AtomTypes/Type")
        }
    except (ET.ParseError, TypeError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as a ForceField file: {error}") from None
    if residue is None:
        raise ValueError(f"{path} has no residue {item.name!r}")
    smiles = root.findtext("./Info/SMILES")
    if smiles is not None and Chem.CanonSmiles(smiles) != Chem.CanonSmiles(item.smiles):
        raise ValueError(f"{path} is of {smiles}, not of {item.smiles}")
    bonds = {
        frozenset((bond.get("atomName1"), bond.get("atomName2")))
        for bond in residue.findall("Bond")
    }
    wanted = {frozenset((item.names[i], item.names[j])) for i, j in item.bonds.tolist()}
    if set(atoms) != set(item.names) or bonds != wanted:
        raise ValueError(f"{path} has other atom names or bonds than {item.name}")
    for name, element in zip(item.names, item.elements, strict=True):
        kind = atoms[name][0]
        if elements.get(kind) != element or not str(kind).startswith(f"{item.name}-"):
            raise ValueError(
                f"{path}: atom {name} has type {kind!r}: it must be a type of {element}, named"
                f" {item.name}-gafftype"
            )
    total = sum(charge for _, charge in atoms.values())
    if not abs(total - item.charge) < 1e-6:
        raise ValueError(f"{path}: the charges sum to {total:+.6f} e, not {item.charge:+d}")
    check_content(path, root)
