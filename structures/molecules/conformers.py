"""Conformers for placing: heads down, tails up; or stretched between two sites."""

import itertools

import numpy as np
from rdkit import Chem, DistanceGeometry
from rdkit.Chem import AllChem
from rdkit.Chem.rdMolTransforms import SetDihedralDeg

CHAIN = Chem.MolFromSmarts("[C,N;!R]~[CX4,NX4;!R]-;!@[CX4,NX4;!R]~[C,N;!R]")
TURNS = Chem.MolFromSmarts("[!#1]~[!$(*#*);!D1]-;!@[!$(*#*);!D1]~[!#1]")
KEPT = 12
CLOSEST_A = 1.9  # between atoms more than three bonds apart
DISTINCT_NM = 0.05
REACH_STEP_NM = 0.02
SEEDS = range(1, 25)


def chain_dihedrals(mol: Chem.Mol) -> list[tuple[int, int, int, int]]:
    """One dihedral (a, b, c, d) for each rotatable bond b-c of the open, saturated chains."""
    return _one_a_bond(mol.GetSubstructMatches(CHAIN))


def _one_a_bond(matches: tuple) -> list[tuple[int, int, int, int]]:
    found = {}
    for a, b, c, d in matches:
        found.setdefault((min(b, c), max(b, c)), (a, b, c, d))
    return list(found.values())


def _turnable(mol: Chem.Mol) -> list[tuple[int, int, int, int]]:
    """One dihedral for each single bond that may turn: amides, esters and the like, conjugated, are
    left alone.
    """
    dihedrals = _one_a_bond(mol.GetSubstructMatches(TURNS))
    return [d for d in dihedrals if not mol.GetBondBetweenAtoms(d[1], d[2]).GetIsConjugated()]


