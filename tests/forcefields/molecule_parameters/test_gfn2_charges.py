"""Charges beside charges, penalties, and what the programs cannot do here."""

from importlib import util
from pathlib import Path

import numpy as np
import pytest

from halobind.forcefields.molecule_parameters import gaff as programs
from halobind.forcefields.molecule_parameters.gaff import high_penalties, is_zwitterion
from halobind.forcefields.molecule_parameters.gfn2_charges import (
    Opinion,
    compare,
    head_groups,
    of_gfn2,
    of_points,
    united_atoms,
)
from halobind.structures.molecules.catalogue import Ligand
from halobind.structures.molecules.molecule import catalogue_molecule, make_molecule

needs_tblite = pytest.mark.skipif(
    not util.find_spec("tblite"), reason='needs tblite: pip install -c constraints.txt ".[params]"'
)


@needs_tblite
def test_gfn2_of_water() -> None:
    """GFN2-xTB (J. Chem. Theory Comput. 2019, 15, 1652): hydrogens of about +0.28 e, dipole moment
    near 2.2 D.
    """
    item = catalogue_molecule("water")
    found = of_gfn2(item, item.positions)
    assert found.charges == pytest.approx(
        [-0.565, 0.282, 0.282], abs=0.01
    ) and found.dipole_D == pytest.approx(2.25, abs=0.1)
    assert of_gfn2(item, item.positions + 5.0).dipole_D == pytest.approx(found.dipole_D, abs=1e-3)


def test_point_charges_have_the_dipole_of_tip3p() -> None:
    """TIP3P: 2.35 D (Jorgensen et al., J. Chem. Phys. 1983, 79, 926)."""
    item, half = catalogue_molecule("water"), np.radians(104.52 / 2)
    positions = 0.09572 * np.array(
        [[0, 0, 0], [np.sin(half), np.cos(half), 0], [-np.sin(half), np.cos(half), 0]]
    )
    assert of_points(item, np.array([-0.834, 0.417, 0.417]), positions).dipole_D == pytest.approx(
        2.35, abs=0.01
    )


def test_charges_that_differ_much_are_warned_of() -> None:
    item = catalogue_molecule("butylammonium")
    assert sorted(len(atoms) for atoms in united_atoms(item).values()) == [3, 3, 3, 4, 4]
    (head,) = head_groups(item).values()
    assert {item.elements[i] for i in head} == {"N", "C", "H"} and len(head) == 7
    kinds = tuple("c3" for _ in item.names)
    even = np.full(item.n_atoms, 1 / item.n_atoms)
    other = even.copy()
    other[item.anchor] += 0.3
    assert compare(item, kinds, Opinion(even, 5.0), Opinion(even + 0.01, 5.9))[1] == []
    lines, warnings = compare(item, kinds, Opinion(even, 5.0), Opinion(other, 7.0))
    assert len(lines) == 2 + 5 + 2 and len(warnings) == 2
    assert (
        "they differ by more than 0.25 e" in warnings[0]
        and "they differ by more than 1 D and 20 %" in warnings[1]
    )
    assert compare(item, kinds, Opinion(even, 5.0), None)[1] == [
        "no GFN2-xTB charges beside them: tblite is not installed: pip install -c constraints.txt"
        ' ".[params]"'
    ]


def test_high_penalties_are_found() -> None:
    remarks = (
        "a-b 4 2.8 same as X -c2-ca-X , penalty score=237.0",
        "c-d 1.1 general, penalty score= 6.0)",
        "e-f Using the default value",
    )
    assert high_penalties(remarks) == [remarks[0]]


def test_a_nitro_group_is_no_zwitterion() -> None:
    assert not is_zwitterion(make_molecule("x", Ligand("NCC[N+](=O)[O-]", "donor", 0, "x")))
    assert is_zwitterion(catalogue_molecule("leucine"))


def test_a_missing_system_library_is_told_with_its_package(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "antechamber"
    fake.write_text(
        "#!/bin/sh\necho 'sqm: error while loading shared libraries: libarpack.so.2: cannot open"
        " shared object file' >&2\nexit 127\n"
    )
    fake.chmod(0o755)
    with pytest.raises(
        RuntimeError,
        match=(
            r"antechamber lacks a system library \(.*libarpack.so.2.*\): apt-get install liblapack3"
            r" libblas3"
        ),
    ):
        programs._run_program(tmp_path, tmp_path, command=[str(fake)], product="out.mol2")
