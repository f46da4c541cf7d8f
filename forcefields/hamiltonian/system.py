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

from halobind.forcefields.packs.charges import ion_charges, ions_of, own_charges
from halobind.forcefields.packs.molecule_library import SHIPPED_MOLECULES, MoleculeLibrary
from halobind.forcefields.packs.pack import Pack
from halobind.forcefields.packs.pairs import Pair, is_listed, mixed, mixing_of, pair_for
from halobind.structures.models.export import topology
from halobind.structures.models.model import Model, Residue

HYDROGEN_MASS_DA = 3.0
WATER_ANGLE = 104.52  # degrees, TIP3P (Jorgensen et al., J. Chem. Phys. 1983, 79, 926)
SWITCH_NM = 0.1  # pair forces are switched off over the last 0.1 nm before the cutoff
PAIR_ENERGY = "A(t1,t2)*exp(-B(t1,t2)*r) - C6(t1,t2)/r^6 + C12(t1,t2)/r^12; t1=type1; t2=type2"
FORCE_GROUPS = {"bonded": 0, "nonbonded": 1, "ion pairs": 2, "slab restraint": 3}


@dataclass(frozen=True)
class SystemSettings:
    """How the Hamiltonian is cut and held: cutoff in nm, restraint in kJ/mol/nm2 of each frozen
    ion.
    """

    cutoff_nm: float
    restraint_k: float


