"""Conformers for placing: heads down, tails up; or stretched between two sites."""

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
from rdkit import Chem, DistanceGeometry
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers
from rdkit.Chem.rdMolTransforms import SetDihedralDeg

Dihedral = tuple[int, int, int, int]

CHAIN = Chem.MolFromSmarts("[C,N;!R]~[CX4,NX4;!R]-;!@[CX4,NX4;!R]~[C,N;!R]")
TURNS = Chem.MolFromSmarts("[!#1]~[!$(*#*);!D1]-;!@[!$(*#*);!D1]~[!#1]")
MAX_CONFORMERS = 12
TORSIONS = (180.0, 60.0, -60.0)  # degrees, tried in this order
MAX_TORSIONS_SEARCHED = 6
MIN_CONTACT_A = 1.9  # between atoms more than three bonds apart
MIN_DIFFERENCE_NM = 0.05  # root mean square between two conformers that are both kept
REACH_STEP_NM = 0.02
EMBEDDING_SEEDS = range(1, 25)


def chain_dihedrals(mol: Chem.Mol) -> list[Dihedral]:
    """One dihedral (a, b, c, d) for each rotatable bond b-c of the open, saturated chains."""
    return _first_of_each_bond(mol.GetSubstructMatches(CHAIN))


def _first_of_each_bond(dihedrals: Iterable[Sequence[int]]) -> list[Dihedral]:
    """The first dihedral (a, b, c, d) about each bond b-c."""
    by_bond: dict[tuple[int, int], Dihedral] = {}
    for a, b, c, d in dihedrals:
        by_bond.setdefault((min(b, c), max(b, c)), (a, b, c, d))
    return list(by_bond.values())


def _turnable(mol: Chem.Mol) -> list[Dihedral]:
    """One dihedral for each single bond that may turn; conjugated bonds, as of amides, may not."""
    dihedrals = _first_of_each_bond(mol.GetSubstructMatches(TURNS))
    return [d for d in dihedrals if not mol.GetBondBetweenAtoms(d[1], d[2]).GetIsConjugated()]


def tail_ends(mol: Chem.Mol, head: int) -> list[int]:
    """The atoms at the ends of the tails.

    These are the heavy atoms more than one bond from the head without a heavy neighbour farther
    from it; in a molecule without such atoms every heavy atom but the head, or the head itself.
    """
    distance = Chem.GetDistanceMatrix(mol)[head]
    heavy = [a for a in mol.GetAtoms() if a.GetAtomicNum() > 1 and distance[a.GetIdx()] > 1]
    ends = [
        a.GetIdx()
        for a in heavy
        if all(
            distance[n.GetIdx()] <= distance[a.GetIdx()]
            for n in a.GetNeighbors()
            if n.GetAtomicNum() > 1
        )
    ]
    return (
        ends
        or [a.GetIdx() for a in mol.GetAtoms() if a.GetAtomicNum() > 1 and a.GetIdx() != head]
        or [head]
    )


def upright_conformers(mol: Chem.Mol, head: int, mode: str) -> np.ndarray:
    """Conformers with the head at the origin and the tails gathered along +z, the tallest first.

    The torsions within two bonds of the head are searched over 180, 60 and -60 degrees for
    conformers whose shortest tail reaches high without two atoms closer than 1.9 A (so that all
    chains of a ligand point away from the surface); the rest of each chain stays trans. A donor
    stands on its lone pair instead, which points along -z.

    Args:
        mol: The molecule with hydrogens and one conformer.
        head: Index of the atom that binds.
        mode: How the ligand binds, a key of MODES.

    Returns:
        Positions (k, n_atoms, 3) in nm, k at most MAX_CONFORMERS.
    """
    distance = Chem.GetDistanceMatrix(mol)
    near = [d for d in _turnable(mol) if min(distance[head][d[1]], distance[head][d[2]]) <= 2]
    if mode == "donor":
        near = _head_turns(mol, head) + near
    ends = tail_ends(mol, head)
    apart = distance > 3
    around = [n.GetIdx() for n in mol.GetAtomWithIdx(head).GetNeighbors()]
    heights: list[float] = []
    shapes: list[np.ndarray] = []
    for angles in itertools.product(TORSIONS, repeat=min(len(near), MAX_TORSIONS_SEARCHED)):
        trial = Chem.Mol(mol)
        for dihedral, angle in zip(near, angles, strict=False):
            SetDihedralDeg(trial.GetConformer(), *dihedral, angle)
        xyz = trial.GetConformer().GetPositions()
        xyz = xyz - xyz[head]
        upwards = _bond_sum(xyz[around]) if mode == "donor" else xyz[ends].mean(axis=0)
        xyz = align_with_z(xyz, upwards)
        gaps = np.linalg.norm(xyz[:, None] - xyz[None], axis=-1)[apart]
        if not gaps.size or gaps.min() >= MIN_CONTACT_A:
            heights.append(float(xyz[ends, 2].min()))
            shapes.append(xyz / 10.0)
    if not shapes:
        xyz = mol.GetConformer().GetPositions()
        xyz = xyz - xyz[head]
        heights.append(0.0)
        shapes.append(align_with_z(xyz, xyz[ends].mean(axis=0)) / 10.0)
    order = sorted(range(len(shapes)), key=lambda k: -round(heights[k], 3))
    tallest = heights[order[0]]
    limit = tallest - 0.4 * abs(tallest)
    return _distinct([shapes[k] for k in order if heights[k] >= limit])


