"""Kohn-Sham energies of fragments against PySCF's own, and the parts of an interaction energy."""

import numpy as np
import pytest

pytest.importorskip("pyscf", reason='needs PySCF: pip install -c constraints.txt ".[dft]"')
pytest.importorskip("dftd3", reason='needs D3: pip install -c constraints.txt ".[dft]"')

from pyscf import df, dft, gto

from halobind.forcefields.validation.density_fitting import FastExchangeFitting, fitting_basis
from halobind.forcefields.validation.dft_heads import head_of
from halobind.forcefields.validation.dft_pocket import (
    KJ_PER_HARTREE,
    ghosts,
    head_fragment,
    joined,
    pocket_fragment,
)
from halobind.forcefields.validation.dft_points import Method
from halobind.forcefields.validation.kohn_sham import Fragment, SharedBasis, dispersion_hartree

METHOD = Method()
BROMIDE = Fragment(("Br",), np.array([[0.0, 0.0, -0.31]]), -1, (False,))


def test_coulomb_and_exchange_are_those_of_pyscf() -> None:
    mol = gto.M(atom="Cs 0 0 0; Br 0 0 3.1", basis=METHOD.basis, pseudo="gth-pbe", verbose=0)
    auxiliary = fitting_basis(mol, 2.0, 3)
    orbitals = np.random.default_rng(1).normal(size=(mol.nao, 5))
    density = orbitals @ orbitals.T
    coulomb, exchange = FastExchangeFitting(mol, auxiliary).get_jk(density)
    expected_coulomb, expected_exchange = df.DF(mol, auxiliary).get_jk(density)
    assert coulomb == pytest.approx(expected_coulomb, abs=1e-9)
    assert exchange == pytest.approx(expected_exchange, rel=1e-5, abs=1e-4)


def test_an_ion_pair_binds_as_without_density_fitting() -> None:
    """Methylammonium and a bromide: fitting, single precision and the coarse grid change nothing.

    (PySCF's own fitting basis is another one for ghosts, which costs 1.5 kJ/mol here.)
    """
    head = head_fragment(head_of("MA"), 0.0)
    pair = joined(BROMIDE, head)
    shared = SharedBasis(pair, METHOD)
    fragments = (pair, joined(BROMIDE, ghosts(head)), joined(ghosts(BROMIDE), head))
    ours = [shared.converge(fragment, None).energy_hartree for fragment in fragments]
    theirs = [plain_energy(fragment) for fragment in fragments]
    found = KJ_PER_HARTREE * (ours[0] - ours[1] - ours[2])
    expected = KJ_PER_HARTREE * (theirs[0] - theirs[1] - theirs[2])
    assert found == pytest.approx(expected, abs=0.1)


def plain_energy(fragment: Fragment) -> float:
    """Of PySCF with four-centre integrals and a finer grid, in hartree."""
    atoms = [
        (f"ghost-{element}" if is_ghost else element, 10 * position)
        for element, position, is_ghost in zip(
            fragment.elements, fragment.positions_nm, fragment.is_ghost, strict=True
        )
    ]
    mol = gto.M(
        atom=atoms,
        basis=METHOD.basis,
        pseudo=dict.fromkeys(fragment.elements, "gth-pbe"),
        charge=fragment.charge,
        verbose=0,
    )
    calculation = dft.RKS(mol, xc="pbe0")
    calculation.grids.level = 1
    return float(calculation.kernel())


def test_dispersion_attracts_and_ghosts_have_none_of_their_own() -> None:
    head = head_fragment(head_of("MA"), 0.0)
    interaction = dispersion_hartree(joined(BROMIDE, head), METHOD)
    interaction -= dispersion_hartree(BROMIDE, METHOD) + dispersion_hartree(head, METHOD)
    assert -20 < KJ_PER_HARTREE * interaction < -1


def test_the_complex_is_neutral_and_no_two_atoms_meet() -> None:
    both = joined(pocket_fragment(), head_fragment(head_of("MA"), -0.05))
    assert both.charge == 0
    distances = np.linalg.norm(both.positions_nm[:, None] - both.positions_nm[None], axis=-1)
    assert distances[np.triu_indices(len(distances), 1)].min() > 0.09
