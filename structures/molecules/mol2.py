"""Read mol2 files of one molecule: elements, names and coordinates, bond orders, formal charges.

A mol2 file has no formal charges (but for Open Babel's attributes), and programs write the bonds of
charged groups in different ways. They are worked out from connectivity: every atom must have a
normal valence, and the charges must add up to what the file says.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rdkit import Chem, rdBase
from scipy.optimize import Bounds, LinearConstraint, milp

from halobind.structures.molecules.limits import shown

SECTION = "@<TRIPOS>"
SYBYL_TYPE = re.compile(r"(H|B|C|N|O|F|Si|P|S|Cl|Br|I)(\.[A-Za-z0-9]+)?")
ISOTOPE_TYPES = ("D", "T")
NO_CHARGES = "NO_CHARGES"
MAX_ROUNDING_E = 0.1  # of the sum of partial charges, which are rounded to a few digits
# What a structure costs that is not quite as the file says: for each charged atom, each e of total
# charge, each atom without a multiple bond whose type has one, and (1) each change of a bond order.
CHARGED_ATOM_COST = 10.0
TOTAL_CHARGE_COST = 5.0
SATURATED_COST = 3.0
RDKIT_ORDERS = {1: Chem.BondType.SINGLE, 2: Chem.BondType.DOUBLE, 3: Chem.BondType.TRIPLE}
# Valences and formal charges of the elements whose charges do not depend on their neighbours.
VALENCES = {
    "H": ((1, 0),),
    "B": ((3, 0), (4, -1)),
    "C": ((4, 0),),
    "N": ((3, 0), (4, 1), (2, -1)),
    "O": ((2, 0), (1, -1), (3, 1)),
    "F": ((1, 0),),
    "Si": ((4, 0),),
    "P": (),
    "S": (),
    "Cl": ((1, 0),),
    "Br": ((1, 0),),
    "I": ((1, 0),),
}
BOND_ORDERS = {"1": 1, "2": 2, "3": 3, "am": 1}
AROMATIC = "ar"
# Atoms of these types have single bonds only, those of UNSATURATED types have at least one other.
SATURATED = ("C.3", "N.4", "O.3")
UNSATURATED = ("C.1", "C.2", "C.ar", "C.cat", "N.1", "N.2", "O.2", "S.2")
ANION_ENDS = ("O", "S")


@dataclass(frozen=True)
class _Atom:
    """One line of the section ATOM."""

    name: str
    """Its name in the file."""
    xyz: tuple[float, float, float]
    """Its position in angstrom."""
    kind: str
    """Its SYBYL type."""
    element: str
    """Its element."""
    charge_e: float
    """Its partial charge; 0 where the file has none."""


@dataclass(frozen=True)
class _Bond:
    """One line of the section BOND."""

    first: int
    """Index of one atom."""
    second: int
    """Index of the other."""
    kind: str
    """1, 2, 3, am or ar."""


@dataclass(frozen=True)
class _Structure:
    """What a mol2 file says."""

    title: str
    """The name of the molecule."""
    atoms: list[_Atom]
    """Its atoms."""
    bonds: list[_Bond]
    """Its bonds."""
    charge: int | None
    """The sum of the formal or partial charges; None where the file has none."""


@dataclass(frozen=True)
class _State:
    """A normal valence of an atom."""

    valence: int
    """The sum of its bond orders."""
    charge: int
    """Its formal charge."""


def read_mol2(path: Path) -> tuple[Chem.Mol, tuple[str, ...]]:
    """The molecule of a mol2 file with SYBYL atom types and all its hydrogens, and its atom names.

    Names that repeat are numbered.

    Raises:
        ValueError: Naming the file, what is wrong with it and what to do.
    """
    text = path.read_bytes().decode("utf-8", errors="replace")
    n_molecules = text.count(f"{SECTION}MOLECULE")
    if n_molecules != 1:
        raise ValueError(f"{path}: {n_molecules} molecules in the file: write one")
    try:
        structure = _read_structure(text)
    except (IndexError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None
    rdkit_mol, reason = _read_with_rdkit(_without_attributes(text))
    mol = _solved(structure)
    if mol is None:
        raise ValueError(f"{path}: {_advice(structure, reason)}")
    charge = Chem.GetFormalCharge(mol)
    if rdkit_mol is not None and Chem.GetFormalCharge(rdkit_mol) == charge:
        mol = min(rdkit_mol, mol, key=_n_charged)
    return mol, _unique([atom.name for atom in structure.atoms])


def _n_charged(mol: Chem.Mol) -> int:
    """How many atoms have a formal charge."""
    return sum(1 for atom in mol.GetAtoms() if atom.GetFormalCharge())


def _read_structure(text: str) -> _Structure:
    """The sections of a mol2 file. Raises ValueError saying what is wrong."""
    header = [line.strip() for line in _section(text, "MOLECULE")]
    atoms = [_read_atom(line) for line in _section(text, "ATOM") if line.strip()]
    numbers = {
        line.split()[0]: k for k, line in enumerate(filter(str.strip, _section(text, "ATOM")))
    }
    if not atoms:
        raise ValueError("it has no atoms")
    bonds = []
    for line in filter(str.strip, _section(text, "BOND")):
        fields = line.split()
        if len(fields) < 4 or fields[1] not in numbers or fields[2] not in numbers:
            raise ValueError(
                f"the line {shown(line.strip())} is not a bond between two of its atoms"
            )
        if fields[3] not in (*BOND_ORDERS, AROMATIC):
            raise ValueError(
                f"the bond {shown(line.strip())} is of no known order: write 1, 2, 3, am or ar"
            )
        bonds.append(_Bond(numbers[fields[1]], numbers[fields[2]], fields[3]))
    title = header[0] if header else ""
    has_charges = NO_CHARGES not in header
    return _Structure(title, atoms, bonds, _charge(text, atoms, has_charges))


def _section(text: str, name: str) -> list[str]:
    """The lines of the first section of that name; [] where there is none."""
    lines = text.splitlines()
    starts = [k for k, line in enumerate(lines) if line.strip() == SECTION + name]
    if not starts:
        return []
    body = lines[starts[0] + 1 :]
    ends = [k for k, line in enumerate(body) if line.startswith(SECTION)]
    return body[: ends[0]] if ends else body


def _read_atom(line: str) -> _Atom:
    """One atom. Raises ValueError for a line that is none, or a type that is not SYBYL's."""
    fields = line.split()
    try:
        x, y, z = (float(value) for value in fields[2:5])
        kind = fields[5]
        charge_e = float(fields[8]) if len(fields) > 8 else 0.0
    except (IndexError, ValueError):
        raise ValueError(
            f"the line {shown(line.strip())} is not an atom (number, name, x, y, z, type)"
        ) from None
    match = SYBYL_TYPE.fullmatch(kind)
    if kind in ISOTOPE_TYPES:
        raise ValueError(f"atom {fields[1]} is an isotope of hydrogen: write its type as H")
    if match is None:
        raise ValueError(
            f"atom {fields[1]} has type {shown(kind)}; a mol2 file needs SYBYL atom types (C.3,"
            " N.4,"
            " O.co2, ...), not force-field types: convert it, for example with antechamber -at"
            " sybyl, or give an sdf file"
        )
    return _Atom(fields[1], (x, y, z), kind, match[1], charge_e)


