"""Coverage and exchange of ligands as the binding free energies predict them."""

import json
import math
from dataclasses import astuple, replace

import pytest

from halobind.pipeline.free_energy.constants import GAS_CONSTANT
from halobind.pipeline.free_energy.quantity import Quantity
from halobind.pipeline.results.ligand_exchange import (
    find_coverages,
    find_exchanges,
    find_own_ion_exchanges,
    langmuir,
)
from halobind.pipeline.results.table_text import binding_json, binding_markdown, prediction_files
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


def test_every_ligand_is_held_against_the_ion_of_the_crystal_where_that_is_sampled():
    runs = [
        bound("DA", -30.0, 3.0),
        bound("Cs", -40.0, 4.0),
        bound("DDA", -34.0, 3.0, solvent="toluene"),
        bound("oleate", -50.0, mode="anion"),
    ]
    (found,) = find_own_ion_exchanges(runs)
    assert (found.row.ligand, found.ion.ligand) == ("DA", "Cs")
    assert found.ddG_kJ_mol == Quantity(10.0, 5.0)
    kT = GAS_CONSTANT * 300.0
    K = math.exp(-10.0 / kT)
    assert 10**found.log10_K.value == pytest.approx(K)
    ratio, theta, low, high = astuple(next(point for point in found.points if point.ratio == 1e3))
    assert theta == pytest.approx(K * ratio / (1 + K * ratio))
    assert high == pytest.approx(1 / (1 + math.exp(5.0 / kT) / ratio))
    assert low == pytest.approx(1 / (1 + math.exp(15.0 / kT) / ratio))
    text = binding_markdown(runs)
    assert "## Exchange with the crystal" in text and "| 10 ± 5 " in text
    assert "Exchange with a cation of the crystal is not in it" not in text
    assert prediction_files(runs)["own-ion-exchange.csv"].count("\nDA,Cs,") == len(found.points)


def test_tables_without_an_ion_of_the_crystal_do_not_speak_of_it():
    runs = [bound("DA", -30.0), bound("MA", -34.0)]
    assert not find_own_ion_exchanges(runs)
    assert "Exchange with the crystal" not in binding_markdown(runs)
    assert "own-ion-exchange" not in json.loads(binding_json(runs))
    organic = [replace(run, perovskite="MAPbBr3") for run in runs]
    assert find_own_ion_exchanges(organic)[0].ion.ligand == "MA"
