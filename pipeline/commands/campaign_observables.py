"""`halobind observe`: observables of every published segment, and a table for each run."""

import contextlib
import hashlib
import json
import sys
from dataclasses import asdict, dataclass, field
from importlib import util
from pathlib import Path

import numpy as np

from halobind.jobs.claims import claim
from halobind.jobs.publish import clear_scratch, publishing
from halobind.jobs.stop import StopSignal
from halobind.jobs.workplace import INSTALL, MappingError, PlaceOptions, choose_place
from halobind.pipeline.campaign.paths import absolute_path
from halobind.pipeline.campaign.run_directory import DamagedError, logs_folder
from halobind.pipeline.campaign.settings import Campaign, CampaignError, SamplingSection
from halobind.pipeline.campaign.versions import versions
from halobind.pipeline.free_energy.equilibration import EquilibratedSamples, discard_equilibration
from halobind.pipeline.free_energy.samples import EstimateError, Window
from halobind.pipeline.observables.figures import draw
from halobind.pipeline.observables.frame_tasks import scenes
from halobind.pipeline.observables.frame_weights import Weights, frame_weights
from halobind.pipeline.observables.measure import measure
from halobind.pipeline.observables.measured_rows import Series, frame_counts
from halobind.pipeline.observables.registry import OBSERVABLES
from halobind.pipeline.observables.runs_to_measure import (
    RunToMeasure,
    Segment,
    list_run,
    remove_incomplete,
)
from halobind.pipeline.observables.summary import summarise
from halobind.pipeline.observables.summary_files import (
    AVERAGES,
    write_about,
    write_averages,
    write_profiles,
)
from halobind.pipeline.results.collect import collect_windows
from halobind.pipeline.results.estimates import ensure_estimate
from halobind.pipeline.workflow.checks import check_writable, open_campaign


@dataclass(frozen=True)
class ObserveOptions:
    """Options of `halobind observe`."""

    place: PlaceOptions = field(default_factory=PlaceOptions)
    """Where frames are analysed."""
    names: tuple[str, ...] = ()
    """Names of observables; empty for all."""
    chunk: int = 0
    """Frames in a task; 0 for what suits the system."""


