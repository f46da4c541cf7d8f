"""A picture of the curves W(z) of a campaign with their error bands."""

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from halobind.jobs.publish import write_atomic
from halobind.pipeline.results.table_rows import BACK, LABELS, Row, ordered

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
COLUMNS = 3  # panels side by side
HEADROOM = 1.3  # the curves are shown up to this times the highest point of the outer half of any


def draw(rows: Sequence[Row], path: Path) -> bool:
    """Draw the curve of every run that has one, one colour a ligand, a thin line (dashed where it
    started on the way back into the pocket) and a band of one standard error a replica.

    Runs on different surfaces, in other solvents, force fields or temperatures get panels of their
    own. False when there is nothing to draw. Raises OSError when the picture cannot be written.
    """
    shown = [row for row in ordered(rows) if row.curve is not None]
    if not shown:
        return False
    panels = list(dict.fromkeys(row.labels[1:] for row in shown))
    ligands = list(dict.fromkeys(row.ligand for row in shown))
    colours = {ligand: COLOURS[k % len(COLOURS)] for k, ligand in enumerate(ligands)}
    across = min(COLUMNS, len(panels))
    down = math.ceil(len(panels) / across)
    figure = Figure(figsize=(max(6.4, 4.8 * across), 4.4 * down), dpi=120, layout="constrained")
    axes = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    for axis, key in zip(axes.flat, panels, strict=False):
        _panel(axis, [row for row in shown if row.labels[1:] == key], colours)
        axis.set_title(_title(key, panels), fontsize=9)
    for axis in list(axes.flat)[len(panels) :]:
        axis.set_visible(False)
    axes[0, 0].set_ylim(*_limits(shown))
    dashed = (
        "\ndashed: started on the way back in" if any(row.path == BACK for row in shown) else ""
    )
    figure.suptitle(f"Free energy over the plateau, with one standard error{dashed}", fontsize=11)
    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)
    write_atomic(path, picture.getvalue())
    return True


def _panel(axis: Axes, rows: list[Row], colours: dict[str, str]) -> None:
    named = set()
    for row in rows:
        curve, colour = row.curve, colours[row.ligand]
        label = None if row.ligand in named else row.ligand
        named.add(row.ligand)
        style = "--" if row.path == BACK else "-"
        axis.plot(curve.z_nm, curve.W, style, color=colour, linewidth=1.3, label=label)
        axis.fill_between(
            curve.z_nm,
            curve.W - curve.W_error,
            curve.W + curve.W_error,
            color=colour,
            alpha=0.2,
            linewidth=0,
        )
    axis.axhline(0.0, color="0.6", linewidth=0.8)
    axis.set_xlabel("height of the anchor over its site plane (nm)")
    axis.set_ylabel("W (kJ/mol)")
    axis.legend(fontsize=8)


def _title(key: tuple[str, ...], panels: list[tuple[str, ...]]) -> str:
    """What tells this panel from the others, or all there is of the only one."""
    names = LABELS[1:]
    differs = [
        k for k in range(len(names)) if len(panels) == 1 or len({panel[k] for panel in panels}) > 1
    ]
    return ", ".join(
        f"{key[k]} K" if names[k] == "temperature_K" else key[k] for k in differs if key[k]
    )


def _limits(rows: list[Row]) -> tuple[float, float]:
    """From below the deepest well to above what happens outside the pocket: the repulsive wall
    would dwarf it.
    """
    low, high = 0.0, 5.0
    for row in rows:
        known = np.flatnonzero(np.isfinite(row.curve.W))
        if not len(known):
            continue
        W = row.curve.W[known]
        error = np.nan_to_num(row.curve.W_error[known])
        well = int(np.argmin(W))
        low, high = min(low, float((W - error)[well])), max(high, float(np.max((W + error)[well:])))
    return low - 0.06 * (high - low), high + (HEADROOM - 1) * (high - low)
