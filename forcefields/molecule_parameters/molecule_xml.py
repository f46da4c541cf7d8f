"""The ForceField XML of one molecule: written for GAFF or TIP3P, and checked against a molecule."""

import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, eq=False)
class AtomParameters:
    """GAFF types and charges of the atoms of a molecule, in its order."""

    types: tuple[str, ...]
    """GAFF type of each atom."""
    charges: np.ndarray
    """Charges (n_atoms,) in e."""


@dataclass(frozen=True)
class ParameterFiles:
    """The files of Amber with the parameters of a molecule."""

    gaff: str
    """Path of gaff.dat."""
    frcmod: str
    """Path of the frcmod with the terms that gaff.dat does not have."""


def command_for(name: str) -> str:
    """The command that makes the file of a molecule: one of a row, or one of a campaign."""
    if name in LIGANDS or name in SOLVENTS:
        return f"python -m halobind.forcefields.molecule_parameters.gaff {name}"
    return "halobind parametrize"


def write_xml(
    item: Molecule,
    atoms: AtomParameters,
    files: ParameterFiles,
    remarks: tuple[str, ...],
) -> str:
    """The ForceField XML of a molecule with GAFF parameters.

    Types and classes are named NAME-gafftype, so that files never match each other's atoms.

    Args:
        item: The molecule.
        atoms: Its GAFF types and final charges.
        files: Where the parameters of the types are.
        remarks: What was guessed.
    """
    from parmed.amber import AmberParameterSet  # noqa: PLC0415 (an optional extra)
    from parmed.openmm import OpenMMParameterSet  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gaff.xml"
        parameters = AmberParameterSet(files.gaff, files.frcmod)
        OpenMMParameterSet.from_parameterset(parameters).write(str(path), write_unused=True)
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
    used = sorted(set(atoms.types))
    _copy_children(
        source, ET.SubElement(root, "AtomTypes"), lambda element: element.get("name") in used
    )
    residue = ET.SubElement(ET.SubElement(root, "Residues"), "Residue", name=item.name)
    for name, type_, charge in zip(item.names, atoms.types, atoms.charges, strict=True):
        ET.SubElement(residue, "Atom", name=name, type=type_, charge=f"{charge:.{CHARGE_DIGITS}f}")
    for i, j in item.bonds:
        ET.SubElement(residue, "Bond", atomName1=item.names[i], atomName2=item.names[j])
    can_match = _term_matcher(item, atoms.types)
    for tag in ("HarmonicBondForce", "HarmonicAngleForce", "PeriodicTorsionForce"):
        section = ET.SubElement(root, tag)
        if tag == "PeriodicTorsionForce":
            section.set("ordering", "amber")
        _copy_children(source, section, can_match)
    nonbonded = ET.SubElement(
        root, "NonbondedForce", coulomb14scale="0.8333333333333334", lj14scale="0.5"
    )
    ET.SubElement(nonbonded, "UseAttributeFromResidue", name="charge")
    _copy_children(
        source,
        nonbonded,
        lambda element: element.get("class") in used or element.get("type") in used,
    )
    for element in root.iter():
        for key, value in element.attrib.items():
            is_type = key.startswith(("type", "class")) or (element.tag == "Type" and key == "name")
            if value and is_type:
                element.set(key, f"{item.name}-{value}")
    ET.indent(root, " ")
    return ET.tostring(root, encoding="unicode") + "\n"


