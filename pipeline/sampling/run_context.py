"""What making a product of a run needs: its model, System and coordinate, a platform, a seed."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import openmm as mm

from halobind.forcefields.hamiltonian.alchemical_forces import AlchemicalForces
from halobind.forcefields.hamiltonian.binding_coordinate import Coordinate
from halobind.forcefields.packs.pack import load_pack
from halobind.pipeline.campaign.run_directory import Run, derived_seed, reading
from halobind.pipeline.campaign.settings import RunSpec, SamplingSection
from halobind.pipeline.sampling.md_leg import Leg, LegResult, MDEngine, MDState, run_leg
from halobind.pipeline.sampling.openmm_xml import read_state, read_system
from halobind.pipeline.sampling.platforms import MDPlatform
from halobind.structures.models.integrity import Integrity, check_integrity
from halobind.structures.models.model import Model, read_model

RECORD_PS = 0.1  # between two records of everything before the windows


@dataclass(frozen=True)
class RunContext:
    """The run whose product is made, and where."""

    run: Run
    """The run."""
    platform: MDPlatform
    """What computes."""
    progress: Callable[[float], None]
    """Called with the fraction done after every record; it may raise to abandon the product."""

    @property
    def model(self) -> Model:
        """The published model of the run. Raises DamagedError."""
        return built_model(self.run.path("build"))

    @property
    def engine(self) -> MDEngine:
        """The published System of the run, its coordinate and the platform. Raises DamagedError."""
        system = load_system(self.run.path("system"))
        return MDEngine(system, coordinate_of(self.run.spec, self.model), self.platform)

    def run_leg(self, start: MDState, leg: Leg, out: Path) -> LegResult:
        """Run one leg of the run's System.

        Args:
            start: Where it begins.
            leg: What it does.
            out: Where frames go.
        """
        return run_leg(self.engine, start, leg, out, self.progress)

    def alchemical_engine(self, radius_nm: float) -> MDEngine:
        """The same with a gate of that radius (nm) and charge scaling. Raises DamagedError."""
        run = self.run
        alchemy = AlchemicalForces.of(self.model, radius_nm)
        system = _alchemical_system(run.path("system"), run.path("build"), radius_nm, self.platform)
        return MDEngine(system, coordinate_of(run.spec, self.model), self.platform, alchemy)

    def run_alchemical_leg(
        self, radius_nm: float, start: MDState, leg: Leg, out: Path
    ) -> LegResult:
        """Run one leg of the run's System with gate and charge scaling."""
        return run_leg(self.alchemical_engine(radius_nm), start, leg, out, self.progress)


def unbiased_leg(run: Run, product: str) -> Leg:
    """A leg of one record without bias, at the temperature of a run.

    Args:
        run: The run.
        product: The name of a product, from which the seed is derived.
    """
    simulation = run.spec.simulation
    return Leg(
        seed=derived_seed(run.id, product),
        duration_ps=RECORD_PS,
        record_ps=RECORD_PS,
        timestep_fs=simulation.timestep_fs,
        friction_per_ps=simulation.friction_per_ps,
        temperature_K=(simulation.temperature_K, simulation.temperature_K),
        center_nm=(0.0, 0.0),
        k=0.0,
    )


def coordinate_of(spec: RunSpec, model: Model) -> Coordinate:
    """The binding coordinate of a run: a head for each face that carries a ligand.

    Args:
        spec: Settings of the run.
        model: Its model.
    """
    return Coordinate(
        model.groups["anchor"],
        model.site_points,
        model.site_normals,
        spec.coordinate.radius_nm,
        spec.coordinate.wall_kJ_mol_nm2,
    )


def frame_atoms(model: Model, sampling: SamplingSection) -> np.ndarray:
    """Indices (n,) of the atoms whose frames are written.

    Args:
        model: The model.
        sampling: Says which atoms.
    """
    if sampling.frames == "none":
        return np.zeros(0, dtype=int)
    if sampling.frames == "all":
        return np.arange(model.n_atoms)
    return np.concatenate(
        [model.groups[name] for name in ("core", "ligand", "coating", "counterion")]
    )


def final_state(run: Run, product: str) -> MDState:
    """The state in which a published piece of MD ended.

    Args:
        run: The run.
        product: Its name.

    Raises:
        DamagedError: It cannot be read.
    """
    with reading(run.path(product)):
        return read_state(run.path(product) / "state.xml")


@lru_cache(maxsize=2)
def built_model(folder: Path) -> Model:
    """The published model of a run. Raises DamagedError."""
    with reading(folder):
        return read_model(folder)


@lru_cache(maxsize=2)
def load_system(folder: Path) -> mm.System:
    """The published System of a run. Raises DamagedError."""
    with reading(folder):
        return read_system(folder / "system.xml")


@lru_cache(maxsize=2)
def _alchemical_system(
    system_folder: Path, build_folder: Path, radius_nm: float, platform: MDPlatform
) -> mm.System:
    """A copy of a published System, in the form of a platform, with gate and charge scaling."""
    system = copy.deepcopy(platform.form(load_system(system_folder)))
    AlchemicalForces.of(built_model(build_folder), radius_nm).add_to(system)
    return system


def crystal_integrity(run: Run, state: MDState) -> Integrity:
    """How far the crystal of a run is from as it was built.

    Args:
        run: The run.
        state: Where its atoms are.

    Raises:
        DamagedError: The model cannot be read.
    """
    pack = load_pack(run.spec.forcefield.pack)
    model = built_model(run.path("build"))
    return check_integrity(model, state.positions, state.box, pack.metals, pack.halides)
