"""What is published of each run of a campaign, read for the report; what is missing stays empty."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from halobind.pipeline.campaign.run_directory import CampaignRuns, Run
from halobind.pipeline.free_energy.binding import Binding
from halobind.pipeline.free_energy.settings import EstimateSettings
from halobind.pipeline.results.table_rows import BACK, TableRow

BOUND_BASIN = ""
"""What stands for the window in profiles.csv where a profile is an average over the bound basin."""


@dataclass(frozen=True)
class Average:
    """A measured quantity over the bound basin."""

    quantity: str
    """Its name with its unit, as in averages.csv."""
    value: float
    error: float


@dataclass(frozen=True)
class Profile:
    """A measured curve over the bound basin."""

    observable: str
    """"density", "rdf", ..."""
    species: str
    coordinate: str
    """"height_nm" or "distance_nm"."""
    x_nm: list[float] = field(default_factory=list)
    value: list[float] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class RunResults:
    """Everything published of one run that the report shows."""

    run: Run
    row: TableRow
    plateau_nm: tuple[float, float] | None = None
    """Where the curve stands for the solution."""
    barrier: tuple[float, float] | None = None
    """Height (nm) and free energy (kJ/mol) of the top of the barrier, where there is one."""
    overlap: np.ndarray | None = None
    """Overlap matrix (K, K) of the windows; None without windows."""
    centers_nm: list[float] = field(default_factory=list)
    """Centre of each series of the overlap matrix, (K,)."""
    convergence: dict[str, list[float]] = field(default_factory=dict)
    """The columns of convergence.csv; empty without windows."""
    averages: list[Average] = field(default_factory=list)
    profiles: list[Profile] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The ligand and the replica."""
        return f"{self.row.ligand}, replica {self.row.replica}"

    @property
    def is_back(self) -> bool:
        """Whether it started on the way back into the pocket."""
        return self.row.path == BACK


def read_results(campaign: CampaignRuns, rows: Sequence[TableRow]) -> list[RunResults]:
    """What is published of every run.

    Args:
        campaign: the campaign.
        rows: the row of each of its runs, in the same order.
    """
    settings = campaign.settings.estimate
    return [_read_run(run, row, settings) for run, row in zip(campaign.runs, rows, strict=True)]


def _read_run(run: Run, row: TableRow, settings: EstimateSettings) -> RunResults:
    observed = newest_observations(run)
    averages = _averages(observed / "averages.csv") if observed else []
    profiles = _profiles(observed / "profiles.csv") if observed else []
    if not row.estimate or row.binding is None:
        return RunResults(run, row, averages=averages, profiles=profiles)
    folder = run.path(row.estimate)
    windows = _table(folder / "windows.csv")
    centers = [float(window["center_nm"]) for window in windows]
    end = max(centers) if centers else run.spec.pull.to_nm
    plateau = (end - settings.plateau_nm, end)
    return RunResults(
        run,
        row,
        plateau_nm=plateau,
        barrier=_barrier(row, row.binding, plateau[0]),
        overlap=_matrix(folder / "overlap.csv"),
        centers_nm=centers,
        convergence=_columns(folder / "convergence.csv"),
        averages=averages,
        profiles=profiles,
    )


def newest_observations(run: Run) -> Path | None:
    """The folder of the last published observables of a run; None where there is none."""
    folders = [path for path in run.folder.glob("observe-*") if path.is_dir()]
    return max(folders, key=lambda path: path.stat().st_mtime, default=None)


def _barrier(
    row: TableRow, binding: Binding, plateau_start_nm: float
) -> tuple[float, float] | None:
    """The highest point of the curve between the well and the plateau, where that is a barrier."""
    if row.curve is None or not binding.has_barrier:
        return None
    curve = row.curve
    between = (curve.z_nm > binding.z_min_nm.value) & (curve.z_nm < plateau_start_nm)
    heights = np.where(between & np.isfinite(curve.W), curve.W, -np.inf)
    top = int(np.argmax(heights))
    if not math.isfinite(heights[top]):
        return None
    return float(curve.z_nm[top]), float(curve.W[top])


def _table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file; none where there is no file."""
    if not path.is_file():
        return []
    with open(path, encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def _number(text: str | None) -> float:
    """A cell as a number; NaN for an empty one."""
    return float(text) if text else math.nan


def _columns(path: Path) -> dict[str, list[float]]:
    rows = _table(path)
    return {name: [_number(row[name]) for row in rows] for name in rows[0]} if rows else {}


def _matrix(path: Path) -> np.ndarray | None:
    if not path.is_file():
        return None
    matrix: np.ndarray = np.genfromtxt(path, delimiter=",", skip_header=1, ndmin=2)
    return matrix


def _averages(path: Path) -> list[Average]:
    return [
        Average(row["quantity"], _number(row["average"]), _number(row["error"]))
        for row in _table(path)
    ]


def _profiles(path: Path) -> list[Profile]:
    profiles: dict[tuple[str, str], Profile] = {}
    for row in _table(path):
        if row["window_nm"] != BOUND_BASIN:
            continue
        key = (row["observable"], row["species"])
        profile = profiles.setdefault(key, Profile(*key, row["coordinate"]))
        profile.x_nm.append(_number(row["x_nm"]))
        profile.value.append(_number(row["value"]))
    return [
        profile for profile in profiles.values() if np.nan_to_num(np.array(profile.value)).any()
    ]
