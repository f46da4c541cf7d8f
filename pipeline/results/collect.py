"""From published segments to published estimates, and from those to the tables."""

import hashlib
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from halobind.jobs.publish import publishing, write_atomic
from halobind.pipeline.campaign.run_directory import DamagedError, Run, derived_seed, tables_folder
from halobind.pipeline.campaign.settings import Campaign, RunSpec
from halobind.pipeline.campaign.versions import versions
from halobind.pipeline.free_energy.anchor_checks import (
    anchor_flags,
    cylinder_flags,
    walker_cylinder_flags,
)
from halobind.pipeline.free_energy.binding import Binding, binding
from halobind.pipeline.free_energy.equilibration import equilibrated
from halobind.pipeline.free_energy.flags import Flag, FlagKind
from halobind.pipeline.free_energy.metadynamics_pmf import Walks
from halobind.pipeline.free_energy.samples import EstimateError, EstimateSettings, Samples, Window
from halobind.pipeline.free_energy.two_faces import COLUMNS, compare_faces, face_samples
from halobind.pipeline.free_energy.umbrella_pmf import estimate_pmf
from halobind.pipeline.results.estimate_files import read_curve, write_csv, write_estimate
from halobind.pipeline.results.pmf_figure import draw
from halobind.pipeline.results.segment_reader import GRAIN, Sampled, Seen
from halobind.pipeline.results.table_rows import BACK, OUT, Row
from halobind.pipeline.results.table_text import (
    PREDICTIONS,
    csv_text,
    json_text,
    markdown_text,
    prediction_texts,
)
from halobind.pipeline.results.walker_results import collect_walks, publish_walk_estimate
from halobind.pipeline.sampling.failures import open_failures
from halobind.pipeline.sampling.products import PREPARE, all_products, comes_back, rounds_of
from halobind.structures.models.integrity import DISPLACED_NM
from halobind.structures.molecules.catalogue import LIGANDS

REVISION = 4  # of how an estimate is made and what is written of it: raise it when that changes


