"""Observables with a value in every bin: densities along the normal, radial distributions."""

from dataclasses import dataclass

import mdtraj as md
import numpy as np

from halobind.pipeline.observables.scene import Scene
from halobind.structures.molecules.periodic import minimum_image

DENSITY_BIN_NM = 0.05
RDF_BIN_NM = 0.01
RDF_REACH_NM = 1.0
SPARE_FACTOR = 1.2
"""The grid of heights reaches so many times as far as the built model: the box of a run is not that
of the model.
"""
CYLINDER_NM = 0.6
"""Radius about the site axis where the normal is along no axis of the box."""


@dataclass(frozen=True)
class Bins:
    """Bins [start + i, start + i + 1) * width, i < n, along a coordinate."""

    axis: str
    """Name of the coordinate, with its unit."""
    start: int
    """Number of the first bin."""
    n: int
    """How many bins."""
    width: float
    """Of a bin, in the unit of the coordinate."""

    @property
    def edges(self) -> np.ndarray:
        """Where bins begin and end, (n + 1,)."""
        return (self.start + np.arange(self.n + 1)) * self.width

    @property
    def centres(self) -> np.ndarray:
        """The middles of the bins, (n,)."""
        return (self.start + np.arange(self.n) + 0.5) * self.width

    def count(self, values: np.ndarray, counted: np.ndarray | bool = True) -> np.ndarray:
        """How many values of each row lie in each bin.

        Args:
            values: Of the coordinate (rows, m).
            counted: Which of them count, (rows, m).

        Returns:
            Numbers (rows, bins).
        """
        index = np.floor(values / self.width).astype(int) - self.start
        rows = np.broadcast_to(np.arange(len(values))[:, None], values.shape)
        inside = (index >= 0) & (index < self.n) & counted
        flat = np.bincount((rows * self.n + index)[inside], minlength=len(values) * self.n)
        return flat.reshape(len(values), self.n).astype(float)


def density_bins(scene: Scene) -> Bins:
    """The bins of densities against the height over the site."""
    length = _length(scene.box[None], scene.normal)[0]
    reach = int(np.ceil(SPARE_FACTOR * length / 2 / DENSITY_BIN_NM))
    return Bins("height_nm", -reach, 2 * reach, DENSITY_BIN_NM)


def rdf_bins(_scene: Scene) -> Bins:
    """The bins of radial distributions."""
    return Bins("distance_nm", 0, round(RDF_REACH_NM / RDF_BIN_NM), RDF_BIN_NM)


def density(frames: md.Trajectory, scene: Scene) -> np.ndarray:
    """Heavy atoms per nm3 of each species of the solute against the height over the site.

    The density is that over the whole cross-section of the box, or, for a normal along none of its
    axes, over a cylinder of 0.6 nm about the site axis.

    Args:
        frames: n frames.
        scene: What the atoms are.

    Returns:
        Densities (n, 6, bins); NaN where the box has no such height.
    """
    return _densities(
        frames, scene, ("metal", "halide", "A site", "ligand", "coating", "dissolved")
    )


def solvent_density(frames: md.Trajectory, scene: Scene) -> np.ndarray:
    """The same for the solvent, (n, 1, bins)."""
    return _densities(frames, scene, ("solvent",))


def rdf(frames: md.Trajectory, scene: Scene) -> np.ndarray:
    """g(r) around the anchor of halides, metals and A-site heavy atoms.

    It is counts over what the mean density in the whole box would give.

    Args:
        frames: n frames.
        scene: What the atoms are.

    Returns:
        Numbers (n, 3, bins); NaN beyond half the shortest side.
    """
    return _radial(frames, scene, ("halide", "metal", "A site"))


def solvent_rdf(frames: md.Trajectory, scene: Scene) -> np.ndarray:
    """The same for heavy atoms of the solvent, (n, 1, bins)."""
    return _radial(frames, scene, ("solvent",))


def _length(box: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Extent (n,) of boxes (n, 3) along the normal; the shortest side where it is along no axis."""
    axis = _axis(normal)
    extent: np.ndarray = box.min(axis=1) if axis is None else box[:, axis]
    return extent


def _axis(normal: np.ndarray) -> int | None:
    """The axis of the box that the normal is along, if any."""
    axis = int(np.argmax(np.abs(normal)))
    return axis if abs(normal[axis]) > 1 - 1e-6 else None


def _densities(frames: md.Trajectory, scene: Scene, names: tuple[str, ...]) -> np.ndarray:
    """Heavy atoms per nm3 of those species against the height, (n, species, bins)."""
    box = frames.unitcell_lengths.astype(float)
    axis = _axis(scene.normal)
    bins = density_bins(scene)
    length = _length(box, scene.normal)
    area = np.pi * CYLINDER_NM**2 if axis is None else (box.prod(axis=1) / length)[:, None]
    densities = []
    for name in names:
        atoms = scene.species[name]
        if axis is None:
            delta = minimum_image(frames.xyz[:, atoms].astype(float) - scene.point, box[:, None])
            h = (
                delta[..., 0] * scene.normal[0]
                + delta[..., 1] * scene.normal[1]
                + delta[..., 2] * scene.normal[2]
            )
            counted = (delta**2).sum(axis=2) - h**2 < CYLINDER_NM**2
        else:
            h = np.sign(scene.normal[axis]) * minimum_image(
                frames.xyz[:, atoms, axis].astype(float) - scene.point[axis], length[:, None]
            )
            counted = np.ones(h.shape, dtype=bool)
        densities.append(bins.count(h, counted) / (area * bins.width))
    outside = (
        np.maximum(np.abs(bins.edges[:-1]), np.abs(bins.edges[1:]))[None]
        > length[:, None] / 2 + 1e-6
    )
    return np.where(outside[:, None], np.nan, np.stack(densities, axis=1))


def _radial(frames: md.Trajectory, scene: Scene, names: tuple[str, ...]) -> np.ndarray:
    """g(r) around the anchor of those species, (n, species, bins)."""
    box = frames.unitcell_lengths.astype(float)
    bins = rdf_bins(scene)
    shell = 4 / 3 * np.pi * np.diff(bins.edges**3)
    distributions = []
    for name in names:
        atoms = scene.species[name][scene.species[name] != scene.anchor]
        delta = minimum_image(
            frames.xyz[:, atoms].astype(float) - frames.xyz[:, [scene.anchor]].astype(float),
            box[:, None],
        )
        density = len(atoms) / box.prod(axis=1)[:, None]
        counts = bins.count(np.sqrt((delta**2).sum(axis=2)))
        if len(atoms):
            distributions.append(counts / (shell * density))
        else:
            distributions.append(np.full((len(box), bins.n), np.nan))
    outside = bins.edges[1:][None] > box.min(axis=1)[:, None] / 2 + 1e-6
    return np.where(outside[:, None], np.nan, np.stack(distributions, axis=1))
