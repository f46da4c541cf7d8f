"""What a pack can do, checked before anything is computed; and where its numbers come from."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from rdkit import Chem

from halobind.forcefields.packs.charges import molecule_charge
from halobind.forcefields.packs.pack import FORCEFIELDS, Fixed, Pack, load_pack
from halobind.structures.assembly.build import ModelPlan, ModelSpec
from halobind.structures.crystals.crystal import charge_of
from halobind.structures.molecules.catalogue import ION_CHARGES, Ligand

# A model of a perovskite that the pack does not have is planned with this lattice constant, so that
# `check_pack` can say all that is wrong with it.
NOMINAL_LATTICE_NM = 0.59
MAX_NET_CHARGE_E = 1e-6


@dataclass(frozen=True)
class PackRequest:
    """What a model needs of a pack."""

    perovskite: str
    """Name of the perovskite."""
    shape: str
    """Its shape, as `Validity` writes it."""
    size: str
    """Numbers of cells as text, for messages."""
    composition: Mapping[str, int]
    """Number of each ion and each charged molecule, by name."""
    ligands: Mapping[str, Ligand]
    """The ligands among them, by name."""


def planning_lattice(pack: Pack, perovskite: str) -> float:
    """The pack's lattice constant in nm; NOMINAL_LATTICE_NM where it has none."""
    return pack.lattice_nm.get(perovskite, NOMINAL_LATTICE_NM)


def request_of(spec: ModelSpec, plan: ModelPlan) -> PackRequest:
    """What a planned model needs of a pack."""
    crystal = spec.crystal
    removed = {i for bound in plan.bounds for i in bound.removed}
    composition = Counter(name for i, name in enumerate(plan.crystal.species) if i not in removed)
    composition += Counter(bound.ligand for bound in plan.bounds) + Counter(dict(spec.dissolved))
    ligands = spec.ligands
    if spec.ligand:
        ligands[spec.ligand] = spec.probe
    return PackRequest(
        perovskite=crystal.perovskite,
        shape=f"slab {crystal.termination}" if crystal.shape == "slab" else crystal.shape,
        size="x".join(str(n) for n in crystal.cells),
        composition=composition,
        ligands={name: ligands[name] for name in composition if name in ligands},
    )


def check_pack(pack: Pack, request: PackRequest) -> None:
    """Check that a pack can do what a model needs.

    Raises:
        ValueError: It cannot; the message says why, and which packs can.
    """
    reason = pack_problem(pack, request)
    if reason is None:
        return
    able = [name for name in FORCEFIELDS if pack_problem(load_pack(name), request) is None]
    advice = "no pack can: change the model"
    if able:
        advice = f"use pack = {' or '.join(repr(name) for name in able)}"
    raise ValueError(f"force field {pack.name!r} {reason}; {advice}")


def pack_problem(pack: Pack, request: PackRequest) -> str | None:
    """The first thing that a pack cannot do, as the rest of a sentence; None when it can do all."""
    valid = pack.validity
    if request.perovskite not in pack.lattice_nm:
        return f"has no parameters for {request.perovskite}; it has {', '.join(pack.lattice_nm)}"
    for name in request.composition:
        if name in ION_CHARGES and name not in pack.formal:
            return f"has no parameters for the ion {name}; it has {', '.join(pack.formal)}"
    charge, terms = _net_charge(pack, request)
    if abs(charge) > MAX_NET_CHARGE_E:
        return (
            f"cannot make the shape {request.shape} of {request.size} cells neutral: with its fixed"
            f" charges {terms} sum to {charge:+.4f} e"
        )
    if request.shape not in valid.shapes:
        return f"is not made for the shape {request.shape}; it is for {', '.join(valid.shapes)}"
    for name, ligand in request.ligands.items():
        reason = ligand_problem(pack, name, ligand)
        if reason:
            return reason
    return None


def _net_charge(pack: Pack, request: PackRequest) -> tuple[float, str]:
    """The charge in e of a model under fixed charges, and the terms of the sum as text.

    Bond increments always sum to the formal charge, 0.
    """
    if not isinstance(pack.charges, Fixed):
        return 0.0, ""
    charges = {}
    for name in request.composition:
        formal = request.ligands[name].charge if name in request.ligands else charge_of(name)
        if name in pack.charges.ions:
            charges[name] = pack.charges.ions[name]
        else:
            charges[name] = molecule_charge(pack, name, formal)
    terms = [f"{n} {name} x {charges[name]:+.4f}" for name, n in request.composition.items()]
    net = sum(charges[name] * n for name, n in request.composition.items())
    return net, ", ".join(terms)


def ligand_problem(pack: Pack, name: str, ligand: Ligand) -> str | None:
    """Why a pack does not take a ligand, as the rest of a sentence; None when it does."""
    valid = pack.validity
    if name in pack.halides and not isinstance(pack.charges, Fixed):
        return (
            f"cannot say how strongly {name} is bound: each bond to a metal changes its charge by"
            f" {pack.charges.charge_scale * pack.charges.t:g} e, so it is another ion in solution,"
            " and no number of the pack says what moving that charge costs"
        )
    if ligand.mode not in valid.modes:
        return (
            f"is not made for {name}, a ligand bound as {ligand.mode}; it is for"
            f" {', '.join(valid.modes) or 'no ligands'}"
        )
    if not valid.heads or name in pack.formal:
        return None
    mol = Chem.MolFromSmiles(ligand.smiles)
    known_heads = {
        match[0]
        for smarts in valid.heads.values()
        for match in mol.GetSubstructMatches(Chem.MolFromSmarts(smarts))
    }
    for atom in mol.GetAtoms():
        if atom.GetFormalCharge() <= 0 or atom.GetIdx() in known_heads:
            continue
        group = f"{atom.GetSymbol()} with {atom.GetTotalNumHs()} H"
        return (
            f"is not made for {name}, whose cationic group ({group} in {ligand.smiles}) is none of"
            f" its heads: {', '.join(valid.heads)}"
        )
    return None


def provenance(pack: Pack) -> list[str]:
    """Where the numbers of a pack come from and what they are for, one line each."""
    charges = pack.charges
    valid = pack.validity
    if isinstance(charges, Fixed):
        rule = ", ".join(f"{name} {value:+g}" for name, value in charges.ions.items())
        for name, charge_of_atom in charges.molecules.items():
            rule += f", {name} {sum(charge_of_atom.values()):+.4f}"
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
