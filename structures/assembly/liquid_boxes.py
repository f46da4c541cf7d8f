"""Equilibrated solvent boxes as text: what the builder tiles.

`python -m halobind.forcefields.validation.equilibrate_liquids` makes them.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from halobind.structures.molecules.molecule import catalogue_molecule

LIQUIDS_FOLDER = Path(__file__).parent / "boxes"
PM_PER_NM = 1000


@dataclass(frozen=True, eq=False)
class Liquid:
    """A cubic periodic box of one solvent."""

    name: str
    """The name of the solvent."""
    edge_nm: float
    """The edge of the cube."""
    positions: np.ndarray
    """(n_molecules, n_atoms, 3) in nm; molecules are whole, their centres in the box."""
    density_kg_m3: float
    """The density it had at constant pressure."""
    error_kg_m3: float
    """The standard error of the density."""
    about: str
    """How it was made, one line."""


def write_liquid(liquid: Liquid, path: Path) -> None:
    """Write a box: a commented header, then one line of whole picometres a molecule."""
    path.parent.mkdir(exist_ok=True)
    lines = [
        (
            f"# {liquid.name}: {len(liquid.positions)} molecules, {liquid.density_kg_m3:.2f} +-"
            f" {liquid.error_kg_m3:.2f} kg/m3"
        ),
        f"# {liquid.about}",
        f"# edge {liquid.edge_nm:.6f} nm; x y z of every atom in pm, one molecule a line",
    ]
    for xyz in np.rint(liquid.positions * PM_PER_NM).astype(int):
        lines.append(" ".join(str(value) for value in xyz.ravel()))
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


@cache
def load_liquid(name: str) -> Liquid:
    """The equilibrated box of a SOLVENTS row.

    Raises:
        FileNotFoundError: With the command that makes it.
    """
    path = LIQUIDS_FOLDER / f"{name}.txt"
    if not path.is_file():
        raise FileNotFoundError(
            f"no equilibrated box of {name!r} ({path.name}); make it with: python -m"
            f" halobind.forcefields.validation.equilibrate_liquids {name}"
        )
    header, about, size, *rows = path.read_text(encoding="ascii").splitlines()
    density, _, error, _ = header.rsplit(", ", 1)[1].split()
    pm = np.array([row.split() for row in rows], dtype=float)
    n_atoms = catalogue_molecule(name).n_atoms
    return Liquid(
        name=name,
        edge_nm=float(size.split()[2]),
        positions=pm.reshape(len(rows), n_atoms, 3) / PM_PER_NM,
        density_kg_m3=float(density),
        error_kg_m3=float(error),
        about=about.removeprefix("# "),
    )
