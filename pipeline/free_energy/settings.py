"""How numbers are made from samples: the [estimate] section of a campaign."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Finite = Annotated[float, Field(allow_inf_nan=False)]


class EstimateSettings(BaseModel):
    """The [estimate] section of a campaign: how numbers are made from samples. It never changes
    what is simulated.

    Examples:
        >>> halobind.EstimateSettings(bin_nm=0.05).plateau_nm
        0.2
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    discard_fraction: Finite = Field(
        0.2,
        ge=0,
        le=0.9,
        description="first part of every window that is left out as equilibration",
    )
    bin_nm: Finite = Field(0.02, ge=0.001, le=0.2, description="width of the bins of the curve, nm")
    plateau_nm: Finite = Field(
        0.2,
        ge=0.02,
        le=5,
        description="length of the far end of the path that stands for the bulk, nm",
    )
    n_bootstrap: int = Field(100, ge=20, le=10000, description="block resamples behind every error")
    min_overlap: Finite = Field(
        0.03,
        ge=0,
        le=0.5,
        description="overlap between neighbour windows below which a row is not converged",
    )
    min_effective_samples: Finite = Field(
        30, ge=1, le=1e6, description="independent samples a window needs for a row to be converged"
    )
    max_samples: int = Field(
        100_000,
        ge=1000,
        le=10_000_000,
        description="above this total, every window is thinned evenly (memory, time)",
    )

    @model_validator(mode="after")
    def _plateau_has_bins(self) -> "EstimateSettings":
        if self.plateau_nm < 3.999 * self.bin_nm:
            raise ValueError(
                f"plateau_nm = {self.plateau_nm} must hold at least four bins of bin_nm ="
                f" {self.bin_nm}"
            )
        return self
