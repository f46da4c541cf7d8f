"""A picture of a model: side and top view, ions as spheres, ligands as sticks, what is far away paler."""

from collections import Counter
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers
from ase.data.colors import jmol_colors
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import EllipseCollection, LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from structures.model import Model
from structures.radii import CONTACT_RADII

PANEL_INCHES = 6.0
ION_SCALE = 0.72  # of the contact radius, so that the lattice behind shows
STICK_NM = 0.055
ATOM_NM = 0.055  # radius of the atoms of molecules
HEAD_NM = 0.085  # of those that bind: nitrogen, oxygen, phosphorus, sulfur
SLICES = 40  # the drawing is built up from the back in this many layers
FADE = 0.55  # how much white the farthest layer gets
PAD_NM = 0.25
VIEWS = {"side view": (0, 2, 1, -1.0), "top view": (0, 1, 2, 1.0)}  # right, up, depth axis, sign that makes nearer larger


def picture(model: Model, path: Path) -> None:
    """Draw the model without its solvent into a PNG. Raises OSError when it cannot be written."""
    drawn = np.setdiff1d(np.arange(model.n_atoms), model.groups["solvent"])
    figure = Figure(figsize=(2 * PANEL_INCHES, PANEL_INCHES + 1.1), dpi=130)
    FigureCanvasAgg(figure)
    for number, (title, view) in enumerate(VIEWS.items()):
        axes = figure.add_axes((0.02 + 0.5 * number, 0.09, 0.46, 0.78))
        _panel(axes, model, drawn, view)
        axes.set_title(title, fontsize=11, color="0.25")
    figure.text(0.5, 0.955, _caption(model), ha="center", va="center", fontsize=12)
    elements = sorted({model.elements[i] for i in drawn}, key=lambda e: -atomic_numbers[e])
    handles = [
        Line2D([], [], marker="o", linestyle="", markersize=9, markerfacecolor=_colour(e), markeredgecolor="0.3", label=e) for e in elements
    ]
    figure.legend(handles=handles, loc="lower center", ncol=len(handles), frameon=False, fontsize=11, handletextpad=0.2, columnspacing=1.4)
    figure.savefig(path, format="png")


def _caption(model: Model) -> str:
    counts = Counter(residue.name for residue in model.residues)
    crystal = Counter(residue.name for residue in model.residues if residue.start in set(model.groups["core"].tolist()))
    solvent = {r.name for r in model.residues if len(model.groups["solvent"]) and r.start >= model.groups["solvent"][0]}
    parts = [
        " ".join(f"{name.capitalize() if len(name) == 2 and name not in ('MA', 'FA') else name}$_{{{n}}}$" for name, n in crystal.items())
    ]
    parts += [f"{n - crystal[name]} {name}" for name, n in counts.items() if name not in solvent and n > crystal[name]]
    parts += [f"{counts[name]} {name} (not drawn)" for name in counts if name in solvent]
    return "  ·  ".join(parts)


def _colour(element: str) -> np.ndarray:
    return np.array(jmol_colors[atomic_numbers[element]])


def _panel(axes: object, model: Model, drawn: np.ndarray, view: tuple[int, int, int, float]) -> None:
    right, up, deep, sign = view
    xyz = model.positions
    low, high = _frame(model, drawn, (right, up))
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.set_aspect("equal")
    axes.set_axis_off()
    depth = sign * xyz[:, deep]
    near, far = depth[drawn].max(), depth[drawn].min()
    crystal = depth[model.groups["core"]] if len(model.groups["core"]) else depth[drawn]
    level = np.clip(((depth - far) / max(near - far, 1e-9) * (SLICES - 1)).astype(int), 0, SLICES - 1)
    mol = np.zeros(model.n_atoms, dtype=bool)
    mol[np.unique(model.bonds)] = True
    radii = np.array([_radius(model.elements[i], mol[i]) for i in range(model.n_atoms)])
    colours = np.array([_colour(e) for e in model.elements])
    inches = min(PANEL_INCHES * 0.92 / (high[0] - low[0]), (PANEL_INCHES + 1.1) * 0.78 / (high[1] - low[1]))
    visible = np.zeros(model.n_atoms, dtype=bool)
    visible[drawn] = True
    bonds = model.bonds[visible[model.bonds].all(axis=1)] if len(model.bonds) else model.bonds
    bond_level = level[bonds].min(axis=1) if len(bonds) else np.zeros(0, dtype=int)
    flat = xyz[:, [right, up]]
    for layer in range(SLICES):
        height = far + (near - far) * layer / (SLICES - 1)
        fade = FADE * float(np.clip((crystal.max() - height) / max(np.ptp(crystal), 1e-9), 0.0, 1.0))  # the front of the crystal is unfaded
        _sticks(axes, flat, bonds[bond_level == layer], (colours, fade, 72 * inches * STICK_NM, 3 * layer))
        _spheres(axes, flat, drawn[level[drawn] == layer], (colours, fade, radii, 3 * layer + 1))
    _box(axes, model, (right, up), low, high)


