"""From published segments to published estimates, and from those to the tables."""

import csv
import hashlib
import io
import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jobs.publish import publishing, write_atomic
from pipeline.binding import Binding, binding
from pipeline.campaign import Campaign, RunSpec
from pipeline.pmf import Pmf, estimate_pmf
from pipeline.run import DamagedError, Run, derived_seed, reading, tables_folder
from pipeline.samples import EstimateError, EstimateSettings, Samples, Window, inefficiency
from pipeline.stages import PREPARE, all_products, hills_of, read_bias, walker_chain
from pipeline.status import open_failures
from pipeline.tables import Row, csv_text, json_text, markdown_text
from pipeline.versions import versions
from pipeline.walkers import Walks, walk_binding
from structures.integrity import DISPLACED_NM

GRAIN = 1_000_000  # record intervals are compared in units of 1e-6 ps


@dataclass(frozen=True)
class Sampled:
    """What is published of a run's windows (or walkers): the samples, a checksum over them, and what the segments say besides.

    `lateral` holds the distances (nm) from the site axis, one array a window like `samples.z`. `at_site` and `elsewhere` count
    windows in which ions around the pocket, or others, ended a segment displaced; `images` those in which the ligand ended one
    within the cutoff of its own image, `closest_nm` the nearest such approach.
    """

    samples: Samples | Walks
    lateral: tuple[np.ndarray, ...]
    checksum: str
    at_site: int
    elsewhere: int
    images: int
    closest_nm: float
    openmm_versions: tuple[str, ...]


