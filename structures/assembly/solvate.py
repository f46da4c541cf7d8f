"""Fill a box with solvent: tile an equilibrated liquid, cut it, fill the seams, relax contacts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from halobind.structures.assembly.liquid_boxes import load_liquid
from halobind.structures.assembly.packmol import MoleculeCount, pack_box
from halobind.structures.assembly.relax import SoftAtoms, relax_contacts
from halobind.structures.molecules.catalogue import SOLVENTS
from halobind.structures.molecules.limits import shown
from halobind.structures.molecules.molecule import Molecule, catalogue_molecule
from halobind.structures.molecules.periodic import minimum_image, wrap
from halobind.structures.molecules.radii import CONTACT_RADII

AVOGADRO_PER_NM3 = 0.602214076  # molecules per nm3 in one mol per litre
# Of the sum of the radii: what is nearer than this to a solute or a ring is taken out (a chain
# through a ring is).
MIN_SCALE_TO_RING = 0.60
# The same between molecules without rings, which relaxation can draw through each other.
MIN_SCALE_TO_CHAIN = 0.30
MIN_SCALE_RELAXED = 0.70  # what is still nearer than this after relaxation is taken out
CHAIN_DISTANCE_NM = 0.5  # between the centres of chains inserted in one round
MIXTURE_EDGE_NM = 3.0
# Of the ideal density, what packmol reaches quickly; the tile is scaled to the full density.
MIXTURE_DENSITY = 0.9
# Of the edge: tiles pressed by up to 6 % in density make up for what their seams lose.
EDGE_SCALES = (1.0, 0.995, 0.99, 0.985, 0.98)
MAX_INSERT_ROUNDS = 6
MIN_FILLED = 0.985  # of the count: what is missing then is left to constant pressure
PLACES_PER_MOLECULE = 60  # tried in a round for each molecule that is missing
POINTS_PER_PLACE = 10  # drawn for each place that is tried, of which the widest voids are taken
DODECANE_KG_M3 = 745.0  # density of liquid dodecane (CRC Handbook, 97th ed.)


def molecules_per_nm3(item: Molecule, density_kg_m3: float) -> float:
    """Number density (per nm3) of a liquid from its mass density."""
    return density_kg_m3 / float(item.masses.sum()) * AVOGADRO_PER_NM3


def liquid_volume(item: Molecule) -> float:
    """The volume (nm3) of a bound or dissolved chain molecule, at the density of dodecane."""
    return 1.0 / molecules_per_nm3(item, DODECANE_KG_M3)


def ceil_nm(value: float) -> float:
    """`value` rounded up to 0.1 nm, for messages that advise a size."""
    return math.ceil(10 * value - 1e-9) / 10


def check_recipe(recipe: Mapping[str, float]) -> None:
    """Refuse a solvent mixture that cannot be.

    Args:
        recipe: Volume fractions by name; empty for vacuum.

    Raises:
        ValueError: Naming the value and what to do.
    """
    for name, part in recipe.items():
        if name not in SOLVENTS:
            raise ValueError(
                f"solvent {shown(name)}: there is no such solvent;"
                f" choose one of {', '.join(SOLVENTS)},"
                " vacuum"
            )
        if not 0.0 < part <= 1.0:
            raise ValueError(
                f"solvent: {name} = {part:g} is not a volume fraction above 0 and up to 1: leave"
                f" {name} out, or correct it"
            )
    total = sum(recipe.values())
    if recipe and abs(total - 1.0) > 1e-6:
        fractions = ", ".join(f"{name} = {part:g}" for name, part in recipe.items())
        raise ValueError(f"solvent: the volume fractions {fractions} sum to {total:g}: make it 1")


def number_density(name: str) -> float:
    """Molecules per nm3 of a SOLVENTS row at its density."""
    return molecules_per_nm3(catalogue_molecule(name), SOLVENTS[name].density_kg_m3)


def solvent_counts(
    solute_nm3: float, box: np.ndarray, block: np.ndarray, recipe: Mapping[str, float]
) -> dict[str, int]:
    """How many molecules of each solvent the box holds beside crystal and ligands.

    Volumes of a mixture add, each liquid at the density of its row.

    Args:
        solute_nm3: The volume of the bound and dissolved molecules.
        box: Edges (3,) in nm.
        block: Half-lengths (3,) in nm of the block about the origin without solvent.
        recipe: Volume fractions by name.
    """
    room = float(np.prod(box) - np.prod(np.minimum(2 * block, box))) - solute_nm3
    return {name: max(0, int(part * room * number_density(name))) for name, part in recipe.items()}


@dataclass(frozen=True, eq=False)
class Copies:
    """Copies of one solvent molecule in the box."""

    molecule: Molecule
    """The molecule."""
    positions: np.ndarray
    """(n_copies, n_atoms, 3) in nm."""


def fill_solvent(
    elements: tuple[str, ...],
    positions: np.ndarray,
    *,
    box: np.ndarray,
    block: np.ndarray,
    counts: Mapping[str, int],
    seed: int,
) -> list[Copies]:
    """Fill the box around a solute with solvent.

    What the seams of the tiles and the surface of the solute cannot take is missing, 3 % at most in
    boxes of 3 nm or more.

    Args:
        elements: Element symbols of the solute.
        positions: Positions (n, 3) of the solute in nm.
        box: Edges (3,) of the periodic box in nm.
        block: Half-lengths (3,) in nm of the block about the origin without solvent; inf where the
            crystal is periodic.
        counts: How many molecules of each solvent, as `solvent_counts` says.
        seed: The same seed gives the same molecules.

    Returns:
        The copies of each solvent that has any.
    """
    rng = np.random.default_rng(seed)
    items = [catalogue_molecule(name) for name in counts]
    targets = list(counts.values())
    tiles = _tiles(counts, seed)
    for scale in EDGE_SCALES:
        copies = [
            _outside(_tiled(_scaled(tile.positions, scale), scale * tile.edge_nm, box), box, block)
            for tile in tiles
        ]
        liquid = _Liquid(elements, positions, items, copies, box)
        liquid.cut(liquid.limits_before_relaxation())
        if sum(len(xyz) for xyz in liquid.copies) >= sum(targets):
            break
    liquid.thin(targets, rng)
    liquid.relax()
    liquid.cut(liquid.limits_after_relaxation())
    for _ in range(MAX_INSERT_ROUNDS):
        filled = zip(liquid.copies, targets, strict=True)
        if all(len(xyz) >= MIN_FILLED * count for xyz, count in filled):
            break
        if liquid.insert(targets, block, rng):
            liquid.relax()
            liquid.cut(liquid.limits_after_relaxation())
    return [Copies(item, xyz) for item, xyz in zip(items, liquid.copies, strict=True) if len(xyz)]


@dataclass(frozen=True, eq=False)
class _Tile:
    """A periodic cube of one liquid, or of one part of a mixture."""

    positions: np.ndarray
    """(n_molecules, n_atoms, 3) in nm."""
    edge_nm: float
    """The edge of the cube."""


def _tiles(counts: Mapping[str, int], seed: int) -> list[_Tile]:
    """A periodic cube of each solvent at its density: the equilibrated box, or a packed mixture."""
    names = list(counts)
    if len(names) == 1:
        liquid = load_liquid(names[0])
        edge_nm = (len(liquid.positions) / number_density(names[0])) ** (1 / 3)
        return [_Tile(_scaled(liquid.positions, edge_nm / liquid.edge_nm), edge_nm)]
    volume = sum(count / number_density(name) for name, count in counts.items())
    share = MIXTURE_EDGE_NM**3 / max(volume, 1e-9)
    kinds = [
        MoleculeCount(catalogue_molecule(name), max(1, round(count * share)))
        for name, count in counts.items()
    ]
    loose = MIXTURE_DENSITY ** (-1 / 3)
    packed = pack_box(kinds, MIXTURE_EDGE_NM * loose, seed)
    return [_Tile(_scaled(part, 1 / loose), MIXTURE_EDGE_NM) for part in packed]


def _scaled(positions: np.ndarray, factor: float) -> np.ndarray:
    """Molecules (n, n_atoms, 3) moved as wholes so that their centres scale by `factor`."""
    scaled: np.ndarray = positions + (factor - 1.0) * positions.mean(axis=1, keepdims=True)
    return scaled


def _tiled(tile: np.ndarray, edge_nm: float, box: np.ndarray) -> np.ndarray:
    """Copies of a periodic tile over the whole box.

    Args:
        tile: Positions (n, n_atoms, 3) in nm.
        edge_nm: The edge of the tile.
        box: Edges (3,) in nm.

    Returns:
        Positions (m, n_atoms, 3) in nm, molecules whole, centres inside the box.
    """
    shift = edge_nm * np.floor(tile.mean(axis=1, keepdims=True) / edge_nm)
    times = np.ceil(box / edge_nm).astype(int)
    numbers = np.stack(np.meshgrid(*(np.arange(n) for n in times), indexing="ij"), axis=-1)
    steps = numbers.reshape(-1, 1, 1, 3) * edge_nm
    copies = ((tile - shift)[None] + steps).reshape(-1, *tile.shape[1:])
    inside: np.ndarray = copies[(copies.mean(axis=1) < box).all(axis=1)]
    return inside


def _outside(xyz: np.ndarray, box: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Those of the molecules (n, n_atoms, 3) whose centres are outside the block."""
    centres = minimum_image(xyz.mean(axis=1), box)
    outside: np.ndarray = xyz[~(np.abs(centres) < block).all(axis=1)]
    return outside


