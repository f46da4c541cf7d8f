"""A picture of a model: side and top view, ions as spheres, ligands as sticks, far atoms paler."""

import base64
import io
from collections import Counter
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers
from ase.data.colors import jmol_colors
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import EllipseCollection, LineCollection
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from halobind.structures.models.model import PARTITION, Model
from halobind.structures.molecules.catalogue import ION_CHARGES
from halobind.structures.molecules.periodic import minimum_image
from halobind.structures.molecules.radii import CONTACT_RADII

WIDTH_IN = 12.0
HEIGHT_IN = 7.1
SIDE_MARGIN_IN = 0.35  # at the sides and between the panels
BOTTOM_MARGIN_IN = 0.75
TOP_MARGIN_IN = 1.15
DPI = 130
ION_SCALE = 0.72  # of the contact radius, so that the lattice behind shows
STICK_NM = 0.055
ATOM_NM = 0.055  # radius of the atoms of molecules
HEAD_NM = 0.085  # of those that bind: nitrogen, oxygen, phosphorus, sulfur
SLICE_NM = 0.12  # the drawing is built up from the back in layers of this thickness
SHADES = 31  # of each of red, green and blue
MAX_FADE = 0.4  # how much white the farthest layer gets
PAD_NM = 0.3
MAX_BOX_SCALE = 1.9  # the box is shown where it is not longer than this times what is drawn
POINTS_PER_INCH = 72


@dataclass(frozen=True)
class _View:
    """A direction to look along."""

    title: str
    """What it is called."""
    right: int
    """The axis of the box that points to the right."""
    up: int
    """The axis that points up."""
    depth: int
    """The axis along which one looks."""
    sign: float
    """1 or -1, times the coordinate along `depth`: nearer atoms have the larger value."""

    @property
    def plane(self) -> list[int]:
        """The axes that are drawn."""
        return [self.right, self.up]


VIEWS = (_View("side view", 0, 2, 1, -1.0), _View("top view", 0, 1, 2, 1.0))


@dataclass(frozen=True, eq=False)
class _Frame:
    """The part of the plane that a panel shows."""

    low: np.ndarray
    """Its lower left corner (2,) in nm."""
    high: np.ndarray
    """Its upper right corner (2,) in nm."""

    @property
    def size(self) -> np.ndarray:
        """Width and height (2,) in nm."""
        size: np.ndarray = self.high - self.low
        return size


@dataclass(frozen=True, eq=False)
class _Drawing:
    """What both panels draw."""

    model: Model
    """The model."""
    xyz: np.ndarray
    """Positions (n_atoms, 3) in nm, residues whole."""
    drawn: np.ndarray
    """The atoms drawn as spheres and sticks: all but the solvent."""
    inches_per_nm: float
    """The scale of both panels."""
    solvent: bool
    """Whether the solvent is drawn, as thin lines."""


@dataclass(frozen=True, eq=False)
class _Layer:
    """How the atoms of one layer are drawn."""

    colours: np.ndarray
    """Red, green and blue (n_atoms, 3) of each atom, 0 to 1."""
    radii: np.ndarray
    """Radius (n_atoms,) in nm of each atom."""
    fade: float
    """How much white is mixed in, 0 to 1."""
    stick_points: float
    """Width of a stick."""
    order: int
    """Where the layer is in the stack of drawn things."""


