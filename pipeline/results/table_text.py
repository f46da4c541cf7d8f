"""The texts of the tables: CSV and JSON with full numbers, Markdown to read, the predictions."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from halobind.pipeline.free_energy.jsonable import Json, jsonable
from halobind.pipeline.free_energy.quantity import Quantity
from halobind.pipeline.results.energy_unit import KJ_PER_KCAL, KJ_PER_MOL, EnergyUnit
from halobind.pipeline.results.enthalpy import Enthalpy, find_enthalpies
from halobind.pipeline.results.ligand_exchange import (
    Coverage,
    CoveragePoint,
    LigandExchange,
    OwnIonExchange,
    SharedSites,
    find_coverages,
    find_exchanges,
    find_own_ion_exchanges,
)
from halobind.pipeline.results.table_columns import COLUMNS, UNKNOWN, full_record
from halobind.pipeline.results.table_rows import LABELS, PACKAGES, TableRow, ligand_rows, ordered
from halobind.pipeline.results.text_tables import (
    EMPTY,
    csv_text,
    markdown_cell,
    markdown_table,
    rounded,
)

PREDICTION_FILES = ("own-ion-exchange.csv", "coverage.csv", "exchange.csv", "enthalpy.csv")
"""The files of predictions, each written only where it has a row."""
TITLE = "Binding free energies"
"""Of the readable tables."""
SHOWN_MOL_L = (1e-9, 1e-6, 1e-3)
"""Concentrations of the readable table."""
SHOWN_RATIOS = (1e-3, 1.0, 1e3)
"""Ratios of concentrations of the readable table."""
CONVERGED = "converged"
"""The status of a row without problems, and of a prediction from such rows."""
LANGMUIR_NOTE = (
    "Of empty sites, by free ligand at that concentration (Langmuir, K = exp(-dG0/kT) L/mol; in"
    " brackets one standard error). A cation that competes for the site, one of the crystal for"
    " instance, is not in it."
)
EXCHANGE_NOTE = (
    "K = exp(-(dG0 of the first - dG0 of the second)/kT): the ratio of the two on the surface over"
    " that in solution."
)
NO_OWN_ION_NOTE = " Exchange with a cation of the crystal is not in it."
"""What EXCHANGE_NOTE goes on with where no ion of the crystal is sampled."""
OWN_ION_EXCHANGE_NOTE = (
    "ligand(solution) + ion(surface) -> ligand(surface) + ion(solution), K = exp(-ddG/kT). The"
    " empty site, the choice of concentration and what the box does to both drop out. Then the part"
    " of the sites that the ligand has, where it is so many times as concentrated in solution as"
    " the ion, which has the rest (in brackets one standard error)."
)
OWN_ION_NOTE = (
    "ddG is dG0 of the ligand less dG0 of the ion that the crystal has on that site, under the same"
    " conditions; negative where the ligand binds more strongly than that ion."
)
ENTHALPY_NOTE = (
    "By the change of dG0/T with 1/T between runs that differ in temperature only; heat capacity is"
    " taken as zero."
)

Record = dict[str, Json]
"""The cells of one line under their column names."""


def binding_csv(runs: Sequence[TableRow], unit: EnergyUnit = KJ_PER_MOL) -> str:
    """binding.csv: the runs, then the ligands over replicas, unrounded.

    Units are in the names of the columns; a cell is empty where there is no number.
    """
    rows = [*ordered(runs), *ligand_rows(runs)]
    columns = list(unit.record({column.header: None for column in COLUMNS}))
    return _records_csv(columns, [unit.record(full_record(row)) for row in rows])


def binding_json(runs: Sequence[TableRow], provenance: Json = None) -> str:
    """binding.json: the runs, the ligands and the predictions; null where there is no number.

    {"runs": [a record a run], "ligands": [a record a ligand], "coverage": ..., ...}

    Args:
        runs: the rows of the runs.
        provenance: what "provenance" holds, see pipeline/results/provenance.py; None for nothing.
    """
    content: dict[str, Json] = {
        "runs": [record_with_problems(row) for row in ordered(runs)],
        "ligands": [record_with_problems(row) for row in ligand_rows(runs)],
    }
    content |= {name: list(records) for name, records in prediction_records(runs).items()}
    if provenance is not None:
        content["provenance"] = provenance
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def prediction_files(runs: Sequence[TableRow], unit: EnergyUnit = KJ_PER_MOL) -> dict[str, str]:
    """The text of each of PREDICTION_FILES that has a row, unrounded."""
    texts = {}
    for name, records in prediction_records(runs).items():
        if records:
            lines = [unit.record(record) for record in records]
            texts[f"{name}.csv"] = _records_csv(list(lines[0]), lines)
    return texts


def prediction_records(runs: Sequence[TableRow]) -> dict[str, list[Record]]:
    """Full numbers of coverage (a record a concentration), exchange (a pair) and enthalpy.

    Those against the crystal's own ion (a record a ratio) are there where it is sampled.
    """
    own_ion_exchanges = find_own_ion_exchanges(runs)
    records: dict[str, list[Record]] = {}
    if own_ion_exchanges:
        records["own-ion-exchange"] = [
            _own_ion_exchange_record(exchange, point)
            for exchange in own_ion_exchanges
            for point in exchange.points
        ]
    return records | {
        "coverage": [
            _coverage_record(coverage, point)
            for coverage in find_coverages(runs)
            for point in coverage.points
        ],
        "exchange": [_exchange_record(exchange) for exchange in find_exchanges(runs)],
        "enthalpy": [_enthalpy_record(enthalpy) for enthalpy in find_enthalpies(runs)],
    }


def _records_csv(columns: Sequence[str], records: Sequence[Record]) -> str:
    return csv_text(columns, [[record[column] for column in columns] for record in records])


def record_with_problems(row: TableRow) -> Record:
    """All full numbers of a row, and what is wrong with it."""
    return {
        **full_record(row),
        "problems": [problem.text for problem in row.problems],
        "flags": [problem.as_dict() for problem in row.problems],
    }


def _labels(row: TableRow, without: str = "") -> Record:
    """What a row is about, but for one label."""
    return {name: getattr(row, name) for name in LABELS if name != without}


def _coverage_record(coverage: Coverage, point: CoveragePoint) -> Record:
    return _labels(coverage.row) | {
        "concentration_mol_L": jsonable(point.concentration_mol_L),
        "theta": jsonable(point.theta),
        "theta_low": jsonable(point.theta_low),
        "theta_high": jsonable(point.theta_high),
        "log10_half_coverage_mol_L": jsonable(coverage.log10_half.value),
        "log10_half_coverage_error": jsonable(coverage.log10_half.error),
        "status": coverage.row.status,
    }


def _exchange_record(exchange: LigandExchange) -> Record:
    return {
        "ligand": exchange.stronger.ligand,
        "instead_of": exchange.weaker.ligand,
        **_labels(exchange.stronger, without="ligand"),
        "ddG_kJ_mol": jsonable(exchange.ddG_kJ_mol.value),
        "ddG_error_kJ_mol": jsonable(exchange.ddG_kJ_mol.error),
        "log10_K_exchange": jsonable(exchange.log10_K.value),
        "log10_K_exchange_error": jsonable(exchange.log10_K.error),
        "status": exchange_status(exchange),
    }


def _own_ion_exchange_record(exchange: OwnIonExchange, point: SharedSites) -> Record:
    return {
        "ligand": exchange.row.ligand,
        "instead_of": exchange.ion.ligand,
        **_labels(exchange.row, without="ligand"),
        "ddG_kJ_mol": jsonable(exchange.ddG_kJ_mol.value),
        "ddG_error_kJ_mol": jsonable(exchange.ddG_kJ_mol.error),
        "log10_K_exchange": jsonable(exchange.log10_K.value),
        "log10_K_exchange_error": jsonable(exchange.log10_K.error),
        "ligand_over_ion_in_solution": jsonable(point.ratio),
        "theta": jsonable(point.theta),
        "theta_low": jsonable(point.theta_low),
        "theta_high": jsonable(point.theta_high),
        "status": own_ion_exchange_status(exchange),
    }


def _enthalpy_record(enthalpy: Enthalpy) -> Record:
    return _labels(enthalpy.rows[0], without="temperature_K") | {
        "temperatures_K": " ".join(f"{T:g}" for T in enthalpy.temperatures_K),
        "mean_temperature_K": enthalpy.mean_K,
        "dH_kJ_mol": jsonable(enthalpy.dH_kJ_mol.value),
        "dH_error_kJ_mol": jsonable(enthalpy.dH_kJ_mol.error),
        "TdS_kJ_mol": jsonable(enthalpy.TdS_kJ_mol.value),
        "TdS_error_kJ_mol": jsonable(enthalpy.TdS_kJ_mol.error),
        "misfit": jsonable(enthalpy.misfit),
        "status": enthalpy_status(enthalpy),
    }


def exchange_status(exchange: LigandExchange) -> str:
    """Either CONVERGED, or which of the two ligands is not."""
    rows = (exchange.stronger, exchange.weaker)
    return _status_of(rows, [row.ligand for row in rows])


def own_ion_exchange_status(exchange: OwnIonExchange) -> str:
    """Either CONVERGED, or which of ligand and ion is not."""
    rows = (exchange.row, exchange.ion)
    return _status_of(rows, [row.ligand for row in rows])


def enthalpy_status(enthalpy: Enthalpy) -> str:
    """Either CONVERGED, or at which temperatures the ligand is not."""
    names = [f"{row.known_binding.temperature_K:g} K" for row in enthalpy.rows]
    return _status_of(enthalpy.rows, names)


def _status_of(rows: Sequence[TableRow], names: Sequence[str]) -> str:
    """Either CONVERGED, or the names of the rows that are not."""
    poor = [name for row, name in zip(rows, names, strict=True) if row.status != CONVERGED]
    return f"not converged: {' and '.join(poor)}" if poor else CONVERGED


def _least_certain(rows: Sequence[TableRow]) -> TableRow:
    """The row that decides how an error of them all is shown: one whose error is a lower bound."""
    return next((row for row in rows if row.error_is_bound), rows[-1])


@dataclass(frozen=True)
class ReadableSection:
    """One of the readable tables."""

    title: str
    """What it is about; empty for the first."""
    rows: list[dict[str, str]]
    """Its cells under their column names; all rows have the same columns."""
    note: str = ""
    """How to read it."""


@dataclass(frozen=True)
class RowNote:
    """Why a row is not converged."""

    name: str
    """The labels of the row that tell it from others, and its replica."""
    status: str
    """Its status on one line."""
    reasons: tuple[str, ...] = ()
    """A sentence a reason, where there are several; the status does not repeat them."""


@dataclass(frozen=True)
class ReadableTables:
    """What a person reads: the ligands, the runs, barriers and times, sampling, predictions."""

    subject: str
    """The labels that all rows have in common."""
    sections: list[ReadableSection]
    """The tables; empty without runs."""
    notes: list[RowNote]
    """One for each row that is not converged."""


def readable_tables(runs: Sequence[TableRow], unit: EnergyUnit = KJ_PER_MOL) -> ReadableTables:
    """The readable tables of runs; the runs have one of their own where a ligand has several.

    The sentences of the notes have their energies in kJ/mol, whatever the unit of the tables.
    """
    runs = ordered(runs)
    ligands = ligand_rows(runs)
    if not runs:
        return ReadableTables("", [], [])
    shared = [name for name in LABELS[1:] if len({getattr(row, name) for row in runs}) == 1]
    shown = [name for name in LABELS if name not in shared]
    cells = _with_ddG(ligands, [*shown, "replica"], unit)
    note = OWN_ION_NOTE if any(row.own_ion for row in ligands) else ""
    sections = [ReadableSection("", cells, note)]
    if len(runs) > len(ligands):
        cells = [_binding_cells(row, [*shown, "replica", "path"], unit) for row in runs]
        sections.append(ReadableSection("Runs", cells))
    cells = [_kinetics_cells(row, shown, unit) for row in ligands]
    sections.append(ReadableSection("Barriers and times", cells))
    cells = [_sampling_cells(row, shown, unit) for row in runs]
    sections.append(ReadableSection("Sampling", cells))
    sections += _prediction_sections(runs, shown, unit)
    replicas = {row.replica for row in runs}
    merged = [row for row in ligands if row.replica not in replicas]
    notes = [_note(row, shown) for row in [*runs, *merged] if row.status != CONVERGED]
    return ReadableTables(", ".join(shared_labels(runs[0], shared)), sections, notes)


def binding_markdown(runs: Sequence[TableRow], unit: EnergyUnit = KJ_PER_MOL) -> str:
    """binding.md: the readable tables, and a note on each row that is not converged."""
    tables = readable_tables(runs, unit)
    if not tables.sections:
        return f"# {TITLE}\n\nThere are no runs.\n"
    parts = [f"# {TITLE}", tables.subject]
    for section in tables.sections:
        parts += [f"## {section.title}" if section.title else ""]
        parts += [_table(section.rows), section.note]
    if tables.notes:
        parts += ["## Notes", "\n".join(_note_markdown(note) for note in tables.notes)]
    return "\n\n".join(part for part in parts if part) + "\n"


def short_table(runs: Sequence[TableRow]) -> str:
    """The first of the readable tables alone, a line a ligand."""
    tables = readable_tables(runs)
    return _table(tables.sections[0].rows) if tables.sections else "There are no runs."


def _note_markdown(note: RowNote) -> str:
    """A note as an item of a list, its reasons as a list below it."""
    return "\n".join([f"- {note.name}: {note.status}", *(f"  - {text}" for text in note.reasons)])


def shared_labels(row: TableRow, names: Sequence[str]) -> list[str]:
    """The labels that all rows have in common, with the unit of the temperature."""
    texts = []
    for name in names:
        value = getattr(row, name)
        if value:
            texts.append(f"{value} K" if name == "temperature_K" else value)
    return texts


def _with_ddG(
    ligands: Sequence[TableRow], shown: Sequence[str], unit: EnergyUnit
) -> list[dict[str, str]]:
    """The cells of the ligands, with ddG before dG0 where any was held against the own ion."""
    rows = [_binding_cells(row, shown, unit) for row in ligands]
    if not any(row.own_ion for row in ligands):
        return rows
    return [
        {name: cells[name] for name in shown}
        | {f"ddG against own ion ({unit.name})": ddG_text(row, unit)}
        | {name: cell for name, cell in cells.items() if name not in shown}
        for row, cells in zip(ligands, rows, strict=True)
    ]


def ddG_text(row: TableRow, unit: EnergyUnit) -> str:
    """ddG against the crystal's own ion as "value ± error"; EMPTY where there is none."""
    if row.own_ion is None:
        return EMPTY
    ddG = row.own_ion.ddG_kJ_mol
    text = rounded(ddG.value, ddG.error, unit.per_kJ_mol)
    if row.own_ion.error_is_bound:
        text = text.replace("± ", "± ≥")
    only_the_ion_is_poor = not row.own_ion.converged and not row.problems
    return f"{text} ({row.own_ion.ion} not converged)" if only_the_ion_is_poor else text