def _charge(text: str, atoms: list[_Atom], has_charges: bool) -> int | None:
    """The charge that the file gives: of Open Babel's attributes, else the sum over its atoms.

    Raises:
        ValueError: When partial charges do not add up to a whole number.
    """
    attributes = [line.split() for line in _section(text, "UNITY_ATOM_ATTR")]
    formal = [int(fields[1]) for fields in attributes if fields[:1] == ["charge"]]
    if formal:
        return sum(formal)
    if not has_charges or all(atom.charge_e == 0.0 for atom in atoms):
        return None
    total = sum(atom.charge_e for atom in atoms)
    if abs(total - round(total)) > MAX_ROUNDING_E:
        raise ValueError(
            f"its partial charges add up to {total:.3f} e, not to a whole number: correct them, or"
            " write NO_CHARGES and 0.0 for each atom"
        )
    return round(total)


def _without_attributes(text: str) -> str:
    """The file without the section between atoms and bonds that RDKit stumbles over."""
    section = re.compile(rf"{SECTION}UNITY_ATOM_ATTR.*?(?={SECTION}|\Z)", re.DOTALL)
    return section.sub("", text)


def _read_with_rdkit(text: str) -> tuple[Chem.Mol | None, str]:
    """The molecule as RDKit's own reader has it, where nothing is wrong with it, and its reason."""
    with rdBase.BlockLogs():
        mol = Chem.MolFromMol2Block(text, removeHs=False)
        if mol is None:
            rough = Chem.MolFromMol2Block(text, sanitize=False, removeHs=False)
            if rough is None:
                return None, ""
            problems = Chem.DetectChemistryProblems(rough)
            return None, problems[0].Message() if problems else ""
        hydrogens = Chem.AddHs(mol).GetNumAtoms() - mol.GetNumAtoms()
    radicals = any(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms())
    return (None, "") if hydrogens or radicals else (mol, "")


