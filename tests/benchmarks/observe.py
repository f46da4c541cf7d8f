"""Speed and memory of `halobind observe` on a trajectory that this script draws.

    python tests/benchmarks/observe.py [--frames 2000] [--repeats 5] [--only engines workers memory]     (engines: pip install MDAnalysis)

engines: frames a second for the distances from the anchor to all halides and metals, by this code,
plain mdtraj, MDAnalysis and its dask backend, on the same file, numbers compared. workers: all
observables through one and two workers of one thread, against the same chunks one after the other
in this process. memory: peak of `halobind observe` with 1, 4 and 16 times the frames. Everything is
repeated in turn and medians are printed, so that other work on the machine falls on all alike; the
spread (highest over lowest) says how quiet it was.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import mdtraj as md
import numpy as np
from mdtraj.formats import DCDTrajectoryFile

from halobind.jobs import dask_map as mapping
from halobind.jobs.dask_clusters import local_cluster
from halobind.jobs.dask_map import mapped
from halobind.jobs.workplace import LocalProcesses, Place, ThisProcess
from halobind.pipeline.campaign.load import load_campaign
from halobind.pipeline.campaign.run_directory import Run, runs_of
from halobind.pipeline.commands.new import TEMPLATES
from halobind.pipeline.observables.dcd import open_dcd
from halobind.pipeline.observables.frame_tasks import (
    Source,
    analyse,
    code_version,
    cut,
    scenes,
    task_frames,
)
from halobind.pipeline.observables.registry import OBSERVABLES
from halobind.pipeline.observables.runs_to_measure import chemistry_of
from halobind.pipeline.observables.scalars import HALIDE_NM, METAL_NM
from halobind.pipeline.sampling.model_and_system import run_model_spec
from halobind.pipeline.sampling.run_context import built_model, frame_atoms
from halobind.pipeline.sampling.window_segments import grid_windows, window_chain
from halobind.structures.assembly.build import build_model
from halobind.structures.models.integrity import Integrity
from halobind.structures.models.model import write_model

NAMES = tuple(name for name, row in OBSERVABLES.items() if not row.needs_solvent)


def draw(folder: Path, n_frames: int) -> tuple[Run, Path]:
    """The demo's first run with one published segment of so many frames, shaken by 0.01 nm, the
    ligand moving up and down.
    """
    folder.mkdir(parents=True)
    text = (
        (TEMPLATES / "demo.toml")
        .read_text(encoding="utf-8")
        .replace('["DA", "DDA", "DMDDA"]', '"DA"')
    )
    (folder / "campaign.toml").write_text(text, encoding="utf-8")
    campaign = load_campaign(folder / "campaign.toml")
    (run,) = runs_of(folder, campaign)
    target = run.path("build")
    target.mkdir(parents=True)
    write_model(build_model(run_model_spec(run.spec, run.id))[0], target)
    model, window = built_model(target), grid_windows(run.spec, campaign.windows)[3]
    segment = run.path(f"{window_chain(window)}/seg-000")
    segment.mkdir(parents=True)
    random, atoms = np.random.default_rng(1), frame_atoms(model, campaign.sampling)
    z, anchor, ligand = (
        window.center_nm + 0.05 * random.standard_normal(n_frames),
        model.groups["anchor"][0],
        model.groups["ligand"],
    )
    noise = 0.01 * random.standard_normal((50, model.n_atoms, 3))
    with DCDTrajectoryFile(str(segment / "frames.dcd"), "w") as file:
        for k in range(n_frames):
            xyz = model.positions + noise[k % len(noise)]
            xyz[ligand] += model.site_point + [0, 0, z[k]] - xyz[anchor]
            file.write(
                (10 * xyz[atoms]).astype(np.float32),
                cell_lengths=10 * model.box,
                cell_angles=np.full(3, 90.0),
            )
    np.save(segment / "cv.npy", np.column_stack([z, 0 * z]))
    record = {
        "center_nm": [window.center_nm] * 2,
        "k_kJ_mol_nm2": window.k,
        "record_ps": 1.0,
        "duration_ps": float(n_frames),
    }
    slab = Integrity(0, 0, 0, 0, 0.1, (), (0.1,), ()).as_dict()
    record |= {"versions": {"openmm": "8"}, "image_nm": 1.5, "solvent_nm": [0.1], "slab": slab}
    (segment / "segment.json").write_text(json.dumps(record))
    return run, segment


def timed(tasks: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each task, all of them in turn, `repeats` times after one round that does not
    count.
    """
    found: dict[str, list[float]] = {name: [] for name in tasks}
    for round_ in range(repeats + 1):
        for name, task in tasks.items():
            began = time.perf_counter()
            task()
            print(f"  {name}: {time.perf_counter() - began:.2f} s", file=sys.stderr, flush=True)
            if round_:
                found[name].append(time.perf_counter() - began)
    return found