def _prediction_sections(
    runs: Sequence[TableRow], shown: Sequence[str], unit: EnergyUnit
) -> list[ReadableSection]:
    """The sections on exchange, coverage and enthalpy, each where it has a row."""
    sections = []
    own_ion_exchanges = find_own_ion_exchanges(runs)
    if own_ion_exchanges:
        cells = [_own_ion_exchange_cells(exchange, shown, unit) for exchange in own_ion_exchanges]
        sections.append(ReadableSection("Exchange with the crystal", cells, OWN_ION_EXCHANGE_NOTE))
    if coverages := find_coverages(runs):
        cells = [_coverage_cells(coverage, shown) for coverage in coverages]
        sections.append(ReadableSection("Coverage", cells, LANGMUIR_NOTE))
    if exchanges := find_exchanges(runs):
        cells = [_exchange_cells(exchange, shown, unit) for exchange in exchanges]
        note = EXCHANGE_NOTE + ("" if own_ion_exchanges else NO_OWN_ION_NOTE)
        sections.append(ReadableSection("Exchange of ligands", cells, note))
    if enthalpies := find_enthalpies(runs):
        cells = [_enthalpy_cells(enthalpy, shown, unit) for enthalpy in enthalpies]
        sections.append(ReadableSection("Enthalpy and entropy", cells, ENTHALPY_NOTE))
    return sections


