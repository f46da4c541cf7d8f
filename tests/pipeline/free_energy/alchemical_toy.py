"""A ligand, its charges and its pocket as a toy whose free energies follow by quadrature.

The head is at z, a solvent molecule fills the pocket by y (0 to 1) when the head is away:

    U(z, y; s, G) = V(z) (s + s^2)/2 + solvation(z) + E y [z > POCKET] + G y        y = 0 for z < POCKET

V is a well with a Coulomb-like tail, so that b = V/2 and c = V/2 at every record.
"""

import numpy as np

from halobind.pipeline.free_energy.alchemical_samples import AlchemicalSamples, AlchemicalState
from halobind.pipeline.free_energy.constants import GAS_CONSTANT, STANDARD_PER_NM3
from halobind.pipeline.free_energy.curve_reader import cylinder_area

KELVIN, RADIUS, WALL = 300.0, 0.3, 5000.0
KT = GAS_CONSTANT * KELVIN
POCKET_NM = 0.25
FILLING = -8.0  # kJ/mol per unit of y: the empty pocket wants to be filled
DEPTH = -90.0
SHUT = 60.0
Z = np.linspace(-0.25, 1.3, 1551)
Y = np.linspace(0.0, 1.0, 101)


def potential(z: np.ndarray) -> np.ndarray:
    """V(z), kJ/mol: a Gaussian well on a wall."""
    return DEPTH * np.exp(-(z**2) / (2 * 0.15**2))


def terms_of(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """fill, b and c (n, 3)."""
    half = potential(z) / 2
    return np.column_stack([y, half, half])


def wall(z: np.ndarray) -> np.ndarray:
    """What no charge changes: the crystal under the pocket."""
    return 0.5 * 4000.0 * np.minimum(0.0, z + 0.05) ** 2


def plane(state: AlchemicalState) -> np.ndarray:
    """Energy (kJ/mol) of a state on the grid Z x Y; infinite where the head leaves no room."""
    charges = potential(Z) * (state.scale + state.scale**2) / 2
    umbrella = 0.5 * state.k * (Z - state.center_nm) ** 2
    energy = (charges + umbrella + wall(Z))[:, None] + (FILLING + state.gate) * Y[None, :]
    energy[np.ix_(Z < POCKET_NM, Y > 0)] = np.inf
    return energy


def path() -> tuple[AlchemicalState, ...]:
    well, far = 0.0, 1.1
    scales = (1.0, 0.75, 0.5, 0.3)
    states = [AlchemicalState(well, 500.0, 0.0, 1.0)]
    states += [AlchemicalState(well, 500.0, SHUT, s) for s in scales]
    states += [AlchemicalState(float(c), 3000.0, SHUT, 0.3) for c in np.linspace(well, far, 20)]
    states += [AlchemicalState(far, 500.0, SHUT, s) for s in reversed(scales)]
    states += [AlchemicalState(far, 500.0, gate, 1.0) for gate in (30.0, 15.0, 8.0, 4.0, 0.0)]
    return tuple(states)


def draw(count: int, seed: int, correlation: int = 1) -> AlchemicalSamples:
    """Samples from the exact distribution of every state, each kept for `correlation` records."""
    random = np.random.default_rng(seed)
    heights = []
    terms = []
    for state in path():
        energy = plane(state)
        weight = np.exp(-(energy - energy.min()) / KT).ravel()
        chosen = random.choice(len(weight), size=-(-count // correlation), p=weight / weight.sum())
        i, j = np.unravel_index(np.repeat(chosen, correlation)[:count], energy.shape)
        z = Z[i] + random.uniform(-0.5, 0.5, len(i)) * (Z[1] - Z[0])
        heights.append(z)
        terms.append(terms_of(z, Y[j]))
    return AlchemicalSamples(path(), tuple(heights), tuple(terms), 0.5, KELVIN, RADIUS, WALL)


def state_free_energies() -> np.ndarray:
    """Reduced free energies (K,) of the states by quadrature, 0 for the first."""
    f = []
    for state in path():
        energy = plane(state)
        low = energy.min()
        f.append(low / KT - np.log(np.exp(-(energy - low) / KT).sum()))
    return np.array(f) - f[0]


def exact_dG0(plateau_nm: float) -> float:
    """dG0 (kJ/mol) by quadrature: the plateau about the last umbrella."""
    density = np.exp(-plane(AlchemicalState(0.0, 0.0, 0.0, 1.0)) / KT).sum(axis=1)
    on_plateau = np.abs(Z - 1.1) <= plateau_nm / 2
    bulk = density[on_plateau].mean()
    step = Z[1] - Z[0]
    K = cylinder_area(RADIUS, WALL, KT) * density[Z < POCKET_NM].sum() * step / bulk
    return float(-KT * np.log(K * STANDARD_PER_NM3))
