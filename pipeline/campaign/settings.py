"""The sections of a campaign file: what a person may ask for, with its defaults and limits."""

import itertools
import math
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from halobind.forcefields.packs.pack import FORCEFIELDS
from halobind.pipeline.campaign.model_settings import (
    LigandRecord,
    ModelSection,
    Section,
    name_check,
)
from halobind.pipeline.free_energy.settings import EstimateSettings
from halobind.structures.molecules.catalogue import Ligand, catalogue_ligand

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Ps = Annotated[float, Field(ge=0.01, le=1e6, allow_inf_nan=False)]
Stiffness = Annotated[float, Field(ge=1, le=1e6, allow_inf_nan=False)]


class CampaignError(ValueError):
    """A campaign that cannot run: the message names the key, the value and what to do.

    Examples:
        >>> try:
        ...     halobind.open_campaign("nowhere")
        ... except halobind.CampaignError as error:
        ...     print(error)
        there is no nowhere/campaign.toml; write one with: halobind new nowhere
    """


class ForceFieldSection(Section):
    """The Hamiltonian."""

    pack: str = "bond-increment"
    """Name of the force-field pack."""
    cutoff_nm: float = Field(default=1.0, ge=0.6, le=2.0)
    """Where the pair forces of real space end (nm)."""
    restraint_kJ_mol_nm2: Stiffness = 1000.0
    """Stiffness with which the middle layer of the crystal is held (kJ/mol/nm^2)."""

    _pack = field_validator("pack")(name_check(FORCEFIELDS))


class SimulationSection(Section):
    """The integrator and the state point."""

    temperature_K: float = Field(default=300.0, ge=50, le=1000)
    """Temperature of the thermostat (K)."""
    pressure_bar: float = Field(default=1.0, ge=0.001, le=10000)
    """Pressure along the normal while the box is equilibrated (bar)."""
    timestep_fs: float = Field(default=4.0, ge=0.1, le=5)
    """Step of the integrator (fs)."""
    friction_per_ps: float = Field(default=1.0, ge=0.01, le=100)
    """Friction of the Langevin thermostat (1/ps)."""


class EquilibrateSection(Section):
    """Warm-up at constant volume, then constant pressure along the normal, then constant volume."""

    warm_ps: Ps = 20.0
    """Length of the warm-up (ps)."""
    npt_ps: Ps = 400.0
    """Length at constant pressure (ps)."""
    nvt_ps: Ps = 100.0
    """Length at constant volume after it (ps)."""
    piece_ps: Ps = 50.0
    """Length of the pieces that the last two are cut into, each published (ps)."""


class CoordinateSection(Section):
    """The walls about the binding coordinate, and whether the ligand leaves alone.

    A cuboid turns as a whole, so its ions are free.
    """

    radius_nm: float = Field(default=0.55, gt=0.1, le=2.0)
    """Radius of the flat-bottom cylinder about the site axis that the anchor stays in (nm)."""
    wall_kJ_mol_nm2: Stiffness = 5000.0
    """Stiffness of the cylinder and of the wall that holds the ion pair (kJ/mol/nm^2)."""
    leaving: Literal["cation", "ion_pair"] = "cation"
    """Whether the ligand leaves alone or with the ion of the other sign next to its site."""
    pair_nm: float = Field(default=0.5, ge=0.3, le=1.0)
    """The ion that leaves with the head is held within this distance of it (nm)."""
    intact_nm: float = Field(default=0.15, ge=0, le=0.25)
    """No other ion of a slab may go farther from its place than this (nm); 0 for no limit."""

    @field_validator("intact_nm")
    @classmethod
    def _intact(cls, value: float) -> float:
        if 0 < value < 0.1:
            raise ValueError("thermal motion goes that far: give 0.1 to 0.25, or 0 for no walls")
        return value


class PullSection(Section):
    """The path along which the anchor is drawn over its site plane, one published state a step.

    In every second replica (1, 3, ...) the anchor then goes back to `from_nm` in as many steps.
    """

    from_nm: float = Field(default=-0.05, ge=-0.5, le=1.0)
    """Height of the first state (nm)."""
    to_nm: float = Field(default=1.2, gt=0, le=10)
    """Height of the last state (nm)."""
    step_nm: float = Field(default=0.05, gt=0.005, le=0.2)
    """Distance between neighbouring states (nm)."""
    step_ps: Ps = 20.0
    """Length of one step (ps)."""
    k_kJ_mol_nm2: float = Field(default=3000.0, ge=100, le=100000)
    """Stiffness of the umbrella that pulls (kJ/mol/nm^2)."""

    @model_validator(mode="after")
    def _order(self) -> "PullSection":
        if self.to_nm < self.from_nm + 2 * self.step_nm:
            raise ValueError(
                f"to_nm = {self.to_nm} must be at least two steps above from_nm = {self.from_nm}"
            )
        return self


