"""Energies of rigid heads in the pocket of Pb4Br20Cs11 by density functional theory, gas phase.

The energy of a point is that of the complex less those of the pocket and of the head, each in the
basis of the complex (counterpoise: Boys and Bernardi, Mol. Phys. 1970, 19, 553): it is held against
separated rigid fragments. Kohn-Sham with density fitting by PySCF (Sun et al., J. Chem. Phys. 2020,
153, 024109); PBE0 (Adamo and Barone, J. Chem. Phys. 1999, 110, 6158), GTH pseudopotentials
(Goedecker et al., Phys. Rev. B 1996, 54, 1703), MOLOPT basis sets (VandeVondele and Hutter,
J. Chem. Phys. 2007, 127, 114105), D3(BJ) (Grimme et al., J. Comput. Chem. 2011, 32, 1456).
"""

import numpy as np

from halobind.forcefields.validation.dft_heads import Head, head_of
from halobind.forcefields.validation.dft_points import Method, PocketEnergy
from halobind.forcefields.validation.kohn_sham import (
    Converged,
    Fragment,
    SharedBasis,
    dispersion_hartree,
)
from halobind.forcefields.validation.pocket import cluster

KJ_PER_HARTREE = 2625.4996394799
POCKET_CHARGE = -1
"""Of Pb4Br20Cs11: its formal charge in e."""


class PocketCalculator:
    """Energies by one method; what depends on no height is computed once."""

    def __init__(self, method: Method) -> None:
        self._method = method
        self._pocket = pocket_fragment()
        self._bare: dict[str, Converged] = {}

    def energy(self, name: str, height_nm: float) -> PocketEnergy:
        """The energy of a head with its anchor at a height over the outer Br plane.

        Raises:
            KeyError: there is no such head.
            RuntimeError: a calculation does not converge.
        """
        head = head_fragment(head_of(name), height_nm)
        pocket_alone = self._alone("pocket", self._pocket)
        head_alone = self._alone(name, head)
        empty_pocket = np.zeros_like(pocket_alone.density)
        empty_head = np.zeros_like(head_alone.density)

        basis = SharedBasis(joined(self._pocket, head), self._method)
        pocket = basis.converge(
            joined(self._pocket, ghosts(head)), block_diagonal(pocket_alone.density, empty_head)
        )
        head_only = basis.converge(
            joined(ghosts(self._pocket), head), block_diagonal(empty_pocket, head_alone.density)
        )
        both = basis.converge(joined(self._pocket, head), pocket.density + head_only.density)

        in_basis = pocket.energy_hartree + head_only.energy_hartree
        dispersion = self._dispersion(head)
        return PocketEnergy(
            energy_kJ_mol=KJ_PER_HARTREE * (both.energy_hartree - in_basis + dispersion),
            dispersion_kJ_mol=KJ_PER_HARTREE * dispersion,
            gap_eV=both.gap_eV,
        )

    def _alone(self, name: str, fragment: Fragment) -> Converged:
        """A fragment in its own basis; its energy depends on no height."""
        if name not in self._bare:
            basis = SharedBasis(fragment, self._method)
            self._bare[name] = basis.converge(fragment, None)
        return self._bare[name]

    def _dispersion(self, head: Fragment) -> float:
        """Dispersion in hartree between the pocket and the head."""
        both = dispersion_hartree(joined(self._pocket, head), self._method)
        pocket = dispersion_hartree(self._pocket, self._method)
        return both - pocket - dispersion_hartree(head, self._method)


def pocket_fragment() -> Fragment:
    """The cluster with its empty A site at the origin."""
    elements, positions = cluster()
    return Fragment(tuple(elements), positions, POCKET_CHARGE, (False,) * len(elements))


def head_fragment(head: Head, height_nm: float) -> Fragment:
    """The head with its anchor over the site, at a height over the outer Br plane."""
    positions = head.positions_nm + np.array([0.0, 0.0, height_nm])
    return Fragment(head.elements, positions, head.charge, (False,) * len(head.elements))


def ghosts(fragment: Fragment) -> Fragment:
    """The fragment with all of its atoms ghosts."""
    return Fragment(fragment.elements, fragment.positions_nm, 0, (True,) * len(fragment.elements))


def joined(first: Fragment, second: Fragment) -> Fragment:
    """Both fragments as one, the atoms of the first before those of the second."""
    return Fragment(
        first.elements + second.elements,
        np.concatenate([first.positions_nm, second.positions_nm]),
        first.charge + second.charge,
        first.is_ghost + second.is_ghost,
    )


def block_diagonal(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The density matrix (n + m, n + m) of two fragments (n, n) and (m, m) without overlap."""
    size = len(first)
    both = np.zeros((size + len(second),) * 2)
    both[:size, :size] = first
    both[size:, size:] = second
    return both
