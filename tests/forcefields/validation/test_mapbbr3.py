"""MAPbBr3 with a bound ligand in a solvent at 4 fs: it stays whole and at temperature, MA turns on
its sites, the lattice is right.
"""

import numpy as np
import openmm as mm
import pytest
from openmm import unit

from halobind.forcefields.hamiltonian.cpu_pair_forces import write_out_tables
from halobind.forcefields.hamiltonian.dispersion_tail import tail_pressure_bar
from halobind.forcefields.hamiltonian.system import SystemSettings, make_system
from halobind.forcefields.packs.pack import load_pack
from halobind.forcefields.validation.dynamics import TIMESTEP_PS, Sampling, sample
from halobind.forcefields.validation.lattice_constant import LatticeRun, lattice_constant
from halobind.forcefields.validation.surfaces import anchor_height
from halobind.structures.assembly.build import ModelSpec, build_model
from halobind.structures.crystals.crystal import CrystalSpec
from halobind.structures.models.integrity import check_integrity, displacements
from halobind.structures.models.model import Model
from halobind.structures.molecules.periodic import minimum_image

PACK = load_pack("bond-increment")
CUTOFF_NM, KELVIN = 1.0, 300.0
EXPERIMENT_NM = 0.593  # cubic MAPbBr3 at room temperature
HOW = Sampling(
    KELVIN, 20.0, 40.0, 200, "z", pressure_bar=1.0 - tail_pressure_bar({"acetone": 1.0}, CUTOFF_NM)
)


def axes_of(model: Model) -> tuple[list[int], list[int]]:
    """The C and the N of every methylammonium of the crystal."""
    molecules = [
        residue
        for residue in model.residues
        if residue.name == "MA" and residue.start in model.groups["core"]
    ]
    atoms = [
        {model.elements[i]: i for i in range(r.start, r.stop) if model.elements[i] in "CN"}
        for r in molecules
    ]
    return [each["C"] for each in atoms], [each["N"] for each in atoms]


def autocorrelation(axes: np.ndarray) -> np.ndarray:
    """C(t) = <u(0).u(t)> over molecules and time origins for unit vectors (n_frames, n_molecules,
    3).
    """
    return np.array(
        [
            np.mean(np.sum(axes[: len(axes) - lag] * axes[lag:], axis=2))
            for lag in range(3 * len(axes) // 4)
        ]
    )


@pytest.mark.slow
def test_mapbbr3_with_a_ligand_in_acetone_is_stable_at_4_fs() -> None:
    crystal = CrystalSpec("MAPbBr3", "slab", (4, 4, 2), "AX", PACK.lattice_nm["MAPbBr3"])
    model, _ = build_model(ModelSpec(crystal, "DA", "face", (("acetone", 1.0),), 3.4))
    system = make_system(model, PACK, SystemSettings(CUTOFF_NM, 1000.0))
    contexts = []

    def engine(made: mm.System, motion: mm.Integrator) -> mm.Context:
        contexts.append(
            mm.Context(
                write_out_tables(made),
                motion,
                mm.Platform.getPlatformByName("CPU"),
                {"Threads": "1"},
            )
        )
        return contexts[-1]

    freedom = 3 * system.getNumParticles() - system.getNumConstraints()
    carbons, nitrogens = axes_of(model)
    kelvin, axes, shifts, heights, checks = [], [], [], [], []
    for frame in sample(system, model.positions, model.box, HOW, engine):
        kinetic = contexts[0].getState(getEnergy=True).getKineticEnergy()
        kelvin.append(
            (2 * kinetic / (freedom * unit.MOLAR_GAS_CONSTANT_R)).value_in_unit(unit.kelvin)
        )
        axis = minimum_image(frame.positions[nitrogens] - frame.positions[carbons], frame.box)
        axes.append(axis / np.linalg.norm(axis, axis=1, keepdims=True))
        shifts.append(displacements(model, frame.positions, frame.box)[1])
        heights.append(anchor_height(model, frame, PACK))
        checks.append(check_integrity(model, frame.positions, frame.box, PACK.metals, PACK.halides))
    axes, apart_ps = np.array(axes), HOW.measure_ps / HOW.frames
    inner = np.abs(model.positions[carbons, 2]) < PACK.lattice_nm["MAPbBr3"] / 2
    assert len(carbons) == 47 and inner.sum() == 16  # one left for the ligand
    decay = {"inner": autocorrelation(axes[:, inner]), "outer": autocorrelation(axes[:, ~inner])}
    at = {
        where: {t: round(float(c[round(t / apart_ps)]), 3) for t in (0.2, 1, 2, 5, 10, 20)}
        for where, c in decay.items()
    }
    broken, mean_shift = (
        np.array([check.broken for check in checks]),
        np.linalg.norm(np.mean(shifts, axis=0), axis=1).max(),
    )
    print(
        f"{model.n_atoms} atoms, {TIMESTEP_PS} ps: {np.mean(kelvin):.2f} +- {np.std(kelvin):.2f} K;"
        f" <u(0).u(t)> {at}"
    )
    print(
        f"largest mean displacement {mean_shift:.3f} nm, N at {np.mean(heights):.3f} +-"
        f" {np.std(heights):.3f} nm"
    )
    print(f"metals short of a halide: {broken.mean():.3f} on average, {broken.max()} at most")
    assert np.mean(kelvin) == pytest.approx(KELVIN, rel=0.015)
    assert (
        max(check.displaced for check in checks) == 0 and mean_shift < 0.15
    )  # ions and MA stay on their sites
    metals = model.elements.count("Pb")
    assert (
        broken.max() <= 2 and broken.mean() < 0.01 * metals
    )  # a metal may stretch a bond to 0.4 nm for a moment
    assert abs(np.mean(heights)) < 0.1 and np.max(heights) < 0.2  # the head stays in its pocket
    assert (
        at["inner"][0.2] > 0.7 and at["inner"][10] < 0.3
    )  # librations first, then MA turns; at the faces it points one way


@pytest.mark.slow
def test_lattice_of_mapbbr3() -> None:
    a, error = lattice_constant(PACK, "MAPbBr3", KELVIN, LatticeRun(measure_ps=20.0))
    print(f"a = {a:.4f} +- {error:.4f} nm")
    assert a == pytest.approx(EXPERIMENT_NM, rel=0.01) and error < 0.001
