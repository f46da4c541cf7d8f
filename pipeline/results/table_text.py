"""Tables to files: binding.csv and binding.json with full numbers, binding.md to read, one csv for
each kind of prediction.
"""

import csv
import io
import json
import math
from collections.abc import Sequence

from halobind.pipeline.free_energy.samples import Quantity
from halobind.pipeline.results.enthalpy import Enthalpy, enthalpies
from halobind.pipeline.results.ligand_exchange import Coverage, Exchange, coverages, exchanges
from halobind.pipeline.results.table_rows import (
    EMPTY,
    KJ_PER_KCAL,
    LABELS,
    PACKAGES,
    Row,
    ligand_rows,
    ordered,
    record,
    rounded,
)

SHOWN_MOL_L = (1e-9, 1e-6, 1e-3)  # concentrations of the readable table
LANGMUIR = (
    "Of empty sites, by free ligand at that concentration (Langmuir, K = exp(-dG0/kT) L/mol; in"
    " brackets one standard error). A cation that competes for the site, one of the crystal for"
    " instance, is not in it."
)
EXCHANGE = (
    "K = exp(-(dG0 of the first - dG0 of the second)/kT): the ratio of the two on the surface over"
    " that in solution. Exchange with a cation of the crystal is not in it."
)
ENTHALPY = (
    "By the change of dG0/T with 1/T between runs that differ in temperature only; heat capacity is"
    " taken as zero."
)


def csv_text(runs: Sequence[Row]) -> str:
    """binding.csv: the runs, then the ligands over replicas, unrounded; units in the column names,
    empty where there is no number.
    """
    return _csv(
        list(record(Row(*[""] * 6))), [record(row) for row in [*ordered(runs), *ligand_rows(runs)]]
    )


PREDICTIONS = ("coverage.csv", "exchange.csv", "enthalpy.csv")


def prediction_texts(runs: Sequence[Row]) -> dict[str, str]:
    """coverage.csv, exchange.csv and enthalpy.csv by name, each only where it has a row, unrounded."""
    texts = {}
    for name, records in predictions(runs).items():
        if records:
            texts[f"{name}.csv"] = _csv(list(records[0]), records)
    return texts


def predictions(runs: Sequence[Row]) -> dict[str, list[dict]]:
    """Full numbers under their column names of coverage (a record a concentration), exchange (a
    pair) and enthalpy (a ligand).
    """
    return {
        "coverage": [content for found in coverages(runs) for content in _coverage_records(found)],
        "exchange": [_exchange_record(found) for found in exchanges(runs)],
        "enthalpy": [_enthalpy_record(found) for found in enthalpies(runs)],
    }


def _csv(columns: list[str], records: list[dict]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {key: repr(value) if isinstance(value, float) else value for key, value in r.items()}
        for r in records
    )
    return out.getvalue()


def json_text(runs: Sequence[Row]) -> str:
    """binding.json: {"runs": [one a run], "ligands": [one a ligand], and the predictions} in full
    precision, null for no number.
    """
    content = {
        name: [
            {**record(row), "problems": [problem.text for problem in row.problems]} for row in rows
        ]
        for name, rows in (("runs", ordered(runs)), ("ligands", ligand_rows(runs)))
    }
    return (
        json.dumps(content | predictions(runs), indent=1, ensure_ascii=False, allow_nan=False)
        + "\n"
    )


def _labels(row: Row, without: str) -> dict[str, str]:
    return {name: getattr(row, name) for name in LABELS if name != without}


def _finite(content: dict) -> dict:
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in content.items()
    }


def _coverage_records(found: Coverage) -> list[dict]:
    half = {
        "log10_half_coverage_mol_L": found.log10_half.value,
        "log10_half_coverage_error": found.log10_half.error,
    }
    names, state = (
        ("concentration_mol_L", "theta", "theta_low", "theta_high"),
        {"status": found.row.status},
    )
    return [
        _finite(_labels(found.row, "") | dict(zip(names, point, strict=True)) | half | state)
        for point in found.thetas
    ]


def _exchange_record(found: Exchange) -> dict:
    pair = {"ligand": found.a.ligand, "instead_of": found.b.ligand}
    numbers = {"ddG_kJ_mol": found.ddG_kJ_mol.value, "ddG_error_kJ_mol": found.ddG_kJ_mol.error}
    numbers |= {
        "log10_K_exchange": found.log10_K.value,
        "log10_K_exchange_error": found.log10_K.error,
    }
    return _finite(pair | _labels(found.a, "ligand") | numbers | {"status": pair_status(found)})


