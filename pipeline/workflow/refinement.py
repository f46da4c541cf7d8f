"""What the samples of a run ask for: windows between others, a longer path, more of a target."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from halobind.pipeline.free_energy.curve_reader import is_flat
from halobind.pipeline.free_energy.flags import Flag, FlagKind
from halobind.pipeline.free_energy.quantity import Quantity
from halobind.pipeline.free_energy.samples import Samples, Window
from halobind.pipeline.sampling.rounds import Round, SamplingTarget

# means this many times further apart than their centres: something between them is steeper than the
# umbrella
SLIP_RATIO = 1.5
STIFFNESS_FACTOR = 4.0  # halves the width of a window
MAX_K_KJ_MOL_NM2 = 100_000.0
MIN_SPACING_NM = 0.004  # centres are named to 0.001 nm
VANISHING_OVERLAP = 1e-4  # pairs of windows below it and above it are reported apart


@dataclass(frozen=True)
class WindowPair:
    """Two windows that are neighbours by centre."""

    lower: Window
    """The one with the lower centre."""
    upper: Window
    """The other one."""
    overlap: float
    """sqrt(O_ab O_ba) of MBAR's overlap matrix."""

    @property
    def spacing_nm(self) -> float:
        """Between the centres."""
        return self.upper.center_nm - self.lower.center_nm

    def __str__(self) -> str:
        return (
            f"{self.lower.center_nm:.3f} and {self.upper.center_nm:.3f} nm"
            f" (overlap {self.overlap:.2g})"
        )


@dataclass(frozen=True)
class WindowsToAdd:
    """What pairs of windows that overlap too little ask for."""

    windows: tuple[tuple[Window, Flag], ...]
    """New windows, each with the reason."""
    problems: tuple[Flag, ...]
    """Pairs that no window can help."""


@dataclass(frozen=True)
class PathReach:
    """How far the path of a run goes, and how far it may go."""

    to_nm: float
    """Its end now."""
    limit_nm: float
    """Where the box ends."""
    step_nm: float
    """Between two pulled heights."""
    plateau_nm: float
    """The length of the plateau, by which it grows."""


def pair_overlaps(samples: Samples, overlap: np.ndarray) -> list[WindowPair]:
    """Every pair of neighbours by centre; series of one window count as one.

    Args:
        samples: The heights of K series.
        overlap: MBAR's overlap matrix (K, K) of them.

    Returns:
        The pairs, from the lowest.
    """
    windows = sorted(set(samples.windows), key=lambda w: (w.center_nm, w.k))
    rows = [[i for i, w in enumerate(samples.windows) if w == window] for window in windows]

    def shared(a: int, b: int) -> float:
        return float(np.mean(overlap[np.ix_(rows[a], rows[b])].sum(axis=1)))

    return [
        WindowPair(windows[i], windows[j], float(np.sqrt(shared(i, j) * shared(j, i))))
        for i, j in pairwise(range(len(windows)))
    ]


def windows_to_add(samples: Samples, overlap: np.ndarray, min_overlap: float) -> WindowsToAdd:
    """A window for every pair of neighbours that overlap too little.

    Between two windows that hold, one more of their kind half way. Where their means lie much
    further apart than their centres, a window slipped over something steeper than itself: a stiffer
    one that comes to rest between the means.

    Args:
        samples: The heights of K series.
        overlap: MBAR's overlap matrix (K, K) of them.
        min_overlap: What pairs must have.

    Returns:
        The windows with their reasons, and the pairs that are as close as windows get.
    """
    means = _window_means(samples)
    windows: list[tuple[Window, Flag]] = []
    problems: list[Flag] = []
    for pair in pair_overlaps(samples, overlap):
        if pair.overlap >= min_overlap:
            continue
        if pair.spacing_nm < MIN_SPACING_NM:
            text = f"windows {pair} are as close as windows get: sample longer"
            kind = FlagKind.WINDOWS_CANNOT_BE_CLOSER
            problems.append(Flag(kind, text, subject=_size(pair.overlap)))
            continue
        slipped = means[pair.upper] - means[pair.lower] > SLIP_RATIO * pair.spacing_nm
        if slipped:
            window = _stiffer_window(pair, means[pair.lower], means[pair.upper])
            kind_of_window = "a stiffer window where one slips over a barrier"
        else:
            center = (pair.lower.center_nm + pair.upper.center_nm) / 2
            window = Window(round(center, 3), max(pair.lower.k, pair.upper.k))
            kind_of_window = "a window"
        subject = f"{kind_of_window}, {_size(pair.overlap)} overlap"
        reason = Flag(FlagKind.NEEDS_WINDOW, f"{kind_of_window} between {pair}", subject=subject)
        windows.append((window, reason))
    return WindowsToAdd(tuple(windows), tuple(problems))


