"""The recomputed reference: a head in the plane of the bromides against the table it must
reproduce.
"""

import pytest

from halobind.forcefields.validation.gfn2_reference import relaxed_energy
from halobind.forcefields.validation.pocket import references

pytest.importorskip("tblite", reason='needs tblite: pip install -c constraints.txt ".[params]"')


def test_methylammonium_in_the_gas_phase() -> None:
    depth = relaxed_energy("MA", 0.0, None) - relaxed_energy("MA", 0.8, None)
    reference = references()["GFN2-xTB relaxed", "gas", "MA"]
    (shipped,) = reference.energies_kJ[reference.heights_nm == 0.0]
    assert depth == pytest.approx(shipped, abs=0.5)
    assert depth == pytest.approx(-360, abs=2)
    assert reference.source == "python -m halobind.forcefields.validation.gfn2_reference gas"
