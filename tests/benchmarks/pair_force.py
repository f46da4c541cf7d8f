"""What the ion pairs cost: designs of the pair force against a NonbondedForce alone, same box, same
run; energies compared.

    python tests/benchmarks/pair_force.py [CPU|CUDA|HIP|OpenCL] [PACK] [PEROVSKITE] [cells ...]
                                          default: CPU bond-increment CsPbBr3, slabs of 4x4x3 and 6x6x3 cells

plain     NonbondedForce for everything (no table force): what a system of this size costs at least
folded    the System on disk, as GPUs run it: mixed pairs in the NonbondedForce, listed less mixed ones over the groups ion-ion and ion-head
written   as halobind runs it on the CPU: the same with one force for each pair of types, constants in place of tables
groups    the groups ion-ion and ion-head with an energy of zero: the loop over all their pairs, with a type of each atom
list      the same tables as folded over the plain cutoff list, without interaction groups
unfolded  no Lennard-Jones on the ions in the NonbondedForce; every pair with an ion in the table
force, by groups
nbfix     (Lennard-Jones packs) no Lennard-Jones in the NonbondedForce; C12 and C6 of every pair from tables over the plain cutoff list,
          as OpenMM reads CHARMM's NBFIX

Times are those of the process, lowest of ROUNDS rounds in turn, so that a busy machine hurts no
design more than another.
"""

import sys
import time

import numpy as np
import openmm as mm

from halobind.forcefields.hamiltonian.cpu_pair_forces import write_out_tables
from halobind.forcefields.hamiltonian.system import SystemSettings, assign_pairs, make_system
from halobind.forcefields.packs.charges import ions_of
from halobind.forcefields.packs.pack import FORCEFIELDS, Pack, load_pack
from halobind.forcefields.packs.pairs import LennardJones, mix
from halobind.structures.assembly.build import ModelSpec, build_model
from halobind.structures.crystals.crystal import CrystalSpec
from halobind.structures.models.model import Model

STEPS, ROUNDS = 30, 4


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
    assignment = assign_pairs(nonbonded, model, pack)
    kinds = assignment.types
    made = copy_of(system)
    nonbonded, force = forces_of(made)
    ions = [int(i) for i in ions_of(model)]
    for i in ions:
        charge, sigma, _ = nonbonded.getParticleParameters(i)
        nonbonded.setParticleParameters(i, charge, sigma, 0.0)
    number = {kind: k for k, kind in enumerate(kinds)}
    for k, parameter in enumerate(("A", "B", "C6", "C12")):
        table = np.zeros((len(kinds), len(kinds)))
        for (ion, other), pair in assignment.pairs.items():
            table[number[ion], number[other]] = getattr(pair, parameter)
            table[number[other], number[ion]] = getattr(pair, parameter)
        force.getTabulatedFunction(k).setFunctionParameters(
            len(kinds), len(kinds), table.flatten().tolist()
        )
    others = sorted(set(range(model.n_atoms)) - set(ions))
    for k in range(force.getNumInteractionGroups()):
        force.setInteractionGroupParameters(k, ions, others if k else ions)
    return made


def empty_groups(system: mm.System) -> mm.System:
    made = copy_of(system)
    _, force = forces_of(made)
    force.setEnergyFunction("0*type1*type2*r")
    return made


def nbfix(system: mm.System, model: Model, pack: Pack) -> mm.System:
    made = listed(system)
    nonbonded, force = forces_of(made)
    assignment = assign_pairs(nonbonded, model, pack)
    pairs = assignment.pairs
    kinds = assignment.types
    lj = {}
    for i, number in enumerate(assignment.type_numbers):
        charge, sigma, epsilon = nonbonded.getParticleParameters(i)
        lj[kinds[number]] = LennardJones(epsilon._value, sigma._value)
        nonbonded.setParticleParameters(i, charge, sigma, 0.0)
    every = [
        [pairs.get((a, b)) or pairs.get((b, a)) or mix(lj[a], lj[b]) for b in kinds] for a in kinds
    ]
    force.setEnergyFunction("(C12(t1,t2)/r^6 - C6(t1,t2))/r^6; t1=type1; t2=type2")
    for k, parameter in enumerate(("A", "B", "C6", "C12")):
        values = [getattr(pair, parameter) for row in every for pair in row]
        force.getTabulatedFunction(k).setFunctionParameters(len(kinds), len(kinds), values)
    return made


