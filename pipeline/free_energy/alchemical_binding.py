"""From alchemical samples to the binding free energy, by MBAR over all states of the path.

    w_n = 1 / sum_k N_k exp(f_k - u_kn)
    K_a = A_eff sum_{z_n < z_b} w_n / (sum_{plateau} w_n / L)

The weights are those of the ligand with whole charges, an open gate and no umbrella. Only the well
and the plateau are read off them: between the two the states have scaled charges and a shut gate,
and their samples say nothing there. So there is no barrier, no diffusion coefficient and no
residence time.

| symbol | here | meaning |
|---|---|---|
| u_kn, f_k, N_k | AlchemicalSamples | as in alchemical_samples.py |
| z_b | AlchemicalRange.bound_nm | upper end of the bound region, nm |
| L | AlchemicalRange.plateau_nm | length of the plateau, about the umbrella of the last state |
| A_eff, K_a, dG0 | binding.py | as there |
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from halobind.pipeline.free_energy.alchemical_integration import integrated_f
from halobind.pipeline.free_energy.alchemical_samples import AlchemicalSamples
from halobind.pipeline.free_energy.binding import (
    Binding,
    convergence_rows,
    largest,
    other_estimators,
)
from halobind.pipeline.free_energy.bins import Grid
from halobind.pipeline.free_energy.convergence_checks import (
    UNCONNECTED_OVERLAP,
    curve_flags,
    estimator_flags,
    time_flags,
)
from halobind.pipeline.free_energy.curve_reader import CurveAnalysis, Landmarks
from halobind.pipeline.free_energy.equilibration import LATE_FRACTION, equilibration_start
from halobind.pipeline.free_energy.flags import Flag, FlagKind
from halobind.pipeline.free_energy.mbar import log_mixture, solve_binned
from halobind.pipeline.free_energy.pmf import Pmf
from halobind.pipeline.free_energy.quantity import Quantity
from halobind.pipeline.free_energy.samples import Conditions, EstimateError
from halobind.pipeline.free_energy.settings import EstimateSettings
from halobind.pipeline.free_energy.time_blocks import Blocks, cut_blocks
from halobind.pipeline.free_energy.umbrella_pmf import FRACTIONS

MAX_SAMPLES = 40_000
"""Above this total, every state is thinned evenly: each resample solves MBAR for all of them."""
MIN_SAMPLES_PER_STATE = 4
"""Below it there are no two halves to compare."""
BOUND_WIDTHS = 3.0
"""The bound region ends so many widths sqrt(kT/k) above the umbrella of the well."""
MIN_SAMPLES_PER_BIN = 5
"""Effective samples below which a bin of the curve is left out."""
THERMODYNAMIC_INTEGRATION = "thermodynamic integration"


@dataclass(frozen=True)
class AlchemicalRange:
    """Which heights are bound and which are free."""

    bound_nm: float
    """Upper end of the bound region."""
    far_nm: float
    """Middle of the plateau."""
    plateau_nm: float
    """Length of the plateau."""

    @classmethod
    def of(cls, samples: AlchemicalSamples, settings: EstimateSettings) -> "AlchemicalRange":
        """From the umbrellas of the first and the last state."""
        well = samples.states[0]
        far = samples.states[-1]
        bound_nm = well.center_nm + BOUND_WIDTHS * math.sqrt(samples.kT / well.k)
        if far.center_nm - settings.plateau_nm / 2 < bound_nm:
            raise EstimateError(
                f"the path ends at {far.center_nm:.3f} nm, where the ligand is still bound (up to"
                f" {bound_nm:.3f} nm): raise [pull] to_nm",
                cause="path too short",
            )
        return cls(bound_nm, far.center_nm, settings.plateau_nm)


@dataclass(frozen=True, kw_only=True)
class AlchemicalPmf(Pmf):
    """The curve of the whole charges in the well and on the plateau, with what states have."""

    blocks: Blocks
    """Time blocks of the states: what the spread of the resamples means."""
    f_k: np.ndarray
    """Reduced free energies of the states (kT), (K,); f_0 = 0."""
    f_k_error: np.ndarray
    """Their standard errors (kT), (K,)."""
    f_integrated: np.ndarray
    """The same by thermodynamic integration, (K,)."""
    overlap: np.ndarray
    """MBAR's overlap matrix, (K, K)."""
    next_overlap: np.ndarray
    """Overlap sqrt(O_ij O_ji) of each state with the next one, (K - 1,)."""
    forward: np.ndarray
    """The curve from the first FRACTIONS of the data in time (kJ/mol), (F, n)."""
    backward: np.ndarray
    """The curve from the last FRACTIONS of the data in time (kJ/mol), (F, n)."""
    bound_bins: int
    """Bins of the bound region."""


