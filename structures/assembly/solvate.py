"""Fill the free part of a box with solvent: tile an equilibrated liquid, cut it, fill the seams,
relax the contacts.
"""

import math
from collections.abc import Mapping

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from halobind.structures.assembly.liquid_boxes import load_liquid
from halobind.structures.assembly.packmol import pack_box
from halobind.structures.assembly.relax import SoftAtoms, relax_contacts
from halobind.structures.molecules.catalogue import SOLVENTS
from halobind.structures.molecules.molecule import Molecule, catalogue_molecule
from halobind.structures.molecules.periodic import minimum_image, wrap
from halobind.structures.molecules.radii import CONTACT_RADII

AVOGADRO_PER_NM3 = 0.602214076  # molecules per nm3 in one mol per litre
# of the sum of the radii: what is nearer than this to a solute or a ring is taken out (a chain
# through a ring is)
CUT_SCALE = 0.60
CHAIN_SCALE = (
    0.30  # the same between molecules without rings, which relaxation can draw through each other
)
CHAIN_APART_NM = 0.5  # between the centres of chains inserted in one round
OVERLAP_SCALE = 0.70  # what is still nearer than this after relaxation is taken out
MIXTURE_EDGE_NM = 3.0
# of the ideal density, what packmol reaches quickly; the tile is scaled to the full density
MIXTURE_DENSITY = 0.9
PRESSED = (
    1.0,
    0.995,
    0.99,
    0.985,
    0.98,
)  # of the edge: tiles pressed by up to 6 % in density make up for what their seams lose
INSERT_ROUNDS = 6
ENOUGH = 0.985  # of the count: what is left to constant pressure
TRIES = 60  # places tried in a round for each molecule that is missing


def molecules_per_nm3(item: Molecule, density_kg_m3: float) -> float:
    """Number density of a liquid from its mass density."""
    return density_kg_m3 / float(item.masses.sum()) * AVOGADRO_PER_NM3


def liquid_volume(item: Molecule) -> float:
    """The room (nm3) a dissolved chain molecule takes, at the density of liquid dodecane (745
    kg/m3, CRC Handbook, 97th ed.).
    """
    return 1.0 / molecules_per_nm3(item, 745.0)


def ceil_nm(value: float) -> float:
    """`value` rounded up to 0.1 nm, for messages that advise a size."""
    return math.ceil(10 * value - 1e-9) / 10


def check_recipe(recipe: Mapping[str, float]) -> None:
    """Raise ValueError for a solvent mixture (volume fractions by name; empty for vacuum) that
    cannot be.
    """
    for name, part in recipe.items():
        if name not in SOLVENTS:
            raise ValueError(
                f"solvent {name!r}: there is no such solvent; choose one of {', '.join(SOLVENTS)},"
                " vacuum"
            )
        if not 0.0 < part <= 1.0:
            raise ValueError(
                f"solvent: {name} = {part:g} is not a volume fraction above 0 and up to 1: leave"
                f" {name} out, or correct it"
            )
    total = sum(recipe.values())
    if recipe and abs(total - 1.0) > 1e-6:
        raise ValueError(
            f"solvent: the volume fractions {', '.join(f'{k} = {v:g}' for k, v in recipe.items())}"
            f" sum to {total:g}: make it 1"
        )


def solvent_counts(
    solute_nm3: float, box: np.ndarray, block: np.ndarray, recipe: Mapping[str, float]
) -> dict[str, int]:
    """How many molecules of each solvent the box (3,) holds beside the block of half-lengths
    `block` (3,) nm and `solute_nm3` of bound or dissolved molecules, at the densities of the rows;
    volumes of a mixture add.
    """
    room = float(np.prod(box) - np.prod(np.minimum(2 * block, box))) - solute_nm3
    return {
        name: max(
            0,
            int(
                part
                * room
                * molecules_per_nm3(catalogue_molecule(name), SOLVENTS[name].density_kg_m3)
            ),
        )
        for name, part in recipe.items()
    }


