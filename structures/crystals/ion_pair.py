"""How a ligand leaves the surface: alone, or as an ion pair with the ion of the other sign that
sits next to its site.
"""

from collections.abc import Mapping

import numpy as np

from halobind.structures.crystals.crystal import Crystal, Site, charge_of, describe_sites
from halobind.structures.molecules.catalogue import SOLVENTS, Ligand

LEAVING = ("cation", "ion_pair")
# of the lattice constant: surface ions of the other sign this near to a site are next to it (they
# are at 0.71)
NEXT = 0.75
# below it ions in solution are paired (Reichardt, Solvents and Solvent Effects in Organic
# Chemistry, ch. 2.6)
LOW_PERMITTIVITY = 10.0


def check_leaving(leaving: str, name: str, row: Ligand) -> None:
    """Raise ValueError for a ligand that cannot leave in that way."""
    if leaving not in LEAVING:
        raise ValueError(f"leaving = {leaving!r} is not one of {', '.join(LEAVING)}")
    if leaving == "ion_pair" and abs(row.charge) != 1:
        why = (
            "is neutral and leaves alone"
            if not row.charge
            else "would need more than one ion of the other sign"
        )
        raise ValueError(
            f'leaving = "ion_pair": {name} of {row.charge:+d} e {why}: use leaving = "cation"'
        )


def check_solvent(leaving: str, name: str, row: Ligand, recipe: Mapping[str, float]) -> None:
    """Raise ValueError for a charged ligand that is to leave alone into a solvent that does not
    part ions.
    """
    value = permittivity(recipe)
    if leaving == "ion_pair" or not row.charge or value >= LOW_PERMITTIVITY:
        return
    advice = (
        'set [coordinate] leaving = "ion_pair"' if abs(row.charge) == 1 else "use a polar solvent"
    )
    raise ValueError(
        f"{name} of {row.charge:+d} e cannot leave alone into {' + '.join(recipe)} (relative"
        f" permittivity {value:.1f}, ions pair below {LOW_PERMITTIVITY:g}): its curve has no"
        f" plateau there; {advice}"
    )


def permittivity(recipe: Mapping[str, float]) -> float:
    """Relative permittivity of a mixture (volume fractions by name): the average over the volumes."""
    return sum(part * SOLVENTS[name].permittivity for name, part in recipe.items())


def partner_of(crystal: Crystal, site: Site, charge: int, gone: set[int]) -> int:
    """Index of the surface ion that leaves with a ligand of that `charge` (+1 or -1): the nearest
    of the other sign that is not in `gone` and not held in place.

    Raises ValueError when none is next to the site.
    """
    distance = np.linalg.norm(crystal.delta(crystal.positions, site.point), axis=1)
    for i in np.argsort(np.round(distance, 6), kind="stable"):
        if distance[i] > NEXT * crystal.lattice_nm:
            break
        if (
            crystal.surface[i]
            and not crystal.frozen[i]
            and int(i) not in gone
            and charge_of(crystal.species[i]) == -charge
        ):
            return int(i)
    kind = "halide" if charge > 0 else "A cation"
    raise ValueError(
        f'leaving = "ion_pair": no {kind} of the surface is next to the {site.kind} {site.role}'
        f" site of the ligand ({describe_sites(crystal)} sites, before the coating): use another"
        " site, or a lower coverage"
    )