@dataclass(frozen=True)
class ReadyAlchemicalSamples:
    """Samples without the beginning of each state."""

    samples: AlchemicalSamples
    """What is left."""
    detected: np.ndarray
    """The first equilibrated sample of each state, (K,)."""
    start: np.ndarray
    """The first used sample of each state, (K,)."""

    def flags(self) -> list[Flag]:
        """A flag where states equilibrate in their second half only."""
        part = self.detected / (self.start + self.samples.counts)
        late = int(np.sum(part > LATE_FRACTION))
        if not late:
            return []
        worst = int(np.argmax(part))
        text = (
            f"{late} of {len(part)} states equilibrate in their second half only (worst:"
            f" {self.samples.states[worst]}, after {100 * part[worst]:.0f} %): sample longer"
        )
        return [Flag(FlagKind.LATE_EQUILIBRATION, text)]


def discard_alchemical_equilibration(
    samples: AlchemicalSamples, settings: EstimateSettings
) -> ReadyAlchemicalSamples:
    """Leave out the beginning of each state: what the equilibration of its slope takes, and at
    least `settings.discard_fraction` of it.
    """
    detected = np.array([equilibration_start(slope) for slope in samples.slopes()])
    start = np.maximum(detected, (settings.discard_fraction * samples.counts).astype(int))
    return ReadyAlchemicalSamples(samples.from_start(start), detected, start)


def estimate_alchemical(
    samples: AlchemicalSamples, settings: EstimateSettings, seed: int = 0
) -> AlchemicalPmf:
    """Free energies of the states and the curve at both ends, with everything their errors need.

    Args:
        samples: Of one run, equilibrated.
        settings: How the estimate is made.
        seed: Decides the resamples.

    Raises:
        EstimateError: Too few samples, or MBAR does not converge.
    """
    samples = samples.thinned(min(settings.max_samples, MAX_SAMPLES))
    for state, count in zip(samples.states, samples.counts, strict=True):
        if count < MIN_SAMPLES_PER_STATE:
            raise EstimateError(
                f"state {state} has {count} samples and needs at least {MIN_SAMPLES_PER_STATE}:"
                " sample longer",
                cause="too few samples",
            )
    reach = AlchemicalRange.of(samples, settings)
    grid = _make_grid(samples, settings, reach)
    slopes = samples.slopes()
    variance = np.array([slope.var() for slope in slopes])
    blocks = cut_blocks(samples.counts, samples.inefficiencies(), samples.groups, variance)
    solver = _Solver.of(samples, grid, reach)
    by_integration = integrated_f(samples)
    f_k, W = solver.solve(np.nan_to_num(by_integration))
    f_curves, curves = _resample(solver, blocks, f_k, draws=settings.n_bootstrap, seed=seed)
    forward = np.array([_part(samples.first(f), grid, reach, f_k) for f in FRACTIONS])
    backward = np.array([_part(samples.last(f), grid, reach, f_k) for f in FRACTIONS])
    half = FRACTIONS.index(0.5)
    overlap = solver.overlap(f_k)
    below = np.arange(len(f_k) - 1)
    shift = samples.kT * ((by_integration[-1] - by_integration[0]) - (f_k[-1] - f_k[0]))
    shifted = np.where(np.arange(grid.n) < grid.plateau[0], W - shift, W)
    return AlchemicalPmf(
        z_nm=grid.z_nm,
        bin_nm=grid.bin_nm,
        W=W,
        W_error=np.where(np.isnan(W), np.nan, blocks.error(curves)),
        curves=curves,
        halves=np.array([forward[half], backward[half]]),
        blocks=blocks,
        plateau=grid.plateau,
        middle=grid.middle,
        core=grid.core,
        others={THERMODYNAMIC_INTEGRATION: shifted},
        f_k=f_k,
        f_k_error=blocks.error(f_curves),
        f_integrated=by_integration,
        overlap=overlap,
        next_overlap=np.sqrt(overlap[below, below + 1] * overlap[below + 1, below]),
        forward=forward,
        backward=backward,
        bound_bins=solver.bound_bins,
    )


