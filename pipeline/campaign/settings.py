"""The campaign file: what a person types, checked key by key, and the runs it asks for."""

import difflib
import itertools
import math
import shlex
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from halobind.forcefields.packs.pack import FORCEFIELDS
from halobind.pipeline.campaign.model_settings import (
    LigandSection,
    ModelSection,
    OwnLigand,
    Section,
    own_ligand,
    row_of,
    unknown_ligand,
)
from halobind.pipeline.free_energy.samples import EstimateSettings
from halobind.structures.crystals.coating import all_ligands
from halobind.structures.molecules.catalogue import Ligand
from halobind.structures.molecules.user_ligands import check_ligand

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Ps = Annotated[float, Field(ge=0.01, le=1e6, allow_inf_nan=False)]
Stiffness = Annotated[float, Field(ge=1, le=1e6, allow_inf_nan=False)]


class CampaignError(ValueError):
    """A campaign that cannot run: the message names the key, the value and what to do."""


class ForceFieldSection(Section):
    """The Hamiltonian: which pack, where it is cut, how the middle layer is held."""

    pack: str = "bond-increment"
    cutoff_nm: float = Field(default=1.0, ge=0.6, le=2.0)
    restraint_kJ_mol_nm2: Stiffness = 1000.0

    _pack = field_validator("pack")(row_of(FORCEFIELDS))


class SimulationSection(Section):
    """The integrator and the state point."""

    temperature_K: float = Field(default=300.0, ge=50, le=1000)
    pressure_bar: float = Field(default=1.0, ge=0.001, le=10000)
    timestep_fs: float = Field(default=4.0, ge=0.1, le=5)
    friction_per_ps: float = Field(default=1.0, ge=0.01, le=100)


class EquilibrateSection(Section):
    """Warm-up at constant volume, constant pressure along the normal, constant volume; cut into
    pieces of `piece_ps`.
    """

    warm_ps: Ps = 20.0
    npt_ps: Ps = 400.0
    nvt_ps: Ps = 100.0
    piece_ps: Ps = 50.0


class CoordinateSection(Section):
    """The lateral flat-bottom cylinder about the site axis; whether the ligand leaves alone
    ("cation") or with the ion of the other sign next to its site ("ion_pair"), which is held within
    `pair_nm` of the head; these two walls have the same stiffness. No other ion of a slab may go
    farther than `intact_nm` from its place (0: whoever wants to may). A cuboid turns as a whole, so
    its ions are free.
    """

    radius_nm: float = Field(default=0.55, gt=0.1, le=2.0)
    wall_kJ_mol_nm2: Stiffness = 5000.0
    leaving: Literal["cation", "ion_pair"] = "cation"
    pair_nm: float = Field(default=0.5, ge=0.3, le=1.0)
    intact_nm: float = Field(default=0.15, ge=0, le=0.25)

    @field_validator("intact_nm")
    @classmethod
    def _intact(cls, value: float) -> float:
        if 0 < value < 0.1:
            raise ValueError("thermal motion goes that far: give 0.1 to 0.25, or 0 for no walls")
        return value


class PullSection(Section):
    """The path: the anchor is drawn from `from_nm` to `to_nm` over its site plane, one published
    state a step; in every second replica (1, 3, ...) then back to `from_nm`, as many steps again.
    """

    from_nm: float = Field(default=-0.05, ge=-0.5, le=1.0)
    to_nm: float = Field(default=1.2, gt=0, le=10)
    step_nm: float = Field(default=0.05, gt=0.005, le=0.2)
    step_ps: Ps = 20.0
    k_kJ_mol_nm2: float = Field(default=3000.0, ge=100, le=100000)

    @model_validator(mode="after")
    def _order(self) -> "PullSection":
        if self.to_nm < self.from_nm + 2 * self.step_nm:
            raise ValueError(
                f"to_nm = {self.to_nm} must be at least two steps above from_nm = {self.from_nm}"
            )
        return self


class RunSpec(Section):
    """Everything that decides the physics of one run: its identity. Amounts of sampling are not
    here.
    """

    model: ModelSection
    ligands: dict[str, OwnLigand] = Field(default_factory=dict)
    forcefield: ForceFieldSection = ForceFieldSection()
    simulation: SimulationSection = SimulationSection()
    equilibrate: EquilibrateSection = EquilibrateSection()
    coordinate: CoordinateSection = CoordinateSection()
    pull: PullSection = PullSection()
    replica: int = Field(default=0, ge=0, lt=1000)

    @property
    def wall_nm(self) -> float:
        """How far (nm) from their places the walls about the ions of the crystal are; infinite
        where there are none.
        """
        return (
            self.coordinate.intact_nm
            if self.model.shape == "slab" and self.coordinate.intact_nm
            else math.inf
        )


