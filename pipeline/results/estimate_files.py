"""What is published of an estimate: the curve, the windows, their overlap, the convergence and the
binding numbers.
"""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from halobind.pipeline.free_energy.binding import Binding, convergence
from halobind.pipeline.free_energy.equilibration import Equilibrated
from halobind.pipeline.free_energy.kinetics import diffusion
from halobind.pipeline.free_energy.samples import Window
from halobind.pipeline.free_energy.umbrella_pmf import Pmf
from halobind.pipeline.results.table_rows import Curve

WINDOW_COLUMNS = (
    *(
        "center_nm",
        "k_kJ_mol_nm2",
        "series",
        "recorded",
        "equilibrated_from",
        "used_from",
        "samples",
        "independent_samples",
    ),
    *("mean_nm", "sd_nm", "f_kT", "f_error_kT", "neighbour_overlap"),
    *("correlation_time_ps", "D_nm2_ns", "D_error_nm2_ns", "D_is_lower_bound"),
)
CONVERGENCE_COLUMNS = (
    "fraction",
    *(
        f"{part}_{name}{kind}_kJ_mol"
        for name in ("dG0", "well_depth")
        for part in ("first", "last")
        for kind in ("", "_error")
    ),
)


def write_estimate(out: Path, ready: Equilibrated, pmf: Pmf, found: Binding) -> None:
    """Write pmf.csv (the curve, and that of every other estimator), windows.csv (one row a series),
    overlap.csv (the matrix), convergence.csv (dG0 and depth from parts of the data) and
    binding.json into `out`.
    """
    samples = ready.samples
    names = [f"W_{name.replace(' ', '_')}_kJ_mol" for name in pmf.others]
    write_csv(
        out / "pmf.csv",
        ("z_nm", "W_kJ_mol", "W_error_kJ_mol", *names),
        zip(pmf.z_nm, pmf.W, pmf.W_error, *pmf.others.values(), strict=True),
    )
    mobility, independent, series = (
        diffusion(samples),
        samples.effective_counts(),
        _numbered(samples.windows),
    )
    rows = [
        (
            w.center_nm,
            w.k,
            series[i],
            ready.counts[i],
            ready.detected[i],
            ready.start[i],
            len(z),
            independent[i],
        )
        + (z.mean(), z.std(), pmf.f_k[i], pmf.f_k_error[i], pmf.neighbour_overlap[i])
        + (mobility.tau_ps[i], mobility.D_nm2_ns[i], mobility.error[i], not mobility.resolved[i])
        for i, (w, z) in enumerate(zip(samples.windows, samples.z, strict=True))
    ]
    write_csv(out / "windows.csv", WINDOW_COLUMNS, rows)
    labels = [
        f"z{w.center_nm:+.3f}-k{w.k:g}-{n}" for w, n in zip(samples.windows, series, strict=True)
    ]
    write_csv(out / "overlap.csv", labels, pmf.overlap)
    write_csv(out / "convergence.csv", CONVERGENCE_COLUMNS, convergence(pmf, samples.conditions))
    (out / "binding.json").write_text(
        json.dumps(found.as_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def _numbered(windows: Sequence[Window]) -> list[int]:
    """1 for the first series of a window, 2 for the second: the faces of a slab."""
    return [windows[: i + 1].count(window) for i, window in enumerate(windows)]


def read_curve(folder: Path) -> Curve:
    """The curve of a published estimate. Raises OSError, ValueError."""
    z, W, error = np.genfromtxt(
        folder / "pmf.csv", delimiter=",", skip_header=1, usecols=(0, 1, 2), ndmin=2
    ).T
    return Curve(z, W, error)


def write_csv(path: Path, columns: Iterable[str], rows: Iterable[Iterable]) -> None:
    """One line a row, floats with every digit."""
    with open(path, "w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(
            [
                repr(float(value)) if isinstance(value, float | np.floating) else value
                for value in row
            ]
            for row in rows
        )
