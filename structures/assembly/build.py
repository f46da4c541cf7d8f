"""Build a Model: a crystal with ligands bound, in explicit solvent or in vacuum, neutral by the
ledger.
"""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from halobind.structures.assembly.dissolve import check_dissolved, place_dissolved
from halobind.structures.assembly.groups import ModelParts, assemble_model
from halobind.structures.assembly.place_ligands import place_all_ligands
from halobind.structures.assembly.solvate import (
    ceil_nm,
    check_recipe,
    fill_solvent,
    liquid_volume,
    solvent_counts,
)
from halobind.structures.crystals.a_site_molecules import PlacedResidue, crystal_residues
from halobind.structures.crystals.coating import (
    BoundLigand,
    Coat,
    all_ligands,
    check_coating,
    choose_sites,
    head_roles,
)
from halobind.structures.crystals.crystal import (
    TOWARDS,
    Crystal,
    CrystalSpec,
    central_site,
    charge_of,
    check_crystal,
    describe_sites,
    formal_charge,
    make_crystal,
    mirror_site,
)
from halobind.structures.crystals.ion_pair import check_leaving, partner_of
from halobind.structures.models.model import Model, minimum_contact
from halobind.structures.molecules.catalogue import ION_CHARGES, LIGANDS, SOLVENTS, Ligand
from halobind.structures.molecules.molecule import Molecule, make_molecule
from halobind.structures.molecules.user_ligands import check_ligand

WALL_NM = 0.20  # from an outer layer to where solvent begins
CLOSEST_NM = 0.15  # no two atoms of different residues may start closer than this
CLEAR_NM = 0.4  # between the end of a tail and what is across the gap
OWN_FACE_NM = (
    0.3  # the head stays that much short of half the gap: nearer to its own face than to the other
)


@dataclass(frozen=True)
class ModelSpec:
    """What to build. `ligand` sits alone on the site of kind `site` in the middle and is the one
    whose binding is computed, with `faces` = 2 another one straight below on the other face of the
    slab; `leaving` "ion_pair" names an ion next to each that leaves with it. `coating` are all
    others, `dissolved` (name, count) what is added to the solvent. `solvent` is (name, volume
    fraction) pairs, empty for vacuum. `gap_nm` separates opposite faces of the crystal across the
    periodic boundary. `user_ligands` are ligands that are not rows.
    """

    crystal: CrystalSpec
    ligand: str | None
    site: str
    solvent: tuple[tuple[str, float], ...]
    gap_nm: float
    coating: tuple[Coat, ...] = ()
    pattern: str = "uniform"
    dissolved: tuple[tuple[str, int], ...] = ()
    user_ligands: tuple[tuple[str, Ligand], ...] = ()
    faces: int = 1
    leaving: str = "cation"

    @property
    def ligands(self) -> dict[str, Ligand]:
        return all_ligands(dict(self.user_ligands))

    @property
    def seed(self) -> int:
        return self.crystal.seed


@dataclass(frozen=True, eq=False)
class ModelPlan:
    """The size of a model before it is built: the bound ligands, `probes` of them (the first) those
    whose binding is computed; the crystal ions that leave with these; box (3,) in nm, half-lengths
    (3,) of the block without solvent, solvent counts, atoms.
    """

    crystal: Crystal
    bounds: list[BoundLigand]
    probes: int
    partners: tuple[int, ...]
    box: np.ndarray
    block: np.ndarray
    counts: dict[str, int]
    n_atoms: int


@dataclass(frozen=True)
class BuildCheck:
    """The ledger and the checks of a built model, as written to check.json: residues by name; ions
    left out so that the bare crystal is neutral; ions replaced by ligands; ligands bound, species
    dissolved and solvent molecules added; formal charges in e.
    """

    composition: dict[str, int]
    sites: str
    left_out: dict[str, int]
    replaced: dict[str, int]
    bound: dict[str, int]
    dissolved: dict[str, int]
    solvent: dict[str, int]
    charge_of_crystal: int
    charge_of_replaced: int
    charge_of_bound: int
    charge_of_dissolved: int
    formal_charge: int
    n_atoms: int
    box_nm: tuple[float, float, float]
    closest_contact_nm: float
    closest_atoms: tuple[str, str]
    anchor_height_nm: float | None


