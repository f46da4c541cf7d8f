"""Coverage and exchange of ligands as the binding free energies predict them."""

import math
from dataclasses import astuple

import pytest

from halobind.pipeline.free_energy.constants import GAS_CONSTANT
from halobind.pipeline.free_energy.quantity import Quantity
from halobind.pipeline.results.ligand_exchange import find_coverages, find_exchanges, langmuir
from halobind.pipeline.results.table_text import binding_markdown
from tests.pipeline.results.rows import bound


def test_coverage_is_langmuir_with_the_errors_of_dG0():
    (found,) = find_coverages([bound("DA", -30.0)])
    kT = GAS_CONSTANT * 300.0
    assert (
        found.log10_half.value
        == pytest.approx(-30.0 / kT / math.log(10))
        == pytest.approx(-5.224, abs=0.001)
    )
    assert found.log10_half.error == pytest.approx(1.0 / kT / math.log(10))
    point = next(point for point in found.points if point.concentration_mol_L == 1e-6)
    c, theta, low, high = astuple(point)
    K = math.exp(30.0 / kT)
    assert theta == pytest.approx(K * c / (1 + K * c)) and low < theta < high
    assert high == pytest.approx(1 / (1 + math.exp(-31.0 / kT) / c))
    assert langmuir(1e-12, 5000.0, kT) < 1e-300 and langmuir(1e-12, -5000.0, kT) == 1.0


def test_exchange_only_between_what_competes_for_one_site():
    runs = [
        bound("DA", -30.0, 3.0),
        bound("DDA", -34.0, 4.0),
        bound("oleate", -50.0, mode="anion"),
        bound("MA", -9.0, solvent="toluene"),
    ]
    (found,) = find_exchanges(runs)
    assert (found.stronger.ligand, found.weaker.ligand, found.ddG_kJ_mol) == (
        "DDA",
        "DA",
        Quantity(-4.0, 5.0),
    )
    assert 10**found.log10_K.value == pytest.approx(math.exp(4.0 / (GAS_CONSTANT * 300.0)))
    text = binding_markdown(runs)
    assert "| DDA    | DA         |" in text and "| -4 ± 5       |" in text
