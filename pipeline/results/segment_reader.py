"""What the published segments of windows or walkers hold: samples, and what else is said beside
them.
"""

import hashlib
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from halobind.pipeline.campaign.run_directory import reading
from halobind.pipeline.campaign.settings import RunSpec
from halobind.pipeline.free_energy.metadynamics_pmf import Walks
from halobind.pipeline.free_energy.samples import Samples
from halobind.structures.models.integrity import DISPLACED_NM

# from the site to the nearest heavy atom of the solvent: below 0.3 in the pocket, 0.4 and more
# before it
FILLED_NM = 0.35
LASTS = 0.2  # of the segments or more, and two of them where there are several
GRAIN = 1_000_000  # record intervals are compared in units of 1e-6 ps


COUNTED = ("at_site", "elsewhere", "images", "broken", "leaning")


@dataclass(frozen=True)
class TwoStates:
    """Something that is either so or not at the end of each segment: `always` so in so many windows
    (or walkers), `never` in others, and `both` in the rest; two faces count each for itself.
    """

    always: int = 0
    never: int = 0
    both: int = 0

    @classmethod
    def of(cls, windows: Iterable[Sequence[tuple[bool, ...]]]) -> "TwoStates":
        """From what each segment (a value for each face) of each window says."""
        found = Counter(
            all(states) - (not any(states))
            for segments in windows
            for states in zip(*segments, strict=True)
        )
        return cls(found[1], found[-1], found[0])

    @property
    def unsampled(self) -> bool:
        """Whether both occur and no window has seen one become the other."""
        return bool(self.always and self.never and not self.both)


@dataclass(frozen=True)
class Sampled:
    """What is published of a run's windows, or walkers: the samples, a checksum over them, and what
    the segments say besides.

    With `heads` = 2 each window is there twice, once for each face. `lateral` holds the distances
    (nm) from the site axis, one array a window like `samples.z`. `at_site` counts windows in which
    ions around the pocket ended a segment displaced or, in a cluster, hopped from there or to
    there; `elsewhere` those in which other ions ended one displaced; `images` those in which the
    ligand ended one within the cutoff of its own image or of the other ligand, `closest_nm` the
    nearest such approach. What thermal motion does now and then counts where it lasts: where one
    metal ended a fifth of the segments or more short of halides (`broken`, if no walls hold the
    crystal), or one ion around the pocket ended them beyond the start of its wall (`leaning`).
    `filled`: is there solvent in the pocket? `away`: has an ion that is to leave with the ligand
    left its place?
    """

    samples: Samples | Walks
    lateral: tuple[np.ndarray, ...]
    checksum: str
    at_site: int
    elsewhere: int
    images: int
    broken: int
    leaning: int
    filled: TwoStates
    away: TwoStates
    closest_nm: float
    openmm_versions: tuple[str, ...]
    heads: int = 1


class Seen:
    """Reads segments of a run and remembers, over all of them, a checksum and what they say besides
    their samples.
    """

    def __init__(self, spec: RunSpec) -> None:
        self._spec, self._digest, self._openmm, self._closest = (
            spec,
            hashlib.sha256(),
            set(),
            math.inf,
        )
        self._chains: dict[str, set[str]] = {name: set() for name in COUNTED}
        self._states: dict[str, dict[str, list[tuple[bool, ...]]]] = {"filled": {}, "away": {}}

    def read(self, chain: str, segments: list[Path]) -> Iterator[tuple[dict, np.ndarray]]:
        """The record and the coordinate (n, 2 * heads) of each segment of a chain. Raises
        DamagedError.
        """
        heads, wall_nm = self._spec.model.faces, self._spec.wall_nm
        filled, away = (states.setdefault(chain, []) for states in self._states.values())
        odd: Counter[int] = (
            Counter()
        )  # ions that lean on their walls, or without walls metals that are short of halides
        for segment in segments:
            with reading(segment):
                record = json.loads((segment / "segment.json").read_text(encoding="utf-8"))
                content = (segment / "cv.npy").read_bytes()
                heights = np.load(io.BytesIO(content), allow_pickle=False).astype(float)
                heights = heights.reshape(len(heights), 2 * heads)
                if not (
                    float(record["record_ps"]) > 0
                    and math.isfinite(float(record["center_nm"][0]) + float(record["k_kJ_mol_nm2"]))
                ):
                    raise ValueError("segment.json has no umbrella or no recording interval")
                self._openmm.add(record["versions"]["openmm"])
                slab, self._closest = record["slab"], min(self._closest, record["image_nm"])
                found = {
                    "at_site": slab["displaced_at_site"] + slab["hopped_at_site"] > 0,
                    "elsewhere": slab["displaced"] > slab["displaced_at_site"],
                    "images": record["image_nm"] < self._spec.forcefield.cutoff_nm,
                }
                leaning = [
                    ion for ion, shift in enumerate(slab["site_shift_nm"]) if shift > wall_nm
                ]
                odd.update(leaning if math.isfinite(wall_nm) else slab["short_metals"])
                filled.append(tuple(distance < FILLED_NM for distance in record["solvent_nm"]))
                away.append(tuple(shift > DISPLACED_NM for shift in slab["partner_shift_nm"]))
            for name, true in found.items():
                if true:
                    self._chains[name].add(chain)
            self._digest.update(f"{chain}/{segment.name}".encode() + content)
            yield record, heights
        if odd and max(odd.values()) >= max(min(2, len(segments)), LASTS * len(segments)):
            self._chains["leaning" if math.isfinite(wall_nm) else "broken"].add(chain)

    def sampled(self, samples: Samples | Walks, lateral: tuple[np.ndarray, ...]) -> Sampled:
        """All of it together, once every segment is read."""
        counts = {name: len(chains) for name, chains in self._chains.items()}
        counts |= {name: TwoStates.of(windows.values()) for name, windows in self._states.items()}
        about = {
            "closest_nm": self._closest,
            "openmm_versions": tuple(sorted(self._openmm)),
            "heads": self._spec.model.faces,
        }
        return Sampled(samples, lateral, self._digest.hexdigest(), **about, **counts)
