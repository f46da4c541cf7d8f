"""Enthalpy and entropy from the change of dG0 with temperature."""

import math

import pytest

from halobind.pipeline.results.enthalpy import find_enthalpies
from tests.pipeline.results.rows import bound


def test_enthalpy_by_two_and_by_three_temperatures():
    def line(T):
        return -60.0 + 0.1 * T  # dH = -60 kJ/mol, dS = -0.1 kJ/mol/K

    (two,) = find_enthalpies(
        [bound("DA", line(T), 1.0, T) for T in (280.0, 320.0)] + [bound("DDA", -20.0)]
    )
    assert (
        (two.dH_kJ_mol.value, two.TdS_kJ_mol.value) == pytest.approx((-60.0, -30.0))
        and math.isnan(two.misfit)
        and two.mean_K == 300
    )
    assert two.dH_kJ_mol.error == pytest.approx(
        math.hypot(320, 280) / 40
    )  # of (T2 G1 - T1 G2)/(T2 - T1)
    assert two.TdS_kJ_mol.error == pytest.approx(
        300 * math.sqrt(2) / 40
    )  # of 300 (G1 - G2)/(T2 - T1)
    (three,) = find_enthalpies(
        [
            bound("DA", line(T) + shift, 1.0, T)
            for T, shift in ((280.0, 0), (300.0, 6.0), (320.0, 0))
        ]
    )
    assert (
        three.misfit == pytest.approx(6.0 * math.sqrt(2 / 3), rel=0.01)
        and three.dH_kJ_mol.error < two.dH_kJ_mol.error
    )
    (unknown,) = find_enthalpies([bound("DA", line(T), math.nan, T) for T in (280.0, 320.0)])
    assert unknown.dH_kJ_mol.value == pytest.approx(-60.0) and math.isnan(unknown.dH_kJ_mol.error)