def alchemical_binding(
    pmf: AlchemicalPmf, samples: AlchemicalSamples, settings: EstimateSettings
) -> Binding:
    """The binding numbers of one run from its alchemical states.

    Args:
        pmf: Its curve.
        samples: What the curve was made of.
        settings: How the estimate is made.

    Raises:
        EstimateError: The well holds no samples.
    """
    conditions = samples.conditions
    analysis = CurveAnalysis.of(pmf, conditions)
    marks = _landmarks(pmf, analysis)
    depth = marks.depth
    unknown = Quantity(math.nan, math.nan)
    dG0 = analysis.quantity(analysis.free_energy, marks.stop)
    height = analysis.quantity(analysis.mean_height, marks.stop)
    position = analysis.quantity(analysis.position)
    others = other_estimators(analysis, marks, dG0)
    flags = (
        *_state_flags(pmf, samples, settings),
        *_bound_flags(pmf, analysis),
        *curve_flags(analysis, marks),
        *time_flags(analysis, dG0, marks),
        *estimator_flags(others, dG0, depth, conditions.kT),
    )
    return Binding(
        dG0_kJ_mol=dG0,
        well_depth_kJ_mol=depth,
        z_min_nm=replace(position, error=math.hypot(position.error, pmf.bin_nm / math.sqrt(12))),
        desorption_barrier_kJ_mol=unknown,
        adsorption_barrier_kJ_mol=unknown,
        K_a_nm3=analysis.quantity(analysis.association, marks.stop),
        penetration_nm=Quantity(-height.value, height.error),
        residence_log10_s=unknown,
        has_barrier=False,
        temperature_K=conditions.temperature_K,
        sampling_ns=conditions.sampling_ns,
        n_windows=len(samples.states),
        min_overlap=float(pmf.next_overlap.min()),
        dG0_difference_kJ_mol=largest(difference.dG0 for difference in others.values()),
        well_depth_difference_kJ_mol=largest(difference.depth for difference in others.values()),
        flags=flags,
    )


def alchemical_convergence(pmf: AlchemicalPmf, conditions: Conditions) -> list[tuple[float, ...]]:
    """The rows of `convergence_rows` for a curve from alchemical states. Raises EstimateError."""
    analysis = CurveAnalysis.of(pmf, conditions)
    marks = _landmarks(pmf, analysis)
    return convergence_rows(analysis, marks, forward=pmf.forward, backward=pmf.backward)


