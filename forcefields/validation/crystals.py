"""The bulk crystal: lattice constant, expansion and density from runs; moduli from strain."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import openmm as mm
from ase.eos import EquationOfState
from openmm import unit
from scipy.optimize import minimize_scalar

from halobind.forcefields.hamiltonian.system import SystemSettings, make_system
from halobind.forcefields.packs.pack import Pack
from halobind.forcefields.validation.check_rows import (
    Engine,
    Measurement,
    Result,
    RowName,
    block_mean,
    judge,
    target_of,
)
from halobind.forcefields.validation.dynamics import Sampling, sample
from halobind.forcefields.validation.lattice_constant import CUTOFF_NM, bulk_model
from halobind.structures.molecules.catalogue import ION_CHARGES, PEROVSKITES
from halobind.structures.molecules.molecule import catalogue_molecule

# The static numbers are computed with each of these cutoffs; their spread is the error.
CUTOFFS_NM = (0.95, 1.0, 1.1, 1.15)
GPA_PER_KJ_MOL_NM3 = 1.66053907e-3
KG_PER_DALTON = 1.66053907e-27
EWALD_TOLERANCE = 1e-6
STRAINS = np.linspace(-0.012, 0.012, 7)  # linear

StrainEnergy = Callable[[tuple[float, float, float]], float]


def unit_mass_kg(perovskite: str) -> float:
    """Mass of one formula unit in kg."""
    row = PEROVSKITES[perovskite]
    atoms = [
        row.metal,
        *[row.halide] * 3,
        *([row.a_site] if row.a_site in ION_CHARGES else catalogue_molecule(row.a_site).elements),
    ]
    mass_Da: float = sum(
        mm.app.Element.getBySymbol(element).mass.value_in_unit(unit.dalton) for element in atoms
    )
    return KG_PER_DALTON * mass_Da


def lattice_check(
    pack: Pack,
    engine: Engine,
    *,
    perovskite: str,
    cells: int,
    colder: Sampling,
    warmer: Sampling,
) -> Result:
    """Lattice constants at two temperatures, the density at the lower, the expansion between them.

    Args:
        pack: The force field.
        engine: Makes the contexts.
        perovskite: The crystal.
        cells: Unit cells along each axis.
        colder: The run at the lower temperature.
        warmer: The run at the higher temperature.
    """
    model = bulk_model(perovskite, pack.lattice_nm[perovskite], cells)
    system = make_system(model, pack, SystemSettings(CUTOFF_NM, 0.0))
    rows = []
    lengths = []
    note = (
        f"{cells}x{cells}x{cells} cells, {colder.measure_ps:g} ps at 1 bar, cutoff {CUTOFF_NM:g} nm"
    )

    def add_row(quantity: str, measurement: Measurement) -> None:
        name = RowName("lattice", perovskite, quantity)
        rows.append(judge(name, measurement, target_of(quantity, perovskite), note))

    for sampling in (colder, warmer):
        frames = sample(system, model.positions, model.box, sampling, engine)
        length = block_mean([float(frame.box.prod()) ** (1 / 3) / cells for frame in frames])
        lengths.append(length)
        add_row(f"a({sampling.temperature_K:g} K)", length)
    cold, warm = lengths
    density = unit_mass_kg(perovskite) / (cold.value * 1e-9) ** 3
    density_error = 3 * density * cold.error / cold.value
    add_row(f"density({colder.temperature_K:g} K)", Measurement(density, density_error))
    step_K = warmer.temperature_K - colder.temperature_K
    expansion = 1e6 * (warm.value - cold.value) / cold.value / step_K
    expansion_error = 1e6 * float(np.hypot(cold.error, warm.error)) / cold.value / step_K
    add_row("expansion", Measurement(expansion, expansion_error))
    return Result(tuple(rows))


@dataclass(frozen=True, eq=False)
class StaticCrystal:
    """The energy of a crystal under strain along its axes, ions at their fractional coordinates."""

    context: mm.Context
    """A context of its System."""
    positions: np.ndarray
    """(n_atoms, 3) in nm without strain."""
    box: np.ndarray
    """Edges (3,) in nm without strain."""

    def energy(self, scale: tuple[float, float, float]) -> float:
        """Energy in kJ/mol of the whole box with each axis times `scale`."""
        self.context.setPeriodicBoxVectors(*np.diag(self.box * scale))
        self.context.setPositions(self.positions * scale)
        state = self.context.getState(getEnergy=True)
        return float(state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))


def make_static_crystal(
    pack: Pack, perovskite: str, cells: int, cutoff_nm: float, engine: Engine
) -> StaticCrystal:
    """A cubic crystal whose ions sit on special positions: no force acts on them at axial strain.

    Args:
        pack: The force field.
        perovskite: The crystal.
        cells: Unit cells along each axis.
        cutoff_nm: Cutoff in nm.
        engine: Makes the context.
    """
    model = bulk_model(perovskite, pack.lattice_nm[perovskite], cells)
    system = make_system(model, pack, SystemSettings(cutoff_nm, 0.0))
    for force in system.getForces():
        if isinstance(force, mm.NonbondedForce):
            force.setEwaldErrorTolerance(EWALD_TOLERANCE)
    return StaticCrystal(engine(system, mm.VerletIntegrator(0.001)), model.positions, model.box)


def relaxed_scale(energy: StrainEnergy, around: float = 1.0, reach: float = 0.04) -> float:
    """The isotropic scale at which an energy is lowest.

    Args:
        energy: Energy in kJ/mol of a scale of each axis.
        around: The middle of the range to search.
        reach: Half its length.

    Raises:
        ValueError: The lowest energy is at the end of the range.
    """
    minimum = minimize_scalar(
        lambda s: energy((s, s, s)),
        bounds=(around - reach, around + reach),
        method="bounded",
        options={"xatol": 1e-6},
    )
    if abs(minimum.x - around) > 0.98 * reach:
        raise ValueError(
            f"no energy minimum within {100 * reach:g} % of the pack's lattice constant"
        )
    return float(minimum.x)


@dataclass(frozen=True)
class Moduli:
    """Elastic moduli of a cubic crystal at its minimum of energy."""

    bulk_GPa: float
    """Bulk modulus in GPa."""
    young_GPa: float
    """Young's modulus along an axis in GPa."""
    scale: float
    """The scale of the axes at the minimum."""


