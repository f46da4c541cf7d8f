"""`halobind export`: other programs open the frames with the topology beside them."""

from dataclasses import replace
from pathlib import Path

import mdtraj as md
import numpy as np
import pytest

from halobind.pipeline.commands.cli import main
from halobind.pipeline.observables.trajectory_export import model_of_atoms, write_topology


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of change of every file."""
    return {
        str(path): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_mdtraj_opens_every_window_and_the_run_is_untouched(drawn, tmp_path: Path) -> None:
    drawn.add(0, 6)
    drawn.add(1, 4, frames="all")
    before = files(drawn.folder)
    out = tmp_path / "out"
    assert main(["export", str(drawn.run.folder), "--out", str(out)]) == 0
    assert files(drawn.folder) == before
    for kind, number, n_frames in (("solute", 0, 6), ("all", 1, 4)):
        topology = md.load(str(out / drawn.run.id / f"{kind}.pdb"))
        paths = sorted((out / drawn.run.id / kind).glob(f"*/seg-{number:03d}.dcd"))
        assert len(paths) == 10
        frames = md.load(str(paths[3]), top=topology.topology)
        assert frames.n_frames == n_frames
        names = [atom.element.symbol for atom in frames.topology.atoms]
        assert names == list(drawn.model.elements[: len(names)])
        assert frames.topology.n_bonds > 0
        shift = frames.xyz[:, :5] - drawn.model.positions[:5]
        assert np.abs(shift).max() < 0.1


def test_mdanalysis_opens_them(drawn, tmp_path: Path) -> None:
    mda = pytest.importorskip("MDAnalysis")
    drawn.add(0, 6)
    assert main(["export", str(drawn.folder), "--out", str(tmp_path / "out")]) == 0
    folder = tmp_path / "out" / drawn.run.id
    frames = mda.Universe(
        str(folder / "solute.pdb"), str(next(folder.glob("solute/*/seg-000.dcd")))
    )
    assert len(frames.trajectory) == 6


def test_what_cannot_be_exported_is_refused(
    drawn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    drawn.add(0, 6, frames="none")
    assert main(["export", str(drawn.folder), "--out", out]) == 1
    assert '[sampling] frames = "solute"' in capsys.readouterr().err
    drawn.add(1, 6)
    assert main(["export", str(drawn.folder), "--out", str(drawn.run.folder / "x")]) == 1
    assert "among the runs" in capsys.readouterr().err
    assert main(["export", str(drawn.folder), "--out", out]) == 0
    assert main(["export", str(drawn.folder), "--out", out]) == 1
    assert "exists: remove it" in capsys.readouterr().err


def test_a_model_above_the_limits_of_pdb_is_written_as_mmcif(drawn, tmp_path: Path) -> None:
    atoms = np.arange(len(drawn.model.groups["core"]))
    part = model_of_atoms(drawn.model, atoms)
    assert part.n_atoms == len(atoms) and part.residues[-1].stop == len(atoms)
    assert write_topology(part, tmp_path, "small").name == "small.pdb"
    long = replace(part, box=part.box * [1, 1, 300])
    assert write_topology(long, tmp_path, "long").name == "long.cif"
