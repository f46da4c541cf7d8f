"""Perovskite slabs: cubic AMX3 cells cut along (100), symmetric about their middle layer, which lies at z = 0."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms

from structures.rows import PEROVSKITES

TERMINATIONS = ("AX",)


@dataclass(frozen=True, eq=False)
class Slab:
    """Ions of a slab: `elements`, `positions` (n, 3) in nm with the middle layer at z = 0, `layer` (n,) from -m to m.

    Even neighbours in `layer` alternate between AX and MX2; the outermost layers |m| are the termination.
    `lattice_nm` is the cubic lattice constant, `box_xy` (2,) the lateral box in nm.
    """

    elements: tuple[str, ...]
    positions: np.ndarray
    layer: np.ndarray
    lattice_nm: float
    box_xy: np.ndarray


def make_slab(perovskite: str, cells: tuple[int, int, int], termination: str, lattice_nm: float) -> Slab:
    """A slab of cells[0] x cells[1] x cells[2] cubic cells, both faces with the same termination ("AX").

    m cells thick means m MX2 layers between m + 1 AX layers: balanced in formal charge for every size.
    Raises ValueError for a termination not in TERMINATIONS or a size below one cell.
    """
    if termination not in TERMINATIONS:
        raise ValueError(f"termination {termination!r} is not one of {TERMINATIONS}")
    if min(cells) < 1:
        raise ValueError(f"a slab needs at least one cell along each axis, not {cells}")
    row = PEROVSKITES[perovskite]
    a = 10.0 * lattice_nm
    unit = Atoms(
        [row.a_site, row.halide, row.metal, row.halide, row.halide],
        scaled_positions=[(0, 0, 0), (0.5, 0.5, 0), (0.5, 0.5, 0.5), (0.5, 0, 0.5), (0, 0.5, 0.5)],
        cell=[a, a, a],
        pbc=True,
    )
    nx, ny, m = cells
    bulk = unit.repeat((nx, ny, m + 1))
    layer = np.rint(2.0 * bulk.positions[:, 2] / a).astype(int) - m
    keep = layer <= m
    positions = bulk.positions[keep] / 10.0
    positions[:, 2] = layer[keep] * lattice_nm / 2.0
    elements = tuple(symbol for symbol, kept in zip(bulk.get_chemical_symbols(), keep, strict=True) if kept)
    return Slab(elements, positions, layer[keep], lattice_nm, np.array([nx, ny]) * lattice_nm)


def formal_charge(perovskite: str, elements: tuple[str, ...]) -> int:
    """The sum of formal charges of the ions in e."""
    charges = PEROVSKITES[perovskite].formal_charge
    return sum(charges[element] for element in elements)


def central_site(slab: Slab, element: str) -> int:
    """Index of the ion of `element` in the top layer that is nearest to the lateral middle of the box."""
    top = np.flatnonzero((slab.layer == slab.layer.max()) & (np.array(slab.elements) == element))
    distance = np.linalg.norm(slab.positions[top, :2] - slab.box_xy / 2, axis=1)
    return int(top[np.argmin(distance)])
