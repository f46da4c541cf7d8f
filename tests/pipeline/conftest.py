"""Campaigns that tests share: a tiny one, simulated once; and one with a real model and published
segments that are drawn, not simulated, whose frames are quick to make and known.
"""

import fcntl
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from mdtraj.formats import DCDTrajectoryFile

from halobind.pipeline.campaign.load import load_campaign
from halobind.pipeline.campaign.run_directory import Run, runs_of
from halobind.pipeline.campaign.settings import Campaign
from halobind.pipeline.free_energy.constants import GAS_CONSTANT
from halobind.pipeline.sampling.model_and_system import run_model_spec
from halobind.pipeline.sampling.run_context import built_model, frame_atoms
from halobind.pipeline.sampling.window_segments import grid_windows, window_chain
from halobind.structures.assembly.build import build_model
from halobind.structures.models.model import Model, write_model
from tests.pipeline import tiny

DRAWN = """
[model]
perovskite = "CsPbBr3"
cells = "4x4x1"
ligand = "DA"
solvent = "acetone"
gap_nm = 3.0
[forcefield]
cutoff_nm = 0.9
[pull]
from_nm = 0.0
to_nm = 0.9
step_nm = 0.1
[windows]
spacing_nm = 0.1
k_kJ_mol_nm2 = 400.0
[sampling]
segments = 2
segment_ps = 50.0
record_ps = 0.2
frame_ps = 1.0
frames = "FRAMES"
[estimate]
discard_fraction = 0.1
bin_nm = 0.05
plateau_nm = 0.2
n_bootstrap = 20
"""
BOX = np.array([2.344, 2.344, 3.6])


@dataclass(frozen=True)
class DrawnCampaign:
    """A campaign of one run without simulation: `add` publishes a segment of every window."""

    folder: Path
    campaign: Campaign
    run: Run
    model: Model

    def add(self, number: int, n_frames: int, every: int = 5, frames: str | None = None) -> None:
        """Heights are exact draws of a flat landscape, the ligand moves with its anchor, all atoms
        shake by 0.01 nm.
        """
        for window in grid_windows(self.run.spec, self.campaign.windows):
            out = self.run.path(f"{window_chain(window)}/seg-{number:03d}")
            out.mkdir(parents=True)
            random = np.random.default_rng([number, round(1000 * window.center_nm) + 1000])
            spread = np.sqrt(GAS_CONSTANT * 300 / window.k)
            z = window.center_nm + spread * random.standard_normal(n_frames * every)
            lateral = 0.1 * random.random((len(z), 2))
            self._publish(out, (z, lateral, every), frames or self.campaign.sampling.frames, random)
            record = tiny.segment_record(window, 0.2, duration_ps=0.2 * len(z))
            (out / "segment.json").write_text(json.dumps(record))

    def _publish(
        self,
        out: Path,
        drawn: tuple[np.ndarray, np.ndarray, int],
        frames: str,
        random: np.random.Generator,
    ) -> None:
        z, lateral, every = drawn
        model, anchor = self.model, int(self.model.groups["anchor"][0])
        np.save(out / "cv.npy", np.column_stack([z, np.hypot(*lateral.T)]))
        atoms = frame_atoms(model, self.campaign.sampling.model_copy(update={"frames": frames}))
        if not len(atoms):
            return
        with DCDTrajectoryFile(str(out / "frames.dcd"), "w") as file:
            for k in range(every - 1, len(z), every):
                xyz = model.positions + 0.01 * random.standard_normal(model.positions.shape)
                xyz[model.groups["ligand"]] += model.site_point + [*lateral[k], z[k]] - xyz[anchor]
                file.write(
                    (10 * xyz[atoms]).astype(np.float32),
                    cell_lengths=10 * BOX,
                    cell_angles=np.full(3, 90.0),
                )


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """build/ of the run below."""
    return draw_campaign(tmp_path_factory.mktemp("built") / "c", None).run.path("build")


def made_once(
    tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]
) -> Path:
    """A directory that all processes of a parallel test run share; the first to ask makes it.

    Args:
        tmp_path_factory: Of the session.
        name: Of the directory.
        make: Fills the new directory.

    Returns:
        The directory. To be read only.
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder = root / name
    whole = root / f"{name}-whole"
    with open(root / f"{name}-lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            folder.mkdir()
            make(folder)
            whole.touch()
    return folder


def draw_campaign(folder: Path, build_folder: Path | None, frames: str = "solute") -> DrawnCampaign:
    folder.mkdir()
    (folder / "campaign.toml").write_text(DRAWN.replace("FRAMES", frames))
    campaign = load_campaign(folder / "campaign.toml")
    (run,) = runs_of(folder, campaign)
    target = run.path("build")
    target.mkdir(parents=True)
    if build_folder is None:
        write_model(build_model(run_model_spec(run.spec, run.id))[0], target)
    else:
        for name in ("model.cif", "groups.json"):
            (target / name).write_bytes((build_folder / name).read_bytes())
    return DrawnCampaign(folder, campaign, run, built_model(target))


@pytest.fixture
def drawn(tmp_path: Path, built: Path) -> DrawnCampaign:
    """A new campaign without segments."""
    return draw_campaign(tmp_path / "c", built)


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny campaign, done by one process without interruption. To be copied, not changed.

    It lies in a directory whose name is not ASCII, and so does all that is made from it there.
    """

    def make(folder: Path) -> None:
        campaign = tiny.new(folder / "c")
        done = tiny.halobind("run", str(campaign), "--processes", "1", "--platform", "CPU")
        assert done.returncode == 0, done.stderr
        assert "binding.md" in done.stdout

    return made_once(tmp_path_factory, "reference-müller-ü", make) / "c"
