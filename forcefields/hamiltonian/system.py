"""From a Model and a pack to an openmm.System.

All electrostatics (PME) and everything that mixes by Lorentz-Berthelot sit in one NonbondedForce,
where the ions carry the Lennard-Jones numbers of the pack's mixing table. What the pack lists for a
pair replaces that: one CustomNonbondedForce, over the groups ion-ion and ion-head only, adds the
listed energy less the mixed one.
"""

import io
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import openmm as mm
from openmm import app, unit

from halobind.forcefields.packs.charges import ion_charges, ions_of, listed_molecule_charges
from halobind.forcefields.packs.molecule_library import SHIPPED_MOLECULES, MoleculeLibrary
from halobind.forcefields.packs.pack import Pack
from halobind.forcefields.packs.pairs import LennardJones, Pair, is_listed, mix, mixing_of, pair_for
from halobind.structures.models.export import topology
from halobind.structures.models.model import Model, Residue

HYDROGEN_MASS_DA = 3.0
WATER_ANGLE = 104.52  # degrees, TIP3P (Jorgensen et al., J. Chem. Phys. 1983, 79, 926)
SWITCH_NM = 0.1  # pair forces are switched off over the last 0.1 nm before the cutoff
PAIR_ENERGY = "A(t1,t2)*exp(-B(t1,t2)*r) - C6(t1,t2)/r^6 + C12(t1,t2)/r^12; t1=type1; t2=type2"
FORCE_GROUPS = {"bonded": 0, "nonbonded": 1, "ion pairs": 2, "slab restraint": 3}


@dataclass(frozen=True)
class SystemSettings:
    """How the Hamiltonian is cut off, and how the crystal is held.

    Examples:
        >>> halobind.SystemSettings(cutoff_nm=1.0, restraint_k=1000.0)
        SystemSettings(cutoff_nm=1.0, restraint_k=1000.0)
    """

    cutoff_nm: float
    """Cutoff in nm of pair forces and of the direct part of PME."""
    restraint_k: float
    """Stiffness in kJ/mol/nm2 of the restraint of each frozen ion."""


@dataclass(frozen=True)
class PairAssignment:
    """The type of each atom, and the pair parameters of each ion with each type."""

    types: tuple[str, ...]
    """Types in use: the elements of the ions first, then the GAFF types of molecules."""
    type_numbers: tuple[int, ...]
    """Index into `types` of each atom."""
    pairs: dict[tuple[str, str], Pair]
    """The Pair of each (ion, type)."""


def molecule_names(model: Model) -> tuple[str, ...]:
    """Names of the molecules (A site, ligands, solvents), in order of first appearance."""
    return tuple(
        dict.fromkeys(
            residue.name for residue in model.residues if residue.stop - residue.start > 1
        )
    )


