"""Measured profiles of a run over the bound basin."""

import plotly.graph_objects as go

from halobind.pipeline.report.colours import OKABE_ITO
from halobind.pipeline.report.plots import Plot, as_plot, rounded_list, safe
from halobind.pipeline.report.run_results import Profile, RunResults

AXES = {
    "height_nm": ("height over the site (nm)", "heavy atoms per nm³"),
    "distance_nm": ("distance from the anchor (nm)", "g(r)"),
}
"""Titles of the axes of a profile along each coordinate."""


SPECIES = ("metal", "halide", "ligand", "solvent", "A site", "coating", "dissolved")
COLOURS = dict(zip(SPECIES, OKABE_ITO, strict=True))
"""A species has the same colour in every figure."""


def observable_plots(result: RunResults, number: int) -> list[Plot]:
    """A figure for each coordinate that profiles were measured along."""
    plots = []
    for coordinate, (x_title, y_title) in AXES.items():
        profiles = [p for p in result.profiles if p.coordinate == coordinate]
        if profiles:
            figure = _profiles_figure(profiles)
            figure.update_xaxes(title_text=x_title)
            figure.update_yaxes(title_text=y_title, rangemode="tozero")
            label = f"{y_title} against {x_title}, {result.name}"
            plots.append(as_plot(figure, f"{coordinate}-{number}", label, 340))
    return plots


def _profiles_figure(profiles: list[Profile]) -> go.Figure:
    figure = go.Figure()
    for profile in profiles:
        figure.add_trace(
            go.Scatter(
                x=rounded_list(profile.x_nm),
                y=rounded_list(profile.value),
                mode="lines",
                name=safe(profile.species),
                line={"color": COLOURS.get(profile.species, OKABE_ITO[-1]), "width": 1.8},
                hovertemplate=f"{safe(profile.species)}, %{{x:.2f}} nm: %{{y:.2f}}<extra></extra>",
            )
        )
    return figure
