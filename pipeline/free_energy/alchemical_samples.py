"""What alchemical states measured: heights, and what gate and charges cost at each record.

The reduced bias of state k at record n, over the whole charges and an open gate without umbrella:

    u_kn = [0.5 k_k (z_n - c_k)^2 + G_k fill_n + b_n (s_k - 1) + c_n (s_k^2 - 1)] / kT

| symbol | here | meaning |
|---|---|---|
| c_k, k_k | center_nm, k | umbrella, nm and kJ/mol/nm2 |
| G_k | gate | strength of the gate on the pocket, kJ/mol (forcefields/hamiltonian/pocket_gate.py) |
| s_k | scale | factor on the ligand's charges (forcefields/hamiltonian/charge_scaling.py) |
| fill_n, b_n, c_n | terms | recorded with each height; no unit, kJ/mol, kJ/mol |
"""

from dataclasses import dataclass, replace

import numpy as np

from halobind.pipeline.free_energy.autocorrelation import inefficiency
from halobind.pipeline.free_energy.constants import GAS_CONSTANT
from halobind.pipeline.free_energy.samples import Conditions, EstimateError

NEGLIGIBLE_SLOPE = 1e-3
"""Standard deviation (kT) of a slope below which nothing hangs on it: a gate that nothing is in."""


@dataclass(frozen=True)
class AlchemicalState:
    """One state of an alchemical path."""

    center_nm: float
    """Centre of its umbrella, nm."""
    k: float
    """Stiffness of its umbrella, kJ/mol/nm2."""
    gate: float
    """Strength of the gate, kJ/mol; 0: open."""
    scale: float
    """Factor on the charges of the ligand; 1: whole."""

    def __str__(self) -> str:
        return f"z {self.center_nm:.3f} nm, gate {self.gate:g} kJ/mol, charges {self.scale:g}"


@dataclass(frozen=True, eq=False)
class AlchemicalSamples:
    """The samples of one run, state after state along the path from the well to the plateau.

    Raises:
        EstimateError: An array is empty, not finite, or of another length than its neighbours.
    """

    states: tuple[AlchemicalState, ...]
    """The states (K,), the well first and the plateau last."""
    z: tuple[np.ndarray, ...]
    """Heights of each state in time order, nm."""
    terms: tuple[np.ndarray, ...]
    """fill, b and c at each record of each state, (n, 3)."""
    interval_ps: float
    """Between two records."""
    temperature_K: float
    """Of the thermostat."""
    radius_nm: float
    """Of the cylinder."""
    wall_k: float
    """Stiffness of the cylinder, kJ/mol/nm2."""
    groups: tuple[int, ...] = ()
    """A number for each state: those of one group exchanged. Empty: none did."""

    def __post_init__(self) -> None:
        if not self.states or not len(self.states) == len(self.z) == len(self.terms):
            raise EstimateError(
                f"{len(self.states)} states, {len(self.z)} series of heights and"
                f" {len(self.terms)} of energies: give each state its own",
                cause="series missing",
            )
        for state, z, terms in zip(self.states, self.z, self.terms, strict=True):
            if np.ndim(z) != 1 or len(z) == 0 or np.shape(terms) != (len(z), 3):
                raise EstimateError(
                    f"state {state} has heights of shape {np.shape(z)} and energies of shape"
                    f" {np.shape(terms)}: sample it again",
                    cause="too few samples",
                )
            if not (np.all(np.isfinite(z)) and np.all(np.isfinite(terms))):
                raise EstimateError(
                    f"state {state} holds numbers that are not finite: sample it again",
                    cause="numbers not finite",
                )

    @property
    def kT(self) -> float:
        """In kJ/mol."""
        return GAS_CONSTANT * self.temperature_K

    @property
    def conditions(self) -> Conditions:
        """What a curve needs besides itself to become a binding constant."""
        return Conditions(self.temperature_K, self.radius_nm, self.wall_k, self.sampling_ns)

    @property
    def counts(self) -> np.ndarray:
        """Samples in each state, (K,)."""
        return np.array([len(z) for z in self.z])

    @property
    def sampling_ns(self) -> float:
        """Simulated time."""
        return float(self.counts.sum()) * self.interval_ps / 1000

    def bias(self) -> np.ndarray:
        """Reduced bias u[k, n] of all samples, state after state, in every state k."""
        z = np.concatenate(self.z)
        fill, b, c = np.concatenate(self.terms).T
        u = np.empty((len(self.states), len(z)))
        for k, state in enumerate(self.states):
            umbrella = 0.5 * state.k * (z - state.center_nm) ** 2
            charges = b * (state.scale - 1) + c * (state.scale**2 - 1)
            u[k] = (umbrella + state.gate * fill + charges) / self.kT
        return u

    def slopes(self) -> tuple[np.ndarray, ...]:
        """Of each state the reduced bias of the state after it less that of the state before it, a
        series (n,): what its free energies hang on.
        """
        u = self.bias()
        ends = np.cumsum(self.counts)
        last = len(self.states) - 1
        series = []
        for k, (begin, end) in enumerate(zip(ends - self.counts, ends, strict=True)):
            after = u[min(k + 1, last), begin:end]
            before = u[max(k - 1, 0), begin:end]
            series.append(after - before)
        return tuple(series)

    def inefficiencies(self) -> np.ndarray:
        """Statistical inefficiency of each state, (K,): the larger of that of its slope and that
        of its height.
        """
        pairs = zip(self.slopes(), self.z, strict=True)
        return np.array([max(_slope_inefficiency(slope), inefficiency(z)) for slope, z in pairs])

    def from_start(self, start: np.ndarray) -> "AlchemicalSamples":
        """Without the first start[k] samples of each state."""
        return self._parts([slice(int(first), None) for first in start])

    def first(self, fraction: float) -> "AlchemicalSamples":
        """The first `fraction` of every state in time, at least one sample of each."""
        return self._parts([slice(max(1, int(fraction * n + 1e-9))) for n in self.counts])

    def last(self, fraction: float) -> "AlchemicalSamples":
        """The last `fraction` of every state in time."""
        return self._parts(
            [slice(min(int((1 - fraction) * n + 1e-9), n - 1), None) for n in self.counts]
        )

    def thinned(self, most: int) -> "AlchemicalSamples":
        """Every s-th sample of every state, with the smallest s that leaves about `most` in all."""
        stride = -(-int(self.counts.sum()) // most)
        if stride == 1:
            return self
        parts = self._parts([slice(None, None, stride)] * len(self.states))
        return replace(parts, interval_ps=self.interval_ps * stride)

    def _parts(self, parts: list[slice]) -> "AlchemicalSamples":
        z = tuple(series[part] for series, part in zip(self.z, parts, strict=True))
        terms = tuple(series[part] for series, part in zip(self.terms, parts, strict=True))
        return replace(self, z=z, terms=terms)


def _slope_inefficiency(slope: np.ndarray) -> float:
    """Statistical inefficiency of a slope (kT), 1 for one that does not vary."""
    return inefficiency(slope) if slope.std() > NEGLIGIBLE_SLOPE else 1.0
