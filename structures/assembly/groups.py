"""One Model of the pieces of a build, with the named groups that everything later selects by."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from halobind.structures.crystals.a_site_molecules import PlacedResidue
from halobind.structures.crystals.crystal import Crystal, Site
from halobind.structures.models.model import Model, Residue, check_groups
from halobind.structures.molecules.catalogue import ION_CHARGES

# Of the lattice constant: the surface ions this near to the site of the ligand are its group
# "site", unless they are as far below it as SITE_DEPTH (the other face of a thin slab).
SITE_REACH = 1.1
SITE_DEPTH = 0.75


@dataclass(frozen=True, eq=False)
class ModelParts:
    """The residues of a model, by what they are."""

    ions: list[PlacedResidue]
    """The crystal."""
    ligand: list[PlacedResidue]
    """The ligands whose binding is computed, one a head."""
    coating: list[PlacedResidue]
    """All other bound ligands."""
    dissolved: list[PlacedResidue]
    """What is added to the solvent: molecules and lone ions."""
    solvent: list[PlacedResidue]
    """The solvent."""
    partners: tuple[int, ...] = ()
    """Indices of the crystal ions that leave with a ligand."""

    @property
    def bound(self) -> list[PlacedResidue]:
        """All ligands on the surface, those whose binding is computed first."""
        return [*self.ligand, *self.coating]

    @property
    def in_order(self) -> list[PlacedResidue]:
        """Every residue in the order of the model."""
        return [*self.ions, *self.bound, *self.dissolved, *self.solvent]


def assemble_model(
    crystal: Crystal, parts: ModelParts, sites: tuple[Site, ...], box: np.ndarray
) -> Model:
    """Put the residues together, crystal first, solvent last.

    Args:
        crystal: The crystal.
        parts: The residues.
        sites: The sites of `parts.ligand`, in their order.
        box: Edges (3,) in nm.
    """
    residues = parts.in_order
    starts = np.concatenate([[0], np.cumsum([len(residue.positions) for residue in residues])])
    bonds = [
        residue.molecule.bonds + start
        for residue, start in zip(residues, starts[:-1], strict=True)
        if residue.molecule is not None
    ]
    model = Model(
        elements=tuple(e for residue in residues for e in residue.elements),
        names=tuple(name for residue in residues for name in residue.atom_names),
        residues=tuple(
            Residue(_residue_name(residue.name), int(start), int(stop))
            for residue, start, stop in zip(residues, starts[:-1], starts[1:], strict=True)
        ),
        bonds=np.concatenate([*bonds, np.zeros((0, 2), dtype=int)]).astype(int),
        positions=np.concatenate([residue.positions for residue in residues]),
        box=box,
        groups=_groups(crystal, parts, starts, sites),
        site_points=np.array([site.point for site in sites]).reshape(-1, 3),
        site_normals=np.array([site.normal for site in sites]).reshape(-1, 3),
        vacant=_vacant(crystal, parts.ions),
    )
    check_groups(model)
    return model


def _residue_name(species: str) -> str:
    """The name of the residue of an ion, in capitals, or of a molecule."""
    return species.upper() if species in ION_CHARGES else species


def _vacant(crystal: Crystal, ions: list[PlacedResidue]) -> dict[str, np.ndarray]:
    """Lattice sites of a cluster that were left out, or given up to a ligand.

    Returns:
        Sites (n, 3) in nm by the name of the residue that belongs there; none for a slab.
    """
    if crystal.box_xy is not None:
        return {}
    gone = np.setdiff1d(np.arange(len(crystal.species)), [residue.ion for residue in ions])
    vacant = dict(crystal.vacant)
    for name in sorted({crystal.species[i] for i in gone}):
        of_name = [i for i in gone if crystal.species[i] == name]
        points = vacant.get(name, np.zeros((0, 3)))
        vacant[name] = np.concatenate([points, crystal.positions[of_name]])
    return {_residue_name(name): points for name, points in vacant.items()}


def _groups(
    crystal: Crystal, parts: ModelParts, starts: np.ndarray, sites: tuple[Site, ...]
) -> dict[str, np.ndarray]:
    """Sorted atom indices of every group.

    Args:
        crystal: The crystal.
        parts: The residues.
        starts: First atom of each residue in the order of the model, and the number of atoms.
        sites: The sites of `parts.ligand`.
    """
    n_ions = len(parts.ions)
    n_ligands = len(parts.ligand)
    n_bound = len(parts.bound)
    first_dissolved = n_ions + n_bound
    first_solvent = first_dissolved + len(parts.dissolved)
    solute = parts.in_order[:first_solvent]
    anchors = np.array([start + r.anchor for start, r in zip(starts, solute, strict=False)], int)
    ions = np.array([residue.ion for residue in parts.ions], dtype=int)
    ligand = np.arange(starts[n_ions], starts[n_ions + n_ligands])
    carbons = [e == "C" for residue in parts.ligand for e in residue.elements]
    charged = [k for k, r in enumerate(solute) if r.molecule is not None and r.molecule.charged]
    return {
        "core": np.arange(starts[n_ions]),
        "ligand": ligand,
        "coating": np.arange(starts[n_ions + n_ligands], starts[first_dissolved]),
        "counterion": np.arange(starts[first_dissolved], starts[first_solvent]),
        "solvent": np.arange(starts[first_solvent], starts[-1]),
        "surface": _atoms(starts, np.flatnonzero(crystal.surface[ions])),
        "frozen": _atoms(starts, np.flatnonzero(crystal.frozen[ions])),
        "site": _atoms(starts, np.flatnonzero((crystal.surface & _near(crystal, sites))[ions])),
        "partner": anchors[:n_ions][np.isin(ions, parts.partners)],
        "anchor": anchors[n_ions : n_ions + n_ligands],
        "coating_anchor": anchors[n_ions + n_ligands : first_dissolved],
        "tail": ligand[np.array(carbons, dtype=bool)],
        "charged": _atoms(starts, charged),
    }


def _near(crystal: Crystal, sites: tuple[Site, ...]) -> np.ndarray:
    """Mask (n_ions,) of the ions around one of `sites`."""
    near = np.zeros(len(crystal.positions), dtype=bool)
    for site in sites:
        offset = crystal.delta(crystal.positions, site.point)
        within = np.linalg.norm(offset, axis=1) < SITE_REACH * crystal.lattice_nm
        near |= within & (offset @ site.normal > -SITE_DEPTH * crystal.lattice_nm)
    return near


def _atoms(starts: np.ndarray, numbers: Iterable[int]) -> np.ndarray:
    """The atoms of the residues with these numbers; `starts` as in `_groups`."""
    atoms = [np.arange(starts[k], starts[k + 1]) for k in numbers]
    return np.concatenate([np.zeros(0, dtype=int), *atoms]).astype(int)
