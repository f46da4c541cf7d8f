"""Put the pieces of a model together: atoms, residues, bonds, and the named groups that everybody
downstream selects by.
"""

from dataclasses import dataclass

import numpy as np

from halobind.structures.crystals.a_site_molecules import PlacedResidue
from halobind.structures.crystals.crystal import Crystal, Site
from halobind.structures.models.model import Model, Residue, check_groups
from halobind.structures.molecules.catalogue import ION_CHARGES

# of the lattice constant: the surface ions this near to the site of the ligand are its group
# "site",
SITE_REACH = 1.1
SITE_DEPTH = 0.75  # if they are not this far below it (the other face of a thin slab)


@dataclass(frozen=True, eq=False)
class ModelParts:
    """The pieces of a model, by what they are. `ligand` are those whose binding is computed (one a
    head), `coating` all other bound ligands, `dissolved` what is added to the solvent: molecules
    and lone ions. `partners` are the crystal ions that leave with a ligand.
    """

    ions: list[PlacedResidue]
    ligand: list[PlacedResidue]
    coating: list[PlacedResidue]
    dissolved: list[PlacedResidue]
    solvent: list[PlacedResidue]
    partners: tuple[int, ...] = ()


def assemble_model(
    crystal: Crystal, parts: ModelParts, sites: tuple[Site, ...], box: np.ndarray
) -> Model:
    """One Model of all pieces, crystal first, solvent last. `sites` are those of the pieces in
    `parts.ligand`, in their order.
    """
    pieces = [*parts.ions, *parts.ligand, *parts.coating, *parts.dissolved, *parts.solvent]
    sizes = np.array([len(piece.positions) for piece in pieces])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    names = [
        name
        for piece in pieces
        for name in ((piece.name,) if piece.molecule is None else piece.molecule.names)
    ]
    bonds = [
        piece.molecule.bonds + start
        for piece, start in zip(pieces, starts, strict=False)
        if piece.molecule is not None
    ]
    model = Model(
        elements=tuple(e for piece in pieces for e in piece.elements),
        names=tuple(names),
        residues=tuple(
            Residue(_residue_name(piece.name), int(a), int(b))
            for piece, a, b in zip(pieces, starts[:-1], starts[1:], strict=True)
        ),
        bonds=np.concatenate([*bonds, np.zeros((0, 2), dtype=int)]).astype(int),
        positions=np.concatenate([piece.positions for piece in pieces]),
        box=box,
        groups=_groups(crystal, parts, starts, sites),
        site_points=np.array([site.point for site in sites]).reshape(-1, 3),
        site_normals=np.array([site.normal for site in sites]).reshape(-1, 3),
        vacant=_vacant(crystal, parts.ions),
    )
    check_groups(model)
    return model


def _residue_name(species: str) -> str:
    return species.upper() if species in ION_CHARGES else species


def _vacant(crystal: Crystal, ions: list[PlacedResidue]) -> dict[str, np.ndarray]:
    """Lattice sites (n, 3) of a cluster that were left out, or given up to a ligand, by the name of
    the residue that belongs there.
    """
    if crystal.box_xy is not None:
        return {}
    gone = np.setdiff1d(np.arange(len(crystal.species)), [piece.ion for piece in ions])
    found = dict(crystal.vacant)
    for name in sorted({crystal.species[i] for i in gone}):
        mine = [i for i in gone if crystal.species[i] == name]
        found[name] = np.concatenate([found.get(name, np.zeros((0, 3))), crystal.positions[mine]])
    return {_residue_name(name): points for name, points in found.items()}


def _groups(
    crystal: Crystal, parts: ModelParts, starts: np.ndarray, sites: tuple[Site, ...]
) -> dict[str, np.ndarray]:
    """Sorted atom indices of every group."""
    found, first = {}, 0
    pieces = []
    for name, mine in (("core", parts.ions), ("ligand", parts.ligand), ("coating", parts.coating)):
        found[name] = np.arange(starts[first], starts[first + len(mine)])
        first += len(mine)
        pieces += mine
    dissolved = range(first, first + len(parts.dissolved))
    found["counterion"] = np.arange(starts[first], starts[first + len(parts.dissolved)])
    found["solvent"] = np.arange(starts[first + len(parts.dissolved)], starts[-1])
    pieces += parts.dissolved

    def of_ions(wanted: np.ndarray) -> np.ndarray:
        numbers = [k for k, piece in enumerate(parts.ions) if wanted[piece.ion]]
        return _atoms(starts, numbers)

    near = np.zeros(len(crystal.positions), dtype=bool)
    for site in sites:
        offset = crystal.delta(crystal.positions, site.point)
        within = np.linalg.norm(offset, axis=1) < SITE_REACH * crystal.lattice_nm
        near |= within & (offset @ site.normal > -SITE_DEPTH * crystal.lattice_nm)
    found["surface"] = of_ions(crystal.surface)
    found["frozen"] = of_ions(crystal.frozen)
    found["site"] = of_ions(crystal.surface & near)
    leaving = [k for k, piece in enumerate(parts.ions) if piece.ion in parts.partners]
    found["partner"] = np.array(
        [
            starts[k] + (parts.ions[k].molecule.anchor if parts.ions[k].molecule else 0)
            for k in leaving
        ],
        dtype=int,
    )
    n_ions, n_bound = len(parts.ions), len(parts.ligand) + len(parts.coating)
    heads = [
        starts[n_ions + k] + piece.molecule.anchor
        for k, piece in enumerate(pieces[n_ions : n_ions + n_bound])
    ]
    found["anchor"] = np.array(heads[: len(parts.ligand)], dtype=int)
    found["coating_anchor"] = np.array(heads[len(parts.ligand) :], dtype=int)
    found["tail"] = found["ligand"][[e == "C" for piece in parts.ligand for e in piece.elements]]
    charged = [
        k for k, piece in enumerate(pieces) if piece.molecule is not None and piece.molecule.charged
    ]
    found["charged"] = _atoms(
        starts, [k for k in charged if k in dissolved or k < n_ions + n_bound]
    )
    return found


def _atoms(starts: np.ndarray, numbers: list[int]) -> np.ndarray:
    return np.concatenate(
        [np.arange(starts[k], starts[k + 1]) for k in numbers] or [np.zeros(0, dtype=int)]
    ).astype(int)
