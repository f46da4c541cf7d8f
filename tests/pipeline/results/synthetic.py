"""Campaigns whose heights are drawn from known landscapes in place of molecular dynamics."""

import csv
import json
import tomllib
from pathlib import Path

import numpy as np

from halobind.pipeline.campaign.load import parse_campaign
from halobind.pipeline.campaign.run_directory import Run
from halobind.pipeline.campaign.settings import Campaign
from halobind.pipeline.commands.new import TEMPLATES
from halobind.pipeline.free_energy.constants import GAS_CONSTANT
from halobind.pipeline.sampling.products import all_products
from halobind.pipeline.sampling.window_segments import window_chain, windows_of
from tests.pipeline.tiny import segment_record

GRID = np.linspace(-0.6, 2.0, 5201)
DEPTHS = {"DA": 40.0, "DDA": 30.0}
RADIUS = 0.55
WALL = 5000.0


def landscape(ligand: str, kelvin: float) -> np.ndarray:
    """A well whose depth falls by 0.05 kJ/mol a kelvin: dH of it is the depth at 0 K."""
    depth = DEPTHS[ligand] - 0.05 * (kelvin - 300)
    return -depth * np.exp(-((GRID - 0.1) ** 2) / (2 * 0.1**2))


def lateral(count: int, kelvin: float, random: np.random.Generator) -> np.ndarray:
    r = np.linspace(0, RADIUS + 0.2, 2001)
    weight = r * np.exp(-0.5 * WALL * np.maximum(0, r - RADIUS) ** 2 / (GAS_CONSTANT * kelvin))
    return np.interp(random.random(count), np.cumsum(weight) / weight.sum(), r)


def campaign(**changes: object) -> Campaign:
    raw = tomllib.loads((TEMPLATES / "demo.toml").read_text(encoding="utf-8"))
    raw["model"]["ligand"] = ["DA", "DDA"]
    raw["windows"] = {"spacing_nm": 0.05, "k_kJ_mol_nm2": 2000.0}
    raw["pull"] = raw.get("pull", {}) | {"from_nm": -0.05, "to_nm": 1.2}
    raw["sampling"] = {"replicas": 1, "segments": 2, "segment_ps": 30.0, "record_ps": 0.2}
    raw["simulation"] = {"temperature_K": [280.0, 320.0]}
    raw["estimate"] = {"n_bootstrap": 20}
    return parse_campaign(raw | changes, "synthetic")


def publish_segments(folder: Path, settings: Campaign) -> list[Run]:
    """Every product of every run, with heights drawn exactly from the landscape in place of
    molecular dynamics.
    """
    runs = []
    for number, spec in enumerate(settings.specs):
        run = Run(
            folder
            / "runs"
            / f"{spec.model.ligand}-{spec.simulation.temperature_K:g}-r{spec.replica}-{number:08x}",
            spec,
        )
        random, kelvin = np.random.default_rng(number), spec.simulation.temperature_K
        for product in all_products(run, settings):
            run.path(product.name).mkdir(parents=True)
        for window in windows_of(run, settings):
            energy = (
                landscape(spec.model.ligand, kelvin)
                + 0.5 * window.k * (GRID - window.center_nm) ** 2
            )
            p = np.exp(-(energy - energy.min()) / (GAS_CONSTANT * kelvin))
            for segment in run.segments(window_chain(window)):
                z = np.interp(random.random(150), np.cumsum(p) / p.sum(), GRID)
                np.save(segment / "cv.npy", np.column_stack([z, lateral(150, kelvin, random)]))
                record = segment_record(window, 0.2)
                (segment / "segment.json").write_text(json.dumps(record))
        runs.append(run)
    return runs


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open(encoding="utf-8")))
