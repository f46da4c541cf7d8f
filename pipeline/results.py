"""From published segments to published estimates, and from those to the tables."""

import csv
import hashlib
import io
import json
import math
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from jobs.publish import publishing, write_atomic
from pipeline.binding import Binding, binding
from pipeline.campaign import Campaign, RunSpec
from pipeline.faces import COLUMNS, compare_faces, face_samples
from pipeline.pmf import Pmf, estimate_pmf
from pipeline.run import DamagedError, Run, derived_seed, reading, tables_folder
from pipeline.samples import EstimateError, EstimateSettings, Samples, Window, inefficiency
from pipeline.stages import all_products, rounds_of
from pipeline.status import open_failures
from pipeline.tables import Row, csv_text, json_text, markdown_text
from pipeline.versions import versions
from structures.integrity import DISPLACED_NM

GRAIN = 1_000_000  # record intervals are compared in units of 1e-6 ps


@dataclass(frozen=True)
class Sampled:
    """What is published of a run's windows: the samples, a checksum over them, and what the segments say besides.

    With `heads` = 2 each window is there twice, once for each face. `lateral` holds the distances (nm) from the site axis, one array a
    window like `samples.z`. `at_site` and `elsewhere` count windows in which ions around the pocket, or others, ended a segment
    displaced; `images` those in which the ligand ended one within the cutoff of its own image or of the other ligand, `closest_nm` the
    nearest such approach.
    """

    samples: Samples
    lateral: tuple[np.ndarray, ...]
    checksum: str
    at_site: int
    elsewhere: int
    images: int
    closest_nm: float
    openmm_versions: tuple[str, ...]
    heads: int = 1


