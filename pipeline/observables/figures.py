"""Figures of observables: against the height, against time, and profiles."""

import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from halobind.pipeline.observables.profiles import Bins
from halobind.pipeline.observables.registry import OBSERVABLES
from halobind.pipeline.observables.summary import TIMES, Summary

PANEL_WIDTH = 3.4  # inches, as the next three
PANEL_HEIGHT = 2.5
RIGHT_MARGIN = 1.0  # for the scale of colours
TOP_MARGIN = 0.6  # for the title
MAX_PANELS_ACROSS = 4
COLOUR_MAP = "viridis"
UNITS = {"height_nm": "heavy atoms per nm³", "distance_nm": "g(r)"}
"""What a profile along such a coordinate is."""


def draw(out: Path, summary: Summary, bins: dict[str, Bins], end_nm: float | None) -> None:
    """Write z.png, time.png and, where there are profiles, profiles.png.

    Columns without a number are not drawn.

    Args:
        out: The folder of the files.
        summary: The means.
        bins: Of each observable that has bins.
        end_nm: Where the bound basin ends; None where that is not known.
    """
    means = summary.in_window.value
    shown = [i for i in range(len(summary.columns)) if np.isfinite(means[:, i]).any()]
    if shown:
        _against_z(out / "z.png", summary, shown, end_nm)
        _against_time(out / "time.png", summary, shown)
    if bins and np.isfinite(summary.z_nm).any():
        _profiles(out / "profiles.png", summary, bins)


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels and room on the right.

    Margins are set, because to search for them takes longer than all the drawing.
    """
    across = min(MAX_PANELS_ACROSS, count)
    down = math.ceil(count / across)
    wide = PANEL_WIDTH * across + RIGHT_MARGIN
    high = PANEL_HEIGHT * down + TOP_MARGIN
    figure = Figure(figsize=(wide, high))
    FigureCanvasAgg(figure)
    figure.subplots_adjust(
        0.6 / wide,
        0.5 / high,
        1 - RIGHT_MARGIN / wide,
        1 - TOP_MARGIN / high,
        wspace=0.28,
        hspace=0.38,
    )
    axes = [figure.add_subplot(down, across, k + 1) for k in range(count)]
    for ax in axes:
        ax.locator_params(nbins=5)
        ax.tick_params(labelsize=8)
    return figure, axes


def _colour_bar(figure: Figure, colours: ScalarMappable, label: str) -> None:
    """The scale of colours at the right edge."""
    wide, high = figure.get_size_inches()
    figure.colorbar(
        colours,
        cax=figure.add_axes(
            (
                1 - (RIGHT_MARGIN - 0.2) / wide,
                0.5 / high,
                0.15 / wide,
                1 - (TOP_MARGIN + 0.5) / high,
            )
        ),
        label=label,
    )


def _against_z(path: Path, summary: Summary, shown: list[int], end_nm: float | None) -> None:
    """Draw the means of those columns in each window."""
    figure, axes = _panels(len(shown))
    for ax, i in zip(axes, shown, strict=True):
        if end_nm is not None:
            ax.axvspan(min(np.nanmin(summary.z_nm), end_nm), end_nm, color="0.93", zorder=0)
        ax.errorbar(
            summary.z_nm,
            summary.in_window.value[:, i],
            summary.in_window.error[:, i],
            fmt="o-",
            ms=3,
            lw=0.8,
            elinewidth=1,
            capsize=2,
        )
        ax.set_xlim(np.nanmin(summary.z_nm) - 0.05, np.nanmax(summary.z_nm) + 0.05)
        ax.set_title(summary.columns[i], fontsize=9)
    for ax in axes[-min(MAX_PANELS_ACROSS, len(axes)) :]:
        ax.set_xlabel("height of the anchor (nm)")
    figure.suptitle(
        "mean and error in each window" + (", bound basin grey" if end_nm is not None else ""),
        fontsize=10,
    )
    figure.savefig(path, dpi=110)


def _against_time(path: Path, summary: Summary, shown: list[int]) -> None:
    """Draw those columns against the time of each window."""
    figure, axes = _panels(len(shown))
    norm = Normalize(np.nanmin(summary.z_nm), np.nanmax(summary.z_nm) + 1e-9)
    colours = ScalarMappable(norm, COLOUR_MAP)
    for ax, i in zip(axes, shown, strict=True):
        for k, z in enumerate(summary.z_nm):
            time = (np.arange(TIMES) + 0.5) / TIMES * summary.window_ps[k]
            values = summary.times[k, :, i]
            known = np.isfinite(values)
            ax.plot(time[known], values[known], ".-", ms=2, lw=0.7, color=colours.to_rgba(z))
        ax.set_title(summary.columns[i], fontsize=9)
    for ax in axes[-min(MAX_PANELS_ACROSS, len(axes)) :]:
        ax.set_xlabel("time in the window (ps)")
    _colour_bar(figure, colours, "height of the anchor (nm)")
    figure.savefig(path, dpi=110)


def _profiles(path: Path, summary: Summary, bins: dict[str, Bins]) -> None:
    """Draw the profiles that are not zero everywhere."""
    panels = []
    for name in bins:
        for i in range(len(OBSERVABLES[name].columns)):
            if np.nan_to_num(summary.window_profiles[name][:, i]).any():
                panels.append((name, i))
    if not panels:
        return
    figure, axes = _panels(len(panels))
    colours = ScalarMappable(
        Normalize(np.nanmin(summary.z_nm), np.nanmax(summary.z_nm) + 1e-9), COLOUR_MAP
    )
    for ax, (name, i) in zip(axes, panels, strict=True):
        x = bins[name].centres
        for z, curve in zip(summary.z_nm, summary.window_profiles[name][:, i], strict=True):
            ax.plot(x, curve, lw=0.7, color=colours.to_rgba(z))
        if name in summary.profiles:
            ax.plot(x, summary.profiles[name].value[i], "k", lw=1.4)
        ax.set_title(f"{OBSERVABLES[name].columns[i]}, {UNITS[bins[name].axis]}", fontsize=9)
        ax.set_xlabel(bins[name].axis.replace("_nm", " (nm)"))
    _colour_bar(figure, colours, "height of the anchor (nm); black: bound basin")
    figure.savefig(path, dpi=110)
