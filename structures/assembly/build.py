"""Build a Model: a neutral crystal with ligands bound, in explicit solvent or in vacuum."""

from collections import Counter
from dataclasses import dataclass

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
    HeadSite,
    all_ligands,
    check_coating,
    choose_sites,
    head_roles,
)
from halobind.structures.crystals.crystal import (
    TOWARDS,
    Crystal,
    CrystalSpec,
    Site,
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
from halobind.structures.molecules.catalogue import (
    ION_CHARGES,
    LIGANDS,
    SOLVENTS,
    Ligand,
    catalogue_ligand,
    check_ion_ligand,
)
from halobind.structures.molecules.limits import shown
from halobind.structures.molecules.molecule import Molecule, make_molecule
from halobind.structures.molecules.user_ligands import check_ligand

SOLVENT_DISTANCE_NM = 0.20  # from an outer layer to where solvent begins
MIN_CONTACT_NM = 0.15  # no two atoms of different residues may start closer than this
TAIL_CLEARANCE_NM = 0.4  # between the end of a tail and what is across the gap
# The head stays that much short of half the gap: nearer to its own face than to the other.
MIDDLE_CLEARANCE_NM = 0.3


@dataclass(frozen=True)
class ModelSpec:
    """What to build."""

    crystal: CrystalSpec
    """The crystal."""
    ligand: str | None
    """The ligand whose binding is computed, which may be an ion of the crystal on its site; None
    for a bare or only coated crystal."""
    site: str
    """The kind of its site, one of KINDS; it sits alone on the one in the middle."""
    solvent: tuple[tuple[str, float], ...]
    """Volume fraction of each solvent by name; empty for vacuum."""
    gap_nm: float
    """Between opposite faces of the crystal across the periodic boundary."""
    coating: tuple[Coat, ...] = ()
    """All other bound ligands."""
    pattern: str = "uniform"
    """How the coating is spread, a key of PATTERNS."""
    dissolved: tuple[tuple[str, int], ...] = ()
    """How many of each ligand or ion, by name, are added to the solvent."""
    user_ligands: tuple[tuple[str, Ligand], ...] = ()
    """The ligands that are not in the catalogue, by name."""
    faces: int = 1
    """2 for another ligand straight below the first, on the other face of a slab."""
    leaving: str = "cation"
    """Either "cation", or "ion_pair" when an ion next to the ligand leaves with it."""

    @property
    def ligands(self) -> dict[str, Ligand]:
        """Every molecule that can be a ligand, by name."""
        return all_ligands(dict(self.user_ligands))

    @property
    def probe(self) -> Ligand:
        """The ligand whose binding is computed: a molecule, or a lone ion.

        Raises:
            ValueError: When there is none.
        """
        if self.ligand is None:
            raise ValueError("the model has no ligand whose binding is computed")
        return catalogue_ligand(self.ligand) if self.probe_is_ion else self.ligands[self.ligand]

    @property
    def probe_is_ion(self) -> bool:
        """Whether that ligand is a lone ion of the crystal."""
        return self.ligand in ION_CHARGES

    @property
    def seed(self) -> int:
        """Decides everything that is drawn at random."""
        return self.crystal.seed


@dataclass(frozen=True, eq=False)
class ModelPlan:
    """The size of a model before it is built."""

    crystal: Crystal
    """The crystal."""
    bounds: list[BoundLigand]
    """The bound ligands, those whose binding is computed first."""
    probes: int
    """How many of these the binding is computed of."""
    partners: tuple[int, ...]
    """Indices of the crystal ions that leave with a probe."""
    box: np.ndarray
    """Edges (3,) in nm."""
    block: np.ndarray
    """Half-lengths (3,) in nm of the block about the origin without solvent."""
    counts: dict[str, int]
    """How many molecules of each solvent."""
    n_atoms: int
    """Atoms in all, solvent to about 3 %."""

    @property
    def probe_sites(self) -> tuple[Site, ...]:
        """The sites of the first heads of the probes."""
        return tuple(self.crystal.sites[bound.sites[0]] for bound in self.bounds[: self.probes])


@dataclass(frozen=True)
class BuildCheck:
    """The ledger and the checks of a built model, as written to check.json; charges in e."""

    composition: dict[str, int]
    """Residues by name."""
    sites: str
    """The sites of the crystal, see `describe_sites`."""
    left_out: dict[str, int]
    """Ions left out so that the bare crystal is neutral."""
    replaced: dict[str, int]
    """Ions replaced by ligands."""
    bound: dict[str, int]
    """Ligands on the surface."""
    dissolved: dict[str, int]
    """Species added to the solvent."""
    solvent: dict[str, int]
    """Solvent molecules."""
    charge_of_crystal: int
    """Formal charge of the bare crystal."""
    charge_of_replaced: int
    """Formal charge of the ions replaced."""
    charge_of_bound: int
    """Formal charge of the ligands on the surface."""
    charge_of_dissolved: int
    """Formal charge of what is dissolved."""
    formal_charge: int
    """Formal charge of the model, 0."""
    n_atoms: int
    """Atoms in all."""
    box_nm: tuple[float, float, float]
    """Edges of the box."""
    closest_contact_nm: float
    """The shortest distance between atoms of different residues."""
    closest_atoms: tuple[str, str]
    """The names of these two atoms."""
    anchor_height_nm: float | None
    """The height of the first probe's head over its site; None without a ligand."""


def check_model(spec: ModelSpec, reach_nm: float = 0.0, apart_nm: float = 0.0) -> None:
    """Refuse, before any work, what cannot be built.

    Args:
        spec: What to build.
        reach_nm: The greatest height that the ligand's head is taken to.
        apart_nm: How far from each other two ligands at that height must be.

    Raises:
        ValueError: Naming the setting, its value and what to do.
    """
    check_crystal(spec.crystal)
    ligands = spec.ligands
    check_recipe(dict(spec.solvent))
    check_coating(spec.coating, ligands, spec.pattern)
    if spec.ligand and spec.probe_is_ion:
        check_ion_ligand(spec.ligand, spec.crystal.perovskite)
    probe = [spec.ligand] if spec.ligand and not spec.probe_is_ion else []
    for name in dict.fromkeys([*probe, *(coat.ligand for coat in spec.coating)]):
        if name not in ligands:
            raise ValueError(
                f"there is no ligand {shown(name)}; choose one of {', '.join(LIGANDS)}, or give its"
                f" SMILES in [ligands.{name}]"
            )
        check_ligand(name, ligands[name])
    check_dissolved(dict(spec.dissolved), ligands, bool(spec.solvent))
    if spec.faces not in (1, 2):
        raise ValueError(f"faces = {spec.faces!r} is not 1 or 2")
    if spec.faces == 2 and (spec.crystal.shape != "slab" or not spec.ligand):
        need = "a ligand"
        if spec.crystal.shape != "slab":
            need = f"a slab, and this is a {spec.crystal.shape}"
        raise ValueError(f"faces = 2 needs {need}: use faces = 1")
    if spec.ligand:
        check_leaving(spec.leaving, spec.ligand, spec.probe)
    tail = _probe_tail(spec)
    across = _coating_tail(spec)
    slope = _slope(spec)
    longest = max(slope * (reach_nm + tail), across)
    needed = longest + across + TAIL_CLEARANCE_NM
    if reach_nm:
        needed = max(needed, 2 * (slope * reach_nm + MIDDLE_CLEARANCE_NM))
    apart_nm = max(apart_nm, TAIL_CLEARANCE_NM)
    both = 2 * (reach_nm + tail) + apart_nm
    if spec.faces == 2 and not spec.gap_nm >= both:
        raise ValueError(
            f"gap_nm = {spec.gap_nm:g} is too small for faces = 2: the ligands reach"
            f" {reach_nm + tail:.2f} nm from each face and must stay {apart_nm:g} nm"
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
    """The greatest height to which the ligand's head can be taken in the gap.

    Args:
        spec: What to build; `check_model` refuses to reach higher.
        apart_nm: How far from each other two ligands at that height must be.

    Returns:
        The height in nm.
    """
    tail = _probe_tail(spec)
    across = _coating_tail(spec)
    slope = _slope(spec)
    limit = min(
        (spec.gap_nm - TAIL_CLEARANCE_NM - across) / slope - tail,
        (spec.gap_nm / 2 - MIDDLE_CLEARANCE_NM) / slope,
    )
    if spec.faces == 1:
        return limit
    return min(limit, (spec.gap_nm - max(apart_nm, TAIL_CLEARANCE_NM)) / 2 - tail)


def _probe_tail(spec: ModelSpec) -> float:
    """How far (nm) the ligand whose binding is computed reaches from its head; 0 without one."""
    if not spec.ligand or spec.probe_is_ion:
        return 0.0
    return _tail(make_molecule(spec.ligand, spec.ligands[spec.ligand]))


def _coating_tail(spec: ModelSpec) -> float:
    """How far (nm) the longest ligand of the coating reaches from its head; 0 without one."""
    ligands = spec.ligands
    names = {coat.ligand for coat in spec.coating if coat.amount}
    return max((_tail(make_molecule(name, ligands[name])) for name in names), default=0.0)


def _slope(spec: ModelSpec) -> float:
    """How much of a path along the site's normal goes along the axis on which it gets furthest."""
    if spec.crystal.shape != "cuboid" or spec.site not in TOWARDS:
        return 1.0
    return float(1 / np.linalg.norm(TOWARDS[spec.site]))


def _tail(item: Molecule) -> float:
    """How far (nm) a ligand reaches from its head along the normal."""
    return float(item.positions[:, 2].max())


def plan_model(spec: ModelSpec) -> ModelPlan:
    """Plan a model without building it: crystal, sites of the ligands, box, number of atoms.

    Raises:
        ValueError: When there is no such site, or sites or ions run out.
    """
    crystal = make_crystal(spec.crystal)
    ligands = spec.ligands
    probes = _probe_sites(spec, crystal)
    rows = {**ligands, spec.ligand: spec.probe} if spec.ligand else ligands
    bounds = choose_sites(
        crystal, probes, spec.coating, ligands=rows, pattern=spec.pattern, seed=spec.seed
    )
    n_ions = len(probes) if spec.probe_is_ion else 0
    size = 2 * crystal.half
    box = np.where(np.isinf(size), 0.0, size) + spec.gap_nm
    if crystal.box_xy is not None:
        box[:2] = crystal.box_xy
    block = crystal.half + SOLVENT_DISTANCE_NM
    items = [make_molecule(bound.ligand, ligands[bound.ligand]) for bound in bounds[n_ions:]]
    for name, count in spec.dissolved:
        if name in ligands:
            items += [make_molecule(name, ligands[name])] * count
    volume = sum(liquid_volume(item) for item in items)
    counts = solvent_counts(volume, box, block, dict(spec.solvent)) if spec.solvent else {}
    gone = {i for bound in bounds for i in bound.removed}
    n_crystal = sum(
        1 if name in ION_CHARGES else make_molecule(name, LIGANDS[name]).n_atoms
        for i, name in enumerate(crystal.species)
        if i not in gone
    )
    n_lone_ions = sum(count for name, count in spec.dissolved if name not in ligands)
    n_solvent = sum(
        count * make_molecule(name, SOLVENTS[name]).n_atoms for name, count in counts.items()
    )
    return ModelPlan(
        crystal=crystal,
        bounds=bounds,
        probes=len(probes),
        partners=_partners(spec, crystal, bounds[: len(probes)], gone),
        box=box,
        block=block,
        counts=counts,
        n_atoms=n_crystal + n_ions + sum(item.n_atoms for item in items) + n_lone_ions + n_solvent,
    )


def _probe_sites(spec: ModelSpec, crystal: Crystal) -> tuple[HeadSite, ...]:
    """The sites of the ligands whose binding is computed, on the upper face first."""
    if not spec.ligand:
        return ()
    role = head_roles(spec.probe, crystal)[0]
    first = central_site(crystal, role, spec.site)
    sites = (first, mirror_site(crystal, first)) if spec.faces == 2 else (first,)
    return tuple(HeadSite(spec.ligand, site) for site in sites)


def _partners(
    spec: ModelSpec, crystal: Crystal, probes: list[BoundLigand], gone: set[int]
) -> tuple[int, ...]:
    """Indices of the crystal ions that leave with each of `probes`; none of these is in `gone`."""
    if not spec.ligand or spec.leaving != "ion_pair":
        return ()
    charge = spec.probe.charge
    partners: list[int] = []
    for probe in probes:
        site = crystal.sites[probe.sites[0]]
        partners.append(partner_of(crystal, site, charge, gone | set(partners)))
    return tuple(partners)


def build_model(spec: ModelSpec) -> tuple[Model, BuildCheck]:
    """Build the model and its check: neutral in formal charge, no overlap, every atom in its group.

    Raises:
        ValueError: As `check_model` does, and when ligands do not fit.
        RuntimeError: When packmol fails.
    """
    check_model(spec)
    plan = plan_model(spec)
    ligands = spec.ligands
    removed = {i for bound in plan.bounds for i in bound.removed}
    ions = crystal_residues(plan.crystal, removed, spec.seed)
    probe_ions = _probe_ions(spec, plan)
    molecules = plan.bounds[len(probe_ions) :]
    placed = place_all_ligands(
        plan.crystal, [*ions, *probe_ions], molecules, ligands=ligands, box=plan.box
    )
    bound_residues = probe_ions + [
        PlacedResidue(
            bound.ligand, make_molecule(bound.ligand, ligands[bound.ligand]), place.positions
        )
        for bound, place in zip(molecules, placed, strict=True)
    ]
    dissolved = place_dissolved(
        dict(spec.dissolved),
        [*ions, *bound_residues],
        ligands=ligands,
        box=plan.box,
        block=plan.block,
        seed=spec.seed,
    )
    parts = ModelParts(
        ions=ions,
        ligand=bound_residues[: plan.probes],
        coating=bound_residues[plan.probes :],
        dissolved=dissolved,
        solvent=_solvent([*ions, *bound_residues, *dissolved], plan, spec.seed),
        partners=plan.partners,
    )
    model = assemble_model(plan.crystal, parts, plan.probe_sites, plan.box)
    height_nm = None
    if plan.probes:
        height_nm = 0.0 if probe_ions else placed[0].height_nm
    return model, _check(model, plan, parts, height_nm)


def _probe_ions(spec: ModelSpec, plan: ModelPlan) -> list[PlacedResidue]:
    """The ions whose binding is computed, each on its own site; none where that is of molecules."""
    if not spec.ligand or not spec.probe_is_ion:
        return []
    return [PlacedResidue(spec.ligand, None, site.point[None]) for site in plan.probe_sites]


def _solvent(solute: list[PlacedResidue], plan: ModelPlan, seed: int) -> list[PlacedResidue]:
    """The solvent around the solute; none in vacuum."""
    if not plan.counts:
        return []
    filled = fill_solvent(
        tuple(e for residue in solute for e in residue.elements),
        np.concatenate([residue.positions for residue in solute]),
        box=plan.box,
        block=plan.block,
        counts=plan.counts,
        seed=seed,
    )
    return [
        PlacedResidue(copies.molecule.name, copies.molecule, xyz)
        for copies in filled
        for xyz in copies.positions
    ]


def _check(model: Model, plan: ModelPlan, parts: ModelParts, height_nm: float | None) -> BuildCheck:
    """The ledger of a built model.

    Args:
        model: The model.
        plan: What it was built from.
        parts: Its residues.
        height_nm: The height of the first probe's head over its site; None without one.

    Raises:
        ValueError: When the model is charged, or two atoms overlap.
    """
    crystal = plan.crystal
    replaced = [crystal.species[i] for bound in plan.bounds for i in bound.removed]
    charge_of_crystal = formal_charge(crystal.species)
    charge_of_replaced = formal_charge(tuple(replaced))
    charge_of_bound = _charge(parts.bound)
    charge_of_dissolved = _charge(parts.dissolved)
    total = charge_of_crystal - charge_of_replaced + charge_of_bound + charge_of_dissolved
    if total != 0:
        raise ValueError(
            f"the model carries {total:+d} e: crystal {charge_of_crystal:+d}, replaced ions"
            f" {-charge_of_replaced:+d}, bound ligands {charge_of_bound:+d}, dissolved"
            f" {charge_of_dissolved:+d}; add {abs(total)} counter-ions of"
            f" {'-1' if total > 0 else '+1'} e to dissolved"
        )
    contact_nm, i, j = minimum_contact(model)
    if contact_nm < MIN_CONTACT_NM:
        raise ValueError(
            f"atoms {i} ({model.names[i]}) and {j} ({model.names[j]}) overlap: {contact_nm:.3f} nm"
            " apart"
        )
    x, y, z = model.box.tolist()
    return BuildCheck(
        composition=dict(Counter(residue.name for residue in model.residues)),
        sites=describe_sites(crystal),
        left_out=crystal.removed,
        replaced=dict(Counter(replaced)),
        bound=_names(parts.bound),
        dissolved=_names(parts.dissolved),
        solvent=_names(parts.solvent),
        charge_of_crystal=charge_of_crystal,
        charge_of_replaced=charge_of_replaced,
        charge_of_bound=charge_of_bound,
        charge_of_dissolved=charge_of_dissolved,
        formal_charge=total,
        n_atoms=model.n_atoms,
        box_nm=(x, y, z),
        closest_contact_nm=contact_nm,
        closest_atoms=(model.names[i], model.names[j]),
        anchor_height_nm=height_nm,
    )


def _names(residues: list[PlacedResidue]) -> dict[str, int]:
    """How many residues there are of each name."""
    return dict(Counter(residue.name for residue in residues))


def _charge(residues: list[PlacedResidue]) -> int:
    """The formal charge of residues in e."""
    return sum(
        charge_of(residue.name) if residue.molecule is None else residue.molecule.charge
        for residue in residues
    )
