"""Model and System of a run: the first two products, which all MD starts from."""

import hashlib
import math
from dataclasses import asdict
from pathlib import Path

import openmm as mm

from halobind.forcefields.hamiltonian.audit import audit
from halobind.forcefields.hamiltonian.crystal_walls import add_surface_walls
from halobind.forcefields.hamiltonian.ion_pair_restraint import add_pair_restraint
from halobind.forcefields.hamiltonian.system import SystemSettings, make_system
from halobind.forcefields.packs.pack import load_pack
from halobind.forcefields.packs.validity import planning_lattice
from halobind.pipeline.campaign.run_directory import derived_seed, user_molecules_folder
from halobind.pipeline.campaign.settings import RunSpec
from halobind.pipeline.sampling.segment_files import (
    Workshop,
    built_model,
    coordinate_of,
    write_json,
)
from halobind.structures.assembly.build import ModelSpec, build_model
from halobind.structures.models.model import write_model


def run_model_spec(spec: RunSpec, run_id: str) -> ModelSpec:
    """The builder's settings of a run; the lattice constant comes from the force-field pack."""
    lattice = planning_lattice(load_pack(spec.forcefield.pack), spec.model.perovskite)
    own = {name: record.ligand for name, record in spec.ligands.items()}
    return spec.model.spec(lattice, own, derived_seed(run_id, "build"), spec.coordinate.leaving)


def make_build(shop: Workshop, out: Path) -> None:
    model, check = build_model(run_model_spec(shop.run.spec, shop.run.id))
    write_model(model, out)
    write_json(out / "check.json", asdict(check))


def make_parametrize(shop: Workshop, out: Path) -> None:
    spec, model = shop.run.spec, built_model(shop.run.path("build"))
    pack, own = load_pack(spec.forcefield.pack), user_molecules_folder(shop.run.campaign)
    system = make_system(
        model,
        pack,
        SystemSettings(spec.forcefield.cutoff_nm, spec.forcefield.restraint_kJ_mol_nm2),
        own,
    )
    found = audit(system, model, pack, own)
    add_pair_restraint(system, model, spec.coordinate.pair_nm, spec.coordinate.wall_kJ_mol_nm2)
    if math.isfinite(spec.wall_nm):
        add_surface_walls(system, model, spec.wall_nm)
    coordinate_of(spec, model).add_to(system)
    text = mm.XmlSerializer.serialize(system)
    (out / "system.xml").write_text(text, encoding="ascii")
    write_json(
        out / "audit.json", {"sha256": hashlib.sha256(text.encode()).hexdigest(), **asdict(found)}
    )
