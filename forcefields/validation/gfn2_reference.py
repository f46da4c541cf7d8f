"""Reference curves by GFN2-xTB: ammonium heads relaxed at heights over a rigid Pb4Br20Cs11.

Prints rows for forcefields/data/reference/pocket_curves.csv, in the gas phase or with the ALPB
model of a solvent (acetone, toluene, hexane, octane, DMSO, water ...):

    python -m halobind.forcefields.validation.gfn2_reference gas
    python -m halobind.forcefields.validation.gfn2_reference acetone

GFN2-xTB: Bannwarth et al., J. Chem. Theory Comput. 2019, 15, 1652. ALPB: Ehlert et al., J. Chem.
Theory Comput. 2021, 17, 4250.
"""

import sys
from importlib import util

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms, FixCartesian
from ase.optimize import BFGS

from halobind.forcefields.validation.pocket import AWAY_NM, HEADS, cluster, head_geometry
from halobind.structures.molecules.molecule import catalogue_molecule

KJ_PER_EV = 96.48533212
HEIGHTS_NM = (-0.05, 0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
MAX_FORCE_EV_A = 0.08  # a head on which no larger force acts is relaxed
MAX_STEPS = 60  # a head that still moves after them is taken as it is
MISSING = 'reference curves need tblite: pip install -c constraints.txt ".[params]"'


def relaxed_energy(head: str, height_nm: float, solvent: str | None) -> float:
    """Energy in kJ/mol of cluster and head, with N held at a height and the head free.

    At 0.8 nm and above N is held on the site axis as well.

    Args:
        head: The head.
        height_nm: Height in nm of its N over the outer Br plane.
        solvent: A solvent of the ALPB model; None: the gas phase.

    Raises:
        ModuleNotFoundError: tblite is missing.
    """
    if util.find_spec("tblite") is None:
        raise ModuleNotFoundError(MISSING)
    from tblite.ase import TBLite  # noqa: PLC0415 (an optional extra)

    item = catalogue_molecule(head)
    elements, positions = cluster()
    shape = head_geometry(head)
    anchor = len(elements) + item.elements.index("N")
    atoms = Atoms(
        [*elements, *item.elements], 10 * np.concatenate([positions, shape + [0.0, 0.0, height_nm]])
    )
    # ASE has no types here.
    cluster_is_rigid = FixAtoms(range(len(elements)))  # type: ignore[no-untyped-call]
    anchor_is_held: FixAtoms | FixCartesian
    if height_nm >= AWAY_NM:
        anchor_is_held = FixAtoms([anchor])  # type: ignore[no-untyped-call]
    else:
        anchor_is_held = FixCartesian(anchor, (False, False, True))  # type: ignore[no-untyped-call]
    atoms.set_constraint([cluster_is_rigid, anchor_is_held])  # type: ignore[no-untyped-call]
    solvation = {} if solvent is None else {"solvation": ("alpb", solvent)}
    atoms.calc = TBLite(method="GFN2-xTB", verbosity=0, max_iterations=500, **solvation)
    optimizer = BFGS(atoms, logfile=None, maxstep=0.1)
    optimizer.run(fmax=MAX_FORCE_EV_A, steps=MAX_STEPS)  # type: ignore[no-untyped-call]
    return float(atoms.get_potential_energy() * KJ_PER_EV)  # type: ignore[no-untyped-call]


def relaxed_curve(head: str, solvent: str | None) -> np.ndarray:
    """Energies (n,) in kJ/mol at HEIGHTS_NM, against the one at 0.8 nm."""
    away = relaxed_energy(head, AWAY_NM, solvent)
    return np.array([relaxed_energy(head, height, solvent) for height in HEIGHTS_NM]) - away


def main(arguments: list[str]) -> int:
    """Print the rows of one environment; returns the exit code."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    solvent = None if arguments[0] == "gas" else arguments[0]
    method = "GFN2-xTB relaxed" + (" + ALPB" if solvent else "")
    for head in HEADS:
        for height, energy in zip(HEIGHTS_NM, relaxed_curve(head, solvent), strict=True):
            print(
                f"{method},{arguments[0]},{head},{height:g},{energy:.1f},python -m"
                f" halobind.forcefields.validation.gfn2_reference {arguments[0]}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