def pair_status(found: Exchange) -> str:
    """ "converged", or which of the two is not."""
    return _status([(row, row.ligand) for row in (found.a, found.b)])


def _status(rows: Sequence[tuple[Row, str]]) -> str:
    """ "converged", or the names of the rows that are not."""
    poor = [name for row, name in rows if row.status != "converged"]
    return f"not converged: {' and '.join(poor)}" if poor else "converged"


def _loosest(rows: Sequence[Row]) -> Row:
    """The row whose problems decide how an error of them all is shown: one whose error is a lower
    bound, if there is one.
    """
    return next((row for row in rows if row.error_is_bound), rows[-1])


def _enthalpy_record(found: Enthalpy) -> dict:
    numbers = {
        "temperatures_K": " ".join(f"{T:g}" for T in found.temperatures_K),
        "mean_temperature_K": found.mean_K,
    }
    for name in ("dH_kJ_mol", "TdS_kJ_mol"):
        q = getattr(found, name)
        numbers |= {name: q.value, name.replace("_", "_error_", 1): q.error}
    return _finite(
        _labels(found.rows[0], "temperature_K")
        | numbers
        | {
            "misfit": found.misfit,
            "status": _heat_status(found),
        }
    )


def _heat_status(found: Enthalpy) -> str:
    return _status([(row, f"{row.binding.temperature_K:g} K") for row in found.rows])


def markdown_text(runs: Sequence[Row]) -> str:
    """binding.md: the ligands, the runs where a ligand has several, barriers and times, how they
    were sampled, what they predict, and a note on each row that is not converged.
    """
    runs, ligands = ordered(runs), ligand_rows(runs)
    if not runs:
        return "# Binding free energies\n\nThere are no runs.\n"
    same = [name for name in LABELS[1:] if len({getattr(row, name) for row in runs}) == 1]
    shown = [name for name in LABELS if name not in same]
    words = [
        f"{getattr(runs[0], name)}{' K' * (name == 'temperature_K')}"
        for name in same
        if getattr(runs[0], name)
    ]
    parts = [
        "# Binding free energies",
        ", ".join(words),
        _grid([_numbers(row, [*shown, "replica"]) for row in ligands]),
    ]
    if len(runs) > len(ligands):
        parts += ["## Runs", _grid([_numbers(row, [*shown, "replica", "path"]) for row in runs])]
    parts += ["## Barriers and times", _grid([_kinetics(row, shown) for row in ligands])]
    parts += ["## Sampling", _grid([_sampling(row, shown) for row in runs])]
    parts += _predicted(runs, shown)
    noted = [
        row
        for row in [
            *runs,
            *(row for row in ligands if row.replica not in {r.replica for r in runs}),
        ]
        if row.status != "converged"
    ]
    parts += ["## Notes", "\n".join(_note(row, shown) for row in noted)] if noted else []
    return "\n\n".join(part for part in parts if part) + "\n"


def _predicted(runs: list[Row], shown: list[str]) -> list[str]:
    """The sections on coverage, exchange and enthalpy, each where it has a row."""
    parts = []
    if covered := coverages(runs):
        parts += ["## Coverage", _grid([_covered(found, shown) for found in covered]), LANGMUIR]
    if pairs := exchanges(runs):
        parts += [
            "## Exchange of ligands",
            _grid([_exchanged(found, shown) for found in pairs]),
            EXCHANGE,
        ]
    if heats := enthalpies(runs):
        parts += [
            "## Enthalpy and entropy",
            _grid([_heat(found, shown) for found in heats]),
            ENTHALPY,
        ]
    return parts


def _numbers(row: Row, shown: list[str]) -> dict[str, str]:
    b = row.binding
    dG0, depth, z = (
        (b.dG0_kJ_mol, b.well_depth_kJ_mol, b.z_min_nm)
        if b
        else (Quantity(math.nan, math.nan),) * 3
    )
    return {name: getattr(row, name) for name in shown} | {
        "dG0 (kJ/mol)": row.shown(dG0),
        "± blocks, replicas": (
            f"{_error(dG0.propagated if b and b.replicas > 1 else dG0.error)}, {_error(dG0.sem)}"
            if b
            else EMPTY
        ),
        "dG0 (kcal/mol)": row.shown(dG0, 1 / KJ_PER_KCAL),
        "well depth (kJ/mol)": row.shown(depth),
        "well at (nm)": row.shown(z),
        "status": _short_status(row),
    }


def _error(value: float) -> str:
    """An error alone, with the digits that it has beside a number."""
    return rounded(0.0, value).partition("± ")[2] if math.isfinite(value) else EMPTY


