"""Slabs and clusters in a solvent: whether ions stay, and how a head sits in its A site."""

from dataclasses import dataclass, replace

import numpy as np

from halobind.forcefields.hamiltonian.dispersion_tail import tail_pressure_bar
from halobind.forcefields.hamiltonian.system import SystemSettings, make_system
from halobind.forcefields.packs.pack import Pack
from halobind.forcefields.validation.check_rows import (
    CheckRow,
    Engine,
    Measurement,
    Result,
    RowName,
    block_mean,
    judge,
    target_of,
)
from halobind.forcefields.validation.dynamics import Frame, Sampling, sample
from halobind.structures.assembly.build import ModelSpec, build_model
from halobind.structures.crystals.crystal import CrystalSpec
from halobind.structures.models.hydrogen_bonds import (
    DISTANCE,
    HydrogenBondCriterion,
    bonds_of_hydrogen,
)
from halobind.structures.models.integrity import coordination, displacements
from halobind.structures.models.model import Model
from halobind.structures.molecules.periodic import minimum_image

CUTOFF_NM = 1.0
# kJ/mol/nm2 on each ion of the middle layer (of the central octahedron of a cluster)
RESTRAINT_K = 1000.0
WIDER = HydrogenBondCriterion(0.30)  # a second criterion, for the note


@dataclass(frozen=True)
class Setup:
    """A crystal in a solvent."""

    perovskite: str
    """The crystal."""
    shape: str
    """"slab" or "cuboid"."""
    termination: str
    """The face of a slab, "AX" or "BX2"."""
    cells: tuple[int, int, int]
    """Unit cells along x, y and z."""
    solvent: str
    """The solvent."""
    gap_nm: float
    """Distance in nm between opposite faces."""

    @property
    def label(self) -> str:
        """What it is, in the table."""
        size = "x".join(str(n) for n in self.cells)
        shape = f"{self.termination} slab" if self.shape == "slab" else "cube"
        return f"{self.perovskite} {shape} {size}, {self.solvent}"

    def spec(self, pack: Pack, ligand: str | None = None) -> ModelSpec:
        """The builder's settings, at the pack's own lattice constant."""
        crystal = CrystalSpec(
            self.perovskite,
            self.shape,
            self.cells,
            self.termination,
            pack.lattice_nm[self.perovskite],
        )
        return ModelSpec(crystal, ligand, "face", ((self.solvent, 1.0),), self.gap_nm)


def _sample_crystal(
    setup: Setup, ligand: str | None, sampling: Sampling, pack: Pack, engine: Engine
) -> tuple[Model, list[Frame]]:
    """A built crystal, with a ligand where one is named, and the frames of its run."""
    model, _ = build_model(setup.spec(pack, ligand))
    system = make_system(model, pack, SystemSettings(CUTOFF_NM, RESTRAINT_K))
    tail_bar = tail_pressure_bar({setup.solvent: 1.0}, CUTOFF_NM)
    sampling = replace(sampling, pressure_bar=sampling.pressure_bar - tail_bar)
    return model, list(sample(system, model.positions, model.box, sampling, engine))


def integrity_check(pack: Pack, engine: Engine, *, setup: Setup, sampling: Sampling) -> Result:
    """The ion that is farthest from its site, and the metal that lost most halides, on average.

    Args:
        pack: The force field.
        engine: Makes the context.
        setup: The crystal and its solvent.
        sampling: The run.
    """
    model, frames = _sample_crystal(setup, None, sampling, pack, engine)
    shifts = np.array([displacements(model, frame.positions, frame.box)[1] for frame in frames])
    counts = np.array(
        [
            coordination(model, frame.positions, frame.box, pack.metals, pack.halides)
            for frame in frames
        ]
    )
    built = coordination(model, model.positions, model.box, pack.metals, pack.halides)
    lost = (built - counts)[:, int((built - counts.mean(axis=0)).argmax())]
    note = (
        f"{sampling.settle_ps + sampling.measure_ps:g} ps at {sampling.temperature_K:g} K; a metal"
        f" has {counts.mean():.2f} halides, built {built.mean():.2f}"
    )
    measurements = {
        "largest mean displacement": largest_mean_displacement(shifts),
        "halides lost by one metal": block_mean(lost),
    }
    rows = [
        judge(
            RowName("integrity", setup.label, quantity),
            measurement,
            target_of(quantity, setup.label),
            note,
        )
        for quantity, measurement in measurements.items()
    ]
    return Result(tuple(rows))


