"""The recomputed reference: a head in the plane of the bromides against the table it must reproduce."""

import pytest

from forcefields.gfn2 import relaxed_energy
from forcefields.validation.pocket import references

pytest.importorskip("tblite", reason='needs tblite: pip install -c constraints.txt ".[params]"')


def test_methylammonium_in_the_gas_phase() -> None:
    found = relaxed_energy("MA", 0.0, None) - relaxed_energy("MA", 0.8, None)
    grid, energies, source = references()["GFN2-xTB relaxed", "gas", "MA"]
    assert found == pytest.approx(energies[grid == 0.0][0], abs=0.5) == pytest.approx(-360, abs=2)
    assert source == "python -m forcefields.gfn2 gas"