def check_model(spec: ModelSpec, reach_nm: float = 0.0, apart_nm: float = 0.0) -> None:
    """Refuse, before any work, what cannot be built; `reach_nm` is the greatest height the ligand's
    head is taken to, `apart_nm` how far from each other two ligands at that height must be.

    Raises ValueError naming the setting, its value and what to do.
    """
    check_crystal(spec.crystal)
    ligands = spec.ligands
    check_recipe(dict(spec.solvent))
    check_coating(spec.coating, ligands, spec.pattern)
    for name in dict.fromkeys(
        [*([spec.ligand] if spec.ligand else []), *(coat.ligand for coat in spec.coating)]
    ):
        if name not in ligands:
            raise ValueError(
                f"there is no ligand {name!r}; choose one of {', '.join(LIGANDS)}, or give its"
                f" SMILES in [ligands.{name}]"
            )
        check_ligand(name, ligands[name])
    check_dissolved(dict(spec.dissolved), ligands, bool(spec.solvent))
    if spec.faces not in (1, 2):
        raise ValueError(f"faces = {spec.faces!r} is not 1 or 2")
    if spec.faces == 2 and (spec.crystal.shape != "slab" or not spec.ligand):
        what = (
            "a ligand"
            if spec.crystal.shape == "slab"
            else f"a slab, and this is a {spec.crystal.shape}"
        )
        raise ValueError(f"faces = 2 needs {what}: use faces = 1")
    if spec.ligand:
        check_leaving(spec.leaving, spec.ligand, ligands[spec.ligand])
    (tail, across), slope = _tails(spec), _slope(spec)
    longest = max(slope * (reach_nm + tail), across)
    needed = longest + across + CLEAR_NM
    if reach_nm:
        needed = max(needed, 2 * (slope * reach_nm + OWN_FACE_NM))
    both = 2 * (reach_nm + tail) + max(apart_nm, CLEAR_NM)
    if spec.faces == 2 and not spec.gap_nm >= both:
        raise ValueError(
            f"gap_nm = {spec.gap_nm:g} is too small for faces = 2: the ligands reach"
            f" {reach_nm + tail:.2f} nm from each face and must stay {max(apart_nm, CLEAR_NM):g} nm"
            f" apart; set gap_nm to {ceil_nm(both)} or more, "
            + ("to_nm lower, " if reach_nm else "")
            + "or faces = 1"
        )
    if not spec.gap_nm >= needed:
        raise ValueError(
            f"gap_nm = {spec.gap_nm:g} is too small: tails reach {longest:.2f} nm from one face and"
            f" {across:.2f} nm from the other: they would touch across the box; set gap_nm to"
            f" {ceil_nm(needed)} or more" + (", or to_nm lower" if reach_nm else "")
        )


def reach_limit(spec: ModelSpec, apart_nm: float = 0.0) -> float:
    """The greatest height (nm) to which the ligand's head can be taken in the gap: `check_model`
    refuses more.
    """
    (tail, across), slope = _tails(spec), _slope(spec)
    limit = min(
        (spec.gap_nm - CLEAR_NM - across) / slope - tail, (spec.gap_nm / 2 - OWN_FACE_NM) / slope
    )
    return (
        limit if spec.faces == 1 else min(limit, (spec.gap_nm - max(apart_nm, CLEAR_NM)) / 2 - tail)
    )


def _tails(spec: ModelSpec) -> tuple[float, float]:
    """How far (nm) the probe ligand reaches from its head, and the longest ligand of the coating."""
    ligands = spec.ligands
    across = [
        _tail(make_molecule(name, ligands[name]))
        for name in {coat.ligand for coat in spec.coating if coat.amount}
    ]
    return _tail(make_molecule(spec.ligand, ligands[spec.ligand])) if spec.ligand else 0.0, max(
        across, default=0.0
    )


def _slope(spec: ModelSpec) -> float:
    """The part of a path along the normal of the site that goes along the axis of the box on which
    it gets furthest.
    """
    if spec.crystal.shape != "cuboid" or spec.site not in TOWARDS:
        return 1.0
    return float(1 / np.linalg.norm(TOWARDS[spec.site]))


def _tail(item: Molecule) -> float:
    """How far (nm) a ligand reaches from its head along the normal."""
    return float(item.positions[:, 2].max())


def plan_model(spec: ModelSpec) -> ModelPlan:
    """The crystal, the ligands' sites, the box and the number of atoms (solvent to about 3 %),
    without building. Raises ValueError.
    """
    crystal, ligands = make_crystal(spec.crystal), spec.ligands
    probes = ()
    if spec.ligand:
        first = central_site(crystal, head_roles(ligands[spec.ligand], crystal)[0], spec.site)
        probes = tuple(
            (spec.ligand, site)
            for site in ((first, mirror_site(crystal, first)) if spec.faces == 2 else (first,))
        )
    bounds = choose_sites(crystal, probes, spec.coating, (ligands, spec.pattern, spec.seed))
    size = 2 * crystal.half
    box = np.where(np.isinf(size), 0.0, size) + spec.gap_nm
    if crystal.box_xy is not None:
        box[:2] = crystal.box_xy
    block = crystal.half + WALL_NM
    items = [make_molecule(bound.ligand, ligands[bound.ligand]) for bound in bounds]
    items += [
        make_molecule(name, ligands[name])
        for name, count in spec.dissolved
        if name in ligands
        for _ in range(count)
    ]
    volume = sum(liquid_volume(item) for item in items)
    counts = solvent_counts(volume, box, block, dict(spec.solvent)) if spec.solvent else {}
    gone = {i for bound in bounds for i in bound.removed}
    partners = ()
    if spec.ligand and spec.leaving == "ion_pair":
        charge, sites = (
            ligands[spec.ligand].charge,
            [crystal.sites[bound.sites[0]] for bound in bounds[: len(probes)]],
        )
        for site in sites:
            partners += (partner_of(crystal, site, charge, gone | set(partners)),)
    ions = sum(
        1 if name in ION_CHARGES else make_molecule(name, LIGANDS[name]).n_atoms
        for i, name in enumerate(crystal.species)
        if i not in gone
    )
    lone = sum(count for name, count in spec.dissolved if name not in ligands)
    liquid = sum(
        count * make_molecule(name, SOLVENTS[name]).n_atoms for name, count in counts.items()
    )
    return ModelPlan(
        crystal,
        bounds,
        len(probes),
        partners,
        box,
        block,
        counts,
        ions + sum(item.n_atoms for item in items) + lone + liquid,
    )


