"""Rounds: what is decided from the samples of a ligand, as data, so that every process and every
later command asks for the same.

A round is published once everything asked for before it is sampled. It asks for windows (more of
them, or more segments), for a longer path, or for nothing (`kind = "end"`); replicas of a ligand
have their rounds in common.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from halobind.pipeline.free_energy.curve_reader import is_flat
from halobind.pipeline.free_energy.flags import Flag, FlagKind
from halobind.pipeline.free_energy.quantity import Quantity
from halobind.pipeline.free_energy.samples import Samples, Window

# means this many times further apart than their centres: something between them is steeper than the
# umbrella
SLIP = 1.5
STIFFER = 4.0  # halves the width of a window
STIFFEST_KJ_MOL_NM2 = 100_000.0
CLOSEST_NM = 0.004  # centres are named to 0.001 nm
VANISHING_OVERLAP = 1e-4  # pairs of windows below it and above it are reported apart


@dataclass(frozen=True)
class Wish:
    """`segments` in all for one window of the run `run_id`, and why."""

    run_id: str
    window: Window
    segments: int
    why: str


@dataclass(frozen=True)
class Order:
    """Sample until the error of dG0 is at most `target_kJ_mol`, adding at most `budget_ns` (None:
    as much again as is asked for).
    """

    target_kJ_mol: float
    budget_ns: float | None


@dataclass(frozen=True)
class Round:
    """One decision. `basis` says what had been asked for, and under which settings, when it was
    made; `to_nm` lengthens the path of every replica; `added_ps` is the sampling it asks for;
    `notes` are what was found, `problems` what keeps a row from converging.
    """

    kind: Literal["windows", "target", "extend", "end"]
    basis: str
    wishes: tuple[Wish, ...] = ()
    to_nm: float | None = None
    added_ps: float = 0.0
    order: Order | None = None
    notes: tuple[str, ...] = ()
    problems: tuple[Flag, ...] = ()

    def as_dict(self) -> dict:
        """For JSON."""
        return {**asdict(self), "problems": [problem.as_dict() for problem in self.problems]}

    @staticmethod
    def from_dict(content: dict) -> "Round":
        """The inverse of as_dict. Raises KeyError or TypeError for anything else."""
        wishes = tuple(
            Wish(**{**wish, "window": Window(**wish["window"])}) for wish in content["wishes"]
        )
        order = Order(**content["order"]) if content["order"] else None
        lists = {
            "notes": tuple(content["notes"]),
            "problems": tuple(_problem(problem) for problem in content["problems"]),
        }
        return Round(**{**content, **lists, "wishes": wishes, "order": order})


def _problem(content: dict | str) -> Flag:
    """A problem of a round; rounds of earlier versions hold its sentence alone."""
    if isinstance(content, str):
        return Flag(FlagKind.UNCLASSIFIED, content, subject=content)
    return Flag.from_dict(content)


def pair_overlaps(samples: Samples, overlap: np.ndarray) -> list[tuple[Window, Window, float]]:
    """Neighbours by centre with sqrt(O_ab O_ba) of MBAR's overlap matrix (K, K); series of one
    window count as one.
    """
    windows = sorted(set(samples.windows), key=lambda w: (w.center_nm, w.k))
    rows = [[i for i, w in enumerate(samples.windows) if w == window] for window in windows]

    def shared(a: int, b: int) -> float:
        return float(np.mean(overlap[np.ix_(rows[a], rows[b])].sum(axis=1)))

    return [
        (windows[i], windows[j], float(np.sqrt(shared(i, j) * shared(j, i))))
        for i, j in pairwise(range(len(windows)))
    ]


def windows_to_add(
    samples: Samples, overlap: np.ndarray, min_overlap: float
) -> tuple[list[tuple[Window, Flag]], list[Flag]]:
    """A window for every pair of neighbours that overlap too little, with the reason; and a flag
    for every pair that no window can help.

    Between two windows that hold, one more of their kind half way. Where their means m lie much
    further apart than their centres c, a window slipped over something steeper than itself: a
    stiffer one that would come to rest between the means. A window rests where the mean force k (c
    - m) of the system balances it, so its centre is (m_a + m_b)/2 + F/k with F half way between
    theirs.
    """
    means: dict[Window, list[float]] = {}
    for window, z in zip(samples.windows, samples.z, strict=True):
        means.setdefault(window, []).append(float(z.mean()))
    mean = {window: float(np.mean(values)) for window, values in means.items()}
    found, hopeless = [], []
    for a, b, shared in pair_overlaps(samples, overlap):
        if shared >= min_overlap:
            continue
        pair, k = (
            f"{a.center_nm:.3f} and {b.center_nm:.3f} nm (overlap {shared:.2g})",
            max(a.k, b.k),
        )
        center = (a.center_nm + b.center_nm) / 2
        slipped = mean[b] - mean[a] > SLIP * (b.center_nm - a.center_nm)
        if slipped:
            k = min(STIFFER * k, STIFFEST_KJ_MOL_NM2)
            force = (a.k * (a.center_nm - mean[a]) + b.k * (b.center_nm - mean[b])) / 2
            quarter = (b.center_nm - a.center_nm) / 4
            center = float(
                np.clip(
                    (mean[a] + mean[b]) / 2 + force / k,
                    a.center_nm + quarter,
                    b.center_nm - quarter,
                )
            )
        if b.center_nm - a.center_nm < CLOSEST_NM:
            text = f"windows {pair} are as close as windows get: sample longer"
            kind = FlagKind.WINDOWS_CANNOT_BE_CLOSER
            hopeless.append(Flag(kind, text, subject=_size(shared)))
            continue
        what = "a stiffer window where one slips over a barrier" if slipped else "a window"
        reason = Flag(
            FlagKind.NEEDS_WINDOW,
            f"{what} between {pair}",
            subject=f"{what}, {_size(shared)} overlap",
        )
        found.append((Window(round(center, 3), k), reason))
    return found, hopeless


def _size(overlap: float) -> str:
    """What an overlap is called: one below the smallest that is written without a power of ten is
    "vanishing".
    """
    return "vanishing" if 0 < float(f"{overlap:.2g}") < VANISHING_OVERLAP else "low"


@dataclass(frozen=True)
class Reach:
    """How far the path of a run goes and may go, and the length (nm) by which it grows."""

    to_nm: float
    limit_nm: float
    step_nm: float
    plateau_nm: float


def longer_path(change: Quantity, kT: float, reach: Reach) -> tuple[float | None, Flag | None]:
    """A new end of the path (nm) where the curve is not flat over its plateau, or None; and a
    flag when something is wrong.
    """
    if is_flat(change, kT) or not np.isfinite(change.value + change.error):
        return None, None
    size = (
        f"the curve changes by {change.value:.1f} ± {change.error:.1f} kJ/mol over the last"
        f" {reach.plateau_nm:.2f} nm"
    )
    room = int((reach.limit_nm - reach.to_nm) / reach.step_nm + 1e-6)
    if room < 1:
        end = (
            f"the path ends at {reach.to_nm:.2f} nm, where the box ends ({reach.limit_nm:.2f} nm),"
            " without a plateau"
        )
        return None, Flag(FlagKind.PATH_ENDS_WITH_BOX, f"{end}: {size}; raise gap_nm")
    steps = min(room, max(1, round(reach.plateau_nm / reach.step_nm)))
    reason = Flag(FlagKind.NEEDS_LONGER_PATH, f"{size}: a longer path")
    return round(reach.to_nm + steps * reach.step_nm, 3), reason


def centers_between(start_nm: float, stop_nm: float, spacing_nm: float) -> list[float]:
    """Centres after `start_nm` up to `stop_nm` in equal steps of about `spacing_nm`."""
    count = max(1, round((stop_nm - start_nm) / spacing_nm))
    return [float(c) for c in np.round(np.linspace(start_nm, stop_nm, count + 1)[1:], 3)]


def order_in_force(rounds: Sequence[Round], campaign: Order | None) -> tuple[Order | None, float]:
    """The newest order of a round where it is not looser than the campaign's, else that; and the
    sampling (ps) spent on it.
    """
    given = [number for number, one in enumerate(rounds) if one.order is not None]
    order, since = campaign, 0
    if given and (
        campaign is None or rounds[given[-1]].order.target_kJ_mol <= campaign.target_kJ_mol
    ):
        order, since = rounds[given[-1]].order, given[-1]
    return order, sum(one.added_ps for one in rounds[since:] if one.kind == "target")
