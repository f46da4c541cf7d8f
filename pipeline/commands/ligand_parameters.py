"""`halobind parametrize`: force-field files for the user's ligands, made once and checked."""

import hashlib
import json
import os
import shlex
import sys
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from halobind.forcefields.molecule_parameters.gaff import (
    HIGH_PENALTY,
    Parameters,
    check_elements,
    high_penalties,
    parametrize,
    program_versions,
    source_record,
)
from halobind.forcefields.molecule_parameters.gfn2_charges import (
    Opinion,
    compare,
    of_gfn2,
    of_points,
)
from halobind.forcefields.molecule_parameters.molecule_xml import check_file
from halobind.jobs.claims import claim
from halobind.jobs.publish import write_atomic
from halobind.jobs.stop import StopSignal
from halobind.pipeline.campaign.load import load_ligands
from halobind.pipeline.campaign.run_directory import campaign_file, user_molecules_folder
from halobind.pipeline.campaign.settings import CampaignError
from halobind.pipeline.workflow.checks import check_can_create
from halobind.structures.crystals.coating import all_ligands
from halobind.structures.molecules.catalogue import Ligand
from halobind.structures.molecules.molecule import Molecule, make_molecule
from halobind.structures.molecules.user_ligands import (
    READERS,
    check_format,
    guessed_ligand,
    ligand_notes,
)


@dataclass(frozen=True)
class _Order:
    """Ligands to make files for."""

    folder: Path
    """Where the files go."""
    rows: dict[str, Ligand]
    """The ligands by name."""
    lacking: str = ""
    """Text that the campaign file lacks for them; "" for nothing."""


def parametrize_ligands(source: str, name: str | None, campaign: Path | None) -> int:
    """Make the missing files of the ligands of a campaign, or of one ligand.

    Everything is checked before anything is computed; a file that is there is kept.

    Args:
        source: The campaign, or the SMILES or file of a ligand.
        name: Of the ligand; None for all of a campaign.
        campaign: Where the file of a single ligand goes; None for the working directory.

    Returns:
        The exit code: 1 when a ligand failed.

    Raises:
        CampaignError: Something cannot work; names it, the value and what to do.
    """
    if _is_campaign(source):
        order = _campaign_order(Path(source), name, campaign)
    else:
        order = _ligand_order(source, name, campaign)
    check_can_create(order.folder, "change its permissions, or move the campaign")
    try:
        molecules = [make_molecule(name, row) for name, row in order.rows.items()]
        for molecule in molecules:
            check_elements(molecule)
        for name, row in order.rows.items():
            for note in ligand_notes(name, row):
                print(note)
        missing = [molecule for molecule in molecules if not _is_made(order.folder, molecule)]
        if missing:
            program_versions()
    except (ValueError, RuntimeError) as error:
        raise CampaignError(str(error)) from None
    StopSignal().listen()
    failed = False
    for molecule in missing:
        try:
            _make(order.folder, molecule)
        except (ValueError, RuntimeError) as error:
            failed = True
            text = str(error)
            if not text.startswith(molecule.name):
                text = f"{molecule.name}: {text}"
            print(f"halobind: {text}", file=sys.stderr)
    if order.lacking and not failed:
        print(order.lacking)
    return int(failed)


def _is_campaign(source: str) -> bool:
    """Whether it is a campaign directory or file, and not a ligand."""
    return _is_folder(Path(source)) or Path(source).suffix == ".toml"