def _binding_cells(row: TableRow, shown: Sequence[str], unit: EnergyUnit) -> dict[str, str]:
    """The cells of the first table: binding free energy, well depth, status."""
    scale = unit.per_kJ_mol
    binding = row.binding
    dG0 = binding.dG0_kJ_mol if binding else UNKNOWN
    depth = binding.well_depth_kJ_mol if binding else UNKNOWN
    z_min = binding.z_min_nm if binding else UNKNOWN
    errors = EMPTY
    if binding:
        own_error = dG0.propagated if binding.replicas > 1 else dG0.error
        errors = f"{error_alone(own_error * scale)}, {error_alone(dG0.sem * scale)}"
    in_kcal = {"dG0 (kcal/mol)": row.shown(dG0, 1 / KJ_PER_KCAL)} if unit == KJ_PER_MOL else {}
    return {name: getattr(row, name) for name in shown} | {
        f"dG0 ({unit.name})": row.shown(dG0, scale),
        "± blocks, replicas": errors,
        **in_kcal,
        f"well depth ({unit.name})": row.shown(depth, scale),
        "well at (nm)": row.shown(z_min),
        "status": short_status(row),
    }


def error_alone(value: float) -> str:
    """An error alone, with the digits that it has beside a number."""
    return rounded(0.0, value).partition("± ")[2] if math.isfinite(value) else EMPTY


