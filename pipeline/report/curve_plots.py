"""The curves of all runs in one figure, and the replicas of each ligand against each other."""

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from halobind.pipeline.free_energy.curve_figure import curve_limits
from halobind.pipeline.report.colours import colours_of, transparent
from halobind.pipeline.report.plots import Plot, as_plot, rounded_list, safe
from halobind.pipeline.report.run_results import RunResults
from halobind.pipeline.results.energy_unit import EnergyUnit
from halobind.pipeline.results.summary_cells import label_cell, label_names
from halobind.pipeline.results.table_rows import TableRow

HEIGHT_AXIS = "height of the anchor over its site (nm)"
MARKER_PX = 11


def row_name(row: TableRow, names: Sequence[str]) -> str:
    """What tells a row from the others: the labels `names`, with the unit of the temperature."""
    parts = [
        f"{label_cell(row, name)} K" if name == "temperature_K" else label_cell(row, name)
        for name in names
    ]
    return ", ".join(parts)


def curves_plot(results: Sequence[RunResults], unit: EnergyUnit) -> Plot | None:
    """Every curve with a band of one standard error; wells, barriers and plateaus are marked.

    A ligand has one colour; the line is dashed where a replica started on the way back in.

    Returns:
        The figure; None where no run has a curve.
    """
    with_curve = [result for result in results if result.row.curve is not None]
    if not with_curve:
        return None
    names = label_names([result.row for result in results])
    colours = colours_of([row_name(result.row, names) for result in with_curve])
    figure = go.Figure()
    scale = unit.per_kJ_mol
    shown: set[str] = set()
    for result in with_curve:
        name = row_name(result.row, names)
        _add_curve(figure, result, name, colours[name], scale, in_legend=name not in shown)
        shown.add(name)
    _add_marks(figure, with_curve, names, colours, scale)
    spans = [result.plateau_nm for result in with_curve if result.plateau_nm is not None]
    for span in set(spans):
        figure.add_vrect(x0=span[0], x1=span[1], fillcolor="#888888", opacity=0.12, line_width=0)
    if spans:
        figure.add_annotation(
            x=max(span[1] for span in spans),
            y=1,
            yref="paper",
            text="plateau: solution",
            showarrow=False,
            xanchor="right",
            yanchor="top",
        )
    figure.add_hline(y=0, line_width=1, line_color="#888888")
    low, high = curve_limits([result.row.curve for result in with_curve if result.row.curve])
    figure.update_yaxes(
        title_text=f"free energy W over the plateau ({unit.name})",
        range=[low * scale, high * scale],
    )
    figure.update_xaxes(title_text=HEIGHT_AXIS)
    return as_plot(figure, "curves", "Free-energy curves of all runs", 520)


def _add_curve(
    figure: go.Figure,
    result: RunResults,
    name: str,
    colour: str,
    scale: float,
    *,
    in_legend: bool,
) -> None:
    """One line and its band; both go and come with the ligand's name in the legend."""
    curve = result.row.curve
    if curve is None:
        return
    known = np.isfinite(curve.W)
    z = curve.z_nm[known]
    W = curve.W[known] * scale
    error = np.nan_to_num(curve.W_error[known]) * scale
    figure.add_trace(
        go.Scatter(
            x=rounded_list([*z.tolist(), *z[::-1].tolist()]),
            y=rounded_list([*(W + error).tolist(), *(W - error)[::-1].tolist()]),
            fill="toself",
            fillcolor=transparent(colour, 0.22),
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
            legendgroup=name,
        )
    )
    where = f"{safe(name)}, replica {safe(result.row.replica)} ({safe(result.row.path)})"
    figure.add_trace(
        go.Scatter(
            x=rounded_list(z.tolist()),
            y=rounded_list(W.tolist()),
            mode="lines",
            name=safe(name),
            legendgroup=name,
            showlegend=in_legend,
            line={"color": colour, "width": 2, "dash": "dash" if result.is_back else "solid"},
            hovertemplate=f"{where}<br>%{{x:.3f}} nm: %{{y:.1f}}<extra></extra>",
        )
    )