def tip3p(item: Molecule) -> str:
    """TIP3P water in the form of the other files.

    0.9572 A, 104.52 degrees, q(O) -0.834 e, sigma 3.15061 A, epsilon 0.1521 kcal/mol.
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


def _copy_children(
    source: ET.Element, section: ET.Element, is_needed: Callable[[ET.Element], bool]
) -> None:
    """Copy what is needed of the section of the same name from the file that ParmEd wrote."""
    written = source.find(section.tag)
    assert written is not None  # ParmEd writes all of them for gaff.dat
    for element in written:
        if is_needed(element):
            section.append(element)


def graph_terms(item: Molecule, types: Sequence[str]) -> dict[str, set[tuple[str, ...]]]:
    """The types along every term that the bonds of a molecule make.

    Args:
        item: The molecule.
        types: GAFF type of each atom.

    Returns:
        Tuples of types by kind of term: Bond, Angle, Proper, and Improper with the centre first.
    """
    near: dict[int, list[int]] = {i: [] for i in range(item.n_atoms)}
    for i, j in item.bonds:
        near[int(i)].append(int(j))
        near[int(j)].append(int(i))
    terms: dict[str, set[tuple[str, ...]]] = {
        "Bond": set(),
        "Angle": set(),
        "Proper": set(),
        "Improper": set(),
    }
    for j, neighbours in near.items():
        terms["Bond"] |= {(types[i], types[j]) for i in neighbours}
        terms["Angle"] |= {
            (types[i], types[j], types[k]) for i in neighbours for k in neighbours if i != k
        }
        for k in neighbours:
            ends = [(i, m) for i in neighbours if i != k for m in near[k] if m not in (i, j)]
            terms["Proper"] |= {(types[i], types[j], types[k], types[m]) for i, m in ends}
        if len(neighbours) == 3:
            terms["Improper"] |= {
                (types[j], *(types[n] for n in order)) for order in permutations(neighbours)
            }
    return terms


def _term_matcher(item: Molecule, types: Sequence[str]) -> Callable[[ET.Element], bool]:
    """A function: whether a bonded term of GAFF can match anything in the molecule."""
    terms = graph_terms(item, types)

    def can_match(element: ET.Element) -> bool:
        pattern = [
            element.get(f"{prefix}{n}")
            for n in range(1, 5)
            for prefix in ("type", "class")
            if element.get(f"{prefix}{n}") is not None
        ]
        ways = [pattern] if element.tag == "Improper" else [pattern, pattern[::-1]]
        return any(_fits(way, term) for way in ways for term in terms[element.tag])

    return can_match


def _fits(pattern: Sequence[str | None], term: tuple[str, ...]) -> bool:
    """Whether the types of a term fit a pattern, in which an empty type fits any."""
    return all(p in ("", type_) for p, type_ in zip(pattern, term, strict=True))


def source_of(path: Path) -> str:
    """What a molecule file says of where its numbers come from."""
    return (
        ET.parse(path).getroot().findtext("./Info/Source") or f"{path} (it does not say from where)"
    )


def check_file(path: Path, item: Molecule) -> None:
    """Check that a file is of a molecule.

    It must have a residue of the molecule's name, its atoms by name, their types NAME-gafftype,
    charges that sum to its formal charge, and nothing that `check_content` refuses.

    Raises:
        ValueError: Naming the file and the first thing in it that is not the molecule's.
    """
    try:
        root = ET.parse(path).getroot()
        residue = root.find(f"./Residues/Residue[@name='{item.name}']")
        rows = [] if residue is None else residue.findall("Atom")
        types = {row.get("name"): row.get("type") for row in rows}
        charges = {
            row.get("name"): float(row.get("charge"))  # type: ignore[arg-type] # None: refused below
            for row in rows
        }
        elements = {row.get("name"): row.get("element") for row in root.findall("./AtomTypes/Type")}
    except (ET.ParseError, TypeError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as a ForceField file: {error}") from None
    if residue is None:
        raise ValueError(f"{path} has no residue {item.name!r}")
    smiles = root.findtext("./Info/SMILES")
    if smiles is not None and _canonical(path, smiles) != _canonical(path, item.smiles):
        raise ValueError(f"{path} is of {smiles}, not of {item.smiles}")
    bonds = {
        frozenset((bond.get("atomName1"), bond.get("atomName2")))
        for bond in residue.findall("Bond")
    }
    bonds_of_item = {frozenset((item.names[i], item.names[j])) for i, j in item.bonds.tolist()}
    if set(types) != set(item.names) or bonds != bonds_of_item:
        raise ValueError(f"{path} has other atom names or bonds than {item.name}")
    for name, element in zip(item.names, item.elements, strict=True):
        type_ = types[name]
        if elements.get(type_) != element or not str(type_).startswith(f"{item.name}-"):
            raise ValueError(
                f"{path}: atom {name} has type {type_!r}: it must be a type of {element}, named"
                f" {item.name}-gafftype"
            )
    total = sum(charges.values())
    if not abs(total - item.charge) < 1e-6:
        raise ValueError(f"{path}: the charges sum to {total:+.6f} e, not {item.charge:+d}")
    check_content(path, root)


def _canonical(path: Path, smiles: str) -> str:
    """The canonical form of a SMILES.

    Raises:
        ValueError: RDKit cannot read it; the message names the file that it stands in.
    """
    mol = Chem.MolFromSmiles(smiles)
    if mol is None:
        raise ValueError(f"{path} is of {smiles}, which is no SMILES that RDKit reads")
    return str(Chem.MolToSmiles(mol))