def draw_model(model: Model, path: Path, solvent: bool = False) -> None:
    """Draw the model into a PNG file.

    Args:
        model: The model.
        path: The file.
        solvent: Whether to draw the solvent, as thin lines; the caption tells it in any case.

    Raises:
        OSError: When the file cannot be written.
        ValueError: When the model is nothing but solvent.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"cannot draw {path}: there is no folder {path.parent}; create it or choose another"
            " path"
        )
    imsave(path, _pixels(model, solvent, f" in {path}"), format="png")


def model_html(model: Model) -> str:
    """The picture of a model as an <img> that holds all of it; a text where all is solvent."""
    if len(model.groups["solvent"]) == model.n_atoms:
        return f"<p>{escape(repr(model))}</p>"
    picture = io.BytesIO()
    imsave(picture, _pixels(model, solvent=False), format="png")
    data = base64.b64encode(picture.getvalue()).decode("ascii")
    source = f"data:image/png;base64,{data}"
    return f'<img src="{source}" alt="{escape(repr(model))}" style="max-width: 100%">'


def _pixels(model: Model, solvent: bool, where: str = "") -> np.ndarray:
    """The picture as red, green and blue (height, width, 3), 0 to 1.

    Args:
        model: The model.
        solvent: Whether to draw the solvent, as thin lines.
        where: What a message says of the file.

    Raises:
        ValueError: When the model is nothing but solvent.
    """
    drawn = np.setdiff1d(np.arange(model.n_atoms), model.groups["solvent"])
    if not len(drawn):
        raise ValueError(f"nothing to draw{where}: all {model.n_atoms} atoms are solvent")
    xyz = _gathered(model)
    figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), dpi=DPI)
    canvas = FigureCanvasAgg(figure)
    frames = [_frame(model, xyz[drawn], view.plane) for view in VIEWS]
    sizes = np.array([frame.size for frame in frames])
    panel_height = HEIGHT_IN - BOTTOM_MARGIN_IN - TOP_MARGIN_IN
    inches_per_nm = min(
        (WIDTH_IN - 3 * SIDE_MARGIN_IN) / sizes[:, 0].sum(), panel_height / sizes[:, 1].max()
    )
    drawing = _Drawing(model, xyz, drawn, inches_per_nm, solvent)
    free = (WIDTH_IN - inches_per_nm * sizes[:, 0].sum()) / 3
    left = free
    for view, frame, (width, height) in zip(VIEWS, frames, inches_per_nm * sizes, strict=True):
        bottom = BOTTOM_MARGIN_IN + (panel_height - height) / 2
        axes = figure.add_axes(
            (left / WIDTH_IN, bottom / HEIGHT_IN, width / WIDTH_IN, height / HEIGHT_IN)
        )
        _panel(axes, drawing, view, frame)
        figure.text(
            (left + width / 2) / WIDTH_IN,
            1 - 0.93 / HEIGHT_IN,
            view.title,
            ha="center",
            fontsize=11,
            color="0.3",
        )
        left += width + free
    for line, text in enumerate(_caption(model, solvent)):
        figure.text(
            0.5,
            1 - (0.28 + 0.26 * line) / HEIGHT_IN,
            text,
            ha="center",
            va="center",
            fontsize=12 if line == 0 else 10.5,
        )
    _legend(figure, sorted({model.elements[i] for i in drawn}, key=lambda e: -atomic_numbers[e]))
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[:, :, :3] / 255.0
    # fewer shades make a smaller file, and elements stay apart
    rounded: np.ndarray = np.round(pixels * SHADES) / SHADES
    return rounded


def _legend(figure: Figure, elements: list[str]) -> None:
    """Name the colours of the elements below the panels."""
    handles = [
        Line2D(
            [],
            [],
            markerfacecolor=tuple(_colour(element).tolist()),
            label=element,
            marker="o",
            linestyle="",
            markersize=9,
            markeredgecolor="0.3",
        )
        for element in elements
    ]
    figure.legend(
        handles=handles,
        loc="lower center",
        ncol=len(handles),
        frameon=False,
        fontsize=11,
        handletextpad=0.2,
        columnspacing=1.4,
    )


def whole(model: Model) -> np.ndarray:
    """Positions (n_atoms, 3) in nm with every residue in one piece.

    No bond goes through the sides of the box.
    """
    a, b = np.concatenate([model.bonds, model.bonds[:, ::-1]]).T
    delta = model.positions[b] - model.positions[a]
    if np.allclose(delta, minimum_image(delta, model.box)):
        return model.positions
    xyz = model.positions.copy()
    placed = np.zeros(model.n_atoms, dtype=bool)
    placed[[residue.start for residue in model.residues]] = True
    while len(step := np.flatnonzero(placed[a] & ~placed[b])):
        xyz[b[step]] = xyz[a[step]] + minimum_image(delta[step], model.box)
        placed[b[step]] = True
    return xyz


def _gathered(model: Model) -> np.ndarray:
    """Positions of `whole` with dissolved and solvent residues in the box around the crystal."""
    xyz = whole(model).copy()
    loose = np.concatenate([model.groups["counterion"], model.groups["solvent"]])
    first = np.repeat([r.start for r in model.residues], [r.stop - r.start for r in model.residues])
    turns = np.floor((xyz[first[loose]] - _corner(model, [0, 1, 2])) / model.box)
    xyz[loose] -= turns * model.box
    return xyz


def _caption(model: Model, solvent: bool) -> list[str]:
    """Two lines: crystal, bound and dissolved residues; solvent (drawn or not) and box."""
    owner = np.empty(model.n_atoms, dtype=int)
    for number, name in enumerate(PARTITION):
        owner[model.groups[name]] = number
    counts: dict[str, Counter[str]] = {name: Counter() for name in PARTITION}
    for residue in model.residues:
        single = residue.stop - residue.start == 1
        name = model.elements[residue.start] if single else residue.name
        counts[PARTITION[owner[residue.start]]][name] += 1
    order = {1: 0, 2: 1, -1: 2}  # A site, metal, halide
    crystal = sorted(counts["core"].items(), key=lambda item: order[ION_CHARGES.get(item[0], 1)])
    parts = [" ".join(f"{name}$_{{{n}}}$" for name, n in crystal)] if crystal else []
    parts += [f"{n} {name}" for name, n in (counts["ligand"] + counts["coating"]).items()]
    parts += [f"{n} {name} dissolved" for name, n in counts["counterion"].items()]
    around = [
        f"{n} {name}" + ("" if solvent else " (not drawn)") for name, n in counts["solvent"].items()
    ] or ["no solvent"]
    around.append("box " + " × ".join(f"{side:.2f}" for side in model.box) + " nm")
    return ["  ·  ".join(parts), "  ·  ".join(around)]


def _colour(element: str) -> np.ndarray:
    """Red, green and blue (3,) of an element, 0 to 1."""
    return np.array(jmol_colors[atomic_numbers[element]])


def _frame(model: Model, drawn: np.ndarray, plane: list[int]) -> _Frame:
    """What a panel shows: the drawn atoms with a margin, and the box where it is not much larger.

    Args:
        model: The model.
        drawn: Positions (n, 3) in nm of the drawn atoms.
        plane: The axes to the right and up.
    """
    low = drawn[:, plane].min(axis=0) - PAD_NM
    high = drawn[:, plane].max(axis=0) + PAD_NM
    if np.all(model.box[plane] <= MAX_BOX_SCALE * (high - low)):
        corner = _corner(model, plane)
        low = np.minimum(low, corner - 0.05)
        high = np.maximum(high, corner + model.box[plane] + 0.05)
    room_for_bar = 0.06 * (high - low).max()
    return _Frame(low - [0.0, room_for_bar], high)


def _corner(model: Model, plane: list[int]) -> np.ndarray:
    """The lower left corner (2,) of the box when the crystal is in its middle."""
    core = model.groups["core"] if len(model.groups["core"]) else np.arange(model.n_atoms)
    inside = model.positions[core][:, plane]
    corner: np.ndarray = (inside.min(axis=0) + inside.max(axis=0) - model.box[plane]) / 2
    return corner


def _panel(axes: Axes, drawing: _Drawing, view: _View, frame: _Frame) -> None:
    """Draw one view layer by layer from the back, then the box and a scale bar of 1 nm."""
    model = drawing.model
    axes.set(xlim=(frame.low[0], frame.high[0]), ylim=(frame.low[1], frame.high[1]))
    axes.set_axis_off()
    flat = drawing.xyz[:, view.plane]
    depth = view.sign * drawing.xyz[:, view.depth]
    core = model.groups["core"]
    crystal = depth[core] if len(core) else depth[drawing.drawn]
    far = depth[drawing.drawn].min()
    level = np.floor((depth - far) / SLICE_NM).astype(int)
    bonded = np.zeros(model.n_atoms, dtype=bool)
    bonded[model.bonds] = True
    radii = np.array(
        [drawn_radius(e, bool(bond)) for e, bond in zip(model.elements, bonded, strict=True)]
    )
    palette = {element: _colour(element) for element in set(model.elements)}
    colours = np.array([palette[element] for element in model.elements])
    visible = np.zeros(model.n_atoms, dtype=bool)
    visible[drawing.drawn] = True
    if drawing.solvent:
        thin = flat[model.bonds[~visible[model.bonds[:, 0]]]]
        axes.add_collection(
            LineCollection(list(thin), colors="0.55", linewidths=0.3, alpha=0.5, zorder=-1)
        )
    bonds = model.bonds[visible[model.bonds].all(axis=1)]
    bond_level = level[bonds].min(axis=1)
    drawn = drawing.drawn[np.argsort(depth[drawing.drawn], kind="stable")]
    n_layers = level[drawn].max() + 1
    for number in range(n_layers):
        height = far + SLICE_NM * (number + 0.5)
        # the front of the crystal is unfaded
        distance = (crystal.max() - height) / max(np.ptp(crystal), 1e-9)
        layer = _Layer(
            colours=colours,
            radii=radii,
            fade=MAX_FADE * float(np.clip(distance, 0.0, 1.0)),
            stick_points=POINTS_PER_INCH * drawing.inches_per_nm * STICK_NM,
            order=3 * number,
        )
        _sticks(axes, flat, bonds[bond_level == number], layer)
        _spheres(axes, flat, drawn[level[drawn] == number], layer)
    x, y = _corner(model, view.plane).tolist()
    width, height = model.box[view.plane].tolist()
    box = Rectangle(
        (x, y),
        width,
        height,
        zorder=-2,
        fill=False,
        linestyle=(0, (4, 3)),
        linewidth=0.8,
        edgecolor="0.6",
    )
    axes.add_patch(box)
    _scale_bar(axes, frame, 3 * (n_layers + 1), drawing.inches_per_nm)


def _scale_bar(axes: Axes, frame: _Frame, order: int, inches_per_nm: float) -> None:
    """A bar of 1 nm at the lower left, in front of everything that is below `order`."""
    start = frame.low + [0.1, 0.02 * frame.size.max()]
    axes.plot(
        [start[0], start[0] + 1.0],
        [start[1]] * 2,
        color="0.15",
        linewidth=2.5,
        zorder=order,
        solid_capstyle="butt",
    )
    axes.text(
        start[0] + 1.0 + 0.08 / inches_per_nm,
        start[1],
        "1 nm",
        va="center",
        fontsize=9,
        color="0.15",
        zorder=order,
    )


def drawn_radius(element: str, molecular: bool) -> float:
    """The radius (nm) that an ion or an atom of a molecule is drawn with."""
    if not molecular:
        return ION_SCALE * CONTACT_RADII[element]
    if element in ("N", "O", "P", "S"):
        return HEAD_NM
    return ATOM_NM * (0.75 if element == "H" else 1.0)


def _spheres(axes: Axes, flat: np.ndarray, index: np.ndarray, layer: _Layer) -> None:
    """Draw atoms as discs with a highlight.

    Args:
        axes: Where to draw.
        flat: Positions (n_atoms, 2) in nm.
        index: The atoms (k,) of the layer.
        layer: How they are drawn.
    """
    if not len(index):
        return
    size = 2 * layer.radii[index]
    plain = _faded(layer.colours[index], layer.fade)
    axes.add_collection(
        EllipseCollection(
            size,
            size,
            0 * size,
            units="xy",
            offset_transform=axes.transData,
            offsets=flat[index],
            facecolors=plain,
            edgecolors=_faded(0.45 * layer.colours[index], layer.fade),
            linewidths=0.5,
            zorder=layer.order + 1,
        )
    )
    small = 0.42 * size
    light = np.concatenate([0.4 * plain + 0.6, np.full((len(index), 1), 0.55)], axis=1)
    axes.add_collection(
        EllipseCollection(
            small,
            small,
            0 * small,
            units="xy",
            offset_transform=axes.transData,
            offsets=flat[index] + layer.radii[index, None] * np.array([-0.28, 0.28]),
            facecolors=light,
            linewidths=0,
            zorder=layer.order + 1.1,
        )
    )


def _sticks(axes: Axes, flat: np.ndarray, bonds: np.ndarray, layer: _Layer) -> None:
    """Draw bonds as two halves in the colours of their atoms, over a darker, wider line.

    Args:
        axes: Where to draw.
        flat: Positions (n_atoms, 2) in nm.
        bonds: The bonds (k, 2) of the layer.
        layer: How they are drawn.
    """
    if not len(bonds):
        return
    a = flat[bonds[:, 0]]
    b = flat[bonds[:, 1]]
    middle = (a + b) / 2
    first = np.stack([a, middle], axis=1)
    second = np.stack([middle, b], axis=1)
    lines = list(np.concatenate([first, second]))
    colours = np.concatenate([layer.colours[bonds[:, 0]], layer.colours[bonds[:, 1]]])
    axes.add_collection(
        LineCollection(
            lines,
            colors=_faded(0.35 * colours, layer.fade),
            linewidths=1.5 * layer.stick_points,
            capstyle="round",
            zorder=layer.order,
        )
    )
    axes.add_collection(
        LineCollection(
            lines,
            colors=_faded(colours, layer.fade),
            linewidths=layer.stick_points,
            capstyle="round",
            zorder=layer.order + 0.1,
        )
    )


def _faded(colours: np.ndarray, fade: float) -> np.ndarray:
    """Colours (n, 3) with that much white mixed in."""
    faded: np.ndarray = colours + (1.0 - colours) * fade
    return faded
