"""From the samples of umbrella windows to curve and binding numbers, in one step."""

import html
from dataclasses import dataclass, replace

from halobind.pipeline.free_energy.binding import Binding, compute_binding
from halobind.pipeline.free_energy.equilibration import EquilibratedSamples, discard_equilibration
from halobind.pipeline.free_energy.samples import Samples
from halobind.pipeline.free_energy.settings import EstimateSettings
from halobind.pipeline.free_energy.umbrella_pmf import UmbrellaPmf, estimate_pmf


@dataclass(frozen=True, eq=False, repr=False)
class WindowEstimate:
    """All that follows from the samples of umbrella windows.

    In a notebook it shows itself as numbers with their flaws, and the curve.

    Examples:
        >>> estimate = halobind.estimate_samples(samples)
        >>> estimate.binding.n_windows, estimate.binding.converged
        (7, True)
    """

    used: EquilibratedSamples
    """The samples without the beginning of each window."""
    pmf: UmbrellaPmf
    """The curve."""
    binding: Binding
    """The binding numbers, and what is wrong with them."""

    def __repr__(self) -> str:
        dG0 = self.binding.dG0_kJ_mol
        depth = self.binding.well_depth_kJ_mol
        status = "not converged" if self.binding.flags else "converged"
        lines = [
            f"dG0 {dG0.value:.1f} ± {dG0.error:.1f} kJ/mol, well depth {depth.value:.1f} ±"
            f" {depth.error:.1f} kJ/mol: {status}",
            *(f"  {flag.text}" for flag in self.binding.flags),
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The numbers and the curve, for notebooks."""
        lines = "<br>".join(html.escape(line) for line in repr(self).splitlines())
        return f"<p>{lines}</p>{self.pmf._repr_html_()}"


def estimate_samples(
    samples: Samples, settings: EstimateSettings | None = None, seed: int = 0
) -> WindowEstimate:
    """Curve and binding numbers from umbrella windows, as for a row of the table.

    Args:
        samples: heights of every window, from halobind or any other program.
        settings: how the estimate is made; None for the defaults of [estimate].
        seed: of the resamples behind the errors.

    Raises:
        EstimateError: no number follows from the samples.

    Examples:
        Heights that harmonic windows on a flat landscape would give:

        >>> import numpy as np
        >>> random = np.random.default_rng(1)
        >>> windows = [halobind.Window(center_nm=z, k=2000.0) for z in np.arange(0.0, 0.7, 0.1)]
        >>> spread_nm = np.sqrt(0.0083145 * 300 / 2000)
        >>> samples = halobind.Samples(
        ...     windows=tuple(windows),
        ...     z=tuple(random.normal(window.center_nm, spread_nm, 400) for window in windows),
        ...     interval_ps=1.0,
        ...     temperature_K=300.0,
        ...     radius_nm=0.55,
        ...     wall_k=5000.0,
        ... )
        >>> estimate = halobind.estimate_samples(samples, halobind.EstimateSettings(n_bootstrap=20))
        >>> bool(abs(estimate.binding.well_depth_kJ_mol.value) < 2.5)
        True
    """
    settings = settings or EstimateSettings.model_validate({})
    used = discard_equilibration(samples, settings)
    pmf = estimate_pmf(used.samples, settings, seed)
    binding = compute_binding(pmf, used.samples, settings, seed)
    return WindowEstimate(used, pmf, replace(binding, flags=(*binding.flags, *used.flags())))
