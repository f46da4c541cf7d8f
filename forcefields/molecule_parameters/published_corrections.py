"""Rows whose numbers GAFF 1.8 with AM1-BCC does not get right, and the published numbers that take
their place.
"""

import xml.etree.ElementTree as ET
from dataclasses import dataclass, field

import numpy as np

from halobind.forcefields.packs.pack import KJ_PER_KCAL

SIGMA_PER_HALF_RMIN = 2 ** (5 / 6)  # sigma = r*, half the distance of the minimum, times this


@dataclass(frozen=True)
class Adjustment:
    """Published numbers by GAFF type or atom name, in Amber's units.

    `charges` in e by atom name; `lj` (r* in A, epsilon in kcal/mol) by type; `bonds` (k in
    kcal/mol/A2, length in A) and `angles` (k in kcal/mol/rad2, degrees) by the types along them,
    with Amber's k (x - x0)^2.
    """

    source: str
    why: str
    charges: dict[str, float] = field(default_factory=dict)
    lj: dict[str, tuple[float, float]] = field(default_factory=dict)
    bonds: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    angles: dict[tuple[str, str, str], tuple[float, float]] = field(default_factory=dict)


ADJUSTED = {
    "chloroform": Adjustment(
        source=(
            "geometry and charges of Fox and Kollman, J. Phys. Chem. B 1998, 102, 8070, from which"
            " GAFF has its chlorine"
        ),
        why="GAFF's C-Cl bond of 1.8045 A instead of 1.758 A makes the liquid 3.2 % too thin",
        charges={"C1": -0.3847, "H1": 0.2659, "Cl1": 0.0396, "Cl2": 0.0396, "Cl3": 0.0396},
        bonds={("c3", "cl"): (232.4, 1.758), ("c3", "h3"): (340.0, 1.100)},
        angles={("cl", "c3", "cl"): (77.7, 111.3), ("cl", "c3", "h3"): (38.1, 107.68)},
    ),
    "DMF": Adjustment(
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


def adjust(name: str, xml: str) -> str:
    """The ForceField XML of a row with the numbers of ADJUSTED in place; unchanged for any other
    row.

    Raises ValueError when a number has no place in the file or the new charges do not keep their
    sum.
    """
    if name not in ADJUSTED:
        return xml
    change, root = ADJUSTED[name], ET.fromstring(xml)
    atoms = {atom.get("name"): atom for atom in root.iter("Atom") if atom.get("name")}
    before = sum(float(atom.get("charge")) for atom in atoms.values())
    for atom, charge in change.charges.items():
        _put(atoms.get(atom), name, atom, charge=f"{charge:.8f}")
    after = sum(float(atom.get("charge")) for atom in atoms.values())
    if abs(after - before) > 1e-6:
        raise ValueError(f"{name}: the adjusted charges sum to {after:+.6f} e, not {before:+.6f} e")
    for kind, (half_rmin, epsilon) in change.lj.items():
        values = {
            "sigma": f"{0.1 * SIGMA_PER_HALF_RMIN * half_rmin:.9f}",
            "epsilon": f"{KJ_PER_KCAL * epsilon:.9f}",
        }
        _put(_find(root, "NonbondedForce/Atom", (f"{name}-{kind}",)), name, kind, **values)
    for kinds, (k, length) in change.bonds.items():
        values = {"length": f"{0.1 * length:.6f}", "k": f"{200 * KJ_PER_KCAL * k:.3f}"}
        _put(
            _find(root, "HarmonicBondForce/Bond", tuple(f"{name}-{kind}" for kind in kinds)),
            name,
            kinds,
            **values,
        )
    for kinds, (k, degrees) in change.angles.items():
        values = {"angle": f"{np.radians(degrees):.9f}", "k": f"{2 * KJ_PER_KCAL * k:.6f}"}
        _put(
            _find(root, "HarmonicAngleForce/Angle", tuple(f"{name}-{kind}" for kind in kinds)),
            name,
            kinds,
            **values,
        )
    ET.SubElement(root.find("Info"), "Adjusted").text = f"{change.source}: {change.why}"
    ET.indent(root, " ")
    return ET.tostring(root, encoding="unicode") + "\n"


def _find(root: ET.Element, path: str, classes: tuple[str, ...]) -> ET.Element | None:
    keys = ["class"] if len(classes) == 1 else [f"class{n}" for n in range(1, len(classes) + 1)]
    for element in root.findall(path):
        found = tuple(element.get(key) for key in keys)
        if found in (classes, classes[::-1]):
            return element
    return None


def _put(element: ET.Element | None, name: str, what: object, **values: str) -> None:
    if element is None:
        raise ValueError(f"{name}: there is no {what} in its force-field file to adjust")
    for key, value in values.items():
        element.set(key, value)