class WindowsSection(Section):
    """Umbrella windows: centres from the first to the last pulled height, `spacing_nm` apart."""

    spacing_nm: float = Field(default=0.05, gt=0.005, le=0.5)
    k_kJ_mol_nm2: float = Field(default=3000.0, ge=100, le=100000)


class MetadynamicsSection(Section):
    """Well-tempered metadynamics, for `method = "metadynamics"`: independent walkers, each with a
    bias of its own.
    """

    walkers: int = Field(default=4, ge=1, le=1000)
    bias_factor: float = Field(default=20.0, ge=1.5, le=1000)
    height_kJ_mol: float = Field(default=1.0, ge=0.001, le=20)
    width_nm: float = Field(default=0.03, ge=0.005, le=0.2)
    deposit_ps: Ps = 1.0
    wall_kJ_mol_nm2: float = Field(default=5000.0, ge=500, le=1e6)


class SamplingSection(Section):
    """How much is sampled, by which method, and what is written. More segments continue the same
    run.

    `max_rounds` times windows are added or the path lengthened where the samples ask for it.
    `exchange_group` neighbouring windows swap their umbrellas (0: none do). Sampling goes on until
    the error of each ligand's dG0 is at most `target_kJ_mol`, or `budget_ns` for that ligand are
    spent on it (by default as much again as the campaign asks for).
    """

    method: Literal["umbrella", "metadynamics"] = "umbrella"
    replicas: int = Field(default=1, ge=1, le=100)
    segments: int = Field(default=20, ge=1, le=10000)
    segment_ps: Ps = 100.0
    record_ps: float = Field(default=0.2, gt=0, le=10)
    frame_ps: Ps = 20.0
    frames: Literal["solute", "all", "none"] = "solute"
    max_rounds: int = Field(default=4, ge=0, le=100)
    exchange_group: int = Field(default=0, ge=0, le=1000)
    target_kJ_mol: Positive | None = None
    budget_ns: Positive | None = None

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
            self.check_budget(self.target_kJ_mol, self.budget_ns)
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
    """Where it runs; `processes = 0` means one a core on CPU, `processes_per_gpu = 0` four where
    NVIDIA's MPS is, else one.
    """

    platform: Literal["auto", "CUDA", "HIP", "OpenCL", "CPU", "Reference"] = "auto"
    processes: int = Field(default=0, ge=0, le=1024)
    processes_per_gpu: int = Field(default=0, ge=0, le=48)
    threads: int = Field(default=1, ge=1, le=1024)


class Campaign(Section):
    """A campaign file with every grid axis expanded: `specs` are its runs, the other sections hold
    for all of them.
    """

    specs: tuple[RunSpec, ...]
    windows: WindowsSection
    metadynamics: MetadynamicsSection
    sampling: SamplingSection
    estimate: EstimateSettings
    resources: ResourcesSection


SHARED = {
    "windows": WindowsSection,
    "metadynamics": MetadynamicsSection,
    "sampling": SamplingSection,
    "estimate": EstimateSettings,
    "resources": ResourcesSection,
}
IDENTITY = tuple(name for name in RunSpec.model_fields if name not in ("replica", "ligands"))


def load_campaign(path: Path) -> Campaign:
    """Read and check a campaign file. Raises CampaignError with the key, the value and what to do;
    computes nothing.
    """
    return parse_campaign(_raw(path), str(path), path.parent)


def load_ligands(path: Path) -> dict[str, Ligand]:
    """The checked rows of every [ligands.NAME] of a campaign file, used or not; nothing else in it
    is looked at. Raises CampaignError.
    """
    sections = _raw(path).get("ligands", {})
    if not isinstance(sections, dict):
        raise CampaignError(
            f"{path}: ligands = {sections!r} must be a section, written [ligands.NAME]"
        )
    return _own_ligands(sections, str(path), path.parent)


