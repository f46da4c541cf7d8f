"""Checks of a fresh molecule file: sqm kept the bonds, the energy is that of ParmEd's own matching
force by force, and it runs.
"""

import io
from itertools import combinations, permutations

import numpy as np
import openmm as mm
from openmm import app, unit
from rdkit import Chem
from rdkit.Chem import rdDetermineBonds

from halobind.structures.molecules.molecule import Molecule, rdkit_molecule

RELATIVE = 1e-4
SHAKE_NM = 0.01  # atoms are moved by this much, so that no term sits at its minimum
BONDED = 1.3  # atoms nearer than this times the sum of their covalent radii are bonded
RUN_K, RUN_STEPS, STEP_PS = 300.0, 5000, 0.002
RUN_KELVIN = (
    0.5 * RUN_K,
    1.5 * RUN_K,
)  # the mean of 25 frames of one water (4 degrees of freedom) scatters by 42 K


def check_bonds(item: Molecule, positions: np.ndarray, after: str) -> None:
    """Raise RuntimeError when the distances in `positions` (n_atoms, 3) in nm make other bonds than
    the molecule has.

    `after` says what moved the atoms: in a gas-phase optimisation a proton may jump from one head
    of a molecule to the other.
    """
    mol = _placed(item, positions)
    for i, j in item.bonds:
        mol.RemoveBond(int(i), int(j))
    rdDetermineBonds.DetermineConnectivity(mol, useVdw=False, covFactor=BONDED)
    found = {frozenset((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())) for bond in mol.GetBonds()}
    wanted = {frozenset(bond) for bond in item.bonds.tolist()}
    changed = ["-".join(item.names[i] for i in sorted(bond)) for bond in found ^ wanted]
    if changed:
        raise RuntimeError(
            f"{item.name}: {after} made or broke the bonds {', '.join(sorted(changed))}: start it"
            " from another geometry"
        )


