"""The bound state of a run as atoms to look at: the ligand in its site, with what is around it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from halobind.pipeline.campaign.run_directory import Run, reading
from halobind.pipeline.sampling.openmm_xml import read_state
from halobind.pipeline.sampling.run_context import built_model
from halobind.pipeline.sampling.segment_files import read_segment
from halobind.structures.models.model import Model
from halobind.structures.molecules.periodic import minimum_image

REACH_NM = 1.3
"""Ions of the crystal and ligands of the coating are shown so far from the axis of the site."""
DEPTH_NM = 1.0
"""Ions of the crystal are shown so far below the plane of the site."""
SOLVENT_REACH_NM = 0.6
"""Solvent molecules are shown so far from the anchor."""
ROLES = ("crystal", "ligand", "other ligands", "dissolved ions", "solvent")
"""What an atom can be, in the order of the groups of a model."""
GROUPS = ("core", "ligand", "coating", "counterion", "solvent")


@dataclass(frozen=True, eq=False)
class BoundState:
    """Atoms around the site of a ligand, n of them."""

    positions: np.ndarray
    """(n, 3) in nm, from the centre of the site; z points out of the crystal."""
    elements: list[str]
    roles: list[str]
    """One of ROLES an atom."""
    residues: list[str]
    """Name of the residue of each atom."""
    bonds: np.ndarray
    """Bonded atoms (m, 2), none of which is far from the other."""
    source: str
    """Where the positions are from, for the caption."""


def read_bound_state(run: Run, z_min_nm: float | None) -> BoundState | None:
    """The sampled state whose anchor is nearest to the well; the built model without samples.

    Args:
        run: the run.
        z_min_nm: where the well is; None where that is not known.

    Returns:
        The atoms; None where not even the model is built.

    Raises:
        DamagedError: a published product cannot be read.
    """
    if not run.has("build"):
        return None
    model = built_model(run.path("build"))
    positions = model.positions
    box = model.box
    source = "as built, before any simulation"
    nearest = _nearest_segment(run, z_min_nm)
    if nearest is not None:
        folder, height_nm = nearest
        with reading(folder):
            state = read_state(folder / "state.xml")
        positions = state.positions
        box = state.box
        source = f"a sampled state with the anchor {height_nm:+.2f} nm from the plane of its site"
    return _around_site(model, positions, box, source)


def _nearest_segment(run: Run, z_min_nm: float | None) -> tuple[Path, float] | None:
    """The segment whose anchor ended nearest to the well, and that height (nm)."""
    if z_min_nm is None or not np.isfinite(z_min_nm):
        return None
    ends = []
    for chain in (*run.window_chains(), *run.walker_chains()):
        for folder in run.segments(chain)[-1:]:
            height_nm = float(read_segment(folder).coordinate()[-1, 0])
            ends.append((abs(height_nm - z_min_nm), str(folder), folder, height_nm))
    if not ends:
        return None
    _, _, folder, height_nm = min(ends, key=lambda end: end[:2])
    return folder, height_nm


def _around_site(model: Model, positions: np.ndarray, box: np.ndarray, source: str) -> BoundState:
    """The atoms that are shown, turned so that the normal of the site points up."""
    role = np.empty(model.n_atoms, dtype=int)
    for number, group in enumerate(GROUPS):
        role[model.groups[group]] = number
    anchor = int(model.groups["anchor"][0])
    offsets = _whole_residues(model, positions, box, anchor)
    offsets = offsets @ _turn(model.site_normal).T
    lateral = np.hypot(offsets[:, 0], offsets[:, 1])
    near_anchor = np.linalg.norm(offsets - offsets[anchor], axis=1) < SOLVENT_REACH_NM
    ligand = np.isin(np.arange(model.n_atoms), _residue_of(model, anchor))
    shown = np.where(role == ROLES.index("solvent"), near_anchor, lateral < REACH_NM)
    shown &= offsets[:, 2] > -DEPTH_NM
    kept = np.flatnonzero(_complete(model, shown) | ligand)
    new = np.full(model.n_atoms, -1)
    new[kept] = np.arange(len(kept))
    bonds = new[model.bonds]
    names = np.repeat(
        [residue.name for residue in model.residues],
        [residue.stop - residue.start for residue in model.residues],
    )
    return BoundState(
        positions=offsets[kept],
        elements=[model.elements[i] for i in kept],
        roles=[ROLES[role[i]] for i in kept],
        residues=[str(names[i]) for i in kept],
        bonds=bonds[(bonds >= 0).all(axis=1)],
        source=source,
    )


def _whole_residues(
    model: Model, positions: np.ndarray, box: np.ndarray, anchor: int
) -> np.ndarray:
    """Positions (n, 3) from the site: each residue in one piece, at its image nearest to the site.

    The residue of the anchor is placed by its anchor, any other by its first atom. Positions of
    OpenMM are never wrapped, so that no residue is cut.
    """
    origin = model.site_point
    placed: np.ndarray = positions - origin
    for residue in model.residues:
        atoms = slice(residue.start, residue.stop)
        first = anchor if residue.start <= anchor < residue.stop else residue.start
        start = minimum_image(positions[first] - origin, box)
        placed[atoms] = start + positions[atoms] - positions[first]
    return placed


def _residue_of(model: Model, atom: int) -> np.ndarray:
    """The atoms of the residue that holds an atom."""
    residue = next(r for r in model.residues if r.start <= atom < r.stop)
    return np.arange(residue.start, residue.stop)


def _complete(model: Model, shown: np.ndarray) -> np.ndarray:
    """Whole residues of which any atom is shown, (n_atoms,)."""
    complete = shown.copy()
    for residue in model.residues:
        complete[residue.start : residue.stop] = shown[residue.start : residue.stop].any()
    return complete


def _turn(normal: np.ndarray) -> np.ndarray:
    """A rotation (3, 3) that turns a unit vector to the z axis."""
    up = normal / np.linalg.norm(normal)
    helper = np.eye(3)[int(np.argmin(np.abs(up)))]
    right = np.cross(helper, up)
    right /= np.linalg.norm(right)
    return np.array([right, np.cross(up, right), up])
