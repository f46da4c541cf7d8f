"""`halobind observe`: observables of every published segment of every run, mapped over chunks of
frames, and a table a run.
"""

import contextlib
import hashlib
import json
import shutil
import sys
from dataclasses import asdict, dataclass, field
from importlib import util
from pathlib import Path

import numpy as np

from halobind.forcefields.packs.pack import load_pack
from halobind.jobs.claims import claim
from halobind.jobs.publish import clear_scratch, publishing
from halobind.jobs.stop import StopSignal
from halobind.jobs.workplace import INSTALL, MappingError, Reach, place_of
from halobind.pipeline.campaign.run_directory import DamagedError, Run, logs_folder, reading
from halobind.pipeline.campaign.settings import Campaign, CampaignError, SamplingSection
from halobind.pipeline.campaign.versions import versions
from halobind.pipeline.free_energy.equilibration import Equilibrated, equilibrated
from halobind.pipeline.free_energy.samples import EstimateError, Window
from halobind.pipeline.observables.figures import draw
from halobind.pipeline.observables.frame_tasks import Source, code_checksum, frame_shape, scenes
from halobind.pipeline.observables.frame_weights import Weights, frame_weights
from halobind.pipeline.observables.measure import Segment, Watched, measure
from halobind.pipeline.observables.scalars import OBSERVABLES
from halobind.pipeline.observables.scene import Chemistry
from halobind.pipeline.observables.summary import (
    AVERAGES,
    Series,
    frame_counts,
    summarise,
    write_about,
    write_averages,
    write_profiles,
)
from halobind.pipeline.results.collect import collect_windows
from halobind.pipeline.results.estimates import ensure_estimate
from halobind.pipeline.sampling.segment_files import built_model, frame_atoms
from halobind.pipeline.workflow.checks import check_writable, open_campaign
from halobind.structures.molecules.catalogue import LIGANDS, MODES


@dataclass(frozen=True)
class ObserveOptions:
    """Options of `halobind observe`: where, how many processes (0: one a core), names of
    observables (empty: all), frames in a task (0: what suits the system).
    """

    where: str = "serial"
    workers: int = 0
    names: tuple[str, ...] = ()
    chunk: int = 0
    reach: Reach = field(default_factory=Reach)


def observe_campaign(folder: Path, options: ObserveOptions) -> int:
    """Measure what is new, publish a table for each run and print its averages; 1 when something
    could not be measured.

    Raises CampaignError, before anything is computed, for what cannot work.
    """
    unknown = [name for name in options.names if name not in OBSERVABLES]
    if unknown:
        raise CampaignError(
            f"there is no observable {unknown[0]!r}; choose from {', '.join(OBSERVABLES)}"
        )
    if util.find_spec("pyarrow") is None:
        raise CampaignError(
            f"pyarrow, which writes the tables, is not installed; install it with: {INSTALL}"
        )
    folder = folder.resolve()  # workers may have another working directory
    opened = open_campaign(folder)
    campaign = opened.settings
    runs = opened.runs
    check_writable(folder)
    try:
        place = place_of(
            options.where, options.workers, options.reach, logs_folder(folder).resolve()
        )
    except MappingError as error:
        raise CampaignError(str(error)) from None
    stop, again = StopSignal().listen(), f"halobind run {folder}"
    begun = [run for run in runs if any(run.segments(chain) for chain in run.window_chains())]
    if not begun and campaign.sampling.method != "umbrella":
        why = (
            f'with method = "{campaign.sampling.method}" there are none; set method = "umbrella" in'
            " campaign.toml"
        )
        raise CampaignError(
            f"observe measures the frames of umbrella windows, and no run of {folder} has one:"
            f" {why}, then: {again}"
        )
    if not begun:
        raise CampaignError(
            f"no run of {folder} has a published segment yet; sample first: {again}"
        )
    for run in runs:
        if run not in begun:
            print(
                f"left out: {run.id} has no window with a published segment yet: {again}",
                file=sys.stderr,
            )
    with contextlib.ExitStack() as held:
        for run in begun:
            if not held.enter_context(claim(run.lock("observe"))):
                raise CampaignError(f"another halobind observe is at work on {run.id}; wait for it")
        try:
            watched = [watch(run, options.names) for run in begun]
        except DamagedError as error:
            raise CampaignError(str(error)) from None
        _check_frames(watched, options.names, campaign.sampling)
        try:
            measure(watched, options.chunk, place, stop)
        except MappingError as error:
            raise CampaignError(
                f"{error}; what was measured is kept, the same command goes on from there"
            ) from None
        sound = [report(one, campaign) for one in watched]
    return 0 if all(sound) else 1


