"""Fill a box with solvent molecules around what is there, with packmol."""

import math
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

import numpy as np

from structures.molecules import Molecule

AVOGADRO_PER_NM3 = 0.602214076  # molecules per nm3 in one mol per litre
TOLERANCE_A = 2.0


def solvent_count(volume_nm3: float, molecule: Molecule, density_kg_m3: float) -> int:
    """How many molecules fill `volume_nm3` at the given density."""
    molar_mass = float(molecule.masses.sum())
    return int(volume_nm3 * density_kg_m3 / molar_mass * AVOGADRO_PER_NM3)


def pack_solvent(molecule: Molecule, count: int, region: tuple[float, float], fixed: tuple, box: np.ndarray, seed: int) -> np.ndarray:
    """Positions (count, n_atoms, 3) in nm of `count` copies of `molecule` between heights region[0] and region[1].

    `fixed` is (elements, positions (n, 3) nm) of the atoms to keep 2.0 angstrom away from, in the periodic `box` (3,) nm; the
    same seed gives the same packing. Raises RuntimeError when packmol is missing, fails or finds no packing.
    """
    if count == 0:
        return np.zeros((0, molecule.n_atoms, 3))
    elements, positions = fixed
    with tempfile.TemporaryDirectory(prefix="halobind-pack-") as name:
        folder = Path(name)
        _write_xyz(folder / "fixed.xyz", elements, 10 * np.mod(positions, box))
        _write_xyz(folder / "solvent.xyz", molecule.elements, 10 * molecule.positions)
        x, y, z = 10 * box
        low, high = 10 * region[0], 10 * region[1]
        lines = [f"tolerance {TOLERANCE_A}", "filetype xyz", "output packed.xyz", f"seed {seed % 100_000_000}", "nloop 200"]
        lines += [f"pbc 0.0 0.0 0.0 {x:.6f} {y:.6f} {z:.6f}"]
        lines += ["structure fixed.xyz", "  number 1", "  fixed 0. 0. 0. 0. 0. 0.", "end structure"]
        lines += ["structure solvent.xyz", f"  number {count}", f"  inside box 0. 0. {low:.6f} {x:.6f} {y:.6f} {high:.6f}"]
        lines += ["end structure", ""]
        (folder / "pack.inp").write_text("\n".join(lines), encoding="ascii")
        _run_packmol(folder, count, molecule.name)
        xyz = np.loadtxt(folder / "packed.xyz", skiprows=2, usecols=(1, 2, 3))
    return xyz[len(elements) :].reshape(count, molecule.n_atoms, 3) / 10.0


def _write_xyz(path: Path, elements: tuple[str, ...], xyz: np.ndarray) -> None:
    rows = [f"{e} {p[0]:.5f} {p[1]:.5f} {p[2]:.5f}" for e, p in zip(elements, xyz, strict=True)]
    path.write_text("\n".join([str(len(rows)), "", *rows, ""]), encoding="ascii")


def packmol_program() -> str:
    """Path of the packmol executable: beside this Python first, then on PATH. Raises RuntimeError with the install line."""
    beside = Path(sysconfig.get_path("scripts")) / "packmol"
    found = str(beside) if beside.is_file() else shutil.which("packmol")
    if found is None:
        raise RuntimeError("packmol is not installed: pip install packmol")
    return found


def _run_packmol(folder: Path, count: int, name: str) -> None:
    with open(folder / "pack.inp", encoding="ascii") as text:
        done = subprocess.run([packmol_program()], stdin=text, cwd=folder, capture_output=True, text=True, timeout=3600)
    if done.returncode != 0 or not (folder / "packed.xyz").is_file():
        tail = "\n".join(done.stdout.splitlines()[-12:])
        raise RuntimeError(f"packmol could not pack {count} {name} molecules (exit {done.returncode}):\n{tail}")


def liquid_volume(molecule: Molecule) -> float:
    """The room (nm3) a dissolved chain molecule takes, at the density of liquid dodecane (745 kg/m3, CRC Handbook, 97th ed.)."""
    return float(molecule.masses.sum()) / (745.0 * AVOGADRO_PER_NM3)


def ceil_nm(value: float) -> float:
    """`value` rounded up to 0.1 nm, for messages that advise a size."""
    return math.ceil(10 * value - 1e-9) / 10