def make_system(
    model: Model,
    pack: Pack,
    settings: SystemSettings,
    library: MoleculeLibrary = SHIPPED_MOLECULES,
) -> mm.System:
    """The System of a model under a pack, without barostat or bias.

    It is ready for steps of 4 fs: bonds to hydrogen are constrained, hydrogens have 3 Da. Force
    groups are FORCE_GROUPS.

    Args:
        model: The atoms.
        pack: The force field.
        settings: Cutoff and restraint.
        library: The files with the parameters of the molecules.

    Raises:
        ValueError: The cutoff does not fit the box, or an atom has no parameters.
        FileNotFoundError: A molecule has no force-field file.

    Examples:
        >>> settings = halobind.SystemSettings(cutoff_nm=0.58, restraint_k=1000.0)
        >>> system = halobind.make_system(model, halobind.load_pack("bond-increment"), settings)
        >>> system.getNumParticles() == model.n_atoms
        True
    """
    check_cutoff(model.box, settings.cutoff_nm)
    names = molecule_names(model)
    field = app.ForceField(
        io.StringIO(_ion_templates(model, pack)),
        *(io.BytesIO(library.content(name)) for name in names),
    )
    atoms = topology(model)
    templates = {residue: residue.name for residue in atoms.residues() if residue.name in names}
    system = field.createSystem(
        atoms,
        residueTemplates=templates,  # stereoisomers look alike
        nonbondedMethod=app.PME,
        nonbondedCutoff=settings.cutoff_nm,
        switchDistance=settings.cutoff_nm - SWITCH_NM,
        constraints=app.HBonds,
        hydrogenMass=HYDROGEN_MASS_DA,
        removeCMMotion=False,
    )
    make_water_rigid(system, model.residues, model.elements)
    nonbonded = next(force for force in system.getForces() if isinstance(force, mm.NonbondedForce))
    nonbonded.setUseDispersionCorrection(False)  # it assumes a homogeneous box
    for force in system.getForces():
        group = "nonbonded" if isinstance(force, mm.NonbondedForce) else "bonded"
        force.setForceGroup(FORCE_GROUPS[group])
    _set_charges(nonbonded, model, pack)
    pair_force = _pair_force(nonbonded, model, pack, settings.cutoff_nm, library)
    pair_force.setForceGroup(FORCE_GROUPS["ion pairs"])
    system.addForce(pair_force)
    if len(model.groups["frozen"]):
        restraint = _restraint(model, settings.restraint_k)
        restraint.setForceGroup(FORCE_GROUPS["slab restraint"])
        system.addForce(restraint)
    return system


def make_water_rigid(
    system: mm.System, residues: Sequence[Residue], elements: Sequence[str]
) -> None:
    """Hold the H-O-H angle of water by a third constraint, as TIP3P asks for.

    Args:
        system: The System, with its O-H bonds constrained already.
        residues: Its residues; water is known by its name.
        elements: Element symbols of its atoms.
    """
    waters = [residue for residue in residues if residue.name == "water"]
    if not waters:
        return
    lengths = {}
    for k in range(system.getNumConstraints()):
        i, j, length = system.getConstraintParameters(k)
        lengths[frozenset((i, j))] = length
    for residue in waters:
        oxygen, *hydrogens = sorted(
            range(residue.start, residue.stop), key=lambda i: elements[i] != "O"
        )
        bond = lengths[frozenset((oxygen, hydrogens[0]))].value_in_unit(unit.nanometer)
        system.addConstraint(*hydrogens, 2 * bond * np.sin(np.radians(WATER_ANGLE / 2)))


def check_cutoff(box: np.ndarray, cutoff_nm: float) -> None:
    """Raise ValueError when the shortest box length is below twice the cutoff."""
    shortest = float(np.min(box))
    if shortest < 2 * cutoff_nm:
        smaller = ""
        if shortest >= 1.6:
            smaller = f", or cutoff_nm = {np.floor(50 * shortest) / 100:.2f} or less"
        raise ValueError(
            f"cutoff_nm = {cutoff_nm} needs a box of at least {2 * cutoff_nm:.2f} nm, but the"
            f" shortest side is {shortest:.3f} nm: use more cells along x and y{smaller}"
        )


def _ion_templates(model: Model, pack: Pack) -> str:
    """ForceField XML with a residue for each element of an ion.

    It has the Lennard-Jones numbers of the mixing table; charges are set later.
    """
    types = ""
    residues = ""
    atoms = ""
    for element in dict.fromkeys(model.elements[i] for i in ions_of(model)):
        mass = app.Element.getBySymbol(element).mass.value_in_unit(unit.dalton)
        types += (
            f'<Type name="ion-{element}" class="ion-{element}" element="{element}" mass="{mass}"/>'
        )
        residues += (
            f'<Residue name="{element.upper()}"><Atom name="{element}" type="ion-{element}"'
            ' charge="0.0"/></Residue>'
        )
        lj = mixing_of(pack, element)
        atoms += f'<Atom type="ion-{element}" sigma="{lj.sigma!r}" epsilon="{lj.epsilon!r}"/>'
    return (
        f"<ForceField><AtomTypes>{types}</AtomTypes><Residues>{residues}</Residues>"
        '<NonbondedForce coulomb14scale="0.8333333333333334"'
        f' lj14scale="0.5"><UseAttributeFromResidue name="charge"/>{atoms}'
        "</NonbondedForce></ForceField>"
    )


