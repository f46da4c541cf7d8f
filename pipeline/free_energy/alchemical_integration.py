"""Free energies of alchemical states by thermodynamic integration, an estimator beside MBAR.

Between neighbours that differ in one parameter x (centre, ln k, gate or charge scale)

    F(x1) - F(x0) = h/2 (g0 + g1) + h^2/12 (g0' - g1')        h = x1 - x0
    g = <dU/dx>        g' = <d2U/dx2> - var(dU/dx)/kT

the trapezoid with its end correction (Abramowitz and Stegun 1972, 25.4.3, with the derivative of a
mean as its fluctuation). Symbols as in alchemical_samples.py.
"""

import math
from dataclasses import dataclass

import numpy as np

from halobind.pipeline.free_energy.alchemical_samples import AlchemicalSamples, AlchemicalState


@dataclass(frozen=True)
class _Slope:
    """The derivative of the potential energy of a state by one parameter."""

    mean: float
    """g, kJ/mol per unit of the parameter."""
    change: float
    """g', kJ/mol per squared unit."""


def integrated_f(samples: AlchemicalSamples) -> np.ndarray:
    """Reduced free energies of the states (K,), 0 for the first; NaN from where two neighbours
    differ in more than one parameter.
    """
    f = np.zeros(len(samples.states))
    for i in range(1, len(f)):
        f[i] = f[i - 1] + _difference(samples, i - 1) / samples.kT
    return f


def _difference(samples: AlchemicalSamples, i: int) -> float:
    """Free energy of state i + 1 less that of state i, kJ/mol."""
    first = samples.states[i]
    second = samples.states[i + 1]
    changed = [
        name
        for name in ("center_nm", "k", "gate", "scale")
        if getattr(first, name) != getattr(second, name)
    ]
    if not changed:
        return 0.0
    if len(changed) > 1:
        return math.nan
    name = changed[0]
    step = float(getattr(second, name) - getattr(first, name))
    if name == "k":
        step = math.log(second.k / first.k)
    a = _slope(samples, i, name)
    b = _slope(samples, i + 1, name)
    return step / 2 * (a.mean + b.mean) + step**2 / 12 * (a.change - b.change)


def _slope(samples: AlchemicalSamples, i: int, name: str) -> _Slope:
    """The derivative by the parameter `name` in state i."""
    state = samples.states[i]
    derivative, second = _derivatives(state, samples.z[i], samples.terms[i], name)
    change = float(second.mean() - derivative.var() / samples.kT)
    return _Slope(float(derivative.mean()), change)


def _derivatives(
    state: AlchemicalState, z: np.ndarray, terms: np.ndarray, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """dU/dx and d2U/dx2 at each record, (n,) each; for "k" by ln k."""
    fill, b, c = terms.T
    displacement = z - state.center_nm
    if name == "center_nm":
        return -state.k * displacement, np.full(len(z), state.k)
    if name == "k":
        energy = 0.5 * state.k * displacement**2
        return energy, energy
    if name == "gate":
        return fill, np.zeros(len(z))
    return b + 2 * c * state.scale, 2 * c
