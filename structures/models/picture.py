"""A picture of a model: side and top view, ions as spheres, ligands as sticks, what is far away
paler.
"""

from collections import Counter
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

INCHES = (12.0, 7.1)
MARGIN_INCHES = (0.35, 0.75, 1.15)  # at the sides and between the panels, below them, above
DPI = 130
ION_SCALE = 0.72  # of the contact radius, so that the lattice behind shows
STICK_NM = 0.055
ATOM_NM = 0.055  # radius of the atoms of molecules
HEAD_NM = 0.085  # of those that bind: nitrogen, oxygen, phosphorus, sulfur
SLICE_NM = 0.12  # the drawing is built up from the back in layers of this thickness
SHADES = 31  # of each of red, green and blue
FADE = 0.4  # how much white the farthest layer gets
PAD_NM = 0.3
BOX_REACH = 1.9  # the box is shown where it is not longer than this times what is drawn
VIEWS = {
    "side view": (0, 2, 1, -1.0),
    "top view": (0, 1, 2, 1.0),
}  # right, up, depth axis, sign that makes nearer larger


def draw_model(model: Model, path: Path, solvent: bool = False) -> None:
    """Draw the model into a PNG; the solvent is told in the caption and drawn, as thin lines, only
    when `solvent`.

    Raises OSError when the file cannot be written and ValueError when the model is nothing but
    solvent."""
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"cannot draw {path}: there is no folder {path.parent}; create it or choose another"
            " path"
        )
    drawn = np.setdiff1d(np.arange(model.n_atoms), model.groups["solvent"])
    if not len(drawn):
        raise ValueError(f"nothing to draw in {path}: all {model.n_atoms} atoms are solvent")
    xyz = _gathered(model)
    figure = Figure(figsize=INCHES, dpi=DPI)
    canvas = FigureCanvasAgg(figure)
    side, below, above = MARGIN_INCHES
    frames = [_frame(model, xyz[drawn], list(view[:2])) for view in VIEWS.values()]
    sizes = np.array([high - low for low, high in frames])
    scale = min(
        (INCHES[0] - 3 * side) / sizes[:, 0].sum(), (INCHES[1] - below - above) / sizes[:, 1].max()
    )  # inches per nm, in both panels
    free = (INCHES[0] - scale * sizes[:, 0].sum()) / 3
    left = free
    for (title, view), frame, (width, height) in zip(
        VIEWS.items(), frames, scale * sizes, strict=True
    ):
        bottom = below + (INCHES[1] - below - above - height) / 2
        axes = figure.add_axes(
            (left / INCHES[0], bottom / INCHES[1], width / INCHES[0], height / INCHES[1])
        )
        _panel(axes, model, xyz, (drawn, frame, view, scale, solvent))
        figure.text(
            (left + width / 2) / INCHES[0],
            1 - 0.93 / INCHES[1],
            title,
            ha="center",
            fontsize=11,
            color="0.3",
        )
        left += width + free
    for line, text in enumerate(_caption(model, solvent)):
        figure.text(
            0.5,
            1 - (0.28 + 0.26 * line) / INCHES[1],
            text,
            ha="center",
            va="center",
            fontsize=12 if line == 0 else 10.5,
        )
    elements = sorted({model.elements[i] for i in drawn}, key=lambda e: -atomic_numbers[e])
    style = {"marker": "o", "linestyle": "", "markersize": 9, "markeredgecolor": "0.3"}
    handles = [Line2D([], [], markerfacecolor=_colour(e), label=e, **style) for e in elements]
    figure.legend(
        handles=handles,
        loc="lower center",
        ncol=len(handles),
        frameon=False,
        fontsize=11,
        handletextpad=0.2,
        columnspacing=1.4,
    )
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[:, :, :3] / 255.0
    imsave(
        path, np.round(pixels * SHADES) / SHADES, format="png"
    )  # fewer shades make a smaller file; elements stay apart


