"""Figures of observables: against the height, against time, and profiles."""

import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from pipeline.observables import OBSERVABLES
from pipeline.observed import TIMES, Summary
from pipeline.profiles import Bins

PANEL = (3.4, 2.5)  # inches
ACROSS = 4
MAP = "viridis"


def draw(out: Path, found: Summary, bins: dict[str, Bins], end_nm: float | None) -> None:
    """Write z.png, time.png and, where there are profiles, profiles.png. Columns without a number are left out."""
    shown = [i for i in range(len(found.columns)) if np.isfinite(found.in_window[0][:, i]).any()]
    if shown:
        _against_z(out / "z.png", found, shown, end_nm)
        _against_time(out / "time.png", found, shown)
    if bins:
        _profiles(out / "profiles.png", found, bins)


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    across = min(ACROSS, count)
    down = math.ceil(count / across)
    figure = Figure(figsize=(PANEL[0] * across + 0.6, PANEL[1] * down + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(down, across, squeeze=False).ravel().tolist()
    for unused in axes[count:]:
        unused.set_axis_off()
    return figure, axes[:count]


def _against_z(path: Path, found: Summary, shown: list[int], end_nm: float | None) -> None:
    figure, axes = _panels(len(shown))
    for ax, i in zip(axes, shown, strict=True):
        if end_nm is not None:
            ax.axvspan(min(found.z_nm.min(), end_nm), end_nm, color="0.93", zorder=0)
        ax.errorbar(found.z_nm, found.in_window[0][:, i], found.in_window[1][:, i], fmt="o-", ms=3, lw=0.8, elinewidth=1, capsize=2)
        ax.set_title(found.columns[i], fontsize=9)
    for ax in axes[-min(ACROSS, len(axes)) :]:
        ax.set_xlabel("height of the anchor (nm)")
    figure.suptitle("mean and error in each window" + (", bound basin grey" if end_nm is not None else ""), fontsize=10)
    figure.savefig(path, dpi=110)


def _against_time(path: Path, found: Summary, shown: list[int]) -> None:
    figure, axes = _panels(len(shown))
    norm = Normalize(found.z_nm.min(), found.z_nm.max() + 1e-9)
    colours = ScalarMappable(norm, MAP)
    for ax, i in zip(axes, shown, strict=True):
        for k, z in enumerate(found.z_nm):
            time, values = (np.arange(TIMES) + 0.5) / TIMES * found.window_ps[k], found.times[k, :, i]
            known = np.isfinite(values)
            ax.plot(time[known], values[known], ".-", ms=2, lw=0.7, color=colours.to_rgba(z))
        ax.set_title(found.columns[i], fontsize=9)
    for ax in axes[-min(ACROSS, len(axes)) :]:
        ax.set_xlabel("time in the window (ps)")
    figure.colorbar(colours, ax=axes, label="height of the anchor (nm)", fraction=0.02)
    figure.savefig(path, dpi=110)


def _profiles(path: Path, found: Summary, bins: dict[str, Bins]) -> None:
    panels = [(name, i) for name in bins for i in range(len(OBSERVABLES[name].columns))]
    panels = [(name, i) for name, i in panels if np.nan_to_num(found.window_profiles[name][:, i]).any()]
    if not panels:
        return
    figure, axes = _panels(len(panels))
    colours = ScalarMappable(Normalize(found.z_nm.min(), found.z_nm.max() + 1e-9), MAP)
    for ax, (name, i) in zip(axes, panels, strict=True):
        x = bins[name].centres
        for z, curve in zip(found.z_nm, found.window_profiles[name][:, i], strict=True):
            ax.plot(x, curve, lw=0.7, color=colours.to_rgba(z))
        if name in found.profiles:
            ax.plot(x, found.profiles[name][0][i], "k", lw=1.4)
        ax.set_title(f"{name}: {OBSERVABLES[name].columns[i]}", fontsize=9)
        ax.set_xlabel(bins[name].axis.replace("_nm", " (nm)"))
    figure.colorbar(colours, ax=axes, label="height of the anchor (nm); black: bound basin", fraction=0.02)
    figure.savefig(path, dpi=110)