def watch(run: Run, names: tuple[str, ...]) -> Watched:
    """Everything of a run that has frames, with the names of what is measured: `names`, or all that
    its frames allow.
    """
    found, spans, errors = [], {}, {}
    model = built_model(run.path("build"))
    sizes = {len(frame_atoms(model, SamplingSection(frames=kind))) for kind in ("solute", "all")}
    for chain in run.window_chains():
        begins = 0.0
        for number, folder in enumerate(run.segments(chain)):
            try:
                with reading(folder):
                    about = (folder / "segment.json").read_bytes()
                    record, cv = json.loads(about), (folder / "cv.npy").read_bytes()
                    window = Window(float(record["center_nm"][0]), float(record["k_kJ_mol_nm2"]))
                    began, begins = begins, begins + float(record["duration_ps"])
                spans[window] = (
                    begins  # of a segment whose frames are damaged, the heights still count
                )
                shape = frame_shape(folder)
                with reading(folder):
                    if shape[0] and shape[1] not in sizes:
                        raise ValueError(
                            f"its frames have {shape[1]} atoms, those of this model"
                            f" {' or '.join(map(str, sorted(sizes)))}"
                        )
            except DamagedError as error:
                errors[folder] = str(error)
                continue
            key = hashlib.sha256(about + cv + repr(shape).encode()).hexdigest()
            found.append((window, number, folder, shape, began, key))
    whole = bool(len(model.groups["solvent"])) and any(
        shape[1] == model.n_atoms for *_, shape, _, _ in found
    )
    chosen = names or tuple(
        name for name, row in OBSERVABLES.items() if whole or not row.needs_solvent
    )
    source = Source(run.path("build"), chemistry_of(run), chosen, code_checksum())
    built = hashlib.sha256(
        (source.build / "groups.json").read_bytes() + (source.build / "model.cif").read_bytes()
    ).hexdigest()
    segments = []
    for window, number, folder, shape, begins, key in found:
        if shape[0]:
            whole_key = hashlib.sha256(
                json.dumps([key, built, chosen, source.code]).encode()
            ).hexdigest()[:12]
            target = run.observed(folder, whole_key)
            if target.is_dir() and not is_whole(target, chosen, shape[0]):
                shutil.rmtree(target)  # it is measured again
            segments.append(Segment(window, number, folder, shape[0], begins, target))
    segments.sort(key=lambda s: (s.window.center_nm, s.window.k, s.number))
    most = max((shape[1] for *_, shape, _, _ in found), default=0)
    return Watched(run, source, most, segments, spans, whole, errors)


def is_whole(target: Path, names: tuple[str, ...], n_frames: int) -> bool:
    """Whether measured frames can be read and are as many as they should be."""
    try:
        return all(
            len(np.load(target / f"{name}.npy", mmap_mode="r", allow_pickle=False)) == n_frames
            for name in ("frames", *names)
        )
    except (OSError, ValueError, TypeError, EOFError):
        return False


def chemistry_of(run: Run) -> Chemistry:
    """Metals, halides and the role of the site of the sampled ligand."""
    spec = run.spec
    pack, name = load_pack(spec.forcefield.pack), spec.model.ligand
    row = spec.ligands[name].ligand if name in spec.ligands else LIGANDS[name]
    return Chemistry(pack.metals, pack.halides, MODES[row.mode].sites[0])


def _check_frames(
    watched: list[Watched], names: tuple[str, ...], sampling: SamplingSection
) -> None:
    """Refuse runs without frames, and observables of a solvent that is not in them. Raises
    CampaignError.
    """
    advice = "set it in campaign.toml and sample more segments: only new ones are written that way"
    rare = (
        f"frame_ps = {sampling.frame_ps:g} is above segment_ps = {sampling.segment_ps:g}; a lower"
        " frame_ps"
    )
    why = (
        rare
        if sampling.frame_ps > sampling.segment_ps
        else f'[sampling] frames = "{sampling.frames}"; frames = "solute"'
    )
    for one in watched:
        if not one.segments and not one.errors:
            raise CampaignError(f"{one.run.id}: no segment of it holds frames ({why}: {advice})")
        for name in names:
            if OBSERVABLES[name].needs_solvent and not one.has_solvent:
                raise CampaignError(
                    f"{one.run.id}: {name} needs frames with the solvent; [sampling] frames ="
                    f' "all": {advice}'
                )
    without = [one.run.id for one in watched if not one.has_solvent]
    if without and not names:
        left = ", ".join(name for name, row in OBSERVABLES.items() if row.needs_solvent)
        print(
            f'left out: {left} (the frames hold no solvent; [sampling] frames = "all": {advice})',
            file=sys.stderr,
        )


