"""What the binding free energies of a campaign predict: coverage against concentration, and which
ligand replaces which.

    theta(c) = K c / (1 + K c)        K = exp(-dG0/kT) L/mol        K_ex = exp(-(dG0_a - dG0_b)/kT)

theta is the coverage of empty sites that do not see each other, in equilibrium with free ligand at
concentration c (Langmuir). What fills the site otherwise, a cation of the crystal or of the
solution, is not in it: where one competes, K_ex is the number that holds, n_a/n_b on the surface
over c_a/c_b in solution, because the empty site drops out of it.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from halobind.pipeline.free_energy.samples import GAS_CONSTANT, Quantity
from halobind.pipeline.results.table_rows import Row, ligand_rows

CONCENTRATIONS_MOL_L = tuple(10.0**power for power in range(-12, 1))


@dataclass(frozen=True)
class Coverage:
    """Coverage of one ligand: log10 of the concentration (mol/L) that covers half, and (c, theta,
    lower, upper) at one standard error.
    """

    row: Row
    log10_half: Quantity
    thetas: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True)
class Exchange:
    """Ligand `a`, the stronger one, in place of `b`: ddG = dG0_a - dG0_b (kJ/mol) and log10 of
    K_ex; runs are independent.
    """

    a: Row
    b: Row
    ddG_kJ_mol: Quantity
    log10_K: Quantity


def langmuir(c_mol_L: float, dG0_kJ_mol: float, kT: float) -> float:
    """Coverage theta at concentration c, without overflow; NaN for an energy that is not known."""
    if not math.isfinite(dG0_kJ_mol):
        return math.nan
    return 1 / (1 + math.exp(min(700.0, dG0_kJ_mol / kT - math.log(c_mol_L))))


def coverages(runs: Sequence[Row]) -> list[Coverage]:
    """One a ligand with a binding free energy, over its replicas."""
    found = []
    for row in _known(runs):
        q, kT = row.binding.dG0_kJ_mol, GAS_CONSTANT * row.binding.temperature_K
        energies = (q.value, q.value + q.error, q.value - q.error)
        thetas = tuple(
            (c, *(langmuir(c, energy, kT) for energy in energies)) for c in CONCENTRATIONS_MOL_L
        )
        found.append(Coverage(row, _log10(q, kT), thetas))
    return found


def exchanges(runs: Sequence[Row]) -> list[Exchange]:
    """Every two ligands that bind in the same mode to the same surface, in the same solvent, force
    field and temperature.
    """
    found = []
    for pair in itertools.combinations(_known(runs), 2):
        first, second = pair
        if (first.labels[1:], first.mode) != (second.labels[1:], second.mode):
            continue
        a, b = sorted(pair, key=lambda row: row.binding.dG0_kJ_mol.value)
        strong, weak = a.binding.dG0_kJ_mol, b.binding.dG0_kJ_mol
        ddG = Quantity(strong.value - weak.value, math.hypot(strong.error, weak.error))
        log10_K = _log10(Quantity(-ddG.value, ddG.error), GAS_CONSTANT * a.binding.temperature_K)
        found.append(Exchange(a, b, ddG, log10_K))
    return found


def _known(runs: Sequence[Row]) -> list[Row]:
    return [
        row
        for row in ligand_rows(runs)
        if row.binding and math.isfinite(row.binding.dG0_kJ_mol.value)
    ]


def _log10(energy: Quantity, kT: float) -> Quantity:
    """log10 exp(E/kT) with its error."""
    return Quantity(energy.value / (kT * math.log(10)), energy.error / (kT * math.log(10)))
