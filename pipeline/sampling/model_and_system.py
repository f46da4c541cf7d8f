"""Model and System of a run: the first two products, which all MD starts from."""

import hashlib
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import openmm as mm

from halobind.forcefields.hamiltonian.audit import audit_system
from halobind.forcefields.hamiltonian.crystal_walls import add_surface_walls
from halobind.forcefields.hamiltonian.ion_pair_restraint import add_pair_restraint
from halobind.forcefields.hamiltonian.system import SystemSettings, make_system
from halobind.forcefields.packs.pack import load_pack
from halobind.forcefields.packs.validity import planning_lattice
from halobind.pipeline.campaign.run_directory import derived_seed, molecule_library
from halobind.pipeline.campaign.settings import RunSpec
from halobind.pipeline.sampling.product import PREPARE
from halobind.pipeline.sampling.run_context import RunContext, coordinate_of
from halobind.pipeline.sampling.segment_files import write_json
from halobind.structures.assembly.build import ModelSpec, build_model
from halobind.structures.models.model import write_model

SETUP_PS = 1.0  # what building or parametrising counts for in progress and cost


def run_model_spec(spec: RunSpec, run_id: str) -> ModelSpec:
    """The builder's settings of a run; the lattice constant comes from the force-field pack.

    Args:
        spec: Settings of the run.
        run_id: Its id, from which the seed is derived.
    """
    lattice = planning_lattice(load_pack(spec.forcefield.pack), spec.model.perovskite)
    user_ligands = {name: record.ligand for name, record in spec.ligands.items()}
    seed = derived_seed(run_id, "build")
    return spec.model.spec(lattice, user_ligands, seed, spec.coordinate.leaving)


@dataclass(frozen=True)
class BuildProduct:
    """The model of a run."""

    stage: ClassVar[str] = "build"
    chain: ClassVar[str] = PREPARE
    number: ClassVar[int] = 0
    name: ClassVar[str] = "build"
    cost_ps: ClassVar[float] = SETUP_PS

    def make(self, context: RunContext, out: Path) -> None:
        """Build the model and check it."""
        model, check = build_model(run_model_spec(context.run.spec, context.run.id))
        write_model(model, out)
        write_json(out / "check.json", asdict(check))


@dataclass(frozen=True)
class SystemProduct:
    """The System of a run: force field, walls and binding coordinate, audited."""

    stage: ClassVar[str] = "system"
    chain: ClassVar[str] = PREPARE
    number: ClassVar[int] = 0
    name: ClassVar[str] = "system"
    cost_ps: ClassVar[float] = SETUP_PS

    def make(self, context: RunContext, out: Path) -> None:
        """Write system.xml, and audit.json with its checksum."""
        spec = context.run.spec
        model = context.model
        pack = load_pack(spec.forcefield.pack)
        molecules = molecule_library(context.run.campaign)
        settings = SystemSettings(spec.forcefield.cutoff_nm, spec.forcefield.restraint_kJ_mol_nm2)
        system = make_system(model, pack, settings, molecules)
        report = audit_system(system, model, pack, molecules)
        add_pair_restraint(system, model, spec.coordinate.pair_nm, spec.coordinate.wall_kJ_mol_nm2)
        if math.isfinite(spec.wall_nm):
            add_surface_walls(system, model, spec.wall_nm)
        coordinate_of(spec, model).add_to(system)
        text = mm.XmlSerializer.serialize(system)
        (out / "system.xml").write_text(text, encoding="ascii")
        checksum = hashlib.sha256(text.encode()).hexdigest()
        write_json(out / "audit.json", {"sha256": checksum, **asdict(report)})