def _is_folder(path: Path) -> bool:
    """Whether there is such a directory; a SMILES may be too long to be the name of one."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _campaign_order(path: Path, name: str | None, campaign: Path | None) -> _Order:
    """Every ligand that a campaign describes itself, or the one of that name."""
    file = campaign_file(path) if path.is_dir() else path
    if campaign is not None:
        raise CampaignError(f"{path} is a campaign itself: leave out --campaign {campaign}")
    rows = load_ligands(file)
    if name is not None and name not in rows:
        raise CampaignError(
            f"{file} has no [ligands.{name}]; it has {', '.join(rows) or 'no ligands of its own'}"
        )
    if not rows:
        print(f"{file} has no ligands of its own ([ligands.NAME]): nothing to do")
    return _Order(user_molecules_folder(file.parent), rows if name is None else {name: rows[name]})


def _ligand_order(source: str, name: str | None, campaign: Path | None) -> _Order:
    """The ligand of a SMILES or file.

    Where the campaign has a section of that name, both must be the same molecule.
    """
    try:
        check_format(source)
    except ValueError as error:
        raise CampaignError(str(error)) from None
    path = Path(source)
    is_beside_files = path.parent != Path() and _is_folder(path.parent)
    if source.endswith(os.sep) or (is_beside_files and path.suffix.lower() not in READERS):
        raise CampaignError(f"there is no directory {source}")
    if name is None:
        raise CampaignError(
            f"give the ligand a name: halobind parametrize {shlex.quote(source)} --name NAME"
            f" (there is no directory {source})"
        )
    folder = Path() if campaign is None else campaign
    file = campaign_file(folder)
    written = load_ligands(file) if campaign is not None or file.exists() else {}
    try:
        all_ligands({name: Ligand(source, "donor", 0, name)})
        row = guessed_ligand(name, source)
        if name in written:
            _check_same(file, make_molecule(name, written[name]), make_molecule(name, row))
    except (ValueError, OSError) as error:
        raise CampaignError(str(error)) from None
    if name in written:
        return _Order(user_molecules_folder(folder), {name: written[name]})
    if row.molblock:
        key = f"file = {json.dumps(os.path.relpath(source, folder))}"
    else:
        key = f"smiles = {json.dumps(source)}"
    section = f'\n[ligands.{name}]\n{key}\nmode = "{row.mode}"\ncharge = {row.charge}'
    return _Order(
        user_molecules_folder(folder), {name: row}, f"to use it, add to {file}:\n{section}"
    )


def _check_same(file: Path, written: Molecule, typed: Molecule) -> None:
    """Raise ValueError unless the ligand as typed is that of its name in the campaign file."""
    same = (
        written.names == typed.names
        and np.array_equal(written.bonds, typed.bonds)
        and written.charge == typed.charge
    )
    if not same or written.smiles != typed.smiles:
        raise ValueError(
            f"[ligands.{written.name}] of {file} is {written.smiles}, not {typed.smiles} with the"
            " same atoms: change one of them, or choose another name"
        )


def _is_made(folder: Path, item: Molecule) -> bool:
    """Whether the file of a molecule is there; says so.

    Raises:
        CampaignError: The file is of another molecule, or was edited.
    """
    path = folder / f"{item.name}.xml"
    if not path.exists():
        return False
    advice = (
        f"choose another name, or remove {path} (runs that used it start anew) and give this"
        " command again"
    )
    try:
        check_file(path, item)
    except (ValueError, OSError) as error:
        raise CampaignError(f"{error}: {advice}") from None
    try:
        record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        made = dict(record["programs"])
        sha256 = record["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        print(
            f"{path} is there, without a readable record ({item.name}.json) but of the same"
            " molecule: kept as it is"
        )
        return True
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise CampaignError(
            f"{path} was edited: its checksum is not the one in {item.name}.json: {advice}"
        )
    now = {package: _version(package) for package in made}
    others = [
        f"{package} {made[package]} (here: {now[package]})"
        for package in made
        if made[package] != now[package]
    ]
    by = (
        f"by {', '.join(others)}; remove it to make it anew (runs that used it start anew)"
        if others
        else "from the same molecule"
    )
    print(f"{path} is there already, made {by}: nothing to do")
    return True


def _version(package: str) -> str:
    """The version of a package here."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _make(folder: Path, item: Molecule) -> None:
    """Compute, print and write one file and its record, the record first.

    Raises:
        ValueError: A check fails.
        RuntimeError: A program fails, or another process makes the file.
    """
    with claim(folder / ".locks" / f"{item.name}.lock") as mine:
        if not mine:
            raise RuntimeError(f"{item.name}: another halobind parametrize is at work on it")
        began = time.perf_counter()
        print(
            f"{item.name}: {item.smiles}, {item.charge:+d} e, {item.n_atoms} atoms; AM1-BCC takes"
            " seconds to minutes",
            flush=True,
        )
        parameters = parametrize(item)
        ours = of_points(item, parameters.charges, parameters.positions)
        other = of_gfn2(item, parameters.positions)
        table, warnings = compare(item, parameters.types, ours, other)
        print("\n".join(table))
        high = high_penalties(parameters.remarks)
        warnings += [f"parmchk2's penalty is above {HIGH_PENALTY:g}: {remark}" for remark in high]
        _print_guesses(parameters.remarks, high)
        path = folder / f"{item.name}.xml"
        record = source_record(item, parameters) | {
            "charges": _charges(item, parameters, ours, other),
            "warnings": warnings,
        }
        write_atomic(path.with_suffix(".json"), json.dumps(record, indent=1) + "\n")
        write_atomic(path, parameters.xml)
    for warning in warnings:
        print(f"warning: {item.name}: {warning}", file=sys.stderr)
    print(
        f"  checked: raw charges {parameters.raw_charge_sum:+.4f} e, written {item.charge:+d} e;"
        " energies as ParmEd's; 10 ps at 300 K in vacuum"
    )
    print(f"wrote {path} and {item.name}.json in {time.perf_counter() - began:.0f} s", flush=True)


def _print_guesses(remarks: tuple[str, ...], high: list[str]) -> None:
    """What parmchk2 guessed, with its penalties; high ones come as warnings."""
    shown = [remark for remark in remarks if remark not in high]
    penalties = f" ({len(high)} with a high penalty)" if high else ""
    print(f"  terms that gaff.dat has no row for: {len(remarks) or 'none'}{penalties}")
    for remark in shown:
        print(f"    {remark}")


def _charges(
    item: Molecule, parameters: Parameters, ours: Opinion, other: Opinion | None
) -> dict[str, Any]:
    """The numbers of the printed table, in full, for the record."""
    numbers = {
        "atoms": list(item.names),
        "types": list(parameters.types),
        "AM1-BCC_e": [round(float(q), 6) for q in ours.charges],
    }
    dipoles = {"AM1-BCC": round(ours.dipole_D, 3)}
    if other is not None:
        numbers["GFN2_e"] = [round(float(q), 6) for q in other.charges]
        dipoles["GFN2"] = round(other.dipole_D, 3)
        numbers["tblite"] = metadata.version("tblite")
    return {**numbers, "dipole_D": dipoles}
