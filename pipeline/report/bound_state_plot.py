"""A three-dimensional view of the bound state that turns with the mouse: balls and sticks."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from ase.data import atomic_numbers
from ase.data.colors import jmol_colors
from scipy.spatial import ConvexHull

from halobind.pipeline.report.bound_state import ROLES, BoundState
from halobind.pipeline.report.plots import Plot, as_plot, safe
from halobind.structures.models.picture import drawn_radius

POINTS_PER_BALL = 60
"""Corners of the polyhedron that stands for a ball."""
HIDDEN_ROLES = ("solvent", "dissolved ions")
"""What is in the legend but drawn only where a reader asks for it."""
STICK_PX = 7
LIGHTING = {"ambient": 0.95, "diffuse": 0.3, "specular": 0.1, "roughness": 0.7, "fresnel": 0.0}
"""Nearly the colours of the legend: atoms have to be told apart by them."""
CAMERA = {"eye": {"x": 0.62, "y": -0.85, "z": 0.3}, "projection": {"type": "orthographic"}}
SCENE_SIZE = 1.7
"""Largest edge of the scene, with which it fills the figure from CAMERA."""
HYDROGEN = "#d8d8d8"
"""Hydrogen is white elsewhere, which is not seen on a white page."""


def bound_state_plot(state: BoundState, key: str, name: str) -> Plot:
    """The bound state of one ligand.

    Args:
        state: its atoms.
        key: id of the figure in the page.
        name: the ligand.
    """
    figure = go.Figure()
    for role in ROLES:
        atoms = np.flatnonzero(np.array(state.roles) == role)
        visible = "legendonly" if role in HIDDEN_ROLES else True
        elements = [state.elements[i] for i in atoms]
        for element in sorted(set(elements), key=lambda symbol: -atomic_numbers[symbol]):
            part = atoms[np.array(elements) == element]
            figure.add_trace(_balls(state, part, role, element, visible))
        sticks = _sticks(state, set(atoms.tolist()), role, visible)
        if sticks is not None:
            figure.add_trace(sticks)
    hidden_axis = {"visible": False, "showspikes": False}
    figure.update_layout(
        scene={
            "xaxis": hidden_axis,
            "yaxis": hidden_axis,
            "zaxis": hidden_axis,
            "aspectmode": "manual",
            "aspectratio": dict(zip("xyz", _ratios(state), strict=True)),
            "camera": CAMERA,
            "dragmode": "orbit",
        }
    )
    return as_plot(figure, key, f"Three-dimensional view of {name} in its site", 560)


def _ratios(state: BoundState) -> list[float]:
    """Edges of the scene in plotly's unit, so that all axes have one scale."""
    visible = ~np.isin(state.roles, HIDDEN_ROLES)
    extent = np.ptp(state.positions, axis=0)
    largest = np.ptp(state.positions[visible], axis=0).max()
    ratios: list[float] = (SCENE_SIZE * extent / largest).tolist()
    return ratios


def unit_ball() -> tuple[np.ndarray, np.ndarray]:
    """Corners (n, 3) of a polyhedron about the unit ball, and its triangles (m, 3), outside out."""
    k = np.arange(POINTS_PER_BALL) + 0.5
    z = 1 - 2 * k / POINTS_PER_BALL
    turn = np.pi * (1 + np.sqrt(5)) * k
    ring = np.sqrt(1 - z**2)
    corners = np.column_stack([ring * np.cos(turn), ring * np.sin(turn), z])
    hull = ConvexHull(corners)
    triangles = hull.simplices.copy()
    a, b, c = (corners[triangles[:, i]] for i in range(3))
    inward = np.einsum("ij,ij->i", np.cross(b - a, c - a), a) < 0
    triangles[inward] = triangles[inward][:, ::-1]
    return corners, triangles


def _balls(
    state: BoundState, atoms: np.ndarray, role: str, element: str, visible: bool | str
) -> go.Mesh3d:
    """All atoms of one element and role as one mesh."""
    corners, triangles = unit_ball()
    is_bonded = bool(np.isin(atoms, state.bonds).any())
    radius = drawn_radius(element, is_bonded)
    points = (state.positions[atoms][:, None] + radius * corners[None]).reshape(-1, 3)
    shift = len(corners) * np.arange(len(atoms))
    faces = (triangles[None] + shift[:, None, None]).reshape(-1, 3).astype(np.int32)
    texts = [f"{element} of {safe(state.residues[i])}, {role}" for i in atoms]
    x, y, z = points.astype(np.float32).T
    return go.Mesh3d(
        x=x,
        y=y,
        z=z,
        i=faces[:, 0],
        j=faces[:, 1],
        k=faces[:, 2],
        color=_colour(element),
        lighting=LIGHTING,
        lightposition={"x": 1000, "y": -2000, "z": 3000},
        flatshading=False,
        name=f"{element} ({role})",
        legendgroup=role,
        showlegend=True,
        visible=visible,
        hovertemplate=f"{texts[0] if texts else element}<extra></extra>",
    )


def _sticks(
    state: BoundState, atoms: set[int], role: str, visible: bool | str
) -> go.Scatter3d | None:
    """The bonds between some atoms, as one broken line; None where there is none."""
    bonds = [(i, j) for i, j in state.bonds.tolist() if i in atoms]
    if not bonds:
        return None
    gap = np.full(3, np.nan, dtype=np.float32)
    points = np.array(
        [point for i, j in bonds for point in (state.positions[i], state.positions[j], gap)],
        dtype=np.float32,
    )
    return go.Scatter3d(
        x=points[:, 0],
        y=points[:, 1],
        z=points[:, 2],
        mode="lines",
        line={"color": "#909090", "width": STICK_PX},
        name=f"bonds ({role})",
        legendgroup=role,
        showlegend=False,
        visible=visible,
        hoverinfo="skip",
    )


def _colour(element: str) -> str:
    """The colour of an element that chemists are used to (Jmol)."""
    if element == "H":
        return HYDROGEN
    values: Sequence[float] = jmol_colors[atomic_numbers[element]].tolist()
    return "#" + "".join(f"{round(255 * value):02x}" for value in values)
