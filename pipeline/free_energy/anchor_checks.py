"""Whether the anchor was where the coordinate means it to be: not under the crystal, not outside
the cylinder, and spread over it.
"""

import math
from collections.abc import Sequence

import numpy as np

from halobind.pipeline.free_energy.alchemical_samples import AlchemicalSamples
from halobind.pipeline.free_energy.autocorrelation import inefficiency
from halobind.pipeline.free_energy.flags import Flag, FlagKind
from halobind.pipeline.free_energy.metadynamics_pmf import WalkerSamples
from halobind.pipeline.free_energy.samples import Conditions, Samples, Window
from halobind.pipeline.free_energy.settings import EstimateSettings

UNDER_CRYSTAL_NM = -0.45
"""Three quarters of a unit cell below the site plane, behind the first layer of metal."""
UNDER_WINDOW_NM = 0.15
"""Below the lowest window: with k = 2000 kJ/mol/nm2 that is 9 kT."""
TOLERATED_FRACTION = 0.01
"""Of the samples of a window or walker that may be where the anchor should not be."""
WALL_KT = 8
"""A soft wall lets the anchor as far out as costs this: less than 1e-4 of the samples are there."""


def anchor_flags(
    samples: Samples | WalkerSamples | AlchemicalSamples, lateral: Sequence[np.ndarray]
) -> list[Flag]:
    """A flag where the anchor was under the crystal, or outside its cylinder, in over 1 % of
    the samples of a window or walker.

    `lateral` are the distances (nm) from the site axis, like samples.z.
    """
    if isinstance(samples, WalkerSamples):
        owners: Sequence[object] = range(len(samples.z))
        lowest = samples.hills.path_nm[0]
        kind = "walkers"
    elif isinstance(samples, AlchemicalSamples):
        owners = samples.states
        lowest = min(state.center_nm for state in samples.states)
        kind = "states"
    else:
        owners = samples.windows
        lowest = min(window.center_nm for window in samples.windows)
        kind = "windows"
    flags: list[Flag] = []
    total = len(set(owners))
    conditions = samples.conditions
    floor = min(UNDER_CRYSTAL_NM, lowest - UNDER_WINDOW_NM)
    under = {
        owner
        for owner, z in zip(owners, samples.z, strict=True)
        if np.mean(z < floor) > TOLERATED_FRACTION
    }
    if under:
        deepest = min(float(z.min()) for z in samples.z)
        flags.append(
            Flag(
                FlagKind.UNDER_CRYSTAL,
                f"the ligand was under the crystal in {len(under)} of {total} {kind} (anchor down"
                f" to {deepest:.2f} nm): the path is wrong",
            )
        )
    edge = conditions.radius_nm + math.sqrt(2 * WALL_KT * conditions.kT / conditions.wall_k)
    outside = {
        owner
        for owner, r in zip(owners, lateral, strict=True)
        if np.mean(r > edge) > TOLERATED_FRACTION
    }
    if outside:
        farthest = max(float(r.max()) for r in lateral)
        where = f"{farthest:.2f} nm from the axis, where the wall ends at {edge:.2f}"
        flags.append(
            Flag(
                FlagKind.OUTSIDE_CYLINDER,
                f"the anchor was outside its cylinder in {len(outside)} of {total} {kind}"
                f" ({where}): use a stiffer wall or shorter steps",
            )
        )
    return flags


def cylinder_flags(
    samples: Samples, lateral: Sequence[np.ndarray], settings: EstimateSettings
) -> list[Flag]:
    """Whether the unbound anchor is spread evenly over the cylinder, as K_a takes for granted, in
    the plateau windows.
    """
    top = max(window.center_nm for window in samples.windows)
    plateau_windows: set[Window] = set()
    failed: set[Window] = set()
    for window, r in zip(samples.windows, lateral, strict=True):
        if window.center_nm < top - settings.plateau_nm:
            continue
        plateau_windows.add(window)
        if unexplored(r[int(settings.discard_fraction * len(r)) :], samples.conditions, settings):
            failed.add(window)
    return _unexplored_flags(len(failed), f"{len(plateau_windows)} plateau windows")


def walker_cylinder_flags(
    walks: WalkerSamples, lateral: Sequence[np.ndarray], settings: EstimateSettings
) -> list[Flag]:
    """Whether each walker's anchor, while on the plateau, is spread evenly over the cylinder (the
    bias acts along z only).
    """
    start = walks.hills.path_nm[1] - settings.plateau_nm
    failed = 0
    for z, r in zip(walks.z, lateral, strict=True):
        kept = slice(int(settings.discard_fraction * len(r)), None)
        failed += unexplored(r[kept][z[kept] > start], walks.conditions, settings)
    return _unexplored_flags(failed, f"{len(walks.z)} walkers")


def plateau_cylinder_flags(
    samples: AlchemicalSamples, lateral: Sequence[np.ndarray], settings: EstimateSettings
) -> list[Flag]:
    """Whether the anchor is spread evenly over the cylinder in the last state, of whole charges."""
    r = lateral[-1]
    kept = r[int(settings.discard_fraction * len(r)) :]
    failed = unexplored(kept, samples.conditions, settings)
    return _unexplored_flags(int(failed), "1 plateau state")


def _unexplored_flags(failed: int, total: str) -> list[Flag]:
    if not failed:
        return []
    text = f"the unbound head has not explored its cylinder in {failed} of {total}"
    return [Flag(FlagKind.UNEXPLORED_CYLINDER, text)]


def unexplored(r: np.ndarray, conditions: Conditions, settings: EstimateSettings) -> bool:
    """Whether distances (nm) from the axis are not those of an anchor that is spread evenly over
    the cylinder with its soft wall.

    They are not when there are fewer independent samples of r^2 than asked for, or its mean is off
    by more than three standard errors.
    """
    kT = conditions.kT
    wall_k = conditions.wall_k
    radius = conditions.radius_nm
    grid = np.linspace(0, radius + 10 * math.sqrt(kT / wall_k), 4001)
    weight = grid * np.exp(-0.5 * wall_k * np.maximum(0, grid - radius) ** 2 / kT)
    square = r**2
    independent = len(square) / inefficiency(square) if len(square) else 0.0
    if independent < settings.min_effective_samples:
        return True
    return bool(
        abs(square.mean() - np.sum(weight * grid**2) / np.sum(weight))
        > 3 * square.std() / math.sqrt(independent)
    )
