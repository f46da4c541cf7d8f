"""Is a state fit to start a window from: is its anchor inside the umbrella, its energy sane, its
slab whole?
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from halobind.pipeline.free_energy.constants import GAS_CONSTANT
from halobind.pipeline.free_energy.samples import Window

# of a window without landscape, sqrt(kT/k): that much the landscape itself may pull (500 kJ/mol/nm
# at k = 3000)
SIGMAS = 6.0
MADS, THERMAL = (
    8.0,
    10.0,
)  # energies within 8 scaled median deviations of those of all pulled states, or 10 kT sqrt(1.5 N)
SETTLED = 2.0  # times as far may a state lie that has settled in the window itself
WARM = 3.0  # a kinetic temperature within this factor of the thermostat's


class StartError(RuntimeError):
    """No state is fit to start this window from."""


@dataclass(frozen=True)
class Ended:
    """How a published piece of MD ended: `height_nm` of its umbrella, heights `z` (heads,) in nm of
    the anchors, energy without umbrella in kJ/mol, kinetic temperature in K, ions that left their
    places away from the pocket.
    """

    name: str
    height_nm: float
    z: np.ndarray
    energy_kJ_mol: float
    temperature_K: float
    displaced: int


@dataclass(frozen=True)
class Norm:
    """What is usual: the energies (kJ/mol) of all pulled states, the number of atoms, the
    temperature (K), and whether the crystal is a slab, whose ions keep their places: outer ions of
    a cluster may lift off it in every state (which the table tells).
    """

    energies: Sequence[float]
    n_atoms: int
    temperature_K: float
    slab: bool = True


def damage(ended: Ended, norm: Norm) -> str:
    """What is wrong with a state whatever window it is for: energy, temperature, slab; empty when
    nothing is.
    """
    kT, usual = GAS_CONSTANT * norm.temperature_K, float(np.median(norm.energies))
    spread = 1.4826 * float(np.median(np.abs(np.asarray(norm.energies) - usual)))
    limit = max(MADS * spread, THERMAL * kT * math.sqrt(1.5 * norm.n_atoms))
    if not np.isfinite([*ended.z, ended.energy_kJ_mol, ended.temperature_K]).all():
        return "its coordinate or energy is not a finite number"
    if abs(ended.energy_kJ_mol - usual) > limit:
        return (
            f"its energy is {ended.energy_kJ_mol - usual:+.0f} kJ/mol from that of the other pulled"
            f" states (limit {limit:.0f})"
        )
    if not norm.temperature_K / WARM < ended.temperature_K < norm.temperature_K * WARM:
        return f"its temperature is {ended.temperature_K:.0f} K"
    if ended.displaced and norm.slab:
        return f"{ended.displaced} ions of its slab away from the pocket have left their places"
    return ""


def outside(z: np.ndarray, window: Window, temperature_K: float, settled: bool = False) -> str:
    """Why heights (heads,) in nm lie outside a window, more than SIGMAS of its width from the
    centre; empty when they do not.
    """
    width = math.sqrt(GAS_CONSTANT * temperature_K / window.k)
    worst = float(z[np.argmax(np.abs(z - window.center_nm))])
    if abs(worst - window.center_nm) <= SIGMAS * width * (SETTLED if settled else 1):
        return ""
    return (
        f"its anchor is at {worst:.3f} nm, {abs(worst - window.center_nm) / width:.0f} widths from"
        f" the centre {window.center_nm:.3f} nm"
    )


def fit_start(pulled: Sequence[Ended], window: Window, norm: Norm) -> tuple[Ended, str]:
    """The pulled state nearest to the window that is not damaged, and why it has to settle in the
    window first, if it has to.

    Raises StartError when every state is damaged.
    """
    nearest = sorted(pulled, key=lambda e: abs(e.height_nm - window.center_nm))
    good = next((e for e in nearest if not damage(e, norm)), None)
    if good is None:
        raise StartError(
            f"no pulled state is fit to start from; the nearest, {nearest[0].name}:"
            f" {damage(nearest[0], norm)}"
        )
    why = outside(good.z, window, norm.temperature_K)
    if good is not nearest[0]:
        why = f"{nearest[0].name}: {damage(nearest[0], norm)}"
    return good, why
