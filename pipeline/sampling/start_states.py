"""Is a state fit to start a window from: anchor inside the umbrella, energy sane, slab whole?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from halobind.pipeline.free_energy.constants import GAS_CONSTANT
from halobind.pipeline.free_energy.samples import Window

MAX_WIDTHS_FROM_CENTER = 6.0
"""How far an anchor may lie from the centre of a window, in widths sqrt(kT/k) of one without
landscape: so far may the landscape itself pull it (500 kJ/mol/nm at k = 3000).
"""
SETTLED_FACTOR = 2.0
"""A state that has settled in the window itself may lie so many times as far."""
MAX_ENERGY_DEVIATIONS = 8.0
"""Energies agree within so many scaled median deviations of those of all pulled states,"""
MAX_THERMAL_FLUCTUATIONS = 10.0
"""or within so many times kT sqrt(1.5 N)."""
MAX_TEMPERATURE_FACTOR = 3.0
"""A kinetic temperature is within this factor of the thermostat's."""


class StartError(RuntimeError):
    """No state is fit to start this window from."""


@dataclass(frozen=True)
class EndState:
    """How a piece of MD ended."""

    name: str
    """The product."""
    height_nm: float
    """Centre of its umbrella."""
    z: np.ndarray
    """Heights (heads,) of the anchors in nm."""
    energy_kJ_mol: float
    """Potential energy without the umbrella."""
    temperature_K: float
    """Kinetic temperature."""
    displaced: int
    """Ions that left their places away from the pocket."""


@dataclass(frozen=True)
class UsualState:
    """What a sound state of a run is held against."""

    energies: Sequence[float]
    """Energies of all pulled states in kJ/mol."""
    n_atoms: int
    """Atoms of the model."""
    temperature_K: float
    """Of the thermostat."""
    slab: bool = True
    """Whether ions must keep their places: outer ions of a cluster may lift off in every state
    (which the table tells).
    """


def why_damaged(state: EndState, usual: UsualState) -> str:
    """What is wrong with a state for any window: energy, temperature, slab; empty when nothing is.

    Args:
        state: How a piece of MD ended.
        usual: What is usual in its run.

    Returns:
        A few words that begin with "its" or a number of ions, or "".
    """
    kT = GAS_CONSTANT * usual.temperature_K
    median = float(np.median(usual.energies))
    spread = 1.4826 * float(np.median(np.abs(np.asarray(usual.energies) - median)))
    thermal = MAX_THERMAL_FLUCTUATIONS * kT * math.sqrt(1.5 * usual.n_atoms)
    limit = max(MAX_ENERGY_DEVIATIONS * spread, thermal)
    if not np.isfinite([*state.z, state.energy_kJ_mol, state.temperature_K]).all():
        return "its coordinate or energy is not a finite number"
    if abs(state.energy_kJ_mol - median) > limit:
        return (
            f"its energy is {state.energy_kJ_mol - median:+.0f} kJ/mol from that of the other"
            f" pulled states (limit {limit:.0f})"
        )
    lowest = usual.temperature_K / MAX_TEMPERATURE_FACTOR
    highest = usual.temperature_K * MAX_TEMPERATURE_FACTOR
    if not lowest < state.temperature_K < highest:
        return f"its temperature is {state.temperature_K:.0f} K"
    if state.displaced and usual.slab:
        return f"{state.displaced} ions of its slab away from the pocket have left their places"
    return ""


def why_outside(z: np.ndarray, window: Window, temperature_K: float, settled: bool = False) -> str:
    """Why heights lie outside a window; empty when they do not.

    Args:
        z: Heights (heads,) of the anchors in nm.
        window: The umbrella.
        temperature_K: Temperature of the thermostat.
        settled: Whether the state has settled in this window, which allows it more.

    Returns:
        A few words that begin with "its anchor", or "".
    """
    width = math.sqrt(GAS_CONSTANT * temperature_K / window.k)
    worst = float(z[np.argmax(np.abs(z - window.center_nm))])
    limit = MAX_WIDTHS_FROM_CENTER * width * (SETTLED_FACTOR if settled else 1)
    if abs(worst - window.center_nm) <= limit:
        return ""
    return (
        f"its anchor is at {worst:.3f} nm, {abs(worst - window.center_nm) / width:.0f} widths from"
        f" the centre {window.center_nm:.3f} nm"
    )


def choose_start(
    pulled: Sequence[EndState], window: Window, usual: UsualState
) -> tuple[EndState, str]:
    """The pulled state nearest to a window that is not damaged.

    Args:
        pulled: How every step of the pull ended.
        window: The window that is to start.
        usual: What is usual in the run.

    Returns:
        The state, and why it has to settle in the window first (empty if it has not).

    Raises:
        StartError: Every state is damaged.
    """
    nearest = sorted(pulled, key=lambda state: abs(state.height_nm - window.center_nm))
    good = next((state for state in nearest if not why_damaged(state, usual)), None)
    if good is None:
        raise StartError(
            f"no pulled state is fit to start from; the nearest, {nearest[0].name}:"
            f" {why_damaged(nearest[0], usual)}"
        )
    why = why_outside(good.z, window, usual.temperature_K)
    if good is not nearest[0]:
        why = f"{nearest[0].name}: {why_damaged(nearest[0], usual)}"
    return good, why