def collect(run: Run) -> Sampled | None:
    """The samples of every window on disk that has a segment, by height, of each face one series; None when there is none.

    Segments recorded at different intervals are thinned to their least common multiple. Raises DamagedError naming a segment
    that cannot be read.
    """
    series: dict[Window, list[tuple[int, np.ndarray]]] = {}
    digest, openmm = hashlib.sha256(), set()
    seen: dict[str, set[str]] = {"at_site": set(), "elsewhere": set(), "images": set()}
    closest, heads = math.inf, run.spec.model.faces
    for chain in run.window_chains():
        for segment in run.segments(chain):
            with reading(segment):
                record = json.loads((segment / "segment.json").read_text(encoding="utf-8"))
                content = (segment / "cv.npy").read_bytes()
                heights = np.load(io.BytesIO(content), allow_pickle=False).astype(float).reshape(-1, heads, 2)
                window = Window(float(record["center_nm"][0]), float(record["k_kJ_mol_nm2"]))
                series.setdefault(window, []).append((round(record["record_ps"] * GRAIN), heights))
                openmm.add(record["versions"]["openmm"])
                slab, closest = record["slab"], min(closest, record["image_nm"])
                found = {
                    "at_site": slab["displaced_at_site"] > 0,
                    "elsewhere": slab["displaced"] > slab["displaced_at_site"],
                    "images": record["image_nm"] < run.spec.forcefield.cutoff_nm,
                }
            for name, true in found.items():
                if true:
                    seen[name].add(chain)
            digest.update(f"{chain}/{segment.name}".encode() + content)
    if not series:
        return None
    interval = math.lcm(*(step for parts in series.values() for step, _ in parts))
    ordered = sorted(series, key=lambda w: (w.center_nm, w.k))
    series_of = {w: np.concatenate([values[interval // step - 1 :: interval // step] for step, values in series[w]]) for w in ordered}
    windows = tuple(w for w in ordered for _ in range(heads))
    z, lateral = (tuple(series_of[w][:, head, column] for w in ordered for head in range(heads)) for column in (0, 1))
    c, kelvin = run.spec.coordinate, run.spec.simulation.temperature_K
    samples = Samples(windows, z, interval / GRAIN, kelvin, c.radius_nm, c.wall_kJ_mol_nm2)
    counts = {name: len(chains) for name, chains in seen.items()}
    return Sampled(samples, lateral, digest.hexdigest(), closest_nm=closest, openmm_versions=tuple(sorted(openmm)), heads=heads, **counts)


def ensure_estimate(run: Run, sampled: Sampled, settings: EstimateSettings) -> Binding:
    """The Binding of these samples under these settings: read if it is published, else made and published. Raises EstimateError."""
    content = json.dumps([sampled.checksum, settings.model_dump(), versions()["halobind"], versions()["pymbar"]])
    key = hashlib.sha256(content.encode()).hexdigest()[:8]
    target = run.path(f"estimate-{key}")
    found = _read_binding(target)
    if found is None:
        samples = sampled.samples.discarding(settings.discard_fraction)
        pmf = estimate_pmf(samples, settings, derived_seed(run.id, "estimate", key))
        found, alone = binding(pmf, samples, settings), []
        if sampled.heads > 1:
            seed = derived_seed(run.id, "estimate", key, "faces")
            alone, flags = compare_faces(face_samples(samples, sampled.heads), settings, seed)
            found = replace(found, flags=found.flags + flags)
        with publishing(target) as out:
            write_estimate(out, samples, pmf, found)
            if alone:
                _write_csv(out / "faces.csv", COLUMNS, alone)
    return found


def _read_binding(target: Path) -> Binding | None:
    """A published Binding; None where there is none. One that cannot be read is removed: it can be made again."""
    if not target.is_dir():
        return None
    try:
        return Binding.from_dict(json.loads((target / "binding.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        shutil.rmtree(target)
        return None


def write_estimate(out: Path, samples: Samples, pmf: Pmf, found: Binding) -> None:
    """Write pmf.csv (the curve), windows.csv (one row a window), overlap.csv (the matrix) and binding.json into `out`."""
    _write_csv(out / "pmf.csv", ("z_nm", "W_kJ_mol", "W_error_kJ_mol"), zip(pmf.z_nm, pmf.W, pmf.W_error, strict=True))
    columns = ("center_nm", "k_kJ_mol_nm2", "samples", "independent_samples", "mean_nm", "sd_nm", "f_kT", "f_error_kT", "neighbour_overlap")
    independent = samples.effective_counts()
    rows = [
        (w.center_nm, w.k, len(z), independent[i], z.mean(), z.std(), pmf.f_k[i], pmf.f_k_error[i], pmf.neighbour_overlap[i])
        for i, (w, z) in enumerate(zip(samples.windows, samples.z, strict=True))
    ]
    _write_csv(out / "windows.csv", columns, rows)
    _write_csv(out / "overlap.csv", [f"z{w.center_nm:+.3f}" for w in samples.windows], pmf.overlap)
    (out / "binding.json").write_text(json.dumps(found.as_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_csv(path: Path, columns: object, rows: object) -> None:
    with open(path, "w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([repr(float(value)) if isinstance(value, float | np.floating) else value for value in row] for row in rows)


def run_row(run: Run, campaign: Campaign) -> Row:
    """The row of one run: its binding where every window has been begun, what failed, what is pending."""
    spec = run.spec
    row = {
        "ligand": spec.model.ligand,
        "perovskite": spec.model.perovskite,
        "surface": surface_label(spec, campaign),
        "solvent": spec.model.solvent_label,
        "forcefield": spec.forcefield.pack,
        "replica": str(spec.replica),
        "run_id": run.id,
    }
    failures = open_failures(run, campaign)
    if failures:
        product, why = next(iter(failures.items()))
        return Row(**row, error=f"{product}: {why}", versions=versions())
    products = all_products(run, campaign)
    there = run.published(product.name for product in products)
    left = [product for product in products if product.name not in there]
    segments = [product for product in products if product.name.startswith("windows/")]
    done = sum(product.name in there for product in segments)
    pending = f"{done} of {len(segments)} segments" if left else ""
    if any(product.name.endswith("/seg-000") or not product.name.startswith("windows/") for product in left):
        return Row(**row, pending=pending, versions=versions())
    try:
        sampled = collect(run)
        found = ensure_estimate(run, sampled, campaign.estimate)
    except (EstimateError, DamagedError) as error:
        return Row(**row, error=str(error), pending=pending, versions=versions())
    used = versions() | {"openmm": ", ".join(sampled.openmm_versions)}
    rounds = rounds_of(run)
    notes = physics_notes(sampled, campaign) + (rounds[-1].problems if rounds else ())
    return Row(**row, binding=found, pending=pending, versions=used, notes=notes)


def physics_notes(sampled: Sampled, campaign: Campaign) -> tuple[str, ...]:
    """What keeps a row from being called converged besides the estimate itself, one sentence each."""
    total, notes = len(sampled.samples.windows) // sampled.heads, []
    if sampled.at_site:
        where = f"in {sampled.at_site} of {total} windows"
        notes.append(f"ions around the pocket moved more than {DISPLACED_NM:.2f} nm {where}: the ligand does not leave alone")
    if sampled.elsewhere:
        where = f"in {sampled.elsewhere} of {total} windows"
        notes.append(f"the crystal did not stay whole: ions away from the pocket moved more than {DISPLACED_NM:.2f} nm {where}")
    if sampled.images:
        where = f"in {sampled.images} of {total} windows (closest {sampled.closest_nm:.2f} nm)"
        other = " or of the other ligand" if sampled.heads > 1 else ""
        notes.append(f"the ligand came within the cutoff of its own image{other} {where}: use more cells, or a larger gap_nm")
    notes += cylinder_notes(sampled, campaign.estimate)
    if campaign.sampling.replicas == 1:
        notes.append("one replica from one pulled path: hysteresis is not tested, use replicas = 3")
    return tuple(notes)


def cylinder_notes(sampled: Sampled, settings: EstimateSettings) -> list[str]:
    """Whether the unbound anchor is spread evenly over the cylinder, as K_a takes for granted: <r^2> of the plateau windows.

    Expected is the mean over the flat-bottom cylinder with its soft wall; a window fails when it has fewer independent samples
    of r^2 than asked for, or its mean is off by more than three standard errors.
    """
    samples = sampled.samples
    grid = np.linspace(0, samples.radius_nm + 10 * math.sqrt(samples.kT / samples.wall_k), 4001)
    weight = grid * np.exp(-0.5 * samples.wall_k * np.maximum(0, grid - samples.radius_nm) ** 2 / samples.kT)
    expected = float(np.sum(weight * grid**2) / np.sum(weight))
    top, failed, asked = max(window.center_nm for window in samples.windows), 0, 0
    for window, r in zip(samples.windows, sampled.lateral, strict=True):
        if window.center_nm < top - settings.plateau_nm:
            continue
        square = r[int(settings.discard_fraction * len(r)) :] ** 2
        independent = len(square) / inefficiency(square)
        off = abs(square.mean() - expected) > 3 * square.std() / math.sqrt(independent)
        failed += bool(off or independent < settings.min_effective_samples)
        asked += 1
    return [f"the unbound head has not explored its cylinder in {failed} of {asked} plateau windows"] if failed else []


def surface_label(spec: RunSpec, campaign: Campaign) -> str:
    """Shape, termination, cells, of a cuboid the kind of site, and every setting besides that differs between the runs of the campaign."""
    label = f"{spec.model.shape} {spec.model.termination} {spec.model.cells}"
    label += f" {spec.model.site}" if spec.model.shape == "cuboid" else ""
    own = {"perovskite", "shape", "cells", "termination", "ligand", "solvent", "pack", *(("site",) if spec.model.shape == "cuboid" else ())}
    for section in type(spec).model_fields:
        if section in ("replica", "ligands"):
            continue
        for key in type(getattr(spec, section)).model_fields:
            if key not in own and len({repr(getattr(getattr(other, section), key)) for other in campaign.specs}) > 1:
                label += f", {key} {_short(getattr(getattr(spec, section), key))}"
    return label


def _short(value: float | str | dict) -> str:
    """A setting in a few characters: 300, uniform, face(0.5 DA + 0.2 oleate)."""
    if isinstance(value, dict):
        return (
            " + ".join(f"{key}({_short(inner)})" if isinstance(inner, dict) else f"{inner:g} {key}" for key, inner in value.items())
            or "none"
        )
    return value if isinstance(value, str) else f"{value:g}"


def publish_tables(folder: Path, campaign: Campaign, runs: list[Run]) -> tuple[str, bool]:
    """Estimate what is sampled, write tables/binding.csv, .json and .md; the readable table with the paths, and if all rows are sound."""
    rows = [run_row(run, campaign) for run in runs]
    out = tables_folder(folder)
    readable = markdown_text(rows)
    texts = {"binding.csv": csv_text(rows), "binding.json": json_text(rows), "binding.md": readable}
    for name, text in texts.items():
        write_atomic(out / name, text)
    return readable + "\n" + "\n".join(str(out / name) for name in texts), not any(row.error for row in rows)
