"""A picture of the curves W(z) of a campaign with their error bands."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from halobind.jobs.publish import write_atomic
from halobind.pipeline.free_energy.curve_figure import curve_limits, draw_curve, label_axes
from halobind.pipeline.free_energy.pmf import Curve
from halobind.pipeline.results.table_rows import BACK, LABELS, TableRow, ordered

COLOURS = (
    "tab:blue",
    "tab:orange",
    "tab:green",
    "tab:red",
    "tab:purple",
    "tab:brown",
    "tab:pink",
    "tab:olive",
    "tab:cyan",
    "tab:grey",
)
"""One for each ligand, from the start again where there are more."""
PANELS_ACROSS = 3
"""Number of panels side by side."""


@dataclass(frozen=True, eq=False)
class RunCurve:
    """A run that has a curve."""

    row: TableRow
    curve: Curve


def draw_curves(rows: Sequence[TableRow], path: Path) -> bool:
    """Draw the curve of every run that has one into a PNG file, see `curves_figure`.

    Returns:
        Whether there was anything to draw.

    Raises:
        OSError: the picture cannot be written.
    """
    figure = curves_figure(rows)
    if figure is None:
        return False
    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)
    write_atomic(path, picture.getvalue())
    return True


def curves_figure(rows: Sequence[TableRow]) -> Figure | None:
    """The curve of every run that has one, with a band of one standard error.

    A ligand has one colour. The line is dashed where a replica started on the way back into the
    pocket. Runs on different surfaces, in other solvents, force fields or temperatures get panels
    of their own. None where there is nothing to draw.
    """
    curves = [RunCurve(row, row.curve) for row in ordered(rows) if row.curve is not None]
    if not curves:
        return None
    panels = list(dict.fromkeys(shown.row.labels[1:] for shown in curves))
    ligands = list(dict.fromkeys(shown.row.ligand for shown in curves))
    colours = {ligand: COLOURS[k % len(COLOURS)] for k, ligand in enumerate(ligands)}
    across = min(PANELS_ACROSS, len(panels))
    down = math.ceil(len(panels) / across)
    figure = Figure(figsize=(max(6.4, 4.8 * across), 4.4 * down), dpi=120, layout="constrained")
    axes = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    for axis, key in zip(axes.flat, panels, strict=False):
        _draw_panel(axis, [shown for shown in curves if shown.row.labels[1:] == key], colours)
        axis.set_title(_title(key, panels), fontsize=9)
    for axis in list(axes.flat)[len(panels) :]:
        axis.set_visible(False)
    axes[0, 0].set_ylim(*curve_limits([shown.curve for shown in curves]))
    any_dashed = any(shown.row.path == BACK for shown in curves)
    dashed = "\ndashed: started on the way back in" if any_dashed else ""
    figure.suptitle(f"Free energy over the plateau, with one standard error{dashed}", fontsize=11)
    return figure


def _draw_panel(axis: Axes, curves: Sequence[RunCurve], colours: dict[str, str]) -> None:
    """Draw the curves of one panel; a ligand is in the legend once."""
    in_legend: set[str] = set()
    for shown in curves:
        ligand = shown.row.ligand
        label = None if ligand in in_legend else ligand
        in_legend.add(ligand)
        style = "--" if shown.row.path == BACK else "-"
        draw_curve(axis, shown.curve, colour=colours[ligand], style=style, label=label)
    label_axes(axis)
    axis.legend(fontsize=8)


def _title(key: tuple[str, ...], panels: Sequence[tuple[str, ...]]) -> str:
    """The labels that tell this panel from the others; of the only panel, all of them.

    Args:
        key: the labels of the panel, without the ligand.
        panels: those of all panels.
    """
    names = LABELS[1:]
    texts = []
    for k, name in enumerate(names):
        if key[k] and (len(panels) == 1 or len({panel[k] for panel in panels}) > 1):
            texts.append(f"{key[k]} K" if name == "temperature_K" else key[k])
    return ", ".join(texts)
