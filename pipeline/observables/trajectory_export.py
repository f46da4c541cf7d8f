"""Frames of a run for other programs: copies of its DCD files beside a topology that fits them.

A run is only read. Frames with and without the solvent have topologies of their own.
"""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from halobind.pipeline.campaign.run_directory import Run, reading
from halobind.pipeline.campaign.settings import SamplingSection
from halobind.pipeline.observables.frame_tasks import FRAMES, frame_shape
from halobind.pipeline.sampling.run_context import built_model, frame_atoms
from halobind.structures.models.export import check_export, export_model
from halobind.structures.models.model import Model, Residue


def segments_with_frames(run: Run) -> list[tuple[str, Path]]:
    """The chain and the folder of every published segment that has frames, walkers included."""
    return [
        (chain, folder)
        for chain in (*run.window_chains(), *run.walker_chains(), *run.alchemical_chains())
        for folder in run.segments(chain)
        if (folder / FRAMES).exists()
    ]


def export_run(run: Run, out: Path) -> int:
    """Write the topologies of a run and a copy of each segment's frames.

    Args:
        run: The run.
        out: An empty folder. Gets <kind>.pdb (.cif where PDB has no room) and
            <kind>/<window>/seg-000.dcd for each kind of frames, "solute" or "all".

    Returns:
        How many segments were copied.

    Raises:
        DamagedError: The model or the frames of a segment cannot be read, or do not fit together.
    """
    model = built_model(run.path("build"))
    solute = frame_atoms(model, SamplingSection(frames="solute"))
    kinds = {model.n_atoms: ("all", np.arange(model.n_atoms)), len(solute): ("solute", solute)}
    written: set[int] = set()
    segments = segments_with_frames(run)
    for chain, folder in segments:
        n_atoms = frame_shape(folder)[1]
        with reading(folder):
            if n_atoms not in kinds:
                raise ValueError(
                    f"its frames have {n_atoms} atoms, which fit no part of this model"
                )
        kind, atoms = kinds[n_atoms]
        if n_atoms not in written:
            written.add(n_atoms)
            write_topology(model_of_atoms(model, atoms), out, kind)
        target = out / kind / Path(chain).name
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / FRAMES, target / f"{folder.name}.dcd")
    return len(segments)


def write_topology(model: Model, out: Path, name: str) -> Path:
    """Write a model as `out`/`name`.pdb, or as mmCIF (.cif) where it is above the limits of PDB."""
    try:
        check_export(model.n_atoms, model.box, "pdb")
    except ValueError:
        path = out / f"{name}.cif"
        export_model(model, path, "mmcif")
        return path
    path = out / f"{name}.pdb"
    export_model(model, path, "pdb")
    return path


def model_of_atoms(model: Model, atoms: np.ndarray) -> Model:
    """The part of a model that frames hold.

    Args:
        model: The whole model.
        atoms: Sorted indices (n,) of whole residues.

    Returns:
        A model of n atoms in that order.
    """
    new = np.full(model.n_atoms, -1)
    new[atoms] = np.arange(len(atoms))
    bonds = new[model.bonds]
    return replace(
        model,
        elements=tuple(model.elements[i] for i in atoms),
        names=tuple(model.names[i] for i in atoms),
        residues=tuple(
            Residue(
                residue.name, int(new[residue.start]), int(new[residue.start]) + size_of(residue)
            )
            for residue in model.residues
            if new[residue.start] >= 0
        ),
        bonds=bonds[(bonds >= 0).all(axis=1)],
        positions=model.positions[atoms],
        groups={name: new[index][new[index] >= 0] for name, index in model.groups.items()},
    )


def size_of(residue: Residue) -> int:
    """Number of atoms of a residue."""
    return residue.stop - residue.start
