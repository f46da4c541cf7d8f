"""A run on disk: its identity, its directory, and the names of everything inside it."""

import hashlib
import json
import os
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from halobind.forcefields.molecule_parameters.molecule_xml import check_file
from halobind.forcefields.packs.pack import checksums
from halobind.jobs.publish import write_atomic
from halobind.pipeline.campaign.settings import Campaign, CampaignError, RunSpec
from halobind.pipeline.campaign.versions import versions
from halobind.structures.molecules.catalogue import ION_CHARGES, PEROVSKITES
from halobind.structures.molecules.molecule import make_molecule

FORMAT = 4


def identity(spec: RunSpec, files: dict[str, str]) -> str:
    """Readable label + 8 hex digits of sha256 over every physics setting and every force-field
    file.
    """
    content = json.dumps(
        {"format": FORMAT, "spec": spec.model_dump(), "forcefield_files": files}, sort_keys=True
    )
    return f"{spec.model.label}-r{spec.replica}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def derived_seed(*parts: str | int) -> int:
    """A seed in 1 .. 2^31 - 1 from the names of what it is for. Seeds are derived, never drawn."""
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:4], "big") % (2**31 - 1) + 1


class DamagedError(RuntimeError):
    """A published product that cannot be read; the message says which, why, and what to remove."""


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Turn whatever goes wrong while a published product is read into a DamagedError that names it."""
    try:
        yield
    except DamagedError:
        raise
    except Exception as error:
        why = (
            f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
        )
        raise DamagedError(
            f"{folder} is damaged ({why}): remove this directory, then: halobind run --retry"
        ) from error


@dataclass(frozen=True)
class Run:
    """One run of a campaign: `folder` is <campaign>/runs/<id>, `first` that of its first replica,
    which holds the rounds of them all.
    """

    folder: Path
    spec: RunSpec
    first: Path | None = None

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def campaign(self) -> Path:
        return self.folder.parent.parent

    @property
    def leads(self) -> bool:
        """Whether the rounds of its ligand are published in this run."""
        return self.first in (None, self.folder)

    def rounds(self) -> list[Path]:
        """The published rounds of the run and its replicas, in order."""
        folder, found = (self.first or self.folder) / "rounds", []
        while (folder / f"{len(found):03d}").is_dir():
            found.append(folder / f"{len(found):03d}")
        return found

    def path(self, product: str) -> Path:
        """Where a product (for example "windows/z+0.350-k2000/seg-000") is or will be published."""
        return self.folder / product

    def has(self, product: str) -> bool:
        return self.path(product).is_dir()

    def published(self, products: Iterable[str]) -> set[str]:
        """Those of `products` that are published; each directory is listed once, however many
        products it holds.
        """
        asked = set(products)
        found = set()
        for folder in {name.rpartition("/")[0] for name in asked}:
            if (self.folder / folder).is_dir():
                with os.scandir(self.folder / folder) as items:
                    found |= {
                        f"{folder}/{item.name}" if folder else item.name
                        for item in items
                        if item.is_dir()
                    }
        return found & asked

    def lock(self, chain: str) -> Path:
        """The lock file that whoever works on `chain` holds."""
        return self.folder / ".locks" / f"{chain.replace('/', '_')}.lock"

    @property
    def failures_folder(self) -> Path:
        return self.folder / "failures"

    def failures(self, product: str) -> list[Path]:
        """Recorded failures of one product, oldest first."""
        return sorted(self.failures_folder.glob(f"{product.replace('/', '_')}-[0-9]*"))

    def window_chains(self) -> list[str]:
        """The chains of all windows on disk ("windows/z+0.350-k2000"), whether or not the campaign
        still asks for them.
        """
        return sorted(
            f"windows/{path.name}" for path in (self.folder / "windows").glob("z*") if path.is_dir()
        )

    def walker_chains(self, settings: str = "*") -> list[str]:
        """The chains of all walkers of metadynamics on disk whose names end in "-settings"."""
        found = (
            path
            for path in (self.folder / "metadynamics").glob(f"walker-[0-9]*-{settings}")
            if path.is_dir()
        )
        return [
            f"metadynamics/{path.name}"
            for path in sorted(found, key=lambda path: (len(path.name), path.name))
        ]

    def segments(self, chain: str) -> list[Path]:
        """Published segments of a chain, in order, up to the first one that is missing."""
        found = []
        while (self.path(chain) / f"seg-{len(found):03d}").is_dir():
            found.append(self.path(chain) / f"seg-{len(found):03d}")
        return found

    def observed(self, segment: Path, key: str) -> Path:
        """Where the observables of a published segment are or will be published under that key."""
        return self.folder / "observed" / segment.parent.name / f"{segment.name}-{key}"


def campaign_file(campaign: Path) -> Path:
    return campaign / "campaign.toml"


def tables_folder(campaign: Path) -> Path:
    return campaign / "tables"


def logs_folder(campaign: Path) -> Path:
    return campaign / "jobs"


def ledger_file(campaign: Path) -> Path:
    """The record of the jobs submitted for a campaign."""
    return logs_folder(campaign) / "submitted.jsonl"


def job_prefix(campaign: Path) -> str:
    """What the names of all jobs submitted for a campaign in this place begin with."""
    return f"halobind-{derived_seed('campaign', str(campaign.resolve())):08x}-"


def models_folder(campaign: Path) -> Path:
    return campaign / "models"


def own_molecules_folder(campaign: Path) -> Path:
    """Where `halobind parametrize` puts the force-field files of the campaign's own ligands."""
    return campaign / "molecules"


