"""Build a Model: a slab with one ligand in the pocket of one removed surface cation, in explicit solvent."""

from dataclasses import dataclass

import numpy as np

from structures.model import Model, Residue, check_groups, minimum_contact
from structures.molecules import molecule
from structures.place import place
from structures.rows import LIGANDS, PEROVSKITES, SOLVENTS
from structures.slab import Slab, central_site, formal_charge, make_slab
from structures.solvate import ceil_nm, liquid_volume, pack_solvent, solvent_count

WALL_NM = 0.20  # from an outer layer to where solvent begins
CLOSEST_NM = 0.15  # no two atoms of different residues may start closer than this


@dataclass(frozen=True)
class SlabSpec:
    """What to build. `cells` along x, y, z; `gap_nm` is the height of solvent between the two faces; `seed` for the packing."""

    perovskite: str
    cells: tuple[int, int, int]
    termination: str
    ligand: str
    solvent: str
    gap_nm: float
    lattice_nm: float
    seed: int


@dataclass(frozen=True)
class BuildCheck:
    """The ledger and the checks of a built model, as written to check.json."""

    ions: dict[str, int]
    removed: dict[str, int]
    added: dict[str, int]
    formal_charge: int
    n_atoms: int
    n_solvent: int
    box_nm: tuple[float, float, float]
    closest_contact_nm: float
    closest_atoms: tuple[str, str]
    anchor_height_nm: float


def check_spec(spec: SlabSpec, reach_nm: float) -> None:
    """Refuse, before any work, a slab that cannot hold its ligand; `reach_nm` is the greatest height the anchor is taken to.

    Raises ValueError naming the setting, its value and what to do: a charge that does not balance, or a gap in which
    the ligand at `reach_nm` would touch the other face.
    """
    row, site = LIGANDS[spec.ligand], PEROVSKITES[spec.perovskite]
    balance = row.charge - site.formal_charge[site.a_site]
    if balance != 0:
        raise ValueError(
            f"{spec.ligand} ({row.charge:+d} e) in place of {site.a_site} leaves {balance:+d} e: needs a ligand of the same charge"
        )
    tail = float(np.ptp(molecule(spec.ligand).positions[:, 2]))
    needed = max(reach_nm + tail + 0.4, 2 * (reach_nm + 0.3))  # the head stays nearer to its own face than to the other
    if spec.gap_nm < needed:
        raise ValueError(
            f"gap_nm = {spec.gap_nm} is too small for {spec.ligand}: its head goes to {reach_nm:.2f} nm and its tail is {tail:.2f} nm "
            f"long, so it would touch the other face; set gap_nm to {ceil_nm(needed)} or more, or to_nm lower"
        )


def solvent_plan(spec: SlabSpec) -> tuple[np.ndarray, tuple[float, float], int]:
    """The box (3,) in nm, the heights between which solvent goes, and how many solvent molecules fill it."""
    nx, ny, layers = spec.cells
    half = 0.5 * layers * spec.lattice_nm
    box = np.array([nx * spec.lattice_nm, ny * spec.lattice_nm, 2 * half + spec.gap_nm])
    region = (half + WALL_NM, box[2] - half - WALL_NM)
    room = box[0] * box[1] * (region[1] - region[0]) - liquid_volume(molecule(spec.ligand))
    return box, region, solvent_count(room, molecule(spec.solvent), SOLVENTS[spec.solvent].density_kg_m3)


def expected_atoms(spec: SlabSpec) -> int:
    """How many atoms `build` will make."""
    nx, ny, layers = spec.cells
    ions = nx * ny * (5 * layers + 2) - 1
    return ions + molecule(spec.ligand).n_atoms + solvent_plan(spec)[2] * molecule(spec.solvent).n_atoms