class RunSpec(Section):
    """Everything that decides the physics of one run: its identity.

    Amounts of sampling are not here: a run that is sampled for longer stays the same run.
    """

    model: ModelSection
    ligands: dict[str, LigandRecord] = Field(default_factory=dict)
    """The ligands of the user that the model names."""
    forcefield: ForceFieldSection = ForceFieldSection()
    simulation: SimulationSection = SimulationSection()
    equilibrate: EquilibrateSection = EquilibrateSection()
    coordinate: CoordinateSection = CoordinateSection()
    pull: PullSection = PullSection()
    replica: int = Field(default=0, ge=0, lt=1000)
    """Number of the replica, from 0."""

    @property
    def sampled_ligand(self) -> Ligand:
        """The row of the ligand that is sampled: of the user, of the catalogue, or an ion.

        Raises:
            ValueError: When none is sampled.
        """
        name = self.model.ligand
        if name is None:
            raise ValueError("the model has no ligand that is sampled")
        return self.ligands[name].ligand if name in self.ligands else catalogue_ligand(name)

    @property
    def wall_nm(self) -> float:
        """Distance (nm) of the walls about the ions from their places; infinite without walls."""
        has_walls = self.model.shape == "slab" and self.coordinate.intact_nm > 0
        return self.coordinate.intact_nm if has_walls else math.inf


class WindowsSection(Section):
    """Umbrella windows: centres from the first to the last pulled height."""

    spacing_nm: float = Field(default=0.05, gt=0.005, le=0.5)
    """Distance between neighbouring centres (nm)."""
    k_kJ_mol_nm2: float = Field(default=3000.0, ge=100, le=100000)
    """Stiffness of the umbrellas (kJ/mol/nm^2)."""


class MetadynamicsSection(Section):
    """Well-tempered metadynamics by independent walkers, each with a bias of its own.

    For `method = "metadynamics"`.
    """

    walkers: int = Field(default=4, ge=1, le=1000)
    """Number of walkers."""
    bias_factor: float = Field(default=20.0, ge=1.5, le=1000)
    """(T + dT)/T of the well-tempered bias."""
    height_kJ_mol: float = Field(default=1.0, ge=0.001, le=20)
    """Height of the first hill (kJ/mol)."""
    width_nm: float = Field(default=0.03, ge=0.005, le=0.2)
    """Standard deviation of a hill (nm)."""
    deposit_ps: Ps = 1.0
    """Time between two hills (ps)."""
    wall_kJ_mol_nm2: float = Field(default=5000.0, ge=500, le=1e6)
    """Stiffness of the walls at both ends of the path (kJ/mol/nm^2)."""