def moduli_of(energy: StrainEnergy, volume_nm3: float) -> Moduli:
    """Moduli from a static energy.

    The bulk modulus is that of a Birch-Murnaghan fit; Young's that of a cubic fit of the energy
    against axial strain with the lateral lengths relaxed.

    Args:
        energy: Energy in kJ/mol of a scale of each axis.
        volume_nm3: Volume in nm3 at scale 1.

    Raises:
        ValueError: There is no minimum near scale 1.
    """
    best = relaxed_scale(energy)
    scales = best * (1 + STRAINS)
    fit = EquationOfState(  # type: ignore[no-untyped-call] # ASE has no types here
        volume_nm3 * scales**3, [energy((s, s, s)) for s in scales], eos="birchmurnaghan"
    )
    _, _, bulk = fit.fit()  # type: ignore[no-untyped-call]

    def relaxed_energy(strain: float) -> float:
        axis = best * (1 + strain)
        reach = best * 0.02
        minimum = minimize_scalar(
            lambda s: energy((s, s, axis)),
            bounds=(best - reach, best + reach),
            method="bounded",
            options={"xatol": 1e-7},
        )
        return float(minimum.fun)

    energies = np.array([relaxed_energy(strain) for strain in STRAINS])
    second = 2 * np.polyfit(STRAINS, energies, 3)[1]
    return Moduli(
        bulk_GPa=float(bulk) * GPA_PER_KJ_MOL_NM3,
        young_GPa=float(second) / (volume_nm3 * best**3) * GPA_PER_KJ_MOL_NM3,
        scale=best,
    )


def elastic_check(pack: Pack, engine: Engine, *, perovskite: str, cells: int) -> Result:
    """Static moduli of the cubic crystal; the error is half the spread over CUTOFFS_NM.

    Args:
        pack: The force field.
        engine: Makes the contexts.
        perovskite: The crystal.
        cells: Unit cells along each axis.
    """
    moduli = {}
    for cutoff_nm in CUTOFFS_NM:
        crystal = make_static_crystal(pack, perovskite, cells, cutoff_nm, engine)
        moduli[cutoff_nm] = moduli_of(crystal.energy, float(crystal.box.prod()))
    middle = moduli[CUTOFF_NM]
    bulk_error = np.ptp([item.bulk_GPa for item in moduli.values()]) / 2
    young_error = np.ptp([item.young_GPa for item in moduli.values()]) / 2
    lattice_nm = pack.lattice_nm[perovskite] * middle.scale
    note = (
        f"static cubic crystal, a = {lattice_nm:.4f} nm at its minimum; error: half the spread over"
        f" cutoffs of {CUTOFFS_NM[0]} to {CUTOFFS_NM[-1]} nm"
    )
    measurements = {
        "bulk modulus": Measurement(middle.bulk_GPa, float(bulk_error)),
        "Young <100>": Measurement(middle.young_GPa, float(young_error)),
    }
    rows = [
        judge(
            RowName("elastic", perovskite, quantity),
            measurement,
            target_of(quantity, perovskite),
            note,
            sampled=False,
        )
        for quantity, measurement in measurements.items()
    ]
    return Result(tuple(rows))
