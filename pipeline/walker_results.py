"""From the published segments of walkers to their published estimate."""

import json
import math
from pathlib import Path

import numpy as np

from jobs.publish import publishing
from pipeline.binding import Binding
from pipeline.campaign import MetadynamicsSection
from pipeline.estimate_files import write_csv
from pipeline.run import Run
from pipeline.sampled import GRAIN, Sampled, Seen
from pipeline.samples import EstimateSettings
from pipeline.stages import hills_of, read_bias, walker_chain
from pipeline.walkers import Walks, walk_binding


def collect_walks(run: Run, settings: MetadynamicsSection) -> Sampled | None:
    """The heights and biases of every walker on disk whose hills are those of `settings`; None when there is none.

    Segments recorded at different intervals are thinned to their least common multiple. Raises DamagedError.
    """
    seen, parts, biases = Seen(run.spec), [], []
    for chain in run.walker_chains(walker_chain(0, settings).partition("walker-0-")[2]):
        segments = run.segments(chain)
        if segments:
            parts.append([(round(record["record_ps"] * GRAIN), heights) for record, heights in seen.read(chain, segments)])
            biases.append(np.array([read_bias(segment)[0] for segment in segments]))
    if not parts:
        return None
    interval = math.lcm(*(step for part in parts for step, _ in part))
    pieces = [[heights[interval // step - 1 :: interval // step] for step, heights in part] for part in parts]
    z, lateral = (tuple(np.concatenate([values[:, column] for values in walker]) for walker in pieces) for column in (0, 1))
    counts = tuple(np.array([len(values) for values in walker]) for walker in pieces)
    c, kelvin = run.spec.coordinate, run.spec.simulation.temperature_K
    walks = Walks(hills_of(run.spec, settings), z, counts, tuple(biases), interval / GRAIN, kelvin, c.radius_nm, c.wall_kJ_mol_nm2)
    return seen.sampled(walks, lateral)


def publish_walk_estimate(target: Path, walks: Walks, settings: EstimateSettings, seed: int) -> Binding:
    """Make and publish the estimate: pmf.csv (the curve) and binding.json. Raises EstimateError."""
    pmf, found = walk_binding(walks, settings, seed)
    with publishing(target) as out:
        write_csv(out / "pmf.csv", ("z_nm", "W_kJ_mol", "W_error_kJ_mol"), zip(pmf.z_nm, pmf.W, pmf.W_error, strict=True))
        (out / "binding.json").write_text(json.dumps(found.as_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return found