def _set_charges(nonbonded: mm.NonbondedForce, model: Model, pack: Pack) -> None:
    """Set the charges that the pack decides.

    Ions, and the molecules that the pack lists, get the pack's charges; the charges of the rest of
    the group charged are scaled. 1-4 exceptions keep the ratio to the product of the charges that
    they had.
    """
    scale = pack.charges.charge_scale
    listed = {**ion_charges(model, pack), **listed_molecule_charges(model, pack)}
    before = {}
    after = {}
    for i in {*listed, *(int(i) for i in model.groups["charged"])}:
        charge, sigma, epsilon = nonbonded.getParticleParameters(i)
        before[i] = charge.value_in_unit(unit.elementary_charge)
        after[i] = listed.get(i, scale * before[i])
        nonbonded.setParticleParameters(i, after[i], sigma, epsilon)
    for k in range(nonbonded.getNumExceptions()):
        i, j, product, sigma, epsilon = nonbonded.getExceptionParameters(k)
        if i in before and j in before and before[i] * before[j]:
            ratio = after[i] * after[j] / (before[i] * before[j])
            nonbonded.setExceptionParameters(k, i, j, ratio * product, sigma, epsilon)


def organic_types(model: Model, library: MoleculeLibrary = SHIPPED_MOLECULES) -> dict[int, str]:
    """GAFF type of every atom of a molecule, by atom index, from the molecule files.

    A c3 bonded to an n4 (the first carbons of an ammonium head) is "c3:n4".

    Raises:
        ValueError: A file does not have the residue, or does not name the atoms of the model.
    """
    templates = {}
    for name in molecule_names(model):
        template = ET.fromstring(library.content(name)).find(f"./Residues/Residue[@name='{name}']")
        if template is None:
            raise ValueError(f"{name}.xml has no residue {name!r}")
        templates[name] = {
            atom.attrib["name"]: atom.attrib["type"].rsplit("-", 1)[1]
            for atom in template.findall("Atom")
        }
    types = {}
    for residue in model.residues:
        if residue.name not in templates:
            continue
        type_of = templates[residue.name]
        for i in range(residue.start, residue.stop):
            if model.names[i] not in type_of:
                raise ValueError(
                    f"atom {model.names[i]} of {residue.name} has no force-field type: regenerate"
                    f" {residue.name}.xml"
                )
            types[i] = type_of[model.names[i]]
    plain = dict(types)
    for i, j in model.bonds:
        for carbon, head in ((int(i), int(j)), (int(j), int(i))):
            if (plain.get(carbon), plain.get(head)) == ("c3", "n4"):
                types[carbon] = "c3:n4"
    return types


def assign_pairs(
    nonbonded: mm.NonbondedForce,
    model: Model,
    pack: Pack,
    library: MoleculeLibrary = SHIPPED_MOLECULES,
) -> PairAssignment:
    """The types of a model's atoms, and the Pair of every ion with every type.

    Args:
        nonbonded: The force of the model's System, for the Lennard-Jones numbers of each type.
        model: The atoms.
        pack: The force field.
        library: The files with the types of the molecules' atoms.
    """
    organic = organic_types(model, library)
    ions = list(dict.fromkeys(model.elements[i] for i in ions_of(model)))
    types = tuple(dict.fromkeys([*ions, *organic.values()]))
    number_of = {type_: number for number, type_ in enumerate(types)}
    type_numbers = tuple(number_of[organic.get(i, model.elements[i])] for i in range(model.n_atoms))
    lj = _lj_of_types(nonbonded, type_numbers, types)
    pairs = {(ion, other): pair_for(pack, ion, other, lj[other]) for ion in ions for other in types}
    return PairAssignment(types, type_numbers, pairs)


