"""`halobind parametrize`: force-field files for ligands that are not rows, made once, checked, and
told with a second opinion.
"""

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
    """Ligands to make files for, the folder these go to, and what the campaign file lacks for them
    (text to add; "" for nothing).
    """

    folder: Path
    rows: dict[str, Ligand]
    lacking: str = ""


def parametrize_ligands(what: str, name: str | None, campaign: Path | None) -> int:
    """Make the missing files of a campaign's own ligands (`what` is its directory), or of the one
    ligand that `what` describes.

    Everything is checked before anything is computed; a file that is there is kept. Returns 1 when
    a ligand failed. Raises CampaignError naming what was given and what to do.
    """
    order = (
        _campaign_order(Path(what), name, campaign)
        if _is_campaign(what)
        else _ligand_order(what, name, campaign)
    )
    check_can_create(order.folder, "change its permissions, or move the campaign")
    try:
        molecules = [make_molecule(name, row) for name, row in order.rows.items()]
        for item in molecules:
            check_elements(item)
        for name, row in order.rows.items():
            for note in ligand_notes(name, row):
                print(note)
        missing = [item for item in molecules if not _is_there(order.folder, item)]
        if missing:
            program_versions()
    except (ValueError, RuntimeError) as error:
        raise CampaignError(str(error)) from None
    StopSignal().listen()
    failed = False
    for item in missing:
        try:
            _make(order.folder, item)
        except (ValueError, RuntimeError) as error:
            failed = True
            print(
                "halobind:"
                f" {str(error) if str(error).startswith(item.name) else f'{item.name}: {error}'}",
                file=sys.stderr,
            )
    if order.lacking and not failed:
        print(order.lacking)
    return int(failed)


def _is_campaign(what: str) -> bool:
    return _is_folder(Path(what)) or Path(what).suffix == ".toml"


def _is_folder(path: Path) -> bool:
    """Whether there is such a directory; a SMILES may be too long to be the name of one."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _campaign_order(path: Path, name: str | None, campaign: Path | None) -> _Order:
    """Every own ligand of a campaign, or the one of that name."""
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


def _ligand_order(what: str, name: str | None, campaign: Path | None) -> _Order:
    """The ligand of a SMILES or file. Where the campaign has a section of that name, both must be
    the same molecule.
    """
    try:
        check_format(what)
    except ValueError as error:
        raise CampaignError(str(error)) from None
    if what.endswith(os.sep) or (
        Path(what).parent != Path()
        and _is_folder(Path(what).parent)
        and Path(what).suffix.lower() not in READERS
    ):
        raise CampaignError(f"there is no directory {what}")
    if name is None:
        raise CampaignError(
            f"give the ligand a name: halobind parametrize {shlex.quote(what)} --name NAME (there"
            f" is no directory {what})"
        )
    folder = Path() if campaign is None else campaign
    file = campaign_file(folder)
    written = load_ligands(file) if campaign is not None or file.exists() else {}
    try:
        all_ligands({name: Ligand(what, "donor", 0, name)})
        row = guessed_ligand(name, what)
        if name in written:
            _check_same(file, make_molecule(name, written[name]), make_molecule(name, row))
    except (ValueError, OSError) as error:
        raise CampaignError(str(error)) from None
    if name in written:
        return _Order(user_molecules_folder(folder), {name: written[name]})
    source = (
        f"file = {json.dumps(os.path.relpath(what, folder))}"
        if row.molblock
        else f"smiles = {json.dumps(what)}"
    )
    section = f'\n[ligands.{name}]\n{source}\nmode = "{row.mode}"\ncharge = {row.charge}'
    return _Order(
        user_molecules_folder(folder), {name: row}, f"to use it, add to {file}:\n{section}"
    )


def _check_same(file: Path, written: Molecule, given: Molecule) -> None:
    """Raise ValueError when the ligand on the command line is not the one of that name in the
    campaign file.
    """
    same = (
        written.names == given.names
        and np.array_equal(written.bonds, given.bonds)
        and written.charge == given.charge
    )
    if not same or written.smiles != given.smiles:
        raise ValueError(
            f"[ligands.{written.name}] of {file} is {written.smiles}, not {given.smiles} with the"
            " same atoms: change one of them, or choose another name"
        )


def _is_there(folder: Path, item: Molecule) -> bool:
    """Whether the file of the molecule is there; says so. Raises CampaignError when the file is of
    another molecule, or was edited.
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
        made, sha256 = dict(record["programs"]), record["sha256"]
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
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _make(folder: Path, item: Molecule) -> None:
    """Compute, print and write one file and its record, the record first. Raises ValueError and
    RuntimeError when a check fails.
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
        found = parametrize(item)
        ours, other = (
            of_points(item, found.charges, found.positions),
            of_gfn2(item, found.positions),
        )
        table, warnings = compare(item, found.types, ours, other)
        print("\n".join(table))
        high = high_penalties(found.remarks)
        warnings += [f"parmchk2's penalty is above {HIGH_PENALTY:g}: {remark}" for remark in high]
        _print_guesses(found.remarks, high)
        path = folder / f"{item.name}.xml"
        record = source_record(item, found) | {
            "charges": _charges(item, found, ours, other),
            "warnings": warnings,
        }
        write_atomic(path.with_suffix(".json"), json.dumps(record, indent=1) + "\n")
        write_atomic(path, found.xml)
    for warning in warnings:
        print(f"warning: {item.name}: {warning}", file=sys.stderr)
    print(
        f"  checked: raw charges {found.raw_charge_sum:+.4f} e, written {item.charge:+d} e;"
        " energies as ParmEd's; 10 ps at 300 K in vacuum"
    )
    print(f"wrote {path} and {item.name}.json in {time.perf_counter() - began:.0f} s", flush=True)


def _print_guesses(remarks: tuple[str, ...], high: list[str]) -> None:
    """What parmchk2 guessed, with its penalties; high ones come as warnings."""
    shown = [remark for remark in remarks if remark not in high]
    print(
        "  terms that gaff.dat has no row for:"
        f" {len(remarks) or 'none'}{f' ({len(high)} with a high penalty)' if high else ''}"
    )
    for remark in shown:
        print(f"    {remark}")


def _charges(
    item: Molecule, found: Parameters, ours: Opinion, other: Opinion | None
) -> dict[str, Any]:
    """The numbers of the printed table, in full, for the record."""
    numbers = {
        "atoms": list(item.names),
        "types": list(found.types),
        "AM1-BCC_e": [round(float(q), 6) for q in ours.charges],
    }
    dipoles = {"AM1-BCC": round(ours.dipole_D, 3)}
    if other is not None:
        numbers["GFN2_e"] = [round(float(q), 6) for q in other.charges]
        dipoles["GFN2"] = round(other.dipole_D, 3)
        numbers["tblite"] = metadata.version("tblite")
    return {**numbers, "dipole_D": dipoles}
