"""The columns of binding.csv and binding.json: name, unit, and where the number comes from."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from halobind.pipeline.free_energy.binding import Binding
from halobind.pipeline.free_energy.jsonable import Json, jsonable
from halobind.pipeline.free_energy.quantity import Quantity
from halobind.pipeline.results.energy_unit import KJ_PER_KCAL
from halobind.pipeline.results.own_ion import site_label
from halobind.pipeline.results.table_rows import LABELS, PACKAGES, TableRow

MAX_POWER_OF_TEN = 300.0
"""Powers of ten up to this are written out: a float holds them."""
UNKNOWN = Quantity(math.nan, math.nan)

Cell = str | float | bool | None


@dataclass(frozen=True)
class Column:
    """One column of the table of full numbers."""

    name: str
    """What it is."""
    unit: str
    """The unit, as it ends the name of the column; empty for a text or a count."""
    read: Callable[[TableRow], Cell]
    """Takes the cell from a row."""

    @property
    def header(self) -> str:
        """The name of the column in the file."""
        return f"{self.name}_{self.unit}" if self.unit else self.name


def full_record(row: TableRow) -> dict[str, Json]:
    """The unrounded cells of a row under the headers of COLUMNS, None where there is no number."""
    return {column.header: jsonable(column.read(row)) for column in COLUMNS}


def _quantity(row: TableRow, field: str) -> Quantity:
    """A quantity of the binding numbers; NaN where the row has none."""
    return getattr(row.binding, field) if row.binding else UNKNOWN


def _ddG(row: TableRow) -> Quantity:
    """dG0 against the crystal's own ion; NaN where that was not sampled."""
    return row.own_ion.ddG_kJ_mol if row.own_ion else UNKNOWN


def _label(field: str) -> Column:
    """A text that is a field of the row."""
    return Column(field, "", lambda row: str(getattr(row, field)))


def _with_error(name: str, unit: str, field: str) -> tuple[Column, Column]:
    """A quantity of the binding numbers and its standard error."""
    return (
        Column(name, unit, lambda row: _quantity(row, field).value),
        Column(f"{name}_error", unit, lambda row: _quantity(row, field).error),
    )


def _number(name: str, unit: str, read: Callable[[Binding], Cell]) -> Column:
    """A number or a truth value of the binding numbers; None where the row has none."""
    return Column(name, unit, lambda row: read(row.binding) if row.binding else None)


def _power_of_ten(exponent: float) -> float | None:
    return 10**exponent if abs(exponent) < MAX_POWER_OF_TEN else None


def _version(package: str) -> Column:
    """The version of a package that made the row."""
    return Column(package, "", lambda row: row.versions.get(package, ""))


def _temperature(row: TableRow) -> float | None:
    """The temperature (K) as a number, from the label or from the binding numbers."""
    if row.temperature_K:
        return float(row.temperature_K)
    return row.binding.temperature_K if row.binding else None


def _columns() -> Iterable[Column]:
    """All columns in their order."""
    yield Column("kind", "", lambda row: "run" if row.run_id else "ligand")
    yield from (_label(name) for name in LABELS if name != "temperature_K")
    yield Column("temperature", "K", _temperature)
    yield _label("replica")
    yield _label("path")
    yield from _with_error("dG0", "kJ_mol", "dG0_kJ_mol")
    yield Column("dG0", "kcal_mol", lambda row: _quantity(row, "dG0_kJ_mol").value / KJ_PER_KCAL)
    yield Column(
        "dG0_error", "kcal_mol", lambda row: _quantity(row, "dG0_kJ_mol").error / KJ_PER_KCAL
    )
    yield Column("dG0_replica_sem", "kJ_mol", lambda row: _quantity(row, "dG0_kJ_mol").sem)
    yield Column(
        "dG0_propagated_error", "kJ_mol", lambda row: _quantity(row, "dG0_kJ_mol").propagated
    )
    yield from _with_error("well_depth", "kJ_mol", "well_depth_kJ_mol")
    yield from _with_error("z_min", "nm", "z_min_nm")
    yield from _with_error("desorption_barrier", "kJ_mol", "desorption_barrier_kJ_mol")
    yield from _with_error("adsorption_barrier", "kJ_mol", "adsorption_barrier_kJ_mol")
    yield from _with_error("K_a", "nm3", "K_a_nm3")
    yield from _with_error("penetration", "nm", "penetration_nm")
    yield from _with_error("residence_log10", "s", "residence_log10_s")
    yield Column(
        "residence_time", "s", lambda row: _power_of_ten(_quantity(row, "residence_log10_s").value)
    )
    yield Column(
        "k_off", "per_s", lambda row: _power_of_ten(-_quantity(row, "residence_log10_s").value)
    )
    yield _number("dG0_difference", "kJ_mol", lambda binding: binding.dG0_difference_kJ_mol)
    yield _number(
        "well_depth_difference", "kJ_mol", lambda binding: binding.well_depth_difference_kJ_mol
    )
    yield _number("residence_is_bound", "", lambda binding: binding.residence_is_bound)
    yield _number("has_barrier", "", lambda binding: binding.has_barrier)
    yield _number("sampling", "ns", lambda binding: binding.sampling_ns)
    yield _number("n_windows", "", lambda binding: binding.n_windows)
    yield _number("min_overlap", "", lambda binding: binding.min_overlap)
    yield _label("status")
    yield _label("run_id")
    yield from (_version(package) for package in PACKAGES)
    yield Column("site", "", lambda row: site_label(row.mode))
    yield Column("own_ion", "", lambda row: row.own_ion.ion if row.own_ion else "")
    yield Column("ddG_own_ion", "kJ_mol", lambda row: _ddG(row).value)
    yield Column("ddG_own_ion_error", "kJ_mol", lambda row: _ddG(row).error)
    yield Column("dG0_model_error", "kJ_mol", lambda row: row.model_error_kJ_mol)


COLUMNS = tuple(_columns())
"""Every column of binding.csv, in its order."""
