"""Reading a campaign file: every key checked, every grid axis expanded, every error explained."""

import difflib
import itertools
import math
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from halobind.pipeline.campaign.model_settings import (
    LigandSection,
    ligand_record,
    unknown_ligand,
)
from halobind.pipeline.campaign.settings import (
    RUN_SECTIONS,
    SHARED_SECTIONS,
    AlchemicalSection,
    Campaign,
    CampaignError,
    MetadynamicsSection,
    ResourcesSection,
    RunSpec,
    SamplingSection,
    WindowsSection,
)
from halobind.pipeline.free_energy.settings import EstimateSettings
from halobind.structures.crystals.coating import all_ligands
from halobind.structures.molecules.catalogue import Ligand
from halobind.structures.molecules.limits import check_size, shown
from halobind.structures.molecules.user_ligands import check_ligand

Model = TypeVar("Model", bound=BaseModel)
MAX_FILE_BYTES = 1_000_000
MAX_INTEGER_BITS = 256
MAX_RUNS = 2000


@dataclass(frozen=True)
class GridAxis:
    """A key of a campaign file that has a list of values."""

    section: str
    key: str
    values: list[object]


def load_campaign(path: Path) -> Campaign:
    """Read and check a campaign file; nothing is computed.

    Raises:
        CampaignError: names the key, the value and what to do.
    """
    return parse_campaign(read_toml(path), str(path), path.parent)


def load_ligands(path: Path) -> dict[str, Ligand]:
    """Every ligand [ligands.NAME] of a campaign file, used or not; only these sections are checked.

    Raises:
        CampaignError: names the key, the value and what to do.
    """
    sections = read_toml(path).get("ligands", {})
    if not isinstance(sections, dict):
        raise CampaignError(
            f"{path}: ligands = {shown(sections)} must be a section, written [ligands.NAME]"
        )
    return _user_ligands(sections, str(path), path.parent)


def read_toml(path: Path) -> dict[str, object]:
    """The content of a TOML file, or a CampaignError that says what is wrong with it."""
    try:
        if path.is_fifo() or path.is_socket():
            raise CampaignError(f"{path} is not a file: put the sections into a file of that name")
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
        if len(text) > MAX_FILE_BYTES:
            raise CampaignError(
                f"{path} has more than {MAX_FILE_BYTES:,} bytes: it is not a campaign file"
            )
        lines = text.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
        content = tomllib.loads(lines)
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
    except CampaignError:
        raise
    except (ValueError, RecursionError) as error:
        raise CampaignError(f"{path} is not TOML: {error}") from None
    except OSError as error:
        raise CampaignError(f"cannot read {path}: {error.strerror}") from None
    check_integers(content, str(path), ())
    return content


