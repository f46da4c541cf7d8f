"""`halobind build`: the models of a campaign file as structures, with their ledger; nothing is
simulated.
"""

import hashlib
import json
import os
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from halobind.forcefields.packs.charges import model_charge
from halobind.forcefields.packs.pack import load_pack
from halobind.forcefields.packs.validity import check_pack, planning_lattice, wanted_of
from halobind.jobs.publish import publishing
from halobind.pipeline.campaign.load import load_campaign
from halobind.pipeline.campaign.run_directory import campaign_file, derived_seed, models_folder
from halobind.pipeline.campaign.settings import CampaignError, RunSpec
from halobind.structures.assembly.build import (
    BuildCheck,
    ModelSpec,
    build_model,
    check_model,
    plan_model,
)
from halobind.structures.models.export import FORMATS, check_export, export_model
from halobind.structures.models.model import Model, read_model, write_model
from halobind.structures.models.picture import draw_model
from halobind.structures.molecules.catalogue import LIGANDS
from halobind.structures.molecules.user_ligands import ligand_notes

PICTURE = "picture.png"


@dataclass(frozen=True)
class BuildOptions:
    """Options of `halobind build`: where to (None: `models` beside the campaign file), extra
    formats, whether to draw, the seed.
    """

    out: Path | None
    formats: tuple[str, ...]
    picture: bool
    seed: int


@dataclass(frozen=True)
class _Order:
    """One model to build: its directory, the builder's settings and the pack that gave the lattice
    constant.
    """

    folder: Path
    spec: ModelSpec
    pack: str


def build_models(path: Path, options: BuildOptions) -> int:
    """Build every distinct model of a campaign (its directory, or a file with at least [model]) and
    print the ledgers.

    All settings of all models are checked before the first is built. A model that is there already
    is not built again. Raises CampaignError naming the setting, its value and what to do.
    """
    file = campaign_file(path) if path.is_dir() else path
    orders = _orders(file, options)
    check_writable(options.out or models_folder(file.parent))
    for order in orders:
        try:
            check_model(order.spec)
            planned = plan_model(order.spec)
            check_pack(load_pack(order.pack), wanted_of(order.spec, planned))
            for kind in options.formats:
                check_export(planned.n_atoms, planned.box, kind)
        except ValueError as error:
            raise CampaignError(f"{file}: {order.folder.name}: {error}") from None
    user_ligands = {name: row for order in orders for name, row in order.spec.user_ligands}
    for name, row in user_ligands.items():
        for note in ligand_notes(name, row):
            print(note)
    for order in orders:
        try:
            _make(order, options)
        except (ValueError, RuntimeError) as error:
            raise CampaignError(f"{file}: {order.folder.name}: {error}") from None
    return 0


def check_writable(folder: Path) -> None:
    """Raise CampaignError when nothing can be created where the models go."""
    there = next(
        parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists()
    )
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise CampaignError(
            f"{there} is not a directory that can be written to: name another one with --out"
        )


def _orders(file: Path, options: BuildOptions) -> list[_Order]:
    out = options.out or models_folder(file.parent)
    found: dict[str, _Order] = {}
    for run in load_campaign(file).specs:
        order = _order(run, out, options.seed)
        found[order.folder.name] = order
    return list(found.values())


def _order(run: RunSpec, out: Path, seed: int) -> _Order:
    pack = load_pack(run.forcefield.pack)
    own = {name: record.ligand for name, record in run.ligands.items()}
    lattice = planning_lattice(pack, run.model.perovskite)
    content = json.dumps(
        [
            run.model.model_dump(),
            run.coordinate.leaving,
            {name: asdict(row) for name, row in own.items()},
            lattice,
            seed,
            run.replica,
        ],
        sort_keys=True,
    )
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    spec = run.model.spec(lattice, own, derived_seed(digest, "build"), run.coordinate.leaving)
    return _Order(out / f"{run.model.label}-{run.model.cells}-{digest}", spec, pack.name)


def _make(order: _Order, options: BuildOptions) -> None:
    """Publish one model, then what else was asked for, each file in one step."""
    if order.folder.is_dir():
        print(f"{order.folder} is there already")
        model = None
    else:
        model, check = build_model(order.spec)
        charge = model_charge(
            model,
            load_pack(order.pack),
            {name: row.charge for name, row in {**LIGANDS, **order.spec.ligands}.items()},
        )
        with publishing(order.folder) as scratch:
            write_model(model, scratch)
            record = {
                **asdict(check),
                "model_charge_e": round(charge, 9) + 0.0,
                "forcefield": order.pack,
            }
            (scratch / "check.json").write_text(
                json.dumps(record, indent=1) + "\n", encoding="utf-8"
            )
        print("\n".join(ledger(order, check, charge)), flush=True)
    for name in [
        *(f"model.{kind}" for kind in options.formats),
        *([PICTURE] if options.picture else []),
    ]:
        if not (order.folder / name).exists():
            model = model or read_model(order.folder)
            _write(model, order.folder / name)
            print(f"  wrote {order.folder / name}", flush=True)


def _write(model: Model, path: Path) -> None:
    scratch = path.with_name(f".{uuid.uuid4().hex[:6]}-{path.name}")
    try:
        if path.name == PICTURE:
            draw_model(model, scratch)
        else:
            export_model(model, scratch, path.suffix.removeprefix("."))
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def ledger(order: _Order, check: BuildCheck, charge: float) -> list[str]:
    """What went into a model and what it weighs in charge, one line each."""

    def listed(counts: dict[str, int]) -> str:
        return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"

    left = f"; {listed(check.left_out)} left out for that" if check.left_out else ""
    box = " x ".join(f"{side:.2f}" for side in check.box_nm)
    rows = [
        ("bare crystal", f"neutral{left}", check.charge_of_crystal),
        ("its sites", check.sites, None),
        ("ions replaced", listed(check.replaced), -check.charge_of_replaced),
        ("ligands bound", listed(check.bound), check.charge_of_bound),
        ("dissolved", listed(check.dissolved), check.charge_of_dissolved),
        ("solvent", listed(check.solvent) if check.solvent else "none (vacuum)", 0),
        ("formal charge", "", check.formal_charge),
        (f"charge in {order.pack}", "", charge),
    ]
    lines = [f"{order.folder}: {check.n_atoms} atoms, {box} nm"]
    for name, text, value in rows:
        shown = (
            ""
            if value is None
            else (f"{value:+d} e" if isinstance(value, int) else f"{round(value, 6) + 0.0:+.6f} e")
        )
        lines.append(f"  {name:<26}{text:<60}{shown:>14}".rstrip())
    lines.append(
        f"  {'closest contact':<26}{check.closest_contact_nm:.3f} nm"
        f" ({' and '.join(check.closest_atoms)})"
    )
    return lines


def known_formats() -> tuple[str, ...]:
    """Names of the formats `halobind build --format` takes."""
    return tuple(FORMATS)
