"""Checks of a fresh molecule file: bonds kept by sqm, energies as ParmEd's, and a short run."""

from __future__ import annotations

import io
from itertools import combinations, permutations
from typing import TYPE_CHECKING

import numpy as np
import openmm as mm
from openmm import app, unit
from rdkit import Chem
from rdkit.Chem import rdDetermineBonds

from halobind.forcefields.molecule_parameters.molecule_xml import AtomParameters, ParameterFiles
from halobind.forcefields.molecule_parameters.openmm_topology import molecule_topology
from halobind.structures.molecules.molecule import Molecule, rdkit_molecule

if TYPE_CHECKING:
    import parmed

RELATIVE_TOLERANCE = 1e-4  # of the energy of a force
SHAKE_NM = 0.01  # atoms are moved by this much, so that no term sits at its minimum
BOND_FACTOR = 1.3  # atoms nearer than this times the sum of their covalent radii are bonded
RUN_TEMPERATURE_K = 300.0
RUN_STEPS = 5000
TIMESTEP_PS = 0.002
# The mean of 25 frames of one water (4 degrees of freedom) scatters by 42 K.
MIN_MEAN_TEMPERATURE_K = 0.5 * RUN_TEMPERATURE_K
MAX_MEAN_TEMPERATURE_K = 1.5 * RUN_TEMPERATURE_K


def check_bonds(item: Molecule, positions: np.ndarray, after: str) -> None:
    """Check that distances between atoms make the bonds of a molecule, and no others.

    In a gas-phase optimisation a proton may jump from one head of a molecule to the other.

    Args:
        item: The molecule.
        positions: (n_atoms, 3) in nm.
        after: What moved the atoms, for the message.

    Raises:
        RuntimeError: Naming the bonds that were made or broken.
    """
    mol = _rdkit_at(item, positions)
    for i, j in item.bonds:
        mol.RemoveBond(int(i), int(j))
    rdDetermineBonds.DetermineConnectivity(mol, useVdw=False, covFactor=BOND_FACTOR)
    after_bonds = {frozenset((b.GetBeginAtomIdx(), b.GetEndAtomIdx())) for b in mol.GetBonds()}
    before_bonds = {frozenset(bond) for bond in item.bonds.tolist()}
    changed = ["-".join(item.names[i] for i in sorted(bond)) for bond in after_bonds ^ before_bonds]
    if changed:
        raise RuntimeError(
            f"{item.name}: {after} made or broke the bonds {', '.join(sorted(changed))}: start it"
            " from another geometry"
        )


