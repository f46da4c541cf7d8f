"""Pack a periodic cubic box with molecules, with packmol."""

import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

import numpy as np

from halobind.structures.molecules.molecule import Molecule

TOLERANCE_A = 2.0


def pack_box(kinds: list[tuple[Molecule, int]], edge_nm: float, seed: int) -> list[np.ndarray]:
    """Positions (count, n_atoms, 3) in nm of `count` copies of each molecule in a periodic cube, no
    two atoms nearer than 0.2 nm.

    The same seed gives the same packing. Raises RuntimeError when packmol is missing, fails or
    finds no packing.
    """
    with tempfile.TemporaryDirectory(prefix="halobind-pack-") as name:
        folder, edge = Path(name), f"{10 * edge_nm:.6f}"
        lines = [
            f"tolerance {TOLERANCE_A}",
            "filetype xyz",
            "output packed.xyz",
            f"seed {seed % 100_000_000}",
            "nloop 200",
        ]
        lines += [f"pbc 0.0 0.0 0.0 {edge} {edge} {edge}"]
        for number, (item, count) in enumerate(kinds):
            rows = [
                f"{e} {p[0]:.5f} {p[1]:.5f} {p[2]:.5f}"
                for e, p in zip(item.elements, 10 * item.positions, strict=True)
            ]
            (folder / f"{number}.xyz").write_text(
                "\n".join([str(item.n_atoms), "", *rows, ""]), encoding="ascii"
            )
            lines += [
                f"structure {number}.xyz",
                f"  number {count}",
                f"  inside box 0. 0. 0. {edge} {edge} {edge}",
                "end structure",
            ]
        (folder / "pack.inp").write_text("\n".join([*lines, ""]), encoding="ascii")
        _run(folder, " and ".join(f"{count} {item.name}" for item, count in kinds))
        xyz = np.loadtxt(folder / "packed.xyz", skiprows=2, usecols=(1, 2, 3)) / 10.0
    ends = np.cumsum([item.n_atoms * count for item, count in kinds])
    return [
        part.reshape(count, item.n_atoms, 3)
        for part, (item, count) in zip(np.split(xyz, ends[:-1]), kinds, strict=True)
    ]


def packmol_program() -> str:
    """Path of the packmol executable: beside this Python first, then on PATH. Raises RuntimeError
    with the install line.
    """
    beside = Path(sysconfig.get_path("scripts")) / "packmol"
    found = str(beside) if beside.is_file() else shutil.which("packmol")
    if found is None:
        raise RuntimeError("packmol is not installed: pip install packmol")
    return found


def _run(folder: Path, what: str) -> None:
    with open(folder / "pack.inp", encoding="ascii") as text:
        done = subprocess.run(
            [packmol_program()],
            stdin=text,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=3600,
        )
    if done.returncode != 0 or not (folder / "packed.xyz").is_file():
        tail = "\n".join(done.stdout.splitlines()[-12:])
        raise RuntimeError(f"packmol could not pack {what} (exit {done.returncode}):\n{tail}")
