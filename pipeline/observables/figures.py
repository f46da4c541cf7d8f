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

PANEL, RIGHT, TOP = (3.4, 2.5), 1.0, 0.6  # inches: a panel, the margins for colours and title
ACROSS = 4
MAP = "viridis"
UNITS = {
    "height_nm": "heavy atoms per nm³",
    "distance_nm": "g(r)",
}  # of a profile along such a coordinate


def draw(out: Path, found: Summary, bins: dict[str, Bins], end_nm: float | None) -> None:
    """Write z.png, time.png and, where there are profiles, profiles.png. Columns without a number
    are left out.
    """
    shown = [i for i in range(len(found.columns)) if np.isfinite(found.in_window[0][:, i]).any()]
    if shown:
        _against_z(out / "z.png", found, shown, end_nm)
        _against_time(out / "time.png", found, shown)
    if bins and np.isfinite(found.z_nm).any():
        _profiles(out / "profiles.png", found, bins)


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels and room on the right; margins are set, not searched for, which
    takes longer than all the drawing.
    """
    across = min(ACROSS, count)
    down = math.ceil(count / across)
    wide, high = PANEL[0] * across + RIGHT, PANEL[1] * down + TOP
    figure = Figure(figsize=(wide, high))
    FigureCanvasAgg(figure)
    figure.subplots_adjust(
        0.6 / wide, 0.5 / high, 1 - RIGHT / wide, 1 - TOP / high, wspace=0.28, hspace=0.38
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
            (1 - (RIGHT - 0.2) / wide, 0.5 / high, 0.15 / wide, 1 - (TOP + 0.5) / high)
        ),
        label=label,
    )


def _against_z(path: Path, found: Summary, shown: list[int], end_nm: float | None) -> None:
    figure, axes = _panels(len(shown))
    for ax, i in zip(axes, shown, strict=True):
        if end_nm is not None:
            ax.axvspan(min(np.nanmin(found.z_nm), end_nm), end_nm, color="0.93", zorder=0)
        ax.errorbar(
            found.z_nm,
            found.in_window[0][:, i],
            found.in_window[1][:, i],
            fmt="o-",
            ms=3,
            lw=0.8,
            elinewidth=1,
            capsize=2,
        )
        ax.set_xlim(np.nanmin(found.z_nm) - 0.05, np.nanmax(found.z_nm) + 0.05)
        ax.set_title(found.columns[i], fontsize=9)
    for ax in axes[-min(ACROSS, len(axes)) :]:
        ax.set_xlabel("height of the anchor (nm)")
    figure.suptitle(
        "mean and error in each window" + (", bound basin grey" if end_nm is not None else ""),
        fontsize=10,
    )
    figure.savefig(path, dpi=110)


def _against_time(path: Path, found: Summary, shown: list[int]) -> None:
    figure, axes = _panels(len(shown))
    norm = Normalize(np.nanmin(found.z_nm), np.nanmax(found.z_nm) + 1e-9)
    colours = ScalarMappable(norm, MAP)
    for ax, i in zip(axes, shown, strict=True):
        for k, z in enumerate(found.z_nm):
            time, values = (
                (np.arange(TIMES) + 0.5) / TIMES * found.window_ps[k],
                found.times[k, :, i],
            )
            known = np.isfinite(values)
            ax.plot(time[known], values[known], ".-", ms=2, lw=0.7, color=colours.to_rgba(z))
        ax.set_title(found.columns[i], fontsize=9)
    for ax in axes[-min(ACROSS, len(axes)) :]:
        ax.set_xlabel("time in the window (ps)")
    _colour_bar(figure, colours, "height of the anchor (nm)")
    figure.savefig(path, dpi=110)


def _profiles(path: Path, found: Summary, bins: dict[str, Bins]) -> None:
    panels = [(name, i) for name in bins for i in range(len(OBSERVABLES[name].columns))]
    panels = [
        (name, i) for name, i in panels if np.nan_to_num(found.window_profiles[name][:, i]).any()
    ]
    if not panels:
        return
    figure, axes = _panels(len(panels))
    colours = ScalarMappable(Normalize(np.nanmin(found.z_nm), np.nanmax(found.z_nm) + 1e-9), MAP)
    for ax, (name, i) in zip(axes, panels, strict=True):
        x = bins[name].centres
        for z, curve in zip(found.z_nm, found.window_profiles[name][:, i], strict=True):
            ax.plot(x, curve, lw=0.7, color=colours.to_rgba(z))
        if name in found.profiles:
            ax.plot(x, found.profiles[name][0][i], "k", lw=1.4)
        ax.set_title(f"{OBSERVABLES[name].columns[i]}, {UNITS[bins[name].axis]}", fontsize=9)
        ax.set_xlabel(bins[name].axis.replace("_nm", " (nm)"))
    _colour_bar(figure, colours, "height of the anchor (nm); black: bound basin")
    figure.savefig(path, dpi=110)
