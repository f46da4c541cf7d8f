"""What all figures of the report share: names that are safe to show, axes, and plotly itself."""

import html
import importlib.util
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from halobind.pipeline.campaign.settings import CampaignError

if TYPE_CHECKING:
    import plotly.graph_objects as go

NEEDED = ("plotly", "jinja2")
"""What the extra `report` installs."""


@dataclass(frozen=True)
class Plot:
    """One interactive figure of the page."""

    key: str
    """Its id in the page."""
    json: str
    """Traces and layout, as Plotly.newPlot takes them."""
    label: str
    """What is read out where the figure is not seen."""
    height_px: int
    """How high it is drawn."""


def check_installed() -> None:
    """Raise CampaignError, with how to install it, where the extra `report` is missing."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise CampaignError(
            f"{' and '.join(missing)}, which halobind report draws with, cannot be imported; in a"
            " checkout: pip install -c constraints.txt '.[report]', elsewhere: pip install"
            " 'halobind[report]'"
        )


def safe(text: str) -> str:
    """A text as plotly shows it letter by letter; it reads tags such as <b> otherwise."""
    return html.escape(" ".join(text.split()), quote=False)


def as_plot(figure: "go.Figure", key: str, label: str, height_px: int) -> Plot:
    """A figure as data for the page, with the margins and fonts that all of them have."""
    figure.update_layout(
        template="none",
        margin={"l": 70, "r": 16, "t": 12, "b": 56},
        hovermode="closest",
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        height=height_px,
    )
    figure.update_xaxes(automargin=True, title_standoff=8)
    figure.update_yaxes(automargin=True, title_standoff=8)
    # "<" would end the script element that holds the data where "/script>" follows
    content = str(figure.to_json()).replace("<", "\\u003c")
    return Plot(key, content, label, height_px)


def rounded_list(values: list[float]) -> list[float | None]:
    """Numbers with six digits, None for NaN, so that the page stays small."""
    return [json.loads(f"{value:.6g}") if value == value else None for value in values]
