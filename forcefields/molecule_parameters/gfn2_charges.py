"""A second opinion on AM1-BCC charges: those of GFN2-xTB at the same geometry.

They are compared where two charge models can be compared.

GFN2 charges are populations (Mulliken), AM1-BCC charges reproduce the potential around a molecule:
atom by atom they differ by up to 1.6 e (the phosphorus of a phosphonate). Over a head with the
groups bonded to it, and in the dipole moment, they agree: the 49 heads of the shipped ligands of up
to 75 atoms, as built, within 0.18 e (leucine), the dipole moments of these and the solvents within
1.0 D or 15 %.
"""

from dataclasses import dataclass
from importlib import util

import numpy as np
from rdkit import Chem

from halobind.structures.molecules.molecule import Molecule, rdkit_molecule

BOHR_NM = 0.0529177210903  # CODATA 2018
DEBYE_PER_E_NM = 48.0320471  # CODATA 2018
MAX_HEAD_DIFFERENCE_E = 0.25  # heads that differ by more are warned of
# Dipole moments that differ by more than both are warned of.
MAX_DIPOLE_DIFFERENCE_D = 1.0
MAX_DIPOLE_FRACTION = 0.2
MISSING = (
    "no GFN2-xTB charges beside them: tblite is not installed: pip install -c constraints.txt"
    ' ".[params]"'
)


@dataclass(frozen=True)
class Opinion:
    """What a charge model says of a molecule."""

    charges: np.ndarray
    """Partial charges (n_atoms,) in e."""
    dipole_D: float
    """Dipole moment in D, about the centre of mass."""


def of_points(item: Molecule, charges: np.ndarray, positions: np.ndarray) -> Opinion:
    """The opinion of point charges.

    Args:
        item: The molecule.
        charges: (n_atoms,) in e.
        positions: (n_atoms, 3) in nm.
    """
    dipole_e_nm = charges @ (positions - _centre_of_mass(item, positions))
    return Opinion(charges, float(np.linalg.norm(dipole_e_nm)) * DEBYE_PER_E_NM)


def of_gfn2(item: Molecule, positions: np.ndarray) -> Opinion | None:
    """The opinion of GFN2-xTB (J. Chem. Theory Comput. 2019, 15, 1652) in vacuum.

    Its dipole moment has the atomic dipoles in it.

    Args:
        item: The molecule.
        positions: (n_atoms, 3) in nm.

    Returns:
        The opinion; None without tblite.

    Raises:
        RuntimeError: The calculation does not converge.
    """
    if util.find_spec("tblite") is None:
        return None
    from tblite.interface import Calculator  # noqa: PLC0415 (an optional extra)

    numbers = np.array(
        [Chem.GetPeriodicTable().GetAtomicNumber(element) for element in item.elements]
    )
    calculator = Calculator(
        "GFN2-xTB",
        numbers,
        (positions - _centre_of_mass(item, positions)) / BOHR_NM,
        charge=float(item.charge),
    )
    calculator.set("verbosity", 0)
    result = calculator.singlepoint()
    return Opinion(
        np.array(result.get("charges")),
        float(np.linalg.norm(result.get("dipole"))) * BOHR_NM * DEBYE_PER_E_NM,
    )


def _centre_of_mass(item: Molecule, positions: np.ndarray) -> np.ndarray:
    """The centre of mass (3,) in nm of positions (n_atoms, 3) in nm."""
    return np.average(positions, axis=0, weights=item.masses)


def united_atoms(item: Molecule) -> dict[int, list[int]]:
    """Every heavy atom with the hydrogens on it; a hydrogen without one stands for itself."""
    owner = list(range(item.n_atoms))
    for i, j in item.bonds.tolist():
        for hydrogen, heavy in ((i, j), (j, i)):
            if item.elements[hydrogen] == "H" and item.elements[heavy] != "H":
                owner[hydrogen] = heavy
    groups: dict[int, list[int]] = {}
    for atom, heavy in enumerate(owner):
        groups.setdefault(heavy, []).append(atom)
    return dict(sorted(groups.items()))


def head_groups(item: Molecule) -> dict[int, list[int]]:
    """The atoms of every head: it and the heavy atoms bonded to it, with their hydrogens."""
    groups = united_atoms(item)
    distance = Chem.GetDistanceMatrix(rdkit_molecule(item))
    return {
        head: [i for heavy, atoms in groups.items() if distance[head, heavy] <= 1 for i in atoms]
        for head in dict.fromkeys(item.heads)
    }


def compare(
    item: Molecule, types: tuple[str, ...], am1_bcc: Opinion, gfn2: Opinion | None
) -> tuple[list[str], list[str]]:
    """Compare two opinions.

    Args:
        item: The molecule.
        types: GAFF type of each atom.
        am1_bcc: The opinion of AM1-BCC.
        gfn2: The opinion of GFN2-xTB, where there is one.

    Returns:
        The lines of a table (a row for each heavy atom: its type, its charge, and that with its
        hydrogens; in e and D), and the warnings about it.
    """
    opinions = {"AM1-BCC": am1_bcc}
    if gfn2:
        opinions["GFN2"] = gfn2
    width = max(4, *(len(name) for name in item.names))
    names = "".join(f"{name:>9}" for name in opinions)
    lines = [
        (
            f"  {'':{width + 8}}{'charge (e)':>{len(names) + 3}}    "
            f" {'with its hydrogens':>{len(names)}}"
        ),
        f"  {'atom':{width}}  type     {names}     {names}",
    ]
    for heavy, atoms in united_atoms(item).items():
        alone = "".join(f"{opinion.charges[heavy]:>+9.3f}" for opinion in opinions.values())
        whole = "".join(f"{opinion.charges[atoms].sum():>+9.3f}" for opinion in opinions.values())
        lines.append(f"  {item.names[heavy]:<{width}}  {types[heavy]:<9}{alone}     {whole}")
    warnings = []
    for head, atoms in head_groups(item).items():
        sums = {name: float(opinion.charges[atoms].sum()) for name, opinion in opinions.items()}
        text = f"head {item.names[head]} with the groups bonded to it: {_listed(sums, '+.2f', 'e')}"
        lines.append(f"  {text}")
        if max(sums.values()) - min(sums.values()) > MAX_HEAD_DIFFERENCE_E:
            warnings.append(f"{text}: they differ by more than {MAX_HEAD_DIFFERENCE_E} e")
    dipoles = {name: opinion.dipole_D for name, opinion in opinions.items()}
    text = (
        f"dipole moment{' about the centre of mass' if item.charge else ''}:"
        f" {_listed(dipoles, '.2f', 'D')}"
    )
    lines.append(f"  {text}")
    difference = max(dipoles.values()) - min(dipoles.values())
    if difference > max(MAX_DIPOLE_DIFFERENCE_D, MAX_DIPOLE_FRACTION * max(dipoles.values())):
        warnings.append(
            f"{text}: they differ by more than {MAX_DIPOLE_DIFFERENCE_D:g} D and"
            f" {100 * MAX_DIPOLE_FRACTION:.0f} %"
        )
    if gfn2 is None:
        warnings.append(MISSING)
    return lines, warnings


def _listed(values: dict[str, float], form: str, unit: str) -> str:
    return ", ".join(f"{name} {value:{form}} {unit}" for name, value in values.items())
