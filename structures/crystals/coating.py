"""Which ligand goes on which site: coverages, cocktails and patterns, and the ions each ligand
takes the place of.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from halobind.structures.crystals.crystal import KINDS, Crystal, charge_of, describe_sites, spread
from halobind.structures.molecules.catalogue import LIGANDS, MODES, SOLVENTS, Ligand

PATTERNS = {
    "uniform": "as far from each other as the sites allow (farthest-point sampling)",
    "random": "drawn at random",
    "segmented": "each ligand in one patch, one patch beside the other",
}


@dataclass(frozen=True)
class Coat:
    """`amount` of a ligand on the sites of one kind ("face", "edge", "corner" or "all"): a float is
    the fraction of the sites of its binding mode, an int a number of ligands.
    """

    kind: str
    ligand: str
    amount: float | int


@dataclass(frozen=True, eq=False)
class BoundLigand:
    """One ligand on the surface: the site of each head, and the crystal ions that leave for it (the
    sites' own ions included).
    """

    ligand: str
    sites: tuple[int, ...]
    removed: tuple[int, ...]


def check_coating(coats: tuple[Coat, ...], ligands: Mapping[str, Ligand], pattern: str) -> None:
    """Raise ValueError naming the coat, its value and what to do, for what no crystal could take."""
    if pattern not in PATTERNS:
        raise ValueError(f"pattern = {pattern!r} is not one of {', '.join(PATTERNS)}")
    total: dict[tuple[str, str], float] = {}
    for coat in coats:
        where = f"coating {coat.kind}: {coat.ligand} = {coat.amount!r}"
        if coat.kind not in (*KINDS, "all"):
            raise ValueError(f"{where}: {coat.kind!r} is not one of {', '.join(KINDS)}, all")
        if coat.ligand not in ligands:
            raise ValueError(
                f"{where}: there is no ligand {coat.ligand!r}; give its SMILES in"
                f" [ligands.{coat.ligand}]"
            )
        if isinstance(coat.amount, int) and coat.amount == 1:
            raise ValueError(
                f"{where}: write 1.0 for every site, or name a single ligand with ligand = and"
                " site ="
            )
        if isinstance(coat.amount, int) and coat.amount < 0:
            raise ValueError(f"{where}: a number of ligands cannot be negative")
        if isinstance(coat.amount, float) and not 0.0 <= coat.amount <= 1.0:
            raise ValueError(
                f"{where}: a coverage is a fraction between 0.0 and 1.0; for a number of ligands"
                " write a whole number"
            )
        if isinstance(coat.amount, float):
            key = (coat.kind, MODES[ligands[coat.ligand].mode].sites[0])
            total[key] = total.get(key, 0.0) + coat.amount
            if total[key] > 1.0 + 1e-9:
                raise ValueError(
                    f"coating {coat.kind}: the fractions on {key[1]} sites add up to"
                    f" {total[key]:g}: lower them to 1.0 in all"
                )


def head_roles(row: Ligand, crystal: Crystal) -> tuple[str, ...]:
    """The role of the site of each head; a donor takes the place of a halide where no metal has an
    open site.
    """
    roles = MODES[row.mode].sites
    if roles == ("M",) and not any(site.role == "M" for site in crystal.sites):
        return ("X",)
    return roles


def choose_sites(
    crystal: Crystal,
    probes: tuple[tuple[str, int], ...],
    coats: tuple[Coat, ...],
    spec: tuple[Mapping[str, Ligand], str, int],
) -> list[BoundLigand]:
    """Every bound ligand, the probes (ligand, index of its site) first. `spec` is (ligand rows,
    pattern, seed).

    Fractions count the sites that are free after the probes. Raises ValueError when sites or ions
    run out.
    """
    ligands, pattern, seed = spec
    picker = _Picker(crystal, ligands, np.random.default_rng(seed))
    shared = list(probes)
    picker.free[[site for _, site in probes]] = False
    before = picker.free.copy()
    for role, kind in dict.fromkeys(
        (head_roles(ligands[coat.ligand], crystal)[0], coat.kind) for coat in coats
    ):
        group = [
            coat
            for coat in coats
            if (head_roles(ligands[coat.ligand], crystal)[0], coat.kind) == (role, kind)
        ]
        for coat, sites in zip(group, picker.share(role, group, (pattern, before)), strict=True):
            shared += [(coat.ligand, site) for site in sites]
    return [picker.bind(name, site) for name, site in shared]


class _Picker:
    """Keeps account of the sites that are still free."""

    def __init__(
        self, crystal: Crystal, ligands: Mapping[str, Ligand], rng: np.random.Generator
    ) -> None:
        self.crystal, self.ligands, self.rng = crystal, ligands, rng
        self.free = np.ones(len(crystal.sites), dtype=bool)
        self.roles = np.array([site.role for site in crystal.sites])
        self.kinds = np.array([site.kind for site in crystal.sites])
        self.points = np.array([site.point for site in crystal.sites]).reshape(-1, 3)
        self.normals = np.array([site.normal for site in crystal.sites]).reshape(-1, 3)
        self.origin = int(rng.integers(max(1, len(crystal.sites))))

    def share(self, role: str, group: list[Coat], how: tuple[str, np.ndarray]) -> list[list[int]]:
        """Set aside the head sites of each coat of one kind on one role. `how` is the pattern and
        the mask of the sites that fractions count. Raises ValueError when there are too few.
        """
        kind, (pattern, counted) = group[0].kind, how
        fits = (self.roles == role) & ((self.kinds == kind) | (kind == "all"))
        names = ", ".join(f"{coat.ligand} = {coat.amount!r}" for coat in group)
        if not fits.any():
            raise ValueError(
                f"coating {kind}: {names}: there is no {role} site of this kind here"
                f" ({describe_sites(self.crystal)})"
            )
        total, counts, used = int((fits & counted).sum()), [], 0.0
        for coat in group:
            if isinstance(coat.amount, int):
                counts.append(coat.amount)
            else:
                counts.append(round((used + coat.amount) * total) - round(used * total))
                used += coat.amount
        pool = np.flatnonzero(fits & self.free)
        if sum(counts) > len(pool):
            raise ValueError(
                f"coating {kind}: {names} ask for {sum(counts)} {role} sites but {len(pool)} are"
                f" free ({describe_sites(self.crystal)}): ask for less"
            )
        found = []
        for count in counts:
            taken = self._pick(pool, count, pattern)
            self.free[pool[taken]] = False
            found.append([int(i) for i in pool[taken]])
            pool = np.delete(pool, taken)
        return found

    def _pick(self, pool: np.ndarray, count: int, pattern: str) -> np.ndarray:
        if pattern == "random":
            return self.rng.choice(len(pool), size=count, replace=False)
        if pattern == "uniform":
            return spread(self.points[pool], count, self.rng, self.crystal.box_xy)
        distance = np.linalg.norm(
            self.crystal.delta(self.points[pool], self.points[self.origin]), axis=1
        )
        return np.argsort(np.round(distance, 6), kind="stable")[:count]

    def bind(self, name: str, site: int) -> BoundLigand:
        """Bind a ligand with its first head on `site`, set aside before; partners and other ions it
        takes are the nearest free ones.
        """
        row = self.ligands[name]
        sites = [site]
        for role in head_roles(row, self.crystal)[1:]:
            sites.append(self._partner(name, site, role))
        removed = [self.crystal.sites[i].index for i in sites if self.crystal.sites[i].index >= 0]
        balance = row.charge - sum(charge_of(self.crystal.species[i]) for i in removed)
        while balance:  # ions of the sign that is missing leave until the exchange is neutral
            extra = self._partner(name, site, "X" if balance < 0 else "A")
            removed.append(self.crystal.sites[extra].index)
            balance -= charge_of(self.crystal.species[removed[-1]])
        return BoundLigand(name, tuple(sites), tuple(removed))

    def _partner(self, name: str, site: int, role: str) -> int:
        """Take the nearest free site of `role` that looks the same way as `site`. Raises ValueError
        when there is none.
        """
        pool = np.flatnonzero(
            self.free & (self.roles == role) & (self.normals @ self.normals[site] > 0.5)
        )
        if not len(pool):
            raise ValueError(
                f"{name}: no free {role} site is left beside its own, and it takes that ion as"
                " well: ask for a lower coverage"
            )
        distance = np.linalg.norm(self.crystal.delta(self.points[pool], self.points[site]), axis=1)
        near = pool[distance < distance.min() + 1e-6]
        partner = int(self.rng.choice(near))
        self.free[partner] = False
        return partner


def all_ligands(own: Mapping[str, Ligand]) -> dict[str, Ligand]:
    """Every ligand a campaign can name: the rows, and its own. Raises ValueError when a name is
    taken.
    """
    taken = sorted(set(own) & {*LIGANDS, *SOLVENTS})
    if taken:
        what = "ligand" if taken[0] in LIGANDS else "solvent"
        raise ValueError(
            f"[ligands.{taken[0]}]: {taken[0]} is a {what} of halobind; choose another name"
        )
    return {**LIGANDS, **own}
