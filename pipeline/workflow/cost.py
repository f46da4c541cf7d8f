"""What a run costs: atoms, time and disk, and whether the disk has room for it."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from halobind.pipeline.campaign.run_directory import DamagedError, Run
from halobind.pipeline.campaign.settings import Campaign, CampaignError
from halobind.pipeline.sampling.model_and_system import run_model_spec
from halobind.pipeline.sampling.product import PREPARE, Product
from halobind.pipeline.sampling.products import all_products, sampling_chains
from halobind.pipeline.sampling.segment_files import read_record
from halobind.structures.assembly.build import ModelPlan, plan_model
from halobind.structures.molecules.molecule import catalogue_molecule

STATE_BYTES_PER_ATOM = 170  # positions and velocities as XML text, measured on the demo
SYSTEM_BYTES_PER_ATOM = 800
FRAME_BYTES_PER_ATOM = 12
RECORD_BYTES_PER_HEAD = 16
RECORD_FILES_BYTES = 3000  # the small files of a product
DISK_FRACTION_KEPT_FREE = 0.02
# atoms x ns/day on one CPU core, measured on the demo (50 ns/day at 1,400 atoms)
GUESSED_ATOM_NS_PER_DAY = 70_000.0
MAX_SPEEDS_READ = 20
HOURS_PER_DAY = 24
SECONDS_PER_DAY = 86400


@dataclass(frozen=True)
class RunPlan:
    """The size of one run, its sampling and what is left of it."""

    run: Run
    n_atoms: int
    """Atoms in the box, good to about 3 %: computed, not built."""
    box_nm: tuple[float, float, float]
    """Lengths of the box."""
    n_chains: int
    """Windows or walkers."""
    total_ps: float
    """All that is asked for."""
    left_ps: float
    """What of it is not published."""
    left_bytes: int
    """What the rest will write."""
    speed_ns_day: float
    """Speed of one process."""
    measured: bool
    """Whether the speed is that of published segments, not a guess from the number of atoms."""

    @property
    def left_days(self) -> float:
        """Days that one process takes for the rest."""
        return self.left_ps / 1000 / self.speed_ns_day


def plan_run(run: Run, campaign: Campaign) -> RunPlan:
    """The size and cost of one run; nothing is built."""
    model_plan = plan_model(run_model_spec(run.spec, run.id))
    products = all_products(run, campaign)
    published = run.published(product.name for product in products)
    remaining = [product for product in products if product.name not in published]
    n_atoms = model_plan.n_atoms
    speeds = segment_speeds(run)
    if speeds:
        speed_ns_day = float(np.median(speeds))
    else:
        timestep_fs = run.spec.simulation.timestep_fs
        speed_ns_day = GUESSED_ATOM_NS_PER_DAY / n_atoms * timestep_fs / 4
    x, y, z = (float(length) for length in model_plan.box)
    return RunPlan(
        run=run,
        n_atoms=n_atoms,
        box_nm=(x, y, z),
        n_chains=len(sampling_chains(run, campaign)),
        total_ps=sum(product.cost_ps for product in products),
        left_ps=sum(product.cost_ps for product in remaining),
        left_bytes=sum(product_bytes(product, model_plan, campaign) for product in remaining),
        speed_ns_day=speed_ns_day,
        measured=bool(speeds),
    )


def product_bytes(product: Product, model_plan: ModelPlan, campaign: Campaign) -> int:
    """Bytes that a product will take on disk."""
    n_atoms = model_plan.n_atoms
    count = RECORD_FILES_BYTES + STATE_BYTES_PER_ATOM * n_atoms
    if product.stage == "system":
        count += SYSTEM_BYTES_PER_ATOM * n_atoms
    if product.chain != PREPARE:
        sampling = campaign.sampling
        n_frames = int(sampling.segment_ps / sampling.frame_ps + 1e-9)
        n_records = int(sampling.segment_ps / sampling.record_ps)
        count += n_records * RECORD_BYTES_PER_HEAD * model_plan.probes
        count += n_frames * atoms_per_frame(model_plan, campaign) * FRAME_BYTES_PER_ATOM
    return count


def atoms_per_frame(model_plan: ModelPlan, campaign: Campaign) -> int:
    """How many atoms a frame of the trajectory holds."""
    frames = campaign.sampling.frames
    if frames == "none":
        return 0
    if frames == "all":
        return model_plan.n_atoms
    n_solvent = sum(
        count * catalogue_molecule(name).n_atoms for name, count in model_plan.counts.items()
    )
    return model_plan.n_atoms - n_solvent


def segment_speeds(run: Run, platform: str | None = None) -> list[float]:
    """Speeds (ns/day) of the first published segments of the windows and walkers of a run.

    Args:
        run: Whose segments are read, at most MAX_SPEEDS_READ of them.
        platform: Leave out segments that were made on another OpenMM platform; None: read all.
    """
    segments = (
        segment
        for chain in (*run.window_chains(), *run.walker_chains(), *run.alchemical_chains())
        for segment in run.segments(chain)
    )
    speeds = []
    for segment in islice(segments, MAX_SPEEDS_READ):
        try:
            record = read_record(segment)
            if platform in (None, record["platform"]):
                speeds.append(record["duration_ps"] / 1000 / record["wall_s"] * SECONDS_PER_DAY)
        except (DamagedError, KeyError, TypeError, ZeroDivisionError):
            continue  # a damaged segment has no speed; the table names it
    return speeds


def check_disk(plans: Sequence[RunPlan], folder: Path) -> None:
    """Raise CampaignError when the disk has no room for what the campaign is expected to write."""
    needed = sum(plan.left_bytes for plan in plans)
    usage = shutil.disk_usage(folder)
    free = usage.free - int(DISK_FRACTION_KEPT_FREE * usage.total)
    if needed > free:
        raise CampaignError(
            f"the campaign will write about {format_bytes(needed)} but {folder} has"
            f" {format_bytes(max(0, free))} to give: "
            f'free some space, raise frame_ps, or set frames = "solute" or "none"'
        )


def format_bytes(count: float) -> str:
    """A number of bytes as text with a sensible unit."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} B"
