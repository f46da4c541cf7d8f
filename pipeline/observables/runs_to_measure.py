"""What is to be measured in a run: its published segments with frames, and where each is measured.

Listing only reads; `remove_incomplete` is the only function that deletes.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from halobind.forcefields.packs.pack import load_pack
from halobind.pipeline.campaign.run_directory import DamagedError, Run, reading
from halobind.pipeline.campaign.settings import SamplingSection
from halobind.pipeline.free_energy.samples import Window
from halobind.pipeline.observables.frame_tasks import REVISION, Source, code_version, frame_shape
from halobind.pipeline.observables.registry import OBSERVABLES
from halobind.pipeline.observables.scene import Chemistry
from halobind.pipeline.sampling.run_context import built_model, frame_atoms
from halobind.pipeline.sampling.segment_files import read_segment
from halobind.structures.models.model import Model
from halobind.structures.molecules.catalogue import MODES


@dataclass(frozen=True, eq=False)
class Segment:
    """A published segment with frames."""

    window: Window
    """The umbrella window it samples."""
    number: int
    """Its number in the window, from 0."""
    folder: Path
    """Where it is published."""
    n_frames: int
    """Frames in it."""
    begins_ps: float
    """Time of its window at which it begins."""
    target: Path
    """Where its measured frames are or will be published."""


@dataclass(eq=False)
class RunToMeasure:
    """One run: what is to be measured in it, and what went wrong on the way."""

    run: Run
    """The run."""
    source: Source
    """What all tasks of the run share."""
    n_atoms: int
    """Atoms of its largest frames."""
    segments: list[Segment]
    """Segments with frames, by window and number."""
    window_ps: dict[Window, float]
    """Sampled time of each window (ps)."""
    has_solvent: bool
    """Whether some of its frames hold the solvent."""
    errors: dict[Path, str] = field(default_factory=dict)
    """Why a segment cannot be measured, by its folder."""

    @property
    def missing(self) -> list[Segment]:
        """Segments that are not measured yet."""
        return [segment for segment in self.segments if not segment.target.is_dir()]


@dataclass(frozen=True, eq=False)
class _ListedSegment:
    """A published segment, with frames or without."""

    window: Window
    """The umbrella window it samples."""
    number: int
    """Its number in the window, from 0."""
    folder: Path
    """Where it is published."""
    n_frames: int
    """Frames in it; 0 when none were written."""
    n_atoms: int
    """Atoms in a frame."""
    begins_ps: float
    """Time of its window at which it begins."""
    content: str
    """sha256 of its records and of the shape of its frames."""


def list_run(run: Run, names: tuple[str, ...]) -> RunToMeasure:
    """List what a run holds to measure; only reads.

    Args:
        run: The run.
        names: Observables to measure; empty for all that its frames allow.

    Returns:
        The segments with frames, and an error for each damaged one.

    Raises:
        DamagedError: The model of the run cannot be read.
    """
    model = built_model(run.path("build"))
    listed, window_ps, errors = _list_segments(run, model)
    has_solvent = bool(len(model.groups["solvent"])) and any(
        segment.n_atoms == model.n_atoms for segment in listed
    )
    chosen = names or tuple(
        name for name, row in OBSERVABLES.items() if has_solvent or not row.needs_solvent
    )
    source = Source(run.path("build"), chemistry_of(run), chosen, code_version())
    built = hashlib.sha256(
        (source.build / "groups.json").read_bytes() + (source.build / "model.cif").read_bytes()
    ).hexdigest()
    segments = []
    for segment in listed:
        if segment.n_frames:
            content = json.dumps([segment.content, built, chosen, REVISION])
            key = hashlib.sha256(content.encode()).hexdigest()[:12]
            segments.append(
                Segment(
                    window=segment.window,
                    number=segment.number,
                    folder=segment.folder,
                    n_frames=segment.n_frames,
                    begins_ps=segment.begins_ps,
                    target=run.observed(segment.folder, key),
                )
            )
    segments.sort(key=lambda s: (s.window.center_nm, s.window.k, s.number))
    n_atoms = max((segment.n_atoms for segment in listed), default=0)
    return RunToMeasure(run, source, n_atoms, segments, window_ps, has_solvent, errors)


def _list_segments(
    run: Run, model: Model
) -> tuple[list[_ListedSegment], dict[Window, float], dict[Path, str]]:
    """The readable segments of a run, the time of each window (ps), and the errors by folder."""
    listed: list[_ListedSegment] = []
    window_ps: dict[Window, float] = {}
    errors: dict[Path, str] = {}
    sizes = {len(frame_atoms(model, SamplingSection(frames=kind))) for kind in ("solute", "all")}
    for chain in run.window_chains():
        end_ps = 0.0
        for number, folder in enumerate(run.segments(chain)):
            try:
                with reading(folder):
                    files = read_segment(folder)
                    record = files.record
                    window = Window(float(record["center_nm"][0]), float(record["k_kJ_mol_nm2"]))
                    begins_ps = end_ps
                    end_ps += float(record["duration_ps"])
                # of a segment whose frames are damaged, the heights still count
                window_ps[window] = end_ps
                shape = frame_shape(folder)
                with reading(folder):
                    _check_atoms(shape, sizes)
            except DamagedError as error:
                errors[folder] = str(error)
                continue
            content = hashlib.sha256(
                files.record_bytes + files.cv_bytes + repr(shape).encode()
            ).hexdigest()
            listed.append(_ListedSegment(window, number, folder, *shape, begins_ps, content))
    return listed, window_ps, errors


def _check_atoms(shape: tuple[int, int], sizes: set[int]) -> None:
    """Raise ValueError for frames of a shape that no setting of `frames` gives."""
    if shape[0] and shape[1] not in sizes:
        raise ValueError(
            f"its frames have {shape[1]} atoms, those of this model"
            f" {' or '.join(map(str, sorted(sizes)))}"
        )


def remove_incomplete(run: RunToMeasure) -> None:
    """Delete measured frames of a run that cannot be read or are too few: they are measured again.

    Only the holder of the run's claim on observe may call this.
    """
    for segment in run.segments:
        if segment.target.is_dir() and not is_whole(segment, run.source.names):
            shutil.rmtree(segment.target)


def is_whole(segment: Segment, names: tuple[str, ...]) -> bool:
    """Whether the measured frames of a segment can be read and are as many as its frames."""
    try:
        return all(
            len(np.load(segment.target / f"{name}.npy", mmap_mode="r", allow_pickle=False))
            == segment.n_frames
            for name in ("frames", *names)
        )
    except (OSError, ValueError, TypeError, EOFError):
        return False


def chemistry_of(run: Run) -> Chemistry:
    """Metals, halides and the role of the site of the sampled ligand."""
    spec = run.spec
    pack = load_pack(spec.forcefield.pack)
    return Chemistry(pack.metals, pack.halides, MODES[spec.sampled_ligand.mode].sites[0])
