"""The columns that lead a table people read: one list for LaTeX and the report.

    dG0      standard binding free energy at 1 mol/L
    ddG      dG0 less that of the crystal's own ion, see pipeline/results/own_ion.py
    ± s, m   its error by sampling, and that of the force field where the pack states one

Every number is cut where its error begins: at the first significant digit of the error, or at the
second where the first is a 1 (`rounded`).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from halobind.pipeline.free_energy.quantity import Quantity
from halobind.pipeline.results.energy_unit import EnergyUnit
from halobind.pipeline.results.own_ion import site_label
from halobind.pipeline.results.table_rows import LABELS, TableRow
from halobind.pipeline.results.table_text import ddG_text, short_status
from halobind.pipeline.results.text_tables import EMPTY

ROUNDING_RULE = (
    "Values are rounded to their error: to its first significant digit, or its second where the"
    " first is a 1."
)
BINDING_PART = "binding"
KINETICS_PART = "barriers and sampling"
PARTS = (BINDING_PART, KINETICS_PART)
"""The two halves of the columns, for pages that are not wide enough for all."""
SITE = "site"


@dataclass(frozen=True)
class SummaryColumn:
    """One column of the table that people read."""

    key: str
    """A name for code, which stays the same."""
    title: str
    """What it is."""
    unit: str
    """Its unit; empty for a text or a pure number."""
    meaning: str
    """What it means, in one sentence."""
    part: str
    """One of PARTS."""
    read: Callable[[TableRow], str]
    """Takes the text of the cell from a row."""


def label_names(rows: Sequence[TableRow]) -> list[str]:
    """The labels in which the rows differ, the ligand always; the site after it where it differs.

    What all rows share stands above the table once.
    """
    names = [name for name in LABELS if name == "ligand" or _values(rows, name) > 1]
    if len({site_label(row.mode) for row in rows}) > 1:
        names.insert(1, SITE)
    return names


def _values(rows: Sequence[TableRow], name: str) -> int:
    return len({getattr(row, name) for row in rows})


def label_cell(row: TableRow, name: str) -> str:
    """One label of a row as a cell."""
    return (site_label(row.mode) if name == SITE else str(getattr(row, name))) or EMPTY


def summary_columns(unit: EnergyUnit) -> list[SummaryColumn]:
    """Every column but the labels, in order; energies in `unit`."""
    return [*_binding_columns(unit), *_kinetics_columns(unit)]


def _binding_columns(unit: EnergyUnit) -> list[SummaryColumn]:
    scale = unit.per_kJ_mol
    part = BINDING_PART
    return [
        SummaryColumn(
            "ddG",
            "ΔΔG",
            unit.name,
            "ΔG° less that of the ion that the crystal itself has on the site, under the same"
            " conditions; negative: the ligand binds more strongly than that ion",
            part,
            lambda row: ddG_text(row, unit),
        ),
        SummaryColumn(
            "dG0",
            "ΔG°",
            unit.name,
            "standard binding free energy at 1 mol/L: from the solution to the empty site; the more"
            " negative, the stronger",
            part,
            lambda row: _parts(row, "dG0_kJ_mol", scale)[0],
        ),
        SummaryColumn(
            "sampling_error",
            "± sampling",
            unit.name,
            "one standard error of ΔG° by finite sampling: of blocks of time, or of the scatter of"
            " the replicas where that is larger; ≥ marks an error known to be too small",
            part,
            lambda row: _parts(row, "dG0_kJ_mol", scale)[1],
        ),
        SummaryColumn(
            "model_error",
            "± model",
            unit.name,
            "error of ΔG° that comes with the force field, where its pack states one",
            part,
            lambda row: _model_error(row, scale),
        ),
        SummaryColumn(
            "depth",
            "well depth",
            unit.name,
            "lowest point of the free-energy curve over its plateau in the solution",
            part,
            lambda row: _text(row, "well_depth_kJ_mol", scale),
        ),
        SummaryColumn(
            "status",
            "status",
            "",
            "whether the row can be trusted; in brackets how many reasons say that it cannot",
            part,
            _status,
        ),
    ]


def _kinetics_columns(unit: EnergyUnit) -> list[SummaryColumn]:
    scale = unit.per_kJ_mol
    part = KINETICS_PART
    return [
        SummaryColumn(
            "off",
            "barrier off",
            unit.name,
            "barrier on the way out, over the bottom of the well",
            part,
            lambda row: _text(row, "desorption_barrier_kJ_mol", scale),
        ),
        SummaryColumn(
            "on",
            "barrier on",
            unit.name,
            "barrier on the way in, over the plateau; 0 where no maximum stands out of the noise",
            part,
            lambda row: _text(row, "adsorption_barrier_kJ_mol", scale),
        ),
        SummaryColumn(
            "penetration",
            "penetration",
            "nm",
            "how far below the plane of its site the anchor atom is on average while bound;"
            " negative above it",
            part,
            lambda row: _text(row, "penetration_nm"),
        ),
        SummaryColumn(
            "residence",
            "log₁₀ residence",
            "s",
            "power of ten of the mean time in seconds until the bound ligand has left",
            part,
            _residence,
        ),
        SummaryColumn(
            "sampling",
            "sampled",
            "ns",
            "simulated time of all windows or walkers, replicas together",
            part,
            lambda row: f"{row.binding.sampling_ns:.3g}" if row.binding else EMPTY,
        ),
        SummaryColumn(
            "overlap",
            "overlap",
            "",
            "smallest overlap of two neighbouring windows, 0 to 1: below 0.03 they hardly share"
            " samples",
            part,
            _overlap,
        ),
    ]


def _text(row: TableRow, field: str, scale: float = 1.0) -> str:
    """A quantity of the binding numbers as "value ± error"."""
    if row.binding is None:
        return EMPTY
    quantity: Quantity = getattr(row.binding, field)
    return row.shown(quantity, scale)


def _parts(row: TableRow, field: str, scale: float) -> tuple[str, str]:
    """A quantity and its error, both as texts with the same digits."""
    value, _, error = _text(row, field, scale).partition(" ± ")
    return value, error or EMPTY


def _model_error(row: TableRow, scale: float) -> str:
    error = row.model_error_kJ_mol * scale
    return f"{error:.2g}" if math.isfinite(error) else EMPTY


def _status(row: TableRow) -> str:
    """The status in as few words as a column has room for."""
    if row.error or row.pending or not row.problems:
        return short_status(row)
    return f"not converged ({len(row.problems)})"


def _residence(row: TableRow) -> str:
    text = _text(row, "residence_log10_s")
    is_bound = row.binding is not None and row.binding.residence_is_bound and text != EMPTY
    return f"≤ {text}" if is_bound else text


def _overlap(row: TableRow) -> str:
    if row.binding is None or not math.isfinite(row.binding.min_overlap):
        return EMPTY
    return f"{row.binding.min_overlap:.3f}"
