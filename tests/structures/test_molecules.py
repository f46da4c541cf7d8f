"""Molecules from SMILES: composition, head, charge and an upright conformer."""

import numpy as np
import pytest

from structures.molecules import from_smiles, molecule
from structures.rows import LIGANDS, SOLVENTS

FORMULAS = {
    "DA": {"C": 12, "N": 1, "H": 28},
    "DDA": {"C": 24, "N": 1, "H": 52},
    "DMDDA": {"C": 26, "N": 1, "H": 56},
    "acetone": {"C": 3, "O": 1, "H": 6},
    "toluene": {"C": 7, "H": 8},
}


@pytest.mark.parametrize("name", [*LIGANDS, *SOLVENTS])
def test_composition(name: str) -> None:
    m = molecule(name)
    assert {element: m.elements.count(element) for element in set(m.elements)} == FORMULAS[name]
    assert len(set(m.names)) == m.n_atoms
    assert m.masses.sum() == pytest.approx(sum({"C": 12.011, "N": 14.007, "O": 15.999, "H": 1.008}[e] for e in m.elements), abs=0.01)


@pytest.mark.parametrize("name", LIGANDS)
def test_ligands_stand_upright_on_their_head(name: str) -> None:
    m, row = molecule(name), LIGANDS[name]
    assert m.charge == row.charge
    assert m.elements[m.anchor] == "N"
    assert m.positions[m.anchor] == pytest.approx(0.0, abs=1e-9)
    bonded = np.bincount(m.bonds.ravel())
    ends = [i for i, e in enumerate(m.elements) if e == "C" and np.sum(m.bonds == i) == 4 and _hydrogens(m, i) == 3]
    far = [i for i in ends if np.linalg.norm(m.positions[i]) > 0.5]
    assert len(far) == (1 if name == "DA" else 2)
    assert (m.positions[far, 2] > 0.9).all()  # every tail points along +z
    assert bonded[m.anchor] == 4
    apart = np.linalg.norm(m.positions[:, None] - m.positions[None], axis=-1)[np.triu_indices(m.n_atoms, 1)]
    assert apart.min() > 0.095


def _hydrogens(m, atom: int) -> int:
    pairs = m.bonds[(m.bonds == atom).any(axis=1)]
    return sum(m.elements[i] == "H" for i in pairs[pairs != atom])


def test_same_arguments_same_molecule() -> None:
    first, second = from_smiles("x", "CCC[NH3+]", "[NX4+]"), from_smiles("x", "CCC[NH3+]", "[NX4+]")
    assert np.array_equal(first.positions, second.positions) and first.names == second.names


@pytest.mark.parametrize(
    ("smiles", "anchor", "message"),
    [("CC(C)(C)(C)C", None, "cannot read"), ("nonsense", None, "cannot read"), ("CCC", "[NX4+]", "no atom")],
)
def test_bad_smiles_are_refused(smiles: str, anchor: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_smiles("bad", smiles, anchor)
