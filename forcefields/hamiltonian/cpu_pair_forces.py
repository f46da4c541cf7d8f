"""The pair force without tables, for the CPU platform, where a lookup costs as much as the pair it
is for.
"""

from collections import defaultdict

import numpy as np
import openmm as mm

from halobind.forcefields.hamiltonian.system import PAIR_ENERGY


def untabulated(system: mm.System) -> mm.System:
    """A copy of `system` in which every tabulated pair force is one force for each set of
    constants, with the constants written out.

    Energies and forces are the same. A System without such a force comes back as it is. On a GPU
    every further force costs kernel launches and lookups are cheap, so that one force with tables
    is the better form there, and the one on disk.
    """
    tabulated = [k for k, force in enumerate(system.getForces()) if _is_tabulated(force)]
    if not tabulated:
        return system
    made = mm.XmlSerializer.clone(system)
    for k in tabulated:
        for force in _written_out(made.getForce(k)):
            made.addForce(force)
    for k in reversed(tabulated):
        made.removeForce(k)
    return made


def _is_tabulated(force: mm.Force) -> bool:
    return isinstance(force, mm.CustomNonbondedForce) and force.getEnergyFunction() == PAIR_ENERGY


def _written_out(force: mm.CustomNonbondedForce) -> list[mm.CustomNonbondedForce]:
    """One force for each energy; the two sets of every interaction group must be the same set or
    have no atom in common.
    """
    atoms_of: dict[int, set[int]] = defaultdict(set)
    for i in range(force.getNumParticles()):
        atoms_of[round(force.getParticleParameters(i)[0])].add(i)
    tables = {
        force.getTabulatedFunctionName(k): force.getTabulatedFunction(k).getFunctionParameters()
        for k in range(4)
    }
    values = {
        name: np.reshape(flat, (rows, columns)) for name, (rows, columns, flat) in tables.items()
    }
    groups: dict[str, list[tuple[set[int], set[int]]]] = defaultdict(list)
    for k in range(force.getNumInteractionGroups()):
        first, second = (set(atoms) for atoms in force.getInteractionGroupParameters(k))
        for a in atoms_of:
            for b in atoms_of:
                pair, energy = (
                    (first & atoms_of[a], second & atoms_of[b]),
                    _energy({name: table[a, b] for name, table in values.items()}),
                )
                if all(pair) and energy and (a <= b or first != second):
                    groups[energy].append(pair)
    return [_with_energy(force, energy, pairs) for energy, pairs in groups.items()]


def _energy(constants: dict[str, float]) -> str:
    """The energy of one pair with its numbers written out; empty when it is nothing."""
    a, b, c6, c12 = (float(constants[name]) for name in ("A", "B", "C6", "C12"))
    terms = [f"{a!r}*exp(-{b!r}*r)"] if a else []
    if c6 or c12:
        terms.append(f"(({c12!r})/r^6 - ({c6!r}))/r^6")
    return " + ".join(terms)


def _with_energy(
    force: mm.CustomNonbondedForce, energy: str, pairs: list[tuple[set[int], set[int]]]
) -> mm.CustomNonbondedForce:
    """A force with the cutoff, switch, exclusions, group and name of `force`, between the atoms of
    `pairs`.
    """
    made = mm.CustomNonbondedForce(energy)
    made.setName(force.getName())
    made.setForceGroup(force.getForceGroup())
    for _ in range(force.getNumParticles()):
        made.addParticle([])
    for k in range(force.getNumExclusions()):
        made.addExclusion(*force.getExclusionParticles(k))
    for first, second in pairs:
        made.addInteractionGroup(sorted(first), sorted(second))
    made.setNonbondedMethod(force.getNonbondedMethod())
    made.setCutoffDistance(force.getCutoffDistance())
    made.setUseSwitchingFunction(force.getUseSwitchingFunction())
    made.setSwitchingDistance(force.getSwitchingDistance())
    return made