def collect(run: Run) -> Sampled | None:
    """The samples of every window on disk that has a segment, by height; None when there is none.

    Segments recorded at different intervals are thinned to their least common multiple. Raises DamagedError naming a segment
    that cannot be read.
    """
    series: dict[Window, list[tuple[int, np.ndarray]]] = {}
    seen = _Seen(run.spec.forcefield.cutoff_nm)
    for chain in run.window_chains():
        for segment in run.segments(chain):
            with reading(segment):
                record, heights = seen.look(chain, segment)
                window = Window(float(record["center_nm"][0]), float(record["k_kJ_mol_nm2"]))
                series.setdefault(window, []).append((round(record["record_ps"] * GRAIN), heights))
    if not series:
        return None
    interval = math.lcm(*(step for parts in series.values() for step, _ in parts))
    windows = tuple(sorted(series, key=lambda w: (w.center_nm, w.k)))
    series_of = {w: np.concatenate([values[interval // step - 1 :: interval // step] for step, values in series[w]]) for w in windows}
    z, lateral = (tuple(series_of[w][:, column] for w in windows) for column in (0, 1))
    c, kelvin = run.spec.coordinate, run.spec.simulation.temperature_K
    samples = Samples(windows, z, interval / GRAIN, kelvin, c.radius_nm, c.wall_kJ_mol_nm2)
    return seen.sampled(samples, lateral)


def collect_walks(run: Run, campaign: Campaign) -> Sampled | None:
    """The same of every walker on disk whose bias grows as the campaign says; all at their least common interval. Raises DamagedError."""
    seen, parts, biases = _Seen(run.spec.forcefield.cutoff_nm), [], []
    for chain in run.walker_chains(walker_chain(0, campaign.metadynamics).partition("walker-0-")[2]):
        segments = run.segments(chain)
        for segment in segments:
            with reading(segment):
                record, heights = seen.look(chain, segment)
                parts.append((chain, round(record["record_ps"] * GRAIN), heights))
        if segments:
            biases.append(np.array([read_bias(segment)[0] for segment in segments]))
    if not parts:
        return None
    interval = math.lcm(*(step for _, step, _ in parts))
    series: dict[str, list[np.ndarray]] = {}
    for chain, step, heights in parts:
        series.setdefault(chain, []).append(heights[interval // step - 1 :: interval // step])
    whole = [np.concatenate(pieces) for pieces in series.values()]
    z, lateral = (tuple(values[:, column] for values in whole) for column in (0, 1))
    c, kelvin = run.spec.coordinate, run.spec.simulation.temperature_K
    hills = hills_of(run.spec, campaign.metadynamics)
    counts = tuple(np.array([len(piece) for piece in pieces]) for pieces in series.values())
    walks = Walks(hills, z, counts, tuple(biases), interval / GRAIN, kelvin, c.radius_nm, c.wall_kJ_mol_nm2)
    return seen.sampled(walks, lateral)


class _Seen:
    """What the segments that are read say besides their samples."""

    def __init__(self, cutoff_nm: float) -> None:
        self._cutoff_nm, self._digest, self._openmm, self._closest = cutoff_nm, hashlib.sha256(), set(), math.inf
        self._chains: dict[str, set[str]] = {"at_site": set(), "elsewhere": set(), "images": set()}

    def look(self, chain: str, segment: Path) -> tuple[dict, np.ndarray]:
        """The record and the coordinate (n, 2) of a segment."""
        record = json.loads((segment / "segment.json").read_text(encoding="utf-8"))
        content = (segment / "cv.npy").read_bytes()
        heights = np.load(io.BytesIO(content), allow_pickle=False)[:, :2].astype(float)
        self._openmm.add(record["versions"]["openmm"])
        slab, self._closest = record["slab"], min(self._closest, record["image_nm"])
        found = {
            "at_site": slab["displaced_at_site"] > 0,
            "elsewhere": slab["displaced"] > slab["displaced_at_site"],
            "images": record["image_nm"] < self._cutoff_nm,
        }
        for name, true in found.items():
            if true:
                self._chains[name].add(chain)
        self._digest.update(f"{chain}/{segment.name}".encode() + content)
        return record, heights

    def sampled(self, samples: Samples | Walks, lateral: tuple[np.ndarray, ...]) -> Sampled:
        counts = {name: len(chains) for name, chains in self._chains.items()}
        openmm = tuple(sorted(self._openmm))
        return Sampled(samples, lateral, self._digest.hexdigest(), closest_nm=self._closest, openmm_versions=openmm, **counts)


def ensure_estimate(run: Run, sampled: Sampled, settings: EstimateSettings) -> Binding:
    """The Binding of these samples under these settings: read if it is published, else made and published. Raises EstimateError."""
    content = json.dumps([sampled.checksum, settings.model_dump(), versions()["halobind"], versions()["pymbar"]])
    key = hashlib.sha256(content.encode()).hexdigest()[:8]
    target = run.path(f"estimate-{key}")
    found = _read_binding(target)
    if found is None:
        samples, seed = sampled.samples, derived_seed(run.id, "estimate", key)
        if isinstance(samples, Walks):
            pmf, found = walk_binding(samples, settings, seed)
        else:
            samples = samples.discarding(settings.discard_fraction)
            pmf = estimate_pmf(samples, settings, seed)
            found = binding(pmf, samples, settings)
        with publishing(target) as out:
            write_estimate(out, samples, pmf, found)
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


def write_estimate(out: Path, samples: Samples | Walks, pmf: Pmf, found: Binding) -> None:
    """Write pmf.csv (the curve), binding.json, and where there are windows windows.csv (one row each) and overlap.csv (the matrix)."""
    _write_csv(out / "pmf.csv", ("z_nm", "W_kJ_mol", "W_error_kJ_mol"), zip(pmf.z_nm, pmf.W, pmf.W_error, strict=True))
    (out / "binding.json").write_text(json.dumps(found.as_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if isinstance(samples, Walks):
        return
    columns = ("center_nm", "k_kJ_mol_nm2", "samples", "independent_samples", "mean_nm", "sd_nm", "f_kT", "f_error_kT", "neighbour_overlap")
    independent = samples.effective_counts()
    rows = [
        (w.center_nm, w.k, len(z), independent[i], z.mean(), z.std(), pmf.f_k[i], pmf.f_k_error[i], pmf.neighbour_overlap[i])
        for i, (w, z) in enumerate(zip(samples.windows, samples.z, strict=True))
    ]
    _write_csv(out / "windows.csv", columns, rows)
    _write_csv(out / "overlap.csv", [f"z{w.center_nm:+.3f}" for w in samples.windows], pmf.overlap)


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
    segments = [product for product in products if product.chain != PREPARE]
    done = sum(product.name in there for product in segments)
    pending = f"{done} of {len(segments)} segments" if left else ""
    if any(product.name.endswith("/seg-000") or product.chain == PREPARE for product in left):
        return Row(**row, pending=pending, versions=versions())
    try:
        sampled = collect_walks(run, campaign) if campaign.sampling.method == "metadynamics" else collect(run)
        found = ensure_estimate(run, sampled, campaign.estimate)
    except (EstimateError, DamagedError) as error:
        return Row(**row, error=str(error), pending=pending, versions=versions())
    used = versions() | {"openmm": ", ".join(sampled.openmm_versions)}
    return Row(**row, binding=found, pending=pending, versions=used, notes=physics_notes(sampled, campaign))


def physics_notes(sampled: Sampled, campaign: Campaign) -> tuple[str, ...]:
    """What keeps a row from being called converged besides the estimate itself, one sentence each."""
    kind = "walkers" if isinstance(sampled.samples, Walks) else "windows"
    total, notes = f"{len(sampled.samples.z)} {kind}", []
    if sampled.at_site:
        where = f"in {sampled.at_site} of {total}"
        notes.append(f"ions around the pocket moved more than {DISPLACED_NM:.2f} nm {where}: the ligand does not leave alone")
    if sampled.elsewhere:
        where = f"in {sampled.elsewhere} of {total}"
        notes.append(f"the slab did not stay a slab: ions away from the pocket moved more than {DISPLACED_NM:.2f} nm {where}")
    if sampled.images:
        where = f"in {sampled.images} of {total} (closest {sampled.closest_nm:.2f} nm)"
        notes.append(f"the ligand came within the cutoff of its own image {where}: use more cells along x and y")
    notes += cylinder_notes(sampled, campaign.estimate)
    if campaign.sampling.replicas == 1:
        notes.append("one replica from one pulled path: hysteresis is not tested, use replicas = 3")
    return tuple(notes)


def cylinder_notes(sampled: Sampled, settings: EstimateSettings) -> list[str]:
    """Whether the unbound anchor is spread evenly over the cylinder, as K_a takes for granted: <r^2> of the plateau windows, or of
    a walker on the plateau.

    Expected is the mean over the flat-bottom cylinder with its soft wall; a window fails when it has fewer independent samples
    of r^2 than asked for, or its mean is off by more than three standard errors.
    """
    samples = sampled.samples
    grid = np.linspace(0, samples.radius_nm + 10 * math.sqrt(samples.kT / samples.wall_k), 4001)
    weight = grid * np.exp(-0.5 * samples.wall_k * np.maximum(0, grid - samples.radius_nm) ** 2 / samples.kT)
    expected = float(np.sum(weight * grid**2) / np.sum(weight))
    failed = asked = 0
    for r in _on_plateau(sampled, settings):
        square = r**2
        independent = len(square) / inefficiency(square)
        off = abs(square.mean() - expected) > 3 * square.std() / math.sqrt(independent)
        failed += bool(off or independent < settings.min_effective_samples)
        asked += 1
    kind = "walkers" if isinstance(samples, Walks) else "plateau windows"
    return [f"the unbound head has not explored its cylinder in {failed} of {asked} {kind}"] if failed else []


def _on_plateau(sampled: Sampled, settings: EstimateSettings) -> list[np.ndarray]:
    """The lateral distances (nm) of each plateau window, or of each walker while on the plateau (its bias acts along z only)."""
    samples = sampled.samples
    kept = [slice(int(settings.discard_fraction * len(r)), None) for r in sampled.lateral]
    if isinstance(samples, Walks):
        start = samples.hills.path_nm[1] - settings.plateau_nm
        found = [r[k][z[k] > start] for r, z, k in zip(sampled.lateral, samples.z, kept, strict=True)]
        return [r for r in found if len(r)]
    top = max(window.center_nm for window in samples.windows)
    pairs = zip(samples.windows, sampled.lateral, kept, strict=True)
    return [r[k] for window, r, k in pairs if window.center_nm >= top - settings.plateau_nm]


def surface_label(spec: RunSpec, campaign: Campaign) -> str:
    """Shape, termination and cells, the method if not umbrella sampling, and every setting besides that differs between the runs."""
    label = f"{spec.model.shape} {spec.model.termination} {spec.model.cells}"
    if campaign.sampling.method != "umbrella":
        label += f", {campaign.sampling.method}"
    own = {"perovskite", "shape", "cells", "termination", "ligand", "solvent", "pack"}
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
