"""The energy of a fresh molecule file against ParmEd's own matching of gaff.dat and frcmod, force by force."""

import io
from itertools import combinations, permutations

import numpy as np
import openmm as mm
from openmm import app

from structures.molecules import Molecule

RELATIVE = 1e-4
SHAKE_NM = 0.01  # atoms are moved by this much, so that no term sits at its minimum


def check_energies(item: Molecule, xml: str, assigned: tuple[list[str], np.ndarray], files: tuple[str, str]) -> None:
    """Raise RuntimeError when a force of the XML and of ParmEd's Structure.createSystem differ by more than 1e-4 of itself.

    `assigned` are GAFF types and charges (e), `files` gaff.dat and the frcmod. One molecule, no cutoff, shaken start geometry.
    """
    topology = app.Topology()
    owner = topology.addResidue(item.name, topology.addChain())
    atoms = [topology.addAtom(n, app.Element.getBySymbol(e), owner) for n, e in zip(item.names, item.elements, strict=True)]
    for i, j in item.bonds:
        topology.addBond(atoms[i], atoms[j])
    positions = item.positions + np.random.default_rng(1).normal(scale=SHAKE_NM, size=item.positions.shape)
    ours = _energies(app.ForceField(io.StringIO(xml)).createSystem(topology, nonbondedMethod=app.NoCutoff), positions)
    theirs = _energies(_parmed_structure(item, assigned, files).createSystem(nonbondedMethod=app.NoCutoff), positions)
    for name in sorted(ours.keys() | theirs.keys()):
        a, b = ours.get(name, 0.0), theirs.get(name, 0.0)
        if not abs(a - b) <= RELATIVE * max(abs(a), abs(b)):
            raise RuntimeError(
                f"{item.name}: {name} is {a:.6f} kJ/mol from the XML but {b:.6f} kJ/mol from ParmEd: a term is lost or doubled"
            )


def _energies(system: mm.System, positions: np.ndarray) -> dict[str, float]:
    """Energy in kJ/mol by class of force, on the Reference platform."""
    for k, force in enumerate(system.getForces()):
        force.setForceGroup(k)
    context = mm.Context(system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    found: dict[str, float] = {}
    for k, force in enumerate(system.getForces()):
        name = type(force).__name__
        found[name] = found.get(name, 0.0) + context.getState(getEnergy=True, groups={k}).getPotentialEnergy()._value
    return found


def _parmed_structure(item: Molecule, assigned: tuple[list[str], np.ndarray], files: tuple[str, str]) -> object:
    """A ParmEd topology with every bond, angle, torsion and 1-4 pair of the graph, its parameters looked up by ParmEd."""
    import parmed  # noqa: PLC0415 (an optional extra)

    kinds, charges = assigned
    known = parmed.amber.AmberParameterSet(*files)
    made = parmed.Structure()
    for name, element, kind, charge in zip(item.names, item.elements, kinds, charges, strict=True):
        number = parmed.periodic_table.AtomicNum[element]
        made.add_atom(parmed.Atom(name=name, type=kind, atomic_number=number, mass=known.atom_types[kind].mass, charge=charge), "MOL", 1)
    atoms, near = made.atoms, [set() for _ in kinds]
    for i, j in item.bonds.tolist():
        made.bonds.append(parmed.Bond(atoms[i], atoms[j]))
        near[i].add(j)
        near[j].add(i)
    for j, around in enumerate(near):
        made.angles.extend(parmed.Angle(atoms[i], atoms[j], atoms[k]) for i, k in combinations(sorted(around), 2))
        if len(around) == 3:
            _add_improper(made, known, (j, sorted(around)))
    pairs = set()
    for i, j, k, m in _propers(near):
        made.dihedrals.append(parmed.Dihedral(atoms[i], atoms[j], atoms[k], atoms[m], ignore_end=True))
        if m not in near[i] and not near[i] & near[m]:
            pairs.add((min(i, m), max(i, m)))
    made.adjusts.extend(parmed.NonbondedException(atoms[i], atoms[m]) for i, m in sorted(pairs))
    top = parmed.gromacs.GromacsTopologyFile.from_structure(made)
    top.defaults.fudgeLJ, top.defaults.fudgeQQ, top.defaults.gen_pairs = 0.5, 1 / 1.2, "yes"
    top.parameterset = known
    for atom in atoms:
        atom.atom_type = known.atom_types[atom.type]
    top.parametrize()
    return top


def _propers(near: list[set[int]]) -> list[tuple[int, int, int, int]]:
    """Every proper torsion (i, j, k, m) of the bond graph, once."""
    return [(i, j, k, m) for j, around in enumerate(near) for k in around if j < k for i in around - {k} for m in near[k] - {j, i}]


def _add_improper(made: object, known: object, site: tuple[int, list[int]]) -> None:
    """Add the most specific improper row for a centre and its three neighbours, atoms in the order of that row, if there is one."""
    import parmed  # noqa: PLC0415 (an optional extra)

    centre, around = site
    kinds, best = [atom.type for atom in made.atoms], None
    for row in known.improper_periodic_types:
        for order in permutations(around):
            quartet = (order[0], order[1], centre, order[2])
            fits = all(r in ("X", kinds[i]) for r, i in zip(row, quartet, strict=True)) and row[2] != "X"
            if fits and (best is None or row.count("X") < best[0].count("X")):
                best = (row, quartet)
    if best is not None:
        best = (best[0], _amber_order(made, best[1])) if "X" in best[0] else best
        made.dihedrals.append(parmed.Dihedral(*(made.atoms[i] for i in best[1]), improper=True, ignore_end=True))
        made.dihedrals[-1].type = known.improper_periodic_types[best[0]]


def _amber_order(made: object, quartet: tuple[int, ...]) -> tuple[int, ...]:
    """The outer atoms (all but the third) as tleap orders them where a wildcard row leaves it open: equal elements by their index."""
    element = [atom.atomic_number for atom in made.atoms]
    first, second, centre, last = quartet
    if element[first] == element[last] and first > last:
        first, last = last, first
    if element[second] == element[last] and second > last:
        second, last = last, second
    if first > second:
        first, second = second, first
    return first, second, centre, last
