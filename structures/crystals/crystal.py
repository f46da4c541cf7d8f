"""Perovskite crystals: slabs, cuboids (cubes, platelets, magic-sized clusters) and molecular
clusters, and the sites on them.

Every crystal is cut from one lattice in half-cell steps: a point with no odd coordinate is an A
site, with two odd ones an X, with three odd ones a metal. Positions are in nm about the centre of
the crystal (slabs: about the middle layer, z only).
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from halobind.structures.molecules.catalogue import ION_CHARGES, LIGANDS, PEROVSKITES

SHAPES = {
    "slab": "n x n x m cells, periodic along x and y, m cells thick, both faces alike",
    "cuboid": "a x b x c cells, all faces AX: cube, platelet, magic-sized cluster",
    "molecular": (
        "a x b x c metals in corner-sharing octahedra without an A cation, for neutral donors"
    ),
}
TERMINATIONS = ("AX", "BX2")
KINDS = ("face", "edge", "corner")
TOWARDS = {
    "face": (0.0, 0.0, 1.0),
    "edge": (1.0, 0.0, 1.0),
    "corner": (1.0, 1.0, 1.0),
}  # where the site in the middle looks
# of the lattice constant: the ions this near to the centre of a cluster are its reference frame
FROZEN_REACH = 0.75


@dataclass(frozen=True)
class CrystalSpec:
    """What to cut. `vacancies` is the kind of A site that is emptied first where a cuboid has too
    many A cations to be neutral.
    """

    perovskite: str
    shape: str
    cells: tuple[int, int, int]
    termination: str
    lattice_nm: float
    vacancies: str = "corner"
    seed: int = 1


@dataclass(frozen=True, eq=False)
class Site:
    """A place for a head: an A or X ion of the surface that can be replaced (`index` in the
    crystal), or an open coordination site of a metal ("M", index -1). `point` (3,) in nm is where
    the ion is or would be, `normal` (3,) points outwards.
    """

    role: str
    kind: str
    index: int
    point: np.ndarray
    normal: np.ndarray


@dataclass(frozen=True, eq=False)
class Crystal:
    """Ions (elements, or the name of a molecule on the A site) and the sites on their surface.

    `positions` (n, 3) in nm; masks (n,) `surface` (outermost layer) and `frozen` (reference frame;
    atoms only, no molecules); `half` (3,) half-lengths in nm of the block of ions, inf where it is
    periodic; `box_xy` (2,) in nm for a slab, else None. `removed` counts the ions left out of the
    ideal cut for neutrality; `vacant` are the lattice sites (n, 3) in nm of each species that a
    cluster has no ion on.
    """

    species: tuple[str, ...]
    positions: np.ndarray
    surface: np.ndarray
    frozen: np.ndarray
    half: np.ndarray
    box_xy: np.ndarray | None
    sites: tuple[Site, ...]
    removed: dict[str, int]
    vacant: dict[str, np.ndarray]
    lattice_nm: float

    def delta(self, points: np.ndarray, origin: np.ndarray) -> np.ndarray:
        """points - origin (n, 3), the nearest images where the crystal is periodic."""
        found = points - origin
        if self.box_xy is not None:
            found[..., :2] -= self.box_xy * np.round(found[..., :2] / self.box_xy)
        return found


def charge_of(species: str) -> int:
    """The formal charge (e) of an ion or of a molecule on an A site."""
    return ION_CHARGES[species] if species in ION_CHARGES else LIGANDS[species].charge


def formal_charge(species: tuple[str, ...]) -> int:
    """The sum of the formal charges in e."""
    return sum(charge_of(name) * count for name, count in Counter(species).items())


def check_crystal(spec: CrystalSpec) -> None:
    """Raise ValueError naming the setting, its value and what to do when no neutral crystal can be
    cut.
    """
    if spec.perovskite not in PEROVSKITES:
        raise ValueError(
            f"there is no perovskite {spec.perovskite!r}; choose one of {', '.join(PEROVSKITES)}"
        )
    if spec.shape not in SHAPES:
        raise ValueError(
            f"there is no shape {spec.shape!r}; choose one of {', '.join(SHAPES)} (a cube is a"
            " cuboid of n x n x n cells)"
        )
    if spec.termination not in TERMINATIONS:
        raise ValueError(
            f"termination {spec.termination!r} is not one of {', '.join(TERMINATIONS)}"
        )
    if spec.vacancies not in KINDS:
        raise ValueError(f"vacancies = {spec.vacancies!r} is not one of {', '.join(KINDS)}")
    a, b, c = spec.cells
    if min(spec.cells) < 1:
        raise ValueError(f"cells = {a}x{b}x{c}: a crystal needs at least one cell along each axis")
    if spec.shape == "cuboid" and spec.termination != "AX":
        raise ValueError(
            f"a cuboid with {spec.termination} faces cannot be neutral: {a}x{b}x{c} cells have"
            f" {a + b + c + 2:+d} e and no A cation "
            f'to leave out; use termination = "AX", or a slab'
        )
    if spec.shape == "molecular":
        bridging = 3 * a * b * c - a * b - b * c - c * a
        if bridging > 2 * a * b * c:
            raise ValueError(
                f"a molecular cluster of {a}x{b}x{c} metals has {bridging} bridging halides, more"
                f" than the {2 * a * b * c} that balance its charge without an A cation: use 3x3x3"
                " or fewer"
            )


def make_crystal(spec: CrystalSpec) -> Crystal:
    """Cut the crystal of `spec`: neutral in formal charge, with its sites. Raises ValueError as
    `check_crystal` does.
    """
    check_crystal(spec)
    row, a = PEROVSKITES[spec.perovskite], spec.lattice_nm
    low, high = _extent(spec)
    periodic = spec.shape == "slab"
    grid = np.stack(
        np.meshgrid(
            *(np.arange(lo, hi + 1) for lo, hi in zip(low, high, strict=True)), indexing="ij"
        ),
        axis=-1,
    ).reshape(-1, 3)
    odd = (grid % 2).sum(axis=1)
    grid, odd = grid[odd != 1], odd[odd != 1]
    edge = np.stack([(grid == low) | (grid == high)], axis=0)[0]
    edge[:, :2] &= not periodic
    middle = (low + high) / 2
    if periodic:
        middle[:2] = 0.0
    names = np.array([row.a_site, "", row.halide, row.metal])[odd]
    positions = (grid - middle) * a / 2
    half = (high - low) * a / 4
    keep = np.ones(len(grid), dtype=bool)
    if spec.shape == "molecular":
        keep = _bare(spec, names, positions, edge)
    elif spec.shape == "cuboid":
        keep = _balanced(spec, names, positions, edge)
    rank = edge.sum(axis=1)
    sites = _sites(spec, (grid, names, positions, edge), keep)
    vacant = {str(name): positions[~keep & (names == name)] for name in np.unique(names[~keep])}
    names, positions = names[keep], positions[keep]
    reach = (
        np.abs(positions[:, 2]) < 1e-9
        if periodic
        else np.linalg.norm(positions, axis=1) < FROZEN_REACH * a
    )
    if periodic:
        half[:2] = np.inf
    return Crystal(
        species=tuple(str(name) for name in names),
        positions=positions,
        surface=rank[keep] > 0,
        frozen=reach & np.isin(names, list(ION_CHARGES)),
        half=half,
        box_xy=np.array(spec.cells[:2]) * a if periodic else None,
        sites=sites,
        removed=_left_out(spec, keep),
        vacant=vacant,
        lattice_nm=a,
    )


def _extent(spec: CrystalSpec) -> tuple[np.ndarray, np.ndarray]:
    """First and last lattice plane along each axis, in half cells."""
    low, high = np.zeros(3, dtype=int), 2 * np.array(spec.cells)
    if spec.shape == "slab":
        high[:2] -= 1
        if spec.termination == "BX2":
            low[2], high[2] = 1, high[2] + 1
    return low, high


def _balanced(
    spec: CrystalSpec, names: np.ndarray, positions: np.ndarray, edge: np.ndarray
) -> np.ndarray:
    """A mask without the a + b + c + 1 surface A cations that a cuboid has too many: `vacancies`
    first, spread evenly.
    """
    keep, todo = np.ones(len(names), dtype=bool), sum(spec.cells) + 1
    rng = np.random.default_rng(spec.seed)
    order = {"corner": (3, 2, 1), "edge": (2, 3, 1), "face": (1, 2, 3)}[spec.vacancies]
    for rank in order:
        pool = np.flatnonzero(
            (names == PEROVSKITES[spec.perovskite].a_site) & (edge.sum(axis=1) == rank)
        )
        taken = pool[spread(positions[pool], min(todo, len(pool)), rng)]
        keep[taken] = False
        todo -= len(taken)
    return keep


def _bare(
    spec: CrystalSpec, names: np.ndarray, positions: np.ndarray, edge: np.ndarray
) -> np.ndarray:
    """A mask of the metals, the halides between them, and as many outer halides as make the cluster
    neutral, spread evenly.
    """
    row, outer = PEROVSKITES[spec.perovskite], edge.any(axis=1)
    bridging = (names == row.halide) & ~outer
    metals = names == row.metal
    pool = np.flatnonzero((names == row.halide) & outer)
    terminal = pool[
        spread(
            positions[pool],
            2 * int(metals.sum()) - int(bridging.sum()),
            np.random.default_rng(spec.seed),
        )
    ]
    keep = metals | bridging
    keep[terminal] = True
    return keep


def _left_out(spec: CrystalSpec, keep: np.ndarray) -> dict[str, int]:
    return (
        {PEROVSKITES[spec.perovskite].a_site: int((~keep).sum())} if spec.shape == "cuboid" else {}
    )


def _sites(
    spec: CrystalSpec,
    lattice: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    keep: np.ndarray,
) -> tuple[Site, ...]:
    """Every site: surface A and X ions that are there, and the open coordination sites of surface
    metals.
    """
    grid, names, positions, edge = lattice
    row, number = PEROVSKITES[spec.perovskite], np.cumsum(keep) - 1
    low, high = _extent(spec)
    if (
        spec.shape == "slab" and spec.termination == "BX2"
    ):  # the outermost A layer lies one step below the faces
        edge = edge | (
            (names == row.a_site)[:, None]
            & ((grid == low + 1) | (grid == high - 1))
            & np.array([False, False, True])
        )
    outwards = np.where(edge, np.where(grid - low < high - grid, -1.0, 1.0), 0.0)
    sites = []
    for i in np.flatnonzero(edge.any(axis=1) & ((names == row.a_site) | (names == row.halide))):
        normal = outwards[i] / np.linalg.norm(outwards[i])
        role = "A" if names[i] == row.a_site else "X"
        if keep[i]:
            sites.append(
                Site(role, KINDS[int(edge[i].sum()) - 1], int(number[i]), positions[i], normal)
            )
        elif spec.shape == "molecular" and role == "X":
            sites.append(
                Site("M", KINDS[_outer_metal(grid[i], low, high) - 1], -1, positions[i], normal)
            )
    if spec.shape == "slab":
        for i in np.flatnonzero(edge.any(axis=1) & (names == row.metal)):
            sites.append(
                Site("M", "face", -1, positions[i] + outwards[i] * spec.lattice_nm / 2, outwards[i])
            )
    return tuple(sites)


def _outer_metal(point: np.ndarray, low: np.ndarray, high: np.ndarray) -> int:
    """Along how many axes (1 to 3) the metal under an outer halide position of a molecular cluster
    is outermost.
    """
    metal = np.clip(point, low + 1, high - 1)
    return int(((metal == low + 1) | (metal == high - 1)).sum())


def spread(
    points: np.ndarray, count: int, rng: np.random.Generator, box_xy: np.ndarray | None = None
) -> np.ndarray:
    """Indices of `count` of `points` (n, 3), far from each other: farthest-point sampling from a
    random start, ties at random.
    """
    if count <= 0:
        return np.zeros(0, dtype=int)
    chosen = [int(rng.integers(len(points)))]
    nearest = np.full(len(points), np.inf)
    while True:
        delta = points - points[chosen[-1]]
        if box_xy is not None:
            delta[:, :2] -= box_xy * np.round(delta[:, :2] / box_xy)
        nearest = np.minimum(nearest, np.linalg.norm(delta, axis=1))
        nearest[chosen] = -1.0
        if len(chosen) == count:
            return np.array(chosen)
        best = np.flatnonzero(nearest > nearest.max() - 1e-9)
        chosen.append(int(rng.choice(best)))


def central_site(crystal: Crystal, role: str, kind: str) -> int:
    """Index in `crystal.sites` of the site of that role and kind in the middle of the face, edge or
    corner that points to (0, 0, 1), (1, 0, 1) or (1, 1, 1). Raises ValueError, naming what there
    is, when there is none.
    """
    found = [i for i, site in enumerate(crystal.sites) if (site.role, site.kind) == (role, kind)]
    if not found:
        left = ", ".join(f"{count} {name}" for name, count in crystal.removed.items())
        other = next(name for name in ("edge", "face") if name != kind)
        advice = (
            f'; {left} are left out for neutrality: with vacancies = "{other}" elsewhere'
            if left and role == "A"
            else ""
        )
        raise ValueError(
            f"there is no {role} site on a {kind} here: {describe_sites(crystal)}{advice}"
        )
    towards = TOWARDS[kind]
    centre = np.zeros(3) if crystal.box_xy is None else np.array([*crystal.box_xy / 2, 0.0])

    def rank(i: int) -> tuple[float, float]:
        site = crystal.sites[i]
        offset = site.point - centre
        aside = np.linalg.norm(offset - site.normal * (offset @ site.normal))
        return (-round(float(site.normal @ towards), 6), round(float(aside), 6))

    return min(found, key=rank)


def mirror_site(crystal: Crystal, index: int) -> int:
    """Index in `crystal.sites` of the site straight below `index` on the other face of a slab.
    Raises ValueError when there is none.
    """
    site = crystal.sites[index]
    for i, other in enumerate(crystal.sites):
        same = (other.role, other.kind) == (site.role, site.kind) and np.allclose(
            other.normal, -site.normal
        )
        if same and np.linalg.norm(crystal.delta(other.point * (1, 1, -1), site.point)) < 1e-6:
            return i
    raise ValueError(
        f"faces = 2: the other face has no {site.kind} {site.role} site like this one: use"
        " faces = 1"
    )


def describe_sites(crystal: Crystal) -> str:
    """The sites a crystal has, for messages and the ledger: "A: 104 face, 31 edge; X: 150 face"."""
    counts: dict[str, Counter] = {}
    for site in crystal.sites:
        counts.setdefault(site.role, Counter())[site.kind] += 1
    parts = [
        f"{role}: " + ", ".join(f"{found[kind]} {kind}" for kind in KINDS if found[kind])
        for role, found in sorted(counts.items())
    ]
    return "; ".join(parts) or "no sites"
