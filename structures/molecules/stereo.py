"""Whether a structure says which stereoisomer it is, and the isomers that it leaves open."""

import itertools
from collections.abc import Iterable

from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom

MAX_ENUMERATED = 5  # open stereocentres and double bonds; of more, isomers are drawn at random
N_EMBEDDINGS = 8
MAX_EMBEDDING_ITERATIONS = 20
ANION_ENDS = (8, 16)  # oxygen, sulfur


def open_isomers(mol: Chem.Mol) -> list[Chem.Mol]:
    """The stereoisomers among which a molecule with hydrogens does not choose.

    Not told apart are forms that interconvert at once or by a proton: protonated and neutral
    amines, phosphonates, the C=N bonds of amidinium and of N-H imines; nor silicon with three
    oxygens, whose cages have one form. Isomers that no conformer has, as of bridged rings, do not
    count.

    Returns:
        The isomers, in the order of their SMILES; none when there is only one.
    """
    open_elements = [
        element
        for element in Chem.FindPotentialStereo(mol)
        if element.specified != Chem.StereoSpecified.Specified and _is_stable(mol, element)
    ]
    if not open_elements:
        return []
    if len(open_elements) <= MAX_ENUMERATED:
        isomers = list(_enumerated(mol, open_elements))
        if any(_in_ring(mol, element) for element in open_elements):
            embeddable = [isomer for isomer in isomers if _embedded(isomer, 1) is not None]
            isomers = embeddable or isomers
    else:
        isomers = list(_drawn(mol, open_elements))
        if not isomers:  # no conformer at all: nothing says that there is one isomer only
            first = itertools.islice(_enumerated(mol, open_elements), N_EMBEDDINGS)
            isomers = list(first)
    unique = {Chem.MolToSmiles(Chem.RemoveHs(isomer)): isomer for isomer in isomers}
    return [unique[smiles] for smiles in sorted(unique)] if len(unique) > 1 else []


def has_stereochemistry(mol: Chem.Mol) -> bool:
    """Whether a molecule is one of several stereoisomers, and says which."""
    return any(
        element.specified == Chem.StereoSpecified.Specified and _is_stable(mol, element)
        for element in Chem.FindPotentialStereo(mol)
    )


def isomer_smiles(isomer: Chem.Mol) -> str:
    """The SMILES of an isomer without hydrogens, its atoms in their order."""
    return Chem.MolToSmiles(Chem.RemoveHs(isomer), canonical=False)


def _is_stable(mol: Chem.Mol, element: Chem.StereoInfo) -> bool:
    """Whether the two forms of a stereocentre or double bond are different molecules."""
    if element.type == Chem.StereoType.Bond_Double:
        return _is_stable_bond(mol.GetBondWithIdx(element.centeredOn))
    if element.type != Chem.StereoType.Atom_Tetrahedral:
        return False
    atom = mol.GetAtomWithIdx(element.centeredOn)
    if atom.GetAtomicNum() == 7:
        return bool(atom.GetDegree() == 4 and not atom.GetTotalNumHs(includeNeighbors=True))
    if atom.GetAtomicNum() in (15, 16):
        return sum(_is_anion_end(other) for other in atom.GetNeighbors()) < 2
    if atom.GetAtomicNum() == 14:
        return bool(sum(other.GetAtomicNum() == 8 for other in atom.GetNeighbors()) < 3)
    return True


def _is_anion_end(atom: Chem.Atom) -> bool:
    """Whether an atom is an oxygen or sulfur that is bonded to one heavy atom only."""
    heavy = [other for other in atom.GetNeighbors() if other.GetAtomicNum() > 1]
    return atom.GetAtomicNum() in ANION_ENDS and len(heavy) == 1


def _is_stable_bond(bond: Chem.Bond) -> bool:
    """Whether a double bond keeps its cis or trans form."""
    for atom in (bond.GetBeginAtom(), bond.GetEndAtom()):
        if atom.GetAtomicNum() == 7 and (
            atom.GetTotalNumHs(includeNeighbors=True) or atom.GetFormalCharge() > 0
        ):
            return False
        doubles = [b for b in atom.GetBonds() if b.GetBondType() == Chem.BondType.DOUBLE]
        if len(doubles) > 1:
            return False  # allenes
    return True