def _advice(structure: _Structure, reason: str) -> str:
    """Why a molecule has no normal valences, and what to do."""
    said = "" if structure.charge is None else f" with a charge of {structure.charge:+d} e"
    because = f" (RDKit: {reason})" if reason else ""
    free = _with_any_charge(structure)
    if free is not None:
        return (
            f"its charges add up to {structure.charge:+d} e, its bonds and hydrogens to"
            f" {Chem.GetFormalCharge(free):+d} e: correct the charges, the bonds or the hydrogens"
        )
    return (
        f"its bonds and hydrogens give no normal valences{said}{because}: look for missing"
        " hydrogens and wrong bond orders, or give an sdf file"
    )


def _with_any_charge(structure: _Structure) -> Chem.Mol | None:
    """The molecule where the charges of the file are left out of account."""
    if structure.charge is None:
        return None
    return _solved(_Structure(structure.title, structure.atoms, structure.bonds, None))


def _solved(structure: _Structure) -> Chem.Mol | None:
    """The molecule with bond orders and formal charges; None when no atom can have its valence.

    The bond orders of the file hold where they give normal valences; else those nearest to them
    that do.
    """
    orders = _bond_orders(structure, keep=True)
    if orders is None:
        orders = _bond_orders(structure, keep=False)
    return None if orders is None else _rdkit_mol(structure, orders)


def _bond_orders(structure: _Structure, keep: bool) -> list[int] | None:
    """Bond orders that give every atom a normal valence, with the fewest charges.

    An integer programme: the order of each bond and the state of each atom are unknown; the sum of
    the orders at an atom is the valence of its state, the sum of the charges that of the file.

    Args:
        structure: The file.
        keep: Whether the orders of the file must hold, but for aromatic bonds (1 or 2).

    Returns:
        An order for each bond, or None when there is no solution.
    """
    atoms = structure.atoms
    bonds = structure.bonds
    states = [_states(structure, k, keep) for k in range(len(atoms))]
    if not all(states):
        return None
    n_bonds = len(bonds)
    # the unknowns: orders of bonds, states of atoms, and the absolute value of the charge
    columns = [(k, state) for k in range(len(atoms)) for state in states[k]]
    charges = np.array([0] * n_bonds + [state.charge for _, state in columns] + [0], dtype=float)
    n_unknowns = len(charges)
    low = np.zeros(n_unknowns)
    high = np.ones(n_unknowns)
    high[-1] = len(atoms)
    cost = CHARGED_ATOM_COST * np.abs(charges)
    cost[-1] = TOTAL_CHARGE_COST
    for c, (k, state) in enumerate(columns, n_bonds):
        if atoms[k].kind in UNSATURATED and state.valence == len(_neighbours(structure, k)):
            cost[c] += SATURATED_COST
    for j, bond in enumerate(bonds):
        low[j], high[j] = _range_of_order(structure, bond, keep)
        of_file = BOND_ORDERS.get(bond.kind)
        change = 0.0 if of_file is None else (1.0 if of_file == 1 else -1.0)
        cost[j] = change + 1e-3 * j / n_bonds  # of equal structures the first is taken
    rows: list[np.ndarray] = []
    totals: list[tuple[float, float]] = []
    for k in range(len(atoms)):
        of_atom = np.zeros(n_unknowns)
        aromatic = np.zeros(n_unknowns)
        for j, bond in enumerate(bonds):
            at_atom = k in (bond.first, bond.second)
            of_atom[j] = float(at_atom)
            aromatic[j] = float(at_atom and bond.kind == AROMATIC)
        choice = np.zeros(n_unknowns)
        for c, (atom, state) in enumerate(columns, n_bonds):
            if atom == k:
                of_atom[c] = -state.valence
                choice[c] = 1.0
        rows += [of_atom, choice, aromatic]
        totals += [(0.0, 0.0), (1.0, 1.0), (0.0, aromatic.sum() + _max_doubles(atoms[k]))]
    expected = structure.charge
    rows.append(charges)
    totals.append((-np.inf, np.inf) if expected is None else (expected, expected))
    for sign in (1.0, -1.0):
        bound = sign * charges
        bound[-1] = -1.0
        rows.append(bound)
        totals.append((-np.inf, 0.0))
    limits = LinearConstraint(np.array(rows), *np.array(totals).T)
    solved = milp(
        cost, integrality=np.ones(n_unknowns), bounds=Bounds(low, high), constraints=limits
    )
    if solved.x is None:
        return None
    return [round(order) for order in solved.x[:n_bonds]]


def _max_doubles(atom: _Atom) -> int:
    """How many aromatic bonds of an atom may be double: two of a sulfonate or sulfone."""
    return 2 if atom.element == "S" else 1


