"""The OpenMM ForceField XML files of molecules: the one place that finds and reads them.

OpenMM executes Python that stands in such a file: the text of <Script> and <InitializationScript>,
and the value of `useDispersionCorrection`; <Include> reads a further file. So a file may hold only
what halobind writes, and it is checked before OpenMM sees it.
"""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from xml.etree import ElementTree

MOLECULES_FOLDER = Path(str(resources.files("halobind.forcefields") / "data" / "molecules"))


def _numbered(*names: str, last: int) -> frozenset[str]:
    """Every name with each of the numbers 1 to `last` behind it."""
    return frozenset(f"{name}{number}" for name in names for number in range(1, last + 1))


_TORSION = _numbered("type", "class", last=4) | _numbered("periodicity", "phase", "k", last=6)
CONTENT: dict[str, frozenset[str]] = {  # elements of a molecule file by path, with their attributes
    "ForceField": frozenset(),
    "ForceField/AtomTypes": frozenset(),
    "ForceField/AtomTypes/Type": frozenset({"name", "class", "element", "mass"}),
    "ForceField/Residues": frozenset(),
    "ForceField/Residues/Residue": frozenset({"name"}),
    "ForceField/Residues/Residue/Atom": frozenset({"name", "type", "charge"}),
    "ForceField/Residues/Residue/Bond": frozenset({"atomName1", "atomName2"}),
    "ForceField/HarmonicBondForce": frozenset(),
    "ForceField/HarmonicBondForce/Bond": _numbered("type", "class", last=2) | {"length", "k"},
    "ForceField/HarmonicAngleForce": frozenset(),
    "ForceField/HarmonicAngleForce/Angle": _numbered("type", "class", last=3) | {"angle", "k"},
    "ForceField/PeriodicTorsionForce": frozenset({"ordering"}),
    "ForceField/PeriodicTorsionForce/Proper": _TORSION,
    "ForceField/PeriodicTorsionForce/Improper": _TORSION,
    "ForceField/NonbondedForce": frozenset({"coulomb14scale", "lj14scale"}),
    "ForceField/NonbondedForce/UseAttributeFromResidue": frozenset({"name"}),
    "ForceField/NonbondedForce/Atom": frozenset({"type", "class", "sigma", "epsilon"}),
}
PROSE = "ForceField/Info"  # OpenMM does not read it, so it may hold anything


def check_content(path: Path, root: ElementTree.Element) -> None:
    """Refuse a molecule file that holds anything but what halobind writes.

    Args:
        path: the file, for the message.
        root: its parsed content.

    Raises:
        ValueError: names the file and the first element or attribute that must not be there.
    """
    _check_element(path, root, root.tag)


def _check_element(path: Path, element: ElementTree.Element, place: str) -> None:
    if place == PROSE:
        return
    if place not in CONTENT:
        raise ValueError(f"{path} has the element <{element.tag}>, which no molecule file may have")
    for attribute in element.attrib:
        if attribute not in CONTENT[place]:
            raise ValueError(
                f"{path} has the attribute {attribute!r} of <{element.tag}>, which no molecule file"
                " may have"
            )
    for child in element:
        _check_element(path, child, f"{place}/{child.tag}")


@dataclass(frozen=True)
class MoleculeLibrary:
    """The force-field files NAME.xml that a model may use: the shipped ones, then a user's."""

    shipped: Path = MOLECULES_FOLDER
    """The folder of the files of the catalogue's molecules; they come first."""
    user_folder: Path | None = None
    """The folder of the files of a campaign's own ligands; None: there are none."""

    def path(self, name: str) -> Path:
        """The file of a molecule.

        Raises:
            FileNotFoundError: there is none; the message names it.
        """
        shipped = self.shipped / f"{name}.xml"
        if shipped.is_file():
            return shipped
        if self.user_folder is not None and (self.user_folder / f"{name}.xml").is_file():
            return self.user_folder / f"{name}.xml"
        raise FileNotFoundError(
            f"no force-field file for {name!r} ({shipped.name}); make it with: python -m"
            f" halobind.forcefields.molecule_parameters.gaff {name}"
        )

    def content(self, name: str) -> bytes:
        """The content of the file of a molecule, checked, so that OpenMM may load it.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is not XML, or `check_content` refuses it.
        """
        path = self.path(name)
        content = path.read_bytes()
        try:
            root = ElementTree.fromstring(content)
        except ElementTree.ParseError as error:
            raise ValueError(f"{path} cannot be read as a ForceField file: {error}") from None
        check_content(path, root)
        return content


SHIPPED_MOLECULES = MoleculeLibrary()