def largest_mean_displacement(shifts: np.ndarray) -> Measurement:
    """Length in nm of the largest mean displacement of an ion.

    Args:
        shifts: Displacements (n_frames, n_ions, 3) in nm.

    Returns:
        The length, with the block error of the part of that ion's displacement along its mean.
    """
    mean = shifts.mean(axis=0)
    length = np.linalg.norm(mean, axis=1)
    which = int(length.argmax())
    direction = mean[which] / max(length[which], 1e-12)
    return Measurement(float(length[which]), block_mean(shifts[:, which] @ direction).error)


def heads_check(
    pack: Pack, engine: Engine, *, setup: Setup, ligands: tuple[str, ...], sampling: Sampling
) -> Result:
    """How ammonium heads sit in an A site: hydrogen bonds, and heights of N over Br.

    Args:
        pack: The force field.
        engine: Makes the contexts.
        setup: The crystal and its solvent.
        ligands: A primary ammonium and, where the pack takes one, a quaternary; each is alone.
        sampling: The run of each.
    """
    rows: list[CheckRow] = []
    heights = []
    for kind, ligand in zip(("primary", "quaternary"), ligands, strict=False):
        model, frames = _sample_crystal(setup, ligand, sampling, pack, engine)
        bonds = block_mean([hydrogen_bonds(model, frame, pack) for frame in frames])
        height = block_mean([anchor_height(model, frame, pack) for frame in frames])
        heights.append(height)
        system = f"{ligand} on {setup.label}"
        note = f"{sampling.settle_ps + sampling.measure_ps:g} ps at {sampling.temperature_K:g} K"
        if kind == "primary":
            wider = np.mean([hydrogen_bonds(model, frame, pack, WIDER) for frame in frames])
            bonds_note = (
                f"{note}; H to Br below {DISTANCE.max_nm:g} nm (below {WIDER.max_nm:g} nm:"
                f" {wider:.2f})"
            )
            quantity = "N-H...Br bonds"
            name = RowName("heads", system, quantity)
            rows.append(judge(name, bonds, target_of(quantity, kind), bonds_note))
        name = RowName("heads", system, "N height")
        rows.append(judge(name, height, target_of("N height", kind), note))
    if len(heights) < 2:  # the pack takes no quaternary heads
        return Result(tuple(rows))
    primary, quaternary = heights
    gap = Measurement(
        quaternary.value - primary.value, float(np.hypot(primary.error, quaternary.error))
    )
    quantity = "N height over primary"
    name = RowName("heads", f"{ligands[1]} and {ligands[0]} on {setup.label}", quantity)
    return Result((*rows, judge(name, gap, target_of(quantity, "quaternary"))))


def hydrogen_bonds(
    model: Model, frame: Frame, pack: Pack, criterion: HydrogenBondCriterion = DISTANCE
) -> int:
    """Number of hydrogens on the anchor that are bonded to a halide of the crystal."""
    anchor = int(model.groups["anchor"][0])
    neighbours = [int(j if i == anchor else i) for i, j in model.bonds if anchor in (i, j)]
    halides = [int(i) for i in model.groups["core"] if model.elements[i] in pack.halides]
    count = 0
    for hydrogen in neighbours:
        if model.elements[hydrogen] == "H":
            bonded, _ = bonds_of_hydrogen(
                frame.positions[[hydrogen]],
                donor=frame.positions[[anchor]],
                halides=frame.positions[halides][None],
                box=frame.box,
                criterion=criterion,
            )
            count += int(bonded.any())
    return count


def anchor_height(model: Model, frame: Frame, pack: Pack) -> float:
    """Height in nm of the anchor over the mean plane of the halides of its face, in a frame."""
    side = np.sign(model.site_point[2])
    plane = [
        int(i)
        for i in model.groups["surface"]
        if model.elements[i] in pack.halides and np.sign(model.positions[i, 2]) == side
    ]
    delta = minimum_image(
        frame.positions[int(model.groups["anchor"][0])] - frame.positions[plane], frame.box
    )
    return float(side * delta[:, 2].mean())
