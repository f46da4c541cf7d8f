"""What is refused before anything is computed, with the setting, its value and what to do."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from halobind.forcefields.hamiltonian.system import check_cutoff
from halobind.forcefields.packs.pack import load_pack
from halobind.forcefields.packs.validity import check_pack, request_of
from halobind.pipeline.campaign.load import load_campaign
from halobind.pipeline.campaign.model_settings import ModelSection
from halobind.pipeline.campaign.run_directory import CampaignRuns, Run, campaign_file, runs_of
from halobind.pipeline.campaign.settings import (
    Campaign,
    CampaignError,
    EquilibrateSection,
    RunSpec,
    SamplingSection,
)
from halobind.pipeline.sampling.alchemical_path import alchemical_states
from halobind.pipeline.sampling.model_and_system import run_model_spec
from halobind.pipeline.sampling.window_segments import grid_windows
from halobind.structures.assembly.build import ModelPlan, check_model, plan_model
from halobind.structures.crystals.ion_pair import check_solvent
from halobind.structures.molecules.catalogue import catalogue_ligand
from halobind.structures.molecules.limits import check_size

MAX_EQUILIBRATION_PIECES = 1000
MAX_SEGMENTS = 200_000
MIN_ALCHEMICAL_PATH_NM = 0.5
MIN_HILL_WIDTHS_ON_PATH = 10
CYLINDER_MARGIN_NM = 0.4  # of the box, beside the cylinder


def check_runs(runs: Sequence[Run], campaign: Campaign) -> None:
    """Refuse, before any computing, what cannot work.

    Raises CampaignError naming the run, the setting and what to do.
    """
    if len({run.id for run in runs}) != len(runs):
        raise CampaignError(
            "two grid values are the same run (300 and 300.0, for example): remove one of them"
        )
    check_amount(runs, campaign)
    for run in runs:
        try:
            check_spec(run.spec, run.id, campaign)
        except ValueError as error:
            raise CampaignError(f"{run.id}: {error}") from None
        step_ps = run.spec.simulation.timestep_fs / 1000
        if campaign.sampling.method == "metadynamics":
            check_hills(run.spec, campaign, step_ps)
        if campaign.sampling.method == "alchemical":
            check_alchemical(run.spec, campaign)
        check_times(campaign.sampling, step_ps)


def check_amount(runs: Sequence[Run], campaign: Campaign) -> None:
    """Raise CampaignError for more segments than a file system, or anybody's patience, holds."""
    if campaign.sampling.method == "metadynamics":
        n_chains = len(runs) * campaign.metadynamics.walkers
    elif campaign.sampling.method == "alchemical":
        n_chains = sum(len(alchemical_states(run.spec, campaign.alchemical)) for run in runs)
    else:
        n_chains = sum(len(grid_windows(run.spec, campaign.windows)) for run in runs)
    n_segments = n_chains * campaign.sampling.segments
    try:
        check_size(
            f"{n_chains} windows or walkers of {campaign.sampling.segments} segments each are"
            f" {n_segments} segments",
            n_segments,
            MAX_SEGMENTS,
            "HALOBIND_MAX_SEGMENTS",
        )
    except ValueError as error:
        raise CampaignError(str(error)) from None


def check_spec(spec: RunSpec, run_id: str, campaign: Campaign) -> None:
    """Refuse a run whose model, box, path or windows cannot be made. Raises ValueError."""
    cutoff_nm = spec.forcefield.cutoff_nm
    ligand = check_sampled(spec.model)
    model = run_model_spec(spec, run_id)
    check_model(model, spec.pull.to_nm, cutoff_nm)
    check_solvent(spec.coordinate.leaving, ligand, model.probe, spec.model.recipe)
    model_plan = plan_model(model)
    check_pack(load_pack(spec.forcefield.pack), request_of(model, model_plan))
    check_faces(model_plan, cutoff_nm)
    check_cutoff(model_plan.box, cutoff_nm)
    if min(model_plan.counts.values()) < 1:
        raise ValueError(
            f"gap_nm = {spec.model.gap_nm} leaves no room for {spec.model.solvent_label}: raise it"
        )
    check_radius(spec.coordinate.radius_nm, model_plan)
    check_path(spec, campaign.estimate.plateau_nm)
    if campaign.sampling.method == "umbrella":
        n_windows = len(grid_windows(spec, campaign.windows))
        check_group(campaign.sampling.exchange_group, n_windows)
    check_pieces(spec.equilibrate)


def check_sampled(model: ModelSection) -> str:
    """Refuse a model that can be built but not sampled; returns its sampled ligand.

    Raises ValueError.
    """
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
    return model.ligand


def check_faces(planned: ModelPlan, cutoff_nm: float) -> None:
    """Two bound ligands must not feel each other through the slab. Raises ValueError."""
    first, *others = (
        planned.crystal.sites[bound.sites[0]].point for bound in planned.bounds[: planned.probes]
    )
    for other in others:
        distance_nm = float(np.linalg.norm(other - first))
        if distance_nm < cutoff_nm:
            raise ValueError(
                f"faces = 2: the sites of the two ligands are {distance_nm:.2f} nm apart across the"
                f" slab, within cutoff_nm = {cutoff_nm:g}: use more cells along z, or faces = 1"
            )


