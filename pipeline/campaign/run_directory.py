"""A run on disk: its identity, its directory, and the names of everything inside it."""

import hashlib
import json
import os
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from halobind.forcefields.molecule_parameters.molecule_xml import check_file
from halobind.forcefields.packs.molecule_library import MoleculeLibrary
from halobind.forcefields.packs.pack import checksums
from halobind.jobs.publish import write_atomic
from halobind.pipeline.campaign.settings import Campaign, CampaignError, RunSpec
from halobind.pipeline.campaign.versions import versions
from halobind.structures.molecules.catalogue import ION_CHARGES, PEROVSKITES
from halobind.structures.molecules.molecule import make_molecule

FORMAT = 5  # of what a run id is made from and what a run directory holds


def identity(spec: RunSpec, files: dict[str, str]) -> str:
    """The id of a run: a readable label and 8 hex digits of sha256 over all that decides it.

    Args:
        spec: every setting of the physics.
        files: checksums of the numbers of the force field, see `forcefield_files`.
    """
    content = json.dumps(
        {"format": FORMAT, "spec": spec.model_dump(), "forcefield_files": files}, sort_keys=True
    )
    return f"{spec.model.label}-r{spec.replica}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def derived_seed(*parts: str | int) -> int:
    """A seed in 1 .. 2^31 - 1, derived from the names of what it is for; none is ever drawn."""
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:4], "big") % (2**31 - 1) + 1


