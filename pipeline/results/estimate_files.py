"""The files of a published estimate: curve, windows, overlap, convergence and binding numbers."""

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from halobind.pipeline.free_energy.alchemical_binding import (
    AlchemicalPmf,
    ReadyAlchemicalSamples,
    alchemical_convergence,
)
from halobind.pipeline.free_energy.binding import Binding, convergence
from halobind.pipeline.free_energy.equilibration import EquilibratedSamples
from halobind.pipeline.free_energy.kinetics import diffusion
from halobind.pipeline.free_energy.pmf import Curve, Pmf
from halobind.pipeline.free_energy.samples import Window
from halobind.pipeline.free_energy.two_faces import COLUMNS as FACE_COLUMNS
from halobind.pipeline.free_energy.umbrella_pmf import UmbrellaPmf
from halobind.pipeline.results.text_tables import csv_text

CURVE_COLUMNS = ("z_nm", "W_kJ_mol", "W_error_kJ_mol")
WINDOW_COLUMNS = (
    "center_nm",
    "k_kJ_mol_nm2",
    "series",
    "recorded",
    "equilibrated_from",
    "used_from",
    "samples",
    "independent_samples",
    "mean_nm",
    "sd_nm",
    "f_kT",
    "f_error_kT",
    "neighbour_overlap",
    "correlation_time_ps",
    "D_nm2_ns",
    "D_error_nm2_ns",
    "D_is_lower_bound",
)
STATE_COLUMNS = (
    "center_nm",
    "k_kJ_mol_nm2",
    "gate_kJ_mol",
    "charge_scale",
    "recorded",
    "equilibrated_from",
    "used_from",
    "samples",
    "independent_samples",
    "mean_nm",
    "sd_nm",
    "mean_fill",
    "f_kJ_mol",
    "f_error_kJ_mol",
    "f_integrated_kJ_mol",
    "overlap_with_next",
)
CONVERGENCE_COLUMNS = (
    "fraction",
    "first_dG0_kJ_mol",
    "first_dG0_error_kJ_mol",
    "last_dG0_kJ_mol",
    "last_dG0_error_kJ_mol",
    "first_well_depth_kJ_mol",
    "first_well_depth_error_kJ_mol",
    "last_well_depth_kJ_mol",
    "last_well_depth_error_kJ_mol",
)


def write_window_estimate(
    out: Path, ready: EquilibratedSamples, pmf: UmbrellaPmf, binding: Binding
) -> None:
    """Write everything about an estimate from umbrella windows.

    pmf.csv holds the curve and that of every other estimator, windows.csv a row for each series,
    overlap.csv the overlap matrix, convergence.csv dG0 and well depth from parts of the data.

    Args:
        out: the folder to write into.
        ready: the samples that were used.
        pmf: the curve.
        binding: the binding numbers.
    """
    samples = ready.samples
    _write_curves(out, pmf)
    series = _series_numbers(samples.windows)
    write_csv(out / "windows.csv", WINDOW_COLUMNS, _window_rows(ready, pmf, series))
    names = [
        f"z{window.center_nm:+.3f}-k{window.k:g}-{number}"
        for window, number in zip(samples.windows, series, strict=True)
    ]
    write_csv(out / "overlap.csv", names, pmf.overlap)
    write_csv(out / "convergence.csv", CONVERGENCE_COLUMNS, convergence(pmf, samples.conditions))
    _write_binding(out, binding)


def write_walker_estimate(out: Path, pmf: Pmf, binding: Binding) -> None:
    """Write pmf.csv and binding.json of an estimate from walkers into `out`."""
    curve = zip(pmf.z_nm, pmf.W, pmf.W_error, strict=True)
    write_csv(out / "pmf.csv", CURVE_COLUMNS, curve)
    _write_binding(out, binding)