class AlchemicalSection(Section):
    """The path on which the ligand leaves with scaled charges while the pocket is shut to solvent.

    For `method = "alchemical"`. Charges and pocket are put right at both ends, where that is fast.
    """

    charge_scales: tuple[float, ...] = (1.0, 0.8, 0.62, 0.45, 0.3)
    """Factors on the ligand's charges at both ends, from 1 down to that along the path."""
    gates_kJ_mol: tuple[float, ...] = (0.0, 4.0, 8.0, 13.0, 20.0, 32.0, 55.0, 100.0)
    """Strengths of the gate that keeps solvent out of the pocket, from open to shut (kJ/mol)."""
    gate_radius_nm: float = Field(default=0.40, ge=0.2, le=0.8)
    """Radius of the gate about the site (nm)."""
    well_nm: float = Field(default=0.05, ge=-0.5, le=1.0)
    """Where the umbrella of the bound states stands (nm)."""
    end_k_kJ_mol_nm2: float = Field(default=500.0, ge=50, le=10000)
    """Stiffness of the umbrella of the states at both ends (kJ/mol/nm^2)."""
    spacing_nm: float = Field(default=0.05, gt=0.005, le=0.2)
    """Distance between neighbouring centres of the path between them (nm)."""
    k_kJ_mol_nm2: float = Field(default=3000.0, ge=100, le=100000)
    """Stiffness of the umbrellas of that path (kJ/mol/nm^2)."""
    step_ps: Ps = 10.0
    """Time in which a start state is moved from one state of the path to the next (ps)."""

    @field_validator("charge_scales", "gates_kJ_mol", mode="before")
    @classmethod
    def _numbers(cls, value: object) -> object:
        if not isinstance(value, list | tuple):
            raise ValueError("give a list of numbers")
        if not all(isinstance(x, int | float) and not isinstance(x, bool) for x in value):
            raise ValueError("give a list of numbers")
        return tuple(float(x) for x in value)

    @field_validator("charge_scales")
    @classmethod
    def _scales(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        falling = all(a > b for a, b in itertools.pairwise(value))
        if len(value) < 2 or value[0] != 1 or not falling or not 0 <= value[-1] < 1:
            raise ValueError("give at least two numbers that fall from 1.0 to no less than 0")
        return value

    @field_validator("gates_kJ_mol")
    @classmethod
    def _gates(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        rising = all(a < b for a, b in itertools.pairwise(value))
        if len(value) < 2 or value[0] != 0 or not rising or not value[-1] <= 1000:
            raise ValueError("give at least two numbers that rise from 0.0 to at most 1000")
        return value


class SamplingSection(Section):
    """How much is sampled, by which method, and what is written.

    More segments continue the same run.
    """

    method: Literal["umbrella", "metadynamics", "alchemical"] = "umbrella"
    """How the heights are sampled."""
    replicas: int = Field(default=1, ge=1, le=100)
    """Independent runs of every combination of settings."""
    segments: int = Field(default=20, ge=1, le=10000)
    """Segments of every window or walker."""
    segment_ps: Ps = 100.0
    """Length of a segment (ps)."""
    record_ps: float = Field(default=0.2, gt=0, le=10)
    """Time between two records of the coordinate (ps)."""
    frame_ps: Ps = 20.0
    """Time between two frames (ps)."""
    frames: Literal["solute", "all", "none"] = "solute"
    """Which atoms the frames hold."""
    max_rounds: int = Field(default=4, ge=0, le=100)
    """How often windows are added, or the path lengthened, where the samples ask for it."""
    exchange_group: int = Field(default=0, ge=0, le=1000)
    """Number of neighbouring windows, or alchemical states, that swap; 0 for no exchange.

    For `method = "alchemical"` a number above that of its states stands for all of them.
    """
    target_kJ_mol: Positive | None = None
    """Sampling goes on until the error of dG0 of each ligand is at most this (kJ/mol)."""
    budget_ns: Positive | None = None
    """The most that is spent on the target for each ligand (ns).

    By default as much again as the campaign asks for.
    """

    @field_validator("exchange_group")
    @classmethod
    def _group(cls, value: int) -> int:
        if value == 1:
            raise ValueError(
                "one window has nobody to exchange with: give 0 for no exchange, or at least 2"
            )
        return value

    @model_validator(mode="after")
    def _budget(self) -> "SamplingSection":
        if self.budget_ns is not None:
            self.check_budget(target_kJ_mol=self.target_kJ_mol, budget_ns=self.budget_ns)
        return self

    def check_budget(self, target_kJ_mol: float | None, budget_ns: float) -> None:
        """Raise ValueError for a budget without a target or below one segment."""
        if target_kJ_mol is None:
            raise ValueError(
                f"budget_ns = {budget_ns:g} has no target to reach: give target_kJ_mol too"
            )
        if budget_ns * 1000 < self.segment_ps * (1 - 1e-9):
            raise ValueError(
                f"budget_ns = {budget_ns:g} is less than one segment ({self.segment_ps / 1000:g}"
                " ns): raise it"
            )


class ResourcesSection(Section):
    """Where the campaign runs."""

    platform: Literal["auto", "CUDA", "HIP", "OpenCL", "CPU", "Reference"] = "auto"
    """The platform of OpenMM; "auto" takes the fastest that works."""
    processes: int = Field(default=0, ge=0, le=1024)
    """Processes side by side; 0 for one a core on CPU."""
    processes_per_gpu: int = Field(default=0, ge=0, le=48)
    """Processes that share a GPU; 0 for four where NVIDIA's MPS is, else one."""
    threads: int = Field(default=1, ge=1, le=1024)
    """Threads of each process on CPU."""


class Campaign(Section):
    """A campaign file with every grid axis expanded."""

    specs: tuple[RunSpec, ...]
    """Its runs; the other sections hold for all of them."""
    windows: WindowsSection
    metadynamics: MetadynamicsSection
    alchemical: AlchemicalSection
    sampling: SamplingSection
    estimate: EstimateSettings
    resources: ResourcesSection


RUN_SECTIONS = tuple(name for name in RunSpec.model_fields if name not in ("replica", "ligands"))
"""Sections that decide the physics of a run; their values may be lists, the axes of a grid."""
SHARED_SECTIONS = tuple(name for name in Campaign.model_fields if name != "specs")
"""Sections that hold for all runs of a campaign."""
