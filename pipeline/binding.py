"""From the curve to the binding free energy: depth, barriers and the standard-state value, each with an error and its flaws.

    K_a = A_eff int_bound exp(-(W(z) - W_bulk)/kT) dz            dG0 = -kT ln(K_a c0)
    A_eff = int_0^inf 2 pi r exp(-U(r)/kT) dr = pi R^2 + 2 pi (R sqrt(pi kT/(2 k)) + kT/k)

| symbol | here | meaning |
|---|---|---|
| W, W_bulk | Pmf.W, its zero | curve (kJ/mol) and its plateau, -kT ln of the mean of exp(-W/kT) over the plateau |
| bound | stop | from the lowest sampled height to the top of the barrier, or without a barrier to the plateau |
| R, k, U | Samples.radius_nm, wall_k | lateral cylinder, U = 0.5 k max(0, r - R)^2: its soft edge adds about 10 % to pi R^2 |
| A_eff | cylinder_area | area that the unbound anchor explores at one height, nm2 |
| c0 | STANDARD_PER_NM3 | 1 mol/L = 0.602214076 molecules per nm3 |
| K_a | Binding.K_a_nm3 | binding constant, volume per molecule |
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields

import numpy as np

from pipeline.pmf import Pmf
from pipeline.samples import EstimateError, EstimateSettings, Quantity, Samples

STANDARD_PER_NM3 = 0.602214076
UNCONNECTED = 1e-3  # overlap below which the samples say next to nothing about the step between two windows
BARRIER_ERRORS = 3  # height of a barrier in its errors: the maximum of a flat noisy curve passes 2 in 7 to 19 % of runs, 3 in about 1 %


@dataclass(frozen=True)
class Binding:
    """Binding numbers of one run, or their mean over `replicas` runs; kJ/mol, nm, K, ns. Barriers are over the well and over the plateau.

    `flags` are sentences that say what is wrong, with numbers; a binding without flags is converged. Without a maximum above the
    plateau (`has_barrier` false) the adsorption barrier is 0 and the desorption barrier the depth.
    """

    dG0_kJ_mol: Quantity
    well_depth_kJ_mol: Quantity
    z_min_nm: Quantity
    desorption_barrier_kJ_mol: Quantity
    adsorption_barrier_kJ_mol: Quantity
    K_a_nm3: Quantity
    has_barrier: bool
    temperature_K: float
    sampling_ns: float
    n_windows: int
    min_overlap: float
    replicas: int = 1
    flags: tuple[str, ...] = ()

    @property
    def converged(self) -> bool:
        return not self.flags

    def as_dict(self) -> dict:
        """For JSON: nested dicts, with None for what is not finite."""
        return _plain(asdict(self))

    @staticmethod
    def from_dict(content: dict) -> "Binding":
        """The inverse of as_dict."""
        values = {f.name: content[f.name] for f in fields(Binding)}
        for name in QUANTITIES:
            values[name] = Quantity(**{key: _number(x) for key, x in values[name].items()})
        return Binding(**{**values, "min_overlap": _number(values["min_overlap"]), "flags": tuple(values["flags"])})


QUANTITIES = tuple(f.name for f in fields(Binding) if f.type is Quantity)


def cylinder_area(radius_nm: float, wall_k: float, kT: float) -> float:
    """Area (nm2) of a flat-bottom cylinder with its soft harmonic wall, A_eff above."""
    return math.pi * radius_nm**2 + 2 * math.pi * (radius_nm * math.sqrt(math.pi * kT / (2 * wall_k)) + kT / wall_k)


@dataclass(frozen=True)
class _Reader:
    """Reads numbers off one curve, the same way off the estimate and off every resample."""

    pmf: Pmf
    kT: float
    area: float

    def density(self, W: np.ndarray) -> np.ndarray:
        """exp(-W/kT), 0 where no sample is; all NaN for a curve without a plateau."""
        if np.all(np.isnan(W)):
            return np.full(len(W), np.nan)
        return np.where(np.isnan(W), 0.0, np.exp(-np.nan_to_num(W) / self.kT))

    def extreme(self, W: np.ndarray, start: int, sign: int) -> int | None:
        """The bin of the minimum (sign 1) or maximum (-1) from `start` to the plateau, on a running mean of three bins against noise."""
        stop = self.pmf.plateau[0]
        known = ~np.isnan(W[start:stop])
        if not known.any():
            return None
        total, number = (np.convolve(x, np.ones(3))[1:-1] for x in (self.density(W)[start:stop], known.astype(float)))
        score = np.where(known, sign * total / np.maximum(number, 1), -np.inf)
        return start + int(np.argmax(score))

    def vertex(self, W: np.ndarray, start: int, sign: int) -> tuple[float, float]:
        """Position (nm) and height (kJ/mol) of that extreme, by the parabola with the same means over its bin and the two next to it."""
        i = self.extreme(W, start, sign)
        if i is None:
            return math.nan, math.nan
        left, right = (W[j] - W[i] if 0 <= j < len(W) else math.nan for j in (i - 1, i + 1))
        slope, bend = (right - left) / 2, (right + left) / 2
        if not sign * bend > 0 or abs(slope) > 2 * abs(bend):
            return float(self.pmf.z_nm[i]), float(W[i])
        offset = -slope / (2 * bend)
        return float(self.pmf.z_nm[i] + offset * self.pmf.bin_nm), float(W[i] + slope * offset / 2 - bend / 12)

    def position(self, W: np.ndarray) -> float:
        return self.vertex(W, self.pmf.core[0], 1)[0]

    def depth(self, W: np.ndarray) -> float:
        """Height of the well over the plateau: negative."""
        return self.vertex(W, self.pmf.core[0], 1)[1]

    def rise(self, W: np.ndarray, start: int) -> float:
        """Height over the plateau of the highest point from bin `start` to the plateau."""
        return self.vertex(W, start, -1)[1]

    def association(self, W: np.ndarray, stop: int) -> float:
        """K_a (nm3) of the bins below `stop`; NaN where it is not positive."""
        value = self.area * self.pmf.bin_nm * float(self.density(W)[:stop].sum())
        return value if value > 0 else math.nan

    def free_energy(self, W: np.ndarray, stop: int) -> float:
        return -self.kT * math.log(self.association(W, stop) * STANDARD_PER_NM3)

    def plateau_change(self, W: np.ndarray) -> float:
        """Rise (kJ/mol) of the curve over the plateau, twice the step between its halves; NaN when a half is empty."""
        start, stop = self.pmf.plateau
        middle = (start + stop) // 2
        near, far = (float(self.density(W)[part].mean()) for part in (slice(start, middle), slice(middle, stop)))
        return 2 * self.kT * math.log(near / far) if near > 0 and far > 0 else math.nan

    def quantity(self, read: Callable[..., float], *arguments: int) -> Quantity:
        """What `read` gives for the curve, with the error from the resamples."""
        spread = self.pmf.error(np.array([read(W, *arguments) for W in self.pmf.curves]))
        return Quantity(float(read(self.pmf.W, *arguments)), float(spread))


def binding(pmf: Pmf, samples: Samples, settings: EstimateSettings) -> Binding:
    """The binding numbers of one run. Raises EstimateError when no sample lies before the plateau."""
    reader = _Reader(pmf, samples.kT, cylinder_area(samples.radius_nm, samples.wall_k, samples.kT))
    low = reader.extreme(pmf.W, pmf.core[0], 1)
    if low is None:
        raise EstimateError(f"there are no samples below {pmf.z_nm[pmf.plateau[0]]:.3f} nm, where the plateau begins: start windows deeper")
    depth, rise = reader.quantity(reader.depth), reader.quantity(reader.rise, low + 1)
    has_barrier = rise.value > max(BARRIER_ERRORS * rise.error, samples.kT / 2)
    over_well, stop = Quantity(-depth.value, depth.error), pmf.plateau[0]
    if has_barrier:
        over_well = reader.quantity(lambda W: reader.rise(W, low + 1) - reader.depth(W))
        stop = reader.extreme(pmf.W, low + 1, -1) + 1
    dG0 = reader.quantity(reader.free_energy, stop)
    flags = _window_flags(pmf, samples, settings) + _curve_flags(reader, low, depth) + _time_flags(reader, dG0, depth, stop)
    overlap, where = float(pmf.neighbour_overlap.min()), reader.quantity(reader.position)
    return Binding(
        dG0_kJ_mol=dG0,
        well_depth_kJ_mol=depth,
        z_min_nm=Quantity(where.value, math.hypot(where.error, pmf.bin_nm / math.sqrt(12))),  # a bin cannot resolve better
        desorption_barrier_kJ_mol=over_well,
        adsorption_barrier_kJ_mol=rise if has_barrier else Quantity(0.0, rise.error),
        K_a_nm3=reader.quantity(reader.association, stop),
        has_barrier=has_barrier,
        temperature_K=samples.temperature_K,
        sampling_ns=samples.sampling_ns,
        n_windows=len(samples.windows),
        min_overlap=overlap if math.isfinite(overlap) else math.nan,
        flags=tuple(flags),
    )


def plateau_rise(pmf: Pmf, samples: Samples) -> Quantity:
    """Rise (kJ/mol) of the curve over its plateau: zero within its error where there is one."""
    reader = _Reader(pmf, samples.kT, cylinder_area(samples.radius_nm, samples.wall_k, samples.kT))
    return reader.quantity(reader.plateau_change)


def _window_flags(pmf: Pmf, samples: Samples, settings: EstimateSettings) -> list[str]:
    """What is wrong with the windows: overlap, independent samples, block length."""
    total, flags = len(samples.windows), []
    poor = int(np.sum(pmf.neighbour_overlap < settings.min_overlap))
    if poor:
        flags.append(f"{poor} of {total} windows overlap below {settings.min_overlap:g} with a neighbour")
    lowest = float(pmf.neighbour_overlap.min())
    if lowest < UNCONNECTED:
        flags.append(f"error is a lower bound: neighbour windows overlap by no more than {lowest:.0e}")
    effective = samples.effective_counts()
    few, worst = int(np.sum(effective < settings.min_effective_samples)), int(np.argmin(effective))
    text = f"{int(effective[worst])} independent samples in window {samples.windows[worst].center_nm:.3f}"
    if few == 1:
        flags.append(f"only {text}")
    elif few:
        flags.append(f"fewer than {settings.min_effective_samples:g} independent samples in {few} of {total} windows (worst: {text})")
    short = int(np.sum(pmf.blocks.short))
    if short:
        flags.append(f"error is a lower bound: time blocks are shorter than 2 correlation times in {short} of {total} windows")
    return flags


def _curve_flags(reader: _Reader, low: int, depth: Quantity) -> list[str]:
    """What is wrong with the curve: gaps, a well at the edge, no plateau."""
    pmf, flags = reader.pmf, []
    empty = np.flatnonzero(np.isnan(pmf.W[slice(*pmf.middle)])) + pmf.middle[0]
    if len(empty):
        runs = np.split(empty, np.flatnonzero(np.diff(empty) > 1) + 1)
        widest = max(runs, key=len)
        where = f"{pmf.z_nm[widest[0]] - pmf.bin_nm / 2:.3f} to {pmf.z_nm[widest[-1]] + pmf.bin_nm / 2:.3f} nm"
        flags.append(f"sampled range has gaps: {len(empty)} of {np.diff(pmf.middle)[0]} bins are empty, the widest gap is {where}")
    below = np.nan_to_num(pmf.W[pmf.core[0] : low] - pmf.W[low])
    if depth.value < -reader.kT and np.max(below, initial=0.0) < reader.kT:
        flags.append(f"the well lies at the edge of the sampled range ({pmf.z_nm[low]:.3f} nm)")
    change = reader.quantity(reader.plateau_change)
    length = (pmf.plateau[1] - pmf.plateau[0]) * pmf.bin_nm
    if not math.isfinite(change.value + change.error):
        flags.append(f"no plateau: there are too few samples in the last {length:.2f} nm, so dG0 is not a binding energy")
    elif abs(change.value) > max(2 * change.error, reader.kT / 4):
        verb, bound = ("rises", "an upper") if change.value > 0 else ("falls", "a lower")
        size = f"{verb} by {abs(change.value):.1f} ± {change.error:.1f} kJ/mol over the last {length:.2f} nm"
        flags.append(f"no plateau: the curve still {size}, so dG0 is only {bound} bound")
    elif change.error > reader.kT / 2:
        size = f"{change.value:.1f} ± {change.error:.1f} kJ/mol"
        flags.append(f"plateau not resolved: the curve changes by {size} over the last {length:.2f} nm")
    return flags


def _time_flags(reader: _Reader, dG0: Quantity, depth: Quantity, stop: int) -> list[str]:
    """Whether the halves of the data in time agree within twice the error of their difference, which is twice the error of the whole."""
    flags = []
    for name, whole, read in (("dG0", dG0, lambda W: reader.free_energy(W, stop)), ("well depth", depth, reader.depth)):
        first, second = (read(W) for W in reader.pmf.halves)
        if not math.isfinite(first - second):
            flags.append(f"a half of the data gives no {name}: sample longer")
        elif not abs(first - second) <= max(4 * whole.error, reader.kT):
            flags.append(f"halves of the data differ by {abs(first - second):.1f} kJ/mol in {name} (error {whole.error:.1f})")
    return flags


def _plain(content: object) -> object:
    if isinstance(content, dict):
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def _number(value: float | None) -> float:
    return math.nan if value is None else value