def _pair_force(
    nonbonded: mm.NonbondedForce,
    model: Model,
    pack: Pack,
    cutoff_nm: float,
    library: MoleculeLibrary,
) -> mm.CustomNonbondedForce:
    """The listed energy less the mixed one that the NonbondedForce has already.

    It acts on every ion pair, and on every pair of an ion and an organic atom that the pack lists.
    """
    assignment = assign_pairs(nonbonded, model, pack, library)
    number_of = {type_: number for number, type_ in enumerate(assignment.types)}
    listed = {key: pair for key, pair in assignment.pairs.items() if is_listed(pack, *key)}
    force = mm.CustomNonbondedForce(PAIR_ENERGY)
    force.setName("ion pairs")
    n_types = len(assignment.types)
    tables = {parameter: np.zeros((n_types, n_types)) for parameter in ("A", "B", "C6", "C12")}
    lj = _lj_of_types(nonbonded, assignment.type_numbers, assignment.types)
    for (ion, other), pair in listed.items():
        base = mix(lj[ion], lj[other])
        values = {"A": pair.A, "B": pair.B, "C6": pair.C6 - base.C6, "C12": pair.C12 - base.C12}
        for parameter, value in values.items():
            tables[parameter][number_of[ion], number_of[other]] = value
            tables[parameter][number_of[other], number_of[ion]] = value
    for parameter, table in tables.items():
        force.addTabulatedFunction(
            parameter, mm.Discrete2DFunction(n_types, n_types, table.flatten().tolist())
        )
    force.addPerParticleParameter("type")
    for number in assignment.type_numbers:
        force.addParticle([number])
    for k in range(nonbonded.getNumExceptions()):
        i, j, *_ = nonbonded.getExceptionParameters(k)
        force.addExclusion(i, j)
    ions = [int(i) for i in ions_of(model)]
    force.addInteractionGroup(ions, ions)
    partners = {number_of[other] for _, other in listed}
    paired = {i for i, number in enumerate(assignment.type_numbers) if number in partners}
    heads = sorted(paired - set(ions))
    if heads:
        force.addInteractionGroup(ions, heads)
    force.setNonbondedMethod(mm.CustomNonbondedForce.CutoffPeriodic)
    force.setCutoffDistance(cutoff_nm)
    force.setUseSwitchingFunction(True)
    force.setSwitchingDistance(cutoff_nm - SWITCH_NM)
    return force


def _lj_of_types(
    nonbonded: mm.NonbondedForce, type_numbers: Sequence[int], types: Sequence[str]
) -> dict[str, LennardJones]:
    """The Lennard-Jones numbers that the NonbondedForce holds for each type."""
    lj: dict[str, LennardJones] = {}
    for i, number in enumerate(type_numbers):
        if types[number] not in lj:
            _, sigma, epsilon = nonbonded.getParticleParameters(i)
            lj[types[number]] = LennardJones(
                epsilon.value_in_unit(unit.kilojoule_per_mole), sigma.value_in_unit(unit.nanometer)
            )
    return lj


def _restraint(model: Model, k: float) -> mm.CustomExternalForce:
    """Harmonic restraints 0.5 k |r - r0|^2 of the frozen ions, k in kJ/mol/nm2.

    r0 is where they were built, at z = 0, which a barostat along z leaves alone.
    """
    force = mm.CustomExternalForce("0.5*restraint_k*periodicdistance(x, y, z, x0, y0, z0)^2")
    force.setName("slab restraint")
    force.addGlobalParameter("restraint_k", k)
    for axis in ("x0", "y0", "z0"):
        force.addPerParticleParameter(axis)
    for i in model.groups["frozen"]:
        force.addParticle(int(i), [float(x) for x in model.positions[i]])
    return force
