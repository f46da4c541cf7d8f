"""What exchange costs: the same windows in one process with swaps and without, and by OpenMM's own
sampler, in turn.

    python tests/benchmarks/exchange_cost.py CAMPAIGN [windows] [ps] [rounds]

CAMPAIGN is a campaign whose first run is prepared (for example the demo). Every way samples
`windows` neighbouring windows for `ps` each from the same states, recording every 0.1 ps. Plain:
one leg after the other, as without exchange. Exchange: all side by side, a swap tried every 0.5 ps.
Native: openmm.app.ReplicaExchangeSampler with iterations of 0.5 ps, where this OpenMM has it; it
records nothing here. Compared are seconds of processor time on the CPU platform (other processes
disturb them little), of wall time elsewhere.
"""

import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import openmm as mm
from openmm import app, unit

from halobind.pipeline.campaign.load import load_campaign
from halobind.pipeline.campaign.run_directory import campaign_file, runs_of
from halobind.pipeline.sampling.md_leg import Leg, MDEngine, MDState, run_leg
from halobind.pipeline.sampling.openmm_xml import read_state
from halobind.pipeline.sampling.platforms import MDPlatform, choose
from halobind.pipeline.sampling.pull_steps import pull_steps
from halobind.pipeline.sampling.replica_exchange import GroupWindow, SwapSchedule, run_exchange
from halobind.pipeline.sampling.run_context import (
    built_model,
    coordinate_of,
    load_system,
    unbiased_leg,
)

EVERY_PS = 0.5


def native(system: mm.System, members: list[tuple[MDState, Leg]], choice: MDPlatform) -> None:
    """OpenMM's sampler over the same states and time."""
    start, leg = members[0]
    topology = app.Topology()
    residue = topology.addResidue("X", topology.addChain())
    for _ in range(system.getNumParticles()):
        topology.addAtom("X", None, residue)
    integrator = mm.LangevinMiddleIntegrator(
        leg.temperature_K[0], leg.friction_per_ps, leg.timestep_fs / 1000
    )
    platform = mm.Platform.getPlatformByName(choice.name)
    simulation = app.Simulation(topology, system, integrator, platform, dict(choice.properties))
    simulation.context.setPositions(start.positions)
    simulation.context.setPeriodicBoxVectors(
        *(mm.Vec3(*[start.box[i] * (i == j) for j in range(3)]) for i in range(3))
    )
    simulation.context.setVelocitiesToTemperature(leg.temperature_K[0] * unit.kelvin, 1)
    states = [{"bias_center": one.center_nm[0], "bias_k": one.k} for _, one in members]
    sampler = app.ReplicaExchangeSampler(
        states, simulation, round(EVERY_PS * 1000 / leg.timestep_fs)
    )
    sampler.simulate(round(leg.duration_ps / EVERY_PS))


def main(folder: Path, windows: int, ps: float, rounds: int) -> None:
    campaign = load_campaign(campaign_file(folder))
    run = runs_of(folder, campaign)[0]
    model, system, choice = (
        built_model(run.path("build")),
        load_system(run.path("system")),
        choose(campaign.resources.platform),
    )
    engine = MDEngine(system, coordinate_of(run.spec, model), choice)
    pulled = pull_steps(run, "")[-windows:]
    leg = replace(unbiased_leg(run, "benchmark"), duration_ps=ps, k=run.spec.pull.k_kJ_mol_nm2)
    members = []
    for number, product in enumerate(pulled):
        height = product.height_nm
        one = replace(leg, seed=number + 1, center_nm=(height, height))
        members.append((read_state(run.path(product.name) / "state.xml"), one))
    found: dict[str, list[float]] = {"plain": [], "exchange": [], "native": []}
    clock = time.perf_counter if choice.is_gpu else time.process_time
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as out:
            began = clock()
            for start, one in members:
                run_leg(engine, start, one, Path(out), lambda fraction: None)
            found["plain"].append(clock() - began)
            group, swaps = (
                [GroupWindow(start, one, Path(out)) for start, one in members],
                SwapSchedule(round(EVERY_PS / leg.record_ps), 1),
            )
            began = clock()
            run_exchange(engine, group, swaps, lambda fraction: None)
            found["exchange"].append(clock() - began)
        if hasattr(app, "ReplicaExchangeSampler"):
            began = clock()
            native(system, members, choice)
            found["native"].append(clock() - began)
        print(
            "  ".join(f"{name} {times[-1]:.2f} s" for name, times in found.items() if times),
            flush=True,
        )
    print(
        f"{model.n_atoms} atoms on {choice.name}, {windows} windows of {ps:g} ps; median ratios to"
        " plain: ",
        end="",
    )
    ratios = {
        name: [a / b for a, b in zip(times, found["plain"], strict=True)]
        for name, times in found.items()
        if times and name != "plain"
    }
    print(", ".join(f"{name} {statistics.median(values):.3f}" for name, values in ratios.items()))


if __name__ == "__main__":
    numbers = [float(text) for text in sys.argv[2:]] + [4, 4.0, 5][len(sys.argv[2:]) :]
    main(Path(sys.argv[1]), int(numbers[0]), numbers[1], int(numbers[2]))