def _landmarks(pmf: AlchemicalPmf, analysis: CurveAnalysis) -> Landmarks:
    """The well and the end of the bound region; no barrier is looked for. Raises EstimateError."""
    if np.isnan(pmf.W).all():
        start, stop = (pmf.z_nm[0] + (edge - 0.5) * pmf.bin_nm for edge in pmf.plateau)
        raise EstimateError(
            f"no sample of the last states lies on the plateau ({start:.2f} to {stop:.2f} nm): the"
            " head does not follow its umbrella; raise [alchemical] step_ps or end_k_kJ_mol_nm2",
            cause="no samples on the plateau",
        )
    low = analysis.extreme(pmf.W, pmf.core[0], 1)
    if low is None or low >= pmf.bound_bins:
        raise EstimateError(
            "there are no samples in the well: set [alchemical] well_nm to where the head is bound",
            cause="no samples in the well",
        )
    depth = analysis.quantity(analysis.depth)
    return Landmarks(low, pmf.bound_bins, False, depth, Quantity(math.nan, math.nan))


def _state_flags(
    pmf: AlchemicalPmf, samples: AlchemicalSamples, settings: EstimateSettings
) -> list[Flag]:
    """What is wrong with the states: overlap, independent samples, block length."""
    total = len(samples.states)
    flags: list[Flag] = []
    poor = int(np.sum(pmf.next_overlap < settings.min_overlap))
    worst = int(np.argmin(pmf.next_overlap))
    pair = f"{samples.states[worst]} and {samples.states[worst + 1]}"
    if poor:
        text = (
            f"{poor} of {total - 1} steps of the path overlap below {settings.min_overlap:g}"
            f" (worst: {pmf.next_overlap[worst]:.1g} between {pair})"
        )
        flags.append(Flag(FlagKind.LOW_OVERLAP, text))
    if pmf.next_overlap[worst] < UNCONNECTED_OVERLAP:
        text = f"error is a lower bound: {pair} overlap by {pmf.next_overlap[worst]:.0e} only"
        flags.append(Flag(FlagKind.UNCONNECTED_WINDOWS, text, error_is_bound=True))
    effective = samples.counts / samples.inefficiencies()
    few = int(np.sum(effective < settings.min_effective_samples))
    scarce = int(np.argmin(effective))
    if few:
        text = (
            f"fewer than {settings.min_effective_samples:g} independent samples in {few} of"
            f" {total} states (worst: {int(effective[scarce])} in {samples.states[scarce]})"
        )
        flags.append(Flag(FlagKind.FEW_INDEPENDENT_SAMPLES, text))
    short = int(np.sum(pmf.blocks.short))
    if short:
        text = (
            "error is a lower bound: time blocks are shorter than 2 correlation times in"
            f" {short} of {total} states"
        )
        flags.append(Flag(FlagKind.SHORT_TIME_BLOCKS, text, error_is_bound=True))
    return flags


def _bound_flags(pmf: AlchemicalPmf, analysis: CurveAnalysis) -> list[Flag]:
    """Whether the bound region ends where the ligand is still bound."""
    density = analysis.density(pmf.W)[: pmf.bound_bins]
    edge = density[-2:].sum() / density.sum()
    if edge < 0.05:
        return []
    end_nm = pmf.z_nm[0] + (pmf.bound_bins - 0.5) * pmf.bin_nm
    text = (
        f"{100 * edge:.0f} % of the bound ligands are at the upper end of the bound region"
        f" ({end_nm:.2f} nm): raise [alchemical] well_nm"
    )
    return [Flag(FlagKind.WELL_AT_EDGE, text)]


