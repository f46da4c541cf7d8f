"""The bins that every estimator puts its curve on, with the plateau that is their zero."""

from dataclasses import dataclass

import numpy as np

from halobind.pipeline.free_energy.samples import EstimateError, Samples
from halobind.pipeline.free_energy.settings import EstimateSettings


@dataclass(frozen=True)
class Grid:
    """Bins [first + i, first + i + 1) * bin_nm, i < n, that cover every sample."""

    first: int
    n: int
    bin_nm: float
    kT: float
    plateau: tuple[int, int]
    middle: tuple[int, int]
    core: tuple[int, int]

    @property
    def z_nm(self) -> np.ndarray:
        """Centres of the bins, (n,)."""
        return (self.first + np.arange(self.n) + 0.5) * self.bin_nm

    def fine(self, steps: int) -> np.ndarray:
        """The middles of `steps` equal steps in each bin, (n * steps,)."""
        return (self.first + (np.arange(self.n * steps) + 0.5) / steps) * self.bin_nm

    def curve(self, weights: np.ndarray, bins: np.ndarray) -> np.ndarray:
        """W (n,) over the plateau from unbiased weights of samples in `bins`."""
        return over_plateau(np.bincount(bins, weights, minlength=self.n), self.plateau, self.kT)


def over_plateau(density: np.ndarray, plateau: tuple[int, int], kT: float) -> np.ndarray:
    """W (n,) = -kT ln of a density (n,) over its mean on the plateau; NaN where it is 0, everywhere
    when the plateau is empty.
    """
    bulk = density[slice(*plateau)].mean()
    known = (density > 0) & (bulk > 0)
    return np.where(
        known, -kT * np.log(np.where(known, density, 1.0) / (bulk if bulk > 0 else 1.0)), np.nan
    )


def make_grid(samples: Samples, settings: EstimateSettings) -> Grid:
    """The bins, with the plateau at the end of the windows' centres, or of the samples where no
    sample gets so far.
    """
    z, width = np.concatenate(samples.z), settings.bin_nm
    first = int(np.floor(z.min() / width))
    n = int(np.floor(z.max() / width)) + 1 - first
    end = min(max(w.center_nm for w in samples.windows), float(z.max()))
    stop = min(n, int(np.ceil(end / width - 1e-6)) - first)
    start = stop - round(settings.plateau_nm / width)
    if start < 2:
        sampled = f"the sampled range, {z.min():.3f} to {end:.3f} nm"
        raise EstimateError(
            f"{sampled}, is too short for plateau_nm = {settings.plateau_nm:g}: pull further out,"
            " or lower it",
            cause="sampled range too short",
        )
    low, mid, high = (
        np.array([np.quantile(series, q) for series in samples.z]) for q in (0.02, 0.5, 0.98)
    )
    spans = (
        np.floor(np.array([[mid.min(), mid.max()], [low.min(), high.max()]]) / width).astype(int)
        - first
    )
    middle, core = ((int(a), int(b) + 1) for a, b in spans)
    return Grid(first, n, width, samples.kT, (start, stop), middle, core)
