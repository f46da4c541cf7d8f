"""Time and memory of building a CsPbBr3 cube at full DA coverage in toluene, against its size.

python tests/benchmarks/build_size.py            3, 5, 7 and 10 nm, each in a process of its own
python tests/benchmarks/build_size.py 5 17       cubes of 5 and of 17 cells
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

from halobind.structures.assembly.build import ModelSpec, build_model
from halobind.structures.crystals.coating import Coat
from halobind.structures.crystals.crystal import CrystalSpec
from halobind.structures.models.model import write_model

LATTICE_NM = 0.586
CELLS = (5, 9, 12, 17)


def one(cells: int) -> str:
    """Build, write and describe one cube: edge, ligands, atoms, seconds to build and to write, peak
    memory.
    """
    crystal = CrystalSpec("CsPbBr3", "cuboid", (cells,) * 3, "AX", LATTICE_NM)
    start = time.perf_counter()
    model, check = build_model(
        ModelSpec(crystal, None, "face", (("toluene", 1.0),), 6.0, (Coat("all", "DA", 1.0),))
    )
    built = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        write_model(model, Path(folder))
        written = time.perf_counter() - start - built
    peak = getrusage(RUSAGE_SELF).ru_maxrss / 1024**2
    return (
        f"| {cells * LATTICE_NM:.1f} | {check.bound['DA']} | {check.solvent['toluene']} |"
        f" {model.n_atoms} | {built:.0f} | {written:.0f} | {peak:.2f} |"
        f" {1e6 * built / model.n_atoms:.0f} | {check.closest_contact_nm:.3f} |"
    )


if __name__ == "__main__":
    asked = [int(item) for item in sys.argv[1:]]
    if len(asked) == 1:
        print(one(asked[0]), flush=True)
    else:
        print(
            "| edge (nm) | DA | toluene | atoms | build (s) | write (s) | peak (GiB) | us/atom |"
            " closest (nm) |",
            flush=True,
        )
        print("|---|---|---|---|---|---|---|---|---|", flush=True)
        for cells in asked or CELLS:
            subprocess.run([sys.executable, __file__, str(cells)], check=True)