def fill_solvent(
    solute: tuple[tuple[str, ...], np.ndarray],
    box: np.ndarray,
    block: np.ndarray,
    counts: Mapping[str, int],
    seed: int,
) -> list:
    """[(Molecule, positions (count, n_atoms, 3) in nm)] of solvent around `solute` (elements,
    positions (n, 3)), outside the block of half-lengths `block` (3,) about the origin (inf where
    the crystal is periodic), in the periodic `box` (3,).

    `counts` is what `fill_counts` says; what the seams of the tiles and the surface of the solute
    cannot take is missing, 3 % at most in boxes of 3 nm or more. The same seed gives the same
    molecules.
    """
    rng = np.random.default_rng(seed)
    items = [catalogue_molecule(name) for name in counts]
    wanted = list(counts.values())
    tiles = _tiles(counts, seed)
    for press in PRESSED:
        copies = [
            _outside(_tiled(_scaled(xyz, press), press * edge, box), box, block)
            for xyz, edge in tiles
        ]
        liquid = _Liquid(solute, items, copies, box)
        liquid.cut(liquid.first_limits())
        if sum(len(xyz) for xyz in liquid.copies) >= sum(wanted):
            break
    liquid.thin(wanted, rng)
    liquid.relax()
    liquid.cut(liquid.last_limits())
    for _ in range(INSERT_ROUNDS):
        if all(
            len(xyz) >= ENOUGH * count for xyz, count in zip(liquid.copies, wanted, strict=True)
        ):
            break
        if liquid.insert(wanted, block, rng):
            liquid.relax()
            liquid.cut(liquid.last_limits())
    return [(item, xyz) for item, xyz in zip(items, liquid.copies, strict=True) if len(xyz)]


def _tiles(counts: Mapping[str, int], seed: int) -> list[tuple[np.ndarray, float]]:
    """Positions and edge (nm) of a periodic cube of each solvent: the equilibrated box, or a packed
    mixture, at the rows' density.
    """
    names = list(counts)
    if len(names) == 1:
        liquid = load_liquid(names[0])
        edge = (
            len(liquid.positions)
            / molecules_per_nm3(catalogue_molecule(names[0]), SOLVENTS[names[0]].density_kg_m3)
        ) ** (1 / 3)
        return [(_scaled(liquid.positions, edge / liquid.edge_nm), edge)]
    volume = sum(
        count / molecules_per_nm3(catalogue_molecule(name), SOLVENTS[name].density_kg_m3)
        for name, count in counts.items()
    )
    share = MIXTURE_EDGE_NM**3 / max(volume, 1e-9)
    kinds = [
        (catalogue_molecule(name), max(1, round(count * share))) for name, count in counts.items()
    ]
    loose = MIXTURE_DENSITY ** (-1 / 3)
    return [
        (_scaled(part, 1 / loose), MIXTURE_EDGE_NM)
        for part in pack_box(kinds, MIXTURE_EDGE_NM * loose, seed)
    ]


def _scaled(positions: np.ndarray, factor: float) -> np.ndarray:
    """Molecules moved as wholes so that their centres scale by `factor`."""
    return positions + (factor - 1.0) * positions.mean(axis=1, keepdims=True)


def _tiled(tile: np.ndarray, edge: float, box: np.ndarray) -> np.ndarray:
    """Copies of a periodic tile (n, n_atoms, 3) of the given edge over the whole box, molecules
    whole, centres inside the box.
    """
    shift = edge * np.floor(tile.mean(axis=1, keepdims=True) / edge)
    times = np.ceil(box / edge).astype(int)
    steps = (
        np.stack(np.meshgrid(*(np.arange(n) for n in times), indexing="ij"), axis=-1).reshape(
            -1, 1, 1, 3
        )
        * edge
    )
    copies = ((tile - shift)[None] + steps).reshape(-1, *tile.shape[1:])
    return copies[(copies.mean(axis=1) < box).all(axis=1)]


def _outside(xyz: np.ndarray, box: np.ndarray, block: np.ndarray) -> np.ndarray:
    centres = xyz.mean(axis=1)
    centres = minimum_image(centres, box)
    return xyz[~(np.abs(centres) < block).all(axis=1)]


