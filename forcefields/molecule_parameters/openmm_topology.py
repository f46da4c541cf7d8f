"""Molecules as residues of an OpenMM topology, atom by atom as the builder orders them."""

from openmm import app

from halobind.structures.molecules.molecule import Molecule


def add_residue(topology: app.Topology, chain: app.topology.Chain, molecule: Molecule) -> None:
    """Add one molecule to a chain of a topology, as a residue of the molecule's name."""
    residue = topology.addResidue(molecule.name, chain)
    atoms = [
        topology.addAtom(name, app.Element.getBySymbol(element), residue)
        for name, element in zip(molecule.names, molecule.elements, strict=True)
    ]
    for i, j in molecule.bonds:
        topology.addBond(atoms[i], atoms[j])


def molecule_topology(molecule: Molecule) -> app.Topology:
    """A topology of one molecule, without a box."""
    topology = app.Topology()
    add_residue(topology, topology.addChain(), molecule)
    return topology
