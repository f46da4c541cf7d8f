"""The rows of the table: a run each, and a ligand over its replicas each.

No row is ever dropped, least of all a failed one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from halobind.pipeline.free_energy.binding import QUANTITIES, Binding, largest
from halobind.pipeline.free_energy.constants import GAS_CONSTANT, STANDARD_PER_NM3
from halobind.pipeline.free_energy.flags import Flag, FlagKind, merge_flags
from halobind.pipeline.free_energy.pmf import Curve
from halobind.pipeline.free_energy.quantity import Quantity, student_factor
from halobind.pipeline.results.own_ion import OwnIonComparison, ddG_against, own_ion
from halobind.pipeline.results.text_tables import rounded

LABELS = ("ligand", "perovskite", "surface", "solvent", "forcefield", "temperature_K")
"""What a row is about: rows with the same labels are replicas."""
PACKAGES = ("openmm", "halobind", "pymbar")
"""Packages whose versions are in the table."""
OUT = "out"
"""The path of a run that starts from states on the way out of the pocket."""
BACK = "out and back"
"""The path of a run that starts from states on the way back into the pocket."""
UPPER_95_PROBABILITY = 0.975
"""The part of a distribution below the upper end of its central 95 %."""


@dataclass(frozen=True)
class TableRow:
    """One line of the table: a run, or a ligand over its replicas."""

    ligand: str
    perovskite: str
    surface: str
    """Shape, termination, cells and what else tells the surface from others."""
    solvent: str
    forcefield: str
    """Name of the force-field pack."""
    replica: str
    """Number of the replica, or how many a ligand has."""
    run_id: str = ""
    """Empty for a ligand over its replicas."""
    temperature_K: str = ""
    mode: str = ""
    """How the ligand binds, a key of MODES."""
    path: str = ""
    """The path that the start states come from, OUT or BACK."""
    binding: Binding | None = None
    """The binding numbers, where there are any."""
    error: str = ""
    """Why there are none."""
    pending: str = ""
    """How far an unfinished run is: "12 of 28 segments"."""
    versions: dict[str, str] = field(default_factory=dict)
    """Version of each package that made it."""
    notes: tuple[Flag, ...] = ()
    """What is wrong besides the flags of the binding numbers."""
    curve: Curve | None = field(default=None, compare=False)
    """The curve of a run."""
    estimate: str = ""
    """Name of the folder in the run that its estimate is published in."""
    own_ion: OwnIonComparison | None = None
    """A ligand over its replicas against the crystal's own ion, where that was sampled too."""
    model_error_kJ_mol: float = math.nan
    """Error of dG0 that comes with the force field (kJ/mol); NaN where the pack states none."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The values of LABELS."""
        return tuple(getattr(self, name) for name in LABELS)

    @property
    def problems(self) -> tuple[Flag, ...]:
        """Everything that keeps the row from being converged."""
        return self.notes + (self.binding.flags if self.binding else ())

    @property
    def error_is_bound(self) -> bool:
        """Whether the errors are known to be too small."""
        return any(problem.error_is_bound for problem in self.problems)

    @property
    def has_dG0(self) -> bool:
        """Whether the binding free energy is a number."""
        return self.binding is not None and math.isfinite(self.binding.dG0_kJ_mol.value)

    @property
    def known_binding(self) -> Binding:
        """The binding numbers of a row that has some. Raises ValueError for another row."""
        if self.binding is None:
            raise ValueError(f"{self.run_id or self.ligand} has no binding numbers")
        return self.binding

    def shown(self, quantity: Quantity, scale: float = 1.0) -> str:
        """A quantity times `scale` as "value ± error", or "value ± ≥error" for a bound."""
        text = rounded(quantity.value, quantity.error, scale)
        return text.replace("± ", "± ≥") if self.error_is_bound else text

    @property
    def status(self) -> str:
        """On one line: "converged", "not converged: why", "Error: why" or "pending: how far"."""
        if self.error:
            return "Error: " + " ".join(self.error.removeprefix("Error:").split())
        reasons = "; ".join(problem.text for problem in self.problems)
        why = f"not converged: {reasons}" if self.problems else ""
        if self.pending:
            return f"pending: {self.pending}" + (f"; {why}" if why else "")
        if self.binding is None:
            return "Error: no result and no reason recorded"
        return why or "converged"


def ligand_rows(runs: Sequence[TableRow]) -> list[TableRow]:
    """One row for each ligand on its surface: the mean over its replicas.

    A note tells of the replicas that are not in it.
    """
    groups: dict[tuple[str, ...], list[TableRow]] = {}
    for row in ordered(runs):
        groups.setdefault(row.labels, []).append(row)
    ligands = [_ligand_row(rows) for rows in groups.values()]
    return [replace(row, own_ion=_compare_with_own_ion(row, ligands)) for row in ligands]


def _compare_with_own_ion(row: TableRow, ligands: Sequence[TableRow]) -> OwnIonComparison | None:
    """A ligand against the crystal's own ion; None where either has no dG0, or it is that ion.

    Both have the same surface, solvent, force field, temperature and way of binding.

    Args:
        row: the ligand.
        ligands: all ligands of the table, the own ion among them.
    """
    ion_name = own_ion(row.perovskite, row.mode)
    if not ion_name or not row.has_dG0 or row.ligand == ion_name:
        return None
    for ion in ligands:
        same_conditions = (ion.labels[1:], ion.mode) == (row.labels[1:], row.mode)
        if ion.ligand == ion_name and same_conditions and ion.has_dG0:
            ddG = ddG_against(row.known_binding.dG0_kJ_mol, ion.known_binding.dG0_kJ_mol)
            is_bound = row.error_is_bound or ion.error_is_bound
            return OwnIonComparison(ion_name, ddG, is_bound, not (row.problems or ion.problems))
    return None


