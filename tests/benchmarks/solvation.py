"""Time and memory of filling a cubic box with toluene around an empty block, against its size; no
crystal and no ligands.

python tests/benchmarks/solvation.py                  5, 8, 12 and 16 nm, each in a process of its own
python tests/benchmarks/solvation.py 16 10 acetone    a box of 16 nm around a block of 10 nm, of acetone
"""

import subprocess
import sys
import time
from resource import RUSAGE_SELF, getrusage

import numpy as np

from halobind.structures.assembly.solvate import fill_solvent, solvent_counts

SIZES = ((5, 0), (8, 2), (12, 6), (16, 10), (16, 0))
NOTHING = np.zeros((0, 3))


def one(edge: float, hole: float, name: str) -> str:
    """Fill one box of `edge` nm around a block of `hole` nm: molecules, their part of the count,
    atoms, seconds, peak memory.
    """
    box, block = np.full(3, edge), np.full(3, hole / 2)
    start = time.perf_counter()
    counts = solvent_counts(0.0, box, block, {name: 1.0})
    (filled,) = fill_solvent((), NOTHING, box=box, block=block, counts=counts, seed=1)
    seconds = time.perf_counter() - start
    peak = getrusage(RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"| {edge:g} | {hole:g} | {len(filled.positions)} | {100 * len(filled.positions) / counts[name]:.1f} |"
        f" {len(filled.positions) * filled.molecule.n_atoms} | {seconds:.1f} | {peak:.0f} |"
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        edge, hole, name = [*sys.argv[1:], *("0", "toluene")[len(sys.argv) - 2 :]][:3]
        print(one(float(edge), float(hole), name), flush=True)
    else:
        print(
            "| box edge (nm) | block (nm) | molecules | % of count | atoms | seconds | peak MB |",
            flush=True,
        )
        print("|---|---|---|---|---|---|---|", flush=True)
        for edge, hole in SIZES:
            subprocess.run([sys.executable, __file__, str(edge), str(hole)], check=True)
