"""The heads by which a ligand could bind, where there is more than one, and how to choose each."""

import json
from dataclasses import dataclass

from rdkit import Chem

from halobind.structures.molecules.catalogue import MODES, Ligand

MAX_RADIUS = 40  # bonds around a head that a pattern may need to tell it from the others


@dataclass(frozen=True)
class HeadChoice:
    """One atom that a head of the mode could be."""

    atom: int
    """Its index."""
    patterns: tuple[str, ...]
    """The SMARTS patterns of all heads that choose it; () when no pattern tells it apart."""


def head_choices(row: Ligand, mol: Chem.Mol) -> list[list[HeadChoice]]:
    """For each head of the mode, the atoms that differ and match it, the one that binds first.

    Args:
        row: The ligand.
        mol: Its molecule with hydrogens.
    """
    patterns = row.heads or MODES[row.mode].heads
    ranks = list(Chem.CanonicalRankAtoms(mol, breakTies=False, includeChirality=False))
    choices = []
    for k, pattern in enumerate(patterns):
        matches = mol.GetSubstructMatches(Chem.MolFromSmarts(pattern), maxMatches=10_000)
        of_rank: dict[int, int] = {}
        for match in matches:
            of_rank.setdefault(ranks[match[0]], match[0])
        head_list = []
        for atom in of_rank.values():
            exact = _pattern_of(mol, atom, ranks)
            chosen = (*patterns[:k], exact, *patterns[k + 1 :]) if exact else ()
            head_list.append(HeadChoice(atom, chosen))
        choices.append(head_list)
    return choices


def head_notes(name: str, row: Ligand, mol: Chem.Mol, names: tuple[str, ...]) -> list[str]:
    """What a user must know of a ligand that could bind by different heads; [] for any other.

    Args:
        name: The name of the ligand.
        row: The ligand.
        mol: Its molecule with hydrogens.
        names: Its atom names.
    """
    notes = []
    for choices in head_choices(row, mol):
        if len(choices) < 2:
            continue
        notes.append(
            f"{name} has {len(choices)} possible heads and binds by {names[choices[0].atom]}; to"
            f" choose, write in [ligands.{name}]:"
        )
        for choice in choices:
            if choice.patterns:
                notes.append(f"  {names[choice.atom]}: heads = {json.dumps(list(choice.patterns))}")
    return notes


def _pattern_of(mol: Chem.Mol, atom: int, ranks: list[int]) -> str:
    """The smallest SMARTS whose first atom is `atom` or an equal one; "" when there is none."""
    bare = Chem.Mol(mol)
    for other in bare.GetAtoms():
        other.SetIntProp("_index", other.GetIdx())
    bare = Chem.RemoveHs(bare)
    number = {a.GetIntProp("_index"): a.GetIdx() for a in bare.GetAtoms()}
    if atom not in number:
        return ""
    root = number[atom]
    distance = Chem.GetDistanceMatrix(bare)[root]
    for radius in range(1, MAX_RADIUS):
        around = [k for k in range(bare.GetNumAtoms()) if distance[k] <= radius]
        smarts = Chem.MolFragmentToSmiles(
            bare, around, rootedAtAtom=root, allHsExplicit=True, isomericSmiles=False
        )
        query = Chem.MolFromSmarts(smarts)
        if query is None:
            return ""
        matches = mol.GetSubstructMatches(query, maxMatches=10_000)
        heads = {ranks[match[0]] for match in matches}
        if heads == {ranks[atom]}:
            return smarts
        if len(around) == bare.GetNumAtoms():
            return ""
    return ""
