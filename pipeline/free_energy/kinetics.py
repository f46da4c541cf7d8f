"""Diffusion along the coordinate, from the windows' autocorrelation, and how long a ligand stays,
from the curve and that diffusion.

    D_k = s_k^2 / int_0^inf C_k(t) dt            (Hummer, New J. Phys. 2005, 7, 34)
    tau = int_{z_min}^{z_b} dy exp(W(y)/kT)/D(y) int_{z_low}^y dz exp(-W(z)/kT)        k_off = 1/tau

tau is the mean first-passage time of diffusion on W from the bottom of the well to where the
plateau begins, with a wall at the lowest sampled height: Kramers' double integral (Zwanzig,
Nonequilibrium Statistical Mechanics, 2001, section 4.2). Because it ends behind the barrier, no
half of the crossings returns.

| symbol | here | meaning |
|---|---|---|
| s_k^2 | Samples.z | variance of the heights in window k |
| C_k | Samples.z | normalised autocorrelation of these heights; int C = g interval / 2 |
| D_k | Diffusion.D_nm2_ns | diffusion coefficient of the anchor where window k is, nm2/ns |
| W, kT | Pmf.W | curve, kJ/mol |
| z_b | Pmf.plateau | where the plateau begins |
| tau | Residence.log10_s | mean residence time, as log10 of seconds: its error is a factor |
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.integrate import cumulative_trapezoid

from halobind.pipeline.free_energy.pmf import Pmf
from halobind.pipeline.free_energy.quantity import Quantity
from halobind.pipeline.free_energy.samples import Samples

STEPS_PER_BIN = 10
"""Steps of the integrals in one bin."""
NS_PER_S = 1e9
MAX_UNRESOLVED_FRACTION = 0.1
"""Part of the way with unresolved D above which the time is called a bound."""
MIN_RESOLVED_INEFFICIENCY = 1.5
"""Below it the record interval does not resolve the correlation time, and D is a lower bound."""


@dataclass(frozen=True)
class Diffusion:
    """D (nm2/ns) at mean heights z_nm, one a series, with relative standard errors; `resolved`
    where g shows the correlation time.

    Where it is not resolved (samples recorded too far apart) D is a lower bound. `tau_ps` is the
    correlation time int C dt.
    """

    z_nm: np.ndarray
    D_nm2_ns: np.ndarray
    relative_error: np.ndarray
    tau_ps: np.ndarray
    resolved: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """Standard errors of D, nm2/ns."""
        errors: np.ndarray = self.D_nm2_ns * self.relative_error
        return errors

    def log_at(self, z: np.ndarray, shift: np.ndarray | float = 0.0) -> np.ndarray:
        """ln D at heights z, linear between the windows and level beyond them, with ln D of the
        windows moved by `shift`.
        """
        order = np.argsort(self.z_nm, kind="stable")
        ln_D: np.ndarray = np.interp(z, self.z_nm[order], (np.log(self.D_nm2_ns) + shift)[order])
        return ln_D


def diffusion(samples: Samples) -> Diffusion:
    """D of every window from the variance and correlation time of its heights, constant bias
    assumed harmonic; constant heights give NaN.

    So do windows that exchanged: their heights are of one walker after another, and decorrelate
    faster than one moves.

    The relative error of g = 2 tau/interval of N samples is sqrt(2 (2 M + 1)/N) with the sum cut at
    M lags (Madras and Sokal, J. Stat. Phys. 1988, 50, 109), here with M = 3 g, which the sum needs.
    """
    g = samples.inefficiencies()
    counts = samples.counts
    variance = np.array([z.var() for z in samples.z])
    tau = 0.5 * g * samples.interval_ps
    D = np.where((variance > 0) & (not samples.groups), variance, np.nan) / (tau / 1000)
    error = np.minimum(1.0, np.sqrt(2 * (6 * g + 1) / counts))
    return Diffusion(
        np.array([z.mean() for z in samples.z]), D, error, tau, g >= MIN_RESOLVED_INEFFICIENCY
    )


@dataclass(frozen=True)
class Residence:
    """log10 of the mean residence time in seconds; `is_bound` where D is not resolved over a tenth
    or more of the way: a longest time.
    """

    log10_s: Quantity
    is_bound: bool


def residence(pmf: Pmf, mobility: Diffusion, kT: float, seed: int = 0) -> Residence:
    """The mean residence time; its error from the resamples of the curve, each with D drawn within
    its error, as `seed` decides.
    """
    random = np.random.default_rng(seed)
    values = []
    value, unresolved = _log10_time(pmf, pmf.W, mobility, kT)
    for W in pmf.curves:
        shift = random.normal(0.0, 1.0, len(mobility.z_nm)) * mobility.relative_error
        values.append(_log10_time(pmf, W, mobility, kT, shift)[0])
    return Residence(
        Quantity(value, float(pmf.error(np.array(values)))), unresolved > MAX_UNRESOLVED_FRACTION
    )


def _log10_time(
    pmf: Pmf, W: np.ndarray, mobility: Diffusion, kT: float, shift: np.ndarray | float = 0.0
) -> tuple[float, float]:
    """log10 of the double integral in seconds, and the part of it where D is not resolved; ln D of
    the windows is moved by `shift`.

    NaN where the curve is unknown. Empty bins between others are bridged.
    """
    stop = pmf.plateau[0]
    known = np.isfinite(W)
    inside = np.flatnonzero(known[:stop])
    if len(inside) < 2 or not known[stop:].any():
        return math.nan, 0.0
    low = int(inside[0])
    z = np.linspace(
        pmf.z_nm[low], pmf.z_nm[stop] - pmf.bin_nm / 2, (stop - low) * STEPS_PER_BIN + 1
    )
    w = np.interp(z, pmf.z_nm[known], W[known]) / kT
    below = cumulative_trapezoid(np.exp(w.min() - w), z, initial=0.0)
    core = int(np.searchsorted(z, pmf.z_nm[pmf.core[0]]))
    part = slice(max(1, core + int(np.argmin(w[core:]))), None)
    outer = w[part] - w.min() + np.log(below[part]) - mobility.log_at(z[part], shift)
    weight = np.exp(outer - outer.max())
    total = float(np.trapezoid(weight, z[part]))
    if not total > 0:
        return math.nan, 0.0
    order = np.argsort(mobility.z_nm, kind="stable")
    unresolved = np.interp(z[part], mobility.z_nm[order], (~mobility.resolved)[order].astype(float))
    return float((outer.max() + math.log(total)) / math.log(10) - math.log10(NS_PER_S)), float(
        weight @ unresolved / weight.sum()
    )