@dataclass(frozen=True, eq=False)
class _Limits:
    """How near a contact may be, as fractions of the sum of the contact radii."""

    solute: float
    """Of solvent with the solute."""
    solvent: np.ndarray
    """Of each kind of solvent (n_kinds,) with any other solvent."""


class _Liquid:
    """The solvent under construction, around a solute that stays where it is."""

    def __init__(
        self,
        elements: tuple[str, ...],
        fixed: np.ndarray,
        items: list[Molecule],
        copies: list[np.ndarray],
        box: np.ndarray,
    ) -> None:
        """Begin with some solvent.

        Args:
            elements: Element symbols of the solute.
            fixed: Positions (n, 3) of the solute in nm.
            items: The kinds of solvent.
            copies: Positions (n_copies, n_atoms, 3) in nm of each kind.
            box: Edges (3,) in nm.
        """
        self.elements = elements
        self.fixed = fixed
        self.items = items
        self.copies = copies
        self.box = box
        self.solute_radii = np.array([CONTACT_RADII[e] for e in elements])
        self.radii = [np.array([CONTACT_RADII[e] for e in item.elements]) for item in items]

    def _atoms(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All solvent atoms.

        Returns:
            Positions (n, 3) inside the box, contact radii (n,) and owners (n,), which number the
            molecules of all kinds in turn.
        """
        xyz = np.concatenate([part.reshape(-1, 3) for part in self.copies])
        radii = np.concatenate(
            [np.tile(radii, len(part)) for radii, part in zip(self.radii, self.copies, strict=True)]
        )
        sizes = np.repeat([item.n_atoms for item in self.items], [len(xyz) for xyz in self.copies])
        return wrap(xyz, self.box), radii, np.repeat(np.arange(len(sizes)), sizes)

    def _keep(self, mask: np.ndarray) -> None:
        """Take out the molecules that are not in the mask (n_molecules,)."""
        ends = np.cumsum([len(part) for part in self.copies])[:-1]
        masks = np.split(mask, ends)
        self.copies = [part[kept] for part, kept in zip(self.copies, masks, strict=True)]

    def limits_before_relaxation(self) -> _Limits:
        """What is nearer than this, relaxation could not part."""
        scales = [_min_scale(item) for item in self.items]
        return _Limits(MIN_SCALE_TO_RING, np.array(scales))

    def limits_after_relaxation(self) -> _Limits:
        """What is nearer than this, relaxation did not part."""
        return _Limits(MIN_SCALE_RELAXED, np.full(len(self.items), MIN_SCALE_RELAXED))

    def cut(self, limits: _Limits) -> None:
        """Take out what is too near to the solute or to other solvent.

        Of solvent that is too near to each other, the molecule with the most such contacts goes
        first.
        """
        xyz, radii, owner = self._atoms()
        n_molecules = sum(len(part) for part in self.copies)
        keep = np.ones(n_molecules, dtype=bool)
        scale = np.repeat(limits.solvent, [len(part) for part in self.copies])[owner]
        tree = cKDTree(xyz, boxsize=self.box)
        if len(self.fixed):
            solute = cKDTree(wrap(self.fixed, self.box), boxsize=self.box)
            reach = 2 * limits.solute * max(CONTACT_RADII.values())
            near = solute.sparse_distance_matrix(tree, reach, output_type="coo_matrix")
            allowed = limits.solute * (self.solute_radii[near.row] + radii[near.col])
            keep[owner[near.col[near.data < allowed]]] = False
        reach = 2 * limits.solvent.max() * radii.max() if n_molecules else 0.1
        pairs = tree.query_pairs(reach, output_type="ndarray")
        pairs = pairs[owner[pairs[:, 0]] != owner[pairs[:, 1]]]
        delta = minimum_image(xyz[pairs[:, 0]] - xyz[pairs[:, 1]], self.box)
        pair_scale = np.maximum(scale[pairs[:, 0]], scale[pairs[:, 1]])
        allowed = pair_scale * (radii[pairs[:, 0]] + radii[pairs[:, 1]])
        too_near = np.linalg.norm(delta, axis=1) < allowed
        clashes = np.unique(np.sort(owner[pairs[too_near]], axis=1), axis=0)
        clashes = clashes[keep[clashes].all(axis=1)]
        while len(clashes):
            count = np.bincount(clashes.ravel(), minlength=n_molecules)
            worst = clashes[np.arange(len(clashes)), np.argmax(count[clashes], axis=1)]
            keep[worst[count[worst] == count[worst].max()]] = False
            clashes = clashes[keep[clashes].all(axis=1)]
        self._keep(keep)

    def thin(self, targets: list[int], rng: np.random.Generator) -> None:
        """Take out at random what is more than the target of each kind."""
        for k, count in enumerate(targets):
            n_copies = len(self.copies[k])
            if n_copies > count:
                self.copies[k] = self.copies[k][np.sort(rng.permutation(n_copies)[:count])]

    def insert(self, targets: list[int], block: np.ndarray, rng: np.random.Generator) -> int:
        """Try to place what is missing in the widest voids, in random orientations.

        Args:
            targets: How many molecules of each kind there should be.
            block: Half-lengths (3,) in nm of the block about the origin without solvent.
            rng: Decides the places and orientations.

        Returns:
            How many molecules were placed.
        """
        n_placed = 0
        for k, count in enumerate(targets):
            n_missing = count - len(self.copies[k])
            if n_missing > 0:
                placed = self._insert_kind(k, n_missing, block, rng)
                self.copies[k] = np.concatenate([self.copies[k], placed])
                n_placed += len(placed)
        return n_placed

    def _insert_kind(
        self, k: int, n_missing: int, block: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Places (n, n_atoms, 3) in nm for up to `n_missing` molecules of one kind."""
        item = self.items[k]
        xyz, radii, _ = self._atoms()
        if len(self.fixed):
            xyz = np.concatenate([wrap(self.fixed, self.box), xyz])
        radii = np.concatenate([self.solute_radii, radii])
        tree = cKDTree(xyz, boxsize=self.box)
        n_places = PLACES_PER_MOLECULE * n_missing
        points = rng.uniform(0, 1, size=(n_places * POINTS_PER_PLACE, 3)) * self.box
        centred = minimum_image(points, self.box)
        points = points[~(np.abs(centred) < block).all(axis=1)]
        points = points[np.argsort(-tree.query(points, k=1)[0])][:n_places]
        shapes = self.copies[k] if len(self.copies[k]) else item.positions[None]
        shape = shapes[rng.integers(len(shapes), size=len(points))]
        shape = shape - shape.mean(axis=1, keepdims=True)
        turns = Rotation.from_quat(rng.normal(size=(len(points), 4))).as_matrix()
        turned = np.einsum("nij,naj->nai", turns, shape) + points[:, None]
        distance, index = tree.query(wrap(turned, self.box), k=6)
        scale = (distance / (self.radii[k][None, :, None] + radii[index])).min(axis=(1, 2))
        reach = CHAIN_DISTANCE_NM
        if item.has_ring:
            reach = 2 * np.linalg.norm(shape, axis=-1).max() + 0.1
        chosen: list[int] = []
        for i in np.argsort(-scale):
            if scale[i] <= _min_scale(item) or len(chosen) == n_missing:
                break
            delta = minimum_image(points[chosen] - points[i], self.box)
            if not chosen or np.linalg.norm(delta, axis=1).min() > reach:
                chosen.append(int(i))
        placed: np.ndarray = turned[chosen]
        return placed

    def relax(self) -> None:
        """Move the solvent apart where it is too near; the solute stays."""
        n_fixed = len(self.fixed)
        n_atoms = n_fixed
        bonds = [np.zeros((0, 2), dtype=int)]
        rigid = [np.zeros(0, dtype=bool)]
        elements = self.elements
        for item, part in zip(self.items, self.copies, strict=True):
            offsets = n_atoms + item.n_atoms * np.arange(len(part))
            bonds.append((item.bonds[None] + offsets[:, None, None]).reshape(-1, 2))
            rigid.append(np.tile(item.rigid, len(part)))
            elements = elements + item.elements * len(part)
            n_atoms += item.n_atoms * len(part)
        solvent = [part.reshape(-1, 3) for part in self.copies]
        atoms = SoftAtoms(
            elements=elements,
            positions=np.concatenate([self.fixed.reshape(-1, 3), *solvent]),
            bonds=np.concatenate(bonds),
            rigid=np.concatenate(rigid),
            fixed=np.arange(n_atoms) < n_fixed,
            pinned=np.zeros(n_atoms, dtype=bool),
        )
        moved = relax_contacts(atoms, self.box)[n_fixed:]
        ends = np.cumsum([part.size // 3 for part in self.copies])[:-1]
        self.copies = [
            new.reshape(part.shape)
            for new, part in zip(np.split(moved, ends), self.copies, strict=True)
        ]


def _min_scale(item: Molecule) -> float:
    """How near solvent of this kind may be to other solvent before relaxation."""
    return MIN_SCALE_TO_RING if item.has_ring else MIN_SCALE_TO_CHAIN