def _add_marks(
    figure: go.Figure,
    results: Sequence[RunResults],
    names: Sequence[str],
    colours: dict[str, str],
    scale: float,
) -> None:
    """A triangle at the bottom of every well, one at the top of every barrier."""
    wells = []
    barriers = []
    for result in results:
        colour = colours[row_name(result.row, names)]
        binding = result.row.known_binding
        depth = binding.well_depth_kJ_mol.value
        if math.isfinite(depth):
            wells.append((binding.z_min_nm.value, depth * scale, colour))
        if result.barrier is not None:
            barriers.append((result.barrier[0], result.barrier[1] * scale, colour))
    for marks, symbol, name in (
        (wells, "triangle-up", "well"),
        (barriers, "triangle-down", "barrier"),
    ):
        if marks:
            x, y, colour_list = (list(column) for column in zip(*marks, strict=True))
            figure.add_trace(
                go.Scatter(
                    x=rounded_list(x),
                    y=rounded_list(y),
                    mode="markers",
                    name=name,
                    marker={
                        "symbol": symbol,
                        "size": MARKER_PX,
                        "color": colour_list,
                        "line": {"width": 1, "color": "#ffffff"},
                    },
                    hovertemplate=f"{name} at %{{x:.3f}} nm: %{{y:.1f}}<extra></extra>",
                )
            )


def replicas_plot(
    results: Sequence[RunResults], ligands: Sequence[TableRow], unit: EnergyUnit
) -> Plot | None:
    """dG0 of every run of a ligand beside the mean, each with its error.

    Args:
        results: the runs.
        ligands: the ligands over their replicas.
        unit: of the energies.

    Returns:
        The figure; None where no ligand has two replicas with a number.
    """
    names = label_names(ligands)
    runs = [result for result in results if result.row.has_dG0]
    counts = [row_name(result.row, names) for result in runs]
    if not any(counts.count(name) > 1 for name in counts):
        return None
    scale = unit.per_kJ_mol
    figure = go.Figure()
    for label, symbol, is_back in (
        ("run that started on the way out", "triangle-right", False),
        ("run that started on the way back in", "triangle-left", True),
    ):
        rows = [result.row for result in runs if result.is_back is is_back]
        if rows:
            figure.add_trace(_points(rows, names, scale, label, symbol))
    means = [row for row in ligands if row.has_dG0]
    figure.add_trace(_points(means, names, scale, "mean, with the error of the table", "diamond"))
    figure.update_yaxes(title_text=f"ΔG° ({unit.name})")
    n_shown = len(dict.fromkeys(counts))
    figure.update_xaxes(type="category", range=[-0.6, n_shown - 0.4])
    return as_plot(figure, "replicas", "Binding free energy of every replica", 360)


def _points(
    rows: Sequence[TableRow], names: Sequence[str], scale: float, label: str, symbol: str
) -> go.Scatter:
    """Points with error bars, one a row."""
    numbers = [row.known_binding.dG0_kJ_mol for row in rows]
    is_mean = symbol == "diamond"
    return go.Scatter(
        x=[safe(row_name(row, names)) for row in rows],
        y=rounded_list([number.value * scale for number in numbers]),
        error_y={"array": rounded_list([number.error * scale for number in numbers]), "width": 6},
        mode="markers",
        name=label,
        marker={
            "symbol": symbol,
            "size": 14 if is_mean else MARKER_PX,
            "color": "#8a8a8a" if is_mean else ("#0072B2" if "right" in symbol else "#D55E00"),
            "opacity": 0.6 if is_mean else 1.0,
        },
        hovertemplate="%{x}: %{y:.1f} ± %{error_y.array:.1f}<extra></extra>",
    )
