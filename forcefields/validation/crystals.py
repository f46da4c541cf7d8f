"""The bulk crystal: lattice constants, expansion and density from constant-pressure runs; static
moduli from energy against strain.
"""

from dataclasses import dataclass

import numpy as np
import openmm as mm
from ase.eos import EquationOfState
from openmm import unit
from scipy.optimize import minimize_scalar

from halobind.forcefields.hamiltonian.system import SystemSettings, make_system
from halobind.forcefields.packs.pack import Pack
from halobind.forcefields.validation.check_rows import Engine, Result, block_mean, judged, target_of
from halobind.forcefields.validation.dynamics import Sampling, sample
from halobind.forcefields.validation.lattice_constant import CUTOFF_NM, bulk_model
from halobind.structures.molecules.catalogue import ION_CHARGES, PEROVSKITES
from halobind.structures.molecules.molecule import catalogue_molecule

CUTOFFS_NM = (
    0.95,
    1.0,
    1.1,
    1.15,
)  # over which the static numbers are repeated: their spread is the error
GPA = 1.66053907e-3  # of 1 kJ/mol/nm3
DALTON_KG = 1.66053907e-27
EWALD = 1e-6
STRAINS = np.linspace(-0.012, 0.012, 7)  # linear


def unit_mass_kg(perovskite: str) -> float:
    """Mass of one formula unit in kg."""
    row = PEROVSKITES[perovskite]
    atoms = [
        row.metal,
        *[row.halide] * 3,
        *([row.a_site] if row.a_site in ION_CHARGES else catalogue_molecule(row.a_site).elements),
    ]
    return DALTON_KG * sum(
        mm.app.Element.getBySymbol(element).mass.value_in_unit(unit.dalton) for element in atoms
    )


def lattice_check(
    perovskite: str, how: tuple[Sampling, Sampling], cells: int, pack: Pack, engine: Engine
) -> Result:
    """Lattice constants at the two temperatures of `how`, the density at the first, the mean linear
    expansion between them.
    """
    model = bulk_model(perovskite, pack.lattice_nm[perovskite], cells)
    system = make_system(model, pack, SystemSettings(CUTOFF_NM, 0.0))
    rows, lengths = [], []
    note = (
        f"{cells}x{cells}x{cells} cells, {how[0].measure_ps:g} ps at 1 bar, cutoff {CUTOFF_NM:g} nm"
    )
    for sampling in how:
        frames = sample(system, model.positions, model.box, sampling, engine)
        length = block_mean([float(frame.box.prod()) ** (1 / 3) / cells for frame in frames])
        lengths.append(length)
        quantity = f"a({sampling.temperature_K:g} K)"
        rows.append(
            judged(("lattice", perovskite, quantity), length, target_of(quantity, perovskite), note)
        )
    (a, error), (b, other) = lengths
    mass, quantity = unit_mass_kg(perovskite), f"density({how[0].temperature_K:g} K)"
    density = mass / (a * 1e-9) ** 3
    rows.append(
        judged(
            ("lattice", perovskite, quantity),
            (density, 3 * density * error / a),
            target_of(quantity, perovskite),
            note,
        )
    )
    step = how[1].temperature_K - how[0].temperature_K
    expansion = (1e6 * (b - a) / a / step, 1e6 * float(np.hypot(error, other)) / a / step)
    rows.append(
        judged(
            ("lattice", perovskite, "expansion"),
            expansion,
            target_of("expansion", perovskite),
            note,
        )
    )
    return Result(tuple(rows))


@dataclass(frozen=True, eq=False)
class Static:
    """Static energy of a crystal under strain along its axes; ions stay at their fractional
    coordinates.
    """

    context: mm.Context
    positions: np.ndarray
    box: np.ndarray

    def energy(self, scale: tuple[float, float, float]) -> float:
        """Energy in kJ/mol of the whole box with each axis times `scale`."""
        self.context.setPeriodicBoxVectors(*np.diag(self.box * scale))
        self.context.setPositions(self.positions * scale)
        return (
            self.context.getState(getEnergy=True)
            .getPotentialEnergy()
            .value_in_unit(unit.kilojoule_per_mole)
        )


