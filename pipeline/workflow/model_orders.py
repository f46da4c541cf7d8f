"""One model of a campaign as structure: its name, its settings for the builder, its checks."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from halobind.forcefields.packs.pack import load_pack
from halobind.forcefields.packs.validity import check_pack, planning_lattice, request_of
from halobind.pipeline.campaign.run_directory import derived_seed
from halobind.pipeline.campaign.settings import RunSpec
from halobind.structures.assembly.build import ModelPlan, ModelSpec, check_model, plan_model


@dataclass(frozen=True)
class ModelOrder:
    """One model to build."""

    folder: Path
    """Where it is published."""
    spec: ModelSpec
    """The builder's settings."""
    pack: str
    """Name of the force field that gave the lattice constant."""


def model_order(run: RunSpec, out: Path, seed: int) -> ModelOrder:
    """The model of a run; its folder is named by a checksum of all that decides it.

    Args:
        run: every setting of the physics.
        out: the folder that its folder is in.
        seed: of everything that the builder draws.
    """
    pack = load_pack(run.forcefield.pack)
    user_ligands = {name: record.ligand for name, record in run.ligands.items()}
    lattice_nm = planning_lattice(pack, run.model.perovskite)
    content = json.dumps(
        [
            run.model.model_dump(),
            run.coordinate.leaving,
            {name: asdict(ligand) for name, ligand in user_ligands.items()},
            lattice_nm,
            seed,
            run.replica,
        ],
        sort_keys=True,
    )
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    builder_seed = derived_seed(digest, "build")
    spec = run.model.spec(lattice_nm, user_ligands, builder_seed, run.coordinate.leaving)
    return ModelOrder(out / f"{run.model.label}-{run.model.cells}-{digest}", spec, pack.name)


def check_order(order: ModelOrder) -> ModelPlan:
    """Refuse, before any work, a model that cannot be built; returns its plan.

    Raises:
        ValueError: names the setting, its value and what to do.
    """
    check_model(order.spec)
    model_plan = plan_model(order.spec)
    check_pack(load_pack(order.pack), request_of(order.spec, model_plan))
    return model_plan
