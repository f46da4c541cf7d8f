"""What is wrong with an estimate, as flags with numbers; an estimate without any is converged."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from halobind.pipeline.free_energy.curve_reader import CurveAnalysis, Landmarks, is_flat
from halobind.pipeline.free_energy.flags import Flag, FlagKind, about
from halobind.pipeline.free_energy.quantity import Quantity
from halobind.pipeline.free_energy.samples import Samples
from halobind.pipeline.free_energy.settings import EstimateSettings
from halobind.pipeline.free_energy.umbrella_pmf import UmbrellaPmf

UNCONNECTED_OVERLAP = 1e-3
"""Below it the samples say next to nothing about the step between two windows."""


def window_flags(pmf: UmbrellaPmf, samples: Samples, settings: EstimateSettings) -> list[Flag]:
    """What is wrong with the windows: overlap, independent samples, block length.

    Args:
        pmf: The curve of the windows.
        samples: What the windows measured.
        settings: With the least overlap and the least number of independent samples.
    """
    total = len(samples.distinct)
    flags: list[Flag] = []
    poor = samples.windows_where(pmf.neighbour_overlap < settings.min_overlap)
    if poor:
        flags.append(
            Flag(
                FlagKind.LOW_OVERLAP,
                f"{poor} of {total} windows overlap below {settings.min_overlap:g} with a"
                " neighbour",
            )
        )
    lowest = float(pmf.neighbour_overlap.min())
    if lowest < UNCONNECTED_OVERLAP:
        flags.append(
            Flag(
                FlagKind.UNCONNECTED_WINDOWS,
                f"error is a lower bound: neighbour windows overlap by no more than {lowest:.0e}",
                error_is_bound=True,
                subject="" if lowest else "no overlap at all",
            )
        )
    effective = samples.effective_counts()
    few = samples.windows_where(effective < settings.min_effective_samples)
    worst = int(np.argmin(effective))
    text = (
        f"{int(effective[worst])} independent samples in window"
        f" {samples.windows[worst].center_nm:.3f}"
    )
    if few == 1:
        flags.append(Flag(FlagKind.FEW_INDEPENDENT_SAMPLES, f"only {text}", subject="one window"))
    elif few:
        flags.append(
            Flag(
                FlagKind.FEW_INDEPENDENT_SAMPLES,
                f"fewer than {settings.min_effective_samples:g} independent samples in {few} of"
                f" {total} windows (worst: {text})",
                subject="several windows",
            )
        )
    short = samples.windows_where(pmf.blocks.short)
    if short:
        flags.append(
            Flag(
                FlagKind.SHORT_TIME_BLOCKS,
                "error is a lower bound: time blocks are shorter than 2 correlation times in"
                f" {short} of {total} windows",
                error_is_bound=True,
            )
        )
    return flags


def curve_flags(analysis: CurveAnalysis, marks: Landmarks) -> list[Flag]:
    """What is wrong with the curve: gaps, a well at the edge, no plateau.

    Args:
        analysis: Reads the curve.
        marks: Where its well and barrier are.
    """
    pmf = analysis.pmf
    low = marks.low
    flags: list[Flag] = []
    empty = np.flatnonzero(np.isnan(pmf.W[slice(*pmf.middle)])) + pmf.middle[0]
    if len(empty):
        runs = np.split(empty, np.flatnonzero(np.diff(empty) > 1) + 1)
        widest = max(runs, key=len)
        where = (
            f"{pmf.z_nm[widest[0]] - pmf.bin_nm / 2:.3f} to"
            f" {pmf.z_nm[widest[-1]] + pmf.bin_nm / 2:.3f} nm"
        )
        flags.append(
            Flag(
                FlagKind.GAPS,
                f"sampled range has gaps: {len(empty)} of {np.diff(pmf.middle)[0]} bins are empty,"
                f" the widest gap is {where}",
            )
        )
    below = np.nan_to_num(pmf.W[pmf.core[0] : low] - pmf.W[low])
    if marks.depth.value < -analysis.kT and np.max(below, initial=0.0) < analysis.kT:
        flags.append(
            Flag(
                FlagKind.WELL_AT_EDGE,
                f"the well lies at the edge of the sampled range ({pmf.z_nm[low]:.3f} nm)",
            )
        )
    change = analysis.quantity(analysis.plateau_change)
    length = (pmf.plateau[1] - pmf.plateau[0]) * pmf.bin_nm
    if not math.isfinite(change.value + change.error):
        flags.append(
            Flag(
                FlagKind.NO_PLATEAU,
                f"no plateau: there are too few samples in the last {length:.2f} nm, so dG0 is not"
                " a binding energy",
                subject="too few samples",
            )
        )
    elif not is_flat(change, analysis.kT):
        rises = change.value > 0
        verb = "rises" if rises else "falls"
        bound = "an upper" if rises else "a lower"
        size = (
            f"{verb} by {abs(change.value):.1f} ± {change.error:.1f} kJ/mol over the last"
            f" {length:.2f} nm"
        )
        flags.append(
            Flag(
                FlagKind.NO_PLATEAU,
                f"no plateau: the curve still {size}, so dG0 is only {bound} bound",
                subject=verb,
            )
        )
    elif change.error > analysis.kT / 2:
        size = f"{change.value:.1f} ± {change.error:.1f} kJ/mol"
        flags.append(
            Flag(
                FlagKind.UNRESOLVED_PLATEAU,
                f"plateau not resolved: the curve changes by {size} over the last {length:.2f} nm",
            )
        )
    return flags


def time_flags(analysis: CurveAnalysis, dG0: Quantity, marks: Landmarks) -> list[Flag]:
    """Whether the halves of the data in time agree in dG0 and in the depth of the well.

    They do within twice the error of their difference, which is twice the error of the whole.

    Args:
        analysis: Reads the curves.
        dG0: Of all data, kJ/mol.
        marks: Where well and barrier of the curve of all data are.
    """
    flags: list[Flag] = []
    for name, whole, read in (
        ("dG0", dG0, lambda W: analysis.free_energy(W, marks.stop)),
        ("well depth", marks.depth, analysis.depth),
    ):
        first = read(analysis.pmf.halves[0])
        second = read(analysis.pmf.halves[1])
        if not math.isfinite(first - second):
            flags.append(
                Flag(
                    FlagKind.HALF_WITHOUT_NUMBER,
                    f"a half of the data gives no {name}: sample longer",
                    subject=name,
                )
            )
        elif not abs(first - second) <= max(4 * whole.error, analysis.kT):
            flags.append(
                Flag(
                    FlagKind.HALVES_DIFFER,
                    f"halves of the data differ by {abs(first - second):.1f} kJ/mol in {name}"
                    f" (error {whole.error:.1f})",
                    subject=about(name, whole.error),
                )
            )
    return flags


@dataclass(frozen=True)
class EstimatorDifference:
    """What another estimator gives less what MBAR gives."""

    dG0: float
    """Of the binding free energy, kJ/mol; NaN where the estimator gives none."""
    depth: float
    """Of the depth of the well, kJ/mol; NaN where the estimator gives none."""


def estimator_flags(
    differences: Mapping[str, EstimatorDifference], dG0: Quantity, depth: Quantity, kT: float
) -> list[Flag]:
    """Which estimators differ from MBAR by more than twice its error and kT/2.

    Args:
        differences: By the name of the estimator.
        dG0: By MBAR, kJ/mol.
        depth: Of the well by MBAR, kJ/mol.
        kT: kJ/mol.
    """
    flags: list[Flag] = []
    for name, differs in differences.items():
        for quantity, difference, whole in (
            ("dG0", differs.dG0, dG0),
            ("well depth", differs.depth, depth),
        ):
            if not math.isfinite(difference):
                flags.append(
                    Flag(
                        FlagKind.ESTIMATOR_WITHOUT_NUMBER,
                        f"{name} gives no {quantity}: sample longer",
                        subject=f"{name}, {quantity}",
                    )
                )
            elif abs(difference) > max(2 * whole.error, kT / 2):
                flags.append(
                    Flag(
                        FlagKind.ESTIMATORS_DIFFER,
                        f"{name} differs from MBAR by {difference:.1f} kJ/mol in {quantity} (error"
                        f" {whole.error:.1f})",
                        subject=f"{name}, {quantity}",
                    )
                )
    return flags