def runs_of(campaign_folder: Path, campaign: Campaign) -> list[Run]:
    """The runs of a campaign, whether or not they exist on disk yet. Raises CampaignError when one
    on disk was edited.
    """
    runs = []
    for spec in campaign.specs:
        files = forcefield_files(spec, campaign_folder)
        folder = campaign_folder / "runs"
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
    """Checksums of every force-field file of a run of the campaign in that directory.

    Raises CampaignError for a molecule without parameters, and for a file of an own ligand that is
    of another molecule.
    """
    a_site = PEROVSKITES[spec.model.perovskite].a_site
    names = [*spec.model.ligand_names, a_site, *sorted(spec.model.recipe)]
    molecules = tuple(dict.fromkeys(name for name in names if name not in ION_CHARGES))
    own = own_molecules_folder(campaign)
    command = f"halobind parametrize {shlex.quote(str(campaign))}"
    try:
        for name in molecules:
            if name in spec.ligands:
                path = own / f"{name}.xml"
                if not path.is_file():
                    raise CampaignError(
                        f"ligand {name!r} has no force-field parameters yet ({path}); make them"
                        f" with: {command}"
                    )
                check_file(path, make_molecule(name, spec.ligands[name].row))
        return checksums(spec.forcefield.pack, molecules, own)
    except FileNotFoundError as error:
        raise CampaignError(str(error)) from None
    except ValueError as error:
        if isinstance(error, CampaignError):
            raise
        raise CampaignError(
            f"{error}: put it right, or remove the file and make it anew with: {command}"
        ) from None


def write_record(run: Run) -> None:
    """Write run.json, first of all, with every default, the force-field checksums and the package
    versions; once only.
    """
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


def check_system(run: Run) -> None:
    """Refuse a run whose system.xml is not the one that was audited. Raises CampaignError."""
    folder = run.path("system")
    try:
        expected = json.loads((folder / "audit.json").read_text(encoding="utf-8"))["sha256"]
        found = hashlib.sha256((folder / "system.xml").read_bytes()).hexdigest()
    except (OSError, ValueError, KeyError, TypeError) as error:
        expected, found = None, type(error).__name__
    if found != expected:
        path = folder / "system.xml"
        raise CampaignError(
            f"{path} was edited: its checksum is not the one in audit.json; move {run.folder} away"
            " and run again"
        )


def check_record(run: Run, files: dict[str, str]) -> None:
    """Refuse a run directory whose run.json does not give the id in its name. Raises CampaignError."""
    path = run.folder / "run.json"
    advice = f"restore {path}, or move {run.folder} away and run again"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        spec = RunSpec.model_validate(record["spec"])
        found = identity(spec, record["forcefield_files"])
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        raise CampaignError(
            f"{path} was edited and cannot be read any more ({type(error).__name__}): {advice}"
        ) from None
    if found != run.id or record.get("id") != run.id or record["forcefield_files"] != files:
        raise CampaignError(
            f"{path} was edited: its content belongs to {found}, not to {run.id}; {advice}"
        )