def engines(run: Run, segment: Path, repeats: int) -> None:
    """Halides and metals around the anchor by four programs; a row each."""
    import MDAnalysis as mda  # noqa: PLC0415 (only here)
    from MDAnalysis.analysis.base import AnalysisFromFunction  # noqa: PLC0415
    from MDAnalysis.lib.distances import distance_array  # noqa: PLC0415

    path = str(segment / "frames.dcd")
    n_frames = open_dcd(segment / "frames.dcd").n_frames
    (one,) = scenes(run.path("build"), open_dcd(segment / "frames.dcd").n_atoms, chemistry_of(run))
    source = Source(run.path("build"), chemistry_of(run), ("coordination",), code_version())
    kinds = [
        (one.species[name], reach) for name, reach in (("halide", HALIDE_NM), ("metal", METAL_NM))
    ]

    def columns(halides: np.ndarray, metals: np.ndarray) -> np.ndarray:
        found = [
            ((d < reach).sum(axis=1), d.min(axis=1))
            for d, reach in ((halides, HALIDE_NM), (metals, METAL_NM))
        ]
        return np.column_stack([column for pair in found for column in pair])

    def ours() -> np.ndarray:
        found = [
            part for chunk in cut(source, [(segment, n_frames)], 100) for part in analyse(chunk)
        ]
        return np.concatenate([part.arrays["coordination"][:, 0] for part in found])

    def plain() -> np.ndarray:
        pairs = [np.array([(one.anchor, j) for j in atoms]) for atoms, _ in kinds]
        parts = md.iterload(path, top=one.topology, chunk=100)
        return np.concatenate(
            [columns(*(md.compute_distances(part, pair) for pair in pairs)) for part in parts]
        )

    universe = mda.Universe(str(_pdb(one.topology, one.built, segment)), path)
    groups = [universe.atoms[[one.anchor]], *(universe.atoms[atoms] for atoms, _ in kinds)]

    def row(head: object, halides: object, metals: object) -> np.ndarray:
        box = head.universe.dimensions
        return columns(*(distance_array(head, group, box=box) / 10 for group in (halides, metals)))[
            0
        ]

    def mdanalysis(**how: object) -> np.ndarray:
        return np.array(
            AnalysisFromFunction(row, universe.trajectory, *groups).run(**how).results.timeseries
        )

    tasks = {
        "halobind": ours,
        "plain mdtraj": plain,
        "MDAnalysis, serial": mdanalysis,
        "MDAnalysis, dask, 2 workers": lambda: mdanalysis(backend="dask", n_workers=2),
    }
    expected = ours()
    for name, task in tasks.items():
        found = task()
        assert (
            found.shape == expected.shape and np.isclose(found, expected, atol=1e-4).mean() > 0.999
        ), name
    seconds = timed(tasks, repeats)
    for name, values in seconds.items():
        print(
            f"{name:28} {n_frames / statistics.median(values):8.0f} frames/s  (spread"
            f" {max(values) / min(values):.2f})"
        )


def _pdb(topology: md.Topology, built: np.ndarray, segment: Path) -> Path:
    path = segment.parent / "start.pdb"
    md.Trajectory(built, topology).save_pdb(str(path))
    return path


def workers(run: Run, segment: Path, repeats: int) -> None:
    """All observables one after the other here, and through clusters of one and two workers, which
    are started before.
    """
    file = open_dcd(segment / "frames.dcd")
    n_frames, size = file.n_frames, task_frames(file.n_atoms)
    source = Source(run.path("build"), chemistry_of(run), NAMES, code_version())

    def through(place: Place) -> None:
        assert sum(
            len(parts)
            for _, parts in mapped(analyse, cut(source, [(segment, n_frames)], size), place)
        ) == -(-n_frames // size)

    with mapping.settings(), local_cluster(1) as one, local_cluster(2) as two:
        mapping.local_cluster = lambda n: contextlib.nullcontext(
            {1: one, 2: two}[n]
        )  # these, which have started
        places = {
            "here": ThisProcess(),
            "1 worker": LocalProcesses(1),
            "2 workers": LocalProcesses(2),
        }
        seconds = timed(
            {name: lambda place=place: through(place) for name, place in places.items()}, repeats
        )
    for name, values in seconds.items():
        print(
            f"{name:28} {n_frames / statistics.median(values):8.0f} frames/s  (spread"
            f" {max(values) / min(values):.2f})"
        )
    overhead = statistics.median(
        b / a - 1 for a, b in zip(seconds["here"], seconds["1 worker"], strict=True)
    )
    gain = statistics.median(
        a / b for a, b in zip(seconds["1 worker"], seconds["2 workers"], strict=True)
    )
    print(
        f"overhead of one worker over none {100 * overhead:.1f} %, speed-up from 1 to 2 workers"
        f" {gain:.2f}"
    )


def memory(n_frames: int) -> None:
    """Peak resident memory of the command, and of the largest of its workers, with more and more
    frames.
    """
    code = (
        "import resource, sys; from halobind.pipeline.commands.cli import main;"
        " main(sys.argv[1:]); "
    )
    code += (
        "print('\\n', *(resource.getrusage(who).ru_maxrss // 1024 for who in (resource.RUSAGE_SELF,"
        " resource.RUSAGE_CHILDREN)))"
    )
    for where in (["--where", "serial"], ["--where", "local", "--workers", "2"]):
        for times in (1, 4, 16):
            with tempfile.TemporaryDirectory() as out:
                draw(Path(out) / "c", times * n_frames)
                command = [sys.executable, "-c", code, "observe", str(Path(out) / "c"), *where]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                own, worker = done.stdout.split()[-2:]
                more = f", worker {worker} MiB" if "local" in where else ""
                print(f"{' '.join(where):28} {times * n_frames:7} frames: command {own} MiB{more}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=("engines", "workers", "memory"),
        default=("engines", "workers", "memory"),
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as out:
        run, segment = draw(Path(out) / "c", options.frames)
        print(
            f"{open_dcd(segment / 'frames.dcd').n_atoms} atoms in a frame, {options.frames} frames",
            flush=True,
        )
        for part in (engines, workers):
            if part.__name__ in options.only:
                part(run, segment, options.repeats)
    if "memory" in options.only:
        memory(options.frames)


if __name__ == "__main__":
    main()
