"""The files of a published piece of MD: written here, and read here only.

`state.xml` is where it ended, `cv.npy` the coordinate at each record, `segment.json` what it says
of itself; `box_z.npy` the box heights under a barostat. Frames are in `frames.dcd`, walkers add
`bias.npy` and `push.npy`, windows that exchange `walkers.npy`, alchemical states `terms.npy`.
"""

import io
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

import numpy as np

from halobind.pipeline.campaign.run_directory import Run, reading
from halobind.pipeline.campaign.versions import versions
from halobind.pipeline.sampling.md_leg import Leg, LegResult
from halobind.pipeline.sampling.openmm_xml import write_state
from halobind.pipeline.sampling.run_context import RunContext, crystal_integrity
from halobind.pipeline.sampling.start_states import EndState
from halobind.structures.models.integrity import Integrity, image_distance, solvent_distance
from halobind.structures.models.model import residues_with


@dataclass(frozen=True, order=True)
class SegmentName:
    """The name of a segment of a window or walker: "windows/z+0.350-k2000/seg-000"."""

    stage: str
    """"windows", "metadynamics" or "alchemical"."""
    label: str
    """The window or walker: "z+0.350-k2000"."""
    number: int
    """From 0."""

    @property
    def chain(self) -> str:
        """The chain of the segments of its window or walker."""
        return f"{self.stage}/{self.label}"

    def __str__(self) -> str:
        return f"{self.chain}/seg-{self.number:03d}"

    @classmethod
    def parse(cls, text: str) -> "SegmentName":
        """The inverse of str(), for names in records. Raises ValueError for anything else."""
        stage, label, last = text.split("/")
        if not last.startswith("seg-"):
            raise ValueError(f"{text!r} is not the name of a segment")
        return cls(stage, label, int(last.removeprefix("seg-")))


class ExchangeRecord(TypedDict):
    """What a window says of the swaps during a segment."""

    members: list[str]
    """Names of the segments that were made together, by height."""
    walkers: list[str]
    """Name of the walker that began in each of them."""
    walker: str
    """Name of the walker that the window held at the end."""
    next: NotRequired[str]
    """Name of the neighbouring segment; like the counts below missing in the last window."""
    attempts: NotRequired[int]
    """Swaps tried with the next window."""
    accepted: NotRequired[int]
    """Swaps made with the next window."""


class SegmentRecord(TypedDict):
    """What a piece of MD says of itself in segment.json."""

    seed: int
    duration_ps: float
    record_ps: float
    center_nm: tuple[float, float]
    """Umbrella centre at the begin and at the end."""
    k_kJ_mol_nm2: float
    barostat_bar: float | None
    energy_kJ_mol: dict[str, float]
    """Potential energy at the end by force group."""
    temperature_K: float
    """Kinetic temperature of the last frame."""
    box_nm: list[float]
    slab: dict[str, Any]
    """The fields of Integrity at the end."""
    image_nm: float
    """From the ligand to its nearest image, or to the other ligand, at the end."""
    solvent_nm: list[float]
    """From each site to the nearest heavy atom of the solvent, at the end."""
    platform: str
    host: str
    wall_s: float
    versions: dict[str, str]
    start: NotRequired[dict[str, str | float]]
    """Of the first segment of a window: the pulled state it comes from, and how it settled."""
    exchange: NotRequired[ExchangeRecord]
    metadynamics: NotRequired[dict[str, float]]
    """Of a walker: the settings of its bias."""
    gate_kJ_mol: NotRequired[tuple[float, float]]
    """Of an alchemical leg: strength of the gate at the begin and at the end."""
    charge_scale: NotRequired[tuple[float, float]]
    """Of an alchemical leg: factor on the ligand's charges at the begin and at the end."""
    gate_radius_nm: NotRequired[float]
    """Of an alchemical leg: radius of the gate."""


@dataclass(frozen=True, eq=False)
class SegmentContent:
    """What a published segment holds, as it is on disk and decoded."""

    record: SegmentRecord
    """segment.json, decoded."""
    record_bytes: bytes
    """segment.json."""
    cv_bytes: bytes
    """cv.npy."""

    def coordinate(self) -> np.ndarray:
        """Heights and lateral distances (n, 2 * heads) nm, head after head. Raises ValueError."""
        values: np.ndarray = np.load(io.BytesIO(self.cv_bytes), allow_pickle=False)
        return values


def read_segment(folder: Path) -> SegmentContent:
    """Read record and coordinate of a published piece of MD. Raises DamagedError."""
    with reading(folder):
        record = (folder / "segment.json").read_bytes()
        return SegmentContent(_parse(record), record, (folder / "cv.npy").read_bytes())


def read_record(folder: Path) -> SegmentRecord:
    """Read what a published piece of MD says of itself. Raises DamagedError."""
    with reading(folder):
        return _parse((folder / "segment.json").read_bytes())