def _window_means(samples: Samples) -> dict[Window, float]:
    """The mean height (nm) of each window: that of the means of its series."""
    means: dict[Window, list[float]] = {}
    for window, z in zip(samples.windows, samples.z, strict=True):
        means.setdefault(window, []).append(float(z.mean()))
    return {window: float(np.mean(values)) for window, values in means.items()}


def _stiffer_window(pair: WindowPair, mean_lower: float, mean_upper: float) -> Window:
    """A stiffer window that comes to rest between the mean heights (nm) of two others.

    A window rests where the mean force k (c - m) of the system balances it, so its centre is
    (m_a + m_b)/2 + F/k with F half way between theirs.
    """
    a = pair.lower
    b = pair.upper
    k = min(STIFFNESS_FACTOR * max(a.k, b.k), MAX_K_KJ_MOL_NM2)
    force = (a.k * (a.center_nm - mean_lower) + b.k * (b.center_nm - mean_upper)) / 2
    quarter = (b.center_nm - a.center_nm) / 4
    center = np.clip(
        (mean_lower + mean_upper) / 2 + force / k, a.center_nm + quarter, b.center_nm - quarter
    )
    return Window(round(float(center), 3), k)


def _size(overlap: float) -> str:
    """What an overlap is called: "low", or "vanishing" where it is written with a power of ten."""
    return "vanishing" if 0 < float(f"{overlap:.2g}") < VANISHING_OVERLAP else "low"


def longer_path(change: Quantity, kT: float, reach: PathReach) -> tuple[float | None, Flag | None]:
    """Whether the path has to grow.

    Args:
        change: The rise of the curve over its plateau in kJ/mol.
        kT: In kJ/mol.
        reach: How far the path goes and may go.

    Returns:
        A new end of the path (nm) where the curve is not flat over its plateau, or None; and a
        flag when something is wrong.
    """
    if is_flat(change, kT) or not np.isfinite(change.value + change.error):
        return None, None
    size = (
        f"the curve changes by {change.value:.1f} ± {change.error:.1f} kJ/mol over the last"
        f" {reach.plateau_nm:.2f} nm"
    )
    max_steps = int((reach.limit_nm - reach.to_nm) / reach.step_nm + 1e-6)
    if max_steps < 1:
        end = (
            f"the path ends at {reach.to_nm:.2f} nm, where the box ends ({reach.limit_nm:.2f} nm),"
            " without a plateau"
        )
        return None, Flag(FlagKind.PATH_ENDS_WITH_BOX, f"{end}: {size}; raise gap_nm")
    steps = min(max_steps, max(1, round(reach.plateau_nm / reach.step_nm)))
    reason = Flag(FlagKind.NEEDS_LONGER_PATH, f"{size}: a longer path")
    return round(reach.to_nm + steps * reach.step_nm, 3), reason


def target_in_force(
    rounds: Sequence[Round], campaign: SamplingTarget | None
) -> tuple[SamplingTarget | None, float]:
    """The target that sampling goes on to.

    Args:
        rounds: What was decided so far.
        campaign: The target of the campaign file.

    Returns:
        The newest target of a round where it is not looser than the campaign's, else that; and the
        sampling (ps) spent on it.
    """
    target = campaign
    since = 0
    for number, round_ in reversed(list(enumerate(rounds))):
        if round_.target is None:
            continue
        if campaign is None or round_.target.target_kJ_mol <= campaign.target_kJ_mol:
            target = round_.target
            since = number
        break
    return target, sum(round_.added_ps for round_ in rounds[since:] if round_.kind == "target")