def short_status(row: TableRow) -> str:
    """The status as the table has room for it; the reasons are in the notes."""
    if row.error:
        return row.status.partition(":")[0]
    if row.pending:
        return row.status.partition(";")[0]
    if not row.problems:
        return row.status.partition(":")[0]
    n_reasons = len(row.problems)
    return f"not converged ({n_reasons} reason{'s' * (n_reasons != 1)} below)"


def _note(row: TableRow, shown: Sequence[str]) -> RowNote:
    """What the notes say of a row: its status, or that and several reasons."""
    name = f"{' '.join(getattr(row, label) for label in shown)}, replica {row.replica}"
    if row.error or row.pending or len(row.problems) < 2:
        return RowNote(name, row.status)
    return RowNote(name, "not converged", tuple(problem.text for problem in row.problems))


def _kinetics_cells(row: TableRow, shown: Sequence[str], unit: EnergyUnit) -> dict[str, str]:
    """The cells of barriers and times."""
    binding = row.binding

    def text(name: str, scale: float = 1.0) -> str:
        quantity: Quantity = getattr(binding, name) if binding else UNKNOWN
        return row.shown(quantity, scale)

    bound = "≤ " if binding and binding.residence_is_bound else ""
    return {name: getattr(row, name) for name in [*shown, "replica"]} | {
        f"off ({unit.name})": text("desorption_barrier_kJ_mol", unit.per_kJ_mol),
        f"on ({unit.name})": text("adsorption_barrier_kJ_mol", unit.per_kJ_mol),
        "penetration (nm)": text("penetration_nm"),
        "log10 residence (s)": bound + text("residence_log10_s"),
    }


