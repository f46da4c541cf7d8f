"""`halobind build`: the models of a campaign file as structures, with their ledger; nothing is
simulated.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from halobind.forcefields.packs.charges import model_charge
from halobind.forcefields.packs.pack import load_pack
from halobind.jobs.publish import publishing, scratch_folder
from halobind.pipeline.campaign.load import load_campaign
from halobind.pipeline.campaign.run_directory import campaign_file, models_folder
from halobind.pipeline.campaign.settings import CampaignError
from halobind.pipeline.workflow.checks import check_can_create
from halobind.pipeline.workflow.model_orders import ModelOrder, check_order, model_order
from halobind.structures.assembly.build import BuildCheck, build_model
from halobind.structures.models.export import check_export, export_model
from halobind.structures.models.model import Model, read_model, write_model
from halobind.structures.models.picture import draw_model
from halobind.structures.molecules.catalogue import LIGANDS
from halobind.structures.molecules.user_ligands import ligand_notes

PICTURE = "picture.png"


@dataclass(frozen=True)
class BuildOptions:
    """Options of `halobind build`."""

    out: Path | None = None
    """Where the models go; None: `models` beside the campaign file."""
    formats: tuple[str, ...] = ()
    """Other formats to write each model in, keys of FORMATS."""
    picture: bool = False
    """Draw each model."""
    seed: int = 1
    """Of everything that the builder draws."""


def build_models(path: Path, options: BuildOptions) -> int:
    """Build every distinct model of a campaign and print the ledgers; returns 0.

    All settings of all models are checked before the first is built. A model that is there already
    is not built again.

    Args:
        path: The campaign directory, or a file with at least [model].
        options: What to write.

    Raises:
        CampaignError: Something cannot be built; names the setting, its value and what to do.
    """
    file = campaign_file(path) if path.is_dir() else path
    orders = model_orders(file, options)
    check_can_create(options.out or models_folder(file.parent), "name another one with --out")
    for order in orders:
        try:
            model_plan = check_order(order)
            for kind in options.formats:
                check_export(model_plan.n_atoms, model_plan.box, kind)
        except ValueError as error:
            raise CampaignError(f"{file}: {order.folder.name}: {error}") from None
    user_ligands = {name: ligand for order in orders for name, ligand in order.spec.user_ligands}
    for name, ligand in user_ligands.items():
        for note in ligand_notes(name, ligand):
            print(note)
    for order in orders:
        try:
            _publish_model(order, options)
        except (ValueError, RuntimeError) as error:
            raise CampaignError(f"{file}: {order.folder.name}: {error}") from None
    return 0


def model_orders(file: Path, options: BuildOptions) -> list[ModelOrder]:
    """The distinct models of a campaign file, in its order. Raises CampaignError."""
    out = options.out or models_folder(file.parent)
    orders = {}
    for spec in load_campaign(file).specs:
        order = model_order(spec, out, options.seed)
        orders[order.folder.name] = order
    return list(orders.values())


def _publish_model(order: ModelOrder, options: BuildOptions) -> None:
    """Publish one model, then its other formats and its picture, each file in one step."""
    model = None
    if order.folder.is_dir():
        print(f"{order.folder} is there already")
    else:
        model = _build(order)
    writers: dict[str, Callable[[Model, Path], None]] = {
        export_name(kind): partial(export_model, kind=kind) for kind in options.formats
    }
    if options.picture:
        writers[PICTURE] = draw_model
    for name, write in writers.items():
        path = order.folder / name
        if path.exists():
            print(f"  {path} is there already", flush=True)
            continue
        model = model or read_model(order.folder)
        with scratch_folder(path) as scratch:
            write(model, scratch / path.name)
            os.replace(scratch / path.name, path)
        print(f"  wrote {path}", flush=True)


def _build(order: ModelOrder) -> Model:
    """Build and publish a model, and print its ledger."""
    model, check = build_model(order.spec)
    ligands = {**LIGANDS, **order.spec.ligands}
    formal_charges = {name: ligand.charge for name, ligand in ligands.items()}
    charge = model_charge(model, load_pack(order.pack), formal_charges)
    record = {
        **asdict(check),
        "model_charge_e": round(charge, 9) + 0.0,
        "forcefield": order.pack,
    }
    with publishing(order.folder) as scratch:
        write_model(model, scratch)
        text = json.dumps(record, indent=1) + "\n"
        (scratch / "check.json").write_text(text, encoding="utf-8")
    print("\n".join(ledger(order, check, charge)), flush=True)
    return model


def export_name(kind: str) -> str:
    """The file of a model in another format; "model.cif" is the model itself, as mmCIF."""
    return "model-crystal.cif" if kind == "cif" else f"model.{kind}"


def ledger(order: ModelOrder, check: BuildCheck, charge: float) -> list[str]:
    """What went into a model and what it weighs in charge, one line each."""

    left_out = f"; {_listed(check.left_out)} left out for that" if check.left_out else ""
    box = " x ".join(f"{side:.2f}" for side in check.box_nm)
    rows: list[tuple[str, str, float | None]] = [
        ("bare crystal", f"neutral{left_out}", check.charge_of_crystal),
        ("its sites", check.sites, None),
        ("ions replaced", _listed(check.replaced), -check.charge_of_replaced),
        ("ligands bound", _listed(check.bound), check.charge_of_bound),
        ("dissolved", _listed(check.dissolved), check.charge_of_dissolved),
        ("solvent", _listed(check.solvent) if check.solvent else "none (vacuum)", 0),
        ("formal charge", "", check.formal_charge),
        (f"charge in {order.pack}", "", charge),
    ]
    lines = [f"{order.folder}: {check.n_atoms} atoms, {box} nm"]
    for name, text, value in rows:
        lines.append(f"  {name:<26}{text:<60}{_charge_text(value):>14}".rstrip())
    lines.append(
        f"  {'closest contact':<26}{check.closest_contact_nm:.3f} nm"
        f" ({' and '.join(check.closest_atoms)})"
    )
    return lines


def _listed(counts: dict[str, int]) -> str:
    """ "12 Cs, 3 Br", or "none"."""
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"


def _charge_text(charge: float | None) -> str:
    """A formal charge as a whole number, one of a force field with six digits, no charge as ""."""
    if charge is None:
        return ""
    if isinstance(charge, int):
        return f"{charge:+d} e"
    return f"{round(charge, 6) + 0.0:+.6f} e"