def designs_of(system: mm.System, model: Model, pack: Pack) -> dict[str, mm.System]:
    found = {
        "plain": plain(system),
        "folded": system,
        "written": write_out_tables(system),
        "groups": empty_groups(system),
    }
    found |= {"list": listed(system), "unfolded": unfolded(system, model, pack)}
    if all(table.form == "lennard-jones" for table in pack.table):
        found["nbfix"] = nbfix(system, model, pack)
    return found


def measure(
    designs: dict[str, mm.System], positions: np.ndarray, platform: str
) -> dict[str, tuple[float, float]]:
    """Seconds a step and the potential energy at the given positions in kJ/mol, by design.

    Steps are short (0.2 fs), so that the box without its walls lives through them; the neighbour
    list is rebuilt less often.
    """
    properties, clock = (
        ({"Threads": "1"}, time.process_time) if platform == "CPU" else ({}, time.perf_counter)
    )
    contexts, energies, seconds = {}, {}, {name: [] for name in designs}
    for name, system in designs.items():
        contexts[name] = mm.Context(
            system,
            mm.LangevinMiddleIntegrator(300, 1, 0.0002),
            mm.Platform.getPlatformByName(platform),
            properties,
        )
        contexts[name].setPositions(positions)
        energies[name] = contexts[name].getState(getEnergy=True).getPotentialEnergy()._value
        contexts[name].getIntegrator().step(STEPS // 3)
    for _ in range(ROUNDS):
        for name, context in contexts.items():
            context.getState(getEnergy=True)
            began = clock()
            context.getIntegrator().step(STEPS)
            context.getState(getEnergy=True)
            seconds[name].append((clock() - began) / STEPS)
    return {name: (min(seconds[name]), energies[name]) for name in designs}


def main(arguments: list[str]) -> None:
    words = [word for word in arguments if not word.isdigit()]
    pack = load_pack(next((word for word in words if word in FORCEFIELDS), "bond-increment"))
    perovskite = next(
        (word for word in words if word in pack.lattice_nm), next(iter(pack.lattice_nm))
    )
    platform = next((word for word in words if word not in (pack.name, perovskite)), "CPU")
    print(f"{platform}, {pack.name}, {perovskite}; milliseconds a step and ratio to plain")
    for cells in [int(word) for word in arguments if word.isdigit()] or [4, 6]:
        crystal = CrystalSpec(
            perovskite, "slab", (cells, cells, 3), "AX", pack.lattice_nm[perovskite]
        )
        model = build_model(ModelSpec(crystal, "DA", "face", (("acetone", 1.0),), 4.0))[0]
        system = make_system(model, pack, SystemSettings(1.0, 1000.0))
        mover = mm.Context(
            system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName(platform)
        )
        mover.setPositions(model.positions)
        mm.LocalEnergyMinimizer.minimize(mover, 100.0, 100)
        positions = mover.getState(getPositions=True).getPositions(asNumpy=True)._value
        found = measure(designs_of(system, model, pack), positions, platform)
        print(f"{cells}x{cells}x3: {model.n_atoms} atoms, {len(ions_of(model))} ions")
        for name, (seconds, energy) in found.items():
            same = (
                ""
                if name in ("plain", "groups")
                else f"   energy off by {abs(energy / found['folded'][1] - 1):.1e}"
            )
            print(
                f"  {name:9s} {1e3 * seconds:7.2f} {seconds / found['plain'][0]:6.2f}{same}",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