def _neighbours(structure: _Structure, k: int) -> list[int]:
    """The atoms bonded to atom `k`."""
    pairs = [(bond.first, bond.second) for bond in structure.bonds]
    return [b if a == k else a for a, b in pairs if k in (a, b)]


def _states(structure: _Structure, k: int, keep: bool) -> list[_State]:
    """The normal valences that atom `k` can have; with `keep` also as its type says."""
    atom = structure.atoms[k]
    neighbours = _neighbours(structure, k)
    degree = len(neighbours)
    ends = [n for n in neighbours if len(_neighbours(structure, n)) == 1]
    on_anion = any(structure.atoms[n].element in ANION_ENDS for n in ends)
    states = [_State(valence, charge) for valence, charge in VALENCES[atom.element]]
    if atom.element == "S":
        states = _sulfur_states(degree, on_anion)
    elif atom.element == "P":
        states = _phosphorus_states(degree, on_anion)
    elif atom.element == "N" and sum(structure.atoms[n].element == "O" for n in ends) > 1:
        states = [_State(4, 1)]  # nitro groups
    elif atom.element == "C" and degree == 1 and structure.atoms[neighbours[0]].element == "N":
        states.append(_State(3, -1))  # isonitriles
    if atom.kind in SATURATED:
        return [state for state in states if state.valence == degree]
    least = degree + 1 if keep and atom.kind in UNSATURATED else degree
    return [state for state in states if state.valence >= least]


def _sulfur_states(degree: int, on_anion: bool) -> list[_State]:
    """Thiols, thiolates, sulfonium, sulfoxides and sulfinates, sulfones and sulfonates."""
    if degree == 4:
        return [_State(6, 0)]
    if degree == 3:
        return [_State(4, 0)] if on_anion else [_State(3, 1), _State(4, 0)]
    return [_State(2, 0), _State(1, -1), _State(4, 0)]


def _phosphorus_states(degree: int, on_anion: bool) -> list[_State]:
    """Phosphines, phosphonium, phosphonates and the like."""
    if degree == 4:
        return [_State(5, 0)] if on_anion else [_State(4, 1), _State(5, 0)]
    return [_State(3, 0), _State(5, 0)]


def _range_of_order(structure: _Structure, bond: _Bond, keep: bool) -> tuple[int, int]:
    """The lowest and the highest order that a bond can have."""
    elements = {structure.atoms[bond.first].element, structure.atoms[bond.second].element}
    if elements & {"H", "F", "Cl", "Br", "I"}:
        return 1, 1
    if bond.kind == AROMATIC:
        return 1, 2
    order = BOND_ORDERS[bond.kind]
    return (order, order) if keep else (1, max(order, 2))


def _rdkit_mol(structure: _Structure, orders: list[int]) -> Chem.Mol | None:
    """The sanitized molecule of these bond orders; None when RDKit refuses it."""
    mol = Chem.RWMol()
    conformer = Chem.Conformer(len(structure.atoms))
    valences = [0] * len(structure.atoms)
    for bond, order in zip(structure.bonds, orders, strict=True):
        valences[bond.first] += order
        valences[bond.second] += order
    for k, atom in enumerate(structure.atoms):
        states = _states(structure, k, keep=False)
        rdkit_atom = Chem.Atom(atom.element)
        rdkit_atom.SetFormalCharge(next(s.charge for s in states if s.valence == valences[k]))
        rdkit_atom.SetNoImplicit(True)
        rdkit_atom.SetProp("_TriposAtomName", atom.name)
        mol.AddAtom(rdkit_atom)
        conformer.SetAtomPosition(k, atom.xyz)
    for bond, order in zip(structure.bonds, orders, strict=True):
        mol.AddBond(bond.first, bond.second, RDKIT_ORDERS[order])
    mol.AddConformer(conformer)
    mol.SetProp("_Name", structure.title)
    with rdBase.BlockLogs():
        if Chem.SanitizeMol(mol, catchErrors=True) != Chem.SanitizeFlags.SANITIZE_NONE:
            return None
    Chem.AssignStereochemistryFrom3D(mol)
    return mol.GetMol()


def _unique(names: list[str]) -> tuple[str, ...]:
    """The names, where they repeat with running numbers that no other atom has."""
    repeated = {name for name in names if names.count(name) > 1}
    used = set(names) - repeated
    counts = dict.fromkeys(repeated, 0)
    unique = []
    for name in names:
        new = name
        while name in repeated and (new == name or new in used):
            counts[name] += 1
            new = f"{name}{counts[name]}"
        used.add(new)
        unique.append(new)
    return tuple(unique)
