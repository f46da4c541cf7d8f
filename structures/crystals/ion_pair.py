"""How a ligand leaves the surface: alone, or paired with an ion of the other sign beside it."""

from collections.abc import Mapping

import numpy as np

from halobind.structures.crystals.crystal import Crystal, Site, charge_of, describe_sites
from halobind.structures.molecules.catalogue import SOLVENTS, Ligand

LEAVING = ("cation", "ion_pair")
# Of the lattice constant: surface ions of the other sign this near to a site are next to it (they
# are at 0.71).
MAX_PARTNER_DISTANCE = 0.75
# Below it ions in solution are paired (Reichardt, Solvents and Solvent Effects in Organic
# Chemistry, ch. 2.6).
MIN_PERMITTIVITY_FOR_FREE_IONS = 10.0


def check_leaving(leaving: str, name: str, row: Ligand) -> None:
    """Refuse a way of leaving that a ligand does not have.

    Args:
        leaving: One of LEAVING.
        name: The name of the ligand.
        row: The ligand.

    Raises:
        ValueError: Naming the value and what to do.
    """
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
    """Refuse a charged ligand that is to leave alone into a solvent that does not part ions.

    Args:
        leaving: One of LEAVING.
        name: The name of the ligand.
        row: The ligand.
        recipe: Volume fractions of the solvents by name.

    Raises:
        ValueError: Naming the ligand, the solvent and what to do.
    """
    value = permittivity(recipe)
    if leaving == "ion_pair" or not row.charge or value >= MIN_PERMITTIVITY_FOR_FREE_IONS:
        return
    advice = (
        'set [coordinate] leaving = "ion_pair"' if abs(row.charge) == 1 else "use a polar solvent"
    )
    raise ValueError(
        f"{name} of {row.charge:+d} e cannot leave alone into {' + '.join(recipe)} (relative"
        f" permittivity {value:.1f}, ions pair below {MIN_PERMITTIVITY_FOR_FREE_IONS:g}): its curve"
        f" has no plateau there; {advice}"
    )


def permittivity(recipe: Mapping[str, float]) -> float:
    """Relative permittivity of a mixture (volume fractions by name), averaged over the volumes."""
    return sum(part * SOLVENTS[name].permittivity for name, part in recipe.items())


def partner_of(crystal: Crystal, site: Site, charge: int, gone: set[int]) -> int:
    """The surface ion that leaves with a ligand: the nearest free one of the other sign.

    Args:
        crystal: The crystal.
        site: The site of the ligand.
        charge: Charge of the ligand, +1 or -1.
        gone: Indices of ions that are not there any more, or leave with another ligand.

    Returns:
        Index of the ion; never one of the reference frame.

    Raises:
        ValueError: When none is next to the site.
    """
    distance = np.linalg.norm(crystal.delta(crystal.positions, site.point), axis=1)
    for i in np.argsort(np.round(distance, 6), kind="stable"):
        if distance[i] > MAX_PARTNER_DISTANCE * crystal.lattice_nm:
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
