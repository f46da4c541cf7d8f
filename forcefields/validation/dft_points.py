"""The points of the pocket that density functional theory is asked for, and their table."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import util

from halobind.forcefields.validation.check_rows import reference_table

TABLE = "dft_pocket"
"""The reference table with the points that were computed."""
MODULES = ("pyscf", "dftd3")
MISSING = (
    "energies by density functional theory need PySCF and D3:"
    ' pip install -c constraints.txt ".[dft]"'
)
SITE = "A vacancy of Pb4Br20Cs11"
GEOMETRY = "rigid"
COUNTERPOISE = "Boys-Bernardi"
COLUMNS = (
    "site",
    "head",
    "geometry",
    "height_nm",
    "method",
    "functional",
    "basis",
    "counterpoise",
    "energy_kJ_mol",
    "dispersion_kJ_mol",
    "gap_eV",
    "seconds",
    "command",
)
HEIGHTS_NM = {
    "MA": (-0.05, 0.05, -0.1, 0.15, 0.3),
    "dimethylammonium": (0.1, 0.0, 0.2, 0.05, 0.35),
    "tetramethylammonium": (0.2, 0.1, 0.3, 0.15, 0.45),
    "Cs": (0.0, 0.1, -0.1, 0.2, 0.35),
    "trimethylammonium": (0.15, 0.05, 0.25, 0.1, 0.4),
}
"""Five heights of each head: by its minimum, on both sides of it, on the wall, on the way out."""
PLANAR_HEIGHTS_NM = {
    "FA": (0.05, -0.05, 0.15, 0.0, 0.3),
    "guanidinium": (0.1, 0.0, 0.2, 0.05, 0.35),
}
"""The same of the heads whose anchor is a carbon."""


@dataclass(frozen=True)
class Method:
    """What of the method may be chosen; all else is constant in `kohn_sham`."""

    functional: str = "pbe0"
    """As PySCF and D3(BJ) both name it."""
    basis: str = "gth-dzvp-molopt-sr"
    """As PySCF names it."""

    @property
    def label(self) -> str:
        """For readers."""
        return f"{self.functional.upper()}-D3(BJ)"


@dataclass(frozen=True)
class Point:
    """A head at a height over the outer Br plane, by a method."""

    head: str
    """As `dft_heads` names it."""
    height_nm: float
    """Of the anchor."""
    method: Method = Method()
    """By which."""

    @property
    def command(self) -> str:
        """The command line that computes it."""
        words = f"halobind reference --head {self.head} --height={self.height_nm:g}"
        if self.method != Method():
            words += f" --functional {self.method.functional} --basis {self.method.basis}"
        return words


@dataclass(frozen=True)
class PocketEnergy:
    """What was computed for a point."""

    energy_kJ_mol: float
    """Against separated rigid fragments: counterpoise corrected, with dispersion."""
    dispersion_kJ_mol: float
    """What of it is D3(BJ)."""
    gap_eV: float
    """Between the highest occupied and the lowest empty orbital of the complex."""


def standard_points() -> list[Point]:
    """Every shipped point in the order of its worth: minima before curves, ammonium first."""
    points: list[Point] = []
    for heads in (HEIGHTS_NM, PLANAR_HEIGHTS_NM):
        for heights in zip(*heads.values(), strict=True):
            points += [Point(head, height) for head, height in zip(heads, heights, strict=True)]
    return points


def check_modules() -> None:
    """Raise ModuleNotFoundError, with what to install, without PySCF and D3."""
    if any(util.find_spec(name) is None for name in MODULES):
        raise ModuleNotFoundError(MISSING)


def row_of(point: Point, energy: PocketEnergy, seconds: float) -> dict[str, str]:
    """A row of the table; energies to 0.01 kJ/mol."""
    return {
        "site": SITE,
        "head": point.head,
        "geometry": GEOMETRY,
        "height_nm": f"{point.height_nm:g}",
        "method": point.method.label,
        "functional": point.method.functional,
        "basis": point.method.basis,
        "counterpoise": COUNTERPOISE,
        "energy_kJ_mol": f"{energy.energy_kJ_mol:.2f}",
        "dispersion_kJ_mol": f"{energy.dispersion_kJ_mol:.2f}",
        "gap_eV": f"{energy.gap_eV:.2f}",
        "seconds": f"{seconds:.0f}",
        "command": point.command,
    }


def point_of(row: dict[str, str]) -> Point:
    """The point of a row. Raises KeyError or ValueError for a row that is none."""
    method = Method(row["functional"], row["basis"])
    return Point(row["head"], float(row["height_nm"]), method)


def table_text(rows: Iterable[dict[str, str]]) -> str:
    """The table as CSV."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def shipped_rows() -> list[dict[str, str]]:
    """The rows that are shipped."""
    return reference_table(TABLE)
