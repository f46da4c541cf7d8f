"""The pair potentials of a pack, as E(r) = A exp(-r/rho) - C6/r^6 + C12/r^12.

A pair is an ion and an ion, or an ion and an organic type.
"""

from dataclasses import dataclass

import numpy as np

from halobind.forcefields.packs.pack import ENERGY, LENGTH, Pack, PairTable


@dataclass(frozen=True)
class LennardJones:
    """The Lennard-Jones numbers of one type of atom."""

    epsilon: float
    """Depth of the well in kJ/mol."""
    sigma: float
    """Distance of zero energy in nm."""


@dataclass(frozen=True)
class Pair:
    """The parameters of the potential of one pair."""

    A: float
    """Repulsion in kJ/mol."""
    B: float
    """1/rho in 1/nm."""
    C6: float
    """Attraction in kJ/mol nm6."""
    C12: float
    """Lennard-Jones repulsion in kJ/mol nm12."""
    source: str
    """Where the numbers come from."""

    def energy(self, r: np.ndarray | float) -> np.ndarray | float:
        """Energy in kJ/mol at distance r in nm, without cutoff, switch or electrostatics."""
        return self.A * np.exp(-self.B * r) - self.C6 / r**6 + self.C12 / r**12


def pair_for(pack: Pack, ion: str, other: str, lj: LennardJones | None = None) -> Pair:
    """The Pair of an ion with another ion or an organic type.

    Listed pairs come from the pack's tables (an organic type through its class); the rest mixes by
    Lorentz-Berthelot.

    Args:
        pack: The force field.
        ion: Its element.
        other: The element of an ion, or a GAFF type.
        lj: The numbers of that GAFF type.

    Raises:
        KeyError: There is no row for two ions, or for an organic type without `lj`.
    """
    row = _row(pack, ion, other)
    if row is not None:
        return _from_table(*row)
    if other in pack.formal or lj is None:
        raise KeyError(f"force field {pack.name!r} has no pair parameters for {ion}-{other}")
    return mix(mixing_of(pack, ion), lj, f"Lorentz-Berthelot; {pack.mixing.source}")


def is_listed(pack: Pack, ion: str, other: str) -> bool:
    """Whether a table of the pack has a row for this pair, so that it does not mix."""
    return _row(pack, ion, other) is not None


def mixing_of(pack: Pack, ion: str) -> LennardJones:
    """The numbers with which an ion mixes with every organic type that no table lists."""
    epsilon, sigma = pack.mixing.ions[ion]
    return LennardJones(epsilon * ENERGY[pack.mixing.energy], sigma * LENGTH[pack.mixing.length])


def mix(first: LennardJones, second: LennardJones, source: str = "Lorentz-Berthelot") -> Pair:
    """The Pair of two types: geometric mean of epsilon, arithmetic mean of sigma."""
    epsilon = float(np.sqrt(first.epsilon * second.epsilon))
    sigma = 0.5 * (first.sigma + second.sigma)
    return _lennard_jones_pair(LennardJones(epsilon, sigma), source)


def _row(pack: Pack, ion: str, other: str) -> tuple[PairTable, tuple[float, ...]] | None:
    """The table that lists a pair, and the numbers of its row; None when no table does."""
    partner = other if other in pack.formal else pack.organic_class.get(other)
    for table in pack.table:
        for key in (f"{ion}-{partner}", f"{partner}-{ion}"):
            if key in table.pairs:
                return table, table.pairs[key]
    return None


def _from_table(table: PairTable, values: tuple[float, ...]) -> Pair:
    """The Pair of a row, its numbers in the units of its table."""
    energy = ENERGY[table.energy]
    length = LENGTH[table.length]
    if table.form == "lennard-jones":
        lj = LennardJones(values[0] * energy, values[1] * length)
        return _lennard_jones_pair(lj, table.source)
    a, rho, c = values
    return Pair(a * energy, 1.0 / (rho * length), c * energy * length**6, 0.0, table.source)


def _lennard_jones_pair(lj: LennardJones, source: str) -> Pair:
    c6 = 4 * lj.epsilon * lj.sigma**6
    c12 = 4 * lj.epsilon * lj.sigma**12
    return Pair(A=0.0, B=1.0, C6=c6, C12=c12, source=source)
