"""The units in which energies of tables are written: kJ/mol, or kcal/mol where a person asks."""

from collections.abc import Mapping
from dataclasses import dataclass

from halobind.pipeline.free_energy.jsonable import Json

KJ_PER_KCAL = 4.184


@dataclass(frozen=True)
class EnergyUnit:
    """A unit of energy per amount of substance."""

    name: str
    """As people read it: "kJ/mol"."""
    suffix: str
    """As it ends the name of a column: "kJ_mol"."""
    per_kJ_mol: float
    """How many of it are 1 kJ/mol."""

    def record(self, record: Mapping[str, Json]) -> dict[str, Json]:
        """The cells of a line in this unit, under headers that name it.

        A cell that the record has in this unit already is there once.

        Args:
            record: cells under their headers; energies in kJ/mol under headers that end so.
        """
        if self == KJ_PER_MOL:
            return dict(record)
        cells: dict[str, Json] = {}
        for header, cell in record.items():
            if not header.endswith(KJ_PER_MOL.suffix):
                cells.setdefault(header, cell)
                continue
            own_header = header.removesuffix(KJ_PER_MOL.suffix) + self.suffix
            scaled = cell * self.per_kJ_mol if isinstance(cell, float) else cell
            cells.setdefault(own_header, scaled)
        return cells


KJ_PER_MOL = EnergyUnit("kJ/mol", "kJ_mol", 1.0)
KCAL_PER_MOL = EnergyUnit("kcal/mol", "kcal_mol", 1 / KJ_PER_KCAL)
ENERGY_UNITS = {"kJ": KJ_PER_MOL, "kcal": KCAL_PER_MOL}
"""The units by what a person types for them."""