def build_model(spec: ModelSpec) -> tuple[Model, BuildCheck]:
    """Build the model and its check. Neutral in formal charge, no overlap, every atom in its group,
    or ValueError/RuntimeError.
    """
    check_model(spec)
    plan, ligands = plan_model(spec), spec.ligands
    crystal, bounds, box = plan.crystal, plan.bounds, plan.box
    ions = crystal_residues(crystal, {i for bound in bounds for i in bound.removed}, spec.seed)
    placed = place_all_ligands(crystal, ions, bounds, (ligands, box))
    pieces = [
        PlacedResidue(b.ligand, make_molecule(b.ligand, ligands[b.ligand]), p.positions)
        for b, p in zip(bounds, placed, strict=True)
    ]
    parts = ModelParts(ions, pieces[: plan.probes], pieces[plan.probes :], [], [], plan.partners)
    parts = replace(
        parts,
        dissolved=place_dissolved(
            dict(spec.dissolved), (ions + pieces, ligands), (box, plan.block), spec.seed
        ),
    )
    solute = [*ions, *pieces, *parts.dissolved]
    atoms = (
        tuple(e for piece in solute for e in piece.elements),
        np.concatenate([piece.positions for piece in solute]),
    )
    if spec.solvent:
        found = fill_solvent(atoms, box, plan.block, plan.counts, spec.seed)
        parts = replace(
            parts,
            solvent=[
                PlacedResidue(item.name, item, xyz) for item, copies in found for xyz in copies
            ],
        )
    sites = tuple(crystal.sites[bound.sites[0]] for bound in bounds[: plan.probes])
    model = assemble_model(crystal, parts, sites, box)
    return model, _check(model, spec, (plan, parts), placed[0].height_nm if plan.probes else None)


def _check(
    model: Model, spec: ModelSpec, made: tuple[ModelPlan, ModelParts], height: float | None
) -> BuildCheck:
    plan, parts = made
    crystal, ligands = plan.crystal, spec.ligands
    gone = [crystal.species[i] for bound in plan.bounds for i in bound.removed]
    bound = Counter(piece.name for piece in (*parts.ligand, *parts.coating))
    dissolved = Counter(piece.name for piece in parts.dissolved)

    def charge(counts: Counter) -> int:
        return sum(
            (ligands[name].charge if name in ligands else charge_of(name)) * count
            for name, count in counts.items()
        )

    charges = (
        formal_charge(crystal.species),
        formal_charge(tuple(gone)),
        charge(bound),
        charge(dissolved),
    )
    total = charges[0] - charges[1] + charges[2] + charges[3]
    if total != 0:
        raise ValueError(
            f"the model carries {total:+d} e: crystal {charges[0]:+d}, replaced ions"
            f" {-charges[1]:+d}, bound ligands {charges[2]:+d}, dissolved {charges[3]:+d}; add"
            f" {abs(total)} counter-ions of {'-1' if total > 0 else '+1'} e to dissolved"
        )
    contact, i, j = minimum_contact(model)
    if contact < CLOSEST_NM:
        raise ValueError(
            f"atoms {i} ({model.names[i]}) and {j} ({model.names[j]}) overlap: {contact:.3f} nm"
            " apart"
        )
    return BuildCheck(
        composition=dict(Counter(residue.name for residue in model.residues)),
        sites=describe_sites(crystal),
        left_out=crystal.removed,
        replaced=dict(Counter(gone)),
        bound=dict(bound),
        dissolved=dict(dissolved),
        solvent=dict(Counter(piece.name for piece in parts.solvent)),
        charge_of_crystal=charges[0],
        charge_of_replaced=charges[1],
        charge_of_bound=charges[2],
        charge_of_dissolved=charges[3],
        formal_charge=total,
        n_atoms=model.n_atoms,
        box_nm=tuple(float(x) for x in model.box),
        closest_contact_nm=contact,
        closest_atoms=(model.names[i], model.names[j]),
        anchor_height_nm=height,
    )
