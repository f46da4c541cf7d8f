"""The bulk crystal of a pack, and its lattice constant by a run at constant pressure.

At 300 K, or at another temperature in K:

    python -m halobind.forcefields.validation.lattice_constant PACK PEROVSKITE
    python -m halobind.forcefields.validation.lattice_constant PACK PEROVSKITE 425
"""

import sys
from dataclasses import dataclass, replace

import numpy as np
import openmm as mm
from openmm import unit

from halobind.forcefields.hamiltonian.system import SystemSettings, make_system
from halobind.forcefields.packs.pack import Pack, load_pack
from halobind.structures.assembly.groups import ModelParts, assemble_model
from halobind.structures.crystals.a_site_molecules import crystal_residues
from halobind.structures.crystals.crystal import CrystalSpec, make_crystal
from halobind.structures.models.model import Model

CUTOFF_NM = 1.0
TIMESTEP_PS = 0.004
N_BLOCKS = 8
RECORD_STEPS = 25


@dataclass(frozen=True)
class LatticeRun:
    """A run that measures a lattice constant."""

    measure_ps: float = 80.0
    """Time in ps that is counted."""
    warm_ps: float = 10.0
    """Time in ps at half the time step, after the minimisation."""
    settle_ps: float = 20.0
    """Time in ps at the whole time step that is not counted."""
    cells: int = 4
    """Unit cells along each axis."""
    seed: int = 1
    """Seed of model, barostat, integrator and velocities."""


def bulk_model(perovskite: str, lattice_nm: float, cells: int, seed: int = 1) -> Model:
    """A cubic crystal, periodic along all three axes.

    Args:
        perovskite: The crystal.
        lattice_nm: Its lattice constant in nm.
        cells: Unit cells along each axis.
        seed: How molecules on A sites are turned.

    Raises:
        ValueError: The perovskite has no row.
    """
    crystal = make_crystal(CrystalSpec(perovskite, "slab", (cells,) * 3, "AX", lattice_nm))
    height = crystal.positions[:, 2]
    # The uppermost layer is the periodic image of the lowest one.
    upper = {int(i) for i in np.flatnonzero(height > height.max() - 1e-6)}
    parts = ModelParts(crystal_residues(crystal, upper, seed), [], [], [], [])
    model = assemble_model(crystal, parts, (), np.full(3, cells * lattice_nm))
    nothing = dict.fromkeys(("surface", "frozen"), np.zeros(0, dtype=int))
    return replace(model, groups={**model.groups, **nothing})


def lattice_constant(
    pack: Pack, perovskite: str, temperature_K: float, run: LatticeRun
) -> tuple[float, float]:
    """The cubic lattice constant at 1 bar, by a run.

    The three edges move independently; one CPU thread, so that the same seed gives the same number
    on the same machine.

    Args:
        pack: The force field.
        perovskite: The crystal.
        temperature_K: Temperature in K.
        run: Its lengths, size and seed.

    Returns:
        The mean and its standard error from blocks of time, both in nm.
    """
    model = bulk_model(perovskite, pack.lattice_nm[perovskite], run.cells, run.seed)
    system = make_system(model, pack, SystemSettings(CUTOFF_NM, 0.0))
    barostat = mm.MonteCarloAnisotropicBarostat(
        mm.Vec3(1, 1, 1) * unit.bar, temperature_K * unit.kelvin, True, True, True, 10
    )
    barostat.setRandomNumberSeed(run.seed)
    system.addForce(barostat)
    integrator = mm.LangevinMiddleIntegrator(
        temperature_K * unit.kelvin, 1.0 / unit.picosecond, TIMESTEP_PS / 2 * unit.picosecond
    )
    integrator.setRandomNumberSeed(run.seed)
    context = mm.Context(system, integrator, mm.Platform.getPlatformByName("CPU"), {"Threads": "1"})
    context.setPositions(model.positions)
    mm.LocalEnergyMinimizer.minimize(context, 10.0, 300)
    context.setVelocitiesToTemperature(temperature_K, run.seed)
    integrator.step(round(2 * run.warm_ps / TIMESTEP_PS))
    integrator.setStepSize(TIMESTEP_PS)
    integrator.step(round(run.settle_ps / TIMESTEP_PS))
    n_records = N_BLOCKS * max(1, round(run.measure_ps / TIMESTEP_PS / RECORD_STEPS / N_BLOCKS))
    lengths = np.empty(n_records)
    for k in range(n_records):
        integrator.step(RECORD_STEPS)
        edges = context.getState().getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer)
        lengths[k] = np.diag(edges).mean() / run.cells
    blocks = lengths.reshape(N_BLOCKS, -1).mean(axis=1)
    return float(lengths.mean()), float(blocks.std(ddof=1) / np.sqrt(N_BLOCKS))


def main(arguments: list[str]) -> int:
    """Print the lattice constant of one perovskite of one pack; returns the exit code."""
    if len(arguments) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    name, perovskite, *rest = arguments
    run = LatticeRun()
    temperature = float(rest[0]) if rest else 300.0
    try:
        pack = load_pack(name)
        if perovskite not in pack.lattice_nm:
            raise KeyError(
                f"force field {name!r} has no parameters for {perovskite}; it has"
                f" {', '.join(pack.lattice_nm)}"
            )
        mean, error = lattice_constant(pack, perovskite, temperature, run)
    except KeyError as problem:
        print(problem.args[0], file=sys.stderr)
        return 1
    print(
        f"{name} {perovskite}: a = {mean:.4f} +- {error:.5f} nm at {temperature:g} K,"
        f" {run.measure_ps:g} ps, cutoff {CUTOFF_NM} nm"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
