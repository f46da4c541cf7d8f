"""A second opinion on AM1-BCC charges: those of GFN2-xTB at the same geometry, compared where two
charge models can be compared.

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
HEAD_E = 0.25  # heads that differ by more are warned of
DIPOLE_D, DIPOLE_PART = 1.0, 0.2  # dipole moments that differ by more than both are warned of
MISSING = (
    "no GFN2-xTB charges beside them: tblite is not installed: pip install -c constraints.txt"
    ' ".[params]"'
)


@dataclass(frozen=True)
class Opinion:
    """Partial charges (n_atoms,) in e and the dipole moment in D, of an ion about its centre of
    mass.
    """

    charges: np.ndarray
    dipole_D: float


def of_points(item: Molecule, charges: np.ndarray, positions: np.ndarray) -> Opinion:
    """The opinion of point charges (e) at `positions` (n_atoms, 3) in nm."""
    return Opinion(
        charges,
        float(np.linalg.norm(charges @ (positions - _centre(item, positions)))) * DEBYE_PER_E_NM,
    )


def of_gfn2(item: Molecule, positions: np.ndarray) -> Opinion | None:
    """GFN2-xTB (J. Chem. Theory Comput. 2019, 15, 1652) in vacuum at `positions` in nm, atomic
    dipoles included; None without tblite.

    Raises RuntimeError when it does not converge.
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
        (positions - _centre(item, positions)) / BOHR_NM,
        charge=float(item.charge),
    )
    calculator.set("verbosity", 0)
    found = calculator.singlepoint()
    return Opinion(
        np.array(found.get("charges")),
        float(np.linalg.norm(found.get("dipole"))) * BOHR_NM * DEBYE_PER_E_NM,
    )


def _centre(item: Molecule, positions: np.ndarray) -> np.ndarray:
    return np.average(positions, axis=0, weights=item.masses)


def united(item: Molecule) -> dict[int, list[int]]:
    """Every heavy atom with the hydrogens on it (a hydrogen without one stands for itself)."""
    owner = list(range(item.n_atoms))
    for i, j in item.bonds.tolist():
        for hydrogen, heavy in ((i, j), (j, i)):
            if item.elements[hydrogen] == "H" and item.elements[heavy] != "H":
                owner[hydrogen] = heavy
    found: dict[int, list[int]] = {}
    for atom, heavy in enumerate(owner):
        found.setdefault(heavy, []).append(atom)
    return dict(sorted(found.items()))


def head_groups(item: Molecule) -> dict[int, list[int]]:
    """Every head of the molecule: its atom, with all atoms of it and of the heavy atoms bonded to
    it, their hydrogens included.
    """
    groups, distance = united(item), Chem.GetDistanceMatrix(rdkit_molecule(item))
    return {
        head: [i for heavy, atoms in groups.items() if distance[head, heavy] <= 1 for i in atoms]
        for head in dict.fromkeys(item.heads)
    }


def compare(
    item: Molecule, kinds: tuple[str, ...], ours: Opinion, other: Opinion | None
) -> tuple[list[str], list[str]]:
    """The table to print (a row for each heavy atom: its type, its own charge, that with its
    hydrogens; e and D) and the warnings about it. `kinds` are GAFF types.
    """
    columns = {"AM1-BCC": ours} | ({"GFN2": other} if other else {})
    width = max(4, *(len(name) for name in item.names))
    names = "".join(f"{name:>9}" for name in columns)
    lines = [
        (
            f"  {'':{width + 8}}{'charge (e)':>{len(names) + 3}}    "
            f" {'with its hydrogens':>{len(names)}}"
        ),
        f"  {'atom':{width}}  type     {names}     {names}",
    ]
    for heavy, atoms in united(item).items():
        alone = "".join(f"{one.charges[heavy]:>+9.3f}" for one in columns.values())
        whole = "".join(f"{one.charges[atoms].sum():>+9.3f}" for one in columns.values())
        lines.append(f"  {item.names[heavy]:<{width}}  {kinds[heavy]:<9}{alone}     {whole}")
    warnings = []
    for head, atoms in head_groups(item).items():
        sums = {name: float(one.charges[atoms].sum()) for name, one in columns.items()}
        text = f"head {item.names[head]} with the groups bonded to it: {_listed(sums, '+.2f', 'e')}"
        lines.append(f"  {text}")
        if max(sums.values()) - min(sums.values()) > HEAD_E:
            warnings.append(f"{text}: they differ by more than {HEAD_E} e")
    dipoles = {name: one.dipole_D for name, one in columns.items()}
    text = (
        f"dipole moment{' about the centre of mass' if item.charge else ''}:"
        f" {_listed(dipoles, '.2f', 'D')}"
    )
    lines.append(f"  {text}")
    apart = max(dipoles.values()) - min(dipoles.values())
    if apart > max(DIPOLE_D, DIPOLE_PART * max(dipoles.values())):
        warnings.append(
            f"{text}: they differ by more than {DIPOLE_D:g} D and {100 * DIPOLE_PART:.0f} %"
        )
    if other is None:
        warnings.append(MISSING)
    return lines, warnings


def _listed(values: dict[str, float], form: str, unit: str) -> str:
    return ", ".join(f"{name} {value:{form}} {unit}" for name, value in values.items())
