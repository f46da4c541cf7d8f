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

from halobind.pipeline.free_energy.quantity import Quantity
from halobind.pipeline.results.table_rows import TableRow, ligand_rows


@dataclass(frozen=True)
class Enthalpy:
    """Enthalpy and entropy of binding of one ligand; dG0 = dH - T dS at the mean temperature T."""

    rows: tuple[TableRow, ...]
    """The ligand at each temperature, from the lowest."""
    temperatures_K: tuple[float, ...]
    """The temperatures of the rows."""
    dH_kJ_mol: Quantity
    """Enthalpy of binding."""
    TdS_kJ_mol: Quantity
    """Entropy of binding times the mean temperature."""
    misfit: float
    """Root of chi^2 over its degrees of freedom; NaN for two temperatures.

    Well above 1, the points are on no line.
    """

    @property
    def mean_K(self) -> float:
        """The mean of the temperatures."""
        return float(np.mean(self.temperatures_K))


def find_enthalpies(runs: Sequence[TableRow]) -> list[Enthalpy]:
    """One for each ligand with dG0 at two temperatures or more, all else equal."""
    groups: dict[tuple[str, ...], list[TableRow]] = {}
    for row in ligand_rows(runs):
        if row.has_dG0:
            groups.setdefault(row.labels[:-1], []).append(row)
    enthalpies = []
    for group in groups.values():
        rows = sorted(group, key=lambda row: row.known_binding.temperature_K)
        temperatures = np.array([row.known_binding.temperature_K for row in rows])
        if len(set(temperatures.tolist())) > 1:
            enthalpies.append(_fit_line(rows, temperatures))
    return enthalpies


def _fit_line(rows: list[TableRow], T: np.ndarray) -> Enthalpy:
    """The weighted line through dG0/T; where an error is not known, equal weights and no errors.

    Own normal equations: the last digits of numpy.polyfit differ, and they are in the table.

    Args:
        rows: the ligand at each temperature.
        T: the temperatures (K), (n,).
    """
    dG = np.array([row.known_binding.dG0_kJ_mol.value for row in rows])
    error = np.array([row.known_binding.dG0_kJ_mol.error for row in rows])
    errors_known = bool(np.all(np.isfinite(error) & (error > 0)))
    sigma = error / T if errors_known else np.ones(len(T))
    design = np.column_stack([1 / T, -np.ones(len(T))]) / sigma[:, None]
    covariance = np.linalg.inv(design.T @ design)
    dH, dS = covariance @ design.T @ (dG / T / sigma)
    residual = float(np.sum(((dG / T - dH / T + dS) / sigma) ** 2))
    dH_error, dS_error = np.sqrt(np.diag(covariance)) if errors_known else (math.nan, math.nan)
    freedom = len(T) - 2
    misfit = math.sqrt(residual / freedom) if errors_known and freedom > 0 else math.nan
    mean = float(T.mean())
    return Enthalpy(
        tuple(rows),
        tuple(map(float, T)),
        Quantity(float(dH), float(dH_error)),
        Quantity(float(mean * dS), float(mean * dS_error)),
        misfit,
    )
