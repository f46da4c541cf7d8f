"""Pocket to solvent: the free energy of a bare ammonium head along the normal over the A vacancy of
Pb4Br20Cs11 in explicit solvent.

The reference, GFN2-xTB with a solvent model, is for the same rigid cluster; so the two differ by
the pair terms and charges of the pack and by the solvent, neither by ions that move nor by how much
of the crystal the solvent reaches.
"""

from dataclasses import dataclass

import numpy as np
import openmm as mm
from openmm import unit

from halobind.forcefields.hamiltonian.binding_coordinate import Coordinate, set_bias
from halobind.forcefields.hamiltonian.system import SystemSettings, make_system
from halobind.forcefields.packs.charges import ions_of
from halobind.forcefields.packs.pack import Pack
from halobind.forcefields.validation.check_rows import (
    BLOCKS,
    Engine,
    Result,
    Target,
    block_mean,
    judged,
)
from halobind.forcefields.validation.pocket import LATTICE_NM, cluster, head_geometry, references
from halobind.structures.assembly.solvate import fill_solvent, solvent_counts
from halobind.structures.models.model import GROUPS, Model, Residue
from halobind.structures.molecules.molecule import catalogue_molecule

CUTOFF_NM = 1.0
BOX_NM = (2.6, 2.6, 3.0)  # z: the head at 1.1 nm is as far from the cluster as from its image below
RADIUS_NM, WALL_K = 0.55, 5000.0  # of the cylinder, as in campaigns
TIMESTEP_PS, FRICTION = 0.004, 1.0
RECORD_STEPS = 25
BULK_NM = 0.9  # heights from here on are the solvent: the mean over them is zero
METHOD = "GFN2-xTB relaxed + ALPB"
TOLERANCE, PLACE_NM = (
    10.0,
    0.1,
    # kJ/mol: what placing the cluster's Cs otherwise does to the reference; nm: two steps of its
    # grid
)


@dataclass(frozen=True)
class PocketSampling:
    """Heights (nm) of the umbrellas and their k (kJ/mol/nm2); times in ps: before the pull, a step
    of the pull, settling and measuring.
    """

    heights_nm: tuple[float, ...]
    k: float
    start_ps: float
    pull_ps: float
    settle_ps: float
    measure_ps: float
    temperature_K: float = 300.0
    seed: int = 1


def pocket_pmf_check(
    where: tuple[str, str], how: PocketSampling, pack: Pack, engine: Engine
) -> Result:
    """Depth and place of the minimum of the curve against the reference's; `where` = (head,
    solvent).
    """
    heights, series = sample_heights(solvated_cluster(*where, how.seed), how, pack, engine)
    z, W, error = mean_force_curve(series, heights, how.k)
    head, solvent = where
    grid, wanted, source = references()[METHOD, solvent, head]
    best, true = int(W.argmin()), int(wanted.argmin())
    system = f"{head} over Pb4Br20Cs11, {solvent}"
    note = f"rigid cluster, {len(heights)} windows of {how.measure_ps:g} ps"
    depth = Target(float(wanted[true]), TOLERANCE, "kJ/mol", f"{source}, minimum")
    place = Target(float(grid[true]), PLACE_NM, "nm", f"{source}, place of the minimum")
    rows = (
        judged(("pocket-pmf", system, "depth"), (float(W[best]), float(error[best])), depth, note),
        judged(
            ("pocket-pmf", system, "minimum at"),
            (float(z[best]), float(np.diff(z).max()) / 2),
            place,
            note,
            sampled=False,
        ),
    )
    return Result(rows, {f"{pack.name}|{solvent}|{head}": (z.tolist(), W.tolist())})