@dataclass(frozen=True, eq=False)
class _Solver:
    """MBAR over some samples, and the curve of the whole charges from its weights."""

    u: np.ndarray
    """Reduced bias of every sample in every state, (K, N)."""
    counts: np.ndarray
    """Samples of each state, (K,)."""
    bins: np.ndarray
    """Bin of each sample, (N,)."""
    read: np.ndarray
    """Which samples belong to the bound region or the plateau, (N,)."""
    grid: Grid
    bound_bins: int
    """Bins of the bound region."""

    @classmethod
    def of(cls, samples: AlchemicalSamples, grid: Grid, reach: AlchemicalRange) -> "_Solver":
        z = np.concatenate(samples.z)
        bins = np.floor(z / grid.bin_nm).astype(int) - grid.first
        bound_bins = math.ceil(reach.bound_nm / grid.bin_nm - 1e-6) - grid.first
        on_plateau = (bins >= grid.plateau[0]) & (bins < grid.plateau[1])
        read = (bins < bound_bins) | on_plateau
        return cls(samples.bias(), samples.counts, bins, read, grid, bound_bins)

    def solve(
        self, f: np.ndarray, times: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """f_k (K,) and the curve (n,).

        Args:
            f: First guess, (K,).
            times: How often each sample counts, (N,); None: once.
        """
        c = np.ones(len(self.bins)) if times is None else times
        ends = np.cumsum(self.counts)
        N = np.add.reduceat(c, ends - self.counts)
        f = solve_binned(c, self.u, N, f)
        log_w = -log_mixture(self.u, N, f)
        weight = np.where(self.read, c * np.exp(log_w - log_w[self.read].max()), 0.0)
        return f, self._sparse(self.grid.curve(weight, self.bins), weight)

    def _sparse(self, W: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """The curve without the bins that too few samples stand for."""
        total = np.bincount(self.bins, weight, minlength=self.grid.n)
        squares = np.bincount(self.bins, weight**2, minlength=self.grid.n)
        effective = np.divide(total**2, squares, out=np.zeros_like(total), where=squares > 0)
        on_plateau = np.zeros(self.grid.n, dtype=bool)
        on_plateau[slice(*self.grid.plateau)] = True
        return np.where(on_plateau | (effective >= MIN_SAMPLES_PER_BIN), W, np.nan)

    def overlap(self, f: np.ndarray) -> np.ndarray:
        """MBAR's overlap matrix O_ij = sum_n W_in N_j W_jn, (K, K)."""
        W = np.exp(f[:, None] - self.u - log_mixture(self.u, self.counts.astype(float), f))
        matrix: np.ndarray = (W @ W.T) * self.counts[None, :]
        return matrix


def _make_grid(
    samples: AlchemicalSamples, settings: EstimateSettings, reach: AlchemicalRange
) -> Grid:
    """Bins over all samples, with the plateau about the umbrella of the last state."""
    width = settings.bin_nm
    z = np.concatenate(samples.z)
    first = math.floor(z.min() / width)
    n = math.floor(z.max() / width) + 1 - first
    start = round((reach.far_nm - reach.plateau_nm / 2) / width) - first
    plateau = (start, start + round(reach.plateau_nm / width))
    n = max(n, plateau[1])
    low, quarter, three_quarters = np.quantile(samples.z[0], [0.02, 0.25, 0.75])
    middle = (math.floor(quarter / width) - first, math.floor(three_quarters / width) + 1 - first)
    core = (math.floor(low / width) - first, n)
    return Grid(first, n, width, samples.kT, plateau, middle, core)


def _resample(
    solver: _Solver, blocks: Blocks, f: np.ndarray, *, draws: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """f_k (B, K) and the curve (B, n) from resampled blocks of time."""
    random = np.random.default_rng(seed)
    lengths = [
        len(part)
        for count, number in zip(solver.counts, blocks.number, strict=True)
        for part in np.array_split(np.arange(count), number)
    ]
    f_curves = []
    curves = []
    for _ in range(draws):
        times = np.repeat(blocks.draw(random), lengths)
        drawn_f, curve = solver.solve(f, times)
        f_curves.append(drawn_f)
        curves.append(curve)
    return np.array(f_curves), np.array(curves)


def _part(
    samples: AlchemicalSamples, grid: Grid, reach: AlchemicalRange, f: np.ndarray
) -> np.ndarray:
    """The curve from a part of the data; all NaN where MBAR does not converge."""
    try:
        return _Solver.of(samples, grid, reach).solve(f)[1]
    except EstimateError:
        return np.full(grid.n, np.nan)
