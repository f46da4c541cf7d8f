"""One leg of a run: its settings, the System and coordinate it runs with, and what a published
piece of MD holds.
"""

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import openmm as mm

from halobind.forcefields.hamiltonian.binding_coordinate import Coordinate
from halobind.forcefields.packs.pack import load_pack
from halobind.pipeline.campaign.run_directory import Run, derived_seed, reading
from halobind.pipeline.campaign.settings import RunSpec, SamplingSection
from halobind.pipeline.campaign.versions import versions
from halobind.pipeline.sampling.md_leg import (
    Leg,
    LegResult,
    MDState,
    load_state,
    run_leg,
    save_state,
)
from halobind.pipeline.sampling.platforms import Choice
from halobind.pipeline.sampling.start_states import Ended
from halobind.structures.models.integrity import (
    Integrity,
    check_integrity,
    image_distance,
    solvent_distance,
)
from halobind.structures.models.model import Model, read_model, residues_with

RECORD_PS = 0.1  # between records before windows are sampled


@dataclass(frozen=True)
class Workshop:
    """What making a product needs: the run, the platform, and what to call after every record (it
    may raise to stop).
    """

    run: Run
    choice: Choice
    tick: Callable[[float], None]


def base_leg(spec: RunSpec, run: Run, name: str) -> Leg:
    """A leg of one record at the run's temperature, without bias, with the seed of product `name`:
    what every stage starts from.
    """
    s = spec.simulation
    return Leg(
        seed=derived_seed(run.id, name),
        duration_ps=RECORD_PS,
        record_ps=RECORD_PS,
        timestep_fs=s.timestep_fs,
        friction_per_ps=s.friction_per_ps,
        temperature_K=(s.temperature_K, s.temperature_K),
        center_nm=(0.0, 0.0),
        k=0.0,
    )


def coordinate_of(spec: RunSpec, model: Model) -> Coordinate:
    """The binding coordinate of a run: a head for each face that carries a ligand."""
    c = spec.coordinate
    return Coordinate(
        model.groups["anchor"],
        model.site_points,
        model.site_normals,
        c.radius_nm,
        c.wall_kJ_mol_nm2,
    )


def frame_atoms(model: Model, sampling: SamplingSection) -> np.ndarray:
    """Indices of the atoms whose frames are written."""
    if sampling.frames == "none":
        return np.zeros(0, dtype=int)
    if sampling.frames == "all":
        return np.arange(model.n_atoms)
    return np.concatenate(
        [model.groups[name] for name in ("core", "ligand", "coating", "counterion")]
    )


def end_state(run: Run, product: str) -> MDState:
    """Where a published piece of MD ended. Raises DamagedError."""
    with reading(run.path(product)):
        return load_state(run.path(product) / "state.xml")


@lru_cache(maxsize=2)
def built_model(folder: Path) -> Model:
    """The published model of a run. Raises DamagedError."""
    with reading(folder):
        return read_model(folder)


@lru_cache(maxsize=2)
def load_system(folder: Path) -> mm.System:
    """The published System of a run. Raises DamagedError."""
    with reading(folder):
        return mm.XmlSerializer.deserialize((folder / "system.xml").read_text(encoding="ascii"))


def run_here(shop: Workshop, start: MDState, leg: Leg, out: Path) -> LegResult:
    """One leg of the run's System on the workshop's platform; frames go to `out`."""
    run = shop.run
    engine = (coordinate_of(run.spec, built_model(run.path("build"))), shop.choice)
    return run_leg(load_system(run.path("system")), start, leg, engine, out, shop.tick)


def write_leg(shop: Workshop, out: Path, leg: Leg, result: LegResult, extra: dict) -> None:
    """Write state.xml, cv.npy and segment.json (with `extra`) of a leg."""
    save_state(result.state, out / "state.xml")
    np.save(out / "cv.npy", result.cv)
    if leg.pressure_bar is not None:
        np.save(out / "box_z.npy", result.box_z)
    write_json(out / "segment.json", _segment_record(shop, leg, result) | extra)


def slab_of(run: Run, state: MDState) -> Integrity:
    pack = load_pack(run.spec.forcefield.pack)
    return check_integrity(
        built_model(run.path("build")), state.positions, state.box, pack.metals, pack.halides
    )


def _segment_record(shop: Workshop, leg: Leg, result: LegResult) -> dict:
    slab, model = slab_of(shop.run, result.state), built_model(shop.run.path("build"))
    image = image_distance(
        [result.state.positions[i] for i in residues_with(model, model.groups["anchor"])],
        result.state.box,
    )
    return {
        "seed": leg.seed,
        "duration_ps": result.duration_ps,
        "record_ps": leg.record_ps,
        "center_nm": leg.center_nm,
        "k_kJ_mol_nm2": leg.k,
        "barostat_bar": leg.pressure_bar,
        "energy_kJ_mol": result.energies,
        "temperature_K": result.temperature_K,
        "box_nm": [float(x) for x in result.state.box],
        "slab": slab.as_dict(),
        "image_nm": round(image, 4),
        "solvent_nm": solvent_distance(model, result.state.positions, result.state.box),
        "platform": shop.choice.name,
        "host": socket.gethostname(),
        "wall_s": round(result.wall_s, 3),
        "versions": versions(),
    }


def write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def ended_at(run: Run, product: str, height_nm: float) -> Ended:
    """How a published step of the pull ended. Raises DamagedError."""
    with reading(run.path(product)):
        record, last = read_record(run, product), np.load(run.path(product) / "cv.npy")[-1]
        energy = sum(value for name, value in record["energy_kJ_mol"].items() if name != "bias")
        elsewhere = record["slab"]["displaced"] - record["slab"]["displaced_at_site"]
        return Ended(
            product, float(height_nm), last[0::2], energy, record["temperature_K"], elsewhere
        )


def judged(name: str, height_nm: float, result: LegResult, slab: Integrity) -> Ended:
    energy = sum(value for kind, value in result.energies.items() if kind != "bias")
    return Ended(
        name,
        height_nm,
        result.cv[-1][0::2],
        energy,
        result.temperature_K,
        slab.displaced - slab.displaced_at_site,
    )


def read_record(run: Run, product: str) -> dict:
    """What a published piece of MD says of itself. Raises DamagedError."""
    with reading(run.path(product)):
        return json.loads((run.path(product) / "segment.json").read_text(encoding="utf-8"))
