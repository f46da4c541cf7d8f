"""Heights of windows or walkers in; a curve, dG0, errors and flags out. Pure functions, no files.

A public name is loaded when it is first used, because scipy and pymbar take a second to import.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from halobind.pipeline.free_energy.binding import Binding, compute_binding
    from halobind.pipeline.free_energy.equilibration import discard_equilibration
    from halobind.pipeline.free_energy.flags import Flag, FlagKind
    from halobind.pipeline.free_energy.metadynamics_pmf import WalkerSamples, walk_binding
    from halobind.pipeline.free_energy.pmf import Pmf
    from halobind.pipeline.free_energy.quantity import Quantity
    from halobind.pipeline.free_energy.samples import Conditions, EstimateError, Samples, Window
    from halobind.pipeline.free_energy.settings import EstimateSettings
    from halobind.pipeline.free_energy.umbrella_pmf import UmbrellaPmf, estimate_pmf

__all__ = [
    "Binding",
    "Conditions",
    "EstimateError",
    "EstimateSettings",
    "Flag",
    "FlagKind",
    "Pmf",
    "Quantity",
    "Samples",
    "UmbrellaPmf",
    "WalkerSamples",
    "Window",
    "compute_binding",
    "discard_equilibration",
    "estimate_pmf",
    "walk_binding",
]

_MODULE_OF = {
    "Binding": "binding",
    "Conditions": "samples",
    "EstimateError": "samples",
    "EstimateSettings": "settings",
    "Flag": "flags",
    "FlagKind": "flags",
    "Pmf": "pmf",
    "Quantity": "quantity",
    "Samples": "samples",
    "UmbrellaPmf": "umbrella_pmf",
    "WalkerSamples": "metadynamics_pmf",
    "Window": "samples",
    "compute_binding": "binding",
    "discard_equilibration": "equilibration",
    "estimate_pmf": "umbrella_pmf",
    "walk_binding": "metadynamics_pmf",
}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
