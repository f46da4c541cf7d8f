"""Which ligand goes on which site, and which ions leave for it: coverages, cocktails, patterns."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from halobind.structures.crystals.crystal import KINDS, Crystal, charge_of, describe_sites, spread
from halobind.structures.molecules.catalogue import ION_CHARGES, LIGANDS, MODES, SOLVENTS, Ligand
from halobind.structures.molecules.limits import shown

PATTERNS = {
    "uniform": "as far from each other as the sites allow (farthest-point sampling)",
    "random": "drawn at random",
    "segmented": "each ligand in one patch, one patch beside the other",
}


@dataclass(frozen=True)
class Coat:
    """How much of one ligand covers the sites of one kind."""

    kind: str
    """The kind of site: "face", "edge", "corner" or "all"."""
    ligand: str
    """The name of the ligand."""
    amount: float | int
    """A float is the fraction of the sites of its binding mode, an int a number of ligands."""


@dataclass(frozen=True)
class HeadSite:
    """Where the first head of one ligand goes."""

    ligand: str
    """The name of the ligand."""
    site: int
    """Index of the site in the crystal."""


@dataclass(frozen=True, eq=False)
class BoundLigand:
    """One ligand on the surface."""

    ligand: str
    """The name of the ligand."""
    sites: tuple[int, ...]
    """Index of the site of each head in the crystal."""
    removed: tuple[int, ...]
    """Indices of the crystal ions that leave for it, those of its sites included."""


def check_coating(coats: tuple[Coat, ...], ligands: Mapping[str, Ligand], pattern: str) -> None:
    """Refuse a coating that no crystal could take.

    Args:
        coats: The coating.
        ligands: Every ligand that can be named.
        pattern: A key of PATTERNS.

    Raises:
        ValueError: Naming the coat, its value and what to do.
    """
    if pattern not in PATTERNS:
        raise ValueError(f"pattern = {shown(pattern)} is not one of {', '.join(PATTERNS)}")
    total: dict[tuple[str, str], float] = {}
    for coat in coats:
        where = f"coating {coat.kind}: {coat.ligand} = {shown(coat.amount)}"
        if coat.kind not in (*KINDS, "all"):
            raise ValueError(f"{where}: {shown(coat.kind)} is not one of {', '.join(KINDS)}, all")
        if coat.ligand in ION_CHARGES:
            raise ValueError(
                f"{where}: a coating is of molecules, and sites without one keep the ions of the"
                f" crystal: leave {coat.ligand} out"
            )
        if coat.ligand not in ligands:
            raise ValueError(
                f"{where}: there is no ligand {shown(coat.ligand)}; give its SMILES in"
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
    """The role of the site of each head of a ligand.

    A donor takes the place of a halide where no metal has an open site.
    """
    roles = MODES[row.mode].sites
    if roles == ("M",) and not any(site.role == "M" for site in crystal.sites):
        return ("X",)
    return roles


def choose_sites(
    crystal: Crystal,
    probes: tuple[HeadSite, ...],
    coats: tuple[Coat, ...],
    *,
    ligands: Mapping[str, Ligand],
    pattern: str,
    seed: int,
) -> list[BoundLigand]:
    """Choose the sites of every bound ligand, and the ions that leave for them.

    Args:
        crystal: The crystal.
        probes: The ligands whose binding is computed, and their sites.
        coats: The coating; fractions count the sites that are free after the probes.
        ligands: Every ligand that can be named.
        pattern: How a coating is spread, a key of PATTERNS.
        seed: Decides between equivalent sites.

    Returns:
        The bound ligands, the probes first.

    Raises:
        ValueError: When sites or ions run out.
    """
    picker = _Picker(crystal, ligands, np.random.default_rng(seed))
    head_sites = list(probes)
    picker.free[[probe.site for probe in probes]] = False
    counted = picker.free.copy()
    groups: dict[tuple[str, str], list[Coat]] = {}
    for coat in coats:
        role = head_roles(ligands[coat.ligand], crystal)[0]
        groups.setdefault((role, coat.kind), []).append(coat)
    for (role, _), group in groups.items():
        shares = picker.share(role, group, pattern, counted)
        for coat, sites in zip(group, shares, strict=True):
            head_sites += [HeadSite(coat.ligand, site) for site in sites]
    return [picker.bind(head.ligand, head.site) for head in head_sites]


class _Picker:
    """Keeps account of the sites of a crystal that are still free."""

    def __init__(
        self, crystal: Crystal, ligands: Mapping[str, Ligand], rng: np.random.Generator
    ) -> None:
        self.crystal = crystal
        self.ligands = ligands
        self.rng = rng
        self.free = np.ones(len(crystal.sites), dtype=bool)
        self.roles = np.array([site.role for site in crystal.sites])
        self.kinds = np.array([site.kind for site in crystal.sites])
        self.points = np.array([site.point for site in crystal.sites]).reshape(-1, 3)
        self.normals = np.array([site.normal for site in crystal.sites]).reshape(-1, 3)
        self.origin = int(rng.integers(max(1, len(crystal.sites))))

    def share(
        self, role: str, group: list[Coat], pattern: str, counted: np.ndarray
    ) -> list[list[int]]:
        """Set aside the head sites of each coat of one kind on one role.

        Args:
            role: The role of the sites.
            group: Coats of one kind.
            pattern: A key of PATTERNS.
            counted: Mask (n_sites,) of the sites that fractions count.

        Returns:
            Site indices for each coat.

        Raises:
            ValueError: When there are too few sites.
        """
        kind = group[0].kind
        fits = (self.roles == role) & ((self.kinds == kind) | (kind == "all"))
        names = ", ".join(f"{coat.ligand} = {shown(coat.amount)}" for coat in group)
        if not fits.any():
            raise ValueError(
                f"coating {kind}: {names}: there is no {role} site of this kind here"
                f" ({describe_sites(self.crystal)})"
            )
        counts = _counts(group, int((fits & counted).sum()))
        pool = np.flatnonzero(fits & self.free)
        if sum(counts) > len(pool):
            raise ValueError(
                f"coating {kind}: {names} ask for {sum(counts)} {role} sites but {len(pool)} are"
                f" free ({describe_sites(self.crystal)}): ask for less"
            )
        shares = []
        for count in counts:
            picked = self._pick(pool, count, pattern)
            self.free[pool[picked]] = False
            shares.append([int(i) for i in pool[picked]])
            pool = np.delete(pool, picked)
        return shares

    def _pick(self, pool: np.ndarray, count: int, pattern: str) -> np.ndarray:
        """Positions (count,) in `pool` of the sites that the pattern takes from it."""
        if pattern == "random":
            return self.rng.choice(len(pool), size=count, replace=False)
        if pattern == "uniform":
            return spread(self.points[pool], count, self.rng, self.crystal.box_xy)
        distance = np.linalg.norm(
            self.crystal.delta(self.points[pool], self.points[self.origin]), axis=1
        )
        return np.argsort(np.round(distance, 6), kind="stable")[:count]

    def bind(self, name: str, site: int) -> BoundLigand:
        """Bind a ligand with its first head on `site`, which was set aside before.

        Its other heads, and other ions that leave for neutrality, take the nearest free sites.

        Raises:
            ValueError: When no site is left for them.
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
        """Take the nearest free site of `role` that looks the same way as `site`.

        Raises:
            ValueError: When there is none; `name` is the ligand that needs it.
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


def _counts(group: list[Coat], n_sites: int) -> list[int]:
    """How many ligands each coat is, where fractions are of `n_sites` sites.

    Fractions are added up before they are rounded, so that their sum is rounded once.
    """
    counts: list[int] = []
    covered = 0.0
    for coat in group:
        if isinstance(coat.amount, int):
            counts.append(coat.amount)
        else:
            counts.append(round((covered + coat.amount) * n_sites) - round(covered * n_sites))
            covered += coat.amount
    return counts


def all_ligands(user_ligands: Mapping[str, Ligand]) -> dict[str, Ligand]:
    """Every ligand a campaign can name: the catalogue's, and the user's own.

    Raises:
        ValueError: When a name is taken.
    """
    taken = sorted(set(user_ligands) & {*LIGANDS, *SOLVENTS})
    if taken:
        kind = "ligand" if taken[0] in LIGANDS else "solvent"
        raise ValueError(
            f"[ligands.{taken[0]}]: {taken[0]} is a {kind} of halobind; choose another name"
        )
    return {**LIGANDS, **user_ligands}
