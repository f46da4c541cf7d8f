"""Pocket to solvent: the free energy of a bare ammonium head along the normal over its A site, lattice held rigid, solvent explicit.

The reference, GFN2-xTB with a solvent model on a rigid cluster, has a rigid lattice too; so the two differ by the pair terms and charges of
the pack and by the solvent, not by ions that move.
"""

from dataclasses import dataclass

import numpy as np
import openmm as mm
from openmm import unit

from forcefields.charges import ions_of
from forcefields.coordinate import Coordinate, set_bias
from forcefields.packs import Pack
from forcefields.system import SystemSettings, make_system
from forcefields.validation.pocket import references
from forcefields.validation.rows import BLOCKS, Engine, Result, Target, block_mean, judged
from forcefields.validation.surfaces import Setup
from structures.build import build

CUTOFF_NM = 1.0
RADIUS_NM, WALL_K = 0.55, 5000.0  # of the cylinder, as in campaigns
TIMESTEP_PS, FRICTION = 0.004, 1.0
RECORD_STEPS = 25
BULK_NM = 0.9  # heights from here on are the solvent: the mean over them is zero
METHOD = "GFN2-xTB relaxed + ALPB"
TOLERANCE, PLACE_NM = 10.0, 0.1  # kJ/mol: what placing the cluster's Cs otherwise does to the reference; nm: two steps of its grid


@dataclass(frozen=True)
class PocketSampling:
    """Heights (nm) of the umbrellas and their k (kJ/mol/nm2); times in ps: before the pull, a step of the pull, settling and measuring."""

    heights_nm: tuple[float, ...]
    k: float
    start_ps: float
    pull_ps: float
    settle_ps: float
    measure_ps: float
    temperature_K: float = 300.0
    seed: int = 1


def pocket_pmf_check(setup: Setup, head: str, how: PocketSampling, pack: Pack, engine: Engine) -> Result:
    """Depth and place of the minimum of the curve against the reference's in the same solvent."""
    heights, series = sample_heights(setup, head, how, pack, engine)
    z, W, error = mean_force_curve(series, heights, how.k)
    grid, wanted, source = references()[METHOD, setup.solvent, head]
    best, true = int(W.argmin()), int(wanted.argmin())
    where = f"{head} over {setup.label}"
    note = f"rigid lattice, {len(heights)} windows of {how.measure_ps:g} ps"
    depth = Target(float(wanted[true]), TOLERANCE, "kJ/mol", f"{source}, minimum")
    place = Target(float(grid[true]), PLACE_NM, "nm", f"{source}, place of the minimum")
    rows = (
        judged(("pocket-pmf", where, "depth"), (float(W[best]), float(error[best])), depth, note),
        judged(("pocket-pmf", where, "minimum at"), (float(z[best]), float(np.diff(z).max()) / 2), place, note, sampled=False),
    )
    return Result(rows, {f"{pack.name}|{setup.solvent}|{head}": (z.tolist(), W.tolist())})


def sample_heights(setup: Setup, head: str, how: PocketSampling, pack: Pack, engine: Engine) -> tuple[np.ndarray, np.ndarray]:
    """Window centres (n,) and heights of N over its site plane (n, samples), both in nm. The ions have no mass and stay where they are."""
    model, _ = build(setup.spec(pack, head))
    system = make_system(model, pack, SystemSettings(CUTOFF_NM, 0.0))
    for i in ions_of(model):
        system.setParticleMass(int(i), 0.0)
    coordinate = Coordinate(model.groups["anchor"], model.site_points, model.site_normals, RADIUS_NM, WALL_K)
    coordinate.add_to(system)
    motion = mm.LangevinMiddleIntegrator(how.temperature_K, FRICTION, TIMESTEP_PS / 4)
    motion.setRandomNumberSeed(how.seed)
    context = engine(system, motion)
    context.setPeriodicBoxVectors(*np.diag(model.box))
    context.setPositions(model.positions)
    set_bias(context, how.k, 0.0)
    mm.LocalEnergyMinimizer.minimize(context, 50.0, 500)
    context.setVelocitiesToTemperature(how.temperature_K, how.seed)
    motion.step(round(how.start_ps / TIMESTEP_PS))
    motion.setStepSize(TIMESTEP_PS)
    motion.step(round(how.start_ps / TIMESTEP_PS))
    starts = []
    for before, height in zip((0.0, *how.heights_nm), how.heights_nm, strict=False):
        for part in np.linspace(0, 1, 11)[1:]:
            set_bias(context, how.k, before + (height - before) * float(part))
            motion.step(round(how.pull_ps / 10 / TIMESTEP_PS))
        starts.append(context.getState(getPositions=True, getVelocities=True))
    series = []
    for height, start in zip(how.heights_nm, starts, strict=True):
        context.setPositions(start.getPositions())
        context.setVelocities(start.getVelocities())
        set_bias(context, how.k, height)
        motion.step(round(how.settle_ps / TIMESTEP_PS))
        series.append(_heights(context, motion, coordinate, round(how.measure_ps / TIMESTEP_PS / RECORD_STEPS)))
    return np.array(how.heights_nm), np.array(series)


def _heights(context: mm.Context, motion: mm.Integrator, coordinate: Coordinate, records: int) -> list[float]:
    found = []
    for _ in range(records):
        motion.step(RECORD_STEPS)
        state = context.getState(getPositions=True)
        box = np.diag(state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer))
        found.append(coordinate.measure(state.getPositions(asNumpy=True).value_in_unit(unit.nanometer), box)[0])
    return found


def mean_force_curve(series: np.ndarray, centres: np.ndarray, k: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Heights (n,) in nm, free energy (n,) against the solvent and its standard error, both in kJ/mol, by umbrella integration.

    At the mean height m of a window the mean force is k (centre - m) (Kaestner and Thiel, J. Chem. Phys. 2005, 123, 144104, equation 9 at
    its centre); the trapezoidal rule joins the windows. `series` is (n, samples) in nm. Errors: blocks of every window, as if independent.
    Raises ValueError when fewer than two windows lie in the solvent.
    """
    z, spread = np.array([block_mean(row, BLOCKS) for row in series]).T
    slope = k * (centres - z)
    W = np.concatenate([[0.0], np.cumsum((slope[1:] + slope[:-1]) / 2 * np.diff(z))])
    bulk = z >= BULK_NM
    if bulk.sum() < 2:
        raise ValueError(f"only {bulk.sum()} windows reach {BULK_NM} nm over the site plane: take heights further out")
    weight = np.zeros((len(z), len(z)))  # of each slope in each W
    for i in range(1, len(z)):
        weight[i] = weight[i - 1]
        weight[i, i - 1 : i + 1] += (z[i] - z[i - 1]) / 2
    against = weight - weight[bulk].mean(axis=0)
    return z, W - W[bulk].mean(), np.sqrt(against**2 @ (k * spread) ** 2)


def standard(head: str, solvent: str) -> tuple[Setup, PocketSampling]:
    """What validation and calibration run for a head and a solvent."""
    setup = Setup("CsPbBr3", "slab", "AX", (4, 4, 2), solvent, 3.0)
    heights = tuple(float(h) for h in np.round(np.arange(-0.075, 1.13, 0.075), 3))
    return setup, PocketSampling(heights, 2000.0, 20.0, 5.0, 20.0, 60.0)
