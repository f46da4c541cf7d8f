"""Observables with a value in every bin: densities along the normal, radial distributions around
the anchor.
"""

from dataclasses import dataclass

import mdtraj as md
import numpy as np

from halobind.pipeline.observables.scene import Scene
from halobind.structures.molecules.periodic import minimum_image

DENSITY_NM, RDF_NM = 0.05, 0.01  # widths of bins
RDF_REACH_NM = 1.0
# the box of a run is not that of the built model: the grid of heights reaches this much farther
SPARE = 1.2
CYLINDER_NM = 0.6  # radius about the site axis where the normal is along no axis of the box


@dataclass(frozen=True)
class Bins:
    """Bins [start + i, start + i + 1) * width, i < n, along a coordinate called `axis` (unit in the
    name).
    """

    axis: str
    start: int
    n: int
    width: float

    @property
    def edges(self) -> np.ndarray:
        return (self.start + np.arange(self.n + 1)) * self.width

    @property
    def centres(self) -> np.ndarray:
        return (self.start + np.arange(self.n) + 0.5) * self.width

    def count(self, values: np.ndarray, wanted: np.ndarray | bool = True) -> np.ndarray:
        """How many of values (n, m) of each row lie in each bin, (n, number of bins); only those
        that are `wanted`.
        """
        index = np.floor(values / self.width).astype(int) - self.start
        rows = np.broadcast_to(np.arange(len(values))[:, None], values.shape)
        inside = (index >= 0) & (index < self.n) & wanted
        flat = np.bincount((rows * self.n + index)[inside], minlength=len(values) * self.n)
        return flat.reshape(len(values), self.n).astype(float)


def density_bins(scene: Scene) -> Bins:
    reach = int(np.ceil(SPARE * _length(scene.box[None], scene.normal)[0] / 2 / DENSITY_NM))
    return Bins("height_nm", -reach, 2 * reach, DENSITY_NM)


def rdf_bins(_scene: Scene) -> Bins:
    return Bins("distance_nm", 0, round(RDF_REACH_NM / RDF_NM), RDF_NM)


def density(frames: md.Trajectory, scene: Scene) -> np.ndarray:
    """Heavy atoms per nm3 of each species of the solute against the height over the site, (n, 6,
    bins); NaN where the box has no such height. Over the whole cross-section of the box, or, for a
    normal along none of its axes, over a cylinder of 0.6 nm about the site axis.
    """
    return _densities(
        frames, scene, ("metal", "halide", "A site", "ligand", "coating", "dissolved")
    )


def solvent_density(frames: md.Trajectory, scene: Scene) -> np.ndarray:
    """The same for the solvent, (n, 1, bins)."""
    return _densities(frames, scene, ("solvent",))


def rdf(frames: md.Trajectory, scene: Scene) -> np.ndarray:
    """g(r) around the anchor of halides, metals and A-site heavy atoms, (n, 3, bins): counts over
    what their mean density in the whole box would give; NaN beyond half the shortest side.
    """
    return _radial(frames, scene, ("halide", "metal", "A site"))


def solvent_rdf(frames: md.Trajectory, scene: Scene) -> np.ndarray:
    """The same for heavy atoms of the solvent, (n, 1, bins)."""
    return _radial(frames, scene, ("solvent",))


def _length(box: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Extent (n,) of boxes (n, 3) along the normal: a side where it is along an axis, else the
    shortest side.
    """
    axis = _axis(normal)
    return box.min(axis=1) if axis is None else box[:, axis]


def _axis(normal: np.ndarray) -> int | None:
    """The axis of the box that the normal is along, if any."""
    axis = int(np.argmax(np.abs(normal)))
    return axis if abs(normal[axis]) > 1 - 1e-6 else None


def _densities(frames: md.Trajectory, scene: Scene, names: tuple[str, ...]) -> np.ndarray:
    box, axis, bins = (
        frames.unitcell_lengths.astype(float),
        _axis(scene.normal),
        density_bins(scene),
    )
    length = _length(box, scene.normal)
    area = np.pi * CYLINDER_NM**2 if axis is None else (box.prod(axis=1) / length)[:, None]
    found = []
    for name in names:
        atoms = scene.species[name]
        if axis is None:
            delta = minimum_image(frames.xyz[:, atoms].astype(float) - scene.point, box[:, None])
            h = (
                delta[..., 0] * scene.normal[0]
                + delta[..., 1] * scene.normal[1]
                + delta[..., 2] * scene.normal[2]
            )
            wanted = (delta**2).sum(axis=2) - h**2 < CYLINDER_NM**2
        else:
            h = np.sign(scene.normal[axis]) * minimum_image(
                frames.xyz[:, atoms, axis].astype(float) - scene.point[axis], length[:, None]
            )
            wanted = np.ones(h.shape, dtype=bool)
        found.append(bins.count(h, wanted) / (area * bins.width))
    outside = (
        np.maximum(np.abs(bins.edges[:-1]), np.abs(bins.edges[1:]))[None]
        > length[:, None] / 2 + 1e-6
    )
    return np.where(outside[:, None], np.nan, np.stack(found, axis=1))


def _radial(frames: md.Trajectory, scene: Scene, names: tuple[str, ...]) -> np.ndarray:
    box, bins = frames.unitcell_lengths.astype(float), rdf_bins(scene)
    shell = 4 / 3 * np.pi * np.diff(bins.edges**3)
    found = []
    for name in names:
        atoms = scene.species[name][scene.species[name] != scene.anchor]
        delta = minimum_image(
            frames.xyz[:, atoms].astype(float) - frames.xyz[:, [scene.anchor]].astype(float),
            box[:, None],
        )
        density = len(atoms) / box.prod(axis=1)[:, None]
        counts = bins.count(np.sqrt((delta**2).sum(axis=2)))
        found.append(
            counts / (shell * density) if len(atoms) else np.full((len(box), bins.n), np.nan)
        )
    outside = bins.edges[1:][None] > box.min(axis=1)[:, None] / 2 + 1e-6
    return np.where(outside[:, None], np.nan, np.stack(found, axis=1))
