"""Model and System of a run: the first two products, which all MD starts from."""

import hashlib
import math
from dataclasses import asdict
from pathlib import Path

import openmm as mm

from forcefields.audit import audit
from forcefields.leaving import add_pair_restraint
from forcefields.packs import load_pack
from forcefields.surface import add_surface_walls
from forcefields.system import SystemSettings, make_system
from forcefields.validity import planning_lattice
from pipeline.campaign import RunSpec
from pipeline.legs import Workshop, built_model, coordinate_of, write_json
from pipeline.run import derived_seed, own_molecules_folder
from structures.build import ModelSpec, build
from structures.model import write_model


def run_model_spec(spec: RunSpec, run_id: str) -> ModelSpec:
    """The builder's settings of a run; the lattice constant comes from the force-field pack."""
    lattice = planning_lattice(load_pack(spec.forcefield.pack), spec.model.perovskite)
    own = {name: ligand.row for name, ligand in spec.ligands.items()}
    return spec.model.spec(lattice, own, derived_seed(run_id, "build"), spec.coordinate.leaving)


def make_build(shop: Workshop, out: Path) -> None:
    model, check = build(run_model_spec(shop.run.spec, shop.run.id))
    write_model(model, out)
    write_json(out / "check.json", asdict(check))


def make_parametrize(shop: Workshop, out: Path) -> None:
    spec, model = shop.run.spec, built_model(shop.run.path("build"))
    pack, own = load_pack(spec.forcefield.pack), own_molecules_folder(shop.run.campaign)
    system = make_system(model, pack, SystemSettings(spec.forcefield.cutoff_nm, spec.forcefield.restraint_kJ_mol_nm2), own)
    found = audit(system, model, pack, own)
    add_pair_restraint(system, model, spec.coordinate.pair_nm, spec.coordinate.wall_kJ_mol_nm2)
    if math.isfinite(spec.wall_nm):
        add_surface_walls(system, model, spec.wall_nm)
    coordinate_of(spec, model).add_to(system)
    text = mm.XmlSerializer.serialize(system)
    (out / "system.xml").write_text(text, encoding="ascii")
    write_json(out / "audit.json", {"sha256": hashlib.sha256(text.encode()).hexdigest(), **asdict(found)})
