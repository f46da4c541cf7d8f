"""Binding free energies against the ion of the crystal that a ligand replaces.

    ddG = dG0(ligand) - dG0(own ion)

The empty site drops out of the difference: it is the free energy of the exchange of the crystal's
own ion for the ligand, both at 1 mol/L in solution.
"""

import math
from dataclasses import dataclass

from halobind.pipeline.free_energy.quantity import Quantity
from halobind.structures.molecules.catalogue import MODES, PEROVSKITES


@dataclass(frozen=True)
class OwnIonComparison:
    """A ligand against the crystal's own ion, sampled under the same conditions."""

    ion: str
    """The ion: "Cs", "Br", "MA"."""
    ddG_kJ_mol: Quantity
    """dG0 of the ligand less that of the ion."""
    error_is_bound: bool
    """Whether the true error is larger than the estimated one."""
    converged: bool
    """Whether both rows are converged."""


def site_label(mode: str) -> str:
    """The sites that a ligand's heads take: "A", "X", "M" or "A+X"; empty for an unknown mode.

    Args:
        mode: how it binds, a key of MODES.
    """
    return "+".join(MODES[mode].sites) if mode in MODES else ""


def own_ion(perovskite: str, mode: str) -> str:
    """The ion that the crystal has on the site of a ligand; empty where the site has none.

    Args:
        perovskite: a key of PEROVSKITES.
        mode: how the ligand binds, a key of MODES.
    """
    if perovskite not in PEROVSKITES:
        return ""
    crystal = PEROVSKITES[perovskite]
    return {"A": crystal.a_site, "X": crystal.halide}.get(site_label(mode), "")


def ddG_against(ligand: Quantity, ion: Quantity) -> Quantity:
    """dG0 of a ligand less that of the crystal's own ion, in their unit.

    The two come from independent runs, so that the errors add in quadrature. An error that is not
    known (NaN) leaves that of the difference unknown.
    """
    return Quantity(ligand.value - ion.value, math.hypot(ligand.error, ion.error))
