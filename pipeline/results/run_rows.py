"""The row of one run in the table: its labels, its binding numbers, and what is wrong with it."""

import math
from collections.abc import Iterable
from dataclasses import replace

from halobind.pipeline.campaign.run_directory import CampaignRuns, DamagedError, Run
from halobind.pipeline.campaign.settings import Campaign, CampaignError, RunSpec
from halobind.pipeline.campaign.versions import versions
from halobind.pipeline.free_energy.alchemical_samples import AlchemicalSamples
from halobind.pipeline.free_energy.anchor_checks import (
    anchor_flags,
    cylinder_flags,
    plateau_cylinder_flags,
    walker_cylinder_flags,
)
from halobind.pipeline.free_energy.flags import Flag, FlagKind
from halobind.pipeline.free_energy.metadynamics_pmf import WalkerSamples
from halobind.pipeline.free_energy.pmf import Curve
from halobind.pipeline.free_energy.samples import EstimateError
from halobind.pipeline.results.collect import AnySamples, collect_samples
from halobind.pipeline.results.estimate_files import read_curve
from halobind.pipeline.results.estimates import ensure_estimate, estimate_folder
from halobind.pipeline.results.segment_reader import SegmentReport
from halobind.pipeline.results.table_rows import BACK, OUT, TableRow
from halobind.pipeline.sampling.failures import open_failures
from halobind.pipeline.sampling.product import PREPARE
from halobind.pipeline.sampling.products import all_products
from halobind.pipeline.sampling.pull_steps import comes_back
from halobind.pipeline.sampling.rounds import rounds_of
from halobind.structures.models.integrity import DISPLACED_NM

LABELLED_KEYS = frozenset(
    {
        "perovskite",
        "shape",
        "cells",
        "termination",
        "ligand",
        "solvent",
        "pack",
        "temperature_K",
    }
)
"""Settings that have a place of their own in a row."""


def run_row(run: Run, campaign: Campaign) -> TableRow:
    """The row of one run: its binding where every window is begun, what failed, what is pending."""
    row = _labelled_row(run, campaign)
    failures = open_failures(run, campaign)
    if failures:
        return replace(row, error=f"{failures[0].product}: {failures[0].reason}")
    products = all_products(run, campaign)
    published = run.published(product.name for product in products)
    missing = [product for product in products if product.name not in published]
    if missing:
        segments = [product for product in products if product.chain != PREPARE]
        n_done = sum(product.name in published for product in segments)
        row = replace(row, pending=f"{n_done} of {len(segments)} segments")
    if any(product.chain == PREPARE or product.number == 0 for product in missing):
        return row
    try:
        return _estimated_row(row, run, campaign)
    except (EstimateError, DamagedError) as error:
        return replace(row, error=str(error))


def curve_of(campaign: CampaignRuns, run_id: str | None = None) -> Curve:
    """The free energy along the coordinate of one run, with its error, as in its row of the table.

    The estimate is published in the directory of the run, and made again only where there is more
    to estimate from.

    Args:
        campaign: the campaign.
        run_id: which run; None where there is only one.

    Raises:
        CampaignError: there is no such run, or several where none is named.
        EstimateError: it has no curve, and why.

    Examples:
        >>> campaign = halobind.open_campaign("mycampaign")
        >>> curve = halobind.curve_of(campaign, campaign.runs[0].id)
        >>> curve.z_nm.shape == curve.W.shape == curve.W_error.shape
        True
    """
    ids = [run.id for run in campaign.runs]
    if run_id is None and len(ids) > 1:
        raise CampaignError(f"{campaign.folder} has {len(ids)} runs: name one of {', '.join(ids)}")
    if run_id is not None and run_id not in ids:
        raise CampaignError(
            f"{campaign.folder} has no run {run_id!r}; its runs are {', '.join(ids)}"
        )
    run = campaign.runs[0 if run_id is None else ids.index(run_id)]
    row = run_row(run, campaign.settings)
    if row.curve is None:
        raise EstimateError(f"{run.id} has no curve: {row.status}", cause="no curve")
    return row.curve


def _labelled_row(run: Run, campaign: Campaign) -> TableRow:
    """The row of a run of which nothing is known yet."""
    spec = run.spec
    ligand = spec.model.ligand
    if ligand is None:
        raise ValueError(f"{run.id} has no ligand whose binding is sampled")
    return TableRow(
        ligand=ligand,
        perovskite=spec.model.perovskite,
        surface=surface_label(spec, campaign),
        solvent=spec.model.solvent_label,
        forcefield=spec.forcefield.pack,
        replica=str(spec.replica),
        path=BACK if comes_back(spec) else OUT,
        run_id=run.id,
        temperature_K=f"{spec.simulation.temperature_K:g}",
        mode=spec.sampled_ligand.mode,
        versions=versions(),
    )


def _estimated_row(row: TableRow, run: Run, campaign: Campaign) -> TableRow:
    """The row with all that follows from the samples. Raises EstimateError, DamagedError."""
    run_samples = collect_samples(run, campaign)
    if run_samples is None:
        raise EstimateError(f"{run.id} has no samples: sample it", cause="too few samples")
    binding = ensure_estimate(run, run_samples, campaign.estimate)
    folder = estimate_folder(run, run_samples, campaign.estimate)
    curve = read_curve(folder)
    openmm_versions = ", ".join(run_samples.report.openmm_versions)
    notes = physics_flags(run_samples, campaign)
    if campaign.sampling.method == "umbrella":  # rounds are about windows
        rounds = rounds_of(run)
        notes += rounds[-1].problems if rounds else ()
    return replace(
        row,
        binding=binding,
        curve=curve,
        estimate=folder.name,
        versions=row.versions | {"openmm": openmm_versions},
        notes=notes,
    )