class DamagedError(RuntimeError):
    """A published product that cannot be read; the message says which, why, and what to remove."""


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Turn every error of reading a published product into a DamagedError that names it.

    A CampaignError stays: what it names is not damaged, but cannot be read here.
    """
    try:
        check_regular(folder)
        yield
    except (DamagedError, CampaignError):  # these say what to do already
        raise
    except Exception as error:
        why = (
            f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
        )
        raise DamagedError(
            f"{folder} is damaged ({why}): remove this directory, then: halobind run --retry"
        ) from error


def check_regular(folder: Path) -> None:
    """Raise DamagedError where a product holds anything but files: to read a pipe waits for ever.

    Directories that begin with a dot are left alone, as those of file systems and desktops.
    """
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if not path.is_file() and not path.name.startswith("."):
            raise DamagedError(
                f"{folder} is damaged ({path.name} is not a file): remove this directory, then:"
                " halobind run --retry"
            )


@dataclass(frozen=True)
class Run:
    """One run of a campaign, whether or not it is on disk yet."""

    folder: Path
    """<campaign>/runs/<id>."""
    spec: RunSpec
    """Everything that decides its physics."""
    first: Path | None = None
    """Folder of the first replica, which holds the rounds of them all; None for the run itself."""

    @property
    def id(self) -> str:
        """Readable label and 8 hex digits, see `identity`."""
        return self.folder.name

    @property
    def campaign(self) -> Path:
        """The directory of its campaign."""
        return self.folder.parent.parent

    @property
    def leads(self) -> bool:
        """Whether the rounds of its ligand are published in this run."""
        return self.first in (None, self.folder)

    def rounds(self) -> list[Path]:
        """The published rounds of the run and its replicas, in order."""
        return _numbered_folders((self.first or self.folder) / "rounds", "")

    def path(self, product: str) -> Path:
        """Where a product (for example "windows/z+0.350-k2000/seg-000") is or will be published."""
        return self.folder / product

    def has(self, product: str) -> bool:
        """Whether a product is published."""
        return self.path(product).is_dir()

    def published(self, products: Iterable[str]) -> set[str]:
        """Those of `products` that are published; each directory that holds some is listed once."""
        names = set(products)
        on_disk: set[str] = set()
        for folder in {name.rpartition("/")[0] for name in names}:
            if (self.folder / folder).is_dir():
                with os.scandir(self.folder / folder) as items:
                    on_disk |= {
                        f"{folder}/{item.name}" if folder else item.name
                        for item in items
                        if item.is_dir()
                    }
        return on_disk & names

    def lock(self, chain: str) -> Path:
        """The lock file that the process which works on `chain` holds."""
        return self.folder / ".locks" / f"{chain.replace('/', '_')}.lock"

    @property
    def failures_folder(self) -> Path:
        """Where failures are recorded."""
        return self.folder / "failures"

    def failures(self, product: str) -> list[Path]:
        """Recorded failures of one product, oldest first."""
        return sorted(self.failures_folder.glob(f"{product.replace('/', '_')}-[0-9]*"))

    def window_chains(self) -> list[str]:
        """The chains of all windows on disk ("windows/z+0.350-k2000"), asked for or not."""
        return sorted(
            f"windows/{path.name}" for path in (self.folder / "windows").glob("z*") if path.is_dir()
        )

    def walker_chains(self, settings: str = "*") -> list[str]:
        """The chains of all walkers of metadynamics on disk whose names end in "-settings"."""
        paths = (self.folder / "metadynamics").glob(f"walker-[0-9]*-{settings}")
        names = [path.name for path in paths if path.is_dir()]
        return [
            f"metadynamics/{name}" for name in sorted(names, key=lambda name: (len(name), name))
        ]

    def alchemical_chains(self) -> list[str]:
        """The chains of all alchemical states on disk, asked for or not."""
        paths = (self.folder / "alchemical").glob("z*")
        return sorted(f"alchemical/{path.name}" for path in paths if path.is_dir())

    def segments(self, chain: str) -> list[Path]:
        """Published segments of a chain, in order, up to the first one that is missing."""
        return _numbered_folders(self.path(chain), "seg-")

    def observed(self, segment: Path, key: str) -> Path:
        """Where the observables of a published segment are or will be published under that key."""
        return self.folder / "observed" / segment.parent.name / f"{segment.name}-{key}"


def _numbered_folders(parent: Path, prefix: str) -> list[Path]:
    """The folders prefix000, prefix001, ... of `parent`, up to the first one that is missing."""
    folders: list[Path] = []
    while (parent / f"{prefix}{len(folders):03d}").is_dir():
        folders.append(parent / f"{prefix}{len(folders):03d}")
    return folders


@dataclass(frozen=True, repr=False)
class CampaignRuns:
    """A campaign directory that was opened: its settings and its runs.

    Examples:
        >>> campaign = halobind.open_campaign("mycampaign")
        >>> campaign.settings.sampling.segments
        2
        >>> [run.spec.model.ligand for run in campaign.runs]
        ['DA']
    """

    folder: Path
    """The campaign directory."""
    settings: Campaign
    """The content of campaign.toml."""
    runs: list[Run]
    """Its runs, in the order of `settings.specs`."""

    def __repr__(self) -> str:
        n_runs = len(self.runs)
        first = f"Campaign {self.folder}: {n_runs} run{'s' * (n_runs != 1)}"
        return "\n".join([first, *(f"  {run.id}" for run in self.runs)])


def campaign_file(campaign: Path) -> Path:
    """What a person asks for."""
    return campaign / "campaign.toml"


def runs_folder(campaign: Path) -> Path:
    """The directories of its runs."""
    return campaign / "runs"


def tables_folder(campaign: Path) -> Path:
    """The tables and what they predict."""
    return campaign / "tables"


def logs_folder(campaign: Path) -> Path:
    """What jobs print."""
    return campaign / "jobs"


def ledger_file(campaign: Path) -> Path:
    """The record of the jobs submitted for a campaign."""
    return logs_folder(campaign) / "submitted.jsonl"


def job_prefix(campaign: Path) -> str:
    """What the names of all jobs submitted for a campaign in this place begin with."""
    return f"halobind-{derived_seed('campaign', str(campaign.resolve())):08x}-"


def models_folder(campaign: Path) -> Path:
    """The models that `halobind build` makes."""
    return campaign / "models"


def user_molecules_folder(campaign: Path) -> Path:
    """Where `halobind parametrize` puts the force-field files of the user's ligands."""
    return campaign / "molecules"


def molecule_library(campaign: Path) -> MoleculeLibrary:
    """The force-field files that the runs of a campaign use: shipped, and of the user's ligands."""
    return MoleculeLibrary(user_folder=user_molecules_folder(campaign))