def check_run(item: Molecule, xml: str) -> None:
    """Minimise one molecule in vacuum and run 10 ps at 300 K with constrained hydrogens, on the
    Reference platform.

    Raises RuntimeError when an energy is not finite, the temperature is off, a bond breaks or a
    stereo centre or double bond turns.
    """
    system = app.ForceField(io.StringIO(xml)).createSystem(
        _topology(item), nonbondedMethod=app.NoCutoff, constraints=app.HBonds
    )
    motion = mm.LangevinMiddleIntegrator(RUN_K, 5.0, STEP_PS)
    motion.setRandomNumberSeed(1)
    context = mm.Context(system, motion, mm.Platform.getPlatformByName("Reference"))
    context.setPositions(item.positions)
    mm.LocalEnergyMinimizer.minimize(context, 1.0, 0)
    context.setVelocitiesToTemperature(RUN_K, 1)
    energies, kelvin = [], []
    freedom = 3 * item.n_atoms - system.getNumConstraints() - 3
    for _ in range(50):
        motion.step(RUN_STEPS // 50)
        state = context.getState(getEnergy=True)
        energies.append(state.getPotentialEnergy()._value)
        kelvin.append(2 * state.getKineticEnergy() / (freedom * unit.MOLAR_GAS_CONSTANT_R))
    mean = float(np.mean([t.value_in_unit(unit.kelvin) for t in kelvin[25:]]))
    if not np.all(np.isfinite(energies)) or not RUN_KELVIN[0] < mean < RUN_KELVIN[1]:
        raise RuntimeError(
            f"{item.name}: a 10 ps run in vacuum ends at {energies[-1]:.1f} kJ/mol and {mean:.0f}"
            " K: its parameters are wrong"
        )
    positions = (
        context.getState(getPositions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    )
    check_bonds(item, positions, "a 10 ps run in vacuum")
    before, after = stereo(item, item.positions), stereo(item, positions)
    if before != after:
        raise RuntimeError(
            f"{item.name}: a 10 ps run in vacuum turned {before} into {after}: its torsions or"
            " impropers are wrong"
        )


def stereo(item: Molecule, positions: np.ndarray) -> str:
    """The SMILES with the stereo centres and double bonds that `positions` (n_atoms, 3) in nm show."""
    mol = _placed(item, positions)
    Chem.AssignStereochemistryFrom3D(mol)
    return Chem.MolToSmiles(Chem.RemoveHs(mol))


def _placed(item: Molecule, positions: np.ndarray) -> Chem.RWMol:
    mol = Chem.RWMol(rdkit_molecule(item))
    mol.GetConformer().SetPositions(np.ascontiguousarray(10.0 * positions))
    return mol


def check_energies(
    item: Molecule, xml: str, assigned: tuple[list[str], np.ndarray], files: tuple[str, str]
) -> None:
    """Raise RuntimeError when a force of the XML and of ParmEd's Structure.createSystem differ by
    more than 1e-4 of itself.

    `assigned` are GAFF types and charges (e), `files` gaff.dat and the frcmod. One molecule, no
    cutoff, shaken start geometry.
    """
    topology = _topology(item)
    positions = item.positions + np.random.default_rng(1).normal(
        scale=SHAKE_NM, size=item.positions.shape
    )
    ours = _energies(
        app.ForceField(io.StringIO(xml)).createSystem(topology, nonbondedMethod=app.NoCutoff),
        positions,
    )
    theirs = _energies(
        _parmed_structure(item, assigned, files).createSystem(nonbondedMethod=app.NoCutoff),
        positions,
    )
    for name in sorted(ours.keys() | theirs.keys()):
        a, b = ours.get(name, 0.0), theirs.get(name, 0.0)
        if not abs(a - b) <= RELATIVE * max(abs(a), abs(b)):
            raise RuntimeError(
                f"{item.name}: {name} is {a:.6f} kJ/mol from the XML but {b:.6f} kJ/mol from"
                " ParmEd: a term is lost or doubled"
            )


def _topology(item: Molecule) -> app.Topology:
    """One residue of the molecule's name, as the builder writes it."""
    topology = app.Topology()
    owner = topology.addResidue(item.name, topology.addChain())
    atoms = [
        topology.addAtom(n, app.Element.getBySymbol(e), owner)
        for n, e in zip(item.names, item.elements, strict=True)
    ]
    for i, j in item.bonds:
        topology.addBond(atoms[i], atoms[j])
    return topology


def _energies(system: mm.System, positions: np.ndarray) -> dict[str, float]:
    """Energy in kJ/mol by class of force, on the Reference platform."""
    for k, force in enumerate(system.getForces()):
        force.setForceGroup(k)
    context = mm.Context(
        system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference")
    )
    context.setPositions(positions)
    found: dict[str, float] = {}
    for k, force in enumerate(system.getForces()):
        name = type(force).__name__
        found[name] = (
            found.get(name, 0.0)
            + context.getState(getEnergy=True, groups={k}).getPotentialEnergy()._value
        )
    return found


def _parmed_structure(
    item: Molecule, assigned: tuple[list[str], np.ndarray], files: tuple[str, str]
) -> object:
    """A ParmEd topology with every bond, angle, torsion and 1-4 pair of the graph, its parameters
    looked up by ParmEd.
    """
    import parmed  # noqa: PLC0415 (an optional extra)

    kinds, charges = assigned
    known = parmed.amber.AmberParameterSet(*files)
    made = parmed.Structure()
    for name, element, kind, charge in zip(item.names, item.elements, kinds, charges, strict=True):
        number = parmed.periodic_table.AtomicNum[element]
        made.add_atom(
            parmed.Atom(
                name=name,
                type=kind,
                atomic_number=number,
                mass=known.atom_types[kind].mass,
                charge=charge,
            ),
            "MOL",
            1,
        )
    atoms, near = made.atoms, [set() for _ in kinds]
    for i, j in item.bonds.tolist():
        made.bonds.append(parmed.Bond(atoms[i], atoms[j]))
        near[i].add(j)
        near[j].add(i)
    for j, around in enumerate(near):
        made.angles.extend(
            parmed.Angle(atoms[i], atoms[j], atoms[k]) for i, k in combinations(sorted(around), 2)
        )
        if len(around) == 3:
            _add_improper(made, known, (j, sorted(around)))
    pairs = set()
    for i, j, k, m in _propers(near):
        made.dihedrals.append(
            parmed.Dihedral(atoms[i], atoms[j], atoms[k], atoms[m], ignore_end=True)
        )
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
    return [
        (i, j, k, m)
        for j, around in enumerate(near)
        for k in around
        if j < k
        for i in around - {k}
        for m in near[k] - {j, i}
    ]


def _add_improper(made: object, known: object, site: tuple[int, list[int]]) -> None:
    """Add the most specific improper row for a centre and its three neighbours, atoms in the order
    of that row, if there is one.
    """
    import parmed  # noqa: PLC0415 (an optional extra)

    centre, around = site
    kinds, best = [atom.type for atom in made.atoms], None
    for row in known.improper_periodic_types:
        for order in permutations(around):
            quartet = (order[0], order[1], centre, order[2])
            fits = (
                all(r in ("X", kinds[i]) for r, i in zip(row, quartet, strict=True))
                and row[2] != "X"
            )
            if fits and (best is None or row.count("X") < best[0].count("X")):
                best = (row, quartet)
    if best is not None:
        best = (best[0], _amber_order(made, best[1])) if "X" in best[0] else best
        made.dihedrals.append(
            parmed.Dihedral(*(made.atoms[i] for i in best[1]), improper=True, ignore_end=True)
        )
        made.dihedrals[-1].type = known.improper_periodic_types[best[0]]


def _amber_order(made: object, quartet: tuple[int, ...]) -> tuple[int, ...]:
    """The outer atoms (all but the third) as tleap orders them where a wildcard row leaves it open:
    equal elements by their index.
    """
    element = [atom.atomic_number for atom in made.atoms]
    first, second, centre, last = quartet
    if element[first] == element[last] and first > last:
        first, last = last, first
    if element[second] == element[last] and second > last:
        second, last = last, second
    if first > second:
        first, second = second, first
    return first, second, centre, last
