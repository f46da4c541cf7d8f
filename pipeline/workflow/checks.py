"""What would run, how big the boxes are, what it costs in time and disk; and the checks that come
before any computing.
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from halobind.forcefields.hamiltonian.system import check_cutoff
from halobind.forcefields.packs.pack import load_pack
from halobind.forcefields.packs.validity import check_pack, wanted_of
from halobind.pipeline.campaign.load import load_campaign
from halobind.pipeline.campaign.model_settings import ModelSection
from halobind.pipeline.campaign.run_directory import Run, campaign_file, runs_of
from halobind.pipeline.campaign.settings import (
    Campaign,
    CampaignError,
    EquilibrateSection,
    RunSpec,
)
from halobind.pipeline.sampling.model_and_system import run_model_spec
from halobind.pipeline.sampling.products import PREPARE, all_products, grid_windows, sampling_chains
from halobind.structures.assembly.build import ModelPlan, check_model, plan_model
from halobind.structures.crystals.ion_pair import check_solvent
from halobind.structures.molecules.molecule import catalogue_molecule

STATE_BYTES_PER_ATOM = 170  # positions and velocities as XML text, measured on the demo
SYSTEM_BYTES_PER_ATOM = 800
FRAME_BYTES_PER_ATOM = 12
RECORD_BYTES = 16  # of one head
SEGMENT_BYTES = 3000
DISK_KEPT_FREE = 0.02
MOST_PIECES = 1000
HILLS_ON_PATH = 10  # hills side by side that a path must hold at least
GUESS_ATOM_NS_PER_DAY = (
    70_000.0  # atoms x ns/day on one CPU core, measured on the demo (50 ns/day at 1,400 atoms)
)


@dataclass(frozen=True)
class RunPlan:
    """One run: its size, its sampling (windows or walkers) and what is left to do. `speed_ns_day`
    is measured where there are segments.
    """

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
    """Refuse, before any computing, what cannot work. Raises CampaignError naming the run, the
    setting and what to do.
    """
    steps = campaign.sampling
    if len({run.id for run in runs}) != len(runs):
        raise CampaignError(
            "two grid values are the same run (300 and 300.0, for example): remove one of them"
        )
    for run in runs:
        spec = run.spec
        try:
            check_sampled(spec.model)
            built = run_model_spec(spec, run.id)
            check_model(built, spec.pull.to_nm, spec.forcefield.cutoff_nm)
            check_solvent(
                spec.coordinate.leaving,
                built.ligand,
                built.ligands[built.ligand],
                spec.model.recipe,
            )
            planned = plan_model(built)
            check_pack(load_pack(spec.forcefield.pack), wanted_of(built, planned))
            check_faces(planned, spec.forcefield.cutoff_nm)
            box = planned.box
            check_cutoff(box, spec.forcefield.cutoff_nm)
            if min(planned.counts.values()) < 1:
                raise ValueError(
                    f"gap_nm = {spec.model.gap_nm} leaves no room for {spec.model.solvent_label}:"
                    " raise it"
                )
            if min(box) < 2 * spec.coordinate.radius_nm + 0.4:
                raise ValueError(
                    f"radius_nm = {spec.coordinate.radius_nm} is too wide for a box of"
                    f" {min(box):.2f} nm: lower it"
                )
            check_path(spec, campaign.estimate.plateau_nm)
            check_group(steps.exchange_group, len(grid_windows(spec, campaign.windows)))
            check_pieces(spec.equilibrate)
        except ValueError as error:
            raise CampaignError(f"{run.id}: {error}") from None
        step_ps = spec.simulation.timestep_fs / 1000
        if steps.method == "metadynamics":
            check_hills(spec, campaign, step_ps)
        _check_times(
            step_ps, steps.record_ps, steps.segment_ps, steps.frame_ps, steps.frames != "none"
        )


def check_sampled(model: ModelSection) -> None:
    """What can be built but not sampled yet. Raises ValueError."""
    if model.ligand is None:
        raise ValueError(
            "[model] ligand is missing: name the ligand whose binding is sampled (halobind build"
            " needs none)"
        )
    if model.shape == "molecular":
        raise ValueError(
            'shape = "molecular" can be built (halobind build) but only slabs and cuboids can be'
            " sampled"
        )
    if not model.recipe:
        raise ValueError(
            f'solvent = "vacuum" can be built (halobind build) but a {model.shape} in vacuum cannot'
            " be sampled: name a solvent"
        )


def check_faces(planned: ModelPlan, cutoff_nm: float) -> None:
    """Two bound ligands must not feel each other through the slab. Raises ValueError."""
    points = [
        planned.crystal.sites[bound.sites[0]].point for bound in planned.bounds[: planned.probes]
    ]
    for across in (float(np.linalg.norm(other - points[0])) for other in points[1:]):
        if across < cutoff_nm:
            raise ValueError(
                f"faces = 2: the sites of the two ligands are {across:.2f} nm apart across the"
                f" slab, within cutoff_nm = {cutoff_nm:g}: use more cells along z, or faces = 1"
            )


def check_path(spec: RunSpec, plateau_nm: float) -> None:
    """The plateau must leave room for a well before it. Raises ValueError."""
    length = spec.pull.to_nm - spec.pull.from_nm
    if plateau_nm > length / 2:
        raise ValueError(
            f"plateau_nm = {plateau_nm:g} is more than half of the path of {length:g} nm: lower it,"
            " or raise to_nm"
        )


def check_group(size: int, n_windows: int) -> None:
    """An exchange group is made of windows that there are. Raises ValueError."""
    if size > n_windows:
        raise ValueError(
            f"exchange_group = {size} but there are only {n_windows} windows: lower it"
        )


def check_pieces(equilibrate: EquilibrateSection) -> None:
    """Equilibration is cut into a sensible number of pieces. Raises ValueError."""
    pieces = (equilibrate.npt_ps + equilibrate.nvt_ps) / equilibrate.piece_ps
    if pieces > MOST_PIECES:
        raise ValueError(
            f"piece_ps = {equilibrate.piece_ps:g} cuts the equilibration into {pieces:.3g} pieces:"
            " raise it"
        )


def check_hills(spec: RunSpec, campaign: Campaign, step_ps: float) -> None:
    """Hills must come at whole steps, a segment must hold whole intervals, and the path many hills.
    Raises CampaignError.
    """
    hills, sampling = campaign.metadynamics, campaign.sampling
    for key, value in (
        ("exchange_group", sampling.exchange_group or None),
        ("target_kJ_mol", sampling.target_kJ_mol),
    ):
        if value is not None:
            raise CampaignError(
                f"[sampling] {key} = {value:g} is for umbrella windows: remove it, or set method ="
                ' "umbrella"'
            )
    if spec.model.faces != 1:
        raise CampaignError(
            f"[model] faces = {spec.model.faces}: metadynamics biases one head; set faces = 1, or"
            ' method = "umbrella"'
        )
    _check_multiples(
        "metadynamics", [("deposit_ps", hills.deposit_ps, "timestep_fs / 1000", step_ps)]
    )
    _check_multiples(
        "sampling",
        [("segment_ps", sampling.segment_ps, "[metadynamics] deposit_ps", hills.deposit_ps)],
    )
    length = spec.pull.to_nm - spec.pull.from_nm
    most = length / HILLS_ON_PATH
    if hills.width_nm > most:
        raise CampaignError(
            f"[metadynamics] width_nm = {hills.width_nm:g} is too wide for a path of {length:g} nm:"
            f" use {most:.2g} or less"
        )


def _check_times(
    step_ps: float, record_ps: float, segment_ps: float, frame_ps: float, frames: bool
) -> None:
    """record_ps must be whole steps, segment_ps whole records, frame_ps whole records."""
    checks = [
        ("record_ps", record_ps, "timestep_fs / 1000", step_ps),
        ("segment_ps", segment_ps, "record_ps", record_ps),
    ]
    checks += [("frame_ps", frame_ps, "record_ps", record_ps)] if frames else []
    _check_multiples("sampling", checks)


def _check_multiples(section: str, checks: list[tuple[str, float, str, float]]) -> None:
    """Each (name, value, name of the unit, unit): the value must be whole units. Raises
    CampaignError.
    """
    for name, value, unit_name, unit in checks:
        if value < unit - 1e-9 or abs(value / unit - round(value / unit)) > 1e-6:
            better = max(1, round(value / unit)) * unit
            raise CampaignError(
                f"[{section}] {name} = {value:g} is not a whole multiple of {unit_name} = {unit:g}:"
                f" use {better:g}, or change {unit_name}"
            )


def plan_run(run: Run, campaign: Campaign) -> RunPlan:
    """The size and cost of one run; the number of atoms is computed, not built, and good to about 3
    %.
    """
    planned, sampling = plan_model(run_model_spec(run.spec, run.id)), campaign.sampling
    n_atoms = planned.n_atoms
    solute = n_atoms - sum(
        count * catalogue_molecule(name).n_atoms for name, count in planned.counts.items()
    )
    written = {"solute": solute, "all": n_atoms, "none": 0}[sampling.frames]
    products = all_products(run, campaign)
    there = run.published(product.name for product in products)
    left = [product for product in products if product.name not in there]
    bytes_left = 0
    for product in left:
        bytes_left += SEGMENT_BYTES + STATE_BYTES_PER_ATOM * n_atoms
        if product.chain != PREPARE:
            frames = int(sampling.segment_ps / sampling.frame_ps + 1e-9)
            bytes_left += (
                int(sampling.segment_ps / sampling.record_ps) * RECORD_BYTES * planned.probes
                + frames * written * FRAME_BYTES_PER_ATOM
            )
        if product.name == "system":
            bytes_left += SYSTEM_BYTES_PER_ATOM * n_atoms
    speeds = segment_speeds(run)
    speed = (
        float(np.median(speeds))
        if speeds
        else GUESS_ATOM_NS_PER_DAY / n_atoms * run.spec.simulation.timestep_fs / 4
    )
    total, todo = sum(p.cost_ps for p in products), sum(p.cost_ps for p in left)
    box = tuple(float(x) for x in planned.box)
    return RunPlan(
        run,
        n_atoms,
        box,
        len(sampling_chains(run, campaign)),
        total,
        todo,
        bytes_left,
        speed,
        bool(speeds),
    )


def segment_speeds(run: Run, platform: str | None = None, most: int = 20) -> list[float]:
    """ns/day of up to `most` published segments of the windows and walkers of a run, of those made
    on `platform` when one is named.
    """
    speeds = []
    for path in [
        segment
        for chain in (*run.window_chains(), *run.walker_chains())
        for segment in run.segments(chain)
    ][:most]:
        try:
            record = json.loads((path / "segment.json").read_text(encoding="utf-8"))
            if platform in (None, record["platform"]):
                speeds.append(record["duration_ps"] / 1000 / record["wall_s"] * 86400)
        except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError):
            continue  # a damaged segment has no speed; the table names it
    return speeds


def check_disk(plans: list[RunPlan], folder: Path) -> None:
    """Raise CampaignError when the disk has not got what the campaign is expected to write (2 % of
    the disk kept free).
    """
    needed = sum(plan.left_bytes for plan in plans)
    usage = shutil.disk_usage(folder)
    free = usage.free - int(DISK_KEPT_FREE * usage.total)
    if needed > free:
        raise CampaignError(
            f"the campaign will write about {gigabytes(needed)} but {folder} has"
            f" {gigabytes(max(0, free))} to give: "
            f'free some space, raise frame_ps, or set frames = "solute" or "none"'
        )


def check_writable(folder: Path) -> None:
    """Raise CampaignError when nothing can be created in the campaign directory."""
    if not folder.is_dir():
        raise CampaignError(
            f"there is no directory {folder}; make a campaign with: halobind new {folder}"
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise CampaignError(
            f"{folder} is not writable; change its permissions or move {campaign_file(folder).name}"
            " elsewhere"
        )


def gigabytes(count: float) -> str:
    """A number of bytes as text with a sensible unit."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} B"


def open_campaign(folder: Path) -> tuple[Campaign, list[Run]]:
    """Load and check a campaign directory. Raises CampaignError before anything is computed or
    written.
    """
    campaign = load_campaign(campaign_file(folder))
    runs = runs_of(folder, campaign)
    check_runs(runs, campaign)
    return campaign, runs
