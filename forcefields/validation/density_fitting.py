"""Density fitting for PySCF with exchange in single precision; imports PySCF, an optional extra.

The Coulomb part is in double precision. Exchange is a small part of the energy: rounding it to
single precision changes an interaction energy by less than 0.01 kJ/mol, and halves its cost.
"""

from typing import Any

import numpy as np
from pyscf import df, gto, lib
from scipy.linalg.blas import ssyrk

AUX_BLOCK = 64
"""Fitting functions that are contracted at once."""
MIN_OCCUPATION = 1e-9
"""Natural orbitals of a density matrix below this occupation are rounding."""


def fitting_basis(mol: gto.Mole, beta: float, max_l: int) -> dict[str, list[Any]]:
    """Even-tempered fitting functions for the products of the basis of each element.

    PySCF's own choice is smaller for ghosts, which spoils a counterpoise correction by 1.5 kJ/mol.

    Args:
        mol: the molecule, without ghosts.
        beta: ratio of neighbouring exponents.
        max_l: the largest angular momentum that is kept.
    """
    shells = df.aug_etb(mol, beta)
    return {
        element: [shell for shell in kept if shell[0] <= max_l] for element, kept in shells.items()
    }


class FastExchangeFitting(df.DF):  # type: ignore[misc]  # PySCF publishes no types
    """Three-centre integrals of one set of positions, for all molecules that share its basis."""

    _square: np.ndarray | None = None

    def get_jk(
        self,
        dm: np.ndarray,
        hermi: int = 1,
        with_j: bool = True,
        with_k: bool = True,
        direct_scf_tol: float = 0.0,
        omega: float | None = None,
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Coulomb and exchange matrices (n, n) of one positive density matrix (n, n)."""
        if omega or np.ndim(dm) != 2:
            raise NotImplementedError("one density matrix and the full Coulomb operator only")
        if self._cderi is None:
            self.build()
        density = np.asarray(dm)
        coulomb = self._coulomb(density) if with_j else None
        exchange = self._exchange(density) if with_k else None
        return coulomb, exchange

    def _coulomb(self, density: np.ndarray) -> np.ndarray:
        packed = lib.pack_tril(density + density.T)
        diagonal = np.arange(len(density))
        packed[diagonal * (diagonal + 1) // 2 + diagonal] /= 2
        coulomb: np.ndarray = lib.unpack_tril((self._cderi @ packed) @ self._cderi)
        return coulomb

    def _exchange(self, density: np.ndarray) -> np.ndarray:
        occupations, orbitals = np.linalg.eigh(density)
        kept = occupations > MIN_OCCUPATION
        occupied = (orbitals[:, kept] * np.sqrt(occupations[kept])).astype(np.float32)
        rows = np.ascontiguousarray(occupied.T)
        size = len(density)
        upper = np.zeros((size, size), dtype=np.float32, order="F")
        tensor = self._integrals()
        for first in range(0, len(tensor), AUX_BLOCK):
            half = np.matmul(rows, tensor[first : first + AUX_BLOCK]).reshape(-1, size)
            upper = ssyrk(1.0, half.T, beta=1.0, c=upper, overwrite_c=1)
        exchange: np.ndarray = np.triu(upper) + np.triu(upper, 1).T
        return exchange.astype(float)

    def _integrals(self) -> np.ndarray:
        """(n_fitting, n, n) in single precision."""
        if self._square is not None:
            return self._square
        size = self.mol.nao
        square = np.empty((len(self._cderi), size, size), dtype=np.float32)
        for row, packed in enumerate(self._cderi):
            square[row] = lib.unpack_tril(packed)
        self._square = square
        return square
