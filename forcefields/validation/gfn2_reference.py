"""Reference curves by GFN2-xTB: ammonium heads relaxed at fixed heights over the pocket of a rigid
Pb4Br20Cs11, gas phase or continuum.

python -m halobind.forcefields.validation.gfn2_reference gas            prints rows for reference/pocket_curves.csv
python -m halobind.forcefields.validation.gfn2_reference acetone        the same with the ALPB solvent model (also: toluene, hexane, octane, DMSO, water ...)

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

EV = 96.48533212  # kJ/mol
HEIGHTS_NM = (-0.05, 0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
FORCE, STEPS = 0.08, 60  # eV/A, and the steps after which a head that still moves is taken as it is
MISSING = 'reference curves need tblite: pip install -c constraints.txt ".[params]"'


def relaxed_energy(head: str, height_nm: float, solvent: str | None) -> float:
    """Energy in kJ/mol of cluster and head, N held at the height over the outer Br plane (at 0.8 nm
    also on the site axis), the head free.

    Raises ModuleNotFoundError without tblite.
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
    far = height_nm >= AWAY_NM
    atoms.set_constraint(
        [
            FixAtoms(range(len(elements))),
            FixAtoms([anchor]) if far else FixCartesian(anchor, (False, False, True)),
        ]
    )
    extra = {} if solvent is None else {"solvation": ("alpb", solvent)}
    atoms.calc = TBLite(method="GFN2-xTB", verbosity=0, max_iterations=500, **extra)
    BFGS(atoms, logfile=None, maxstep=0.1).run(fmax=FORCE, steps=STEPS)
    return float(atoms.get_potential_energy() * EV)


def relaxed_curve(head: str, solvent: str | None) -> np.ndarray:
    """Energies (n,) in kJ/mol at HEIGHTS_NM against 0.8 nm."""
    away = relaxed_energy(head, AWAY_NM, solvent)
    return np.array([relaxed_energy(head, height, solvent) for height in HEIGHTS_NM]) - away


def main(arguments: list[str]) -> int:
    """Print the rows of one environment."""
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
