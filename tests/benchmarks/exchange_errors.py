"""Errors of windows that exchange, on a landscape where they are known: is the reported error of
dG0 what repeats scatter by?

    python tests/benchmarks/exchange_errors.py [--repeats 16] [--tau 30] [--records 20000]

The height z of each walker is coupled to a slow hidden coordinate s (correlation time tau, ps), as
a head is to tails and halides: U = W(z) + kappa/2 (s + F z/kappa)^2, so that the curve is W
exactly. 19 windows; without exchange, and with swaps every ps in groups of eight as with
exchange_group = 8. A walker takes its s along, so windows of a group have their slow errors in
common. Printed: the scatter of dG0 over repeats, the error reported (root mean square), how many
repeats lie within it, and what it would be if windows were taken as independent.
"""

import argparse
from dataclasses import replace

import numpy as np

from halobind.pipeline.free_energy.binding import compute_binding
from halobind.pipeline.free_energy.constants import GAS_CONSTANT
from halobind.pipeline.free_energy.samples import Samples, Window
from halobind.pipeline.free_energy.settings import EstimateSettings
from halobind.pipeline.free_energy.umbrella_pmf import estimate_pmf

KT = GAS_CONSTANT * 300.0
CENTRES = np.round(np.arange(0, 0.9001, 0.05), 3)
K_BIAS, D, STEP_PS, RECORD_PS, FORCE = 2000.0, 1e-3, 0.05, 0.2, 40.0
GROUP, SWAP_RECORDS = 8, 5
DEPTH, PLACE, WIDTH = 20.0, 0.1, 0.1
SETTINGS = EstimateSettings(n_bootstrap=60, max_samples=1_000_000)
EMPTY = Samples((Window(0.0, K_BIAS),), (np.zeros(1),), RECORD_PS, 300.0, 0.55, 5000.0)


def simulate(exchange: bool, repeats: int, records: int, tau_ps: float) -> np.ndarray:
    """Heights (records, repeats, windows) by Brownian dynamics in z and an exact Ornstein-Uhlenbeck
    step in s.
    """
    random, shape = np.random.default_rng(7), (repeats, len(CENTRES))
    z = np.tile(CENTRES, (repeats, 1))
    s = -FORCE * z / KT + random.standard_normal(shape)
    kept, found = np.exp(-RECORD_PS / tau_ps), np.empty((records, *shape))
    noise, slow = np.sqrt(2 * D * STEP_PS), np.sqrt(1 - kept**2)  # kappa = kT
    for n in range(records):
        for _ in range(round(RECORD_PS / STEP_PS)):
            pull = -DEPTH * np.exp(-((z - PLACE) ** 2) / (2 * WIDTH**2)) * (z - PLACE) / WIDTH**2
            force = pull - FORCE * (s + FORCE * z / KT) - K_BIAS * (z - CENTRES)
            z += D * STEP_PS / KT * force + noise * random.standard_normal(shape)
        middle = -FORCE * z / KT
        s = middle + kept * (s - middle) + slow * random.standard_normal(shape)
        found[n] = z
        if exchange and (n + 1) % SWAP_RECORDS == 0:
            for first in range(0, len(CENTRES), GROUP):
                low = np.arange(
                    first + (n + 1) // SWAP_RECORDS % 2, min(len(CENTRES), first + GROUP) - 1, 2
                )
                a, b, c, d = z[:, low], z[:, low + 1], CENTRES[low], CENTRES[low + 1]
                rise = (
                    0.5 * K_BIAS * ((b - c) ** 2 + (a - d) ** 2 - (a - c) ** 2 - (b - d) ** 2) / KT
                )
                swap = random.random(rise.shape) < np.exp(-np.maximum(0, rise))
                for what in (z, s):
                    left, right = what[:, low].copy(), what[:, low + 1].copy()
                    what[:, low], what[:, low + 1] = (
                        np.where(swap, right, left),
                        np.where(swap, left, right),
                    )
    return found


def errors(z: np.ndarray, groups: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """dG0 and its reported error of every repeat."""
    found = []
    for r in range(z.shape[1]):
        windows = tuple(Window(float(c), K_BIAS) for c in CENTRES)
        samples = replace(
            EMPTY,
            windows=windows,
            z=tuple(z[len(z) // 10 :, r, j] for j in range(len(CENTRES))),
            groups=groups,
        )
        found.append(
            compute_binding(estimate_pmf(samples, SETTINGS, r), samples, SETTINGS).dG0_kJ_mol
        )
    return np.array([q.value for q in found]), np.array([q.error for q in found])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=16)
    parser.add_argument("--tau", type=float, default=30.0)
    parser.add_argument("--records", type=int, default=20000)
    options = parser.parse_args()
    for exchange in (False, True):
        z = simulate(exchange, options.repeats, options.records, options.tau)
        value, error = errors(z, tuple(j // GROUP for j in range(len(CENTRES))) if exchange else ())
        alone = errors(z, ())[1] if exchange else error
        inside = int((np.abs(value - value.mean()) < error).sum())
        stated, apart = (np.sqrt(np.mean(e**2)) for e in (error, alone))
        print(
            f"{'exchange' if exchange else 'no exchange':12} scatter {value.std(ddof=1):.2f},"
            f" reported {stated:.2f} kJ/mol, {inside} of {options.repeats} within; as if"
            f" independent {apart:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