def _short_status(row: Row) -> str:
    """The status as the table has room for it; the reasons are in the notes."""
    if row.error or row.pending or not row.problems:
        return (
            row.status.partition(":")[0]
            if row.error or not row.pending
            else row.status.partition(";")[0]
        )
    return f"not converged ({len(row.problems)} reason{'s' * (len(row.problems) != 1)} below)"


def _note(row: Row, shown: list[str]) -> str:
    """What the notes say of a row: its status, and when it is not converged one line a reason."""
    name = f"- {' '.join(getattr(row, label) for label in shown)}, replica {row.replica}: "
    if row.error or row.pending or len(row.problems) < 2:
        return name + row.status
    return "\n".join([name + "not converged", *(f"  - {problem.text}" for problem in row.problems)])


def _kinetics(row: Row, shown: list[str]) -> dict[str, str]:
    b, none = row.binding, Quantity(math.nan, math.nan)
    names = (
        "desorption_barrier_kJ_mol",
        "adsorption_barrier_kJ_mol",
        "penetration_nm",
        "residence_log10_s",
    )
    off, on, below, stay = (getattr(b, name) if b else none for name in names)
    return {name: getattr(row, name) for name in [*shown, "replica"]} | {
        "off (kJ/mol)": row.shown(off),
        "on (kJ/mol)": row.shown(on),
        "penetration (nm)": row.shown(below),
        "log10 residence (s)": ("≤ " if b and b.residence_is_bound else "") + row.shown(stay),
    }


def _sampling(row: Row, shown: list[str]) -> dict[str, str]:
    b = row.binding
    others = (b.dG0_difference_kJ_mol, b.well_depth_difference_kJ_mol) if b else ()
    return {name: getattr(row, name) for name in [*shown, "replica"]} | {
        "ns": f"{b.sampling_ns:.3g}" if b else EMPTY,
        "windows": str(b.n_windows) if b and b.n_windows else EMPTY,
        "overlap": f"{b.min_overlap:.3f}" if b and math.isfinite(b.min_overlap) else EMPTY,
        "others - MBAR (dG0, depth)": (
            ", ".join(f"{x:+.1f}" for x in others)
            if others and all(map(math.isfinite, others))
            else EMPTY
        ),
        "run": row.run_id,
        "/".join(PACKAGES): "/".join(row.versions.get(name, EMPTY) for name in PACKAGES),
    }


def _covered(found: Coverage, shown: list[str]) -> dict[str, str]:
    thetas = {point[0]: point[1:] for point in found.thetas}
    cells = {
        f"at {c:g} mol/L": (
            "{:.2g} ({:.2g} to {:.2g})".format(*thetas[c]).replace("(nan to nan)", "(?)")
        )
        for c in SHOWN_MOL_L
    }
    half = {"log10 c(1/2) (mol/L)": found.row.shown(found.log10_half)}
    return (
        {name: getattr(found.row, name) for name in shown}
        | half
        | cells
        | {"status": _short_status(found.row)}
    )


def _exchanged(found: Exchange, shown: list[str]) -> dict[str, str]:
    row = _loosest((found.a, found.b))
    return (
        {"ligand": found.a.ligand, "instead of": found.b.ligand}
        | {name: getattr(found.a, name) for name in shown if name != "ligand"}
        | {
            "ddG (kJ/mol)": row.shown(found.ddG_kJ_mol),
            "log10 K": row.shown(found.log10_K),
            "status": pair_status(found),
        }
    )


def _heat(found: Enthalpy, shown: list[str]) -> dict[str, str]:
    row = _loosest(found.rows)
    return {name: getattr(row, name) for name in shown if name != "temperature_K"} | {
        "temperatures (K)": ", ".join(f"{T:g}" for T in found.temperatures_K),
        "dH (kJ/mol)": row.shown(found.dH_kJ_mol),
        "T dS (kJ/mol)": f"{row.shown(found.TdS_kJ_mol)} at {found.mean_K:g} K",
        "misfit": f"{found.misfit:.1f}" if math.isfinite(found.misfit) else EMPTY,
        "status": _heat_status(found),
    }


def _grid(rows: list[dict[str, str]]) -> str:
    """A Markdown table whose columns line up in plain text too."""
    lines = [
        list(rows[0]),
        *(
            [" ".join(cell.replace("|", "\\|").split()) or EMPTY for cell in row.values()]
            for row in rows
        ),
    ]
    width = [max(3, *(len(line[i]) for line in lines)) for i in range(len(lines[0]))]
    text = [
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, width, strict=True)) + " |"
        for line in lines
    ]
    return "\n".join([text[0], "|" + "|".join("-" * (w + 2) for w in width) + "|", *text[1:]])
