"""Pack a periodic cubic box with molecules, with packmol."""

import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from halobind.structures.molecules.molecule import Molecule

TOLERANCE_A = 2.0
TIME_LIMIT_S = 3600


@dataclass(frozen=True, eq=False)
class MoleculeCount:
    """Some copies of one molecule."""

    molecule: Molecule
    """The molecule."""
    count: int
    """How many copies of it."""


def pack_box(kinds: Sequence[MoleculeCount], edge_nm: float, seed: int) -> list[np.ndarray]:
    """Pack a periodic cube so that no two atoms are nearer than 0.2 nm.

    Args:
        kinds: What to pack.
        edge_nm: The edge of the cube.
        seed: The same seed gives the same packing.

    Returns:
        Positions (count, n_atoms, 3) in nm for each kind.

    Raises:
        RuntimeError: When packmol is missing, fails or finds no packing.
    """
    with tempfile.TemporaryDirectory(prefix="halobind-pack-") as name:
        folder = Path(name)
        for number, kind in enumerate(kinds):
            _write_xyz(kind.molecule, folder / f"{number}.xyz")
        (folder / "pack.inp").write_text(_packmol_input(kinds, edge_nm, seed), encoding="ascii")
        _run(folder, " and ".join(f"{kind.count} {kind.molecule.name}" for kind in kinds))
        xyz = np.loadtxt(folder / "packed.xyz", skiprows=2, usecols=(1, 2, 3)) / 10.0
    ends = np.cumsum([kind.molecule.n_atoms * kind.count for kind in kinds])
    return [
        part.reshape(kind.count, kind.molecule.n_atoms, 3)
        for part, kind in zip(np.split(xyz, ends[:-1]), kinds, strict=True)
    ]


def _write_xyz(item: Molecule, path: Path) -> None:
    """Write the first conformer of a molecule in angstrom."""
    rows = [
        f"{e} {p[0]:.5f} {p[1]:.5f} {p[2]:.5f}"
        for e, p in zip(item.elements, 10 * item.positions, strict=True)
    ]
    path.write_text("\n".join([str(item.n_atoms), "", *rows, ""]), encoding="ascii")


def _packmol_input(kinds: Sequence[MoleculeCount], edge_nm: float, seed: int) -> str:
    """The text of packmol's input file; molecule number k is in "k.xyz"."""
    edge = f"{10 * edge_nm:.6f}"
    lines = [
        f"tolerance {TOLERANCE_A}",
        "filetype xyz",
        "output packed.xyz",
        f"seed {seed % 100_000_000}",
        "nloop 200",
        f"pbc 0.0 0.0 0.0 {edge} {edge} {edge}",
    ]
    for number, kind in enumerate(kinds):
        lines += [
            f"structure {number}.xyz",
            f"  number {kind.count}",
            f"  inside box 0. 0. 0. {edge} {edge} {edge}",
            "end structure",
        ]
    return "\n".join([*lines, ""])


def packmol_program() -> str:
    """Path of the packmol executable: beside this Python first, then on PATH.

    Raises:
        RuntimeError: With the install line, when there is none.
    """
    beside = Path(sysconfig.get_path("scripts")) / "packmol"
    program = str(beside) if beside.is_file() else shutil.which("packmol")
    if program is None:
        raise RuntimeError("packmol is not installed: pip install packmol")
    return program


def _run(folder: Path, content: str) -> None:
    """Run packmol in a folder; messages name the content. Raises RuntimeError when it fails."""
    with open(folder / "pack.inp", encoding="ascii") as text:
        done = subprocess.run(
            [packmol_program()],
            stdin=text,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT_S,
        )
    if done.returncode != 0 or not (folder / "packed.xyz").is_file():
        tail = "\n".join(done.stdout.splitlines()[-12:])
        raise RuntimeError(f"packmol could not pack {content} (exit {done.returncode}):\n{tail}")
