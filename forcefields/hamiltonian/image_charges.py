"""What the periodic images of a charge and of the site that it left add to its free energy.

In a periodic box the charge +q at height z over its empty site -q sees that site, all images of it
and its own. In a medium of relative permittivity eps

    E(z) = (q^2/eps) [E_Ewald(z) + 1/(4 pi eps0 z)]        P(z) = -(q^2/eps)/(4 pi eps0 z)
    dG0(one site, from infinity) = dG0(box) + E(z_plateau) + P(z_plateau)

| symbol | here | meaning |
|---|---|---|
| E_Ewald | | Ewald energy of the pair of unit charges, conducting surroundings, kJ/mol |
| 1/(4 pi eps0 z) | COULOMB / z | what one pair without images has taken off, kJ/mol |
| E | image_energy | kJ/mol, positive: images make leaving dearer, and dG0 of the box too negative |
| P | pair_energy | kJ/mol: what holds the charge still where the path ends |

Far out over a small cell the slope of E_Ewald is that of a plate capacitor less what the box takes
back along the normal, (q^2/(2 eps0 eps A)) (1 - 2 z/L_z), so that E itself stays small. The medium
is taken as uniform with the permittivity of the solvent: a crystal of another one changes E by a
part of itself, which this does not tell.
"""

import openmm as mm
from openmm import unit

COULOMB = 138.935457644
"""1/(4 pi eps0) in kJ/mol nm/e^2 (CODATA 2018)."""
EWALD_TOLERANCE = 1e-6
LARGEST_CUTOFF_OF_SIDE = 0.49
"""The direct sum ends at this part of the shortest side."""


def image_energy(
    box_nm: tuple[float, float, float], height_nm: float, permittivity: float, charge: float = 1.0
) -> float:
    """Energy E (kJ/mol) of the images of a charge over its empty site.

    Args:
        box_nm: Lengths of the box; the charge is above its site along the third.
        height_nm: Of the charge over the site.
        permittivity: Relative, of the medium.
        charge: Of the ligand, in e.

    Raises:
        ValueError: The height is not within half the box, or the permittivity is below 1.
    """
    if not 0 < height_nm <= box_nm[2] / 2:
        raise ValueError(
            f"height_nm = {height_nm:g} must lie within half the box, {box_nm[2]:g} nm"
        )
    if not permittivity >= 1:
        raise ValueError(f"permittivity = {permittivity:g} must be at least 1")
    system = mm.System()
    x, y, z = box_nm
    system.setDefaultPeriodicBoxVectors(mm.Vec3(x, 0, 0), mm.Vec3(0, y, 0), mm.Vec3(0, 0, z))
    force = mm.NonbondedForce()
    force.setNonbondedMethod(mm.NonbondedForce.Ewald)
    force.setCutoffDistance(LARGEST_CUTOFF_OF_SIDE * min(box_nm))
    force.setEwaldErrorTolerance(EWALD_TOLERANCE)
    for sign in (1.0, -1.0):
        system.addParticle(1.0)
        force.addParticle(sign, 0.1, 0.0)
    system.addForce(force)
    reference = mm.Platform.getPlatformByName("Reference")
    context = mm.Context(system, mm.VerletIntegrator(0.001), reference)
    context.setPositions([mm.Vec3(0, 0, height_nm), mm.Vec3(0, 0, 0)])
    energy = context.getState(getEnergy=True).getPotentialEnergy()
    periodic = float(energy.value_in_unit(unit.kilojoule_per_mole))
    return charge**2 / permittivity * (periodic + COULOMB / height_nm)


def pair_energy(height_nm: float, permittivity: float, charge: float = 1.0) -> float:
    """Energy P (kJ/mol) of a lone charge over its empty site, against infinite distance.

    Args:
        height_nm: Of the charge over the site.
        permittivity: Relative, of the medium.
        charge: Of the ligand, in e.
    """
    return -(charge**2) * COULOMB / (permittivity * height_nm)


def image_slope(
    box_nm: tuple[float, float, float], height_nm: float, permittivity: float, charge: float = 1.0
) -> float:
    """Slope dE/dz (kJ/mol/nm) of `image_energy` at a height.

    Args:
        box_nm: As there.
        height_nm: As there.
        permittivity: As there.
        charge: As there.

    Raises:
        ValueError: As there.
    """
    step_nm = min(0.01, height_nm / 10)
    low, high = (
        image_energy(box_nm, height, permittivity, charge)
        for height in (height_nm - step_nm, height_nm)
    )
    return (high - low) / step_nm
