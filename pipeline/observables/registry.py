"""The observables that `halobind observe` knows, by name.

To add one: write its function in scalars.py or profiles.py, add it here, and measure it in a test.
"""

from collections.abc import Callable
from dataclasses import dataclass

import mdtraj as md
import numpy as np

from halobind.pipeline.observables.profiles import (
    Bins,
    density,
    density_bins,
    rdf,
    rdf_bins,
    solvent_density,
    solvent_rdf,
)
from halobind.pipeline.observables.scalars import (
    head_coordination,
    height,
    hydrogen_bonds,
    integrity,
    occupancy,
    solvent_shell,
    tail,
)
from halobind.pipeline.observables.scene import Scene


@dataclass(frozen=True)
class Observable:
    """One measured quantity of a head, with a value or a profile in every frame."""

    measure: Callable[[md.Trajectory, Scene], np.ndarray]
    """(frames, scene) -> (n_frames, columns), or (n_frames, columns, bins) where `bins` is set."""
    columns: tuple[str, ...]
    """Name of each column, with its unit."""
    about: str
    """What it measures, in a few words."""
    bins: Callable[[Scene], Bins] | None = None
    """The bins of a profile; None for scalars."""
    needs_solvent: bool = False
    """Whether the frames must hold the solvent."""


OBSERVABLES = {
    "height": Observable(
        height, ("anchor_height_nm", "anchor_lateral_nm", "penetration_nm"), "where the anchor is"
    ),
    "hydrogen_bonds": Observable(
        hydrogen_bonds, ("NH_halide_bonds", "NH_halide_angle_deg"), "N-H...halide bonds of the head"
    ),
    "coordination": Observable(
        head_coordination,
        ("halides_at_anchor", "nearest_halide_nm", "metals_at_anchor", "nearest_metal_nm"),
        "halides and metals around the anchor",
    ),
    "occupancy": Observable(occupancy, ("head_in_site", "others_in_site"), "who sits in the site"),
    "tail": Observable(
        tail, ("tail_tilt_deg", "tail_end_to_end_nm", "gauche_fraction"), "shape of the tails"
    ),
    "integrity": Observable(
        integrity,
        (
            "halides_at_metal",
            "metals_short_of_halides",
            "displaced_ions",
            "hopped_ions",
            "largest_displacement_nm",
        ),
        "is the crystal as built",
    ),
    "solvent_shell": Observable(
        solvent_shell,
        ("solvent_at_head", "nearest_solvent_nm"),
        "solvent around the anchor",
        needs_solvent=True,
    ),
    "density": Observable(
        density,
        ("metal", "halide", "A site", "ligand", "coating", "dissolved"),
        "heavy atoms per nm3 along the normal",
        density_bins,
    ),
    "solvent_density": Observable(
        solvent_density,
        ("solvent",),
        "heavy atoms per nm3 along the normal",
        density_bins,
        needs_solvent=True,
    ),
    "rdf": Observable(
        rdf, ("halide", "metal", "A site"), "radial distribution around the anchor", rdf_bins
    ),
    "solvent_rdf": Observable(
        solvent_rdf,
        ("solvent",),
        "radial distribution around the anchor",
        rdf_bins,
        needs_solvent=True,
    ),
}
