"""ns/day of our loop against a bare OpenMM loop over the same System, in turn, in one process.

    python tests/benchmarks/loop_overhead.py CAMPAIGN [pairs]

CAMPAIGN is a campaign whose first run is prepared (for example the demo). Ours records the
coordinate every 0.1 ps, writes frames of the solute every 1 ps and reports progress; bare is
integrator.step() over the same number of steps.
"""

import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import openmm as mm

from halobind.pipeline.campaign.load import load_campaign
from halobind.pipeline.campaign.run_directory import campaign_file, runs_of
from halobind.pipeline.sampling.md_leg import MDEngine, run_leg
from halobind.pipeline.sampling.openmm_xml import read_state
from halobind.pipeline.sampling.platforms import choose
from halobind.pipeline.sampling.products import prepare_products
from halobind.pipeline.sampling.run_context import (
    built_model,
    coordinate_of,
    frame_atoms,
    load_system,
    unbiased_leg,
)


def main(folder: Path, pairs: int) -> None:
    campaign = load_campaign(campaign_file(folder))
    run = runs_of(folder, campaign)[0]
    model, system = built_model(run.path("build")), load_system(run.path("system"))
    start = read_state(run.path(prepare_products(run, campaign)[-1].name) / "state.xml")
    choice = choose(campaign.resources.platform)
    coordinate = coordinate_of(run.spec, model)
    center = run.spec.pull.to_nm
    leg = replace(
        unbiased_leg(run, "benchmark"),
        duration_ps=8.0,
        center_nm=(center, center),
        k=run.spec.pull.k_kJ_mol_nm2,
    )
    leg = replace(leg, frame_ps=1.0, frame_atoms=frame_atoms(model, campaign.sampling))
    steps = round(leg.duration_ps / leg.timestep_fs * 1000)
    ours, bare = [], []
    for _ in range(pairs):
        with tempfile.TemporaryDirectory() as out:
            wall = run_leg(
                MDEngine(system, coordinate, choice), start, leg, Path(out), lambda fraction: None
            ).wall_s
        ours.append(leg.duration_ps / 1000 / wall * 86400)
        integrator = mm.LangevinMiddleIntegrator(
            leg.temperature_K[0], leg.friction_per_ps, leg.timestep_fs / 1000
        )
        integrator.setRandomNumberSeed(leg.seed)
        context = choice.context(system, integrator)
        x, y, z = start.box
        context.setPeriodicBoxVectors(mm.Vec3(x, 0, 0), mm.Vec3(0, y, 0), mm.Vec3(0, 0, z))
        context.setPositions(start.positions)
        context.setVelocities(start.velocities)
        context.setParameter("bias_k", leg.k)
        context.setParameter("bias_center", center)
        began = time.perf_counter()
        integrator.step(steps)
        bare.append(leg.duration_ps / 1000 / (time.perf_counter() - began) * 86400)
        print(
            f"ours {ours[-1]:6.1f}  bare {bare[-1]:6.1f} ns/day  ratio {ours[-1] / bare[-1]:.3f}",
            flush=True,
        )
    ratios = [a / b for a, b in zip(ours, bare, strict=True)]
    medians = f"ours {statistics.median(ours):.1f}, bare {statistics.median(bare):.1f} ns/day"
    print(
        f"{model.n_atoms} atoms on {choice.name}: median {medians}, ratio"
        f" {statistics.median(ratios):.3f}"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 7)