def whole(model: Model) -> np.ndarray:
    """Positions (n_atoms, 3) in nm with every residue in one piece: no bond goes through the sides
    of the box.
    """
    a, b = np.concatenate([model.bonds, model.bonds[:, ::-1]]).T
    delta = model.positions[b] - model.positions[a]
    if np.allclose(delta, minimum_image(delta, model.box)):
        return model.positions
    found = model.positions.copy()
    placed = np.zeros(model.n_atoms, dtype=bool)
    placed[[residue.start for residue in model.residues]] = True
    while len(step := np.flatnonzero(placed[a] & ~placed[b])):
        found[b[step]] = found[a[step]] + minimum_image(delta[step], model.box)
        placed[b[step]] = True
    return found


def _gathered(model: Model) -> np.ndarray:
    """Positions of `whole` with every dissolved and solvent residue in the box that is drawn,
    around the crystal.
    """
    xyz = whole(model).copy()
    loose = np.concatenate([model.groups["counterion"], model.groups["solvent"]])
    first = np.repeat([r.start for r in model.residues], [r.stop - r.start for r in model.residues])
    turns = np.floor((xyz[first[loose]] - _corner(model, [0, 1, 2])) / model.box)
    xyz[loose] -= turns * model.box
    return xyz


def _caption(model: Model, solvent: bool) -> list[str]:
    """What is in the model, in one or two lines: crystal, bound and dissolved residues; solvent and
    box.
    """
    owner = np.empty(model.n_atoms, dtype=int)
    for number, name in enumerate(PARTITION):
        owner[model.groups[name]] = number
    counts: dict[str, Counter] = {name: Counter() for name in PARTITION}
    for residue in model.residues:
        single = residue.stop - residue.start == 1
        counts[PARTITION[owner[residue.start]]][
            model.elements[residue.start] if single else residue.name
        ] += 1
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
    return np.array(jmol_colors[atomic_numbers[element]])