def physics_flags(run_samples: AnySamples, campaign: Campaign) -> tuple[Flag, ...]:
    """What keeps a row from being called converged besides the estimate itself."""
    samples = run_samples.samples
    lateral = run_samples.lateral
    if isinstance(samples, WalkerSamples):
        total = f"{len(samples.z)} walkers"
        cylinder = walker_cylinder_flags(samples, lateral, campaign.estimate)
    elif isinstance(samples, AlchemicalSamples):
        total = f"{len(samples.states)} states"
        cylinder = plateau_cylinder_flags(samples, lateral, campaign.estimate)
    else:
        total = f"{len(samples.distinct)} windows"
        cylinder = cylinder_flags(samples, lateral, campaign.estimate)
    # of an alchemical path the gate decides whether there is solvent in the pocket
    alchemical = isinstance(samples, AlchemicalSamples)
    flags = [
        *_crystal_flags(run_samples.report, total),
        *(() if alchemical else _exchange_flags(run_samples.report, total)),
        *_image_flags(run_samples.report, total, run_samples.heads),
        *anchor_flags(samples, lateral),
        *cylinder,
    ]
    if campaign.sampling.replicas == 1:
        text = (
            "one replica, from a path pulled outwards: hysteresis is not tested, use replicas = 2"
            " or more"
        )
        flags.append(Flag(FlagKind.ONE_REPLICA, text))
    return tuple(flags)


def _crystal_flags(report: SegmentReport, total: str) -> Iterable[Flag]:
    """What became of the ions of the crystal; `total` is the number of windows in words."""
    if report.displaced_at_site:
        text = (
            f"ions around the pocket moved more than {DISPLACED_NM:.2f} nm in"
            f" {report.displaced_at_site} of {total}: the ligand does not leave alone"
        )
        yield Flag(FlagKind.DISPLACED_AT_SITE, text)
    if report.displaced_elsewhere:
        text = (
            "the crystal did not stay whole: ions away from the pocket moved more than"
            f" {DISPLACED_NM:.2f} nm from every site of theirs in {report.displaced_elsewhere} of"
            f" {total}"
        )
        yield Flag(FlagKind.DISPLACED_ELSEWHERE, text)
    if report.short_of_halides:
        text = (
            "a metal stayed short of halides that it was built with in"
            f" {report.short_of_halides} of {total}: the crystal reacts"
        )
        yield Flag(FlagKind.SHORT_OF_HALIDES, text)
    if report.leaning_on_wall:
        text = (
            "an ion beside the pocket leaned on the wall that keeps it there in"
            f" {report.leaning_on_wall} of {total}: dG0 depends on intact_nm"
        )
        yield Flag(FlagKind.LEANS_ON_WALL, text)


def _exchange_flags(report: SegmentReport, total: str) -> Iterable[Flag]:
    """Where the head never changes places with solvent or partner; `total` as in words."""
    solvent = report.solvent_in_pocket
    if solvent.unsampled:
        text = (
            f"solvent fills the pocket in {solvent.always} of {total} and never enters it in"
            f" {solvent.never}: where it changes places with the head is that of the pulled path"
        )
        yield Flag(FlagKind.SOLVENT_EXCHANGE_UNSAMPLED, text)
    partner = report.partner_away
    if partner.unsampled:
        text = (
            f"the ion that leaves with the head is out of its place in {partner.always} of {total}"
            f" and stays there in {partner.never}: where it lets go is that of the pulled path"
        )
        yield Flag(FlagKind.ION_PAIR_UNSAMPLED, text)


def _image_flags(report: SegmentReport, total: str, heads: int) -> Iterable[Flag]:
    """Where the ligand came near its images; `total` is the number of windows in words."""
    if report.near_image:
        other = " or of the other ligand" if heads > 1 else ""
        text = (
            f"the ligand came within the cutoff of its own image{other} in {report.near_image} of"
            f" {total} (closest {report.closest_image_nm:.2f} nm): use more cells, or a larger"
            " gap_nm"
        )
        yield Flag(FlagKind.OWN_IMAGE, text)


def surface_label(spec: RunSpec, campaign: Campaign) -> str:
    """What tells the surface and settings of a run from those of the others, in a few words.

    Shape, termination, cells; of a cuboid the kind of site; of a slab whether walls keep it intact;
    the method if it is not umbrella sampling; every setting that differs between the runs and has
    no label of its own.
    """
    label = f"{spec.model.shape} {spec.model.termination} {spec.model.cells}"
    known = set(LABELLED_KEYS)
    if spec.model.shape == "cuboid":
        label += f" {spec.model.site}"
        known.add("site")
    if math.isfinite(spec.wall_nm):
        label += " intact"
    if campaign.sampling.method != "umbrella":
        label += f", {campaign.sampling.method}"
    for section in type(spec).model_fields:
        if section in ("replica", "ligands"):
            continue
        for key in type(getattr(spec, section)).model_fields:
            if key not in known and _differs(campaign, section, key):
                label += f", {key} {_short(getattr(getattr(spec, section), key))}"
    return label


def _differs(campaign: Campaign, section: str, key: str) -> bool:
    """Whether the runs of a campaign have more than one value of a setting."""
    values = {repr(getattr(getattr(spec, section), key)) for spec in campaign.specs}
    return len(values) > 1


def _short(value: object) -> str:
    """A setting in a few characters: 300, uniform, face(0.5 DA + 0.2 oleate)."""
    if isinstance(value, dict):
        parts = [
            f"{key}({_short(inner)})" if isinstance(inner, dict) else f"{inner:g} {key}"
            for key, inner in value.items()
        ]
        return " + ".join(parts) or "none"
    return f"{value:g}" if isinstance(value, int | float) else str(value)