def exchange_members(record: SegmentRecord) -> list[SegmentName]:
    """The segments that were made together with one, itself included; none without exchange."""
    if "exchange" not in record:
        return []
    return [SegmentName.parse(name) for name in record["exchange"]["members"]]


def read_numbers(folder: Path, name: str) -> np.ndarray:
    """Read a row (n,) of finite numbers from a file of a published segment.

    Args:
        folder: The segment.
        name: Of the file.

    Raises:
        DamagedError: It cannot be read, or holds anything else.
    """
    with reading(folder):
        row: np.ndarray = np.load(folder / name, allow_pickle=False)
        if row.ndim != 1 or not np.all(np.isfinite(row)):
            raise ValueError(f"{name} of shape {row.shape} is not a row of finite numbers")
        return row


def read_end_state(run: Run, product: str, height_nm: float) -> EndState:
    """How a published step of the pull ended.

    Args:
        run: The run.
        product: Name of the step.
        height_nm: Centre of its umbrella at the end.

    Raises:
        DamagedError: It cannot be read.
    """
    folder = run.path(product)
    content = read_segment(folder)
    with reading(folder):
        record = content.record
        last = content.coordinate()[-1]
        slab = record["slab"]
        return EndState(
            product,
            height_nm,
            last[0::2],
            _unbiased_energy(record["energy_kJ_mol"]),
            record["temperature_K"],
            slab["displaced"] - slab["displaced_at_site"],
        )


def end_state_of(name: str, height_nm: float, result: LegResult, slab: Integrity) -> EndState:
    """How a leg that is not published ended.

    Args:
        name: The product that it started from.
        height_nm: Centre of its umbrella at the end.
        result: Of the leg.
        slab: How far the crystal is from as it was built at the end.
    """
    return EndState(
        name,
        height_nm,
        result.cv[-1][0::2],
        _unbiased_energy(result.energies),
        result.temperature_K,
        slab.displaced - slab.displaced_at_site,
    )


def write_segment(
    context: RunContext, out: Path, leg: Leg, result: LegResult, extra: Mapping[str, object]
) -> None:
    """Write state.xml, cv.npy and segment.json of a leg, and box_z.npy under a barostat.

    Args:
        context: Of the run.
        out: The directory that takes the files.
        leg: What was done.
        result: Of the leg.
        extra: What segment.json holds besides.
    """
    write_state(result.state, out / "state.xml")
    np.save(out / "cv.npy", result.cv)
    if leg.pressure_bar is not None:
        np.save(out / "box_z.npy", result.box_z)
    write_json(out / "segment.json", {**_record(context, leg, result), **extra})


def write_alchemical_segment(
    context: RunContext,
    out: Path,
    leg: Leg,
    result: LegResult,
    radius_nm: float,
    extra: Mapping[str, object],
) -> None:
    """Write the files of an alchemical leg into `out`: those of any other, and terms.npy.

    Args:
        context: Whose leg it is.
        out: The directory.
        leg: What was done.
        result: What came of it.
        radius_nm: Of the gate.
        extra: What else goes into segment.json.
    """
    if result.terms is None:
        raise ValueError("the leg was run without gate and charge scaling")
    np.save(out / "terms.npy", result.terms)
    alchemy = {
        "gate_kJ_mol": leg.gate,
        "charge_scale": leg.charge_scale,
        "gate_radius_nm": radius_nm,
    }
    write_segment(context, out, leg, result, {**alchemy, **extra})


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write a mapping as indented JSON."""
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _parse(content: bytes) -> SegmentRecord:
    """The record in a segment.json. Raises ValueError, KeyError or TypeError for anything else."""
    record = cast(SegmentRecord, json.loads(content.decode("utf-8")))
    exchange_members(record)
    return record


def _unbiased_energy(energies: Mapping[str, float]) -> float:
    """The sum (kJ/mol) of the energies of all force groups but the umbrella's."""
    return sum(value for group, value in energies.items() if group != "bias")


def _record(context: RunContext, leg: Leg, result: LegResult) -> SegmentRecord:
    state = result.state
    model = context.model
    slab = crystal_integrity(context.run, state)
    ligands = [state.positions[atoms] for atoms in residues_with(model, model.groups["anchor"])]
    return {
        "seed": leg.seed,
        "duration_ps": result.duration_ps,
        "record_ps": leg.record_ps,
        "center_nm": leg.center_nm,
        "k_kJ_mol_nm2": leg.k,
        "barostat_bar": leg.pressure_bar,
        "energy_kJ_mol": result.energies,
        "temperature_K": result.temperature_K,
        "box_nm": [float(length) for length in state.box],
        "slab": slab.as_dict(),
        "image_nm": round(image_distance(ligands, state.box), 4),
        "solvent_nm": list(solvent_distance(model, state.positions, state.box)),
        "platform": context.platform.name,
        "host": socket.gethostname(),
        "wall_s": round(result.wall_s, 3),
        "versions": versions(),
    }
