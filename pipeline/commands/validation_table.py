"""Validation rows as Markdown to read, CSV and JSON with every digit; pocket curves as PNG."""

import io
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from halobind.forcefields.validation.check_rows import CheckRow
from halobind.jobs.publish import write_atomic
from halobind.pipeline.free_energy.jsonable import jsonable
from halobind.pipeline.results.text_tables import csv_text, markdown_table, rounded

COLUMNS = ("check", "system", "quantity", "value", "unit", "target", "source", "verdict")
COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")
FLOOR_KJ = -450.0
CEILING_KJ = 200.0


def rows_csv(rows: Sequence[CheckRow], quick: bool) -> str:
    """One line a row, unrounded, empty where there is no number."""
    amount = "quick" if quick else "full"
    cells = [[jsonable(value) for value in asdict(row).values()] + [amount] for row in rows]
    return csv_text([*CheckRow.__dataclass_fields__, "amount"], cells)


def rows_json(rows: Sequence[CheckRow], about: dict[str, object]) -> str:
    """`about` and the rows; null where there is no number."""
    content = about | {"rows": [jsonable(asdict(row)) for row in rows]}
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def rows_markdown(rows: Sequence[CheckRow], about: str) -> str:
    """The table with rounded numbers, the notes below it, and how many rows have which verdict."""
    notes = list(dict.fromkeys(row.note for row in rows if row.note))
    cells = [_cells(row, notes) for row in rows]
    lines = [f"# Validation of {about}", ""]
    lines.append(markdown_table(COLUMNS, [[row[name] for name in COLUMNS] for row in cells]))
    lines += ["", *(f"{number}. {note}" for number, note in enumerate(notes, 1)), ""]
    counts = Counter(row.verdict.split(":")[0] for row in rows)
    lines.append(
        ", ".join(f"{count} {word}" for word, count in counts.items())
        + ". ± is the standard error; a verdict is given when the"
    )
    lines.append(
        "95 % bar (Student's t over 5 time blocks) lies on one side of the tolerance, else the row"
        " is not converged;"
    )
    lines.append("the errors of static numbers are bounds and taken as they are.")
    return "\n".join(lines) + "\n"


def _cells(row: CheckRow, notes: list[str]) -> dict[str, str]:
    mark = f" [{notes.index(row.note) + 1}]" if row.note else ""
    target = "" if math.isnan(row.target) else f"{row.target:.5g} ± {row.tolerance:.3g}"
    value = (
        ""
        if math.isnan(row.value)
        else (f"{row.value:.5g}" if row.error == 0 else rounded(row.value, row.error))
    )
    texts = (
        row.check,
        row.system,
        row.quantity,
        value,
        row.unit,
        target,
        row.source,
        row.verdict + mark,
    )
    return {column: text.replace("|", "/") for column, text in zip(COLUMNS, texts, strict=True)}


def draw(
    curves: dict[str, tuple[list[float], list[float]]], path: Path, pack: str, scale: float
) -> None:
    """Pocket curves, "method|environment|head" -> (nm, kJ/mol): one panel an environment, one
    colour a head, the pack's own as lines.

    Environments and heads that somebody adds to the reference table are drawn as well. Raises
    OSError when it cannot be written.
    """
    keys = [tuple(name.split("|")) for name in curves]
    environments = list(dict.fromkeys(key[1] for key in keys))
    colours = {
        head: COLOURS[k % len(COLOURS)]
        for k, head in enumerate(dict.fromkeys(key[2] for key in keys))
    }
    figure = Figure(figsize=(4.6 * len(environments), 4.6), dpi=120, layout="constrained")
    panels = figure.subplots(1, len(environments), squeeze=False)[0]
    for panel, environment in zip(panels, environments, strict=True):
        shown = []
        for (method, where, head), (x, y) in zip(keys, curves.values(), strict=True):
            if where == environment:
                style = (
                    {"linestyle": "-"}
                    if method == pack
                    else {"linestyle": "--", "marker": "o", "markersize": 4, "alpha": 0.8}
                )
                panel.plot(
                    [10 * value for value in x],
                    y,
                    color=colours[head],
                    label=f"{head}, {method}",
                    **style,
                )
                shown += y
        panel.set_ylim(max(FLOOR_KJ, min(shown) - 20), min(CEILING_KJ, max(shown) + 20))
        panel.axhline(0.0, color="0.6", linewidth=0.8)
        panel.set_title(
            environment if environment != "gas" else f"gas phase ({pack}: charges x {scale:g})",
            fontsize=10,
        )
        panel.set_xlabel("height of N over the outer Br plane (Å)")
        panel.set_ylabel("energy against 8 Å (kJ/mol)")
        panel.legend(fontsize=7)
    figure.suptitle("Rigid heads over the A vacancy of Pb4Br20Cs11", fontsize=11)
    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)
    write_atomic(path, picture.getvalue())