def check_radius(radius_nm: float, planned: ModelPlan) -> None:
    """The cylinder about the site axis must fit into the box. Raises ValueError."""
    shortest_nm = min(planned.box)
    if shortest_nm < 2 * radius_nm + CYLINDER_MARGIN_NM:
        raise ValueError(
            f"radius_nm = {radius_nm} is too wide for a box of {shortest_nm:.2f} nm: lower it"
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
    if pieces > MAX_EQUILIBRATION_PIECES:
        raise ValueError(
            f"piece_ps = {equilibrate.piece_ps:g} cuts the equilibration into {pieces:.3g} pieces:"
            " raise it"
        )


def check_hills(spec: RunSpec, campaign: Campaign, step_ps: float) -> None:
    """Hills must come at whole steps, a segment must hold whole intervals, and the path many hills.

    Raises CampaignError.
    """
    hills = campaign.metadynamics
    sampling = campaign.sampling
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
    check_multiple(
        Duration("[metadynamics] deposit_ps", hills.deposit_ps),
        Duration("timestep_fs / 1000", step_ps),
    )
    check_multiple(
        Duration("[sampling] segment_ps", sampling.segment_ps),
        Duration("[metadynamics] deposit_ps", hills.deposit_ps),
    )
    length_nm = spec.pull.to_nm - spec.pull.from_nm
    max_width_nm = length_nm / MIN_HILL_WIDTHS_ON_PATH
    if hills.width_nm > max_width_nm:
        raise CampaignError(
            f"[metadynamics] width_nm = {hills.width_nm:g} is too wide for a path of"
            f" {length_nm:g} nm: use {max_width_nm:.2g} or less"
        )


def check_alchemical(spec: RunSpec, campaign: Campaign) -> None:
    """Refuse what the alchemical path cannot do yet, each with the reason. Raises CampaignError."""
    settings = campaign.alchemical
    if campaign.sampling.target_kJ_mol is not None:
        raise CampaignError(
            f"[sampling] target_kJ_mol = {campaign.sampling.target_kJ_mol:g} is for umbrella"
            ' windows: remove it, or set method = "umbrella"'
        )
    if spec.model.faces != 1:
        raise CampaignError(
            f"[model] faces = {spec.model.faces}: the alchemical path has one gate, at one site,"
            ' and scales the charges of one ligand; set faces = 1, or method = "umbrella"'
        )
    if spec.coordinate.leaving != "cation":
        raise CampaignError(
            f'[coordinate] leaving = "{spec.coordinate.leaving}": with its charges scaled down a'
            ' ligand does not hold its partner; set leaving = "cation", or method = "umbrella"'
        )
    mode = binding_mode(spec)
    if mode != "cation":
        raise CampaignError(
            f"[model] ligand = {spec.model.ligand!r} binds as {mode}: the alchemical path is for"
            ' cations, whose heads leave an empty pocket; set method = "umbrella"'
        )
    if settings.well_nm > spec.pull.to_nm - MIN_ALCHEMICAL_PATH_NM:
        raise CampaignError(
            f"[alchemical] well_nm = {settings.well_nm:g} is less than"
            f" {MIN_ALCHEMICAL_PATH_NM:g} nm below [pull] to_nm = {spec.pull.to_nm:g}: raise to_nm"
        )


def binding_mode(spec: RunSpec) -> str:
    """How the sampled ligand of a run binds, a key of MODES."""
    name = str(spec.model.ligand)
    record = spec.ligands.get(name)
    return record.mode if record else catalogue_ligand(name).mode


def check_times(sampling: SamplingSection, step_ps: float) -> None:
    """Raise CampaignError unless records are whole steps, segments and frames whole records."""
    record = Duration("record_ps", sampling.record_ps)
    check_multiple(
        Duration("[sampling] record_ps", sampling.record_ps),
        Duration("timestep_fs / 1000", step_ps),
    )
    check_multiple(Duration("[sampling] segment_ps", sampling.segment_ps), record)
    if sampling.frames != "none":
        check_multiple(Duration("[sampling] frame_ps", sampling.frame_ps), record)


@dataclass(frozen=True)
class Duration:
    """A setting that is a time."""

    name: str
    """As it is written in the campaign file."""
    ps: float
    """Its value."""


def check_multiple(time: Duration, unit: Duration) -> None:
    """Raise CampaignError where `time` is not one or more whole `unit`."""
    count = time.ps / unit.ps
    if time.ps < unit.ps - 1e-9 or abs(count - round(count)) > 1e-6:
        better_ps = max(1, round(count)) * unit.ps
        raise CampaignError(
            f"{time.name} = {time.ps:g} is not a whole multiple of {unit.name} = {unit.ps:g}:"
            f" use {better_ps:g}, or change {unit.name}"
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


def check_can_create(folder: Path, advice: str) -> None:
    """Raise CampaignError, with what to do, when `folder` cannot be made or written to."""
    absolute = folder.absolute()
    nearest = next(parent for parent in (absolute, *absolute.parents) if parent.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise CampaignError(f"{nearest} is not a directory that can be written to: {advice}")


def open_campaign(folder: Path | str) -> CampaignRuns:
    """Load and check a campaign directory; nothing is computed or written.

    Raises:
        CampaignError: names the setting, its value and what to do.

    Examples:
        >>> halobind.open_campaign("mycampaign")
        Campaign mycampaign: 1 run
          CsPbBr3-slab-DA-acetone-r0-...
    """
    folder = Path(folder)
    campaign = load_campaign(campaign_file(folder))
    runs = runs_of(folder, campaign)
    check_runs(runs, campaign)
    return CampaignRuns(folder, campaign, runs)
