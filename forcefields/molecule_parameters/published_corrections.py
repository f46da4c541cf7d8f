"""Published numbers for the rows that GAFF 1.8 with AM1-BCC does not get right."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass, field

import numpy as np

from halobind.forcefields.packs.pack import KJ_PER_KCAL

SIGMA_PER_HALF_RMIN = 2 ** (5 / 6)  # sigma = r*, half the distance of the minimum, times this


@dataclass(frozen=True)
class Correction:
    """Numbers that replace those of GAFF, in Amber's units."""

    source: str
    """Where the numbers are published."""
    why: str
    """What is wrong without them."""
    charges: dict[str, float] = field(default_factory=dict)
    """Charges in e by atom name."""
    lj: dict[str, tuple[float, float]] = field(default_factory=dict)
    """(r* in A, epsilon in kcal/mol) by GAFF type; r* is half the distance of the minimum."""
    bonds: dict[tuple[str, ...], tuple[float, float]] = field(default_factory=dict)
    """(k in kcal/mol/A2, length in A) by the two types, with Amber's energy k (r - r0)^2."""
    angles: dict[tuple[str, ...], tuple[float, float]] = field(default_factory=dict)
    """(k in kcal/mol/rad2, degrees) by the three types, with Amber's energy k (x - x0)^2."""


CORRECTIONS = {
    "chloroform": Correction(
        source=(
            "geometry and charges of Fox and Kollman, J. Phys. Chem. B 1998, 102, 8070, from which"
            " GAFF has its chlorine"
        ),
        why="GAFF's C-Cl bond of 1.8045 A instead of 1.758 A makes the liquid 3.2 % too thin",
        charges={"C1": -0.3847, "H1": 0.2659, "Cl1": 0.0396, "Cl2": 0.0396, "Cl3": 0.0396},
        bonds={("c3", "cl"): (232.4, 1.758), ("c3", "h3"): (340.0, 1.100)},
        angles={("cl", "c3", "cl"): (77.7, 111.3), ("cl", "c3", "h3"): (38.1, 107.68)},
    ),
    "DMF": Correction(
        source="Lennard-Jones numbers of GAFF 2 (gaff2.dat of AmberTools)",
        why="with those of GAFF 1.8 the liquid is 3.2 % too dense",
        lj={
            "c": (1.8606, 0.0988),
            "c3": (1.9069, 0.1078),
            "h1": (1.3593, 0.0208),
            "h5": (1.3735, 0.0161),
            "n": (1.7852, 0.1636),
            "o": (1.7107, 0.1463),
        },
    ),
}


def correct_numbers(name: str, xml: str) -> str:
    """Put the numbers of CORRECTIONS into the file of a row.

    Args:
        name: The row.
        xml: Text of its ForceField file.

    Returns:
        The new text; the old one for a row without corrections.

    Raises:
        ValueError: A number has no place in the file, or the new charges do not keep their sum.
    """
    if name not in CORRECTIONS:
        return xml
    correction = CORRECTIONS[name]
    root = ET.fromstring(xml)
    atoms = {atom.attrib["name"]: atom for atom in root.iter("Atom") if atom.get("name")}
    before = sum(float(atom.attrib["charge"]) for atom in atoms.values())
    for atom_name, charge in correction.charges.items():
        if atom_name not in atoms:
            raise ValueError(f"{name}: there is no {atom_name} in its force-field file to adjust")
        atoms[atom_name].set("charge", f"{charge:.8f}")
    after = sum(float(atom.attrib["charge"]) for atom in atoms.values())
    if abs(after - before) > 1e-6:
        raise ValueError(f"{name}: the adjusted charges sum to {after:+.6f} e, not {before:+.6f} e")
    for type_, (half_rmin, epsilon) in correction.lj.items():
        element = _find_element(root, "NonbondedForce/Atom", name, (type_,))
        element.set("sigma", f"{0.1 * SIGMA_PER_HALF_RMIN * half_rmin:.9f}")
        element.set("epsilon", f"{KJ_PER_KCAL * epsilon:.9f}")
    for types, (k, length) in correction.bonds.items():
        element = _find_element(root, "HarmonicBondForce/Bond", name, types)
        element.set("length", f"{0.1 * length:.6f}")
        element.set("k", f"{200 * KJ_PER_KCAL * k:.3f}")
    for types, (k, degrees) in correction.angles.items():
        element = _find_element(root, "HarmonicAngleForce/Angle", name, types)
        element.set("angle", f"{np.radians(degrees):.9f}")
        element.set("k", f"{2 * KJ_PER_KCAL * k:.6f}")
    info = root.find("Info")
    assert info is not None  # every file of halobind has it
    ET.SubElement(info, "Adjusted").text = f"{correction.source}: {correction.why}"
    ET.indent(root, " ")
    return ET.tostring(root, encoding="unicode") + "\n"


def _find_element(root: ET.Element, path: str, name: str, types: tuple[str, ...]) -> ET.Element:
    """The element for GAFF types along a bond or an angle, in either order, or for one type.

    Args:
        root: The file of a row.
        path: Where such elements are.
        name: The row; it precedes the types in the file.
        types: GAFF types.

    Raises:
        ValueError: There is none.
    """
    classes = tuple(f"{name}-{type_}" for type_ in types)
    keys = ["class"] if len(classes) == 1 else [f"class{n}" for n in range(1, len(classes) + 1)]
    for element in root.findall(path):
        if tuple(element.get(key) for key in keys) in (classes, classes[::-1]):
            return element
    shown = types[0] if len(types) == 1 else types
    raise ValueError(f"{name}: there is no {shown} in its force-field file to adjust")