def tail_ends(mol: Chem.Mol, head: int) -> list[int]:
    """Where the tails end: heavy atoms more than one bond from the head with no heavy neighbour
    farther from it.
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
    """Conformers (k, n_atoms, 3) in nm, head at the origin, the tails gathered along +z, the
    tallest first.

    The torsions within two bonds of the head are searched over 180, 60 and -60 degrees for
    conformers whose shortest tail reaches high without two atoms closer than 1.9 A (so that all
    chains of a ligand point away from the surface); the rest of each chain stays trans. A donor
    stands on its lone pair instead, which points along -z.
    """
    distance = Chem.GetDistanceMatrix(mol)
    near = [d for d in _turnable(mol) if min(distance[head][d[1]], distance[head][d[2]]) <= 2]
    if mode == "donor":
        near = _head_turns(mol, head) + near
    ends, apart = tail_ends(mol, head), distance > 3
    around = [n.GetIdx() for n in mol.GetAtomWithIdx(head).GetNeighbors()]
    found = []
    for angles in itertools.product((180.0, 60.0, -60.0), repeat=min(len(near), 6)):
        trial = Chem.Mol(mol)
        for dihedral, angle in zip(near, angles, strict=False):
            SetDihedralDeg(trial.GetConformer(), *dihedral, angle)
        xyz = trial.GetConformer().GetPositions()
        xyz = xyz - xyz[head]
        bonds = (
            xyz[around] / np.linalg.norm(xyz[around], axis=1)[:, None]
            if around
            else np.zeros((1, 3))
        )
        xyz = align_with_z(xyz, bonds.sum(axis=0) if mode == "donor" else xyz[ends].mean(axis=0))
        gaps = np.linalg.norm(xyz[:, None] - xyz[None], axis=-1)[apart]
        if not gaps.size or gaps.min() >= CLOSEST_A:
            found.append((float(xyz[ends, 2].min()), xyz / 10.0))
    if not found:
        xyz = mol.GetConformer().GetPositions()
        found = [(0.0, align_with_z(xyz - xyz[head], (xyz - xyz[head])[ends].mean(axis=0)) / 10.0)]
    found.sort(key=lambda item: -round(item[0], 3))
    return _distinct(
        [xyz for height, xyz in found if height >= found[0][0] - 0.4 * abs(found[0][0])]
    )


def _head_turns(mol: Chem.Mol, head: int) -> list[tuple[int, int, int, int]]:
    """Dihedrals about the bonds of the head itself, from one of its hydrogens, which turn its lone
    pair.
    """
    atom = mol.GetAtomWithIdx(head)
    hydrogens = [n.GetIdx() for n in atom.GetNeighbors() if n.GetAtomicNum() == 1]
    found = []
    for near in (n for n in atom.GetNeighbors() if n.GetAtomicNum() > 1):
        far = [
            n.GetIdx() for n in near.GetNeighbors() if n.GetAtomicNum() > 1 and n.GetIdx() != head
        ]
        if hydrogens and far and not mol.GetBondBetweenAtoms(head, near.GetIdx()).IsInRing():
            found.append((hydrogens[0], head, near.GetIdx(), far[0]))
    return found


def _distinct(shapes: list[np.ndarray]) -> np.ndarray:
    """The first KEPT shapes that differ in more than a turn about z."""
    kept: list[np.ndarray] = []
    profiles: list[np.ndarray] = []
    for xyz in shapes:
        profile = np.stack([np.hypot(xyz[:, 0], xyz[:, 1]), xyz[:, 2]])
        if all(
            np.sqrt(((profile - other) ** 2).sum(axis=0).mean()) > DISTINCT_NM for other in profiles
        ):
            kept.append(xyz)
            profiles.append(profile)
        if len(kept) == KEPT:
            break
    return np.stack(kept)


def spanning_conformers(mol: Chem.Mol, heads: tuple[int, int], separation_nm: float) -> np.ndarray:
    """Conformers (k, n_atoms, 3) in nm with the second head `separation_nm` from the first, or as
    near to that as it reaches within 0.2 nm: first head at the origin, second on +x, the rest
    turned towards +z, the one that stands highest above its heads first.
    """
    for off in np.arange(0.0, 0.2001, REACH_STEP_NM):
        found = [
            _spanned(mol, heads, 10 * target, seed)
            for target in {separation_nm + off, separation_nm - off}
            for seed in SEEDS
        ]
        found = [xyz for xyz in found if xyz is not None]
        if found:
            low = [_lowest(mol, xyz, heads) for xyz in found]
            order = sorted(range(len(found)), key=lambda k: -round(low[k], 3))
            return _distinct([found[k] / 10.0 for k in order])
    return np.zeros((0, mol.GetNumAtoms(), 3))


def _spanned(
    mol: Chem.Mol, heads: tuple[int, int], separation_A: float, seed: int
) -> np.ndarray | None:
    """One embedded conformer in angstrom with the heads 0.1 A around `separation_A`, oriented; None
    when there is none.
    """
    first, second = heads
    bounds = AllChem.GetMoleculeBoundsMatrix(mol)
    low, high = min(first, second), max(first, second)
    bounds[low, high], bounds[high, low] = separation_A + 0.1, separation_A - 0.1
    if not DistanceGeometry.DoTriangleSmoothing(bounds):
        return None
    trial, settings = Chem.Mol(mol), AllChem.ETKDGv3()
    settings.randomSeed = seed
    settings.SetBoundsMat(bounds)
    settings.maxIterations = 20
    if AllChem.EmbedMolecule(trial, settings) != 0:
        return None
    path = set(Chem.GetShortestPath(mol, first, second))
    for dihedral in chain_dihedrals(mol):
        if not {dihedral[1], dihedral[2]} <= path:
            SetDihedralDeg(trial.GetConformer(), *dihedral, 180.0)
    force = AllChem.MMFFGetMoleculeForceField(trial, AllChem.MMFFGetMoleculeProperties(trial))
    force.Initialize()
    force.MMFFAddDistanceConstraint(
        first, second, False, separation_A - 0.05, separation_A + 0.05, 500.0
    )
    force.Minimize(maxIts=500)
    xyz = trial.GetConformer().GetPositions()
    if abs(np.linalg.norm(xyz[first] - xyz[second]) - separation_A) > 0.3 or not _same_chirality(
        mol, trial
    ):
        return None
    return _astride(xyz, heads, tail_ends(mol, first))


def _same_chirality(mol: Chem.Mol, trial: Chem.Mol) -> bool:
    fresh = Chem.Mol(trial)
    Chem.AssignStereochemistryFrom3D(fresh)
    return set(Chem.FindMolChiralCenters(mol)) <= set(Chem.FindMolChiralCenters(fresh))


def _astride(xyz: np.ndarray, heads: tuple[int, int], ends: list[int]) -> np.ndarray:
    """First head to the origin, second onto +x, then turned about x to where the body stands
    highest.
    """
    first, second = heads
    xyz = xyz - xyz[first]
    x = xyz[second] / np.linalg.norm(xyz[second])
    body = xyz.mean(axis=0) + (xyz[ends].mean(axis=0) if ends else 0.0)
    z = body - x * (body @ x)
    z = z / max(np.linalg.norm(z), 1e-9)
    return xyz @ np.stack([x, np.cross(z, x), z]).T


def _lowest(mol: Chem.Mol, xyz: np.ndarray, heads: tuple[int, int]) -> float:
    """The lowest height of an atom that is neither a head nor bonded to one, in angstrom."""
    close = {n.GetIdx() for head in heads for n in mol.GetAtomWithIdx(head).GetNeighbors()} | set(
        heads
    )
    others = [i for i in range(len(xyz)) if i not in close]
    return float(xyz[others, 2].min()) if others else 0.0


def align_with_z(xyz: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Rotate xyz about the origin so that `axis` lies along +z."""
    length = np.linalg.norm(axis)
    if length < 1e-6:
        return xyz
    u = axis / length
    v = np.cross(u, (0.0, 0.0, 1.0))
    sine, cosine = np.linalg.norm(v), u[2]
    if sine < 1e-9:
        return xyz * (1.0 if cosine > 0 else np.array([1.0, -1.0, -1.0]))
    k = v / sine
    cross = np.array([[0, -k[2], k[1]], [k[2], 0, -k[0]], [-k[1], k[0], 0]])
    rotation = np.eye(3) + sine * cross + (1 - cosine) * cross @ cross
    return xyz @ rotation.T
