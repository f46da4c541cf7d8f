"""Binding free energies of ligands on halide-perovskite surfaces.

A campaign file goes in, a table with honest error bars comes out. The names below are public; each is imported when it is first used, so
that `import halobind` costs nothing.

    import halobind
    from pathlib import Path

    campaign = halobind.load_campaign(Path("mycampaign/campaign.toml"))
    runs = halobind.runs_of(Path("mycampaign"), campaign)
    table = halobind.make_table(halobind.CampaignRuns(Path("mycampaign"), campaign, runs))
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "load_campaign": "pipeline.campaign.load",
    "Campaign": "pipeline.campaign.settings",
    "CampaignError": "pipeline.campaign.settings",
    "runs_of": "pipeline.campaign.run_directory",
    "CampaignRuns": "pipeline.campaign.run_directory",
    "make_table": "pipeline.results.publish",
    "ModelSpec": "structures.assembly.build",
    "build_model": "structures.assembly.build",
    "Model": "structures.models.model",
    "load_pack": "forcefields.packs.pack",
    "make_system": "forcefields.hamiltonian.system",
    "EstimateSettings": "pipeline.free_energy.settings",
    "Samples": "pipeline.free_energy.samples",
    "Window": "pipeline.free_energy.samples",
    "estimate_pmf": "pipeline.free_energy.umbrella_pmf",
    "compute_binding": "pipeline.free_energy.binding",
}
__all__ = list(_HOMES)  # noqa: PLE0604 (a list of the names above)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'halobind' has no attribute {name!r}")
    return getattr(import_module(f"halobind.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOMES)