def solvated_cluster(head: str, solvent: str, seed: int) -> Model:
    """The cluster of the reference and the head in its vacancy, in a box of solvent; the vacancy is
    the origin, its normal +z.
    """
    ions, positions = cluster()
    item = catalogue_molecule(head)
    elements, xyz = (*ions, *item.elements), np.concatenate([positions, head_geometry(head)])
    box, none = np.array(BOX_NM), np.zeros(3)
    counts = solvent_counts(len(ions) / 5 * LATTICE_NM**3, box, none, {solvent: 1.0})
    (filled,) = fill_solvent(elements, xyz, box=box, block=none, counts=counts, seed=seed)
    liquid = filled.molecule
    copies = filled.positions
    size, first, last = liquid.n_atoms, len(ions), len(elements)
    starts = [*range(first), first, *range(last, last + size * len(copies) + 1, size)]
    residues = [*(name.upper() for name in ions), head, *[solvent] * len(copies)]
    groups = dict.fromkeys(GROUPS, np.zeros(0, dtype=int)) | {
        "core": np.arange(first),
        "ligand": np.arange(first, last),
    }
    groups |= {
        "anchor": np.array([first + item.anchor]),
        "charged": groups["ligand"],
        "solvent": np.arange(last, starts[-1]),
    }
    return Model(
        elements=elements + liquid.elements * len(copies),
        names=(*ions, *item.names, *liquid.names * len(copies)),
        residues=tuple(
            Residue(name, a, b)
            for name, a, b in zip(residues, starts[:-1], starts[1:], strict=True)
        ),
        bonds=np.concatenate(
            [item.bonds + first, *(liquid.bonds + start for start in starts[first + 1 : -1])]
        ),
        positions=np.concatenate([xyz, *copies]),
        box=box,
        groups=groups,
        site_points=none[None],
        site_normals=np.array([[0.0, 0.0, 1.0]]),
    )


def sample_heights(
    model: Model, how: PocketSampling, pack: Pack, engine: Engine
) -> tuple[np.ndarray, np.ndarray]:
    """Window centres (n,) and heights of N over its site plane (n, samples), both in nm. The ions
    have no mass and stay where they are.
    """
    system = make_system(model, pack, SystemSettings(CUTOFF_NM, 0.0))
    for i in ions_of(model):
        system.setParticleMass(int(i), 0.0)
    coordinate = Coordinate(
        model.groups["anchor"], model.site_points, model.site_normals, RADIUS_NM, WALL_K
    )
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
        series.append(
            _heights(
                context, motion, coordinate, round(how.measure_ps / TIMESTEP_PS / RECORD_STEPS)
            )
        )
    return np.array(how.heights_nm), np.array(series)


def _heights(
    context: mm.Context, motion: mm.Integrator, coordinate: Coordinate, records: int
) -> list[float]:
    found = []
    for _ in range(records):
        motion.step(RECORD_STEPS)
        state = context.getState(getPositions=True)
        box = np.diag(state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer))
        found.append(
            coordinate.measure(state.getPositions(asNumpy=True).value_in_unit(unit.nanometer), box)[
                0
            ]
        )
    return found


def mean_force_curve(
    series: np.ndarray, centres: np.ndarray, k: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Heights (n,) in nm, free energy (n,) against the solvent and its standard error, both in
    kJ/mol, by umbrella integration.

    At the mean height m of a window the mean force is k (centre - m) (Kaestner and Thiel, J. Chem.
    Phys. 2005, 123, 144104, equation 9 at its centre); the trapezoidal rule joins the windows.
    `series` is (n, samples) in nm. Errors: blocks of every window, as if independent. Raises
    ValueError when fewer than two windows lie in the solvent.
    """
    z, spread = np.array([block_mean(row, BLOCKS) for row in series]).T
    slope = k * (centres - z)
    W = np.concatenate([[0.0], np.cumsum((slope[1:] + slope[:-1]) / 2 * np.diff(z))])
    bulk = z >= BULK_NM
    if bulk.sum() < 2:
        raise ValueError(
            f"only {bulk.sum()} windows reach {BULK_NM} nm over the site plane: take heights"
            " further out"
        )
    weight = np.zeros((len(z), len(z)))  # of each slope in each W
    for i in range(1, len(z)):
        weight[i] = weight[i - 1]
        weight[i, i - 1 : i + 1] += (z[i] - z[i - 1]) / 2
    against = weight - weight[bulk].mean(axis=0)
    return z, W - W[bulk].mean(), np.sqrt(against**2 @ (k * spread) ** 2)


def standard() -> PocketSampling:
    """What validation and calibration run for every head and solvent."""
    heights = tuple(float(h) for h in np.round(np.arange(-0.05, 1.16, 0.1), 3))
    return PocketSampling(heights, 1500.0, 10.0, 5.0, 8.0, 40.0)