def _sampling_cells(row: TableRow, shown: Sequence[str], unit: EnergyUnit) -> dict[str, str]:
    """The cells of how a run was sampled, and by which versions."""
    cells = {name: getattr(row, name) for name in [*shown, "replica"]}
    cells |= dict.fromkeys(("ns", "windows", "overlap", "others - MBAR (dG0, depth)"), EMPTY)
    binding = row.binding
    if binding:
        cells["ns"] = f"{binding.sampling_ns:.3g}"
        if binding.n_windows:
            cells["windows"] = str(binding.n_windows)
        if math.isfinite(binding.min_overlap):
            cells["overlap"] = f"{binding.min_overlap:.3f}"
        others = (binding.dG0_difference_kJ_mol, binding.well_depth_difference_kJ_mol)
        if all(map(math.isfinite, others)):
            texts = [f"{difference * unit.per_kJ_mol:+.1f}" for difference in others]
            cells["others - MBAR (dG0, depth)"] = ", ".join(texts)
    cells["run"] = row.run_id
    cells["/".join(PACKAGES)] = "/".join(row.versions.get(name, EMPTY) for name in PACKAGES)
    return cells


def _coverage_cells(coverage: Coverage, shown: Sequence[str]) -> dict[str, str]:
    row = coverage.row
    points = {point.concentration_mol_L: point for point in coverage.points}
    cells = {name: getattr(row, name) for name in shown}
    cells["log10 c(1/2) (mol/L)"] = row.shown(coverage.log10_half)
    for c in SHOWN_MOL_L:
        point = points[c]
        cells[f"at {c:g} mol/L"] = _theta_text(point)
    cells["status"] = short_status(row)
    return cells


