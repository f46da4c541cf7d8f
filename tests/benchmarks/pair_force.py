"""What the ion pairs cost: designs of the pair force against a NonbondedForce alone, same box, same run; energies compared.

    python tests/benchmarks/pair_force.py [CPU|CUDA|HIP|OpenCL] [cells ...]      default: CPU, slabs of 4x4x3 and 6x6x3 cells

plain     NonbondedForce for everything (no table force): what a system of this size costs at least
folded    what halobind ships: mixed pairs in the NonbondedForce, listed less mixed ones over the groups ion-ion and ion-head
list      the same tables over the plain cutoff list, without interaction groups
unfolded  no Lennard-Jones on the ions in the NonbondedForce; every pair with an ion in the table force, by groups
"""

import sys
import time

import numpy as np
import openmm as mm

from forcefields.charges import ions_of
from forcefields.packs import Pack, load_pack
from forcefields.system import SystemSettings, make_system, pair_table
from structures.build import ModelSpec, build
from structures.crystal import CrystalSpec
from structures.model import Model

STEPS = 400


def copy_of(system: mm.System) -> mm.System:
    return mm.XmlSerializer.deserialize(mm.XmlSerializer.serialize(system))


def forces_of(system: mm.System) -> tuple[mm.NonbondedForce, mm.CustomNonbondedForce]:
    nonbonded = next(f for f in system.getForces() if isinstance(f, mm.NonbondedForce))
    return nonbonded, next(f for f in system.getForces() if isinstance(f, mm.CustomNonbondedForce))


def plain(system: mm.System) -> mm.System:
    made = copy_of(system)
    for k in reversed(range(made.getNumForces())):
        if isinstance(made.getForce(k), mm.CustomNonbondedForce):
            made.removeForce(k)
    return made


def listed(system: mm.System) -> mm.System:
    made = plain(system)
    text = mm.XmlSerializer.serialize(forces_of(system)[1])
    start, end = text.index("<InteractionGroups>"), text.index("</InteractionGroups>")
    made.addForce(mm.XmlSerializer.deserialize(text[:start] + "<InteractionGroups>" + text[end:]))
    return made


def unfolded(system: mm.System, model: Model, pack: Pack) -> mm.System:
    nonbonded, force = forces_of(system)
    _, pairs, kinds = pair_table(nonbonded, model, pack)
    made = copy_of(system)
    nonbonded, force = forces_of(made)
    ions = [int(i) for i in ions_of(model)]
    for i in ions:
        charge, sigma, _ = nonbonded.getParticleParameters(i)
        nonbonded.setParticleParameters(i, charge, sigma, 0.0)
    number = {kind: k for k, kind in enumerate(kinds)}
    for k, parameter in enumerate(("A", "B", "C6", "C12")):
        table = np.zeros((len(kinds), len(kinds)))
        for (ion, other), pair in pairs.items():
            table[number[ion], number[other]] = table[number[other], number[ion]] = getattr(pair, parameter)
        force.getTabulatedFunction(k).setFunctionParameters(len(kinds), len(kinds), table.flatten().tolist())
    others = sorted(set(range(model.n_atoms)) - set(ions))
    for k in range(force.getNumInteractionGroups()):
        force.setInteractionGroupParameters(k, ions, others if k else ions)
    return made


def measure(system: mm.System, positions: np.ndarray, platform: str) -> tuple[float, float]:
    """Seconds a step and the potential energy at the given positions in kJ/mol.

    Steps are short (0.2 fs), so that the box without its walls lives through them; the neighbour list is rebuilt less often.
    """
    integrator = mm.LangevinMiddleIntegrator(300, 1, 0.0002)
    properties = {"Threads": "1"} if platform == "CPU" else {}
    context = mm.Context(system, integrator, mm.Platform.getPlatformByName(platform), properties)
    context.setPositions(positions)
    energy = context.getState(getEnergy=True).getPotentialEnergy()._value
    integrator.step(STEPS // 4)
    context.getState(getEnergy=True)
    began = time.perf_counter()
    integrator.step(STEPS)
    context.getState(getEnergy=True)
    return (time.perf_counter() - began) / STEPS, energy


def main(arguments: list[str]) -> None:
    platform = arguments[0] if arguments else "CPU"
    pack = load_pack("bond-increment")
    print(f"{platform}; milliseconds a step and ratio to plain")
    for cells in [int(n) for n in arguments[1:]] or [4, 6]:
        crystal = CrystalSpec("CsPbBr3", "slab", (cells, cells, 3), "AX", pack.lattice_nm["CsPbBr3"])
        model = build(ModelSpec(crystal, "DA", "face", (("acetone", 1.0),), 4.0))[0]
        system = make_system(model, pack, SystemSettings(1.0, 1000.0))
        mover = mm.Context(system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName(platform))
        mover.setPositions(model.positions)
        mm.LocalEnergyMinimizer.minimize(mover, 100.0, 100)
        positions = mover.getState(getPositions=True).getPositions(asNumpy=True)._value
        designs = {"plain": plain(system), "folded": system, "list": listed(system), "unfolded": unfolded(system, model, pack)}
        found = {name: measure(design, positions, platform) for name, design in designs.items()}
        print(f"{cells}x{cells}x3: {model.n_atoms} atoms, {len(ions_of(model))} ions")
        for name, (seconds, energy) in found.items():
            same = "" if name == "plain" else f"   energy off by {abs(energy / found['folded'][1] - 1):.1e}"
            print(f"  {name:9s} {1e3 * seconds:7.2f} {seconds / found['plain'][0]:6.2f}{same}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
