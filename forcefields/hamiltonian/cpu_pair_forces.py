"""The pair force without tables, for the CPU platform.

There a lookup in a table costs as much as the pair that it is for.
"""

from collections import defaultdict

import numpy as np
import openmm as mm

from halobind.forcefields.hamiltonian.system import PAIR_ENERGY

AtomSets = tuple[set[int], set[int]]


def write_out_tables(system: mm.System) -> mm.System:
    """A copy of a System in which each tabulated pair force is many forces without tables.

    There is one for each set of constants, with the constants written into its expression. Energies
    and forces are the same. A System without a tabulated force comes back as it is. On a GPU every
    further force costs kernel launches and lookups are cheap, so the one force with tables is the
    better form there, and the form on disk.
    """
    tabulated = [k for k, force in enumerate(system.getForces()) if _is_tabulated(force)]
    if not tabulated:
        return system
    copy = mm.XmlSerializer.clone(system)
    for k in tabulated:
        for force in _forces_without_tables(copy.getForce(k)):
            copy.addForce(force)
    for k in reversed(tabulated):
        copy.removeForce(k)
    return copy


def _is_tabulated(force: mm.Force) -> bool:
    return isinstance(force, mm.CustomNonbondedForce) and force.getEnergyFunction() == PAIR_ENERGY


def _forces_without_tables(force: mm.CustomNonbondedForce) -> list[mm.CustomNonbondedForce]:
    """One force for each energy expression.

    The two sets of every interaction group must be the same set or have no atom in common.
    """
    atoms_of: dict[int, set[int]] = defaultdict(set)
    for i in range(force.getNumParticles()):
        atoms_of[round(force.getParticleParameters(i)[0])].add(i)
    tables = {}
    for k in range(4):
        rows, columns, numbers = force.getTabulatedFunction(k).getFunctionParameters()
        tables[force.getTabulatedFunctionName(k)] = np.reshape(numbers, (rows, columns))
    groups: dict[str, list[AtomSets]] = defaultdict(list)
    for k in range(force.getNumInteractionGroups()):
        first, second = (set(atoms) for atoms in force.getInteractionGroupParameters(k))
        for a, atoms_a in atoms_of.items():
            for b, atoms_b in atoms_of.items():
                pair = (first & atoms_a, second & atoms_b)
                energy = _pair_energy({name: table[a, b] for name, table in tables.items()})
                if all(pair) and energy and (a <= b or first != second):
                    groups[energy].append(pair)
    return [_force_like(force, energy, pairs) for energy, pairs in groups.items()]


def _pair_energy(constants: dict[str, float]) -> str:
    """The energy of a pair with its numbers written out; empty when it is zero everywhere."""
    a, b, c6, c12 = (float(constants[name]) for name in ("A", "B", "C6", "C12"))
    terms = [f"{a!r}*exp(-{b!r}*r)"] if a else []
    if c6 or c12:
        terms.append(f"(({c12!r})/r^6 - ({c6!r}))/r^6")
    return " + ".join(terms)


def _force_like(
    force: mm.CustomNonbondedForce, energy: str, groups: list[AtomSets]
) -> mm.CustomNonbondedForce:
    """A force between other groups, with another energy and all else as in `force`."""
    copy = mm.CustomNonbondedForce(energy)
    copy.setName(force.getName())
    copy.setForceGroup(force.getForceGroup())
    for _ in range(force.getNumParticles()):
        copy.addParticle([])
    for k in range(force.getNumExclusions()):
        copy.addExclusion(*force.getExclusionParticles(k))
    for first, second in groups:
        copy.addInteractionGroup(sorted(first), sorted(second))
    copy.setNonbondedMethod(force.getNonbondedMethod())
    copy.setCutoffDistance(force.getCutoffDistance())
    copy.setUseSwitchingFunction(force.getUseSwitchingFunction())
    copy.setSwitchingDistance(force.getSwitchingDistance())
    return copy