def static_crystal(
    pack: Pack, perovskite: str, cells: int, cutoff_nm: float, engine: Engine
) -> Static:
    """The Static of a cubic crystal, in which all ions sit on special positions, so that no force
    acts on them at any axial strain.
    """
    model = bulk_model(perovskite, pack.lattice_nm[perovskite], cells)
    system = make_system(model, pack, SystemSettings(cutoff_nm, 0.0))
    for force in system.getForces():
        if isinstance(force, mm.NonbondedForce):
            force.setEwaldErrorTolerance(EWALD)
    return Static(engine(system, mm.VerletIntegrator(0.001)), model.positions, model.box)


def relaxed_scale(energy, around: float = 1.0, reach: float = 0.04) -> float:
    """The isotropic scale at which energy((s, s, s)) is lowest. Raises ValueError when that is at
    the end of the range looked at.
    """
    found = minimize_scalar(
        lambda s: energy((s, s, s)),
        bounds=(around - reach, around + reach),
        method="bounded",
        options={"xatol": 1e-6},
    )
    if abs(found.x - around) > 0.98 * reach:
        raise ValueError(
            f"no energy minimum within {100 * reach:g} % of the pack's lattice constant"
        )
    return float(found.x)


def moduli(energy, volume_nm3: float) -> tuple[float, float, float]:
    """Bulk modulus and Young's modulus along an axis (GPa), and the scale s of the minimum, of a
    static energy(scale (3,)) in kJ/mol.

    `volume_nm3` is the volume at scale 1. The bulk modulus is that of a Birch-Murnaghan fit;
    Young's that of a cubic fit of the energy against axial strain with the lateral lengths relaxed.
    """
    best = relaxed_scale(energy)
    scales = best * (1 + STRAINS)
    fit = EquationOfState(
        volume_nm3 * scales**3, [energy((s, s, s)) for s in scales], eos="birchmurnaghan"
    )
    _, _, bulk = fit.fit()

    def relaxed(strain: float) -> float:
        axis = best * (1 + strain)
        reach = best * 0.02
        found = minimize_scalar(
            lambda s: energy((s, s, axis)),
            bounds=(best - reach, best + reach),
            method="bounded",
            options={"xatol": 1e-7},
        )
        return float(found.fun)

    energies = np.array([relaxed(strain) for strain in STRAINS])
    second = 2 * np.polyfit(STRAINS, energies, 3)[1]
    return float(bulk) * GPA, float(second) / (volume_nm3 * best**3) * GPA, best


def elastic_check(perovskite: str, cells: int, pack: Pack, engine: Engine) -> Result:
    """Static moduli at the minimum of the cubic crystal; the error is half the spread over cutoffs
    of 0.95 to 1.15 nm.
    """
    found = []
    for cutoff in CUTOFFS_NM:
        crystal = static_crystal(pack, perovskite, cells, cutoff, engine)
        found.append(moduli(crystal.energy, float(crystal.box.prod())))
    table = np.array(found)
    middle, spread = table[CUTOFFS_NM.index(CUTOFF_NM)], np.ptp(table, axis=0) / 2
    lattice = pack.lattice_nm[perovskite] * middle[2]
    span = f"{CUTOFFS_NM[0]} to {CUTOFFS_NM[-1]} nm"
    note = (
        f"static cubic crystal, a = {lattice:.4f} nm at its minimum; error: half the spread over"
        f" cutoffs of {span}"
    )
    rows = [
        judged(
            ("elastic", perovskite, quantity),
            (middle[k], spread[k]),
            target_of(quantity, perovskite),
            note,
            sampled=False,
        )
        for k, quantity in enumerate(("bulk modulus", "Young <100>"))
    ]
    return Result(tuple(rows))
