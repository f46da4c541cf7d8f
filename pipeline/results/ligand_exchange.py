"""What binding free energies predict: coverage against concentration, and exchange of ligands.

    theta(c) = K c / (1 + K c)        K = exp(-dG0/kT) L/mol        K_ex = exp(-(dG0_a - dG0_b)/kT)

theta is the coverage of empty sites that do not see each other, in equilibrium with free ligand at
concentration c (Langmuir). What fills the site otherwise, a cation of the crystal or of the
solution, is not in it: where one competes, K_ex is the number that holds, n_a/n_b on the surface
over c_a/c_b in solution, because the empty site drops out of it. So it is with the ion that the
crystal itself has on the site, where that is sampled as a ligand:

    theta(x) = K_ex x / (1 + K_ex x)        x = c_ligand/c_ion in solution

theta is then the part of the sites that the ligand has, and the ion has the rest.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from halobind.pipeline.free_energy.constants import GAS_CONSTANT
from halobind.pipeline.free_energy.quantity import Quantity
from halobind.pipeline.results.table_rows import TableRow, ligand_rows

CONCENTRATIONS_MOL_L = tuple(10.0**power for power in range(-12, 1))
"""Concentrations at which the coverage is tabulated."""
CONCENTRATION_RATIOS = tuple(10.0**power for power in range(-6, 7))
"""Concentrations of a ligand over that of the crystal's own ion at which sharing is tabulated."""
MAX_EXPONENT = 700.0
"""The largest argument of exp that a float holds."""


@dataclass(frozen=True)
class CoveragePoint:
    """Coverage at one concentration."""

    concentration_mol_L: float
    """Of the dissolved ligand."""
    theta: float
    """The part of the sites that is covered."""
    theta_low: float
    """The same for a dG0 one standard error higher."""
    theta_high: float
    """The same for a dG0 one standard error lower."""


@dataclass(frozen=True)
class Coverage:
    """Coverage of one ligand against its concentration."""

    row: TableRow
    """The ligand over its replicas."""
    log10_half: Quantity
    """log10 of the concentration (mol/L) that covers half of the sites."""
    points: tuple[CoveragePoint, ...]
    """The coverage at each of CONCENTRATIONS_MOL_L."""


@dataclass(frozen=True)
class LigandExchange:
    """One ligand in place of another on the same site; their runs are independent."""

    stronger: TableRow
    """The ligand with the lower dG0."""
    weaker: TableRow
    """The ligand that it replaces."""
    ddG_kJ_mol: Quantity
    """dG0 of the stronger less that of the weaker."""
    log10_K: Quantity
    """log10 of the exchange constant K_ex."""


@dataclass(frozen=True)
class SharedSites:
    """How a ligand and the crystal's own ion share the sites at one ratio of concentrations."""

    ratio: float
    """Concentration of the free ligand over that of the free ion."""
    theta: float
    """The part of the sites that the ligand has."""
    theta_low: float
    """The same for a ddG one standard error higher."""
    theta_high: float
    """The same for a ddG one standard error lower."""


@dataclass(frozen=True)
class OwnIonExchange:
    """One ligand in place of the ion that the crystal has on its site."""

    row: TableRow
    """The ligand over its replicas."""
    ion: TableRow
    """The ion over its replicas."""
    ddG_kJ_mol: Quantity
    """dG0 of the ligand less that of the ion."""
    log10_K: Quantity
    """log10 of the exchange constant K_ex."""
    points: tuple[SharedSites, ...]
    """The coverage at each of CONCENTRATION_RATIOS."""


def langmuir(c_mol_L: float, dG0_kJ_mol: float, kT: float) -> float:
    """Coverage theta, without overflow; NaN for an energy that is not known.

    Args:
        c_mol_L: concentration of the free ligand.
        dG0_kJ_mol: its binding free energy.
        kT: thermal energy (kJ/mol).
    """
    if not math.isfinite(dG0_kJ_mol):
        return math.nan
    return 1 / (1 + math.exp(min(MAX_EXPONENT, dG0_kJ_mol / kT - math.log(c_mol_L))))


