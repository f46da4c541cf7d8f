"""What an alchemical path adds to a System: a gate on the pocket, a factor on the ligand's charges.

The energy of any alchemical state at a record follows from three numbers taken there,

    U_alch = G fill + b s + c s^2

with G the strength of the gate, s the charge scale (pocket_gate.py, charge_scaling.py).
"""

from dataclasses import dataclass

import numpy as np
import openmm as mm

from halobind.forcefields.hamiltonian.charge_scaling import (
    add_charge_scaling,
    charge_terms,
    set_charge_scale,
)
from halobind.forcefields.hamiltonian.pocket_gate import GATE, PocketGate
from halobind.structures.models.model import Model


@dataclass(frozen=True, eq=False)
class AlchemicalForces:
    """Gate and charge scaling of one System."""

    gate: PocketGate
    ligand: np.ndarray
    """Indices (n,) of the atoms of the sampled ligand."""

    @classmethod
    def of(cls, model: Model, radius_nm: float) -> "AlchemicalForces":
        """Those of a built model.

        Args:
            model: With one sampled ligand.
            radius_nm: Of the gate.

        Raises:
            ValueError: The model has more than one sampled ligand.
        """
        gate = PocketGate.of(model, radius_nm)
        anchor = int(model.groups["anchor"][0])
        residue = next(r for r in model.residues if r.start <= anchor < r.stop)
        return cls(gate, np.arange(residue.start, residue.stop))

    def add_to(self, system: mm.System) -> None:
        """Add both to a System, the gate open and the charges whole."""
        self.gate.add_to(system)
        add_charge_scaling(system, (int(i) for i in self.ligand))

    def set_state(self, context: mm.Context, gate: float, scale: float) -> None:
        """Set the strength of the gate (kJ/mol) and the charge scale of a context."""
        context.setParameter(GATE, gate)
        set_charge_scale(context, scale)

    def measure(self, context: mm.Context, positions: np.ndarray, box: np.ndarray) -> np.ndarray:
        """fill (no unit), b and c (kJ/mol) where the atoms are now, (3,).

        Args:
            context: Of a System that both were added to.
            positions: Where the atoms are (n_atoms, 3), nm.
            box: Lengths (3,), nm.
        """
        return np.array([self.gate.fill(positions, box), *charge_terms(context)])


def alchemical_energy(terms: np.ndarray, gate: float, scale: float) -> float:
    """U_alch (kJ/mol) of a state at one record.

    Args:
        terms: fill, b and c (3,) at the record.
        gate: Strength of the gate, kJ/mol.
        scale: Charge scale.
    """
    fill, b, c = (float(value) for value in terms)
    return gate * fill + b * scale + c * scale**2