def _bond_sum(neighbours: np.ndarray) -> np.ndarray:
    """The sum (3,) of the unit vectors from the origin to `neighbours` (n, 3); zero without any."""
    if not len(neighbours):
        return np.zeros(3)
    total: np.ndarray = (neighbours / np.linalg.norm(neighbours, axis=1)[:, None]).sum(axis=0)
    return total


def _head_turns(mol: Chem.Mol, head: int) -> list[Dihedral]:
    """Dihedrals about the bonds of the head, from one of its hydrogens; they turn its lone pair."""
    atom = mol.GetAtomWithIdx(head)
    hydrogens = [n.GetIdx() for n in atom.GetNeighbors() if n.GetAtomicNum() == 1]
    dihedrals = []
    for near in (n for n in atom.GetNeighbors() if n.GetAtomicNum() > 1):
        far = [
            n.GetIdx() for n in near.GetNeighbors() if n.GetAtomicNum() > 1 and n.GetIdx() != head
        ]
        if hydrogens and far and not mol.GetBondBetweenAtoms(head, near.GetIdx()).IsInRing():
            dihedrals.append((hydrogens[0], head, near.GetIdx(), far[0]))
    return dihedrals


def _distinct(shapes: list[np.ndarray]) -> np.ndarray:
    """The first MAX_CONFORMERS shapes that differ in more than a turn about z."""
    kept: list[np.ndarray] = []
    profiles: list[np.ndarray] = []
    for xyz in shapes:
        profile = np.stack([np.hypot(xyz[:, 0], xyz[:, 1]), xyz[:, 2]])
        differences = [np.sqrt(((profile - other) ** 2).sum(axis=0).mean()) for other in profiles]
        if all(difference > MIN_DIFFERENCE_NM for difference in differences):
            kept.append(xyz)
            profiles.append(profile)
        if len(kept) == MAX_CONFORMERS:
            break
    return np.stack(kept)


def spanning_conformers(mol: Chem.Mol, heads: tuple[int, int], separation_nm: float) -> np.ndarray:
    """Conformers of a two-headed ligand stretched between its two sites.

    The first head is at the origin, the second on +x, the rest is turned towards +z; the conformer
    that stands highest above its heads comes first.

    Args:
        mol: The molecule with hydrogens and one conformer.
        heads: Indices of the two atoms that bind.
        separation_nm: How far the heads are apart; where the molecule does not reach that, as near
            to it as it does within 0.2 nm.

    Returns:
        Positions (k, n_atoms, 3) in nm; k is 0 when the molecule does not span the distance.
    """
    for off in np.arange(0.0, 0.2001, REACH_STEP_NM):
        trials = [
            _spanned(mol, heads, 10 * target, seed)
            for target in {separation_nm + off, separation_nm - off}
            for seed in EMBEDDING_SEEDS
        ]
        shapes = [xyz for xyz in trials if xyz is not None]
        if shapes:
            low = [_lowest(mol, xyz, heads) for xyz in shapes]
            order = sorted(range(len(shapes)), key=lambda k: -round(low[k], 3))
            return _distinct([shapes[k] / 10.0 for k in order])
    return np.zeros((0, mol.GetNumAtoms(), 3))


