"""A picture of the curves W(z) of a campaign with their error bands."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from halobind.jobs.publish import write_atomic
from halobind.pipeline.results.estimate_files import Curve
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
HEADROOM_FACTOR = 1.3
"""The curves are shown up to this times the highest point of the outer half of any."""


@dataclass(frozen=True, eq=False)
class RunCurve:
    """A run that has a curve."""

    row: TableRow
    curve: Curve


def draw_curves(rows: Sequence[TableRow], path: Path) -> bool:
    """Draw the curve of every run that has one, with a band of one standard error.

    A ligand has one colour. The line is dashed where a replica started on the way back into the
    pocket. Runs on different surfaces, in other solvents, force fields or temperatures get panels
    of their own.

    Returns:
        Whether there was anything to draw.

    Raises:
        OSError: the picture cannot be written.
    """
    curves = [RunCurve(row, row.curve) for row in ordered(rows) if row.curve is not None]
    if not curves:
        return False
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
    axes[0, 0].set_ylim(*_limits([shown.curve for shown in curves]))
    any_dashed = any(shown.row.path == BACK for shown in curves)
    dashed = "\ndashed: started on the way back in" if any_dashed else ""
    figure.suptitle(f"Free energy over the plateau, with one standard error{dashed}", fontsize=11)
    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)  # type: ignore[no-untyped-call]
    write_atomic(path, picture.getvalue())
    return True


def _draw_panel(axis: Axes, curves: Sequence[RunCurve], colours: dict[str, str]) -> None:
    """Draw the curves of one panel; a ligand is in the legend once."""
    in_legend: set[str] = set()
    for shown in curves:
        curve = shown.curve
        ligand = shown.row.ligand
        label = None if ligand in in_legend else ligand
        in_legend.add(ligand)
        style = "--" if shown.row.path == BACK else "-"
        axis.plot(curve.z_nm, curve.W, style, color=colours[ligand], linewidth=1.3, label=label)
        axis.fill_between(
            curve.z_nm,
            curve.W - curve.W_error,
            curve.W + curve.W_error,
            color=colours[ligand],
            alpha=0.2,
            linewidth=0,
        )
    axis.axhline(0.0, color="0.6", linewidth=0.8)
    axis.set_xlabel("height of the anchor over its site plane (nm)")
    axis.set_ylabel("W (kJ/mol)")
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


def _limits(curves: Sequence[Curve]) -> tuple[float, float]:
    """The range of W (kJ/mol) that is shown.

    It goes from below the deepest well to above what happens outside the pocket: the repulsive wall
    would dwarf it.
    """
    low = 0.0
    high = 5.0
    for curve in curves:
        known = np.flatnonzero(np.isfinite(curve.W))
        if not len(known):
            continue
        W = curve.W[known]
        error = np.nan_to_num(curve.W_error[known])
        well = int(np.argmin(W))
        low = min(low, float((W - error)[well]))
        high = max(high, float(np.max((W + error)[well:])))
    return low - 0.06 * (high - low), high + (HEADROOM_FACTOR - 1) * (high - low)
