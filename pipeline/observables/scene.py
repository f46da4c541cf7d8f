"""What an observable needs beside the frames: what the atoms are, the site, the built crystal."""

from collections import deque
from dataclasses import dataclass

import mdtraj as md
import numpy as np

from halobind.structures.models.integrity import Lattice, coordination, lattice_of
from halobind.structures.models.model import Model

FACE_NM = 0.1
"""Outer halides this near to the highest of them along the normal are the face."""
MIN_TAIL_BONDS = 4
"""A branch of the ligand with at least so many bonds from its anchor is a tail."""
RIVALS = {"A": ("A site",), "X": ("halide",), "M": ("halide",)}
"""What may take the place of a head, by the role of its site."""


@dataclass(frozen=True)
class Chemistry:
    """What the elements of a crystal are in it."""

    metals: tuple[str, ...]
    """Elements of metals."""
    halides: tuple[str, ...]
    """Elements of halides."""
    role: str
    """Of the site that the sampled ligand takes: A, X or M."""


@dataclass(frozen=True, eq=False)
class Scene:
    """One head of a model as its frames hold it; all indices are those of atoms in the frames."""

    topology: md.Topology
    """The atoms and bonds in the frames."""
    anchor: int
    """The head atom."""
    point: np.ndarray
    """Centre of its site (3,), nm."""
    normal: np.ndarray
    """Unit normal of its site (3,)."""
    built: np.ndarray
    """Positions as built (n_atoms, 3), nm."""
    box: np.ndarray
    """Box lengths as built (3,), nm."""
    species: dict[str, np.ndarray]
    """Heavy atoms of: metal and halide (lone ions, crystal and solution), A site, ligand, coating,
    dissolved, solvent."""
    owner: np.ndarray
    """Number of the residue of each atom (n_atoms,)."""
    face: np.ndarray
    """The outer halides around the site."""
    rivals: np.ndarray
    """Heavy atoms of what else could sit in the site."""
    donors: np.ndarray
    """N and H (k, 2) of every N-H of the head: of the anchor or its neighbours."""
    tails: tuple[np.ndarray, ...]
    """Atoms from the anchor to the end of each tail."""
    dihedrals: np.ndarray
    """Dihedrals (m, 4) about bonds between sp3 carbons of the tails outside rings."""
    ions: np.ndarray
    """First atom (k,) of each ion of the crystal, which comes first in the frames."""
    stays: np.ndarray
    """Whether each ion (k,) is not to leave with a ligand."""
    core: int
    """Number of atoms of the crystal."""
    core_metals: np.ndarray
    """Metals of the crystal that stay."""
    core_halides: np.ndarray
    """Halides of the crystal that stay."""
    coordination: np.ndarray
    """Halides around each metal as built (n_metals,)."""
    lattice: Lattice
    """Where the ions belong."""

    @property
    def has_solvent(self) -> bool:
        """Whether the frames hold the solvent."""
        return len(self.species["solvent"]) > 0