def _spanned(
    mol: Chem.Mol, heads: tuple[int, int], separation_A: float, seed: int
) -> np.ndarray | None:
    """One embedded, oriented conformer with the heads `separation_A` apart, within 0.1 A.

    Returns:
        Positions (n_atoms, 3) in angstrom, or None when the embedding fails.
    """
    first, second = heads
    low = min(first, second)
    high = max(first, second)
    bounds = rdDistGeom.GetMoleculeBoundsMatrix(mol)
    bounds[low, high] = separation_A + 0.1
    bounds[high, low] = separation_A - 0.1
    if not DistanceGeometry.DoTriangleSmoothing(bounds):
        return None
    settings = rdDistGeom.ETKDGv3()  # RDKit's stubs give its attributes a wrong type
    settings.randomSeed = seed  # type: ignore[assignment]
    settings.SetBoundsMat(bounds)
    settings.maxIterations = 20  # type: ignore[assignment]
    trial = Chem.Mol(mol)
    if rdDistGeom.EmbedMolecule(trial, settings) != 0:
        return None
    path = set(Chem.GetShortestPath(mol, first, second))
    for dihedral in chain_dihedrals(mol):
        if not {dihedral[1], dihedral[2]} <= path:
            SetDihedralDeg(trial.GetConformer(), *dihedral, 180.0)
    force = rdForceFieldHelpers.MMFFGetMoleculeForceField(
        trial, rdForceFieldHelpers.MMFFGetMoleculeProperties(trial)
    )
    force.Initialize()
    force.MMFFAddDistanceConstraint(
        first, second, False, separation_A - 0.05, separation_A + 0.05, 500.0
    )
    force.Minimize(maxIts=500)
    xyz = trial.GetConformer().GetPositions()
    error_A = abs(np.linalg.norm(xyz[first] - xyz[second]) - separation_A)
    if error_A > 0.3 or not _same_chirality(mol, trial):
        return None
    return _astride(xyz, heads, tail_ends(mol, first))


def _same_chirality(mol: Chem.Mol, trial: Chem.Mol) -> bool:
    """Whether the conformer of `trial` has every stereocentre of `mol` as it is there."""
    fresh = Chem.Mol(trial)
    Chem.AssignStereochemistryFrom3D(fresh)
    return _labelled_centres(mol) <= _labelled_centres(fresh)


def _labelled_centres(mol: Chem.Mol) -> set[tuple[int, str]]:
    """The stereocentres of a molecule with their labels, R or S."""
    return set(Chem.FindMolChiralCenters(mol))  # type: ignore[no-untyped-call]


def _astride(xyz: np.ndarray, heads: tuple[int, int], ends: list[int]) -> np.ndarray:
    """Put the first head at the origin, the second on +x, and the body as high as a turn brings it.

    Args:
        xyz: Positions (n_atoms, 3).
        heads: Indices of the two heads.
        ends: Indices of the ends of the tails, see `tail_ends`.

    Returns:
        Positions (n_atoms, 3) in the unit of `xyz`.
    """
    first, second = heads
    xyz = xyz - xyz[first]
    x = xyz[second] / np.linalg.norm(xyz[second])
    body = xyz.mean(axis=0) + (xyz[ends].mean(axis=0) if ends else 0.0)
    z = body - x * (body @ x)
    z = z / max(np.linalg.norm(z), 1e-9)
    turned: np.ndarray = xyz @ np.stack([x, np.cross(z, x), z]).T
    return turned


def _lowest(mol: Chem.Mol, xyz: np.ndarray, heads: tuple[int, int]) -> float:
    """The lowest height of an atom that is neither a head nor bonded to one, in angstrom."""
    close = set(heads)
    for head in heads:
        close |= {n.GetIdx() for n in mol.GetAtomWithIdx(head).GetNeighbors()}
    others = [i for i in range(len(xyz)) if i not in close]
    return float(xyz[others, 2].min()) if others else 0.0


def align_with_z(xyz: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Rotate positions about the origin so that `axis` lies along +z.

    Rodrigues' formula, written out: scipy's Rotation goes through a quaternion and differs in the
    last bits, and the conformers of all built models are as these bits say.

    Args:
        xyz: Positions (n_atoms, 3).
        axis: The vector (3,) to turn; positions are returned as they are where it is zero.

    Returns:
        Positions (n_atoms, 3).
    """
    length = np.linalg.norm(axis)
    if length < 1e-6:
        return xyz
    u = axis / length
    v = np.cross(u, (0.0, 0.0, 1.0))
    sine = np.linalg.norm(v)
    cosine = u[2]
    if sine < 1e-9:
        return xyz * (1.0 if cosine > 0 else np.array([1.0, -1.0, -1.0]))
    k = v / sine
    cross = np.array([[0, -k[2], k[1]], [k[2], 0, -k[0]], [-k[1], k[0], 0]])
    rotation = np.eye(3) + sine * cross + (1 - cosine) * cross @ cross
    turned: np.ndarray = xyz @ rotation.T
    return turned
