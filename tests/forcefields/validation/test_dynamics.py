"""The Hamiltonian in motion: energy conserved to second order in the time step, kinetic energies by
the chi-squared law at 4 fs.
"""

import numpy as np
import openmm as mm
import pytest
from openmm import unit
from scipy import stats

from halobind.forcefields.hamiltonian.cpu_pair_forces import write_out_tables
from halobind.forcefields.hamiltonian.system import SystemSettings, make_system
from halobind.forcefields.packs.pack import load_pack
from halobind.forcefields.validation.lattice_constant import bulk_model

PACK = load_pack("bond-increment")
KELVIN = 300.0
KT = (unit.MOLAR_GAS_CONSTANT_R * KELVIN * unit.kelvin).value_in_unit(unit.kilojoule_per_mole)
CUTOFF_NM = 0.85
ONE_THREAD = {"Threads": "1", "DeterministicForces": "true"}


@pytest.fixture(scope="module")
def system() -> mm.System:
    """27 cells of MAPbBr3: ions, molecules with constraints and heavy hydrogens, every force but
    the restraint.
    """
    made = make_system(
        bulk_model("MAPbBr3", PACK.lattice_nm["MAPbBr3"], 3), PACK, SystemSettings(CUTOFF_NM, 0.0)
    )
    next(f for f in made.getForces() if isinstance(f, mm.NonbondedForce)).setEwaldErrorTolerance(
        1e-4
    )
    return write_out_tables(made)


def langevin(system: mm.System, step_ps: float, friction: float) -> mm.Context:
    integrator = mm.LangevinMiddleIntegrator(KELVIN, friction, step_ps)
    integrator.setRandomNumberSeed(1)
    context = mm.Context(system, integrator, mm.Platform.getPlatformByName("CPU"), ONE_THREAD)
    context.setPositions(bulk_model("MAPbBr3", PACK.lattice_nm["MAPbBr3"], 3).positions)
    mm.LocalEnergyMinimizer.minimize(context, 50.0, 200)
    context.setVelocitiesToTemperature(KELVIN, 1)
    integrator.step(round(1.0 / step_ps))
    return context


def velocity_verlet(step_ps: float) -> mm.CustomIntegrator:
    """x and v at the same time, constraints by RATTLE, as in the OpenMM manual."""
    made = mm.CustomIntegrator(step_ps)
    made.addPerDofVariable("x1", 0)
    made.addUpdateContextState()
    made.addComputePerDof("v", "v + 0.5*dt*f/m")
    made.addComputePerDof("x", "x + dt*v")
    made.addComputePerDof("x1", "x")
    made.addConstrainPositions()
    made.addComputePerDof("v", "v + 0.5*dt*f/m + (x - x1)/dt")
    made.addConstrainVelocities()
    made.setConstraintTolerance(1e-7)
    return made


def total_energy(
    system: mm.System, start: mm.State, step_ps: float, length_ps: float
) -> np.ndarray:
    """Kinetic and potential energy in kJ/mol every 4 fs, without a thermostat, from one point in
    phase space.
    """
    context = mm.Context(
        system, velocity_verlet(step_ps), mm.Platform.getPlatformByName("CPU"), ONE_THREAD
    )
    context.setState(start)
    context.applyConstraints(1e-7)
    context.applyVelocityConstraints(1e-7)
    found = []
    for _ in range(round(length_ps / 0.004)):
        state = context.getState(getEnergy=True)
        found.append(
            (state.getKineticEnergy() + state.getPotentialEnergy()).value_in_unit(
                unit.kilojoule_per_mole
            )
        )
        context.getIntegrator().step(round(0.004 / step_ps))
    return np.array(found)


def test_energy_errors_fall_with_the_square_of_the_time_step(system: mm.System) -> None:
    start = langevin(system, 0.002, 5.0).getState(getPositions=True, getVelocities=True)
    spread, drift = {}, {}
    for step in (0.002, 0.001):
        energies = total_energy(system, start, step, 0.4)
        times = 0.004 * np.arange(len(energies))
        slope, offset = np.polyfit(times, energies, 1)
        spread[step] = float(np.std(energies - slope * times - offset)) / system.getNumParticles()
        drift[step] = float(slope) / system.getNumParticles()
    assert spread[0.002] / spread[0.001] == pytest.approx(4.0, rel=0.15)
    assert spread[0.001] < 2e-3  # kJ/mol an atom; kT is 2.5
    assert abs(drift[0.001]) < 2e-3  # kJ/mol/ps an atom


@pytest.mark.stats
def test_kinetic_energies_follow_the_chi_squared_law(system: mm.System) -> None:
    """2 K / kT is chi-squared with 3 degrees of freedom an ion, and 3 an atom less the constraints
    for all; 4 fs make molecules 1 % hot.
    """
    context = langevin(system, 0.004, 10.0)
    mass = np.array(
        [
            system.getParticleMass(i).value_in_unit(unit.dalton)
            for i in range(system.getNumParticles())
        ]
    )
    ions = mass > 50
    assert system.getNumConstraints() == 6 * 27 and ions.sum() == 4 * 27 and len(mass) == 12 * 27
    found: dict[str, list[float]] = {"all": [], "ions": []}
    for _ in range(100):
        context.getIntegrator().step(40)
        velocities = (
            context.getState(getVelocities=True)
            .getVelocities(asNumpy=True)
            .value_in_unit(unit.nanometer / unit.picosecond)
        )
        twice = mass * np.sum(velocities**2, axis=1) / KT
        found["all"].append(float(twice.sum()))
        found["ions"].append(float(twice[ions].sum()))
    freedom = {"all": 3 * len(mass) - system.getNumConstraints(), "ions": 3 * int(ions.sum())}
    for kind, values in found.items():
        law = stats.chi2(freedom[kind])
        error = law.std() / np.sqrt(len(values))
        assert np.mean(values) == pytest.approx(
            law.mean(), abs=4 * error + 0.012 * law.mean() * (kind == "all")
        ), kind
        assert np.var(values, ddof=1) / law.var() == pytest.approx(1.0, abs=0.5), (
            kind
        )  # 3.5 standard errors of 100 values
    assert stats.kstest(found["ions"], stats.chi2(freedom["ions"]).cdf).pvalue > 1e-3