def build(spec: SlabSpec) -> tuple[Model, BuildCheck]:
    """Build the model and its check. Neutral in formal charge, no overlap, every atom in its group, or ValueError/RuntimeError."""
    slab = make_slab(spec.perovskite, spec.cells, spec.termination, spec.lattice_nm)
    a_site = PEROVSKITES[spec.perovskite].a_site
    hole = central_site(slab, a_site)
    point = slab.positions[hole].copy()
    kept = np.delete(np.arange(len(slab.elements)), hole)
    box, region, count = solvent_plan(spec)
    ions = (tuple(slab.elements[i] for i in kept), slab.positions[kept])
    ligand = molecule(spec.ligand)
    placed = place(ligand, point, ions, box)
    solvent = molecule(spec.solvent)
    fixed = ((*ions[0], *ligand.elements), np.concatenate([ions[1], placed.positions]))
    packed = pack_solvent(solvent, count, region, fixed, box, spec.seed)
    model = _assemble((slab, kept, point), (ligand, placed.positions), (solvent, packed), box)
    return model, _check(model, spec, placed.height_nm, count)


def _assemble(crystal: tuple[Slab, np.ndarray, np.ndarray], bound: tuple, liquid: tuple, box: np.ndarray) -> Model:
    """Put ions, ligand and solvent into one Model, in this order, and name the groups."""
    slab, kept, point = crystal
    ligand, ligand_xyz = bound
    solvent, packed = liquid
    n_ions = len(kept)
    elements = [slab.elements[i] for i in kept]
    names = list(elements)
    residues = [Residue(element.upper(), i, i + 1) for i, element in enumerate(elements)]
    bonds = []
    for item, copies in ((ligand, 1), (solvent, len(packed))):
        for _ in range(copies):
            start = len(elements)
            elements += item.elements
            names += item.names
            residues.append(Residue(item.name, start, len(elements)))
            bonds.append(item.bonds + start)
    layer = slab.layer[kept]
    core = np.arange(n_ions)
    lateral = slab.positions[kept, :2] - point[:2]
    lateral -= slab.box_xy * np.round(lateral / slab.box_xy)
    around = np.linalg.norm(lateral, axis=1) < 1.1 * slab.lattice_nm
    atoms = np.arange(n_ions, n_ions + ligand.n_atoms)
    is_tail = np.array([e == "C" for e in ligand.elements])
    groups = {
        "core": core,
        "surface": core[np.abs(layer) == layer.max()],
        "frozen": core[layer == 0],
        "site": core[(layer == layer.max()) & around],
        "ligand": atoms,
        "anchor": atoms[[ligand.anchor]],
        "tail": atoms[is_tail],
        "counterion": np.zeros(0, dtype=int),
        "solvent": np.arange(n_ions + ligand.n_atoms, len(elements)),
    }
    positions = np.concatenate([slab.positions[kept], ligand_xyz, packed.reshape(-1, 3)])
    model = Model(tuple(elements), tuple(names), tuple(residues), np.concatenate(bonds), positions, box, groups, point)
    check_groups(model)
    return model


def _check(model: Model, spec: SlabSpec, height: float, count: int) -> BuildCheck:
    core = [model.elements[i] for i in model.groups["core"]]
    a_site = PEROVSKITES[spec.perovskite].a_site
    charge = formal_charge(spec.perovskite, tuple(core)) + LIGANDS[spec.ligand].charge
    if charge != 0:
        raise ValueError(f"the model carries {charge:+d} e of formal charge; it must be neutral")
    contact, i, j = minimum_contact(model)
    if contact < CLOSEST_NM:
        raise ValueError(f"atoms {i} ({model.names[i]}) and {j} ({model.names[j]}) overlap: {contact:.3f} nm apart")
    return BuildCheck(
        ions={element: core.count(element) for element in dict.fromkeys(core)},
        removed={a_site: 1},
        added={spec.ligand: 1, spec.solvent: count},
        formal_charge=charge,
        n_atoms=model.n_atoms,
        n_solvent=count,
        box_nm=tuple(float(x) for x in model.box),
        closest_contact_nm=contact,
        closest_atoms=(model.names[i], model.names[j]),
        anchor_height_nm=height,
    )