def molecule_names(model: Model) -> tuple[str, ...]:
    """Names of the residues that are molecules (A site, ligands, solvents), in order of first
    appearance.
    """
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
    """The System of `model` under `pack`, 4 fs ready (H-bond constraints, hydrogens of 3 Da),
    without barostat or bias.

    Force groups are FORCE_GROUPS; the molecules have the parameters of their files in `library`.
    Raises ValueError when the cutoff does not fit the box or an atom has no parameters, and
    FileNotFoundError for a molecule without a force-field file.
    """
    check_cutoff(model.box, settings.cutoff_nm)
    names = molecule_names(model)
    field = app.ForceField(
        io.StringIO(_ion_templates(model, pack)),
        *(io.BytesIO(library.content(name)) for name in names),
    )
    made = topology(model)
    system = field.createSystem(
        made,
        residueTemplates={
            residue: residue.name for residue in made.residues() if residue.name in names
        },  # stereoisomers look alike
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
        force.setForceGroup(
            FORCE_GROUPS["nonbonded" if isinstance(force, mm.NonbondedForce) else "bonded"]
        )
    _set_charges(nonbonded, model, pack)
    pairs = _pair_force(nonbonded, model, pack, settings.cutoff_nm, library)
    pairs.setForceGroup(FORCE_GROUPS["ion pairs"])
    system.addForce(pairs)
    if len(model.groups["frozen"]):
        restraint = _restraint(model, settings.restraint_k)
        restraint.setForceGroup(FORCE_GROUPS["slab restraint"])
        system.addForce(restraint)
    return system


def make_water_rigid(
    system: mm.System, residues: Sequence[Residue], elements: Sequence[str]
) -> None:
    """Hold the H-O-H angle of water by a third constraint, as TIP3P asks for (the O-H bonds are
    constrained already).
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
        smaller = (
            f", or cutoff_nm = {np.floor(50 * shortest) / 100:.2f} or less"
            if shortest >= 1.6
            else ""
        )
        raise ValueError(
            f"cutoff_nm = {cutoff_nm} needs a box of at least {2 * cutoff_nm:.2f} nm, but the"
            f" shortest side is {shortest:.3f} nm: use more cells along x and y{smaller}"
        )


def _ion_templates(model: Model, pack: Pack) -> str:
    """ForceField XML with one residue template an ion element: Lennard-Jones of the mixing table,
    charge set later.
    """
    elements = dict.fromkeys(model.elements[i] for i in ions_of(model))
    types = residues = lj = ""
    for element in elements:
        mass = app.Element.getBySymbol(element).mass.value_in_unit(unit.dalton)
        types += (
            f'<Type name="ion-{element}" class="ion-{element}" element="{element}" mass="{mass}"/>'
        )
        residues += (
            f'<Residue name="{element.upper()}"><Atom name="{element}" type="ion-{element}"'
            ' charge="0.0"/></Residue>'
        )
        epsilon, sigma = mixing_of(pack, element)
        lj += f'<Atom type="ion-{element}" sigma="{sigma!r}" epsilon="{epsilon!r}"/>'
    return (
        f"<ForceField><AtomTypes>{types}</AtomTypes><Residues>{residues}</Residues>"
        '<NonbondedForce coulomb14scale="0.8333333333333334"'
        f' lj14scale="0.5"><UseAttributeFromResidue name="charge"/>{lj}'
        "</NonbondedForce></ForceField>"
    )


def _set_charges(nonbonded: mm.NonbondedForce, model: Model, pack: Pack) -> None:
    """Give the ions their charges, the molecules with charges of the pack's own theirs, and scale
    the rest of the group charged.

    1-4 exceptions keep the ratio to the product of the charges that they had.
    """
    scale, before = pack.charges.charge_scale, {}
    given = {**ion_charges(model, pack), **own_charges(model, pack)}
    for i in {*given, *(int(i) for i in model.groups["charged"])}:
        charge, sigma, epsilon = nonbonded.getParticleParameters(i)
        before[i] = charge.value_in_unit(unit.elementary_charge)
        nonbonded.setParticleParameters(i, given.get(i, scale * before[i]), sigma, epsilon)
    for k in range(nonbonded.getNumExceptions()):
        i, j, product, sigma, epsilon = nonbonded.getExceptionParameters(k)
        if i in before and j in before and before[i] * before[j]:
            ratio = (
                given.get(i, scale * before[i])
                * given.get(j, scale * before[j])
                / (before[i] * before[j])
            )
            nonbonded.setExceptionParameters(k, i, j, ratio * product, sigma, epsilon)


def organic_types(model: Model, library: MoleculeLibrary = SHIPPED_MOLECULES) -> dict[int, str]:
    """GAFF type of every atom of a molecule, by atom index, read from the residue templates of the
    molecule files.

    A c3 bonded to an n4 (the first carbons of an ammonium head) is "c3:n4".

    Raises ValueError when a template does not name the atoms of the built molecule.
    """
    templates = {}
    for name in molecule_names(model):
        residue = ET.fromstring(library.content(name)).find(f"./Residues/Residue[@name='{name}']")
        if residue is None:
            raise ValueError(f"{name}.xml has no residue {name!r}")
        templates[name] = {
            atom.get("name"): atom.get("type").rsplit("-", 1)[1] for atom in residue.findall("Atom")
        }
    types = {}
    for residue in model.residues:
        template = templates.get(residue.name)
        if template is None:
            continue
        for i in range(residue.start, residue.stop):
            if model.names[i] not in template:
                raise ValueError(
                    f"atom {model.names[i]} of {residue.name} has no force-field type: regenerate"
                    f" {residue.name}.xml"
                )
            types[i] = template[model.names[i]]
    plain = dict(types)
    for i, j in model.bonds:
        for carbon, head in ((int(i), int(j)), (int(j), int(i))):
            if (plain.get(carbon), plain.get(head)) == ("c3", "n4"):
                types[carbon] = "c3:n4"
    return types


def pair_table(
    nonbonded: mm.NonbondedForce,
    model: Model,
    pack: Pack,
    library: MoleculeLibrary = SHIPPED_MOLECULES,
) -> tuple[list[int], dict[tuple[str, str], Pair], list[str]]:
    """The type number of each atom, the Pair of each (ion, other) and the list of types, ions
    first.
    """
    organic = organic_types(model, library)
    ions = list(dict.fromkeys(model.elements[i] for i in ions_of(model)))
    kinds = list(dict.fromkeys([*ions, *organic.values()]))
    number = {kind: k for k, kind in enumerate(kinds)}
    numbers = [number[organic.get(i, model.elements[i])] for i in range(model.n_atoms)]
    lj = _lj_of_kinds(nonbonded, numbers, kinds)
    return (
        numbers,
        {(ion, other): pair_for(pack, ion, other, lj[other]) for ion in ions for other in kinds},
        kinds,
    )


def _pair_force(
    nonbonded: mm.NonbondedForce,
    model: Model,
    pack: Pack,
    cutoff_nm: float,
    library: MoleculeLibrary,
) -> mm.CustomNonbondedForce:
    """Listed energy less the mixed one that the NonbondedForce has already, for every ion pair and
    listed ion-organic pair.
    """
    numbers, pairs, kinds = pair_table(nonbonded, model, pack, library)
    index = {kind: k for k, kind in enumerate(kinds)}
    listed = {key: pair for key, pair in pairs.items() if is_listed(pack, *key)}
    force = mm.CustomNonbondedForce(PAIR_ENERGY)
    force.setName("ion pairs")
    tables = {
        parameter: np.zeros((len(kinds), len(kinds))) for parameter in ("A", "B", "C6", "C12")
    }
    lj = _lj_of_kinds(nonbonded, numbers, kinds)
    for (ion, other), pair in listed.items():
        base = mixed(lj[ion], lj[other])
        values = {"A": pair.A, "B": pair.B, "C6": pair.C6 - base.C6, "C12": pair.C12 - base.C12}
        for parameter, value in values.items():
            tables[parameter][index[ion], index[other]] = tables[parameter][
                index[other], index[ion]
            ] = value
    for parameter, table in tables.items():
        force.addTabulatedFunction(
            parameter, mm.Discrete2DFunction(len(kinds), len(kinds), table.flatten().tolist())
        )
    force.addPerParticleParameter("type")
    for number in numbers:
        force.addParticle([number])
    for k in range(nonbonded.getNumExceptions()):
        i, j, *_ = nonbonded.getExceptionParameters(k)
        force.addExclusion(i, j)
    ions = [int(i) for i in ions_of(model)]
    force.addInteractionGroup(ions, ions)
    partners = {index[other] for _, other in listed}
    heads = sorted({i for i, number in enumerate(numbers) if number in partners} - set(ions))
    if heads:
        force.addInteractionGroup(ions, heads)
    force.setNonbondedMethod(mm.CustomNonbondedForce.CutoffPeriodic)
    force.setCutoffDistance(cutoff_nm)
    force.setUseSwitchingFunction(True)
    force.setSwitchingDistance(cutoff_nm - SWITCH_NM)
    return force


def _lj_of_kinds(
    nonbonded: mm.NonbondedForce, numbers: list[int], kinds: list[str]
) -> dict[str, tuple[float, float]]:
    """(epsilon, sigma) in kJ/mol and nm that the NonbondedForce holds for each type."""
    found = {}
    for i, number in enumerate(numbers):
        if kinds[number] not in found:
            _, sigma, epsilon = nonbonded.getParticleParameters(i)
            found[kinds[number]] = (
                epsilon.value_in_unit(unit.kilojoule_per_mole),
                sigma.value_in_unit(unit.nanometer),
            )
    return found


def _restraint(model: Model, k: float) -> mm.CustomExternalForce:
    """Harmonic position restraints 0.5 k |r - r0|^2 on the frozen ions; r0 has z = 0, which a
    barostat along z leaves alone.
    """
    force = mm.CustomExternalForce("0.5*restraint_k*periodicdistance(x, y, z, x0, y0, z0)^2")
    force.setName("slab restraint")
    force.addGlobalParameter("restraint_k", k)
    for axis in ("x0", "y0", "z0"):
        force.addPerParticleParameter(axis)
    for i in model.groups["frozen"]:
        force.addParticle(int(i), [float(x) for x in model.positions[i]])
    return force
