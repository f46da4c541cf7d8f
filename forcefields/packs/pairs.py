"""The pair table of a pack as E(r) = A exp(-r/rho) - C6/r^6 + C12/r^12, for every pair of ion kinds
and organic types.
"""

from dataclasses import dataclass

import numpy as np

from halobind.forcefields.packs.pack import ENERGY, LENGTH, Pack, PairTable


@dataclass(frozen=True)
class Pair:
    """A (kJ/mol), B = 1/rho (1/nm), C6 (kJ/mol nm6), C12 (kJ/mol nm12) of one pair, and where the
    numbers come from.
    """

    A: float
    B: float
    C6: float
    C12: float
    source: str

    def energy(self, r: np.ndarray | float) -> np.ndarray | float:
        """Energy in kJ/mol at distance r in nm, without cutoff, switch or electrostatics."""
        return self.A * np.exp(-self.B * r) - self.C6 / r**6 + self.C12 / r**12


def pair_for(pack: Pack, ion: str, other: str, lj: tuple[float, float] | None = None) -> Pair:
    """The Pair of `ion` (element) with `other`: an ion, or the GAFF type of an organic atom with
    its `lj` = (epsilon, sigma).

    Listed pairs come from the pack's tables (an organic type through its class); the rest mixes by
    Lorentz-Berthelot. Raises KeyError for two ions without a row, or an organic type that is not
    listed and comes without `lj`.
    """
    row = _row(pack, ion, other)
    if row is not None:
        return _from_table(*row)
    if other in pack.formal or lj is None:
        raise KeyError(f"force field {pack.name!r} has no pair parameters for {ion}-{other}")
    return mixed(mixing_of(pack, ion), lj, f"Lorentz-Berthelot; {pack.mixing.source}")


def is_listed(pack: Pack, ion: str, other: str) -> bool:
    """Whether a table of the pack has a row for this pair, so that it does not mix."""
    return _row(pack, ion, other) is not None


def mixing_of(pack: Pack, ion: str) -> tuple[float, float]:
    """(epsilon, sigma) of an ion in kJ/mol and nm, with which it meets every organic type that no
    table lists.
    """
    epsilon, sigma = pack.mixing.ions[ion]
    return epsilon * ENERGY[pack.mixing.energy], sigma * LENGTH[pack.mixing.length]


def mixed(
    one: tuple[float, float], two: tuple[float, float], source: str = "Lorentz-Berthelot"
) -> Pair:
    """The Lennard-Jones Pair of two (epsilon, sigma): geometric mean of epsilon, arithmetic mean of
    sigma.
    """
    return _lennard_jones(float(np.sqrt(one[0] * two[0])), 0.5 * (one[1] + two[1]), source)


def _row(pack: Pack, ion: str, other: str) -> tuple[PairTable, tuple[float, ...]] | None:
    partner = other if other in pack.formal else pack.organic_class.get(other)
    for table in pack.table:
        for key in (f"{ion}-{partner}", f"{partner}-{ion}"):
            if key in table.pairs:
                return table, table.pairs[key]
    return None


def _from_table(table: PairTable, values: tuple[float, ...]) -> Pair:
    energy, length = ENERGY[table.energy], LENGTH[table.length]
    if table.form == "lennard-jones":
        return _lennard_jones(values[0] * energy, values[1] * length, table.source)
    a, rho, c = values
    return Pair(a * energy, 1.0 / (rho * length), c * energy * length**6, 0.0, table.source)


def _lennard_jones(epsilon: float, sigma: float, source: str) -> Pair:
    return Pair(0.0, 1.0, 4 * epsilon * sigma**6, 4 * epsilon * sigma**12, source)
