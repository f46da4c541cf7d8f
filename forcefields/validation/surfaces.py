"""Slabs and clusters in a solvent: do the ions stay, and how does an ammonium head sit in its A
site?
"""

from dataclasses import dataclass, replace

import numpy as np

from halobind.forcefields.hamiltonian.dispersion_tail import tail_pressure_bar
from halobind.forcefields.hamiltonian.system import SystemSettings, make_system
from halobind.forcefields.packs.pack import Pack
from halobind.forcefields.validation.check_rows import (
    Engine,
    Result,
    Row,
    block_mean,
    judged,
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
RESTRAINT_K = (
    1000.0  # kJ/mol/nm2 on each ion of the middle layer (of the central octahedron of a cluster)
)
WIDER = HydrogenBondCriterion(0.30)  # told beside it


@dataclass(frozen=True)
class Setup:
    """A crystal in a solvent: perovskite, shape, termination, cells, solvent, gap between opposite
    faces in nm.
    """

    perovskite: str
    shape: str
    termination: str
    cells: tuple[int, int, int]
    solvent: str
    gap_nm: float

    @property
    def label(self) -> str:
        size = "x".join(str(n) for n in self.cells)
        what = f"{self.termination} slab" if self.shape == "slab" else "cube"
        return f"{self.perovskite} {what} {size}, {self.solvent}"

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


def _run(
    setup: Setup, pack: Pack, ligand: str | None, how: Sampling, engine: Engine
) -> tuple[Model, list[Frame]]:
    model, _ = build_model(setup.spec(pack, ligand))
    system = make_system(model, pack, SystemSettings(CUTOFF_NM, RESTRAINT_K))
    how = replace(
        how, pressure_bar=how.pressure_bar - tail_pressure_bar({setup.solvent: 1.0}, CUTOFF_NM)
    )
    return model, list(sample(system, model.positions, model.box, how, engine))


def integrity_check(setup: Setup, how: Sampling, pack: Pack, engine: Engine) -> Result:
    """The ion that is farthest from its site, and the metal that lost most halides, both averaged
    over the frames.
    """
    model, frames = _run(setup, pack, None, how, engine)
    shifts = np.array([displacements(model, frame.positions, frame.box)[1] for frame in frames])
    counts = np.array(
        [
            coordination(model, frame.positions, frame.box, pack.metals, pack.halides)
            for frame in frames
        ]
    )
    built = coordination(model, model.positions, model.box, pack.metals, pack.halides)
    far, where = worst(shifts), ("integrity", setup.label)
    lost = block_mean((built - counts)[:, int((built - counts.mean(axis=0)).argmax())])
    halides = f"a metal has {counts.mean():.2f} halides, built {built.mean():.2f}"
    note = f"{how.settle_ps + how.measure_ps:g} ps at {how.temperature_K:g} K; {halides}"
    quantities = ("largest mean displacement", "halides lost by one metal")
    rows = [
        judged((*where, q), v, target_of(q, setup.label), note)
        for q, v in zip(quantities, (far, lost), strict=True)
    ]
    return Result(tuple(rows))


def worst(shifts: np.ndarray) -> tuple[float, float]:
    """Length (nm) of the largest mean of displacements (n_frames, n_ions, 3) in nm, and the block
    error of its part along itself.
    """
    mean = shifts.mean(axis=0)
    length = np.linalg.norm(mean, axis=1)
    which = int(length.argmax())
    direction = mean[which] / max(length[which], 1e-12)
    return float(length[which]), block_mean(shifts[:, which] @ direction)[1]


def heads_check(
    setup: Setup, ligands: tuple[str, ...], how: Sampling, pack: Pack, engine: Engine
) -> Result:
    """A primary and, where the pack takes one, a quaternary ammonium, each alone in its A site:
    hydrogen bonds, heights of N over Br.
    """
    rows: list[Row] = []
    heights = []
    for kind, ligand in zip(("primary", "quaternary"), ligands, strict=False):
        model, frames = _run(setup, pack, ligand, how, engine)
        bonds = block_mean([hydrogen_bonds(model, frame, pack) for frame in frames])
        height = block_mean([anchor_height(model, frame, pack) for frame in frames])
        heights.append(height)
        where, note = (
            ("heads", f"{ligand} on {setup.label}"),
            f"{how.settle_ps + how.measure_ps:g} ps at {how.temperature_K:g} K",
        )
        if kind == "primary":
            wider = np.mean([hydrogen_bonds(model, frame, pack, WIDER) for frame in frames])
            about = f"{note}; H to Br below {DISTANCE.max_nm:g} nm (below {WIDER.max_nm:g} nm: {wider:.2f})"
            rows.append(
                judged((*where, "N-H...Br bonds"), bonds, target_of("N-H...Br bonds", kind), about)
            )
        rows.append(judged((*where, "N height"), height, target_of("N height", kind), note))
    if len(heights) < 2:  # the pack takes no quaternary heads
        return Result(tuple(rows))
    gap = (heights[1][0] - heights[0][0], float(np.hypot(heights[0][1], heights[1][1])))
    where = ("heads", f"{ligands[1]} and {ligands[0]} on {setup.label}", "N height over primary")
    return Result((*rows, judged(where, gap, target_of("N height over primary", "quaternary"))))


def hydrogen_bonds(
    model: Model, frame: Frame, pack: Pack, criterion: HydrogenBondCriterion = DISTANCE
) -> int:
    """How many hydrogens on the anchor are bonded to a halide of the crystal."""
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
    """Height (nm) of the anchor over the mean plane of the halides of its face, as they are in the
    frame.
    """
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
