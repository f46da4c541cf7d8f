"""How long `halobind --version` and `--help` take (best and median of several starts), and what they
import: python -m tests.benchmarks.startup
"""

import statistics
import subprocess
import sys
import time

from tests.pipeline.commands.imports import modules_after

STARTS = 10
TARGET_S = 0.3


def wall_times_s(arguments: list[str]) -> list[float]:
    """Seconds that each of STARTS starts takes."""
    times = []
    for _ in range(STARTS):
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "halobind", *arguments], capture_output=True, check=True
        )
        times.append(time.perf_counter() - began)
    return times


def main() -> None:
    """Print one line for each command line."""
    for arguments in (["--version"], ["--help"], ["run", "--help"]):
        times = wall_times_s(arguments)
        print(
            f"halobind {' '.join(arguments):12s} best {min(times):.3f} s, median"
            f" {statistics.median(times):.3f} s (target {TARGET_S} s),"
            f" {len(modules_after(arguments))} modules"
        )


if __name__ == "__main__":
    main()