def _ligand_row(rows: list[TableRow]) -> TableRow:
    """The row of a ligand from the rows of its replicas."""
    bindings = [row.binding for row in rows if row.binding is not None]
    merged = replace(
        rows[0],
        run_id="",
        path="",
        curve=None,
        estimate="",
        versions=_merged_versions(rows),
        binding=combine(bindings) if bindings else None,
        error="",
        pending="",
        notes=(),
    )
    if len(rows) == 1:
        return replace(merged, error=rows[0].error, pending=rows[0].pending, notes=rows[0].notes)
    notes = (*merge_flags([row.notes for row in rows]), *_hysteresis_flags(rows))
    merged = replace(merged, replica=f"mean of {len(bindings)}", notes=notes)
    pending = [row for row in rows if row.pending]
    if pending:
        merged = replace(
            merged, pending=f"{len(pending)} of {len(rows)} replicas ({pending[0].pending})"
        )
    failed = [row for row in rows if row.error]
    if not failed:
        return merged
    why = failed[0].status.removeprefix("Error: ")
    text = f"{len(failed)} of {len(rows)} replicas failed ({why})"
    if not bindings and not pending:
        return replace(merged, error=text)
    return replace(merged, notes=(Flag(FlagKind.REPLICAS_FAILED, text), *merged.notes))


def _merged_versions(rows: Sequence[TableRow]) -> dict[str, str]:
    """The versions of each of PACKAGES that made any of the rows."""
    return {
        name: ", ".join(sorted({row.versions[name] for row in rows if name in row.versions}))
        for name in PACKAGES
    }


def _hysteresis_flags(rows: list[TableRow]) -> list[Flag]:
    """A flag where replicas that start on the way out differ from those that start on the way back.

    They differ when the two means are further apart than kT, twice their own errors, and what the
    scatter within each kind explains (Student's t, 95 %). The last needs three replicas; the
    scatter of two is in `combine`.
    """
    out_rows = [row for row in rows if row.binding is not None and row.path == OUT]
    back_rows = [row for row in rows if row.binding is not None and row.path == BACK]
    freedom = len(out_rows) + len(back_rows) - 2
    if not out_rows or not back_rows or freedom < 1:
        return []
    kinds = (out_rows, back_rows)
    numbers = [[row.known_binding.dG0_kJ_mol for row in kind] for kind in kinds]
    out, back = (float(np.mean([q.value for q in side])) for side in numbers)
    errors = [math.sqrt(sum(q.error**2 for q in side)) / len(side) for side in numbers]
    squares = sum(float(np.var([q.value for q in side])) * len(side) for side in numbers)
    within = squares / freedom
    scatter = student_factor(freedom, UPPER_95_PROBABILITY) * math.sqrt(
        within * sum(1 / len(side) for side in numbers)
    )
    kT = GAS_CONSTANT * out_rows[0].known_binding.temperature_K
    if not abs(out - back) > max(kT, 2 * math.hypot(*errors), scatter):
        return []
    shown = [
        max(kind, key=lambda row: row.error_is_bound).shown(Quantity(value, error))
        for kind, value, error in zip(kinds, (out, back), errors, strict=True)
    ]
    text = (
        f"hysteresis: dG0 is {shown[0]} kJ/mol from the way out, {shown[1]} from the way back into"
        " the pocket"
    )
    return [Flag(FlagKind.HYSTERESIS, text)]


def combine(bindings: Sequence[Binding]) -> Binding:
    """The mean over replicas.

    Its error is the larger of `sem` and of sqrt(sum error^2)/n; both are kept. `sem` is the
    standard error of the mean times Student's t for 68 % (1.84 for two replicas, 1.32 for three).
    Flags of one kind and subject are merged into one, with the number of replicas that have it.

    Raises:
        ValueError: there is no binding.
    """
    if not bindings:
        raise ValueError("there is no binding to combine: give at least one")
    first = bindings[0]
    n = len(bindings)
    if n == 1:
        return first
    means = {name: _mean([getattr(b, name) for b in bindings]) for name in QUANTITIES}
    dG0 = means["dG0_kJ_mol"]
    kT = GAS_CONSTANT * first.temperature_K
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
    """The mean of one quantity over two replicas or more, see `combine`."""
    values = [q.value for q in quantities]
    n = len(quantities)
    t = student_factor(n - 1)
    sem = float(np.std(values, ddof=1) / math.sqrt(n) * t)
    propagated = math.sqrt(sum(q.error**2 for q in quantities)) / n
    error = max(sem, propagated) if math.isfinite(sem + propagated) else math.nan
    return Quantity(float(np.mean(values)), error, sem, propagated)


def ordered(rows: Sequence[TableRow]) -> list[TableRow]:
    """The rows by what they are about, whatever order they came in; replica 10 after replica 9."""
    return sorted(
        rows,
        key=lambda row: (*row.labels[1:], row.ligand, len(row.replica), row.replica, row.run_id),
    )
