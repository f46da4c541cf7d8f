"""From the curve to the binding free energy: depth, barriers and the standard-state value, each
with an error and its flaws.

    K_a = A_eff int_bound exp(-(W(z) - W_bulk)/kT) dz            dG0 = -kT ln(K_a c0)
    A_eff = int_0^inf 2 pi r exp(-U(r)/kT) dr = pi R^2 + 2 pi (R sqrt(pi kT/(2 k)) + kT/k)

| symbol | here | meaning |
|---|---|---|
| W | Pmf.W | curve, kJ/mol |
| W_bulk | (zero of W) | its plateau, -kT ln of the mean of exp(-W/kT) over the plateau |
| bound | stop | from the lowest sampled height to the top of the barrier, else to the plateau |
| R, k, U | Samples.radius_nm, wall_k | lateral cylinder, U = 0.5 k max(0, r - R)^2 |
| A_eff | curve_reader.cylinder_area | area that the unbound anchor explores at one height, nm2 |
| c0 | constants.STANDARD_PER_NM3 | 1 mol/L = 0.602214076 molecules per nm3 |
| K_a | Binding.K_a_nm3 | binding constant, volume per molecule |

The soft edge of the cylinder adds about 10 % to pi R^2.
"""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from halobind.pipeline.free_energy.convergence_checks import (
    EstimatorDifference,
    curve_flags,
    estimator_flags,
    time_flags,
    window_flags,
)
from halobind.pipeline.free_energy.curve_reader import CurveAnalysis, Landmarks, find_landmarks
from halobind.pipeline.free_energy.flags import Flag
from halobind.pipeline.free_energy.jsonable import float_or_nan, jsonable
from halobind.pipeline.free_energy.kinetics import Diffusion, Residence, diffusion, residence
from halobind.pipeline.free_energy.pmf import Pmf
from halobind.pipeline.free_energy.quantity import Quantity
from halobind.pipeline.free_energy.samples import Conditions, Samples
from halobind.pipeline.free_energy.settings import EstimateSettings
from halobind.pipeline.free_energy.umbrella_pmf import FRACTIONS, UmbrellaPmf


@dataclass(frozen=True)
class Binding:
    """Binding numbers of one run, or their mean over `replicas` runs; kJ/mol, nm, K, ns. Barriers
    are over the well and over the plateau.

    `flags` say what is wrong, with numbers; a binding without flags is converged. Without a maximum
    above the plateau (`has_barrier` false) the adsorption barrier is 0 and the desorption barrier
    the depth.

    `penetration_nm` is how far below its site plane the anchor is on average, weighed by exp(-W/kT)
    over the bound region of K_a: positive inside the crystal, negative above the plane.
    `residence_log10_s` is log10 of the mean residence time in seconds
    (pipeline/free_energy/kinetics.py), a longest one where `residence_is_bound`. The `difference`
    fields say what the estimator farthest from MBAR gives less what MBAR gives.
    """

    dG0_kJ_mol: Quantity
    well_depth_kJ_mol: Quantity
    z_min_nm: Quantity
    desorption_barrier_kJ_mol: Quantity
    adsorption_barrier_kJ_mol: Quantity
    K_a_nm3: Quantity
    penetration_nm: Quantity
    residence_log10_s: Quantity
    has_barrier: bool
    temperature_K: float
    sampling_ns: float
    n_windows: int
    min_overlap: float
    dG0_difference_kJ_mol: float = math.nan
    well_depth_difference_kJ_mol: float = math.nan
    residence_is_bound: bool = False
    replicas: int = 1
    flags: tuple[Flag, ...] = ()

    @property
    def converged(self) -> bool:
        return not self.flags

    def as_dict(self) -> dict[str, Any]:
        """For JSON: nested dicts, with None for what is not finite."""
        content = {**asdict(self), "flags": [flag.as_dict() for flag in self.flags]}
        return {key: jsonable(value) for key, value in content.items()}

    @staticmethod
    def from_dict(content: dict[str, Any]) -> "Binding":
        """The inverse of as_dict."""
        values = {f.name: content[f.name] for f in fields(Binding)}
        for name in QUANTITIES:
            values[name] = Quantity(**{key: float_or_nan(x) for key, x in values[name].items()})
        numbers = {name: float_or_nan(values[name]) for name in FLOATS}
        flags = tuple(Flag.from_dict(flag) for flag in values["flags"])
        return Binding(**{**values, **numbers, "flags": flags})


QUANTITIES = (
    "dG0_kJ_mol",
    "well_depth_kJ_mol",
    "z_min_nm",
    "desorption_barrier_kJ_mol",
    "adsorption_barrier_kJ_mol",
    "K_a_nm3",
    "penetration_nm",
    "residence_log10_s",
)
"""The fields of Binding that are numbers with an error."""
FLOATS = (
    "temperature_K",
    "sampling_ns",
    "min_overlap",
    "dG0_difference_kJ_mol",
    "well_depth_difference_kJ_mol",
)
"""The fields of Binding that are numbers without one, and may be NaN."""