def runs_of(campaign_folder: Path, campaign: Campaign) -> list[Run]:
    """The runs of a campaign, whether or not they are on disk yet.

    Args:
        campaign_folder: the campaign directory.
        campaign: the content of its campaign file.

    Raises:
        CampaignError: a run on disk was edited, or a force-field file is missing or wrong.
    """
    runs = []
    for spec in campaign.specs:
        files = forcefield_files(spec, campaign_folder)
        folder = runs_folder(campaign_folder)
        run = Run(
            folder / identity(spec, files),
            spec,
            folder / identity(spec.model_copy(update={"replica": 0}), files),
        )
        if (run.folder / "run.json").exists():
            check_record(run, files)
        if run.has("system"):
            check_system(run)
        runs.append(run)
    return runs


def forcefield_files(spec: RunSpec, campaign: Path) -> dict[str, str]:
    """Checksums of the numbers in every force-field file of a run.

    Args:
        spec: the run.
        campaign: the campaign directory, which holds the files of the user's ligands.

    Raises:
        CampaignError: a molecule has no parameters, or the file of a user's ligand is of another
            molecule.
    """
    a_site = PEROVSKITES[spec.model.perovskite].a_site
    names = [*spec.model.ligand_names, a_site, *sorted(spec.model.recipe)]
    molecules = tuple(dict.fromkeys(name for name in names if name not in ION_CHARGES))
    user_molecules = user_molecules_folder(campaign)
    command = f"halobind parametrize {shlex.quote(str(campaign))}"
    try:
        for name in molecules:
            if name in spec.ligands:
                path = user_molecules / f"{name}.xml"
                if not path.is_file():
                    raise CampaignError(
                        f"ligand {name!r} has no force-field parameters yet ({path}); make them"
                        f" with: {command}"
                    )
                check_file(path, make_molecule(name, spec.ligands[name].ligand))
        return checksums(spec.forcefield.pack, molecules, molecule_library(campaign))
    except FileNotFoundError as error:
        raise CampaignError(str(error)) from None
    except CampaignError:
        raise
    except ValueError as error:
        raise CampaignError(
            f"{error}: put it right, or remove the file and make it anew with: {command}"
        ) from None


def write_record(run: Run) -> None:
    """Write run.json, the first file of a run, once: settings, force-field checksums, versions."""
    path = run.folder / "run.json"
    if path.exists():
        return
    files = forcefield_files(run.spec, run.campaign)
    record = {
        "id": run.id,
        "format": FORMAT,
        "spec": run.spec.model_dump(),
        "forcefield_files": files,
        "versions": versions(),
    }
    write_atomic(path, json.dumps(record, indent=1) + "\n")


def read_run_record(run: Run) -> dict[str, Any] | None:
    """What run.json says, see `write_record`; None for a run that is not begun.

    Raises:
        DamagedError: it cannot be read.
    """
    path = run.folder / "run.json"
    if not path.is_file():
        return None
    with reading(path):
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return record


def check_system(run: Run) -> None:
    """Raise CampaignError for a run whose system.xml is not the one that was audited."""
    folder = run.path("system")
    try:
        check_regular(folder)
    except DamagedError as error:
        raise CampaignError(str(error)) from None
    try:
        expected = json.loads((folder / "audit.json").read_text(encoding="utf-8"))["sha256"]
        checksum = hashlib.sha256((folder / "system.xml").read_bytes()).hexdigest()
        intact = checksum == expected
    except (OSError, ValueError, KeyError, TypeError):
        intact = False
    if not intact:
        path = folder / "system.xml"
        raise CampaignError(
            f"{path} was edited: its checksum is not the one in audit.json; move {run.folder} away"
            " and run again"
        )


def check_record(run: Run, files: dict[str, str]) -> None:
    """Raise CampaignError for a run directory whose run.json does not give the id in its name."""
    path = run.folder / "run.json"
    advice = f"restore {path}, or move {run.folder} away and run again"
    if not path.is_file():
        raise CampaignError(f"{path} is not a file: {advice}")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        spec = RunSpec.model_validate(record["spec"])
        recorded_id = identity(spec, record["forcefield_files"])
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        raise CampaignError(
            f"{path} was edited and cannot be read any more ({type(error).__name__}): {advice}"
        ) from None
    ids_agree = recorded_id == run.id and record.get("id") == run.id
    if not ids_agree or record["forcefield_files"] != files:
        raise CampaignError(
            f"{path} was edited: its content belongs to {recorded_id}, not to {run.id}; {advice}"
        )