def _raw(path: Path) -> dict:
    """The content of a TOML file, or a CampaignError that says what is wrong with it."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise CampaignError(
            f"there is no {path}; write one with: halobind new {shlex.quote(str(path.parent))}"
        ) from None
    except NotADirectoryError:
        raise CampaignError(
            f"{path.parent} is a file; name the directory that holds {path.name}"
        ) from None
    except UnicodeDecodeError as error:
        raise CampaignError(
            f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from None
    except (ValueError, RecursionError) as error:
        raise CampaignError(f"{path} is not TOML: {error}") from None
    except OSError as error:
        raise CampaignError(f"cannot read {path}: {error.strerror}") from None


def parse_campaign(raw: dict, where: str, folder: Path = Path()) -> Campaign:
    """Check the content of a campaign file and expand its grid. Raises CampaignError; `where` names
    the file in messages, files of ligands are looked up from `folder`.
    """
    known = (*IDENTITY, "ligands", *SHARED)
    for name, section in raw.items():
        if name not in known:
            raise CampaignError(
                f"{where}: unknown section or key [{name}]; the sections are {', '.join(known)}"
            )
        if not isinstance(section, dict):
            raise CampaignError(
                f"{where}: {name} = {section!r} must be a section, written [{name}]"
            )
    shared = {name: _checked(kind, raw.get(name, {}), where, name) for name, kind in SHARED.items()}
    own = _own_ligands(raw.get("ligands", {}), where, folder)
    specs = []
    for choice in _grid({name: raw[name] for name in IDENTITY if name in raw}, where):
        for replica in range(shared["sampling"].replicas):
            spec = _checked(RunSpec, {**choice, "replica": replica}, where, "")
            problem = unknown_ligand(spec.model, own)
            if problem:
                raise CampaignError(f"{where}: [model] {problem}")
            used = {
                name: own_ligand(row)
                for name, row in own.items()
                if name in spec.model.ligand_names
            }
            specs.append(spec.model_copy(update={"ligands": used}))
    return Campaign(specs=tuple(specs), **shared)


def _own_ligands(sections: dict, where: str, folder: Path) -> dict[str, Ligand]:
    """The checked rows of every [ligands.NAME]."""
    found = {}
    for name, values in sections.items():
        if not isinstance(values, dict):
            raise CampaignError(
                f"{where}: ligands.{name} = {values!r} must be a section, written [ligands.{name}]"
            )
        section = _checked(LigandSection, values, where, f"ligands.{name}")
        try:
            found[name] = section.row(name, folder)
            check_ligand(name, found[name])
            all_ligands({name: found[name]})
        except (ValueError, OSError) as error:
            raise CampaignError(f"{where}: [ligands.{name}]: {error}") from None
    return found


def _grid(sections: dict[str, dict], where: str) -> list[dict[str, dict]]:
    """One dict of sections for each combination of the list values."""
    axes = [
        (name, key, value)
        for name, section in sections.items()
        for key, value in section.items()
        if isinstance(value, list)
    ]
    for name, key, value in axes:
        if not value:
            raise CampaignError(
                f"{where}: [{name}] {key} = [] is an empty grid axis: give it at least one value"
            )
        if len(set(map(repr, value))) != len(value):
            raise CampaignError(
                f"{where}: [{name}] {key} = {value} names a value twice: remove one"
            )
    choices = []
    for values in itertools.product(*(value for _, _, value in axes)):
        choice = {name: dict(section) for name, section in sections.items()}
        for (name, key, _), value in zip(axes, values, strict=True):
            choice[name][key] = value
        choices.append(choice)
    return choices


def _checked(kind: type[BaseModel], values: dict, where: str, section: str) -> BaseModel:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise CampaignError(
            "\n".join(_explain(problem, where, section, kind) for problem in error.errors())
        ) from None


def _explain(problem: dict, where: str, section: str, kind: type[BaseModel]) -> str:
    """One line for one pydantic problem: file, [section] key = value: what is wrong."""
    path = [str(part) for part in ([section] if section else []) + list(problem["loc"])]
    name = f"[{path[0]}] {'.'.join(path[1:])}".strip()
    if problem["type"] == "extra_forbidden":
        owner = (
            kind.model_fields[path[0]].annotation
            if not section and path[0] in kind.model_fields
            else kind
        )
        near = difflib.get_close_matches(path[-1], owner.model_fields, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        return (
            f"{where}: {name} = {problem['input']!r} is not a known key; {hint}the keys of"
            f" [{path[0]}] are {', '.join(owner.model_fields)}"
        )
    if problem["type"] == "missing":
        return f"{where}: {name} is missing: add it"
    if problem["type"] == "string_pattern_mismatch":
        return f"{where}: {name} = {problem['input']!r}: {_cells_advice(str(problem['input']))}"
    message = problem["msg"].removeprefix("Value error, ")
    value = "" if isinstance(problem["input"], BaseModel | dict) else f" = {problem['input']!r}"
    return f"{where}: {name}{value}: {message[0].lower()}{message[1:]}"


def _cells_advice(text: str) -> str:
    parts = text.split("x")
    if len(parts) == 3 and parts[2].endswith(".5"):
        layers = round(2 * float(parts[2])) + 1
        return (
            f"{parts[2]} cells are {layers} layers, an even number, so the two faces would differ:"
            " write whole cells"
        )
    return "write cells along x, y and z, each at least 1, like '4x4x3'"
