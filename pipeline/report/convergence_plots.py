"""Whether the numbers of one run have settled: against time, between windows, against sampling."""

import math

import numpy as np
import plotly.graph_objects as go

from halobind.pipeline.free_energy.quantity import Quantity
from halobind.pipeline.report.colours import OKABE_ITO, transparent
from halobind.pipeline.report.plots import Plot, as_plot, rounded_list
from halobind.pipeline.report.run_results import RunResults
from halobind.pipeline.results.energy_unit import EnergyUnit

HEIGHT_PX = 340
TARGETS_KJ_MOL = (4.0, 2.0, 1.0)
"""Errors of dG0 whose price is told."""
OVERLAP_COLOURS = ((0.0, transparent(OKABE_ITO[0], 0.04)), (1.0, transparent(OKABE_ITO[0], 1.0)))
"""From nothing to blue, on a white and on a black page."""
MAX_OVERLAP = 0.5
"""What has the full colour: between neighbours half is as good as any more."""
MIN_SHOWN_OVERLAP = 1e-3
FORWARD = OKABE_ITO[0]
BACKWARD = OKABE_ITO[1]


def convergence_plots(result: RunResults, number: int, unit: EnergyUnit) -> list[Plot]:
    """The figures of one run, those that its estimate has data for.

    Args:
        result: the run.
        number: of the run in the report, for the ids of the figures.
        unit: of the energies.
    """
    plots = []
    if result.convergence and result.row.binding is not None:
        plots.append(_time_plot(result, number, unit))
        plots.append(_sampling_plot(result, number, unit))
    if result.overlap is not None and len(result.overlap) > 1:
        plots.append(_overlap_plot(result, result.overlap, number))
    return plots


def _time_plot(result: RunResults, number: int, unit: EnergyUnit) -> Plot:
    """dG0 from the first and from the last part of the data, with the band of the whole."""
    columns = result.convergence
    dG0 = result.row.known_binding.dG0_kJ_mol
    scale = unit.per_kJ_mol
    figure = go.Figure()
    if math.isfinite(dG0.value + dG0.error):
        figure.add_hrect(
            y0=(dG0.value - dG0.error) * scale,
            y1=(dG0.value + dG0.error) * scale,
            fillcolor="#888888",
            opacity=0.25,
            line_width=0,
        )
    for part, name, colour, symbol in (
        ("first", "first part of the time", FORWARD, "circle"),
        ("last", "last part of the time", BACKWARD, "square"),
    ):
        errors = [error * scale for error in columns[f"{part}_dG0_error_kJ_mol"]]
        figure.add_trace(
            go.Scatter(
                x=rounded_list([100 * fraction for fraction in columns["fraction"]]),
                y=rounded_list([value * scale for value in columns[f"{part}_dG0_kJ_mol"]]),
                error_y={"array": rounded_list(errors), "thickness": 1, "width": 3},
                mode="lines+markers",
                name=name,
                line={"color": colour, "width": 1.5},
                marker={"color": colour, "symbol": symbol, "size": 7},
                hovertemplate=f"{name}, %{{x:.0f}} %: %{{y:.1f}}<extra></extra>",
            )
        )
    figure.update_xaxes(title_text="part of the time that is used (%)", range=[0, 104])
    figure.update_yaxes(title_text=f"ΔG° ({unit.name})")
    return as_plot(figure, f"time-{number}", f"Convergence in time of {result.name}", HEIGHT_PX)


def _sampling_plot(result: RunResults, number: int, unit: EnergyUnit) -> Plot:
    """The error as it falls with sampling, and how far the number was from what it is now."""
    columns = result.convergence
    binding = result.row.known_binding
    scale = unit.per_kJ_mol
    fractions = np.array(columns["fraction"])
    values = np.array(columns["first_dG0_kJ_mol"])
    figure = go.Figure()
    figure.add_trace(
        go.Scatter(
            x=rounded_list((fractions * binding.sampling_ns).tolist()),
            y=rounded_list((np.array(columns["first_dG0_error_kJ_mol"]) * scale).tolist()),
            mode="lines",
            name="stated error, scaled by 1/√time",
            line={"color": FORWARD, "width": 2},
            hovertemplate="%{x:.3g} ns: ± %{y:.2f}<extra></extra>",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=rounded_list((fractions[:-1] * binding.sampling_ns).tolist()),
            y=rounded_list((np.abs(values[:-1] - values[-1]) * scale).tolist()),
            mode="markers",
            name="distance from the final ΔG°",
            marker={"color": BACKWARD, "symbol": "square", "size": 7},
            hovertemplate="%{x:.3g} ns: %{y:.2f} away<extra></extra>",
        )
    )
    figure.update_xaxes(title_text="sampled (ns)", rangemode="tozero")
    figure.update_yaxes(title_text=f"error of ΔG° ({unit.name})", rangemode="tozero")
    label = f"Error of {result.name} against sampling"
    return as_plot(figure, f"sampling-{number}", label, HEIGHT_PX)


def _overlap_plot(result: RunResults, overlap: np.ndarray, number: int) -> Plot:
    """The overlap matrix: how many samples of one window are where another one samples."""
    centers = [f"{center:.3f}" for center in result.centers_nm]
    if len(centers) != len(overlap):
        centers = [str(k + 1) for k in range(len(overlap))]
    shown = np.where(overlap >= MIN_SHOWN_OVERLAP, overlap, np.nan)
    figure = go.Figure(
        go.Heatmap(
            z=[rounded_list(row) for row in shown.tolist()],
            colorscale=OVERLAP_COLOURS,
            zmin=0,
            zmax=MAX_OVERLAP,
            xgap=1,
            ygap=1,
            colorbar={"title": {"text": "overlap"}, "thickness": 12},
            hovertemplate="windows %{y} and %{x}: %{z:.3f}<extra></extra>",
        )
    )
    ticks = list(range(0, len(centers), max(1, len(centers) // 4)))
    axis: dict[str, object] = {
        "tickmode": "array",
        "tickvals": ticks,
        "ticktext": [centers[k] for k in ticks],
        "tickangle": 0,
    }
    figure.update_xaxes(title_text="centre of the window (nm)", **axis)
    figure.update_yaxes(title_text="centre of the window (nm)", **axis)
    return as_plot(figure, f"overlap-{number}", f"Overlap of windows of {result.name}", HEIGHT_PX)


def needed_sampling_ns(dG0: Quantity, sampled_ns: float) -> list[float]:
    """Sampling (ns) at which each of TARGETS_KJ_MOL is met, if the error falls with its root.

    Args:
        dG0: with its error (kJ/mol).
        sampled_ns: what is sampled (ns).

    Returns:
        One number a target: what is sampled where it is met already, NaN without an error.
    """
    if not (math.isfinite(dG0.error) and dG0.error > 0):
        return [math.nan] * len(TARGETS_KJ_MOL)
    return [sampled_ns * max(1.0, dG0.error / target) ** 2 for target in TARGETS_KJ_MOL]
