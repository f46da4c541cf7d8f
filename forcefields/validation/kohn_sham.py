"""Kohn-Sham energies of fragments in one shared basis, by PySCF, which is an optional extra."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from pyscf import dft, gto, lib

from halobind.forcefields.validation.density_fitting import FastExchangeFitting, fitting_basis
from halobind.forcefields.validation.dft_points import Method

EV_PER_HARTREE = 27.211386245988
ANGSTROM_PER_NM = 10.0
PSEUDOPOTENTIAL = "gth-pbe"
GRID_LEVEL = 0
"""Of PySCF, with valence electrons only: methylammonium at PbBr6Cs3 is 0.4 kJ/mol from level 1."""
FITTING_BETA = 2.5
"""Ratio of the exponents of the fitting functions."""
FITTING_MAX_L = 3
ENERGY_TOLERANCE_HARTREE = 2e-6
GRADIENT_TOLERANCE = 1e-3
MAX_CYCLES = 60
ELECTRONS_OUTSIDE_GRID = 1e-4
"""Electrons that the points of the grid hold that are left out, by the density of the start."""
MEMORY_MB = 16000


@dataclass(frozen=True, eq=False)
class Fragment:
    """Atoms, of which some may be ghosts: basis functions and grid, no nucleus and no electrons."""

    elements: tuple[str, ...]
    """The element of each atom."""
    positions_nm: np.ndarray
    """(n_atoms, 3) in nm."""
    charge: int
    """In e, ghosts left out."""
    is_ghost: tuple[bool, ...]
    """Of each atom."""


@dataclass(frozen=True, eq=False)
class Converged:
    """A converged closed-shell calculation."""

    energy_hartree: float
    """Without dispersion."""
    density: np.ndarray
    """Density matrix (n_basis, n_basis)."""
    gap_eV: float
    """Between the highest occupied and the lowest empty orbital."""


class SharedBasis:
    """Basis, fitting integrals and grid of one set of positions, for all fragments at them."""

    def __init__(self, whole: Fragment, method: Method) -> None:
        """`whole` has no ghosts."""
        self._method = method
        mol = _molecule(whole, method)
        self._fitting = FastExchangeFitting(mol, fitting_basis(mol, FITTING_BETA, FITTING_MAX_L))
        self._grid = dft.Grids(mol)
        self._grid.level = GRID_LEVEL
        self._grid.build()

    def converge(self, fragment: Fragment, start: np.ndarray | None) -> Converged:
        """Converge a fragment whose atoms and ghosts are those of the whole, in its order.

        Args:
            fragment: what to compute.
            start: density matrix (n_basis, n_basis) to start from; None for that of free atoms.

        Raises:
            RuntimeError: the calculation does not converge.
        """
        calculation = dft.RKS(_molecule(fragment, self._method), xc=self._method.functional)
        calculation = calculation.density_fit(with_df=self._fitting)
        calculation.grids = self._grid if start is None else self._pruned(calculation, start)
        calculation.conv_tol = ENERGY_TOLERANCE_HARTREE
        calculation.conv_tol_grad = GRADIENT_TOLERANCE
        calculation.max_cycle = MAX_CYCLES
        calculation.conv_check = False
        energy = float(calculation.kernel(start))
        if not calculation.converged:
            raise RuntimeError(
                f"{self._method.functional} does not converge in {MAX_CYCLES} cycles"
            )
        return Converged(energy, np.asarray(calculation.make_rdm1()), _gap_eV(calculation))

    def _pruned(self, calculation: Any, start: np.ndarray) -> dft.Grids:
        """The grid without the points where a fragment has next to no density."""
        grid = self._grid.copy()
        density = calculation._numint.get_rho(calculation.mol, start, grid)
        return grid.prune_by_density_(density, ELECTRONS_OUTSIDE_GRID)


def dispersion_hartree(fragment: Fragment, method: Method) -> float:
    """The D3(BJ) energy of the atoms of a fragment."""
    from dftd3.interface import DispersionModel, RationalDampingParam  # noqa: PLC0415 (an optional extra)

    numbers = np.array([gto.charge(element) for element in fragment.elements])
    model = DispersionModel(numbers, fragment.positions_nm * ANGSTROM_PER_NM / lib.param.BOHR)
    damping = RationalDampingParam(method=method.functional)
    return float(model.get_dispersion(damping, grad=False)["energy"])


def _gap_eV(calculation: Any) -> float:
    is_occupied = calculation.mo_occ > 0
    gap = calculation.mo_energy[~is_occupied].min() - calculation.mo_energy[is_occupied].max()
    return float(gap) * EV_PER_HARTREE


def _molecule(fragment: Fragment, method: Method) -> gto.Mole:
    atoms = [
        (f"ghost-{element}" if is_ghost else element, position * ANGSTROM_PER_NM)
        for element, position, is_ghost in zip(
            fragment.elements, fragment.positions_nm, fragment.is_ghost, strict=True
        )
    ]
    return gto.M(
        atom=atoms,
        basis=method.basis,
        pseudo=dict.fromkeys(fragment.elements, PSEUDOPOTENTIAL),
        charge=fragment.charge,
        max_memory=MEMORY_MB,
        verbose=0,
    )