def find_coverages(runs: Sequence[TableRow]) -> list[Coverage]:
    """One for each ligand with a binding free energy, over its replicas."""
    coverages = []
    for row in _rows_with_dG0(runs):
        dG0 = row.known_binding.dG0_kJ_mol
        kT = GAS_CONSTANT * row.known_binding.temperature_K
        points = tuple(
            CoveragePoint(
                concentration_mol_L=c,
                theta=langmuir(c, dG0.value, kT),
                theta_low=langmuir(c, dG0.value + dG0.error, kT),
                theta_high=langmuir(c, dG0.value - dG0.error, kT),
            )
            for c in CONCENTRATIONS_MOL_L
        )
        coverages.append(Coverage(row, _log10(dG0, kT), points))
    return coverages


def find_exchanges(runs: Sequence[TableRow]) -> list[LigandExchange]:
    """Every two ligands that compete for one site.

    They bind in the same mode to the same surface, in the same solvent, force field and
    temperature.
    """
    exchanges = []
    for first, second in itertools.combinations(_rows_with_dG0(runs), 2):
        if not _compete(first, second):
            continue
        stronger, weaker = sorted(
            (first, second), key=lambda row: row.known_binding.dG0_kJ_mol.value
        )
        strong = stronger.known_binding.dG0_kJ_mol
        weak = weaker.known_binding.dG0_kJ_mol
        ddG = Quantity(strong.value - weak.value, math.hypot(strong.error, weak.error))
        kT = GAS_CONSTANT * stronger.known_binding.temperature_K
        log10_K = _log10(Quantity(-ddG.value, ddG.error), kT)
        exchanges.append(LigandExchange(stronger, weaker, ddG, log10_K))
    return exchanges


def find_own_ion_exchanges(runs: Sequence[TableRow]) -> list[OwnIonExchange]:
    """Every ligand against the crystal's own ion, where that is sampled on the same site."""
    rows = _rows_with_dG0(runs)
    exchanges = []
    for row in rows:
        if row.own_ion is None:
            continue
        ion = next(ion for ion in rows if ion.ligand == row.own_ion.ion and _compete(row, ion))
        exchanges.append(_own_ion_exchange(row, ion, row.own_ion.ddG_kJ_mol))
    return exchanges


def _own_ion_exchange(row: TableRow, ion: TableRow, ddG: Quantity) -> OwnIonExchange:
    """A ligand against the crystal's own ion; `ddG` (kJ/mol) is the difference of their dG0."""
    kT = GAS_CONSTANT * row.known_binding.temperature_K
    points = tuple(
        SharedSites(
            ratio=ratio,
            theta=langmuir(ratio, ddG.value, kT),
            theta_low=langmuir(ratio, ddG.value + ddG.error, kT),
            theta_high=langmuir(ratio, ddG.value - ddG.error, kT),
        )
        for ratio in CONCENTRATION_RATIOS
    )
    return OwnIonExchange(row, ion, ddG, _log10(Quantity(-ddG.value, ddG.error), kT), points)


def _compete(first: TableRow, second: TableRow) -> bool:
    """Whether two rows differ in the ligand only, and both bind in one mode."""
    return (first.labels[1:], first.mode) == (second.labels[1:], second.mode)


def _rows_with_dG0(runs: Sequence[TableRow]) -> list[TableRow]:
    """The ligands over their replicas that have a binding free energy."""
    return [row for row in ligand_rows(runs) if row.has_dG0]


def _log10(energy: Quantity, kT: float) -> Quantity:
    """log10 exp(E/kT) with its error; E and kT in kJ/mol."""
    return Quantity(energy.value / (kT * math.log(10)), energy.error / (kT * math.log(10)))
