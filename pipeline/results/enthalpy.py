"""Enthalpy and entropy of binding from runs that differ in temperature only.

    dG0/T = dH (1/T) - dS        so that dH = d(dG0/T)/d(1/T)

A straight line through dG0/T against 1/T, weighed by 1/error^2: with two temperatures the finite
difference, with more a fit. Heat capacity is taken as zero over the range, and the standard state
is 1 mol/L at every temperature.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from halobind.pipeline.free_energy.samples import Quantity
from halobind.pipeline.results.table_rows import Row, ligand_rows


@dataclass(frozen=True)
class Enthalpy:
    """dH and T dS (kJ/mol) of one ligand at the mean of `temperatures_K`, T, from one of `rows`
    each; dG0 = dH - T dS there.

    `misfit` is the root of chi^2 over its degrees of freedom: well above 1, the points are on no
    line. NaN for two temperatures.
    """

    rows: tuple[Row, ...]
    temperatures_K: tuple[float, ...]
    dH_kJ_mol: Quantity
    TdS_kJ_mol: Quantity
    misfit: float

    @property
    def mean_K(self) -> float:
        return float(np.mean(self.temperatures_K))


def enthalpies(runs: Sequence[Row]) -> list[Enthalpy]:
    """One for each ligand that has binding free energies at two temperatures or more, all else
    equal.
    """
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in ligand_rows(runs):
        if row.binding and math.isfinite(row.binding.dG0_kJ_mol.value):
            groups.setdefault(row.labels[:-1], []).append(row)
    found = []
    for rows in groups.values():
        rows = sorted(rows, key=lambda row: row.binding.temperature_K)
        temperatures = tuple(row.binding.temperature_K for row in rows)
        if len(set(temperatures)) > 1:
            found.append(_fit(rows, np.array(temperatures)))
    return found


def _fit(rows: list[Row], T: np.ndarray) -> Enthalpy:
    """The line; without an error for every point it has equal weights and its numbers have no
    error.
    """
    dG, error = (
        np.array([getattr(row.binding.dG0_kJ_mol, name) for row in rows])
        for name in ("value", "error")
    )
    known = bool(np.all(np.isfinite(error) & (error > 0)))
    sigma = error / T if known else np.ones(len(T))
    design = np.column_stack([1 / T, -np.ones(len(T))]) / sigma[:, None]
    covariance = np.linalg.inv(design.T @ design)
    dH, dS = covariance @ design.T @ (dG / T / sigma)
    residual = float(np.sum(((dG / T - dH / T + dS) / sigma) ** 2))
    dH_error, dS_error = np.sqrt(np.diag(covariance)) if known else (math.nan, math.nan)
    misfit = math.sqrt(residual / (len(T) - 2)) if known and len(T) > 2 else math.nan
    mean = float(T.mean())
    return Enthalpy(
        tuple(rows),
        tuple(map(float, T)),
        Quantity(float(dH), float(dH_error)),
        Quantity(float(mean * dS), float(mean * dS_error)),
        misfit,
    )