def _theta_text(point: CoveragePoint | SharedSites) -> str:
    """A coverage, in brackets that of one standard error to either side."""
    text = f"{point.theta:.2g} ({point.theta_low:.2g} to {point.theta_high:.2g})"
    return text.replace("(nan to nan)", "(?)")


def _own_ion_exchange_cells(
    exchange: OwnIonExchange, shown: Sequence[str], unit: EnergyUnit
) -> dict[str, str]:
    row = _least_certain((exchange.row, exchange.ion))
    points = {point.ratio: point for point in exchange.points}
    cells = {"ligand": exchange.row.ligand, "instead of": exchange.ion.ligand}
    cells |= {name: getattr(exchange.row, name) for name in shown if name != "ligand"}
    cells[f"ddG ({unit.name})"] = row.shown(exchange.ddG_kJ_mol, unit.per_kJ_mol)
    cells["log10 K"] = row.shown(exchange.log10_K)
    cells |= {f"at {ratio:g} to 1": _theta_text(points[ratio]) for ratio in SHOWN_RATIOS}
    return cells | {"status": own_ion_exchange_status(exchange)}


def _exchange_cells(
    exchange: LigandExchange, shown: Sequence[str], unit: EnergyUnit
) -> dict[str, str]:
    row = _least_certain((exchange.stronger, exchange.weaker))
    cells = {"ligand": exchange.stronger.ligand, "instead of": exchange.weaker.ligand}
    cells |= {name: getattr(exchange.stronger, name) for name in shown if name != "ligand"}
    return cells | {
        f"ddG ({unit.name})": row.shown(exchange.ddG_kJ_mol, unit.per_kJ_mol),
        "log10 K": row.shown(exchange.log10_K),
        "status": exchange_status(exchange),
    }


def _enthalpy_cells(enthalpy: Enthalpy, shown: Sequence[str], unit: EnergyUnit) -> dict[str, str]:
    row = _least_certain(enthalpy.rows)
    TdS = row.shown(enthalpy.TdS_kJ_mol, unit.per_kJ_mol)
    return {name: getattr(row, name) for name in shown if name != "temperature_K"} | {
        "temperatures (K)": ", ".join(f"{T:g}" for T in enthalpy.temperatures_K),
        f"dH ({unit.name})": row.shown(enthalpy.dH_kJ_mol, unit.per_kJ_mol),
        f"T dS ({unit.name})": f"{TdS} at {enthalpy.mean_K:g} K",
        "misfit": f"{enthalpy.misfit:.1f}" if math.isfinite(enthalpy.misfit) else EMPTY,
        "status": enthalpy_status(enthalpy),
    }


def _table(rows: Sequence[dict[str, str]]) -> str:
    """A Markdown table of rows that have the same columns."""
    cells = [[markdown_cell(cell) for cell in row.values()] for row in rows]
    return markdown_table(list(rows[0]), cells)
