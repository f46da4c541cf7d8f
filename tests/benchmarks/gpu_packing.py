"""How many processes a GPU should have: aggregate ns/day of 1, 2, 4, 8 of them on each GPU, with
and without the Multi-Process Service.

    python tests/benchmarks/gpu_packing.py [--platform CUDA] [--processes 1 2 4 8] [--seconds 20] [--systems demo 10000]

Systems: the demo's (DA on 4x4x2 cells in acetone) and one of about 10,000 atoms. Every process has
its own context, 4 fs steps at 300 K, as a window has; all begin together, after minimisation and a
warm-up, and run for the same time.
"""

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import openmm as mm

from halobind.forcefields.hamiltonian.system import SystemSettings, make_system
from halobind.forcefields.packs.pack import load_pack
from halobind.jobs.gpus import has_mps, seats, shared_gpus, visible_gpus
from halobind.jobs.local import run_side_by_side
from halobind.pipeline.sampling.platforms import PlatformError, choose
from halobind.structures.assembly.build import ModelSpec, build_model
from halobind.structures.crystals.crystal import CrystalSpec

SYSTEMS = {
    "demo": ((4, 4, 2), 3.0, 0.9),
    "10000": ((8, 8, 3), 5.4, 1.0),
}  # cells, gap (nm), cutoff (nm)
STEP_FS = 4.0
CHUNK = 250


def write_system(name: str, folder: Path) -> int:
    """Write system.xml and positions.npy of a system, minimised; its number of atoms."""
    cells, gap, cutoff = SYSTEMS[name]
    pack = load_pack("bond-increment")
    crystal = CrystalSpec("CsPbBr3", "slab", cells, "AX", pack.lattice_nm["CsPbBr3"])
    model = build_model(ModelSpec(crystal, "DA", "face", (("acetone", 1.0),), gap))[0]
    system = make_system(model, pack, SystemSettings(cutoff, 1000.0))
    context = mm.Context(system, mm.VerletIntegrator(0.001))
    context.setPositions(model.positions)
    mm.LocalEnergyMinimizer.minimize(context, 50.0, 500)
    np.save(
        folder / "positions.npy",
        context.getState(getPositions=True).getPositions(asNumpy=True)._value,
    )
    (folder / "system.xml").write_text(mm.XmlSerializer.serialize(system), encoding="ascii")
    return model.n_atoms


def work(folder: Path, platform: str, seconds: float) -> None:
    """One process: warm up, say so, wait for the others, run, print ns/day."""
    system = mm.XmlSerializer.deserialize((folder / "system.xml").read_text(encoding="ascii"))
    integrator = mm.LangevinMiddleIntegrator(300, 1, STEP_FS / 1000)
    context = choose(platform).context(system, integrator)
    context.setPositions(np.load(folder / "positions.npy"))
    context.setVelocitiesToTemperature(300)
    integrator.step(4 * CHUNK)
    context.getState(getEnergy=True)
    print("ready", flush=True)
    while not (folder / "go").exists():
        time.sleep(0.01)
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        integrator.step(CHUNK)
        context.getState(getEnergy=True)
        steps += CHUNK
    print(steps * STEP_FS * 1e-6 / (time.perf_counter() - began) * 86400)


def aggregate(folder: Path, options: argparse.Namespace, places: list[dict[str, str]]) -> float:
    """ns/day of all processes together. Raises RuntimeError when one of them failed."""
    (folder / "go").unlink(missing_ok=True)
    command = [
        sys.executable,
        __file__,
        "--platform",
        options.platform,
        "--seconds",
        str(options.seconds),
        "--work",
        str(folder),
    ]
    with tempfile.TemporaryDirectory() as logs:

        def tick() -> None:
            found = [path.read_text(encoding="utf-8") for path in Path(logs).iterdir()]
            if len(found) == len(places) and all("ready" in text for text in found):
                (folder / "go").touch()

        codes = run_side_by_side(command, places, Path(logs), tick)
        texts = [path.read_text(encoding="utf-8") for path in codes]
    if any(codes.values()):
        raise RuntimeError(
            f"a process failed:\n{texts[list(codes.values()).index(max(codes.values(), key=abs))]}"
        )
    return sum(float(text.split()[-1]) for text in texts)


def main(options: argparse.Namespace) -> None:
    try:
        choose(options.platform)
        gpus = visible_gpus() if options.platform == "CUDA" else ("",)
    except (PlatformError, RuntimeError) as error:
        sys.exit(f"this benchmark needs a GPU: {error}")
    if options.platform == "CUDA":
        subprocess.run(
            ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv"], check=False
        )
    print(
        "| system | atoms | MPS | processes a GPU | ns/day in all | ratio to the first row"
        " |\n|---|---|---|---|---|---|"
    )
    for name in options.systems:
        with tempfile.TemporaryDirectory() as place:
            atoms, one = write_system(name, Path(place)), 0.0
            for mps in (False, True) if options.platform == "CUDA" and has_mps() else (False,):
                for each in options.processes:
                    with contextlib.ExitStack() as stack:
                        shared = stack.enter_context(shared_gpus(each)) if mps else {}
                        seated = (
                            [seat | shared for seat in seats(gpus, each)]
                            if gpus[0]
                            else [{}] * each
                        )
                        speed = aggregate(Path(place), options, seated)
                    one = one or speed
                    print(
                        f"| {name} | {atoms} | {'yes' if mps else 'no'} | {each} | {speed:.0f} |"
                        f" {speed / one:.2f} |",
                        flush=True,
                    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--platform", default="CUDA")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.work:
        work(chosen.work, chosen.platform, chosen.seconds)
    else:
        main(chosen)