def collect(run: Run) -> Sampled | None:
    """The samples of every window on disk that has a segment, by height, of each face one series;
    None when there is none.

    Segments recorded at different intervals are thinned to their least common multiple. Raises
    DamagedError naming a segment that cannot be read.
    """
    series: dict[Window, list[tuple[int, np.ndarray]]] = {}
    heads = run.spec.model.faces
    seen = Seen(run.spec)
    exchanged: dict[str, set[str]] = {}
    window_of: dict[str, Window] = {}
    for chain in run.window_chains():
        for record, coordinate in seen.read(chain, run.segments(chain)):
            window = Window(float(record["center_nm"][0]), float(record["k_kJ_mol_nm2"]))
            window_of[chain] = window
            members = {
                name.rpartition("/")[0] for name in record.get("exchange", {}).get("members", ())
            }
            exchanged.setdefault(chain, {chain}).update(members)
            series.setdefault(window, []).append(
                (round(record["record_ps"] * GRAIN), coordinate.reshape(-1, heads, 2))
            )
    if not series:
        return None
    interval = math.lcm(*(step for parts in series.values() for step, _ in parts))
    ordered = sorted(series, key=lambda w: (w.center_nm, w.k))
    series_of = {
        w: np.concatenate(
            [values[interval // step - 1 :: interval // step] for step, values in series[w]]
        )
        for w in ordered
    }
    windows = tuple(w for w in ordered for _ in range(heads))
    z, lateral = (
        tuple(series_of[w][:, head, column] for w in ordered for head in range(heads))
        for column in (0, 1)
    )
    c, kelvin = run.spec.coordinate, run.spec.simulation.temperature_K
    numbers = {
        window_of[chain]: number
        for chain, number in connected(exchanged).items()
        if chain in window_of
    }
    groups = (
        tuple(numbers[window] for window in windows)
        if len(set(numbers.values())) < len(numbers)
        else ()
    )
    samples = Samples(windows, z, interval / GRAIN, kelvin, c.radius_nm, c.wall_kJ_mol_nm2, groups)
    return seen.sampled(samples, lateral)


def connected(links: dict[str, set[str]]) -> dict[str, int]:
    """A number for each name, the same for names that are linked, directly or by way of others."""
    found: dict[str, int] = {}
    for number, name in enumerate(links):
        order = [name]
        while order:
            one = order.pop()
            if one not in found:
                found[one] = number
                order += links.get(one, ())
    return found


def estimate_folder(run: Run, sampled: Sampled, settings: EstimateSettings) -> Path:
    """Where the estimate from these samples under these settings is or will be published."""
    content = json.dumps(
        [
            REVISION,
            sampled.checksum,
            settings.model_dump(),
            versions()["halobind"],
            versions()["pymbar"],
        ]
    )
    return run.path(f"estimate-{hashlib.sha256(content.encode()).hexdigest()[:8]}")


def estimate_seed(run: Run, sampled: Sampled, settings: EstimateSettings) -> int:
    """The seed of its resamples: whoever plans from these samples sees the errors that the table
    shows.
    """
    return derived_seed(run.id, estimate_folder(run, sampled, settings).name)


def ensure_estimate(run: Run, sampled: Sampled, settings: EstimateSettings) -> Binding:
    """The Binding of these samples under these settings: read if it is published, else made and
    published. Raises EstimateError.
    """
    target = estimate_folder(run, sampled, settings)
    found = _read_binding(target)
    if found is None:
        seed = estimate_seed(run, sampled, settings)
        if isinstance(sampled.samples, Walks):
            return publish_walk_estimate(target, sampled.samples, settings, seed)
        ready = equilibrated(sampled.samples, settings)
        pmf = estimate_pmf(ready.samples, settings, seed)
        found = binding(pmf, ready.samples, settings, seed)
        found = replace(found, flags=(*found.flags, *ready.flags()))
        faces: list[tuple] = []
        if sampled.heads > 1:
            faces, flags = compare_faces(
                face_samples(ready.samples, sampled.heads),
                settings,
                derived_seed(run.id, target.name, "faces"),
            )
            found = replace(found, flags=(*found.flags, *flags))
        with publishing(target) as out:
            write_estimate(out, ready, pmf, found)
            if faces:
                write_csv(out / "faces.csv", COLUMNS, faces)
    return found


def _read_binding(target: Path) -> Binding | None:
    """A published Binding; None where there is none. One that cannot be read is removed: it can be
    made again.
    """
    if not target.is_dir():
        return None
    try:
        read_curve(target)
        return Binding.from_dict(json.loads((target / "binding.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        shutil.rmtree(target)
        return None


def run_row(run: Run, campaign: Campaign) -> Row:
    """The row of one run: its binding where every window has been begun, what failed, what is
    pending.
    """
    spec = run.spec
    row = {
        "ligand": spec.model.ligand,
        "perovskite": spec.model.perovskite,
        "surface": surface_label(spec, campaign),
        "solvent": spec.model.solvent_label,
        "forcefield": spec.forcefield.pack,
        "replica": str(spec.replica),
        "path": BACK if comes_back(spec) else OUT,
        "run_id": run.id,
        "temperature_K": f"{spec.simulation.temperature_K:g}",
        "mode": (spec.ligands.get(spec.model.ligand) or LIGANDS[spec.model.ligand]).mode,
    }
    failures = open_failures(run, campaign)
    if failures:
        product, why = next(iter(failures.items()))
        return Row(**row, error=f"{product}: {why}", versions=versions())
    products = all_products(run, campaign)
    there = run.published(product.name for product in products)
    left = [product for product in products if product.name not in there]
    segments = [product for product in products if product.chain != PREPARE]
    done = sum(product.name in there for product in segments)
    pending = f"{done} of {len(segments)} segments" if left else ""
    if any(product.name.endswith("/seg-000") or product.chain == PREPARE for product in left):
        return Row(**row, pending=pending, versions=versions())
    try:
        sampled = (
            collect(run)
            if campaign.sampling.method == "umbrella"
            else collect_walks(run, campaign.metadynamics)
        )
        found = ensure_estimate(run, sampled, campaign.estimate)
    except (EstimateError, DamagedError) as error:
        return Row(**row, error=str(error), pending=pending, versions=versions())
    used = versions() | {"openmm": ", ".join(sampled.openmm_versions)}
    curve = read_curve(estimate_folder(run, sampled, campaign.estimate))
    rounds = (
        rounds_of(run) if campaign.sampling.method == "umbrella" else []
    )  # they are about windows
    notes = physics_flags(sampled, campaign) + (rounds[-1].problems if rounds else ())
    return Row(**row, binding=found, curve=curve, pending=pending, versions=used, notes=notes)


def physics_flags(sampled: Sampled, campaign: Campaign) -> tuple[Flag, ...]:
    """What keeps a row from being called converged besides the estimate itself."""
    samples = sampled.samples
    total = (
        f"{len(samples.z)} walkers"
        if isinstance(samples, Walks)
        else f"{len(samples.distinct)} windows"
    )
    flags: list[Flag] = []
    if sampled.at_site:
        where = f"in {sampled.at_site} of {total}"
        text = (
            f"ions around the pocket moved more than {DISPLACED_NM:.2f} nm {where}: the ligand does"
            " not leave alone"
        )
        flags.append(Flag(FlagKind.DISPLACED_AT_SITE, text))
    if sampled.elsewhere:
        where = f"in {sampled.elsewhere} of {total}"
        what = (
            f"ions away from the pocket moved more than {DISPLACED_NM:.2f} nm from every site of"
            " theirs"
        )
        text = f"the crystal did not stay whole: {what} {where}"
        flags.append(Flag(FlagKind.DISPLACED_ELSEWHERE, text))
    if sampled.broken:
        text = (
            f"a metal stayed short of halides that it was built with in {sampled.broken} of"
            f" {total}: the crystal reacts"
        )
        flags.append(Flag(FlagKind.SHORT_OF_HALIDES, text))
    if sampled.leaning:
        where = f"in {sampled.leaning} of {total}"
        text = (
            f"an ion beside the pocket leaned on the wall that keeps it there {where}: dG0 depends"
            " on intact_nm"
        )
        flags.append(Flag(FlagKind.LEANS_ON_WALL, text))
    if sampled.filled.unsampled:
        kinds = (
            f"solvent fills the pocket in {sampled.filled.always} of {total} and never enters it in"
            f" {sampled.filled.never}"
        )
        text = f"{kinds}: where it changes places with the head is that of the pulled path"
        flags.append(Flag(FlagKind.SOLVENT_EXCHANGE_UNSAMPLED, text))
    if sampled.away.unsampled:
        where = (
            f"out of its place in {sampled.away.always} of {total} and stays there in"
            f" {sampled.away.never}"
        )
        text = (
            f"the ion that leaves with the head is {where}: where it lets go is that of the pulled"
            " path"
        )
        flags.append(Flag(FlagKind.ION_PAIR_UNSAMPLED, text))
    if sampled.images:
        where = f"in {sampled.images} of {total} (closest {sampled.closest_nm:.2f} nm)"
        other = " or of the other ligand" if sampled.heads > 1 else ""
        text = (
            f"the ligand came within the cutoff of its own image{other} {where}: use more cells, or"
            " a larger gap_nm"
        )
        flags.append(Flag(FlagKind.OWN_IMAGE, text))
    cylinder = walker_cylinder_flags if isinstance(samples, Walks) else cylinder_flags
    flags += anchor_flags(samples, sampled.lateral)
    flags += cylinder(samples, sampled.lateral, campaign.estimate)
    if campaign.sampling.replicas == 1:
        text = (
            "one replica, from a path pulled outwards: hysteresis is not tested, use replicas = 2"
            " or more"
        )
        flags.append(Flag(FlagKind.ONE_REPLICA, text))
    return tuple(flags)


def surface_label(spec: RunSpec, campaign: Campaign) -> str:
    """Shape, termination, cells, of a cuboid the kind of site, of a slab whether walls keep it
    intact, the method if not umbrella sampling, every setting but temperature that differs between
    the runs.
    """
    label = f"{spec.model.shape} {spec.model.termination} {spec.model.cells}"
    label += f" {spec.model.site}" if spec.model.shape == "cuboid" else ""
    label += " intact" if math.isfinite(spec.wall_nm) else ""
    if campaign.sampling.method != "umbrella":
        label += f", {campaign.sampling.method}"
    own = {
        "perovskite",
        "shape",
        "cells",
        "termination",
        "ligand",
        "solvent",
        "pack",
        "temperature_K",
    }
    own |= {"site"} if spec.model.shape == "cuboid" else set()
    for section in type(spec).model_fields:
        if section in ("replica", "ligands"):
            continue
        for key in type(getattr(spec, section)).model_fields:
            if (
                key not in own
                and len({repr(getattr(getattr(other, section), key)) for other in campaign.specs})
                > 1
            ):
                label += f", {key} {_short(getattr(getattr(spec, section), key))}"
    return label


def _short(value: float | str | dict) -> str:
    """A setting in a few characters: 300, uniform, face(0.5 DA + 0.2 oleate)."""
    if isinstance(value, dict):
        return (
            " + ".join(
                f"{key}({_short(inner)})" if isinstance(inner, dict) else f"{inner:g} {key}"
                for key, inner in value.items()
            )
            or "none"
        )
    return value if isinstance(value, str) else f"{value:g}"


def publish_tables(folder: Path, campaign: Campaign, runs: list[Run]) -> tuple[str, bool]:
    """Estimate what is sampled and write tables/: binding.csv, .json and .md, what they predict,
    the curves as a picture.

    Gives the readable table with the paths, and whether all rows are sound. A file of predictions
    that no longer has a row is removed.
    """
    rows = [run_row(run, campaign) for run in runs]
    out = tables_folder(folder)
    readable = markdown_text(rows)
    predicted = prediction_texts(rows)
    texts = {
        "binding.csv": csv_text(rows),
        "binding.json": json_text(rows),
        "binding.md": readable,
    } | predicted
    for name, text in texts.items():
        write_atomic(out / name, text)
    for name in PREDICTIONS:
        if name not in predicted:
            (out / name).unlink(missing_ok=True)
    paths = [*texts, *(["pmf.png"] if draw(rows, out / "pmf.png") else [])]
    return readable + "\n" + "\n".join(str(out / name) for name in paths), not any(
        row.error for row in rows
    )
