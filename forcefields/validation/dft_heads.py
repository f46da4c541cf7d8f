"""Rigid heads whose energy in the pocket is computed by density functional theory."""

from dataclasses import dataclass

import numpy as np

from halobind.forcefields.validation.check_rows import reference_table

GEOMETRY_TABLES = ("pocket_heads", "dft_heads")
"""Reference tables with the geometries: first those that the pocket curves of packs use."""
IONS = {"Cs": 1}
"""Heads that are one atom, with their charge in e."""
CATION_CHARGE = 1


@dataclass(frozen=True, eq=False)
class Head:
    """A rigid head above the site."""

    name: str
    """As in the tables."""
    charge: int
    """Formal charge in e."""
    elements: tuple[str, ...]
    """The element of each atom."""
    positions_nm: np.ndarray
    """(n_atoms, 3) in nm; the anchor, whose height counts, is at the origin."""


def head_names() -> tuple[str, ...]:
    """The names of all heads: those of the geometry tables and the ions."""
    names = [row["head"] for table in GEOMETRY_TABLES for row in reference_table(table)]
    return (*dict.fromkeys(names), *IONS)


def head_of(name: str) -> Head:
    """The head of that name, its atoms in the order of its table.

    Raises KeyError for a name that no table has.
    """
    if name in IONS:
        return Head(name, IONS[name], (name,), np.zeros((1, 3)))
    rows = [
        row for table in GEOMETRY_TABLES for row in reference_table(table) if row["head"] == name
    ]
    if not rows:
        raise KeyError(f"no head {name!r}; there are {', '.join(head_names())}")
    elements = tuple(row["atom"].rstrip("0123456789") for row in rows)
    positions = [[float(row[f"{axis}_nm"]) for axis in "xyz"] for row in rows]
    return Head(name, CATION_CHARGE, elements, np.array(positions))
