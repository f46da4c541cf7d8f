"""What a pack can do: one sentence against what it cannot, before anything is computed; and where
its numbers come from.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from rdkit import Chem

from halobind.forcefields.packs.charges import molecule_charge
from halobind.forcefields.packs.pack import FORCEFIELDS, Fixed, Pack, load_pack
from halobind.structures.assembly.build import ModelPlan, ModelSpec
from halobind.structures.crystals.crystal import charge_of
from halobind.structures.molecules.catalogue import ION_CHARGES, Ligand

# a perovskite that the pack has not got is planned with this lattice constant, to be refused for
# all that it is
NOMINAL_NM = 0.59
NEUTRAL_E = 1e-6


@dataclass(frozen=True)
class Wanted:
    """What a pack is asked for: the perovskite, the shape as Validity writes it, its size for
    messages, all ions and charged molecules with their numbers, and the ligands by name.
    """

    perovskite: str
    shape: str
    size: str
    composition: Mapping[str, int]
    ligands: Mapping[str, Ligand]


def planning_lattice(pack: Pack, perovskite: str) -> float:
    """The pack's lattice constant in nm; NOMINAL_NM for a perovskite that it has not got and
    `check_pack` will refuse.
    """
    return pack.lattice_nm.get(perovskite, NOMINAL_NM)


def wanted_of(spec: ModelSpec, plan: ModelPlan) -> Wanted:
    """What a planned model asks of a pack."""
    crystal = spec.crystal
    gone = {i for bound in plan.bounds for i in bound.removed}
    count = Counter(name for i, name in enumerate(plan.crystal.species) if i not in gone)
    count += Counter(bound.ligand for bound in plan.bounds) + Counter(dict(spec.dissolved))
    return Wanted(
        perovskite=crystal.perovskite,
        shape=f"slab {crystal.termination}" if crystal.shape == "slab" else crystal.shape,
        size="x".join(str(n) for n in crystal.cells),
        composition=count,
        ligands={name: spec.ligands[name] for name in count if name in spec.ligands},
    )


def check_pack(pack: Pack, wanted: Wanted) -> None:
    """Raise ValueError naming the pack, what it cannot do, and which packs can."""
    reason = problem(pack, wanted)
    if reason is None:
        return
    able = [name for name in FORCEFIELDS if problem(load_pack(name), wanted) is None]
    advice = (
        f"use pack = {' or '.join(repr(name) for name in able)}"
        if able
        else "no pack can: change the model"
    )
    raise ValueError(f"force field {pack.name!r} {reason}; {advice}")


def problem(pack: Pack, wanted: Wanted) -> str | None:
    """The first thing that the pack cannot do, as the rest of a sentence; None when it can do all."""
    valid = pack.validity
    if wanted.perovskite not in pack.lattice_nm:
        return f"has no parameters for {wanted.perovskite}; it has {', '.join(pack.lattice_nm)}"
    for name in wanted.composition:
        if name in ION_CHARGES and name not in pack.formal:
            return f"has no parameters for the ion {name}; it has {', '.join(pack.formal)}"
    charge, terms = _charge(pack, wanted)
    if abs(charge) > NEUTRAL_E:
        return (
            f"cannot make the shape {wanted.shape} of {wanted.size} cells neutral: with its fixed"
            f" charges {terms} sum to {charge:+.4f} e"
        )
    if wanted.shape not in valid.shapes:
        return f"is not made for the shape {wanted.shape}; it is for {', '.join(valid.shapes)}"
    for name, row in wanted.ligands.items():
        reason = ligand_problem(pack, name, row)
        if reason:
            return reason
    return None


def _charge(pack: Pack, wanted: Wanted) -> tuple[float, str]:
    """The charge (e) of what is wanted under fixed charges, and its terms as text. Bond increments
    always sum to the formal charge, 0.
    """
    if not isinstance(pack.charges, Fixed):
        return 0.0, ""
    each = {}
    for name in wanted.composition:
        formal = wanted.ligands[name].charge if name in wanted.ligands else charge_of(name)
        each[name] = (
            pack.charges.ions[name]
            if name in pack.charges.ions
            else molecule_charge(pack, name, formal)
        )
    terms = [f"{count} {name} x {each[name]:+.4f}" for name, count in wanted.composition.items()]
    return sum(each[name] * count for name, count in wanted.composition.items()), ", ".join(terms)


def ligand_problem(pack: Pack, name: str, row: Ligand) -> str | None:
    """Why the pack does not take the ligand, as the rest of a sentence; None when it does."""
    valid = pack.validity
    if row.mode not in valid.modes:
        return (
            f"is not made for {name}, a ligand bound as {row.mode}; it is for"
            f" {', '.join(valid.modes) or 'no ligands'}"
        )
    if not valid.heads:
        return None
    mol = Chem.MolFromSmiles(row.smiles)
    known = {
        match[0]
        for smarts in valid.heads.values()
        for match in mol.GetSubstructMatches(Chem.MolFromSmarts(smarts))
    }
    other = [
        atom for atom in mol.GetAtoms() if atom.GetFormalCharge() > 0 and atom.GetIdx() not in known
    ]
    if other:
        group = f"{other[0].GetSymbol()} with {other[0].GetTotalNumHs()} H"
        return (
            f"is not made for {name}, whose cationic group ({group} in {row.smiles}) is none of its"
            f" heads: {', '.join(valid.heads)}"
        )
    return None


def provenance(pack: Pack) -> list[str]:
    """Where the numbers of a pack come from and what they are for, one line each."""
    charges, valid = pack.charges, pack.validity
    if isinstance(charges, Fixed):
        rule = ", ".join(f"{name} {value:+g}" for name, value in charges.ions.items())
        rule += "".join(
            f", {name} {sum(own.values()):+.4f}" for name, own in charges.molecules.items()
        )
    else:
        rule = f"t = {charges.t:g} e a bond below {charges.bond_nm:g} nm"
    lines = [
        f"force field {pack.name}: {pack.title}",
        f"  organics: {pack.organics}",
        (
            f"  charge rule {charges.rule} ({rule}), charge_scale {charges.charge_scale:g}:"
            f" {charges.source}"
        ),
    ]
    lines += [f"  {table.form}, {', '.join(table.pairs)}: {table.source}" for table in pack.table]
    lines += [
        f"  all other pairs with an ion: Lorentz-Berthelot; {pack.mixing.source}",
        (
            f"  valid for: {', '.join(valid.shapes)}; ligands: {', '.join(valid.modes) or 'none'};"
            f" heads: {', '.join(valid.heads) or 'any'}"
        ),
        (
            "  lattice constant at 300 K:"
            f" {', '.join(f'{name} {a:g} nm' for name, a in pack.lattice_nm.items())};"
            f" {pack.lattice_source}"
        ),
    ]
    return lines