def _frame(model: Model, drawn: np.ndarray, plane: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """What the panel shows: the drawn atoms with a margin."""
    flat = model.positions[drawn][:, plane]
    margin = PAD_NM + 0.15
    return flat.min(axis=0) - margin - [0.0, 0.25], flat.max(axis=0) + margin


def _radius(element: str, molecular: bool) -> float:
    if molecular:
        return HEAD_NM if element in ("N", "O", "P", "S") else ATOM_NM * (0.75 if element == "H" else 1.0)
    return ION_SCALE * CONTACT_RADII[element]


def _spheres(axes: object, flat: np.ndarray, index: np.ndarray, style: tuple[np.ndarray, float, np.ndarray, int]) -> None:
    colours, fade, radii, order = style
    if not len(index):
        return
    size, plain = 2 * radii[index], _faded(colours[index], fade)
    common = {"units": "xy", "transOffset": axes.transData}
    edge = _faded(0.45 * colours[index], fade)
    axes.add_collection(
        EllipseCollection(
            size, size, np.zeros(len(index)), offsets=flat[index], facecolors=plain, edgecolors=edge, linewidths=0.5, zorder=order, **common
        )
    )
    shine = flat[index] + radii[index, None] * np.array([-0.28, 0.28])
    light = np.concatenate([0.4 * plain + 0.6, np.full((len(index), 1), 0.55)], axis=1)
    small = 0.42 * size
    axes.add_collection(
        EllipseCollection(small, small, np.zeros(len(index)), offsets=shine, facecolors=light, linewidths=0, zorder=order + 0.1, **common)
    )


def _sticks(axes: object, flat: np.ndarray, bonds: np.ndarray, style: tuple[np.ndarray, float, float, int]) -> None:
    """Every bond as two halves in the colours of its atoms, over a darker, wider line."""
    colours, fade, width, order = style
    if not len(bonds):
        return
    a, b = flat[bonds[:, 0]], flat[bonds[:, 1]]
    middle = (a + b) / 2
    lines = np.concatenate([np.stack([a, middle], axis=1), np.stack([middle, b], axis=1)])
    inks = np.concatenate([colours[bonds[:, 0]], colours[bonds[:, 1]]])
    axes.add_collection(LineCollection(lines, colors=_faded(0.35 * inks, fade), linewidths=1.5 * width, capstyle="round", zorder=order))
    axes.add_collection(LineCollection(lines, colors=_faded(inks, fade), linewidths=width, capstyle="round", zorder=order + 0.1))


def _faded(colours: np.ndarray, fade: float) -> np.ndarray:
    return colours + (1.0 - colours) * fade


def _box(axes: object, model: Model, plane: tuple[int, int], low: np.ndarray, high: np.ndarray) -> None:
    """The periodic box where it is inside the panel, and a scale bar of 1 nm."""
    inside = model.groups["core"] if len(model.groups["core"]) else np.arange(model.n_atoms)
    centre = (model.positions[inside].min(axis=0) + model.positions[inside].max(axis=0)) / 2
    corner = centre[list(plane)] - model.box[list(plane)] / 2
    axes.add_patch(
        Rectangle(corner, *model.box[list(plane)], fill=False, linestyle=(0, (4, 3)), linewidth=0.8, edgecolor="0.6", zorder=200)
    )
    start = low + [0.1, 0.12]
    axes.plot([start[0], start[0] + 1.0], [start[1]] * 2, color="0.15", linewidth=2.5, zorder=300, solid_capstyle="butt")
    axes.text(start[0] + 1.08, start[1], "1 nm", va="center", ha="left", fontsize=9, color="0.15", zorder=300)
