"""Perovskite crystals (slabs, cuboids, molecular clusters) and the sites on their surfaces.

Every crystal is cut from one lattice in half-cell steps: a point with no odd coordinate is an A
site, with two odd ones an X, with three odd ones a metal. Positions are in nm about the centre of
the crystal (slabs: about the middle layer, z only).
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from halobind.structures.molecules.catalogue import ION_CHARGES, LIGANDS, PEROVSKITES
from halobind.structures.molecules.limits import shown

SHAPES = {
    "slab": "n x n x m cells, periodic along x and y, m cells thick, both faces alike",
    "cuboid": "a x b x c cells, all faces AX: cube, platelet, magic-sized cluster",
    "molecular": (
        "a x b x c metals in corner-sharing octahedra without an A cation, for neutral donors"
    ),
}
TERMINATIONS = ("AX", "BX2")
KINDS = ("face", "edge", "corner")
# The outward direction of the central site of each kind.
TOWARDS = {
    "face": (0.0, 0.0, 1.0),
    "edge": (1.0, 0.0, 1.0),
    "corner": (1.0, 1.0, 1.0),
}
# Of the lattice constant: the ions this near to the centre of a cluster are its reference frame.
FROZEN_REACH = 0.75


@dataclass(frozen=True)
class CrystalSpec:
    """Which crystal to cut."""

    perovskite: str
    """A key of PEROVSKITES."""
    shape: str
    """A key of SHAPES."""
    cells: tuple[int, int, int]
    """Unit cells along x, y and z."""
    termination: str
    """The outermost layers of a slab, one of TERMINATIONS."""
    lattice_nm: float
    """The lattice constant."""
    vacancies: str = "corner"
    """The kind of A site, of KINDS, that a cuboid with too many A cations empties first."""
    seed: int = 1
    """Decides between equivalent sites that are left empty."""


@dataclass(frozen=True, eq=False)
class Site:
    """A place for a head on the surface."""

    role: str
    """Either "A" or "X" for an ion that can be replaced, or "M" for an open site of a metal."""
    kind: str
    """Where on the crystal it is, one of KINDS."""
    index: int
    """Index of its ion in the crystal; -1 for "M"."""
    point: np.ndarray
    """Where its ion is or would be, (3,) in nm."""
    normal: np.ndarray
    """The outward unit vector (3,)."""


@dataclass(frozen=True, eq=False)
class Crystal:
    """The ions of a crystal and the sites on its surface."""

    species: tuple[str, ...]
    """The element of each ion, or the name of the molecule on an A site."""
    positions: np.ndarray
    """(n, 3) in nm."""
    surface: np.ndarray
    """Mask (n,) of the outermost layer."""
    frozen: np.ndarray
    """Mask (n,) of the reference frame; elements only, no molecules."""
    half: np.ndarray
    """Half-lengths (3,) in nm of the block of ions; inf along periodic axes."""
    box_xy: np.ndarray | None
    """The periodic lengths (2,) in nm of a slab, None for a cluster."""
    sites: tuple[Site, ...]
    """Every site on the surface."""
    removed: dict[str, int]
    """How many ions the ideal cut lost for neutrality, by species."""
    vacant: dict[str, np.ndarray]
    """Lattice sites (n, 3) in nm without an ion, by the species that belongs there."""
    lattice_nm: float
    """The lattice constant."""

    def delta(self, points: np.ndarray, origin: np.ndarray) -> np.ndarray:
        """points - origin (n, 3), the nearest images where the crystal is periodic."""
        delta: np.ndarray = points - origin
        if self.box_xy is not None:
            delta[..., :2] -= self.box_xy * np.round(delta[..., :2] / self.box_xy)
        return delta


@dataclass(frozen=True, eq=False)
class _Cut:
    """Every lattice site of the ideal cut, before any ion is left out."""

    grid: np.ndarray
    """Coordinates (n, 3) in half cells."""
    names: np.ndarray
    """The species (n,) that belongs on each site."""
    positions: np.ndarray
    """(n, 3) in nm."""
    edge: np.ndarray
    """Mask (n, 3): along which axes a site is outermost."""
    low: np.ndarray
    """The first lattice plane (3,) along each axis, in half cells."""
    high: np.ndarray
    """The last lattice plane (3,) along each axis, in half cells."""


def charge_of(species: str) -> int:
    """The formal charge (e) of an ion or of a molecule on an A site."""
    return ION_CHARGES[species] if species in ION_CHARGES else LIGANDS[species].charge


def formal_charge(species: tuple[str, ...]) -> int:
    """The sum of the formal charges in e."""
    return sum(charge_of(name) * count for name, count in Counter(species).items())


def check_crystal(spec: CrystalSpec) -> None:
    """Refuse a crystal that cannot be cut neutral.

    Raises:
        ValueError: Naming the setting, its value and what to do.
    """
    if spec.perovskite not in PEROVSKITES:
        raise ValueError(
            f"there is no perovskite {shown(spec.perovskite)};"
            f" choose one of {', '.join(PEROVSKITES)}"
        )
    if spec.shape not in SHAPES:
        raise ValueError(
            f"there is no shape {shown(spec.shape)}; choose one of {', '.join(SHAPES)} (a cube is a"
            " cuboid of n x n x n cells)"
        )
    if spec.termination not in TERMINATIONS:
        raise ValueError(
            f"termination {shown(spec.termination)} is not one of {', '.join(TERMINATIONS)}"
        )
    if spec.vacancies not in KINDS:
        raise ValueError(f"vacancies = {shown(spec.vacancies)} is not one of {', '.join(KINDS)}")
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
    """Cut the crystal of `spec`: neutral in formal charge, with its sites.

    Raises:
        ValueError: As `check_crystal` does.
    """
    check_crystal(spec)
    periodic = spec.shape == "slab"
    cut = _ideal_cut(spec)
    keep = np.ones(len(cut.grid), dtype=bool)
    if spec.shape == "molecular":
        keep = _without_a_cations(spec, cut)
    elif spec.shape == "cuboid":
        keep = _balanced(spec, cut)
    missing = cut.names[~keep]
    vacant = {str(name): cut.positions[~keep & (cut.names == name)] for name in np.unique(missing)}
    names = cut.names[keep]
    positions = cut.positions[keep]
    if periodic:
        central = np.abs(positions[:, 2]) < 1e-9
    else:
        central = np.linalg.norm(positions, axis=1) < FROZEN_REACH * spec.lattice_nm
    half = (cut.high - cut.low) * spec.lattice_nm / 4
    if periodic:
        half[:2] = np.inf
    return Crystal(
        species=tuple(str(name) for name in names),
        positions=positions,
        surface=cut.edge[keep].sum(axis=1) > 0,
        frozen=central & np.isin(names, list(ION_CHARGES)),
        half=half,
        box_xy=np.array(spec.cells[:2]) * spec.lattice_nm if periodic else None,
        sites=_sites(spec, cut, keep),
        removed=_left_out(spec, keep),
        vacant=vacant,
        lattice_nm=spec.lattice_nm,
    )


def _ideal_cut(spec: CrystalSpec) -> _Cut:
    """Every lattice site between the first and the last plane."""
    row = PEROVSKITES[spec.perovskite]
    low, high = _extent(spec)
    planes = [np.arange(first, last + 1) for first, last in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*planes, indexing="ij"), axis=-1).reshape(-1, 3)
    n_odd = (grid % 2).sum(axis=1)
    grid = grid[n_odd != 1]
    n_odd = n_odd[n_odd != 1]
    edge = (grid == low) | (grid == high)
    middle = (low + high) / 2
    if spec.shape == "slab":
        edge[:, :2] = False
        middle[:2] = 0.0
    return _Cut(
        grid=grid,
        names=np.array([row.a_site, "", row.halide, row.metal])[n_odd],
        positions=(grid - middle) * spec.lattice_nm / 2,
        edge=edge,
        low=low,
        high=high,
    )


def _extent(spec: CrystalSpec) -> tuple[np.ndarray, np.ndarray]:
    """First and last lattice plane (3,) along each axis, in half cells."""
    low = np.zeros(3, dtype=int)
    high = 2 * np.array(spec.cells)
    if spec.shape == "slab":
        high[:2] -= 1
        if spec.termination == "BX2":
            low[2] = 1
            high[2] += 1
    return low, high


def _balanced(spec: CrystalSpec, cut: _Cut) -> np.ndarray:
    """Mask (n,) without the a + b + c + 1 surface A cations that a cuboid has too many.

    Those of the kind `vacancies` go first, spread evenly.
    """
    keep = np.ones(len(cut.names), dtype=bool)
    n_excess = sum(spec.cells) + 1
    rng = np.random.default_rng(spec.seed)
    order = {"corner": (3, 2, 1), "edge": (2, 3, 1), "face": (1, 2, 3)}[spec.vacancies]
    cations = cut.names == PEROVSKITES[spec.perovskite].a_site
    for rank in order:
        pool = np.flatnonzero(cations & (cut.edge.sum(axis=1) == rank))
        emptied = pool[spread(cut.positions[pool], min(n_excess, len(pool)), rng)]
        keep[emptied] = False
        n_excess -= len(emptied)
    return keep


def _without_a_cations(spec: CrystalSpec, cut: _Cut) -> np.ndarray:
    """Mask (n,) of the ions of a molecular cluster.

    These are the metals, the halides between them, and as many outer halides as make the cluster
    neutral, spread evenly.
    """
    row = PEROVSKITES[spec.perovskite]
    outer = cut.edge.any(axis=1)
    bridging = (cut.names == row.halide) & ~outer
    metals = cut.names == row.metal
    pool = np.flatnonzero((cut.names == row.halide) & outer)
    n_terminal = 2 * int(metals.sum()) - int(bridging.sum())
    rng = np.random.default_rng(spec.seed)
    keep: np.ndarray = metals | bridging
    keep[pool[spread(cut.positions[pool], n_terminal, rng)]] = True
    return keep


def _left_out(spec: CrystalSpec, keep: np.ndarray) -> dict[str, int]:
    """How many A cations a cuboid lost, by species."""
    if spec.shape != "cuboid":
        return {}
    return {PEROVSKITES[spec.perovskite].a_site: int((~keep).sum())}


def _sites(spec: CrystalSpec, cut: _Cut, keep: np.ndarray) -> tuple[Site, ...]:
    """Every site on the surface.

    These are the A and X ions there, and the open coordination sites of surface metals.

    Args:
        spec: The crystal.
        cut: Its ideal cut.
        keep: Mask (n,) of the lattice sites that have an ion.
    """
    row = PEROVSKITES[spec.perovskite]
    number = np.cumsum(keep) - 1
    edge = cut.edge
    if spec.shape == "slab" and spec.termination == "BX2":
        # the outermost A layer lies one step below the faces
        below = (cut.grid == cut.low + 1) | (cut.grid == cut.high - 1)
        along_z = np.array([False, False, True])
        edge = edge | ((cut.names == row.a_site)[:, None] & below & along_z)
    nearer_low = cut.grid - cut.low < cut.high - cut.grid
    outwards = np.where(edge, np.where(nearer_low, -1.0, 1.0), 0.0)
    at_surface = edge.any(axis=1)
    replaceable = (cut.names == row.a_site) | (cut.names == row.halide)
    sites = []
    for i in np.flatnonzero(at_surface & replaceable):
        normal = outwards[i] / np.linalg.norm(outwards[i])
        role = "A" if cut.names[i] == row.a_site else "X"
        if keep[i]:
            kind = KINDS[int(edge[i].sum()) - 1]
            sites.append(Site(role, kind, int(number[i]), cut.positions[i], normal))
        elif spec.shape == "molecular" and role == "X":
            kind = KINDS[_outer_axes_of_metal(cut, int(i)) - 1]
            sites.append(Site("M", kind, -1, cut.positions[i], normal))
    if spec.shape == "slab":
        for i in np.flatnonzero(at_surface & (cut.names == row.metal)):
            point = cut.positions[i] + outwards[i] * spec.lattice_nm / 2
            sites.append(Site("M", "face", -1, point, outwards[i]))
    return tuple(sites)


def _outer_axes_of_metal(cut: _Cut, i: int) -> int:
    """Along how many axes (1 to 3) the metal under the outer halide position `i` is outermost."""
    metal = np.clip(cut.grid[i], cut.low + 1, cut.high - 1)
    return int(((metal == cut.low + 1) | (metal == cut.high - 1)).sum())


def spread(
    points: np.ndarray, count: int, rng: np.random.Generator, box_xy: np.ndarray | None = None
) -> np.ndarray:
    """Choose points that are far from each other.

    Farthest-point sampling from a random start; ties are broken at random.

    Args:
        points: The points (n, 3) in nm to choose from.
        count: How many to choose.
        rng: Decides the start and the ties.
        box_xy: The periodic lengths (2,) in nm along x and y, None where nothing is periodic.

    Returns:
        Indices (count,) into `points`, in the order chosen.
    """
    if count <= 0:
        return np.zeros(0, dtype=int)
    chosen = [int(rng.integers(len(points)))]
    distance = np.full(len(points), np.inf)
    while True:
        delta = points - points[chosen[-1]]
        if box_xy is not None:
            delta[:, :2] -= box_xy * np.round(delta[:, :2] / box_xy)
        distance = np.minimum(distance, np.linalg.norm(delta, axis=1))
        distance[chosen] = -1.0
        if len(chosen) == count:
            return np.array(chosen)
        farthest = np.flatnonzero(distance > distance.max() - 1e-9)
        chosen.append(int(rng.choice(farthest)))


def central_site(crystal: Crystal, role: str, kind: str) -> int:
    """The site in the middle of the face, edge or corner that points along TOWARDS.

    Args:
        crystal: The crystal.
        role: "A", "X" or "M".
        kind: One of KINDS.

    Returns:
        Index in `crystal.sites`.

    Raises:
        ValueError: When there is no such site, naming those that there are.
    """
    fits = [i for i, site in enumerate(crystal.sites) if (site.role, site.kind) == (role, kind)]
    if not fits:
        removed = ", ".join(f"{count} {name}" for name, count in crystal.removed.items())
        other = next(name for name in ("edge", "face") if name != kind)
        advice = (
            f'; {removed} are left out for neutrality: with vacancies = "{other}" elsewhere'
            if removed and role == "A"
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

    return min(fits, key=rank)


def mirror_site(crystal: Crystal, index: int) -> int:
    """The site straight below another one, on the other face of a slab.

    Args:
        crystal: The slab.
        index: Index of the site on the upper face.

    Returns:
        Index in `crystal.sites`.

    Raises:
        ValueError: When there is no such site.
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
    counts: dict[str, Counter[str]] = {}
    for site in crystal.sites:
        counts.setdefault(site.role, Counter())[site.kind] += 1
    parts = [
        f"{role}: " + ", ".join(f"{of_role[kind]} {kind}" for kind in KINDS if of_role[kind])
        for role, of_role in sorted(counts.items())
    ]
    return "; ".join(parts) or "no sites"