def report(one: Watched, campaign: Campaign) -> bool:
    """Publish observe-<hash>/ of a run, unless it is there, and print its averages; whether nothing
    was wrong.
    """
    run = one.run
    for error in one.errors.values():
        print(f"halobind: {run.id}: {error}", file=sys.stderr)
    done = [segment for segment in one.segments if segment.target.is_dir()]
    if not done:
        return False
    series, weights, why, checksum = (
        series_of(one, done, {}, campaign.estimate.discard_fraction),
        None,
        "",
        "",
    )
    try:
        sampled = collect_windows(run)
        checksum, ready = sampled.checksum, equilibrated(sampled.samples, campaign.estimate)
        series = series_of(one, done, left_out(ready), campaign.estimate.discard_fraction)
        counts = frame_counts(series)
        if not counts:
            raise EstimateError(
                "no frame is later than what its window takes to equilibrate, and than"
                " discard_fraction"
            )
        barrier = ensure_estimate(run, sampled, campaign.estimate).has_barrier
        weights = frame_weights(ready.samples, counts, campaign.estimate, barrier)
    except (EstimateError, DamagedError) as error:
        why = f"no averages over the bound basin: {error}"
    content = [
        [s.target.name for s in done],
        checksum,
        campaign.estimate.model_dump(),
        versions()["halobind"],
        why,
    ]
    target = run.path(f"observe-{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:8]}")
    if not target.is_dir():
        clear_scratch(target)
        with publishing(target) as out:
            _write(out, one, series, (weights, why))
    print(
        f"{run.id}:"
        f" {why or 'averages over the bound basin'}\n{(target / AVERAGES).read_text(encoding='utf-8')}{target}"
    )
    return not one.errors


def left_out(ready: Equilibrated) -> dict[Window, list[float]]:
    """The beginning (ps) of each window that the estimate does not use, for each head."""
    found: dict[Window, list[float]] = {}
    for window, start in zip(ready.samples.windows, ready.start, strict=True):
        found.setdefault(window, []).append(start * ready.samples.interval_ps)
    return found


def series_of(
    one: Watched, done: list[Segment], begins_ps: dict[Window, list[float]], discard: float
) -> list[Series]:
    """The measured segments; of each head `begins_ps` of its window is left out, or `discard` of it
    where that is not known.
    """
    heads, spans = one.run.spec.model.faces, one.window_ps
    parts = {
        w: np.array(begins_ps.get(w, heads * [discard * span])) / span for w, span in spans.items()
    }
    return [
        Series(s.window, s.number, s.target, s.begins_ps, spans[s.window], parts[s.window])
        for s in done
    ]


def _write(
    out: Path, one: Watched, series: list[Series], estimate: tuple[Weights | None, str]
) -> None:
    """Write the table, the averages, the profiles and the figures of a run into `out`."""
    weights, why = estimate
    names, end = one.source.names, weights.end_nm if weights is not None else None
    found = summarise(series, names, weights, out)
    view = scenes(one.source.build, one.n_atoms, one.source.chemistry)[0]
    bins = {
        name: OBSERVABLES[name].bins(view) for name in names if OBSERVABLES[name].bins is not None
    }
    write_averages(out, found)
    if bins:
        write_profiles(out, found, bins)
    draw(out, found, bins, end)
    columns = {
        name: {"columns": OBSERVABLES[name].columns, "about": OBSERVABLES[name].about}
        for name in names
    }
    about = {
        "run": one.run.id,
        "segments": len(series),
        "frames_in_basin": found.frames,
        "effective_frames": found.effective,
    }
    about |= {
        "left_out_fractions": {
            f"{s.window.center_nm:.3f} k {s.window.k:g}": s.left_out.tolist() for s in series
        }
    }
    about |= {"basin_ends_nm": end, "note": why, "chemistry": asdict(one.source.chemistry)}
    write_about(
        out, about | {"observables": columns, "code": one.source.code, "versions": versions()}
    )