def check_run(item: Molecule, xml: str) -> None:
    """Minimise one molecule in vacuum and run it for 10 ps at 300 K, on the Reference platform.

    Raises:
        RuntimeError: An energy is not finite, the temperature is off, a bond breaks, or a stereo
            centre or double bond turns.
    """
    system = app.ForceField(io.StringIO(xml)).createSystem(
        molecule_topology(item), nonbondedMethod=app.NoCutoff, constraints=app.HBonds
    )
    motion = mm.LangevinMiddleIntegrator(RUN_TEMPERATURE_K, 5.0, TIMESTEP_PS)
    motion.setRandomNumberSeed(1)
    context = mm.Context(system, motion, mm.Platform.getPlatformByName("Reference"))
    context.setPositions(item.positions)
    mm.LocalEnergyMinimizer.minimize(context, 1.0, 0)
    context.setVelocitiesToTemperature(RUN_TEMPERATURE_K, 1)
    energies = []
    temperatures = []
    degrees_of_freedom = 3 * item.n_atoms - system.getNumConstraints() - 3
    for _ in range(50):
        motion.step(RUN_STEPS // 50)
        state = context.getState(getEnergy=True)
        energies.append(state.getPotentialEnergy()._value)
        temperature = (
            2 * state.getKineticEnergy() / (degrees_of_freedom * unit.MOLAR_GAS_CONSTANT_R)
        )
        temperatures.append(temperature.value_in_unit(unit.kelvin))
    mean = float(np.mean(temperatures[25:]))
    is_warm = MIN_MEAN_TEMPERATURE_K < mean < MAX_MEAN_TEMPERATURE_K
    if not np.all(np.isfinite(energies)) or not is_warm:
        raise RuntimeError(
            f"{item.name}: a 10 ps run in vacuum ends at {energies[-1]:.1f} kJ/mol and {mean:.0f}"
            " K: its parameters are wrong"
        )
    positions = (
        context.getState(getPositions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    )
    check_bonds(item, positions, "a 10 ps run in vacuum")
    before = stereo(item, item.positions)
    after = stereo(item, positions)
    if before != after:
        raise RuntimeError(
            f"{item.name}: a 10 ps run in vacuum turned {before} into {after}: its torsions or"
            " impropers are wrong"
        )


def stereo(item: Molecule, positions: np.ndarray) -> str:
    """The SMILES with the stereo centres and double bonds of positions (n_atoms, 3) in nm."""
    mol = _rdkit_at(item, positions)
    Chem.AssignStereochemistryFrom3D(mol)
    return str(Chem.MolToSmiles(Chem.RemoveHs(mol)))


def _rdkit_at(item: Molecule, positions: np.ndarray) -> Chem.RWMol:
    """The RDKit molecule with its atoms at positions (n_atoms, 3) in nm."""
    mol = Chem.RWMol(rdkit_molecule(item))
    mol.GetConformer().SetPositions(np.ascontiguousarray(10.0 * positions))
    return mol


def check_energies(item: Molecule, xml: str, atoms: AtomParameters, files: ParameterFiles) -> None:
    """Check that a ForceField file gives the energies of ParmEd's own matching.

    The two Systems are of one molecule without a cutoff, at a shaken start geometry.

    Args:
        item: The molecule.
        xml: Text of the file.
        atoms: GAFF types and charges, for ParmEd.
        files: Where the parameters of the types are.

    Raises:
        RuntimeError: A force of the file and of ParmEd differ by more than 1e-4 of their energy.
    """
    positions = item.positions + np.random.default_rng(1).normal(
        scale=SHAKE_NM, size=item.positions.shape
    )
    field = app.ForceField(io.StringIO(xml))
    system = field.createSystem(molecule_topology(item), nonbondedMethod=app.NoCutoff)
    structure = _parmed_structure(item, atoms, files)
    from_xml = _energies(system, positions)
    from_parmed = _energies(structure.createSystem(nonbondedMethod=app.NoCutoff), positions)
    for name in sorted(from_xml.keys() | from_parmed.keys()):
        a = from_xml.get(name, 0.0)
        b = from_parmed.get(name, 0.0)
        if not abs(a - b) <= RELATIVE_TOLERANCE * max(abs(a), abs(b)):
            raise RuntimeError(
                f"{item.name}: {name} is {a:.6f} kJ/mol from the XML but {b:.6f} kJ/mol from"
                " ParmEd: a term is lost or doubled"
            )


def _energies(system: mm.System, positions: np.ndarray) -> dict[str, float]:
    """Energy in kJ/mol by class of force, on the Reference platform."""
    for k, force in enumerate(system.getForces()):
        force.setForceGroup(k)
    context = mm.Context(
        system, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference")
    )
    context.setPositions(positions)
    energies: dict[str, float] = {}
    for k, force in enumerate(system.getForces()):
        name = type(force).__name__
        state = context.getState(getEnergy=True, groups={k})
        energies[name] = energies.get(name, 0.0) + state.getPotentialEnergy()._value
    return energies


def _parmed_structure(
    item: Molecule, atom_parameters: AtomParameters, files: ParameterFiles
) -> parmed.gromacs.GromacsTopologyFile:
    """A ParmEd topology of a molecule, with parameters that ParmEd looks up.

    It has every bond, angle, torsion and 1-4 pair of the graph.
    """
    import parmed  # noqa: PLC0415 (an optional extra)

    parameters = parmed.amber.AmberParameterSet(files.gaff, files.frcmod)
    structure = parmed.Structure()
    for name, element, type_, charge in zip(
        item.names, item.elements, atom_parameters.types, atom_parameters.charges, strict=True
    ):
        atom = parmed.Atom(
            name=name,
            type=type_,
            atomic_number=parmed.periodic_table.AtomicNum[element],
            mass=parameters.atom_types[type_].mass,
            charge=charge,
        )
        structure.add_atom(atom, "MOL", 1)
    atoms = structure.atoms
    neighbours: list[set[int]] = [set() for _ in atom_parameters.types]
    for i, j in item.bonds.tolist():
        structure.bonds.append(parmed.Bond(atoms[i], atoms[j]))
        neighbours[i].add(j)
        neighbours[j].add(i)
    for j, around in enumerate(neighbours):
        structure.angles.extend(
            parmed.Angle(atoms[i], atoms[j], atoms[k]) for i, k in combinations(sorted(around), 2)
        )
        if len(around) == 3:
            _add_improper(structure, parameters, centre=j, around=sorted(around))
    pairs = set()
    for i, j, k, m in _propers(neighbours):
        structure.dihedrals.append(
            parmed.Dihedral(atoms[i], atoms[j], atoms[k], atoms[m], ignore_end=True)
        )
        if m not in neighbours[i] and not neighbours[i] & neighbours[m]:
            pairs.add((min(i, m), max(i, m)))
    structure.adjusts.extend(
        parmed.NonbondedException(atoms[i], atoms[m]) for i, m in sorted(pairs)
    )
    top = parmed.gromacs.GromacsTopologyFile.from_structure(structure)
    top.defaults.fudgeLJ = 0.5
    top.defaults.fudgeQQ = 1 / 1.2
    top.defaults.gen_pairs = "yes"
    top.parameterset = parameters
    for atom in atoms:
        atom.atom_type = parameters.atom_types[atom.type]
    top.parametrize()
    return top


def _propers(neighbours: list[set[int]]) -> list[tuple[int, int, int, int]]:
    """Every proper torsion (i, j, k, m) of the bond graph, once."""
    return [
        (i, j, k, m)
        for j, around in enumerate(neighbours)
        for k in around
        if j < k
        for i in around - {k}
        for m in neighbours[k] - {j, i}
    ]


def _add_improper(
    structure: parmed.Structure,
    parameters: parmed.amber.AmberParameterSet,
    *,
    centre: int,
    around: list[int],
) -> None:
    """Add the most specific improper row for a centre and its three neighbours, if there is one.

    Args:
        structure: The structure to add it to.
        parameters: Where the rows are; its atoms have the order of the row.
        centre: Index of the atom in the middle.
        around: Indices of its neighbours.
    """
    import parmed  # noqa: PLC0415 (an optional extra)

    types = [atom.type for atom in structure.atoms]
    best_row: tuple[str, ...] | None = None
    best_quartet: tuple[int, int, int, int] = (0, 0, 0, 0)
    for row in parameters.improper_periodic_types:
        for first, second, last in permutations(around):
            quartet = (first, second, centre, last)
            fits = row[2] != "X" and all(
                r in ("X", types[i]) for r, i in zip(row, quartet, strict=True)
            )
            if fits and (best_row is None or row.count("X") < best_row.count("X")):
                best_row = row
                best_quartet = quartet
    if best_row is None:
        return
    if "X" in best_row:
        best_quartet = _amber_order(structure, best_quartet)
    structure.dihedrals.append(
        parmed.Dihedral(*(structure.atoms[i] for i in best_quartet), improper=True, ignore_end=True)
    )
    structure.dihedrals[-1].type = parameters.improper_periodic_types[best_row]


def _amber_order(
    structure: parmed.Structure, quartet: tuple[int, int, int, int]
) -> tuple[int, int, int, int]:
    """The outer atoms (all but the third) as tleap orders them where a wildcard row leaves it open.

    Equal elements are in the order of their indices.
    """
    element = [atom.atomic_number for atom in structure.atoms]
    first, second, centre, last = quartet
    if element[first] == element[last] and first > last:
        first, last = last, first
    if element[second] == element[last] and second > last:
        second, last = last, second
    if first > second:
        first, second = second, first
    return first, second, centre, last