def check_integers(value: object, file_name: str, keys: tuple[str, ...]) -> None:
    """Refuse whole numbers that no setting takes and that cannot even be printed.

    Args:
        value: A value of the campaign file, or a table or list of them.
        file_name: What messages call the file.
        keys: Where the value stands, from the outermost table.

    Raises:
        CampaignError: names the key.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            check_integers(item, file_name, (*keys, key))
    elif isinstance(value, list):
        for item in value:
            check_integers(item, file_name, keys)
    elif isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS:
        section = f"[{keys[0]}] " if len(keys) > 1 else ""
        raise CampaignError(
            f"{file_name}: {section}{'.'.join(keys[1:] or keys)} is a whole number of"
            f" {value.bit_length()} bits: no setting is that large"
        )


def parse_campaign(
    content: Mapping[str, object], file_name: str, folder: Path = Path()
) -> Campaign:
    """Check the content of a campaign file and expand its grid.

    Args:
        content: the sections by name.
        file_name: what messages call the file.
        folder: where the files of ligands are looked up.

    Raises:
        CampaignError: names the key, the value and what to do.
    """
    sections = _check_sections(content, file_name)

    def shared(kind: type[Model], name: str) -> Model:
        return _checked(kind, sections.get(name, {}), file_name, name)

    windows = shared(WindowsSection, "windows")
    metadynamics = shared(MetadynamicsSection, "metadynamics")
    alchemical = shared(AlchemicalSection, "alchemical")
    sampling = shared(SamplingSection, "sampling")
    estimate = shared(EstimateSettings, "estimate")
    resources = shared(ResourcesSection, "resources")
    user_ligands = _user_ligands(sections.get("ligands", {}), file_name, folder)
    specs = []
    choices = _grid({k: sections[k] for k in RUN_SECTIONS if k in sections}, file_name)
    _check_count(len(choices) * sampling.replicas, file_name)
    for choice in choices:
        for replica in range(sampling.replicas):
            spec = _checked(RunSpec, {**choice, "replica": replica}, file_name, "")
            problem = unknown_ligand(spec.model, user_ligands)
            if problem:
                raise CampaignError(f"{file_name}: [model] {problem}")
            records = {
                name: ligand_record(ligand)
                for name, ligand in user_ligands.items()
                if name in spec.model.ligand_names
            }
            specs.append(spec.model_copy(update={"ligands": records}))
    return Campaign(
        specs=tuple(specs),
        windows=windows,
        metadynamics=metadynamics,
        alchemical=alchemical,
        sampling=sampling,
        estimate=estimate,
        resources=resources,
    )


def _check_sections(content: Mapping[str, object], file_name: str) -> dict[str, dict[str, object]]:
    """The content, once each name is known and each value is a section. Raises CampaignError."""
    known = (*RUN_SECTIONS, "ligands", *SHARED_SECTIONS)
    sections: dict[str, dict[str, object]] = {}
    for name, section in content.items():
        if name not in known:
            raise CampaignError(
                f"{file_name}: unknown section or key [{name}]; the sections are {', '.join(known)}"
            )
        if not isinstance(section, dict):
            raise CampaignError(
                f"{file_name}: {name} = {shown(section)} must be a section, written [{name}]"
            )
        sections[name] = section
    return sections


def _user_ligands(
    sections: Mapping[str, object], file_name: str, folder: Path
) -> dict[str, Ligand]:
    """The checked ligand of every [ligands.NAME]. Raises CampaignError."""
    ligands = {}
    for name, values in sections.items():
        if not isinstance(values, dict):
            raise CampaignError(
                f"{file_name}: ligands.{name} = {shown(values)} must be a section, written"
                f" [ligands.{name}]"
            )
        section = _checked(LigandSection, values, file_name, f"ligands.{name}")
        try:
            ligands[name] = section.ligand(name, folder)
            check_ligand(name, ligands[name])
            all_ligands({name: ligands[name]})
        except (ValueError, OSError) as error:
            raise CampaignError(f"{file_name}: [ligands.{name}]: {error}") from None
    return ligands


def _grid(
    sections: dict[str, dict[str, object]], file_name: str
) -> list[dict[str, dict[str, object]]]:
    """The sections for each combination of the values of the axes. Raises CampaignError."""
    axes = [
        GridAxis(name, key, value)
        for name, section in sections.items()
        for key, value in section.items()
        if isinstance(value, list)
    ]
    for axis in axes:
        key = f"[{axis.section}] {axis.key}"
        if not axis.values:
            raise CampaignError(
                f"{file_name}: {key} = [] is an empty grid axis: give it at least one value"
            )
        if len(set(map(repr, axis.values))) != len(axis.values):
            raise CampaignError(
                f"{file_name}: {key} = {shown(axis.values)} names a value twice: remove one"
            )
    n_choices = math.prod(len(axis.values) for axis in axes)
    _check_count(n_choices, file_name)
    choices = []
    for values in itertools.product(*(axis.values for axis in axes)):
        choice = {name: dict(section) for name, section in sections.items()}
        for axis, value in zip(axes, values, strict=True):
            choice[axis.section][axis.key] = value
        choices.append(choice)
    return choices


def _check_count(n_runs: int, file_name: str) -> None:
    """Raise CampaignError for more runs than anybody samples."""
    try:
        check_size(f"the grid makes {n_runs} runs", n_runs, MAX_RUNS, "HALOBIND_MAX_RUNS")
    except ValueError as error:
        raise CampaignError(f"{file_name}: {error}") from None


def _checked(
    kind: type[Model], values: Mapping[str, object], file_name: str, section: str
) -> Model:
    """The values as a pydantic model. Raises CampaignError with a line for each problem."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise CampaignError(
            "\n".join(_explain(problem, file_name, section, kind) for problem in error.errors())
        ) from None


def _explain(problem: ErrorDetails, file_name: str, section: str, kind: type[BaseModel]) -> str:
    """One line on one problem that pydantic found: file, [section] key = value: what is wrong."""
    path = [str(part) for part in ([section] if section else []) + list(problem["loc"])]
    name = f"[{path[0]}] {'.'.join(path[1:])}".strip()
    if problem["type"] == "extra_forbidden":
        keys = _keys_of(kind, path[0], section)
        near = difflib.get_close_matches(path[-1], keys, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        return (
            f"{file_name}: {name} = {shown(problem['input'])} is not a known key; {hint}the keys of"
            f" [{path[0]}] are {', '.join(keys)}"
        )
    if problem["type"] == "missing":
        return f"{file_name}: {name} is missing: add it"
    if problem["type"] == "string_pattern_mismatch":
        advice = _cells_advice(str(problem["input"]))
        return f"{file_name}: {name} = {shown(problem['input'])}: {advice}"
    message = problem["msg"].removeprefix("Value error, ")
    value = (
        "" if isinstance(problem["input"], BaseModel | dict) else f" = {shown(problem['input'])}"
    )
    return f"{file_name}: {name}{value}: {message[0].lower()}{message[1:]}"


def _keys_of(kind: type[BaseModel], name: str, section: str) -> list[str]:
    """The keys of a section: of `kind`, or of its field `name` where `kind` is a whole run."""
    if not section and name in kind.model_fields:
        owner = kind.model_fields[name].annotation
        if isinstance(owner, type) and issubclass(owner, BaseModel):
            return list(owner.model_fields)
    return list(kind.model_fields)


def _cells_advice(text: str) -> str:
    """What to write instead of `text` for the cells of the crystal."""
    parts = text.split("x")
    if len(parts) == 3 and parts[2].endswith(".5"):
        layers = round(2 * float(parts[2])) + 1
        return (
            f"{parts[2]} cells are {layers} layers, an even number, so the two faces would differ:"
            " write whole cells"
        )
    return "write cells along x, y and z, each at least 1, like '4x4x3'"