def _in_ring(mol: Chem.Mol, element: Chem.StereoInfo) -> bool:
    """Whether a stereocentre or double bond is in a ring."""
    if element.type == Chem.StereoType.Bond_Double:
        return bool(mol.GetBondWithIdx(element.centeredOn).IsInRing())
    return bool(mol.GetAtomWithIdx(element.centeredOn).IsInRing())


def _enumerated(mol: Chem.Mol, elements: list[Chem.StereoInfo]) -> Iterable[Chem.Mol]:
    """The molecule with every combination of the forms of `elements`."""
    for choice in itertools.product((False, True), repeat=len(elements)):
        isomer = _without_marks(mol)
        for element, second in zip(elements, choice, strict=True):
            _set_form(isomer, element, second)
        Chem.SetDoubleBondNeighborDirections(isomer)
        Chem.AssignStereochemistry(isomer, cleanIt=True, force=True)
        yield isomer


def _without_marks(mol: Chem.Mol) -> Chem.Mol:
    """A copy without the marks of wavy and crossed bonds."""
    bare = Chem.Mol(mol)
    for bond in bare.GetBonds():
        bond.SetBondDir(Chem.BondDir.NONE)
        if bond.GetStereo() == Chem.BondStereo.STEREOANY:
            bond.SetStereo(Chem.BondStereo.STEREONONE)
    return bare


def _set_form(mol: Chem.Mol, element: Chem.StereoInfo, second: bool) -> None:
    """Give a stereocentre or double bond of `mol` the first or the second of its forms."""
    if element.type == Chem.StereoType.Bond_Double:
        bond = mol.GetBondWithIdx(element.centeredOn)
        bond.SetStereoAtoms(element.controllingAtoms[0], element.controllingAtoms[2])
        cis = Chem.BondStereo.STEREOCIS
        bond.SetStereo(Chem.BondStereo.STEREOTRANS if second else cis)
        return
    clockwise = Chem.ChiralType.CHI_TETRAHEDRAL_CW
    atom = mol.GetAtomWithIdx(element.centeredOn)
    atom.SetChiralTag(Chem.ChiralType.CHI_TETRAHEDRAL_CCW if second else clockwise)


def _drawn(mol: Chem.Mol, elements: list[Chem.StereoInfo]) -> Iterable[Chem.Mol]:
    """Isomers of conformers that are embedded without a choice."""
    centres = {e.centeredOn for e in elements if e.type == Chem.StereoType.Atom_Tetrahedral}
    specified = {a.GetIdx() for a in mol.GetAtoms() if a.GetChiralTag() != UNSPECIFIED}
    for seed in range(1, N_EMBEDDINGS + 1):
        isomer = _embedded(_without_marks(mol), seed)
        if isomer is None:
            continue
        Chem.AssignStereochemistryFrom3D(isomer)
        for atom in isomer.GetAtoms():
            if atom.GetIdx() not in centres | specified:
                atom.SetChiralTag(UNSPECIFIED)
        Chem.SetDoubleBondNeighborDirections(isomer)
        Chem.AssignStereochemistry(isomer, cleanIt=True, force=True)
        isomer.RemoveAllConformers()
        yield isomer


def _embedded(mol: Chem.Mol, seed: int) -> Chem.Mol | None:
    """A copy with a rough conformer, or None when there is none of this isomer."""
    trial = Chem.Mol(mol)
    with rdBase.BlockLogs():
        failed = rdDistGeom.EmbedMolecule(
            trial,
            maxAttempts=MAX_EMBEDDING_ITERATIONS,
            randomSeed=seed,
            useRandomCoords=True,
            useExpTorsionAnglePrefs=False,
            useBasicKnowledge=False,
        )
    return None if failed else trial


UNSPECIFIED = Chem.ChiralType.CHI_UNSPECIFIED