def compute_binding(
    pmf: UmbrellaPmf, samples: Samples, settings: EstimateSettings, seed: int = 0
) -> Binding:
    """The binding numbers of one run from its umbrella windows. Raises EstimateError when no sample
    lies before the plateau.
    """
    numbers = curve_binding(pmf, samples.conditions, diffusion(samples), seed)
    overlap = float(pmf.neighbour_overlap.min())
    return replace(
        numbers,
        n_windows=len(samples.distinct),
        min_overlap=overlap if math.isfinite(overlap) else math.nan,
        flags=(*window_flags(pmf, samples, settings), *numbers.flags),
    )


def curve_binding(
    pmf: Pmf, conditions: Conditions, mobility: Diffusion | None = None, seed: int = 0
) -> Binding:
    """The binding numbers of any curve with resamples; without `mobility` there is no residence
    time, without windows none is counted.

    `seed` decides the draws of the diffusion coefficients. Raises EstimateError when the curve has
    nothing before its plateau.
    """
    analysis = CurveAnalysis.of(pmf, conditions)
    marks = find_landmarks(analysis)
    over_well = Quantity(-marks.depth.value, marks.depth.error)
    if marks.has_barrier:
        over_well = analysis.quantity(lambda W: analysis.rise(W, marks.low + 1) - analysis.depth(W))
    dG0, height = (
        analysis.quantity(analysis.free_energy, marks.stop),
        analysis.quantity(analysis.mean_height, marks.stop),
    )
    others = other_estimators(analysis, marks, dG0)
    where = analysis.quantity(analysis.position)
    unknown = Residence(Quantity(math.nan, math.nan), False)
    stay = residence(pmf, mobility, conditions.kT, seed) if mobility else unknown
    flags = (
        curve_flags(analysis, marks)
        + time_flags(analysis, dG0, marks)
        + estimator_flags(others, dG0, marks.depth, conditions.kT)
    )
    return Binding(
        dG0_kJ_mol=dG0,
        well_depth_kJ_mol=marks.depth,
        z_min_nm=Quantity(
            where.value, math.hypot(where.error, pmf.bin_nm / math.sqrt(12))
        ),  # a bin cannot resolve better
        desorption_barrier_kJ_mol=over_well,
        adsorption_barrier_kJ_mol=(
            marks.rise if marks.has_barrier else Quantity(0.0, marks.rise.error)
        ),
        K_a_nm3=analysis.quantity(analysis.association, marks.stop),
        penetration_nm=Quantity(-height.value, height.error),
        residence_log10_s=stay.log10_s,
        residence_is_bound=stay.is_bound,
        has_barrier=marks.has_barrier,
        temperature_K=conditions.temperature_K,
        sampling_ns=conditions.sampling_ns,
        n_windows=0,
        min_overlap=math.nan,
        dG0_difference_kJ_mol=largest(difference.dG0 for difference in others.values()),
        well_depth_difference_kJ_mol=largest(difference.depth for difference in others.values()),
        flags=tuple(flags),
    )


def plateau_rise(pmf: Pmf, samples: Samples) -> Quantity:
    """Rise (kJ/mol) of the curve over its plateau: zero within its error where there is one."""
    analysis = CurveAnalysis.of(pmf, samples.conditions)
    return analysis.quantity(analysis.plateau_change)


def other_estimators(
    analysis: CurveAnalysis, marks: Landmarks, dG0: Quantity
) -> dict[str, EstimatorDifference]:
    """What each other estimator gives less what MBAR gives, by the name of the estimator."""
    return {
        name: EstimatorDifference(
            dG0=analysis.free_energy(W, marks.stop) - dG0.value,
            depth=analysis.depth(W) - marks.depth.value,
        )
        for name, W in analysis.pmf.others.items()
    }


def largest(differences: Iterable[float]) -> float:
    """The one farthest from zero, with its sign; NaN when there is none or one is not finite."""
    values = list(differences)
    return max(values, key=abs) if values and all(map(math.isfinite, values)) else math.nan


def convergence(pmf: UmbrellaPmf, conditions: Conditions) -> list[tuple[float, ...]]:
    """The rows of `convergence_rows` for a curve from umbrella windows."""
    analysis = CurveAnalysis.of(pmf, conditions)
    marks = find_landmarks(analysis)
    return convergence_rows(analysis, marks, forward=pmf.forward, backward=pmf.backward)


def convergence_rows(
    analysis: CurveAnalysis, marks: Landmarks, *, forward: np.ndarray, backward: np.ndarray
) -> list[tuple[float, ...]]:
    """Rows (fraction, then value and error from the first and from the last part of the data, of
    dG0 and of the well depth), kJ/mol.

    The error at fraction f is that of all data over sqrt(f).

    Args:
        analysis: Of the curve from all data.
        marks: Where its well is.
        forward: The curve from the first FRACTIONS of the data, (F, n).
        backward: The curve from the last FRACTIONS of the data, (F, n).
    """
    dG0, rows = analysis.quantity(analysis.free_energy, marks.stop), []
    for fraction, parts in zip(FRACTIONS, zip(forward, backward, strict=True), strict=True):
        row = [fraction]
        for whole, read in (
            (dG0, lambda W: analysis.free_energy(W, marks.stop)),
            (marks.depth, analysis.depth),
        ):
            row += [x for W in parts for x in (read(W), whole.error / math.sqrt(fraction))]
        rows.append(tuple(row))
    return rows
