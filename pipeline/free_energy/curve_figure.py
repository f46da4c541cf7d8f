"""How a curve W(z) is drawn: a line, a band of one standard error, and the axes."""

import base64
import html
import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from halobind.pipeline.free_energy.pmf import Curve, Pmf

HEADROOM_FACTOR = 1.3
"""The curves are shown up to this times the highest point of the outer half of any."""


def draw_curve(
    axis: Axes, curve: Curve, *, colour: str, style: str = "-", label: str | None = None
) -> None:
    """Draw a curve with a band of one standard error.

    Args:
        axis: what to draw into.
        curve: the curve.
        colour: of line and band, as matplotlib names it.
        style: of the line, as matplotlib names it.
        label: its name in the legend; None for no place there.
    """
    axis.plot(curve.z_nm, curve.W, style, color=colour, linewidth=1.3, label=label)
    axis.fill_between(
        curve.z_nm,
        curve.W - curve.W_error,
        curve.W + curve.W_error,
        color=colour,
        alpha=0.2,
        linewidth=0,
    )


def label_axes(axis: Axes) -> None:
    """Draw the plateau as a line at zero and name the axes."""
    axis.axhline(0.0, color="0.6", linewidth=0.8)
    axis.set_xlabel("height of the anchor over its site plane (nm)")
    axis.set_ylabel("W (kJ/mol)")


def curve_figure(curve: Curve) -> Figure:
    """One curve alone; of one that knows its plateau, this is shaded."""
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axis = figure.subplots()
    if isinstance(curve, Pmf):
        first, stop = curve.plateau
        half_bin_nm = curve.bin_nm / 2
        span_nm = (curve.z_nm[first] - half_bin_nm, curve.z_nm[stop - 1] + half_bin_nm)
        axis.axvspan(*span_nm, color="0.9", label="plateau")
        axis.legend(fontsize=8)
    draw_curve(axis, curve, colour="tab:blue")
    label_axes(axis)
    axis.set_ylim(*curve_limits([curve]))
    axis.set_title("Free energy over the plateau, with one standard error", fontsize=10)
    return figure


def figure_html(figure: Figure, text: str) -> str:
    """A figure as an <img> of HTML that holds all of it.

    Args:
        figure: the figure.
        text: what is read out where the picture is not seen.
    """
    picture = io.BytesIO()
    canvas = FigureCanvasSVG(figure)
    canvas.print_svg(picture, metadata={"Date": None})
    data = base64.b64encode(picture.getvalue()).decode("ascii")
    source = f"data:image/svg+xml;base64,{data}"
    return f'<img src="{source}" alt="{html.escape(text)}" style="max-width: 100%">'


def curve_limits(curves: Sequence[Curve]) -> tuple[float, float]:
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
