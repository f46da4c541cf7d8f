"""From the published segments of walkers to their published estimate."""

import json
import math
from pathlib import Path

import numpy as np

from halobind.jobs.publish import publishing
from halobind.pipeline.campaign.run_directory import Run, reading
from halobind.pipeline.campaign.settings import MetadynamicsSection
from halobind.pipeline.free_energy.binding import Binding
from halobind.pipeline.free_energy.metadynamics_pmf import Walks, walk_binding
from halobind.pipeline.free_energy.samples import EstimateSettings
from halobind.pipeline.results.estimate_files import write_csv
from halobind.pipeline.results.segment_reader import GRAIN, Sampled, Seen
from halobind.pipeline.sampling.products import hills_of, read_push, walker_chain


def collect_walks(run: Run, settings: MetadynamicsSection) -> Sampled | None:
    """The heights of every walker, and the force of the bias there, on disk whose hills are those
    of `settings`; None when there is none.

    Segments recorded at different intervals are thinned to their least common multiple. Raises
    DamagedError.
    """
    seen, parts = Seen(run.spec), []
    for chain in run.walker_chains(walker_chain(0, settings).partition("walker-0-")[2]):
        segments = run.segments(chain)
        if segments:
            read = zip(seen.read(chain, segments), segments, strict=True)
            parts.append(
                [
                    (round(record["record_ps"] * GRAIN), _with_push(heights, segment))
                    for (record, heights), segment in read
                ]
            )
    if not parts:
        return None
    interval = math.lcm(*(step for part in parts for step, _ in part))
    walkers = [
        np.concatenate([values[interval // step - 1 :: interval // step] for step, values in part])
        for part in parts
    ]
    z, lateral, push = (tuple(walker[:, column] for walker in walkers) for column in (0, 1, 2))
    c, kelvin = run.spec.coordinate, run.spec.simulation.temperature_K
    walks = Walks(
        hills_of(run.spec, settings),
        z,
        push,
        interval / GRAIN,
        kelvin,
        c.radius_nm,
        c.wall_kJ_mol_nm2,
    )
    return seen.sampled(walks, lateral)


def _with_push(heights: np.ndarray, segment: Path) -> np.ndarray:
    """z, r and the force of the bias of each record (n, 3). Raises DamagedError."""
    push = read_push(segment)
    with reading(segment):
        if len(push) != len(heights):
            raise ValueError(f"push.npy has {len(push)} records and cv.npy {len(heights)}")
    return np.column_stack([heights, push])


def publish_walk_estimate(
    target: Path, walks: Walks, settings: EstimateSettings, seed: int
) -> Binding:
    """Make and publish the estimate: pmf.csv (the curve) and binding.json. Raises EstimateError."""
    pmf, found = walk_binding(walks, settings, seed)
    with publishing(target) as out:
        write_csv(
            out / "pmf.csv",
            ("z_nm", "W_kJ_mol", "W_error_kJ_mol"),
            zip(pmf.z_nm, pmf.W, pmf.W_error, strict=True),
        )
        (out / "binding.json").write_text(
            json.dumps(found.as_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    return found