def heads_of(model: Model) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Anchor, point (3,) nm and normal (3,) of each sampled head."""
    return list(
        zip(model.groups["anchor"].tolist(), model.site_points, model.site_normals, strict=True)
    )


def scenes_of(model: Model, atoms: np.ndarray, chemistry: Chemistry) -> tuple[Scene, ...]:
    """A Scene for each sampled head of a model.

    Args:
        model: The model.
        atoms: Indices (n,) of the atoms that the frames hold, sorted.
        chemistry: What the elements are.

    Raises:
        ValueError: The frames lack atoms of the crystal or the ligand.
    """
    needed = np.concatenate([model.groups["core"], model.groups["ligand"]])
    if not np.isin(needed, atoms).all():
        raise ValueError("the frames lack atoms of the crystal or the ligand")
    new = np.full(model.n_atoms, -1)
    new[atoms] = np.arange(len(atoms))
    groups = {name: new[index[np.isin(index, atoms)]] for name, index in model.groups.items()}
    elements = np.array(model.elements)[atoms]
    sizes = [residue.stop - residue.start for residue in model.residues]
    owner = np.repeat(np.arange(len(sizes)), sizes)[atoms]
    lone = np.repeat(np.array(sizes) == 1, sizes)[atoms]
    bonds = new[model.bonds]
    bonds = bonds[(bonds >= 0).all(axis=1)]
    species = _species(groups, elements, lone, chemistry)
    core = len(groups["core"])
    ions = np.unique(owner[:core], return_index=True)[1]
    leaving = np.unique(owner[groups["partner"]])

    def staying(atoms: np.ndarray) -> np.ndarray:
        """Those of the crystal that do not leave with a ligand."""
        return atoms[(atoms < core) & ~np.isin(owner[atoms], leaving)]

    core_metals = staying(species["metal"])
    core_halides = staying(species["halide"])
    common = {
        "topology": _topology(model, atoms, bonds, owner),
        "built": model.positions[atoms],
        "box": model.box,
        "species": species,
        "owner": owner,
        "ions": ions,
        "stays": ~np.isin(owner[ions], leaving),
        "core": core,
        "core_metals": core_metals,
        "core_halides": core_halides,
        "coordination": coordination(
            model, model.positions, model.box, chemistry.metals, chemistry.halides
        ),
        "lattice": lattice_of(model),
    }
    surface = groups["surface"][np.isin(groups["surface"], core_halides)]
    around = {"A site": species["A site"], "halide": species["halide"]}
    dissolved = groups["counterion"][
        ~np.isin(groups["counterion"], species["halide"]) & (elements[groups["counterion"]] != "H")
    ]
    scenes = []
    for head, (anchor, point, normal) in enumerate(heads_of(model)):
        first = int(new[anchor])
        others = np.delete(groups["anchor"], head)
        rivals = [around[name] for name in RIVALS[chemistry.role]]
        rivals += [groups["coating_anchor"], others]
        rivals += [dissolved] if chemistry.role == "A" else []
        height = (model.positions[atoms][surface] - point) @ normal
        ligand = _Graph(elements, bonds, np.flatnonzero(owner == owner[first]))
        tails = ligand.tails(first)
        scenes.append(
            Scene(
                anchor=first,
                point=np.asarray(point, dtype=float),
                normal=np.asarray(normal, dtype=float),
                face=surface[height > height.max(initial=-np.inf) - FACE_NM],
                rivals=np.unique(np.concatenate(rivals)).astype(int),
                donors=ligand.donors(first),
                tails=tails,
                dihedrals=ligand.dihedrals(tails),
                **common,
            )
        )
    return tuple(scenes)


def _species(
    groups: dict[str, np.ndarray], elements: np.ndarray, lone: np.ndarray, chemistry: Chemistry
) -> dict[str, np.ndarray]:
    """Heavy atoms by what they are."""
    ion = np.concatenate([groups["core"], groups["counterion"]])
    ion = ion[lone[ion]]
    metal = ion[np.isin(elements[ion], chemistry.metals)]
    halide = ion[np.isin(elements[ion], chemistry.halides)]

    def heavy(index: np.ndarray) -> np.ndarray:
        """Those that are no hydrogen, metal or halide."""
        lone_ions = np.concatenate([metal, halide])
        kept: np.ndarray = index[(elements[index] != "H") & ~np.isin(index, lone_ions)]
        return kept

    names = {
        "A site": "core",
        "ligand": "ligand",
        "coating": "coating",
        "dissolved": "counterion",
        "solvent": "solvent",
    }
    return {"metal": np.sort(metal), "halide": np.sort(halide)} | {
        name: heavy(groups[group]) for name, group in names.items()
    }


def _topology(model: Model, atoms: np.ndarray, bonds: np.ndarray, owner: np.ndarray) -> md.Topology:
    """The atoms in the frames with their residues and bonds."""
    topology = md.Topology()
    chain = topology.add_chain()
    residue = None
    last = -1
    for atom, number in zip(atoms.tolist(), owner.tolist(), strict=True):
        if number != last:
            residue = topology.add_residue(model.residues[number].name, chain)
            last = number
        topology.add_atom(
            model.names[atom], md.element.get_by_symbol(model.elements[atom]), residue
        )
    everyone = list(topology.atoms)
    for a, b in bonds.tolist():
        topology.add_bond(everyone[a], everyone[b])
    return topology


class _Graph:
    """The bonds of one ligand."""

    def __init__(self, elements: np.ndarray, bonds: np.ndarray, members: np.ndarray) -> None:
        """Take the bonds between some atoms.

        Args:
            elements: Of all atoms (n_atoms,).
            bonds: Of all atoms (n_bonds, 2).
            members: The atoms (k,) of the ligand.
        """
        self.elements = elements
        self.near: dict[int, list[int]] = {int(i): [] for i in members}
        for a, b in bonds[np.isin(bonds, members).all(axis=1)].tolist():
            self.near[a].append(b)
            self.near[b].append(a)

    def heavy(self, atom: int) -> list[int]:
        """The neighbours of an atom that are no hydrogen."""
        return [j for j in self.near[atom] if self.elements[j] != "H"]

    def donors(self, anchor: int) -> np.ndarray:
        """(k, 2): N and H of every N-H whose N is the anchor or bonded to it."""
        nitrogens = [i for i in (anchor, *self.near[anchor]) if self.elements[i] == "N"]
        return np.array(
            [(n, h) for n in nitrogens for h in self.near[n] if self.elements[h] == "H"], dtype=int
        ).reshape(-1, 2)

    def tails(self, anchor: int) -> tuple[np.ndarray, ...]:
        """Atoms from the anchor to each end of a branch of at least MIN_TAIL_BONDS bonds.

        Without such a branch they lead to the farthest heavy atom.
        """
        before = {anchor: anchor}
        order = deque([anchor])
        depth = {anchor: 0}
        while order:
            atom = order.popleft()
            for j in self.heavy(atom):
                if j not in before:
                    before[j] = atom
                    depth[j] = depth[atom] + 1
                    order.append(j)
        ends = [
            i
            for i in depth
            if len(self.heavy(i)) == 1 and depth[i] >= MIN_TAIL_BONDS and self.elements[i] == "C"
        ]
        paths = []
        for end in sorted(ends) or [min(depth, key=lambda i: (-depth[i], i))]:
            path = [end]
            while path[-1] != anchor:
                path.append(before[path[-1]])
            paths.append(np.array(path[::-1]))
        return tuple(path for path in paths if len(path) > 1)

    def dihedrals(self, tails: tuple[np.ndarray, ...]) -> np.ndarray:
        """Four neighbours (m, 4) along a tail, the middle two sp3 carbons bonded in no ring."""
        paths = dict.fromkeys(
            tuple(path[i : i + 4].tolist()) for path in tails for i in range(len(path) - 3)
        )
        rotating = [four for four in paths if self._rotates(four[1], four[2])]
        return np.array(rotating, dtype=int).reshape(-1, 4)

    def _rotates(self, a: int, b: int) -> bool:
        """Whether two neighbours are sp3 carbons whose bond is in no ring."""
        if any(self.elements[i] != "C" or len(self.near[i]) != 4 for i in (a, b)):
            return False
        reached = {a}  # from a without the bond to b
        order = deque([a])
        while order:
            atom = order.popleft()
            for j in self.near[atom]:
                if {atom, j} != {a, b} and j not in reached:
                    reached.add(j)
                    order.append(j)
        return b not in reached
