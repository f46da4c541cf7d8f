"""Binding free energies of ligands on halide-perovskite surfaces.

A campaign goes in, a table with honest error bars comes out:

    import halobind

    campaign = halobind.open_campaign("mycampaign")
    halobind.run_campaign(campaign)
    halobind.make_table(campaign)

The names below are public; each is imported when it is first used, so that `import halobind` costs
nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from halobind.forcefields.hamiltonian.system import SystemSettings, make_system
    from halobind.forcefields.packs.pack import load_pack
    from halobind.pipeline.campaign.run_directory import CampaignRuns
    from halobind.pipeline.campaign.settings import CampaignError
    from halobind.pipeline.free_energy.pmf import Curve, Pmf
    from halobind.pipeline.free_energy.samples import EstimateError, Samples, Window
    from halobind.pipeline.free_energy.settings import EstimateSettings
    from halobind.pipeline.free_energy.window_estimate import WindowEstimate, estimate_samples
    from halobind.pipeline.results.publish import make_table, publish_table
    from halobind.pipeline.results.run_rows import curve_of
    from halobind.pipeline.results.table import Table
    from halobind.pipeline.sampling.platforms import PlatformError
    from halobind.pipeline.workflow.campaign_cost import CampaignPlan, plan_campaign
    from halobind.pipeline.workflow.checks import open_campaign
    from halobind.pipeline.workflow.local_run import RunOutcome, run_campaign
    from halobind.pipeline.workflow.new_campaigns import make_model, new_campaign
    from halobind.pipeline.workflow.worker import WorkError
    from halobind.structures.models.model import Model

__all__ = [
    "CampaignError",
    "CampaignPlan",
    "CampaignRuns",
    "Curve",
    "EstimateError",
    "EstimateSettings",
    "Model",
    "PlatformError",
    "Pmf",
    "RunOutcome",
    "Samples",
    "SystemSettings",
    "Table",
    "Window",
    "WindowEstimate",
    "WorkError",
    "curve_of",
    "estimate_samples",
    "load_pack",
    "make_model",
    "make_system",
    "make_table",
    "new_campaign",
    "open_campaign",
    "plan_campaign",
    "publish_table",
    "run_campaign",
]

_MODULE_OF = {
    "CampaignError": "pipeline.campaign.settings",
    "CampaignPlan": "pipeline.workflow.campaign_cost",
    "CampaignRuns": "pipeline.campaign.run_directory",
    "Curve": "pipeline.free_energy.pmf",
    "EstimateError": "pipeline.free_energy.samples",
    "EstimateSettings": "pipeline.free_energy.settings",
    "Model": "structures.models.model",
    "PlatformError": "pipeline.sampling.platforms",
    "Pmf": "pipeline.free_energy.pmf",
    "RunOutcome": "pipeline.workflow.local_run",
    "Samples": "pipeline.free_energy.samples",
    "SystemSettings": "forcefields.hamiltonian.system",
    "Table": "pipeline.results.table",
    "Window": "pipeline.free_energy.samples",
    "WindowEstimate": "pipeline.free_energy.window_estimate",
    "WorkError": "pipeline.workflow.worker",
    "curve_of": "pipeline.results.run_rows",
    "estimate_samples": "pipeline.free_energy.window_estimate",
    "load_pack": "forcefields.packs.pack",
    "make_model": "pipeline.workflow.new_campaigns",
    "make_system": "forcefields.hamiltonian.system",
    "make_table": "pipeline.results.publish",
    "new_campaign": "pipeline.workflow.new_campaigns",
    "open_campaign": "pipeline.workflow.checks",
    "plan_campaign": "pipeline.workflow.campaign_cost",
    "publish_table": "pipeline.results.publish",
    "run_campaign": "pipeline.workflow.local_run",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        return import_module("importlib.metadata").version("halobind")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'halobind' has no attribute {name!r}")
    return getattr(import_module(f"halobind.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