class _Liquid:
    """The solvent under construction: `copies` (count, n_atoms, 3) of each item, around a solute
    that stays where it is.
    """

    def __init__(
        self,
        solute: tuple[tuple[str, ...], np.ndarray],
        items: list[Molecule],
        copies: list[np.ndarray],
        box: np.ndarray,
    ) -> None:
        self.elements, self.fixed = solute
        self.items, self.copies, self.box = items, copies, box
        self.solute_radii = np.array([CONTACT_RADII[e] for e in self.elements])
        self.radii = [np.array([CONTACT_RADII[e] for e in item.elements]) for item in items]

    def _atoms(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Wrapped positions, radii and owner of all solvent atoms; owners number the molecules of
        all items in turn.
        """
        xyz = np.concatenate([part.reshape(-1, 3) for part in self.copies])
        radii = np.concatenate(
            [np.tile(radii, len(part)) for radii, part in zip(self.radii, self.copies, strict=True)]
        )
        sizes = np.concatenate(
            [
                np.full(len(part), item.n_atoms)
                for item, part in zip(self.items, self.copies, strict=True)
            ]
        )
        return wrap(xyz, self.box), radii, np.repeat(np.arange(len(sizes)), sizes.astype(int))

    def _keep(self, mask: np.ndarray) -> None:
        ends = np.cumsum([len(part) for part in self.copies])[:-1]
        self.copies = [
            part[kept] for part, kept in zip(self.copies, np.split(mask, ends), strict=True)
        ]

    def first_limits(self) -> tuple[float, np.ndarray]:
        """How near a contact with the solute, and one of each kind of solvent with any other, may
        be before relaxation.
        """
        return CUT_SCALE, np.array(
            [CUT_SCALE if item.has_ring else CHAIN_SCALE for item in self.items]
        )

    def last_limits(self) -> tuple[float, np.ndarray]:
        """The same after it."""
        return OVERLAP_SCALE, np.full(len(self.items), OVERLAP_SCALE)

    def cut(self, limits: tuple[float, np.ndarray]) -> None:
        """Take out what is nearer to the solute, or to other solvent (whoever clashes most first),
        than limits times the radii.
        """
        solid_scale, scales = limits
        xyz, radii, owner = self._atoms()
        total = sum(len(part) for part in self.copies)
        keep = np.ones(total, dtype=bool)
        scale = np.repeat(scales, [len(part) for part in self.copies])[owner]
        tree = cKDTree(xyz, boxsize=self.box)
        if len(self.fixed):
            solid = cKDTree(wrap(self.fixed, self.box), boxsize=self.box)
            near = solid.sparse_distance_matrix(
                tree, 2 * solid_scale * max(CONTACT_RADII.values()), output_type="coo_matrix"
            )
            keep[
                owner[
                    near.col[
                        near.data < solid_scale * (self.solute_radii[near.row] + radii[near.col])
                    ]
                ]
            ] = False
        pairs = tree.query_pairs(
            2 * scales.max() * radii.max() if total else 0.1, output_type="ndarray"
        )
        pairs = pairs[owner[pairs[:, 0]] != owner[pairs[:, 1]]]
        delta = minimum_image(xyz[pairs[:, 0]] - xyz[pairs[:, 1]], self.box)
        least = np.maximum(scale[pairs[:, 0]], scale[pairs[:, 1]]) * (
            radii[pairs[:, 0]] + radii[pairs[:, 1]]
        )
        clash = np.unique(
            np.sort(owner[pairs[np.linalg.norm(delta, axis=1) < least]], axis=1), axis=0
        )
        clash = clash[keep[clash].all(axis=1)]
        while len(clash):
            count = np.bincount(clash.ravel(), minlength=total)
            worst = clash[np.arange(len(clash)), np.argmax(count[clash], axis=1)]
            keep[worst[count[worst] == count[worst].max()]] = False
            clash = clash[keep[clash].all(axis=1)]
        self._keep(keep)

    def thin(self, wanted: list[int], rng: np.random.Generator) -> None:
        """Take out at random what is more than wanted."""
        for k, count in enumerate(wanted):
            if len(self.copies[k]) > count:
                self.copies[k] = self.copies[k][
                    np.sort(rng.permutation(len(self.copies[k]))[:count])
                ]

    def insert(self, wanted: list[int], block: np.ndarray, rng: np.random.Generator) -> int:
        """Try to place what is missing in the widest voids, in random orientations; returns how
        many found a place.
        """
        placed = 0
        for k, (item, count) in enumerate(zip(self.items, wanted, strict=True)):
            missing = count - len(self.copies[k])
            if missing <= 0:
                continue
            xyz, radii, _ = self._atoms()
            everything = (
                np.concatenate([wrap(self.fixed, self.box), xyz]) if len(self.fixed) else xyz
            )
            all_radii = np.concatenate([self.solute_radii, radii])
            tree = cKDTree(everything, boxsize=self.box)
            points = rng.uniform(0, 1, size=(TRIES * missing * 10, 3)) * self.box
            centred = minimum_image(points, self.box)
            points = points[~(np.abs(centred) < block).all(axis=1)]
            points = points[np.argsort(-tree.query(points, k=1)[0])][: TRIES * missing]
            found = self.copies[k] if len(self.copies[k]) else item.positions[None]
            shape = found[rng.integers(len(found), size=len(points))]
            shape = shape - shape.mean(axis=1, keepdims=True)
            turned = (
                np.einsum(
                    "nij,naj->nai",
                    Rotation.from_quat(rng.normal(size=(len(points), 4))).as_matrix(),
                    shape,
                )
                + points[:, None]
            )
            distance, index = tree.query(wrap(turned, self.box), k=6)
            room = (distance / (self.radii[k][None, :, None] + all_radii[index])).min(axis=(1, 2))
            good = [
                int(i)
                for i in np.argsort(-room)
                if room[i] > (CUT_SCALE if item.has_ring else CHAIN_SCALE)
            ]
            taken: list[int] = []
            reach = (
                2 * np.linalg.norm(shape, axis=-1).max() + 0.1 if item.has_ring else CHAIN_APART_NM
            )
            for i in good:
                delta = points[taken] - points[i]
                delta = minimum_image(delta, self.box)
                if not len(taken) or np.linalg.norm(delta, axis=1).min() > reach:
                    taken.append(i)
                if len(taken) == missing:
                    break
            self.copies[k] = np.concatenate([self.copies[k], turned[taken]])
            placed += len(taken)
        return placed

    def relax(self) -> None:
        """Move the solvent apart where it is too near; the solute stays."""
        n_fixed = len(self.fixed)
        starts, bonds, rigid = n_fixed, [np.zeros((0, 2), dtype=int)], [np.zeros(0, dtype=bool)]
        for item, part in zip(self.items, self.copies, strict=True):
            offsets = starts + item.n_atoms * np.arange(len(part))
            bonds.append((item.bonds[None] + offsets[:, None, None]).reshape(-1, 2))
            rigid.append(np.tile(item.rigid, len(part)))
            starts += item.n_atoms * len(part)
        xyz = np.concatenate(
            [self.fixed.reshape(-1, 3), *(part.reshape(-1, 3) for part in self.copies)]
        )
        elements = self.elements + tuple(
            e
            for item, part in zip(self.items, self.copies, strict=True)
            for e in item.elements * len(part)
        )
        fixed = np.arange(len(xyz)) < n_fixed
        atoms = SoftAtoms(
            elements,
            xyz,
            np.concatenate(bonds),
            np.concatenate(rigid),
            fixed,
            np.zeros(len(xyz), dtype=bool),
        )
        moved = relax_contacts(atoms, self.box)[n_fixed:]
        ends = np.cumsum([part.size // 3 for part in self.copies])[:-1]
        self.copies = [
            new.reshape(part.shape)
            for new, part in zip(np.split(moved, ends), self.copies, strict=True)
        ]
