"""From the samples of a run to its published estimate."""

import hashlib
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from halobind.jobs.publish import clear_dead_scratch, publishing
from halobind.pipeline.campaign.run_directory import (
    DamagedError,
    Run,
    check_regular,
    derived_seed,
)
from halobind.pipeline.campaign.versions import versions
from halobind.pipeline.free_energy.alchemical_binding import (
    alchemical_binding,
    discard_alchemical_equilibration,
    estimate_alchemical,
)
from halobind.pipeline.free_energy.alchemical_samples import AlchemicalSamples
from halobind.pipeline.free_energy.binding import Binding
from halobind.pipeline.free_energy.metadynamics_pmf import WalkerSamples, walk_binding
from halobind.pipeline.free_energy.samples import Samples
from halobind.pipeline.free_energy.settings import EstimateSettings
from halobind.pipeline.free_energy.two_faces import compare_faces, face_samples
from halobind.pipeline.free_energy.window_estimate import estimate_samples
from halobind.pipeline.results.collect import AnySamples
from halobind.pipeline.results.estimate_files import (
    read_estimate,
    write_alchemical_estimate,
    write_faces,
    write_walker_estimate,
    write_window_estimate,
)

REVISION = 4  # of how an estimate is made and what is written of it: raise it when that changes


def estimate_folder(run: Run, run_samples: AnySamples, settings: EstimateSettings) -> Path:
    """Where the estimate from these samples under these settings is or will be published."""
    content = json.dumps(
        [
            REVISION,
            run_samples.checksum,
            settings.model_dump(),
            versions()["halobind"],
            versions()["pymbar"],
        ]
    )
    return run.path(f"estimate-{hashlib.sha256(content.encode()).hexdigest()[:8]}")


def estimate_seed(run: Run, run_samples: AnySamples, settings: EstimateSettings) -> int:
    """The seed of the resamples of an estimate; planning uses it too, to see the same errors."""
    return derived_seed(run.id, estimate_folder(run, run_samples, settings).name)


def ensure_estimate(run: Run, run_samples: AnySamples, settings: EstimateSettings) -> Binding:
    """The binding numbers of these samples under these settings, published if they are not yet.

    An estimate that cannot be read is reported, removed and made again. So is scratch that killed
    processes left beside it removed.

    Raises:
        EstimateError: no number follows from the samples.
    """
    folder = estimate_folder(run, run_samples, settings)
    if folder.is_dir():
        try:
            check_regular(folder)
            return read_estimate(folder)
        except (DamagedError, OSError, ValueError, KeyError, TypeError) as error:
            why = type(error).__name__
            print(f"halobind: {folder} is damaged ({why}): it is made again", file=sys.stderr)
            remove_estimate(folder)
    clear_dead_scratch(folder.parent)
    seed = estimate_seed(run, run_samples, settings)
    samples = run_samples.samples
    if isinstance(samples, WalkerSamples):
        return _publish_walkers(folder, samples, settings, seed)
    if isinstance(samples, AlchemicalSamples):
        return _publish_alchemical(folder, samples, settings, seed)
    faces_seed = derived_seed(run.id, folder.name, "faces")
    return _publish_windows(
        folder, samples, run_samples.heads, settings, seed=seed, faces_seed=faces_seed
    )


def remove_estimate(folder: Path) -> None:
    """Remove a published estimate, which can be made again from the samples."""
    shutil.rmtree(folder)


def _publish_walkers(
    folder: Path, walks: WalkerSamples, settings: EstimateSettings, seed: int
) -> Binding:
    """Estimate from walkers and publish it. Raises EstimateError."""
    pmf, numbers = walk_binding(walks, settings, seed)
    with publishing(folder) as out:
        write_walker_estimate(out, pmf, numbers)
    return numbers


def _publish_alchemical(
    folder: Path, samples: AlchemicalSamples, settings: EstimateSettings, seed: int
) -> Binding:
    """Estimate from alchemical states and publish it. Raises EstimateError."""
    ready = discard_alchemical_equilibration(samples, settings)
    pmf = estimate_alchemical(ready.samples, settings, seed)
    binding = alchemical_binding(pmf, ready.samples, settings)
    binding = replace(binding, flags=(*binding.flags, *ready.flags()))
    with publishing(folder) as out:
        write_alchemical_estimate(out, ready, pmf, binding)
    return binding


def _publish_windows(
    folder: Path,
    samples: Samples,
    heads: int,
    settings: EstimateSettings,
    *,
    seed: int,
    faces_seed: int,
) -> Binding:
    """Estimate from umbrella windows and publish it.

    Args:
        folder: where it is published.
        samples: all samples, before equilibration is left out.
        heads: number of faces with a series of its own in each window.
        settings: how the estimate is made.
        seed: of the resamples.
        faces_seed: of the resamples of each face alone.

    Raises:
        EstimateError: no number follows from the samples.
    """
    estimate = estimate_samples(samples, settings, seed)
    ready = estimate.used
    numbers = estimate.binding
    faces: Sequence[Sequence[float]] = []
    if heads > 1:
        faces, flags = compare_faces(face_samples(ready.samples, heads), settings, faces_seed)
        numbers = replace(numbers, flags=(*numbers.flags, *flags))
    with publishing(folder) as out:
        write_window_estimate(out, ready, estimate.pmf, numbers)
        if faces:
            write_faces(out, faces)
    return numbers
