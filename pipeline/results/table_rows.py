"""The rows of the table, a run or a ligand over its replicas each, and their numbers. No row is
ever dropped, least of all a failed one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.stats import t as student

from halobind.pipeline.free_energy.binding import QUANTITIES, Binding, largest
from halobind.pipeline.free_energy.curve_reader import STANDARD_PER_NM3
from halobind.pipeline.free_energy.flags import Flag, FlagKind, merge_flags
from halobind.pipeline.free_energy.samples import GAS_CONSTANT, Quantity

KJ_PER_KCAL = 4.184
LABELS = ("ligand", "perovskite", "surface", "solvent", "forcefield", "temperature_K")
PACKAGES = ("openmm", "halobind", "pymbar")
EMPTY = "-"
NUMBERS = (
    "dG0_difference_kJ_mol",
    "well_depth_difference_kJ_mol",
    "residence_is_bound",
    "has_barrier",
    "temperature_K",
    "sampling_ns",
    "n_windows",
    "min_overlap",
)
OUT, BACK = (
    "out",
    "out and back",
)  # the path whose states a run starts from, see `stages.comes_back`
LARGEST = 300.0  # power of ten that a float holds
ONE_SIGMA = 0.8413447460685429  # of a normal distribution lies below one standard deviation
RESOLUTION = 1e-9  # errors below this fraction of the value are rounding, not statistics


@dataclass(frozen=True, eq=False)
class Curve:
    """W (n,) in kJ/mol with its standard error (n,) at heights z_nm (n,); NaN where it is not
    known.
    """

    z_nm: np.ndarray
    W: np.ndarray
    W_error: np.ndarray


@dataclass(frozen=True)
class Row:
    """One line of the table: a run, or a ligand over its replicas (`run_id` empty).

    Give what there is: `binding`, `error` (why the run has none) and `pending` (what is done, "12
    of 28 segments"). `mode` is how the ligand binds, a key of MODES; `curve` is W(z) of a run;
    `path` is the one that its start states come from, OUT or BACK.
    """

    ligand: str
    perovskite: str
    surface: str
    solvent: str
    forcefield: str
    replica: str
    run_id: str = ""
    temperature_K: str = ""
    mode: str = ""
    path: str = ""
    binding: Binding | None = None
    error: str = ""
    pending: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    notes: tuple[Flag, ...] = ()
    curve: Curve | None = field(default=None, compare=False)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(getattr(self, name) for name in LABELS)

    @property
    def problems(self) -> tuple[Flag, ...]:
        """Everything that keeps the row from being converged."""
        return self.notes + (self.binding.flags if self.binding else ())

    @property
    def error_is_bound(self) -> bool:
        """Whether the errors are known to be too small."""
        return any(problem.error_is_bound for problem in self.problems)

    def shown(self, quantity: Quantity, scale: float = 1.0) -> str:
        """A quantity of the row, rounded; "± ≥ error" where a flag says that the error is a lower
        bound.
        """
        text = rounded(quantity.value, quantity.error, scale)
        return text.replace("± ", "± ≥") if self.error_is_bound else text

    @property
    def status(self) -> str:
        """One of "converged", "not converged: why", "Error: why", "pending: how far", on one line."""
        if self.error:
            return "Error: " + " ".join(self.error.removeprefix("Error:").split())
        reasons = "; ".join(problem.text for problem in self.problems)
        why = f"not converged: {reasons}" if self.problems else ""
        if self.pending:
            return f"pending: {self.pending}" + (f"; {why}" if why else "")
        if self.binding is None:
            return "Error: no result and no reason recorded"
        return why or "converged"


def ligand_rows(runs: Sequence[Row]) -> list[Row]:
    """One row for each ligand on its surface, over the replicas: their mean, and a note for each
    replica that is not in it.
    """
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in ordered(runs):
        groups.setdefault(row.labels, []).append(row)
    return [_ligand_row(rows) for rows in groups.values()]


def _ligand_row(rows: list[Row]) -> Row:
    bindings = [row.binding for row in rows if row.binding is not None]
    failed, pending = ([row for row in rows if getattr(row, name)] for name in ("error", "pending"))
    versions = {
        name: ", ".join(sorted({row.versions[name] for row in rows if name in row.versions}))
        for name in PACKAGES
    }
    whole = combine(bindings) if bindings else None
    merged = replace(
        rows[0],
        run_id="",
        path="",
        curve=None,
        versions=versions,
        binding=whole,
        error="",
        pending="",
        notes=(),
    )
    if len(rows) == 1:
        return replace(merged, error=rows[0].error, pending=rows[0].pending, notes=rows[0].notes)
    notes = (*merge_flags([row.notes for row in rows]), *_hysteresis(rows))
    merged = replace(merged, replica=f"mean of {len(bindings)}", notes=notes)
    if pending:
        merged = replace(
            merged, pending=f"{len(pending)} of {len(rows)} replicas ({pending[0].pending})"
        )
    if failed:
        text = (
            f"{len(failed)} of {len(rows)} replicas failed"
            f" ({failed[0].status.removeprefix('Error: ')})"
        )
        merged = (
            replace(merged, notes=(Flag(FlagKind.REPLICAS_FAILED, text), *merged.notes))
            if bindings or pending
            else replace(merged, error=text)
        )
    return merged


def _hysteresis(rows: list[Row]) -> list[Flag]:
    """A flag where replicas that start on the way out and on the way back differ by more than kT,
    twice their own errors, and what their scatter within each kind explains (Student's t, 95 %): so
    three replicas are needed. Of two, `combine` tells the scatter.
    """
    sides = [
        [row for row in rows if row.binding is not None and row.path == path]
        for path in (OUT, BACK)
    ]
    free = sum(map(len, sides)) - 2
    if not all(sides) or free < 1:
        return []
    numbers = [[row.binding.dG0_kJ_mol for row in side] for side in sides]
    out, back = (float(np.mean([q.value for q in side])) for side in numbers)
    errors = [math.sqrt(sum(q.error**2 for q in side)) / len(side) for side in numbers]
    within = sum(float(np.var([q.value for q in side])) * len(side) for side in numbers) / free
    scatter = student.ppf(0.975, free) * math.sqrt(within * sum(1 / len(side) for side in numbers))
    kT = GAS_CONSTANT * sides[0][0].binding.temperature_K
    if not abs(out - back) > max(kT, 2 * math.hypot(*errors), scatter):
        return []
    bound = [max(side, key=lambda row: row.error_is_bound) for side in sides]
    found = [
        row.shown(Quantity(value, error))
        for row, value, error in zip(bound, (out, back), errors, strict=True)
    ]
    text = (
        f"hysteresis: dG0 is {found[0]} kJ/mol from the way out, {found[1]} from the way back into"
        " the pocket"
    )
    return [Flag(FlagKind.HYSTERESIS, text)]


def combine(bindings: Sequence[Binding]) -> Binding:
    """The mean over replicas: its error is the larger of `sem` and of sqrt(sum error^2)/n; both are
    kept.

    `sem` is the standard error of the mean times Student's t for 68 % (1.84 for two replicas, 1.32
    for three).

    Flags of one kind and subject are merged into one, with the number of replicas that have it.
    """
    if not bindings:
        raise ValueError("there is no binding to combine: give at least one")
    first, n = bindings[0], len(bindings)
    if n == 1:
        return first
    means = {name: _mean([getattr(b, name) for b in bindings]) for name in QUANTITIES}
    dG0, kT = means["dG0_kJ_mol"], GAS_CONSTANT * first.temperature_K
    K_a = math.exp(-dG0.value / kT) / STANDARD_PER_NM3
    flags = merge_flags([b.flags for b in bindings])
    if dG0.sem > max(2 * dG0.propagated, kT):
        text = (
            f"replicas scatter by ± {dG0.sem:.1f} kJ/mol in dG0 where their own errors give ±"
            f" {dG0.propagated:.1f}"
        )
        flags.append(Flag(FlagKind.REPLICAS_SCATTER, text))
    return Binding(
        **{**means, "K_a_nm3": Quantity(K_a, K_a * dG0.error / kT)},
        has_barrier=any(b.has_barrier for b in bindings),
        temperature_K=first.temperature_K,
        sampling_ns=sum(b.sampling_ns for b in bindings),
        n_windows=sum(b.n_windows for b in bindings),
        min_overlap=min(b.min_overlap for b in bindings),
        dG0_difference_kJ_mol=largest(b.dG0_difference_kJ_mol for b in bindings),
        well_depth_difference_kJ_mol=largest(b.well_depth_difference_kJ_mol for b in bindings),
        residence_is_bound=any(b.residence_is_bound for b in bindings),
        replicas=n,
        flags=tuple(flags),
    )


def _mean(quantities: list[Quantity]) -> Quantity:
    values, n = [q.value for q in quantities], len(quantities)
    sem = float(np.std(values, ddof=1) / math.sqrt(n) * student.ppf(ONE_SIGMA, n - 1))
    propagated = math.sqrt(sum(q.error**2 for q in quantities)) / n
    return Quantity(
        float(np.mean(values)),
        max(sem, propagated) if math.isfinite(sem + propagated) else math.nan,
        sem,
        propagated,
    )


def ordered(rows: Sequence[Row]) -> list[Row]:
    """By what the rows are about, never by the order they were read in; replica 10 after replica 9."""
    return sorted(
        rows,
        key=lambda row: (*row.labels[1:], row.ligand, len(row.replica), row.replica, row.run_id),
    )


def rounded(value: float, error: float, scale: float = 1.0) -> str:
    """ "value ± error", both times `scale`, cut at the error's first digit, or its second where the
    first is 1.

    Without a usable error (NaN, infinite) the value has three digits and the error is "?"; without
    a value it is "-".
    """
    value, error = value * scale, abs(error * scale)
    if not math.isfinite(value):
        return EMPTY
    if error > RESOLUTION * abs(value) and math.isfinite(error):
        exponent = math.floor(math.log10(error))
        decimals = -exponent + (1 if f"{error:e}"[0] == "1" else 0)
        return f"{_fixed(value, decimals)} ± {_fixed(error, decimals)}"
    decimals = 2 - math.floor(math.log10(abs(value))) if value else 0
    return f"{_fixed(value, max(0, decimals))} ± {'0' if math.isfinite(error) else '?'}"


def _fixed(value: float, decimals: int) -> str:
    """With so many decimals (negative: tens, hundreds), and never "-0"."""
    value = round(value, decimals)
    return f"{value if value else 0.0:.{max(0, decimals)}f}"


def record(row: Row) -> dict:
    """The full, unrounded numbers of a row under their column names, None where there is none."""
    b = row.binding
    content = {
        "kind": "run" if row.run_id else "ligand",
        **dict(zip(LABELS, row.labels, strict=True)),
    }
    content |= {"replica": row.replica, "path": row.path}
    for name in QUANTITIES:
        q = getattr(b, name) if b else Quantity(math.nan, math.nan)
        quantity, _, unit = name.partition("_kJ") if "_kJ" in name else name.rpartition("_")
        unit = "kJ" + unit if "_kJ" in name else unit
        content |= {name: q.value, f"{quantity}_error_{unit}": q.error}
        if name == "dG0_kJ_mol":
            content |= {
                "dG0_kcal_mol": q.value / KJ_PER_KCAL,
                "dG0_error_kcal_mol": q.error / KJ_PER_KCAL,
            }
            content |= {
                "dG0_replica_sem_kJ_mol": q.sem,
                "dG0_propagated_error_kJ_mol": q.propagated,
            }
        if name == "residence_log10_s" and abs(q.value) < LARGEST:
            content |= {"residence_time_s": 10**q.value, "k_off_per_s": 10**-q.value}
        elif name == "residence_log10_s":
            content |= {"residence_time_s": None, "k_off_per_s": None}
    content |= {name: getattr(b, name, None) for name in NUMBERS}
    content["temperature_K"] = (
        float(row.temperature_K) if row.temperature_K else content["temperature_K"]
    )
    content |= {
        "status": row.status,
        "run_id": row.run_id,
        **{name: row.versions.get(name, "") for name in PACKAGES},
    }
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in content.items()
    }