def _frame(model: Model, drawn: np.ndarray, plane: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """What the panel shows: the drawn atoms (n, 3) and, where it is not much larger, the box, with
    a margin and room for the bar.
    """
    low, high = drawn[:, plane].min(axis=0) - PAD_NM, drawn[:, plane].max(axis=0) + PAD_NM
    if np.all(model.box[plane] <= BOX_REACH * (high - low)):
        corner = _corner(model, plane)
        low, high = (
            np.minimum(low, corner - 0.05),
            np.maximum(high, corner + model.box[plane] + 0.05),
        )
    return low - [0.0, 0.06 * (high - low).max()], high


def _corner(model: Model, plane: list[int]) -> np.ndarray:
    """The lower left corner of the box when the crystal is in its middle."""
    inside = model.positions[model.groups["core"] if len(model.groups["core"]) else slice(None)][
        :, plane
    ]
    return (inside.min(axis=0) + inside.max(axis=0) - model.box[plane]) / 2


def _panel(axes: Axes, model: Model, xyz: np.ndarray, how: tuple) -> None:
    """One view: layer by layer from the back, sticks under spheres, then the box and a scale bar of
    1 nm.
    """
    drawn, (low, high), (right, up, deep, sign), scale, solvent = how
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    axes.set_axis_off()
    flat, depth = xyz[:, [right, up]], sign * xyz[:, deep]
    crystal = depth[model.groups["core"]] if len(model.groups["core"]) else depth[drawn]
    far = depth[drawn].min()
    level = np.floor((depth - far) / SLICE_NM).astype(int)
    bonded = np.zeros(model.n_atoms, dtype=bool)
    bonded[model.bonds] = True
    kinds = {
        (element, bool(bond)): _radius(element, bool(bond))
        for element, bond in zip(model.elements, bonded, strict=True)
    }
    radii = np.array(
        [kinds[element, bool(bond)] for element, bond in zip(model.elements, bonded, strict=True)]
    )
    palette = {element: _colour(element) for element in set(model.elements)}
    colours = np.array([palette[element] for element in model.elements])
    visible = np.zeros(model.n_atoms, dtype=bool)
    visible[drawn] = True
    if solvent:
        thin = flat[model.bonds[~visible[model.bonds[:, 0]]]]
        axes.add_collection(
            LineCollection(thin, colors="0.55", linewidths=0.3, alpha=0.5, zorder=-1)
        )
    bonds = model.bonds[visible[model.bonds].all(axis=1)]
    bond_level = level[bonds].min(axis=1)
    drawn = drawn[np.argsort(depth[drawn], kind="stable")]
    for layer in range(level[drawn].max() + 1):
        height = far + SLICE_NM * (layer + 0.5)
        fade = FADE * float(
            np.clip((crystal.max() - height) / max(np.ptp(crystal), 1e-9), 0.0, 1.0)
        )  # the front of the crystal is unfaded
        _sticks(
            axes,
            flat,
            bonds[bond_level == layer],
            (colours, fade, 72 * scale * STICK_NM, 3 * layer),
        )
        _spheres(axes, flat, drawn[level[drawn] == layer], (colours, fade, radii, 3 * layer + 1))
    front = 3 * (level[drawn].max() + 2)
    dash = {"fill": False, "linestyle": (0, (4, 3)), "linewidth": 0.8, "edgecolor": "0.6"}
    axes.add_patch(
        Rectangle(_corner(model, [right, up]), *model.box[[right, up]], zorder=-2, **dash)
    )
    start = low + [0.1, 0.02 * (high - low).max()]
    axes.plot(
        [start[0], start[0] + 1.0],
        [start[1]] * 2,
        color="0.15",
        linewidth=2.5,
        zorder=front,
        solid_capstyle="butt",
    )
    axes.text(
        start[0] + 1.0 + 0.08 / scale,
        start[1],
        "1 nm",
        va="center",
        fontsize=9,
        color="0.15",
        zorder=front,
    )


def _radius(element: str, molecular: bool) -> float:
    if molecular:
        return (
            HEAD_NM
            if element in ("N", "O", "P", "S")
            else ATOM_NM * (0.75 if element == "H" else 1.0)
        )
    return ION_SCALE * CONTACT_RADII[element]


def _spheres(
    axes: Axes,
    flat: np.ndarray,
    index: np.ndarray,
    style: tuple[np.ndarray, float, np.ndarray, int],
) -> None:
    colours, fade, radii, order = style
    if not len(index):
        return
    size, plain = 2 * radii[index], _faded(colours[index], fade)
    common = {"units": "xy", "transOffset": axes.transData}
    edges = {"edgecolors": _faded(0.45 * colours[index], fade), "linewidths": 0.5}
    axes.add_collection(
        EllipseCollection(
            size,
            size,
            0 * size,
            offsets=flat[index],
            facecolors=plain,
            zorder=order,
            **edges,
            **common,
        )
    )
    shine = flat[index] + radii[index, None] * np.array([-0.28, 0.28])
    light = np.concatenate([0.4 * plain + 0.6, np.full((len(index), 1), 0.55)], axis=1)
    small = 0.42 * size
    shining = {"facecolors": light, "linewidths": 0, "zorder": order + 0.1}
    axes.add_collection(
        EllipseCollection(small, small, 0 * small, offsets=shine, **shining, **common)
    )


def _sticks(
    axes: Axes, flat: np.ndarray, bonds: np.ndarray, style: tuple[np.ndarray, float, float, int]
) -> None:
    """Every bond as two halves in the colours of its atoms, over a darker, wider line."""
    colours, fade, width, order = style
    if not len(bonds):
        return
    a, b = flat[bonds[:, 0]], flat[bonds[:, 1]]
    middle = (a + b) / 2
    lines = np.concatenate([np.stack([a, middle], axis=1), np.stack([middle, b], axis=1)])
    inks = np.concatenate([colours[bonds[:, 0]], colours[bonds[:, 1]]])
    axes.add_collection(
        LineCollection(
            lines,
            colors=_faded(0.35 * inks, fade),
            linewidths=1.5 * width,
            capstyle="round",
            zorder=order,
        )
    )
    axes.add_collection(
        LineCollection(
            lines, colors=_faded(inks, fade), linewidths=width, capstyle="round", zorder=order + 0.1
        )
    )


def _faded(colours: np.ndarray, fade: float) -> np.ndarray:
    return colours + (1.0 - colours) * fade
