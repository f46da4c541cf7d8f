"""Trial packs of a calibration: the default pack with another charge scale and other repulsions,
from calibration.toml.
"""

import tomllib
from importlib import resources
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from halobind.forcefields.packs.pack import BondIncrement, Pack
from halobind.forcefields.validation.check_rows import Check
from halobind.forcefields.validation.pocket import heads_of
from halobind.forcefields.validation.suite import bulk_checks, checks, pocket_pmf

SOLVENT = "acetone"


class Trial(BaseModel):
    """One row: the charge scale, and what the repulsion A of a listed pair of the source is
    multiplied by (1 where it is not named).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    charge_scale: float = Field(gt=0, le=1)
    repulsion: dict[str, Annotated[float, Field(gt=0, le=10)]] = Field(default_factory=dict)

    @property
    def label(self) -> str:
        """What it is, as a heading and a folder."""
        return "_".join(
            [
                f"s{self.charge_scale:g}",
                *(f"{pair}x{factor:g}" for pair, factor in self.repulsion.items()),
            ]
        )


class Trials(BaseModel):
    """calibration.toml: A of each pair that trials change, as its source gives it, and the trials."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source_A: dict[str, Annotated[float, Field(gt=0)]] = Field(min_length=1)
    trial: tuple[Trial, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _known(self) -> "Trials":
        unknown = sorted(
            {pair for trial in self.trial for pair in trial.repulsion} - set(self.source_A)
        )
        if unknown:
            raise ValueError(f"trials change {', '.join(unknown)}, which source_A does not name")
        return self


def load_trials() -> Trials:
    """The trials that are shipped."""
    return Trials(
        **tomllib.loads(
            (resources.files("halobind.forcefields") / "data" / "calibration.toml").read_text(
                encoding="utf-8"
            )
        )
    )


def trial_pack(
    pack: Pack, trial: Trial, trials: Trials, lattice_nm: dict[str, float] | None = None
) -> Pack:
    """`pack` with the numbers of the trial, and other lattice constants where they have been
    measured.

    Raises ValueError for a pack without bond increments or without one of the pairs.
    """
    missing = set(trials.source_A) - {
        pair for table in pack.table if table.form == "buckingham" for pair in table.pairs
    }
    if not isinstance(pack.charges, BondIncrement) or missing:
        pairs = ", ".join(sorted(missing or trials.source_A))
        raise ValueError(
            f"force field {pack.name!r} has no bond increments or no Buckingham row {pairs}, so"
            " there is nothing to calibrate"
        )
    repulsion = {pair: A * trial.repulsion.get(pair, 1.0) for pair, A in trials.source_A.items()}
    tables = [
        table.model_copy(
            update={
                "pairs": {
                    pair: (repulsion.get(pair, row[0]), *row[1:])
                    for pair, row in table.pairs.items()
                }
            }
        )
        for table in pack.table
    ]
    charges = pack.charges.model_copy(update={"charge_scale": trial.charge_scale})
    lattice = {**pack.lattice_nm, **(lattice_nm or {})}
    return pack.model_copy(
        update={"charges": charges, "table": tuple(tables), "lattice_nm": lattice}
    )


def bulk_part(pack: Pack) -> list[Check]:
    """What has to be known first: lattice constants (and elastic constants, which do not need them)
    of every perovskite.
    """
    return [check for perovskite in pack.lattice_nm for check in bulk_checks(perovskite, True)]


def surface_part(pack: Pack) -> list[Check]:
    """What is built at the trial's own lattice constants: slabs, heads, and the free energies of
    the heads from pocket to solvent.
    """
    found = [check for check in checks(pack, True) if check.name in ("integrity", "heads")]
    return found + [pocket_pmf(head, SOLVENT) for head in heads_of(pack)]
