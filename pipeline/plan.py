"""What would run, how big the boxes are, what it costs in time and disk; and the checks that come before any computing."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from forcefields.packs import load_pack
from forcefields.system import check_cutoff
from forcefields.validity import check_pack, wanted_of
from pipeline.campaign import Campaign, CampaignError, EquilibrateSection, RunSpec
from pipeline.modelling import ModelSection
from pipeline.run import Run, campaign_file
from pipeline.stages import all_products, grid_windows, run_model_spec, windows_of
from structures.build import check_model, plan_model
from structures.molecules import molecule

STATE_BYTES_PER_ATOM = 170  # positions and velocities as XML text, measured on the demo
SYSTEM_BYTES_PER_ATOM = 800
FRAME_BYTES_PER_ATOM = 12
RECORD_BYTES = 16
SEGMENT_BYTES = 3000
DISK_KEPT_FREE = 0.02
MOST_PIECES = 1000
GUESS_ATOM_NS_PER_DAY = 70_000.0  # atoms x ns/day on one CPU core, measured on the demo (50 ns/day at 1,400 atoms)


@dataclass(frozen=True)
class RunPlan:
    """One run: its size, its sampling and what is left to do. `speed_ns_day` is measured where there are segments."""

    run: Run
    n_atoms: int
    box_nm: tuple[float, float, float]
    n_windows: int
    total_ps: float
    left_ps: float
    left_bytes: int
    speed_ns_day: float
    measured: bool


def check_runs(runs: list[Run], campaign: Campaign) -> None:
    """Refuse, before any computing, what cannot work. Raises CampaignError naming the run, the setting and what to do."""
    steps = campaign.sampling
    if len({run.id for run in runs}) != len(runs):
        raise CampaignError("two grid values are the same run (300 and 300.0, for example): remove one of them")
    for run in runs:
        spec = run.spec
        try:
            check_sampled(spec.model)
            built = run_model_spec(spec, run.id)
            check_model(built, spec.pull.to_nm)
            planned = plan_model(built)
            check_pack(load_pack(spec.forcefield.pack), wanted_of(built, planned))
            box = planned.box
            check_cutoff(box, spec.forcefield.cutoff_nm)
            if min(planned.counts.values()) < 1:
                raise ValueError(f"gap_nm = {spec.model.gap_nm} leaves no room for {spec.model.solvent_label}: raise it")
            if min(box[:2]) < 2 * spec.coordinate.radius_nm + 0.4:
                raise ValueError(f"radius_nm = {spec.coordinate.radius_nm} is too wide for a box of {min(box[:2]):.2f} nm: lower it")
            check_path(spec, campaign.estimate.plateau_nm)
            check_group(steps.exchange_group, len(grid_windows(spec, campaign.windows)))
            check_pieces(spec.equilibrate)
        except ValueError as error:
            raise CampaignError(f"{run.id}: {error}") from None
        _check_times(spec.simulation.timestep_fs / 1000, steps.record_ps, steps.segment_ps, steps.frame_ps, steps.frames != "none")


def check_sampled(model: ModelSection) -> None:
    """What can be built but not sampled yet. Raises ValueError."""
    if model.ligand is None:
        raise ValueError("[model] ligand is missing: name the ligand whose binding is sampled (halobind build needs none)")
    if model.shape != "slab":
        raise ValueError(f"shape = {model.shape!r} can be built (halobind build) but only slabs can be sampled")
    if not model.recipe:
        raise ValueError('solvent = "vacuum" can be built (halobind build) but a slab beside a vacuum cannot be sampled: name a solvent')


def check_path(spec: RunSpec, plateau_nm: float) -> None:
    """The plateau must leave room for a well before it. Raises ValueError."""
    length = spec.pull.to_nm - spec.pull.from_nm
    if plateau_nm > length / 2:
        raise ValueError(f"plateau_nm = {plateau_nm:g} is more than half of the path of {length:g} nm: lower it, or raise to_nm")


def check_group(size: int, n_windows: int) -> None:
    """An exchange group is made of windows that there are. Raises ValueError."""
    if size > n_windows:
        raise ValueError(f"exchange_group = {size} but there are only {n_windows} windows: lower it")


def check_pieces(equilibrate: EquilibrateSection) -> None:
    """Equilibration is cut into a sensible number of pieces. Raises ValueError."""
    pieces = (equilibrate.npt_ps + equilibrate.nvt_ps) / equilibrate.piece_ps
    if pieces > MOST_PIECES:
        raise ValueError(f"piece_ps = {equilibrate.piece_ps:g} cuts the equilibration into {pieces:.3g} pieces: raise it")


def _check_times(step_ps: float, record_ps: float, segment_ps: float, frame_ps: float, frames: bool) -> None:
    """record_ps must be whole steps, segment_ps whole records, frame_ps whole records."""
    checks = [("record_ps", record_ps, "timestep_fs / 1000", step_ps), ("segment_ps", segment_ps, "record_ps", record_ps)]
    checks += [("frame_ps", frame_ps, "record_ps", record_ps)] if frames else []
    for name, value, unit_name, unit in checks:
        if value < unit - 1e-9 or abs(value / unit - round(value / unit)) > 1e-6:
            better = max(1, round(value / unit)) * unit
            raise CampaignError(
                f"[sampling] {name} = {value:g} is not a whole multiple of {unit_name} = {unit:g}: use {better:g}, or change {unit_name}"
            )


def plan_run(run: Run, campaign: Campaign) -> RunPlan:
    """The size and cost of one run; the number of atoms is computed, not built, and good to about 3 %."""
    planned, sampling = plan_model(run_model_spec(run.spec, run.id)), campaign.sampling
    n_atoms = planned.n_atoms
    solute = n_atoms - sum(count * molecule(name).n_atoms for name, count in planned.counts.items())
    written = {"solute": solute, "all": n_atoms, "none": 0}[sampling.frames]
    products = all_products(run, campaign)
    there = run.published(product.name for product in products)
    left = [product for product in products if product.name not in there]
    bytes_left = 0
    for product in left:
        bytes_left += SEGMENT_BYTES + STATE_BYTES_PER_ATOM * n_atoms
        if product.chain.startswith("windows/"):
            frames = int(sampling.segment_ps / sampling.frame_ps + 1e-9)
            bytes_left += int(sampling.segment_ps / sampling.record_ps) * RECORD_BYTES + frames * written * FRAME_BYTES_PER_ATOM
        if product.name == "system":
            bytes_left += SYSTEM_BYTES_PER_ATOM * n_atoms
    speeds = segment_speeds(run)
    speed = float(np.median(speeds)) if speeds else GUESS_ATOM_NS_PER_DAY / n_atoms * run.spec.simulation.timestep_fs / 4
    total, todo = sum(p.cost_ps for p in products), sum(p.cost_ps for p in left)
    box = tuple(float(x) for x in planned.box)
    return RunPlan(run, n_atoms, box, len(windows_of(run, campaign)), total, todo, bytes_left, speed, bool(speeds))


def segment_speeds(run: Run, most: int = 20) -> list[float]:
    """ns/day of up to `most` published window segments of a run."""
    speeds = []
    for path in [segment for chain in run.window_chains() for segment in run.segments(chain)][:most]:
        try:
            record = json.loads((path / "segment.json").read_text(encoding="utf-8"))
            speeds.append(record["duration_ps"] / 1000 / record["wall_s"] * 86400)
        except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError):
            continue  # a damaged segment has no speed; the table names it
    return speeds


def check_disk(plans: list[RunPlan], folder: Path) -> None:
    """Raise CampaignError when the disk has not got what the campaign is expected to write (2 % of the disk kept free)."""
    needed = sum(plan.left_bytes for plan in plans)
    usage = shutil.disk_usage(folder)
    free = usage.free - int(DISK_KEPT_FREE * usage.total)
    if needed > free:
        raise CampaignError(
            f"the campaign will write about {gigabytes(needed)} but {folder} has {gigabytes(max(0, free))} to give: "
            f'free some space, raise frame_ps, or set frames = "solute" or "none"'
        )


def check_writable(folder: Path) -> None:
    """Raise CampaignError when nothing can be created in the campaign directory."""
    if not folder.is_dir():
        raise CampaignError(f"there is no directory {folder}; make a campaign with: halobind new {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise CampaignError(f"{folder} is not writable; change its permissions or move {campaign_file(folder).name} elsewhere")


def gigabytes(count: float) -> str:
    """A number of bytes as text with a sensible unit."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} B"
