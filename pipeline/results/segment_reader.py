"""The published segments of a run: their samples, and what else they say."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from halobind.pipeline.campaign.run_directory import reading
from halobind.pipeline.campaign.settings import RunSpec
from halobind.pipeline.free_energy.alchemical_samples import AlchemicalSamples
from halobind.pipeline.free_energy.metadynamics_pmf import WalkerSamples
from halobind.pipeline.free_energy.samples import Samples
from halobind.pipeline.sampling.segment_files import SegmentRecord, read_segment
from halobind.structures.models.integrity import DISPLACED_NM

MAX_SOLVENT_DISTANCE_NM = 0.35
"""Solvent is in the pocket when its nearest heavy atom is closer to the site than this.

It is below 0.3 nm in the pocket, and 0.4 nm and more before it.
"""
PERSISTENT_FRACTION = 0.2
"""What is in this part of the segments of a window lasts (in two, where there are several)."""
INTERVALS_PER_PS = 1_000_000
"""Record intervals are compared as whole numbers of 1e-6 ps."""

S = TypeVar("S", Samples, WalkerSamples, AlchemicalSamples)


@dataclass(frozen=True)
class TwoStates:
    """Something that is so or not at the end of each segment; each face counts for itself."""

    always: int = 0
    """Number of windows (or walkers) in which it is always so."""
    never: int = 0
    """Number of those in which it never is."""
    both: int = 0
    """Number of the others."""

    @classmethod
    def count(cls, windows: Iterable[Sequence[tuple[bool, ...]]]) -> "TwoStates":
        """From the states at the end of each segment (one a face) of each window."""
        numbers = Counter(
            all(states) - (not any(states))
            for segments in windows
            for states in zip(*segments, strict=True)
        )
        return cls(always=numbers[1], never=numbers[-1], both=numbers[0])

    @property
    def unsampled(self) -> bool:
        """Whether both occur and in no window one becomes the other."""
        return bool(self.always and self.never and not self.both)


@dataclass(frozen=True)
class SegmentReport:
    """What the segments of a run say beside their samples.

    The counts are numbers of windows, or walkers.
    """

    displaced_at_site: int = 0
    """Where ions around the pocket ended a segment displaced, or hopped (in a cluster)."""
    displaced_elsewhere: int = 0
    """Where other ions ended a segment displaced."""
    near_image: int = 0
    """Where the ligand ended one within the cutoff of its own image or of the other ligand."""
    short_of_halides: int = 0
    """Where one metal lacked halides at the end of many segments, if no walls hold the crystal."""
    leaning_on_wall: int = 0
    """Where one ion around the pocket was beyond the start of its wall at the end of many."""
    solvent_in_pocket: TwoStates = TwoStates()
    """Whether there is solvent in the pocket."""
    partner_away: TwoStates = TwoStates()
    """Whether an ion that is to leave with the ligand has left its place."""
    closest_image_nm: float = math.inf
    """Nearest approach to an image or the other ligand at the end of a segment (nm)."""
    openmm_versions: tuple[str, ...] = ()
    """The versions of OpenMM that made the segments."""


@dataclass(frozen=True, eq=False)
class RunSamples(Generic[S]):
    """All that is published of the windows, or the walkers, of a run."""

    samples: S
    """The heights; with two heads each window is there twice, once for each face."""
    lateral: tuple[np.ndarray, ...]
    """Distances (nm) from the site axis, arrays like those of `samples.z`."""
    checksum: str
    """sha256 of the coordinate in every segment."""
    report: SegmentReport
    """What the segments say besides."""
    heads: int = 1
    """Number of faces that carry a sampled ligand."""


@dataclass(frozen=True, eq=False)
class SegmentData:
    """The content of one published segment."""

    record: SegmentRecord
    """segment.json."""
    coordinate: np.ndarray
    """Height and distance from the axis of each head in turn, (records, 2 heads), nm."""


@dataclass
class _ChainStates:
    """What each segment of one chain ended with, a value for each head."""

    solvent_in_pocket: list[tuple[bool, ...]] = field(default_factory=list)
    """Whether solvent was in the pocket."""
    partner_away: list[tuple[bool, ...]] = field(default_factory=list)
    """Whether the partner of the ligand had left it."""


class SegmentReader:
    """Reads the segments of a run and adds up what they say beside their samples."""

    def __init__(self, spec: RunSpec) -> None:
        self._spec = spec
        self._digest = hashlib.sha256()
        self._openmm_versions: set[str] = set()
        self._closest_image_nm = math.inf
        self._displaced_at_site: set[str] = set()
        self._displaced_elsewhere: set[str] = set()
        self._near_image: set[str] = set()
        self._short_of_halides: set[str] = set()
        self._leaning_on_wall: set[str] = set()
        self._states: dict[str, _ChainStates] = {}

    def read(self, chain: str, segments: Sequence[Path]) -> Iterator[SegmentData]:
        """The content of each segment of a chain, in order; all of them must be taken.

        Raises:
            DamagedError: names a segment that cannot be read.
        """
        walls = math.isfinite(self._spec.wall_nm)
        disturbed_ions: Counter[int] = Counter()
        for segment in segments:
            with reading(segment):
                data = self._read_segment(chain, segment)
                self._note_surroundings(chain, data.record)
                disturbed_ions.update(self._disturbed_ions(data.record["slab"]))
                self._note_pocket(chain, data.record)
            yield data
        if _lasts(disturbed_ions, len(segments)):
            (self._leaning_on_wall if walls else self._short_of_halides).add(chain)

    def _read_segment(self, chain: str, segment: Path) -> SegmentData:
        """The content of a segment, once it is added to the checksum."""
        content = read_segment(segment)
        record = content.record
        coordinate = content.coordinate().astype(float)
        coordinate = coordinate.reshape(len(coordinate), 2 * self._spec.model.faces)
        if not (
            float(record["record_ps"]) > 0
            and math.isfinite(float(record["center_nm"][0]) + float(record["k_kJ_mol_nm2"]))
        ):
            raise ValueError("segment.json has no umbrella or no recording interval")
        self._digest.update(f"{chain}/{segment.name}".encode() + content.cv_bytes)
        return SegmentData(record, coordinate)

    def _note_surroundings(self, chain: str, record: SegmentRecord) -> None:
        """Add up what a segment says of the crystal and of the images of the ligand."""
        self._openmm_versions.add(record["versions"]["openmm"])
        slab = record["slab"]
        self._closest_image_nm = min(self._closest_image_nm, record["image_nm"])
        if slab["displaced_at_site"] + slab["hopped_at_site"] > 0:
            self._displaced_at_site.add(chain)
        if slab["displaced"] > slab["displaced_at_site"]:
            self._displaced_elsewhere.add(chain)
        if record["image_nm"] < self._spec.forcefield.cutoff_nm:
            self._near_image.add(chain)

    def _disturbed_ions(self, slab: dict[str, Any]) -> list[int]:
        """The ions that lean on their walls, or without walls the metals short of halides."""
        wall_nm = self._spec.wall_nm
        leaning = [ion for ion, shift in enumerate(slab["site_shift_nm"]) if shift > wall_nm]
        return leaning if math.isfinite(wall_nm) else list(slab["short_metals"])

    def _note_pocket(self, chain: str, record: SegmentRecord) -> None:
        """Note for each head whether a segment ended with solvent in its pocket, or no partner."""
        states = self._states.setdefault(chain, _ChainStates())
        states.solvent_in_pocket.append(
            tuple(distance < MAX_SOLVENT_DISTANCE_NM for distance in record["solvent_nm"])
        )
        states.partner_away.append(
            tuple(shift > DISPLACED_NM for shift in record["slab"]["partner_shift_nm"])
        )

    def run_samples(self, samples: S, lateral: tuple[np.ndarray, ...]) -> RunSamples[S]:
        """All of it together, once every segment is read.

        Args:
            samples: what was made of the heights.
            lateral: the distances from the site axis (nm), arrays like those of `samples.z`.
        """
        states = self._states.values()
        report = SegmentReport(
            displaced_at_site=len(self._displaced_at_site),
            displaced_elsewhere=len(self._displaced_elsewhere),
            near_image=len(self._near_image),
            short_of_halides=len(self._short_of_halides),
            leaning_on_wall=len(self._leaning_on_wall),
            solvent_in_pocket=TwoStates.count(chain.solvent_in_pocket for chain in states),
            partner_away=TwoStates.count(chain.partner_away for chain in states),
            closest_image_nm=self._closest_image_nm,
            openmm_versions=tuple(sorted(self._openmm_versions)),
        )
        checksum = self._digest.hexdigest()
        return RunSamples(samples, lateral, checksum, report, self._spec.model.faces)


def _lasts(ions: Counter[int], n_segments: int) -> bool:
    """Whether one ion is in enough of the segments that it is no thermal motion."""
    if not ions:
        return False
    enough = max(min(2, n_segments), PERSISTENT_FRACTION * n_segments)
    return max(ions.values()) >= enough
