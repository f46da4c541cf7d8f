"""Pocket to solvent: the free energy of a bare ammonium head over the A vacancy of Pb4Br20Cs11.

The head moves along the normal in explicit solvent.

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
    N_BLOCKS,
    Engine,
    Measurement,
    Result,
    RowName,
    Target,
    block_mean,
    judge,
)
from halobind.forcefields.validation.pocket import LATTICE_NM, cluster, head_geometry, references
from halobind.structures.assembly.solvate import fill_solvent, solvent_counts
from halobind.structures.models.model import GROUPS, Model, Residue
from halobind.structures.molecules.molecule import catalogue_molecule

CUTOFF_NM = 1.0
BOX_NM = (2.6, 2.6, 3.0)  # z: the head at 1.1 nm is as far from the cluster as from its image below
# The cylinder is that of campaigns.
RADIUS_NM = 0.55
WALL_K = 5000.0
TIMESTEP_PS = 0.004
FRICTION_PER_PS = 1.0
RECORD_STEPS = 25
BULK_NM = 0.9  # heights from here on are the solvent: the mean over them is zero
METHOD = "GFN2-xTB relaxed + ALPB"
DEPTH_TOLERANCE_KJ = 10.0  # what placing the cluster's Cs otherwise does to the reference
MINIMUM_TOLERANCE_NM = 0.1  # of the height of the minimum: two steps of the reference's grid


@dataclass(frozen=True)
class PocketSampling:
    """The umbrellas of a head, and how long each is sampled."""

    heights_nm: tuple[float, ...]
    """Centres of the umbrellas in nm."""
    k: float
    """Their stiffness in kJ/mol/nm2."""
    start_ps: float
    """Time in ps before the pull, at a quarter of the time step and again at the whole."""
    pull_ps: float
    """Time in ps of the pull from one centre to the next."""
    settle_ps: float
    """Time in ps in each window that is not counted."""
    measure_ps: float
    """Time in ps in each window that is."""
    temperature_K: float = 300.0
    """Temperature in K."""
    seed: int = 1
    """Seed of the solvent, velocities and integrator."""


def pocket_pmf_check(
    pack: Pack, engine: Engine, *, head: str, solvent: str, how: PocketSampling
) -> Result:
    """Depth and height of the minimum of the free energy against the reference's.

    Args:
        pack: The force field.
        engine: Makes the context.
        head: The head.
        solvent: The solvent.
        how: The umbrellas.
    """
    model = solvated_cluster(head, solvent, how.seed)
    _, series = sample_heights(model, how, pack, engine)
    return result_of_heights(pack, series, head=head, solvent=solvent, how=how)


def result_of_heights(
    pack: Pack, series: np.ndarray, *, head: str, solvent: str, how: PocketSampling
) -> Result:
    """The rows and the curve of sampled heights.

    Args:
        pack: The force field.
        series: Heights (n_windows, samples) in nm.
        head: The head.
        solvent: The solvent.
        how: The umbrellas.
    """
    z, W, error = mean_force_curve(series, np.array(how.heights_nm), how.k)
    reference = references()[METHOD, solvent, head]
    lowest = int(W.argmin())
    target_lowest = int(reference.energies_kJ.argmin())
    system = f"{head} over Pb4Br20Cs11, {solvent}"
    note = f"rigid cluster, {len(series)} windows of {how.measure_ps:g} ps"
    depth = Measurement(float(W[lowest]), float(error[lowest]))
    depth_target = Target(
        float(reference.energies_kJ[target_lowest]),
        DEPTH_TOLERANCE_KJ,
        "kJ/mol",
        f"{reference.source}, minimum",
    )
    height = Measurement(float(z[lowest]), float(np.diff(z).max()) / 2)
    height_target = Target(
        float(reference.heights_nm[target_lowest]),
        MINIMUM_TOLERANCE_NM,
        "nm",
        f"{reference.source}, place of the minimum",
    )
    height_name = RowName("pocket-pmf", system, "minimum at")
    rows = (
        judge(RowName("pocket-pmf", system, "depth"), depth, depth_target, note),
        judge(height_name, height, height_target, note, sampled=False),
    )
    return Result(rows, {f"{pack.name}|{solvent}|{head}": (z.tolist(), W.tolist())})


def solvated_cluster(head: str, solvent: str, seed: int) -> Model:
    """The cluster of the reference and a head in its vacancy, in a box of solvent.

    The vacancy is the origin, its normal +z.
    """
    ions, positions = cluster()
    item = catalogue_molecule(head)
    elements = (*ions, *item.elements)
    xyz = np.concatenate([positions, head_geometry(head)])
    box = np.array(BOX_NM)
    none = np.zeros(3)
    counts = solvent_counts(len(ions) / 5 * LATTICE_NM**3, box, none, {solvent: 1.0})
    (filled,) = fill_solvent(elements, xyz, box=box, block=none, counts=counts, seed=seed)
    liquid = filled.molecule
    copies = filled.positions
    first = len(ions)
    last = len(elements)
    end = last + liquid.n_atoms * len(copies)
    starts = [*range(first), first, *range(last, end + 1, liquid.n_atoms)]
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
    """Sample the height of N over its site plane in each window.

    The ions have no mass and stay where they are.

    Returns:
        Window centres (n,) and heights (n, samples), both in nm.
    """
    system = make_system(model, pack, SystemSettings(CUTOFF_NM, 0.0))
    for i in ions_of(model):
        system.setParticleMass(int(i), 0.0)
    coordinate = Coordinate(
        model.groups["anchor"], model.site_points, model.site_normals, RADIUS_NM, WALL_K
    )
    coordinate.add_to(system)
    motion = mm.LangevinMiddleIntegrator(how.temperature_K, FRICTION_PER_PS, TIMESTEP_PS / 4)
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
        for fraction in np.linspace(0, 1, 11)[1:]:
            set_bias(context, how.k, before + (height - before) * float(fraction))
            motion.step(round(how.pull_ps / 10 / TIMESTEP_PS))
        starts.append(context.getState(getPositions=True, getVelocities=True))
    series = []
    for height, start in zip(how.heights_nm, starts, strict=True):
        context.setPositions(start.getPositions())
        context.setVelocities(start.getVelocities())
        set_bias(context, how.k, height)
        motion.step(round(how.settle_ps / TIMESTEP_PS))
        n_records = round(how.measure_ps / TIMESTEP_PS / RECORD_STEPS)
        series.append(_record_heights(context, motion, coordinate, n_records))
    return np.array(how.heights_nm), np.array(series)


def _record_heights(
    context: mm.Context, motion: mm.Integrator, coordinate: Coordinate, n_records: int
) -> list[float]:
    """Run on, and return the height in nm of the head at every record."""
    heights = []
    for _ in range(n_records):
        motion.step(RECORD_STEPS)
        state = context.getState(getPositions=True)
        box = np.diag(state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer))
        positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
        heights.append(float(coordinate.measure(positions, box)[0]))
    return heights


def mean_force_curve(
    series: np.ndarray, centres: np.ndarray, k: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The free energy along the height, by umbrella integration.

    At the mean height m of a window the mean force is k (centre - m) (Kaestner and Thiel, J. Chem.
    Phys. 2005, 123, 144104, equation 9 at its centre); the trapezoidal rule joins the windows. The
    errors are from blocks of every window, as if windows were independent.

    Args:
        series: Heights (n, samples) in nm.
        centres: Centres (n,) of the umbrellas in nm.
        k: Their stiffness in kJ/mol/nm2.

    Returns:
        Mean heights (n,) in nm, the free energy (n,) against the solvent, and its standard error
        (n,), both in kJ/mol.

    Raises:
        ValueError: Fewer than two windows lie in the solvent.
    """
    means = [block_mean(row, N_BLOCKS) for row in series]
    z = np.array([mean.value for mean in means])
    spread = np.array([mean.error for mean in means])
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
    relative_weight = weight - weight[bulk].mean(axis=0)
    return z, W - W[bulk].mean(), np.sqrt(relative_weight**2 @ (k * spread) ** 2)


def standard_sampling() -> PocketSampling:
    """The umbrellas that validation and calibration use for every head and solvent."""
    heights = tuple(float(h) for h in np.round(np.arange(-0.05, 1.16, 0.1), 3))
    return PocketSampling(
        heights_nm=heights, k=1500.0, start_ps=10.0, pull_ps=5.0, settle_ps=8.0, measure_ps=40.0
    )
