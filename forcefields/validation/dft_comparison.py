"""What packs and GFN2-xTB give for the rigid heads of the density functional calculations."""

import math
from dataclasses import dataclass
from functools import lru_cache
from importlib import util
from typing import Any

import numpy as np

from halobind.forcefields.packs.molecule_library import SHIPPED_MOLECULES
from halobind.forcefields.packs.pack import FORCEFIELDS, BondIncrement, Pack, load_pack
from halobind.forcefields.packs.pairs import LennardJones, pair_for
from halobind.forcefields.validation.dft_heads import IONS, Head, head_of
from halobind.forcefields.validation.dft_points import point_of, shipped_rows, standard_points
from halobind.forcefields.validation.pocket import (
    COULOMB,
    cluster,
    cluster_charges,
    head_parameters,
)
from halobind.forcefields.validation.trials import Trial, load_trials, trial_pack

GFN2 = "GFN2-xTB"
KJ_PER_EV = 96.48533212
POCKET_CHARGE = -1
"""Of Pb4Br20Cs11, in e."""


@dataclass(frozen=True)
class ComparedPoint:
    """One point by every method."""

    head: str
    height_nm: float
    """Of the anchor over the outer Br plane."""
    method: str
    """Of the reference."""
    reference_kJ_mol: float
    """Against separated rigid fragments; NaN where it has not been computed."""
    energies_kJ_mol: dict[str, float]
    """By the name of what is compared; NaN where it has no parameters for the head."""


def compared_packs() -> dict[str, Pack]:
    """Every shipped pack with bond increments by its name, and unscaled where it scales charges."""
    packs: dict[str, Pack] = {}
    for name in FORCEFIELDS:
        pack = load_pack(name)
        if not isinstance(pack.charges, BondIncrement):
            continue
        packs[name] = pack
        if not math.isclose(pack.charges.charge_scale, 1.0):
            unscaled = trial_pack(pack, Trial(charge_scale=1.0), load_trials())
            packs[f"{name}, unscaled, published repulsions"] = unscaled
    return packs


def compared_points(with_gfn2: bool) -> list[ComparedPoint]:
    """Every standard and every shipped point, by all packs.

    Args:
        with_gfn2: whether GFN2-xTB in the gas phase is one of the methods.
    """
    packs = compared_packs()
    references = {point_of(row): float(row["energy_kJ_mol"]) for row in shipped_rows()}
    points = []
    for point in dict.fromkeys([*standard_points(), *references]):
        head = head_of(point.head)
        energies = {name: pack_energy(pack, head, point.height_nm) for name, pack in packs.items()}
        if with_gfn2:
            energies[GFN2] = gfn2_energy(head, point.height_nm)
        points.append(
            ComparedPoint(
                head=point.head,
                height_nm=point.height_nm,
                method=point.method.label,
                reference_kJ_mol=references.get(point, math.nan),
                energies_kJ_mol=energies,
            )
        )
    return points


def pack_energy(pack: Pack, head: Head, height_nm: float) -> float:
    """Energy in kJ/mol of a rigid head in the pocket against separated fragments, by a pack.

    All charges and pairs, no cutoff. NaN for a head without a molecule file.
    """
    has_file = (SHIPPED_MOLECULES.shipped / f"{head.name}.xml").is_file()
    if head.name not in IONS and not has_file:
        return math.nan
    parameters = _parameters(pack, head)
    elements, ions_nm = cluster()
    charges = cluster_charges(pack, elements, ions_nm)
    atoms_nm = head.positions_nm + np.array([0.0, 0.0, height_nm])
    distances = np.linalg.norm(atoms_nm[:, None] - ions_nm[None], axis=-1)
    energy = COULOMB * float(np.sum(parameters.charges[:, None] * charges[None] / distances))
    kinds = np.array(parameters.kinds)
    for ion in set(elements):
        columns = np.flatnonzero(np.array(elements) == ion)
        for kind in set(parameters.kinds):
            rows = np.flatnonzero(kinds == kind)
            pair = pair_for(pack, ion, kind, parameters.lennard_jones.get(kind))
            energy += float(np.sum(pair.energy(distances[np.ix_(rows, columns)])))
    return energy


@dataclass(frozen=True, eq=False)
class _HeadParameters:
    """What a pack needs of a head."""

    charges: np.ndarray
    """(n_atoms,) in e, scaled as the pack scales."""
    kinds: tuple[str, ...]
    """The type of each atom, or the element of an ion."""
    lennard_jones: dict[str, LennardJones]
    """Of each type of an organic atom."""


def _parameters(pack: Pack, head: Head) -> _HeadParameters:
    scale = pack.charges.charge_scale
    if head.name in IONS:
        return _HeadParameters(np.array([scale * head.charge]), head.elements, {})
    charges, kinds, lennard_jones = head_parameters(head.name)
    return _HeadParameters(scale * charges, tuple(kinds), lennard_jones)


def has_gfn2() -> bool:
    """Whether tblite is installed."""
    return util.find_spec("tblite") is not None


def gfn2_energy(head: Head, height_nm: float) -> float:
    """Energy in kJ/mol of a rigid head in the pocket against separated fragments, by GFN2-xTB."""
    elements, ions_nm = cluster()
    atoms_nm = head.positions_nm + np.array([0.0, 0.0, height_nm])
    both = _single_point(
        (*elements, *head.elements),
        np.concatenate([ions_nm, atoms_nm]),
        POCKET_CHARGE + head.charge,
    )
    return both - _pocket_by_gfn2() - _head_by_gfn2(head.name)


@lru_cache
def _pocket_by_gfn2() -> float:
    elements, ions_nm = cluster()
    return _single_point(tuple(elements), ions_nm, POCKET_CHARGE)


@lru_cache
def _head_by_gfn2(name: str) -> float:
    head = head_of(name)
    return _single_point(head.elements, head.positions_nm, head.charge)


def _single_point(elements: tuple[str, ...], positions_nm: np.ndarray, charge: int) -> float:
    from ase import Atoms  # noqa: PLC0415 (slow to import)
    from tblite.ase import TBLite  # noqa: PLC0415 (an optional extra)

    atoms: Any = Atoms(list(elements), 10 * positions_nm)
    atoms.calc = TBLite(method=GFN2, charge=charge, verbosity=0, max_iterations=500)
    return float(atoms.get_potential_energy()) * KJ_PER_EV