def observe_campaign(folder: Path, options: ObserveOptions) -> int:
    """Measure what is new, publish a table for each run and print its averages.

    Args:
        folder: The campaign.
        options: Of the command.

    Returns:
        The exit code: 1 when something could not be measured.

    Raises:
        CampaignError: It cannot work; before anything is computed.
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
    folder = absolute_path(folder)  # workers may have another working directory
    opened = open_campaign(folder)
    campaign = opened.settings
    runs = opened.runs
    check_writable(folder)
    try:
        place = choose_place(options.place, logs_folder(folder))
    except MappingError as error:
        raise CampaignError(str(error)) from None
    stop = StopSignal().listen()
    again = f"halobind run {folder}"
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
            to_measure = [list_run(run, options.names) for run in begun]
        except DamagedError as error:
            raise CampaignError(str(error)) from None
        _check_frames(to_measure, options.names, campaign.sampling)
        for run_to_measure in to_measure:
            remove_incomplete(run_to_measure)
        try:
            measure(to_measure, options.chunk, place, stop)
        except MappingError as error:
            raise CampaignError(
                f"{error}; what was measured is kept, the same command goes on from there"
            ) from None
        sound = [report(measured, campaign) for measured in to_measure]
    return 0 if all(sound) else 1


def _check_frames(
    runs: list[RunToMeasure], names: tuple[str, ...], sampling: SamplingSection
) -> None:
    """Refuse runs without frames, and observables of a solvent that is not in them.

    Raises:
        CampaignError: With what to set in campaign.toml.
    """
    advice = "set it in campaign.toml and sample more segments: only new ones are written that way"
    why = f'[sampling] frames = "{sampling.frames}"; frames = "solute"'
    if sampling.frame_ps > sampling.segment_ps:
        why = (
            f"frame_ps = {sampling.frame_ps:g} is above segment_ps = {sampling.segment_ps:g}; a"
            " lower frame_ps"
        )
    for measured in runs:
        name_of_run = measured.run.id
        if not measured.segments and not measured.errors:
            raise CampaignError(f"{name_of_run}: no segment of it holds frames ({why}: {advice})")
        for name in names:
            if OBSERVABLES[name].needs_solvent and not measured.has_solvent:
                raise CampaignError(
                    f"{name_of_run}: {name} needs frames with the solvent; [sampling] frames ="
                    f' "all": {advice}'
                )
    if not names and not all(measured.has_solvent for measured in runs):
        skipped = ", ".join(name for name, row in OBSERVABLES.items() if row.needs_solvent)
        print(
            f"left out: {skipped} (the frames hold no solvent; [sampling] frames ="
            f' "all": {advice})',
            file=sys.stderr,
        )


@dataclass(frozen=True)
class BasinAverage:
    """What averages over the bound basin of a run are made with."""

    weights: Weights | None
    """Weights of the frames; None where there is no average."""
    why: str
    """Why there is none; empty where there is one."""


def report(measured: RunToMeasure, campaign: Campaign) -> bool:
    """Publish observe-<hash>/ of a run, unless it is there, and print its averages.

    Args:
        measured: The run with its measured segments.
        campaign: With the settings of estimates.

    Returns:
        Whether nothing was wrong.
    """
    run = measured.run
    for error in measured.errors.values():
        print(f"halobind: {run.id}: {error}", file=sys.stderr)
    done = [segment for segment in measured.segments if segment.target.is_dir()]
    if not done:
        return False
    discard = campaign.estimate.discard_fraction
    series = series_of(measured, done, {}, discard)
    weights = None
    why = ""
    checksum = ""
    try:
        sampled = collect_windows(run)
        if sampled is None:
            raise EstimateError(f"{run.id} has no published segment")
        checksum = sampled.checksum
        ready = discard_equilibration(sampled.samples, campaign.estimate)
        series = series_of(measured, done, left_out(ready), discard)
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
            _write(out, measured, series, BasinAverage(weights, why))
    averages = (target / AVERAGES).read_text(encoding="utf-8")
    print(f"{run.id}: {why or 'averages over the bound basin'}\n{averages}{target}")
    return not measured.errors


def left_out(ready: EquilibratedSamples) -> dict[Window, list[float]]:
    """The beginning (ps) of each window that the estimate does not use, for each head."""
    begins_ps: dict[Window, list[float]] = {}
    for window, start in zip(ready.samples.windows, ready.start, strict=True):
        begins_ps.setdefault(window, []).append(start * ready.samples.interval_ps)
    return begins_ps


def series_of(
    measured: RunToMeasure,
    done: list[Segment],
    begins_ps: dict[Window, list[float]],
    discard: float,
) -> list[Series]:
    """The measured segments, with what is left out of each as equilibration.

    Args:
        measured: The run.
        done: Its segments that are measured.
        begins_ps: The beginning of each window that is left out, for each head, in ps.
        discard: The part of a window that is left out where its beginning is not known.
    """
    heads = measured.run.spec.model.faces
    spans = measured.window_ps
    parts = {
        w: np.array(begins_ps.get(w, heads * [discard * span])) / span for w, span in spans.items()
    }
    return [
        Series(s.window, s.number, s.target, s.begins_ps, spans[s.window], parts[s.window])
        for s in done
    ]


def _write(out: Path, measured: RunToMeasure, series: list[Series], average: BasinAverage) -> None:
    """Write the table, the averages, the profiles and the figures of a run into `out`."""
    weights = average.weights
    names = measured.source.names
    end = weights.end_nm if weights is not None else None
    summary = summarise(series, names, weights, out)
    view = scenes(measured.source.build, measured.n_atoms, measured.source.chemistry)[0]
    bins = {}
    for name in names:
        bins_of = OBSERVABLES[name].bins
        if bins_of is not None:
            bins[name] = bins_of(view)
    write_averages(out, summary)
    if bins:
        write_profiles(out, summary, bins)
    draw(out, summary, bins, end)
    columns = {
        name: {"columns": OBSERVABLES[name].columns, "about": OBSERVABLES[name].about}
        for name in names
    }
    about = {
        "run": measured.run.id,
        "segments": len(series),
        "frames_in_basin": summary.frames,
        "effective_frames": summary.effective,
        "left_out_fractions": {
            f"{s.window.center_nm:.3f} k {s.window.k:g}": s.left_out.tolist() for s in series
        },
        "basin_ends_nm": end,
        "note": average.why,
        "chemistry": asdict(measured.source.chemistry),
        "observables": columns,
        "code": measured.source.code,
        "versions": versions(),
    }
    write_about(out, about)