def write_alchemical_estimate(
    out: Path, ready: ReadyAlchemicalSamples, pmf: AlchemicalPmf, binding: Binding
) -> None:
    """Write everything about an estimate from alchemical states.

    pmf.csv holds the curve at both ends, states.csv a row for each state, overlap.csv the overlap
    matrix, convergence.csv dG0 and well depth from parts of the data.

    Args:
        out: the folder to write into.
        ready: the samples that were used.
        pmf: the curve.
        binding: the binding numbers.
    """
    samples = ready.samples
    _write_curves(out, pmf)
    write_csv(out / "states.csv", STATE_COLUMNS, _state_rows(ready, pmf))
    names = [f"state-{number:03d}" for number in range(len(samples.states))]
    write_csv(out / "overlap.csv", names, pmf.overlap)
    rows = alchemical_convergence(pmf, samples.conditions)
    write_csv(out / "convergence.csv", CONVERGENCE_COLUMNS, rows)
    _write_binding(out, binding)


def _state_rows(ready: ReadyAlchemicalSamples, pmf: AlchemicalPmf) -> list[list[object]]:
    """The rows of states.csv, in the order of STATE_COLUMNS."""
    samples = ready.samples
    independent = samples.counts / samples.inefficiencies()
    overlaps = [*pmf.next_overlap, math.nan]
    return [
        [
            state.center_nm,
            state.k,
            state.gate,
            state.scale,
            ready.start[i] + samples.counts[i],
            ready.detected[i],
            ready.start[i],
            samples.counts[i],
            independent[i],
            samples.z[i].mean(),
            samples.z[i].std(),
            samples.terms[i][:, 0].mean(),
            pmf.f_k[i] * samples.kT,
            pmf.f_k_error[i] * samples.kT,
            pmf.f_integrated[i] * samples.kT,
            overlaps[i],
        ]
        for i, state in enumerate(samples.states)
    ]


def write_faces(out: Path, rows: Iterable[Sequence[float]]) -> None:
    """Write faces.csv, the binding numbers of each face alone, into `out`."""
    write_csv(out / "faces.csv", FACE_COLUMNS, rows)


def _write_curves(out: Path, pmf: Pmf) -> None:
    """Write pmf.csv: the curve, and that of every other estimator."""
    other_columns = [f"W_{name.replace(' ', '_')}_kJ_mol" for name in pmf.others]
    curves = zip(pmf.z_nm, pmf.W, pmf.W_error, *pmf.others.values(), strict=True)
    write_csv(out / "pmf.csv", (*CURVE_COLUMNS, *other_columns), curves)


def _write_binding(out: Path, binding: Binding) -> None:
    text = json.dumps(binding.as_dict(), indent=1, ensure_ascii=False) + "\n"
    (out / "binding.json").write_text(text, encoding="utf-8")


def _window_rows(
    ready: EquilibratedSamples, pmf: UmbrellaPmf, series: Sequence[int]
) -> list[list[object]]:
    """The rows of windows.csv, in the order of WINDOW_COLUMNS."""
    samples = ready.samples
    mobility = diffusion(samples)
    independent = samples.effective_counts()
    return [
        [
            window.center_nm,
            window.k,
            series[i],
            ready.counts[i],
            ready.detected[i],
            ready.start[i],
            len(z),
            independent[i],
            z.mean(),
            z.std(),
            pmf.f_k[i],
            pmf.f_k_error[i],
            pmf.neighbour_overlap[i],
            mobility.tau_ps[i],
            mobility.D_nm2_ns[i],
            mobility.error[i],
            not mobility.resolved[i],
        ]
        for i, (window, z) in enumerate(zip(samples.windows, samples.z, strict=True))
    ]


def _series_numbers(windows: Sequence[Window]) -> list[int]:
    """1 for the first series of a window, 2 for the second: the faces of a slab."""
    return [windows[: i + 1].count(window) for i, window in enumerate(windows)]


def read_estimate(folder: Path) -> Binding:
    """The binding numbers of a published estimate, whose curve can be read too.

    Raises:
        OSError, ValueError, KeyError, TypeError: the estimate is damaged.
    """
    read_curve(folder)
    return Binding.from_dict(json.loads((folder / "binding.json").read_text(encoding="utf-8")))


def read_curve(folder: Path) -> Curve:
    """The curve of a published estimate. Raises OSError, ValueError."""
    z, W, error = np.genfromtxt(
        folder / "pmf.csv", delimiter=",", skip_header=1, usecols=(0, 1, 2), ndmin=2
    ).T
    return Curve(z, W, error)


def write_csv(path: Path, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a CSV table: one line a row, floats with every digit."""
    path.write_text(csv_text(columns, rows), encoding="utf-8")
